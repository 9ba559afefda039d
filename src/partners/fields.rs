//! The columns of a file of volunteers, in the order in which they are written, and how a cell is written so that a
//! spreadsheet leaves it alone. Exports write by this, imports read by it. Pure.
use crate::platform::error::Language;
use crate::platform::nik::{NikStatus, Sex};
use crate::text_enum;
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};

text_enum! {
    /// A column. The word is its name in NDJSON, and the one that the API itself uses.
    Field {
        /// Of the volunteer.
        Id = "id",
        /// Masked, unless it was exported in full.
        Nik = "nik",
        /// Full name.
        Name = "name",
        /// Number in the office's own register.
        MemberNumber = "member_number",
        /// Place.
        BirthPlace = "birth_place",
        /// Day.
        BirthDate = "birth_date",
        /// As in civil registration.
        Sex = "sex",
        /// Street, house, neighbourhood.
        Address = "address",
        /// The current posting.
        VillageCode = "village_code",
        /// Its name, for people.
        VillageName = "village_name",
        /// International form.
        Phone = "phone",
        /// E-mail.
        Email = "email",
        /// Last education.
        Education = "education",
        /// Year of the first appointment.
        AppointedYear = "appointed_year",
        /// Main occupation.
        Occupation = "occupation",
        /// Basic training passed before this registry.
        CertificateNumber = "certificate_number",
        /// Who held it.
        CertificateOrganiser = "certificate_organiser",
        /// When.
        CertificateDate = "certificate_date",
        /// Codes of the list `psm-functions`.
        Functions = "functions",
        /// Highest training passed: derived, never imported.
        Level = "level",
        /// Where the volunteer stands.
        Status = "status",
        /// Since when.
        EffectiveOn = "effective_on",
        /// Appointment letter.
        SkNumber = "sk_number",
        /// Appointment letter.
        SkDate = "sk_date",
        /// Appointment letter.
        SkOfficial = "sk_official",
        /// What is known of the NIK.
        NikStatus = "nik_status",
    }
}

impl Field {
    /// Its header in one language.
    pub const fn header(self, language: Language) -> &'static str {
        let (id, en) = self.headers();
        match language {
            Language::Indonesian => id,
            Language::English => en,
        }
    }

    const fn headers(self) -> (&'static str, &'static str) {
        match self {
            Self::Id => ("ID", "ID"),
            Self::Nik => ("NIK", "NIK"),
            Self::Name => ("Nama", "Name"),
            Self::MemberNumber => ("Nomor Anggota", "Member Number"),
            Self::BirthPlace => ("Tempat Lahir", "Place of Birth"),
            Self::BirthDate => ("Tanggal Lahir", "Date of Birth"),
            Self::Sex => ("Jenis Kelamin", "Sex"),
            Self::Address => ("Alamat", "Address"),
            Self::VillageCode => ("Kode Desa/Kelurahan", "Village Code"),
            Self::VillageName => ("Desa/Kelurahan", "Village"),
            Self::Phone => ("Telepon", "Phone"),
            Self::Email => ("Surel", "E-mail"),
            Self::Education => ("Pendidikan Terakhir", "Last Education"),
            Self::AppointedYear => ("Tahun Pengangkatan", "Year of Appointment"),
            Self::Occupation => ("Pekerjaan Utama", "Main Occupation"),
            Self::CertificateNumber => ("Nomor Sertifikat Bimtek Dasar", "Basic Training Certificate Number"),
            Self::CertificateOrganiser => ("Penyelenggara Bimtek Dasar", "Basic Training Organiser"),
            Self::CertificateDate => ("Tanggal Sertifikat Bimtek Dasar", "Basic Training Certificate Date"),
            Self::Functions => ("Fungsi", "Functions"),
            Self::Level => ("Jenjang Pelatihan", "Training Level"),
            Self::Status => ("Status", "Status"),
            Self::EffectiveOn => ("Status Berlaku Sejak", "Status Since"),
            Self::SkNumber => ("Nomor SK", "Appointment Letter Number"),
            Self::SkDate => ("Tanggal SK", "Appointment Letter Date"),
            Self::SkOfficial => ("Pejabat Penanda Tangan SK", "Appointment Letter Signed By"),
            Self::NikStatus => ("Status NIK", "NIK Status"),
        }
    }

    /// The column that a header means, in either language or by its word; capitals, spaces and marks do not count.
    pub fn of_header(raw: &str) -> Option<Self> {
        let sent = plain(raw);
        let known = |field: &Self| {
            let (id, en) = field.headers();
            [id, en, field.as_str()].into_iter().any(|name| plain(name) == sent)
        };
        Self::ALL.iter().copied().find(known)
    }

    /// Whether its cells hold text as somebody typed it, which a spreadsheet may take for a number, a date or a formula. The
    /// others hold dates, years and words of ours.
    pub const fn is_free_text(self) -> bool {
        !matches!(
            self,
            Self::Id
                | Self::VillageCode
                | Self::BirthDate
                | Self::CertificateDate
                | Self::SkDate
                | Self::EffectiveOn
                | Self::AppointedYear
                | Self::Functions
                | Self::Sex
                | Self::Level
                | Self::Status
                | Self::NikStatus
        )
    }
}

/// Letters and digits alone, small.
fn plain(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Between the codes of one cell.
pub const BETWEEN: &str = ", ";

/// A word of ours as people of a language read it in a cell.
pub trait Spoken: Copy + Sized + 'static {
    /// Every value.
    fn all() -> &'static [Self];
    /// The word of JSON.
    fn word(self) -> &'static str;
    /// In Indonesian.
    fn indonesian(self) -> &'static str;

    /// As it stands in a cell.
    fn cell(self, language: Language) -> &'static str {
        match language {
            Language::Indonesian => self.indonesian(),
            Language::English => self.word(),
        }
    }

    /// What a cell means, in either language.
    fn of_cell(raw: &str) -> Option<Self> {
        let sent = plain(raw);
        Self::all()
            .iter()
            .copied()
            .find(|one| [one.indonesian(), one.word()].into_iter().any(|name| plain(name) == sent))
    }
}

impl Spoken for Sex {
    fn all() -> &'static [Self] {
        Self::ALL
    }
    fn word(self) -> &'static str {
        self.as_str()
    }
    fn indonesian(self) -> &'static str {
        match self {
            Self::Female => "Perempuan",
            Self::Male => "Laki-laki",
        }
    }
}

impl Spoken for VolunteerStatus {
    fn all() -> &'static [Self] {
        Self::ALL
    }
    fn word(self) -> &'static str {
        self.as_str()
    }
    fn indonesian(self) -> &'static str {
        match self {
            Self::Candidate => "Calon",
            Self::Verified => "Terverifikasi",
            Self::Selected => "Terpilih",
            Self::Active => "Aktif",
            Self::Inactive => "Tidak Aktif",
            Self::Rejected => "Ditolak",
            Self::Resigned => "Mengundurkan Diri",
            Self::Dismissed => "Diberhentikan",
            Self::Deceased => "Meninggal",
        }
    }
}

impl Spoken for TrainingLevel {
    fn all() -> &'static [Self] {
        Self::ALL
    }
    fn word(self) -> &'static str {
        self.as_str()
    }
    fn indonesian(self) -> &'static str {
        match self {
            Self::None => "Belum",
            Self::Basic => "Dasar",
            Self::Advanced => "Lanjutan",
        }
    }
}

impl Spoken for NikStatus {
    fn all() -> &'static [Self] {
        Self::ALL
    }
    fn word(self) -> &'static str {
        self.as_str()
    }
    fn indonesian(self) -> &'static str {
        match self {
            Self::Verified => "Terverifikasi",
            Self::WellFormed => "Sesuai Bentuk",
            Self::None => "Tidak Punya",
            Self::Unknown => "Belum Diketahui",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_in_both_languages_however_it_is_written() {
        for field in Field::ALL {
            for name in [field.header(Language::Indonesian), field.header(Language::English), field.as_str()] {
                assert_eq!(Field::of_header(name), Some(*field), "{name}");
                assert_eq!(Field::of_header(&format!(" {} ", name.to_uppercase())), Some(*field), "{name}");
            }
        }
        assert_eq!(Field::of_header("tanggal_lahir"), Some(Field::BirthDate));
        assert_eq!(Field::of_header("Agama"), None);
    }

    #[test]
    fn words_are_read_back_in_both_languages() {
        fn check<T: Spoken + PartialEq + std::fmt::Debug>() {
            for one in T::all() {
                for language in [Language::Indonesian, Language::English] {
                    assert_eq!(T::of_cell(one.cell(language)), Some(*one));
                }
            }
        }
        check::<Sex>();
        check::<VolunteerStatus>();
        check::<TrainingLevel>();
        check::<NikStatus>();
    }
}
