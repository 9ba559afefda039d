//! A register like the one of the Mukomuko training: 75 invented people in real villages, as an office would write it.
use super::TestApp;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

/// One of them, as the API is to give it back.
#[derive(Debug, Clone)]
pub struct Psm {
    pub member_number: String,
    pub name: String,
    /// With its birth date and sex; none for a few.
    pub nik: Option<String>,
    pub birth_place: &'static str,
    /// Year, month, day.
    pub birth: (u16, u8, u8),
    pub female: bool,
    pub address: String,
    /// As it is dialled: with its zero.
    pub phone: String,
    pub email: Option<String>,
    pub village: String,
    pub village_name: String,
    pub district_name: String,
    pub education: &'static str,
    pub appointed_year: u16,
    pub occupation: &'static str,
    pub certificate: String,
    /// Number of the appointment letter; none: a candidate.
    pub letter: Option<String>,
}

const WOMEN: [&str; 5] = ["Rosmaini", "Hj. Yusnidar, S.Sos.", "Elvi", "Nur'aini", "Desmawati"];
const MEN: [&str; 5] = ["Syafrudin", "Drs. Ma'ruf", "Zainal", "M. Nasir", "Alimuddin"];
const FAMILIES: [&str; 15] = [
    "Tanjung",
    "Koto",
    "Piliang",
    "Chaniago",
    "Sikumbang",
    "Guci",
    "Jambak",
    "Pitopang",
    "Melayu",
    "Bendang",
    "Mandaliko",
    "Panai",
    "Kutianyir",
    "Payobada",
    "Simabur",
];

/// Seventy-five of them, in villages of Mukomuko (17.06) by turns. `year` tells two registers of invented people apart.
pub async fn register(app: &TestApp, year: u16) -> Vec<Psm> {
    let villages = app
        .texts(
            "SELECT v.code || '|' || v.name || '|' || d.name FROM regions v JOIN regions d ON d.code = v.parent_code
             WHERE v.regency_code = '17.06' AND v.level = 'village' AND v.last_listed IS NULL ORDER BY v.code",
        )
        .await;
    assert_eq!(villages.len(), 151);
    (0..75_u16)
        .map(|index| {
            let at = usize::from(index);
            let village: Vec<&str> = villages[at * 2].split('|').collect();
            let female = index % 2 == 0;
            let first = if female { WOMEN[at % 5] } else { MEN[at % 5] };
            let (month, day) = (u8::try_from(index % 12 + 1).unwrap(), u8::try_from(index % 28 + 1).unwrap());
            let in_nik = if female { day + 40 } else { day };
            let nik = format!("170602{in_nik:02}{month:02}{:02}{:04}", year % 100, index + 1);
            Psm {
                member_number: format!("00{:02}", index + 1),
                name: format!("{first} {}", FAMILIES[at % 15]),
                nik: (index % 10 != 9).then_some(nik),
                birth_place: ["Mukomuko", "Ipuh", "Bengkulu"][at % 3],
                birth: (year, month, day),
                female,
                address: format!("Jl. \"Merdeka\" No. {}; RT 0{}\nDusun {}", index + 1, index % 9, index % 4),
                phone: format!("0812{:08}", 30_000_000 + u32::from(index) * 7),
                email: (index % 4 == 0).then(|| format!("psm{index}@mukomuko.example")),
                village: village[0].to_owned(),
                village_name: village[1].to_owned(),
                district_name: village[2].to_owned(),
                education: ["SMA", "S-1", "SMP"][at % 3],
                appointed_year: 2010 + index % 13,
                occupation: ["Petani", "Guru", "Wiraswasta"][at % 3],
                certificate: format!("{:03}/BIMTEK/2023", index + 1),
                letter: (index % 5 != 4).then(|| format!("460/{}/DINSOS/2023", index + 1)),
            }
        })
        .collect()
}

/// In quotes where Excel quotes.
fn cell(text: &str) -> String {
    if text.contains([';', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// As Excel of an Indonesian machine saves "CSV UTF-8": a mark, semicolons, CRLF, day first, codes without dots; with a
/// title above, counted columns below, and an apostrophe where somebody knew Excel.
pub fn csv(people: &[Psm]) -> Vec<u8> {
    let head = "No.;No. Anggota;Nama Lengkap;NIK;Tempat Lahir;Tgl Lahir;Jenis Kelamin (L/P);Alamat;No. HP;Email;Kode Wilayah;Pendidikan Terakhir;Tahun Pengangkatan;Pekerjaan Utama;No. Sertifikat;Penyelenggara;Tgl Sertifikat;No. SK;Tgl SK;Pejabat SK;Ket.";
    let width = head.split(';').count();
    let counted: Vec<String> = (1..=width).map(|column| format!("({column})")).collect();
    let blank = ";".repeat(width - 1);
    let mut lines = vec![format!("DAFTAR PESERTA BIMTEK DASAR PSM KABUPATEN MUKOMUKO{blank}"), blank.clone()];
    lines.push(head.to_owned());
    lines.push(counted.join(";"));
    for (index, psm) in people.iter().enumerate() {
        let (year, month, day) = psm.birth;
        let nik = psm.nik.as_ref().map_or("-".to_owned(), |nik| format!("'{nik}"));
        let letter = psm.letter.as_ref();
        let cells = [
            (index + 1).to_string(),
            psm.member_number.clone(),
            psm.name.clone(),
            nik,
            psm.birth_place.to_owned(),
            format!("{day:02}/{month:02}/{year}"),
            if psm.female { "P" } else { "L" }.to_owned(),
            psm.address.clone(),
            psm.phone.clone(),
            psm.email.clone().unwrap_or_default(),
            psm.village.replace('.', ""),
            psm.education.to_owned(),
            psm.appointed_year.to_string(),
            psm.occupation.to_owned(),
            psm.certificate.clone(),
            "Dinas Sosial Provinsi Bengkulu".to_owned(),
            "17 Mei 2023".to_owned(),
            letter.cloned().unwrap_or_default(),
            letter.map_or("", |_| "20-06-2023").to_owned(),
            letter.map_or("", |_| "Bupati Mukomuko").to_owned(),
            "hadir".to_owned(),
        ];
        lines.push(cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(";"));
    }
    // What is left of rows that were deleted.
    lines.extend([blank.clone(), blank]);
    [&[0xef, 0xbb, 0xbf][..], lines.join("\r\n").as_bytes()].concat()
}

/// As an office keeps it in Excel: a title over merged cells, dates as dates, numbers as text, villages by their names.
pub fn xlsx(people: &[Psm]) -> Vec<u8> {
    let mut book = Workbook::new();
    let (text, date) = (Format::new().set_num_format("@"), Format::new().set_num_format("dd/mm/yyyy"));
    let sheet = book.add_worksheet();
    sheet.merge_range(0, 0, 0, 5, "DAFTAR PSM KABUPATEN MUKOMUKO", &Format::new()).unwrap();
    let head = [
        "NO",
        "NAMA",
        "NIK",
        "JENIS KELAMIN",
        "TEMPAT LAHIR",
        "TANGGAL LAHIR",
        "ALAMAT",
        "DESA/KELURAHAN",
        "KECAMATAN",
        "TELEPON",
        "E-MAIL",
        "NOMOR ANGGOTA",
        "PENDIDIKAN",
        "PEKERJAAN",
        "TAHUN DIANGKAT",
        "NOMOR SERTIFIKAT",
        "PENYELENGGARA BIMTEK",
        "TANGGAL SERTIFIKAT",
        "NOMOR SK",
        "TANGGAL SK",
        "PENANDATANGAN SK",
    ];
    for (column, name) in (0..).zip(head) {
        sheet.write(2, column, name).unwrap();
    }
    let day = |(year, month, day): (u16, u8, u8)| ExcelDateTime::from_ymd(year, month, day).unwrap();
    for (row, psm) in (3..).zip(people) {
        sheet.write(row, 0, row - 2).unwrap();
        let mut put = |column: u16, value: &str| {
            sheet.write_with_format(row, column, value, &text).unwrap();
        };
        put(1, &psm.name);
        put(2, psm.nik.as_deref().unwrap_or_default());
        put(3, if psm.female { "Perempuan" } else { "Laki-laki" });
        put(4, psm.birth_place);
        put(6, &psm.address);
        put(7, &psm.village_name.to_uppercase());
        put(8, &psm.district_name);
        put(9, &psm.phone);
        put(10, psm.email.as_deref().unwrap_or_default());
        put(11, &psm.member_number);
        put(12, psm.education);
        put(13, psm.occupation);
        put(15, &psm.certificate);
        put(16, "Dinas Sosial Provinsi Bengkulu");
        if let Some(letter) = &psm.letter {
            put(18, letter);
            put(20, "Bupati Mukomuko");
            sheet.write_with_format(row, 19, day((2023, 6, 20)), &date).unwrap();
        }
        sheet.write_with_format(row, 5, day(psm.birth), &date).unwrap();
        sheet.write(row, 14, psm.appointed_year).unwrap();
        sheet.write_with_format(row, 17, day((2023, 5, 17)), &date).unwrap();
    }
    book.add_worksheet().write(0, 0, "Rekap").unwrap();
    book.save_to_buffer().unwrap()
}
