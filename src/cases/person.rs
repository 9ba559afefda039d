//! The person of a case: what is taken in, how it is kept, and what is shown to whom.
use super::rules::{CardNumber, CommunicationNeed, KkNumber, Relation, age_on};
use super::store::CasePerson;
use crate::platform::crypto::Keys;
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::input::{set, set_or_clear};
use crate::platform::moment::Day;
use crate::platform::nik::{Nik, NikStatus, Sex, masked};
use crate::platform::person::{AgeBand, Phone, initials};
use crate::platform::text::{Line, Text};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The fields that an open view of a person shows, as access records name them.
pub const OPEN_FIELDS: &[&str] = &[
    "name",
    "birth_date",
    "address",
    "phone",
    "guardian",
    "contact",
    "need",
    "nik_last_four",
    "kk_last_four",
    "card_last_four",
];
/// The fields that a reveal shows.
pub const REVEALED_FIELDS: &[&str] = &["name", "birth_date", "nik", "kk_number", "card_number"];

/// The person who needs help.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCasePerson {
    name: Line<200>,
    sex: Option<Sex>,
    /// If it is known; otherwise say about how old the person is, in years or as a band. Of the three one at most.
    birth_date: Option<Day>,
    /// Years; only without a birth date.
    #[schema(minimum = 0, maximum = 130)]
    age_estimate: Option<i16>,
    /// Where not even the years can be guessed.
    age_band: Option<AgeBand>,
    nik: Option<Nik>,
    /// Without a NIK: `none` or `unknown`. With one it is `well_formed`, and need not be said.
    nik_status: Option<NikStatus>,
    kk_number: Option<KkNumber>,
    card_number: Option<CardNumber>,
    address: Option<Text<500>>,
    phone: Option<Phone>,
    /// Of a child whose data are processed by consent it must be said.
    guardian_name: Option<Line<200>>,
    guardian_phone: Option<Phone>,
    /// What the guardian is to the person.
    guardian_relation: Option<Relation>,
    /// Who is to be asked for, where the person cannot be reached or should not be: a neighbour with a telephone.
    contact_name: Option<Line<200>>,
    /// Only with a name.
    contact_phone: Option<Phone>,
    /// What the contact is to the person.
    contact_relation: Option<Relation>,
    communication_need: Option<CommunicationNeed>,
}

/// A change of a person (RFC 7396): what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct CasePersonPatch {
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    name: Option<Line<200>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Sex>)]
    sex: Option<Option<Sex>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Day>)]
    birth_date: Option<Option<Day>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<i16>, minimum = 0, maximum = 130)]
    age_estimate: Option<Option<i16>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<AgeBand>)]
    age_band: Option<Option<AgeBand>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Nik>)]
    nik: Option<Option<Nik>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    nik_status: Option<NikStatus>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<KkNumber>)]
    kk_number: Option<Option<KkNumber>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<CardNumber>)]
    card_number: Option<Option<CardNumber>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Text<500>>)]
    address: Option<Option<Text<500>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Phone>)]
    phone: Option<Option<Phone>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<200>>)]
    guardian_name: Option<Option<Line<200>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Phone>)]
    guardian_phone: Option<Option<Phone>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Relation>)]
    guardian_relation: Option<Option<Relation>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<200>>)]
    contact_name: Option<Option<Line<200>>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Phone>)]
    contact_phone: Option<Option<Phone>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Relation>)]
    contact_relation: Option<Option<Relation>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<CommunicationNeed>)]
    communication_need: Option<Option<CommunicationNeed>>,
}

/// A number as it is kept: ciphertext, blind index, last four digits.
type Sealed = (Option<Vec<u8>>, Option<Vec<u8>>, Option<String>);

fn sealed(keys: &Keys, column: &str, id: Uuid, number: Option<(&str, &str)>) -> ApiResult<Sealed> {
    let Some((digits, last_four)) = number else { return Ok((None, None, None)) };
    let cipher = keys.encrypt(&context(column, id), digits).map_err(ApiError::internal)?;
    Ok((Some(cipher), Some(keys.blind_index(column, digits)), Some(last_four.to_owned())))
}

/// What binds a sealed number to its place.
pub(in crate::cases) fn context(column: &str, id: Uuid) -> String {
    format!("case_people.{column}:{id}")
}

impl NewCasePerson {
    /// As it is stored, or what breaks a rule. `today` is the village's.
    pub fn into_row(
        self,
        keys: &Keys,
        id: Uuid,
        case: super::rules::CaseId,
        need: &Text<4000>,
        today: NaiveDate,
    ) -> ApiResult<CasePerson> {
        let mut row = CasePerson {
            id,
            case_id: case,
            name: self.name.as_str().to_owned(),
            sex: self.sex,
            birth_date: self.birth_date.map(Day::date),
            age_estimate: self.age_estimate,
            age_estimated_on: self.age_estimate.map(|_| today),
            nik_status: self.nik_status.unwrap_or(NikStatus::Unknown),
            nik: None,
            nik_index: None,
            nik_last_four: None,
            kk: None,
            kk_index: None,
            kk_last_four: None,
            card: None,
            card_index: None,
            card_last_four: None,
            address: self.address.map(|text| text.as_str().to_owned()),
            phone: self.phone.map(|phone| phone.as_str().to_owned()),
            guardian_name: self.guardian_name.map(|name| name.as_str().to_owned()),
            guardian_phone: self.guardian_phone.map(|phone| phone.as_str().to_owned()),
            communication_need: self.communication_need,
            need: need.as_str().to_owned(),
            age_band: self.age_band,
            guardian_relation: self.guardian_relation,
            contact_name: self.contact_name.map(|name| name.as_str().to_owned()),
            contact_phone: self.contact_phone.map(|phone| phone.as_str().to_owned()),
            contact_relation: self.contact_relation,
        };
        set_nik(&mut row, keys, self.nik.as_ref(), self.nik_status, today)?;
        set_kk(&mut row, keys, self.kk_number.as_ref())?;
        set_card(&mut row, keys, self.card_number.as_ref())?;
        check_ages(&row, today)?;
        check_others(&row)?;
        Ok(row)
    }
}

/// Who is named with a telephone or a relation has a name.
fn check_others(row: &CasePerson) -> ApiResult<()> {
    let nameless = || Fault::new("required", "nama wajib diisi", "a name is required");
    if row.guardian_name.is_none() && row.guardian_relation.is_some() {
        return Err(ApiError::rule("/person/guardian_name", nameless()));
    }
    if row.contact_name.is_none() && (row.contact_phone.is_some() || row.contact_relation.is_some()) {
        return Err(ApiError::rule("/person/contact_name", nameless()));
    }
    Ok(())
}

fn set_nik(
    row: &mut CasePerson,
    keys: &Keys,
    nik: Option<&Nik>,
    status: Option<NikStatus>,
    today: NaiveDate,
) -> ApiResult<()> {
    let wrong = |id, en| Err(ApiError::rule("/person/nik_status", Fault::new("nik_status_wrong", id, en)));
    row.nik_status = match (nik, status) {
        (Some(_), None | Some(NikStatus::WellFormed)) => NikStatus::WellFormed,
        // Only a look-up in the civil registry verifies; nobody types it.
        (_, Some(NikStatus::Verified)) => return wrong("tidak dapat diisi", "cannot be set"),
        (Some(_), Some(_)) => return wrong("NIK diisi", "a NIK is given"),
        (None, Some(NikStatus::WellFormed)) => return wrong("NIK tidak diisi", "no NIK is given"),
        (None, status) => status.unwrap_or(NikStatus::Unknown),
    };
    if let Some(nik) = nik {
        nik.check_born(today).map_err(|fault| ApiError::rule("/person/nik", fault))?;
    }
    (row.nik, row.nik_index, row.nik_last_four) =
        sealed(keys, "nik", row.id, nik.map(|nik| (nik.reveal(), nik.last_four())))?;
    Ok(())
}

fn set_kk(row: &mut CasePerson, keys: &Keys, kk: Option<&KkNumber>) -> ApiResult<()> {
    (row.kk, row.kk_index, row.kk_last_four) = sealed(keys, "kk", row.id, kk.map(|kk| (kk.reveal(), kk.last_four())))?;
    Ok(())
}

fn set_card(row: &mut CasePerson, keys: &Keys, card: Option<&CardNumber>) -> ApiResult<()> {
    (row.card, row.card_index, row.card_last_four) =
        sealed(keys, "card", row.id, card.map(|card| (card.reveal(), card.last_four())))?;
    Ok(())
}

fn check_ages(row: &CasePerson, today: NaiveDate) -> ApiResult<()> {
    if row.birth_date.is_some() && row.age_estimate.is_some() {
        let fault =
            Fault::new("age_twice", "isi tanggal lahir atau perkiraan usia", "give a birth date or an estimate");
        return Err(ApiError::rule("/person/age_estimate", fault));
    }
    if row.age_band.is_some() && (row.birth_date.is_some() || row.age_estimate.is_some()) {
        let fault = Fault::new("age_twice", "usia sudah diisi", "the age is given already");
        return Err(ApiError::rule("/person/age_band", fault));
    }
    if row.age_estimate.is_some_and(|age| !(0..=130).contains(&age)) {
        let fault = Fault::new("out_of_range", "0 sampai 130", "0 to 130");
        return Err(ApiError::rule("/person/age_estimate", fault));
    }
    if row.birth_date.is_some_and(|born| born > today) {
        let fault = Fault::new("date_impossible", "tanggal lahir tidak mungkin", "not a possible birth date");
        return Err(ApiError::rule("/person/birth_date", fault));
    }
    Ok(())
}

impl CasePersonPatch {
    /// Changes a stored person.
    pub fn apply(self, row: &mut CasePerson, keys: &Keys, today: NaiveDate) -> ApiResult<()> {
        let text = |text: Text<500>| text.as_str().to_owned();
        let line = |line: Line<200>| line.as_str().to_owned();
        if let Some(name) = self.name {
            row.name = line(name);
        }
        row.sex = self.sex.unwrap_or(row.sex);
        if let Some(born) = self.birth_date {
            row.birth_date = born.map(Day::date);
        }
        if let Some(age) = self.age_estimate {
            (row.age_estimate, row.age_estimated_on) = (age, age.map(|_| today));
        }
        match (&self.nik, self.nik_status) {
            (Some(nik), status) => set_nik(row, keys, nik.as_ref(), status, today)?,
            // The NIK stays: only a person without one has a status to be told.
            (None, Some(status)) if row.nik.is_none() => set_nik(row, keys, None, Some(status), today)?,
            (None, Some(status)) if status != row.nik_status => {
                let fault = Fault::new("nik_status_wrong", "NIK sudah diisi", "a NIK is given");
                return Err(ApiError::rule("/person/nik_status", fault));
            }
            (None, _) => {}
        }
        if let Some(kk) = &self.kk_number {
            set_kk(row, keys, kk.as_ref())?;
        }
        if let Some(card) = &self.card_number {
            set_card(row, keys, card.as_ref())?;
        }
        if let Some(address) = self.address {
            row.address = address.map(text);
        }
        if let Some(name) = self.guardian_name {
            row.guardian_name = name.map(line);
        }
        if let Some(phone) = self.phone {
            row.phone = phone.map(|phone| phone.as_str().to_owned());
        }
        if let Some(phone) = self.guardian_phone {
            row.guardian_phone = phone.map(|phone| phone.as_str().to_owned());
        }
        row.communication_need = self.communication_need.unwrap_or(row.communication_need);
        row.age_band = self.age_band.unwrap_or(row.age_band);
        row.guardian_relation = self.guardian_relation.unwrap_or(row.guardian_relation);
        if let Some(name) = self.contact_name {
            row.contact_name = name.map(line);
        }
        if let Some(phone) = self.contact_phone {
            row.contact_phone = phone.map(|phone| phone.as_str().to_owned());
        }
        row.contact_relation = self.contact_relation.unwrap_or(row.contact_relation);
        check_ages(row, today)?;
        check_others(row)
    }
}

/// A person as shown to one caller. Who has no sight of the person gets `initials` and `age_band`; the rest is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct CasePersonView {
    /// The person is not shown: only initials and age band are.
    masked: bool,
    #[schema(example = "S. A.")]
    initials: String,
    /// From the birth date or the estimate, or as it was said. Null: nothing is known.
    #[schema(required)]
    age_band: Option<AgeBand>,
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    sex: Option<Sex>,
    #[schema(required)]
    birth_date: Option<NaiveDate>,
    /// Years today, from the birth date or the estimate.
    #[schema(required)]
    age: Option<u32>,
    #[schema(required)]
    nik_status: Option<NikStatus>,
    /// The last four digits.
    #[schema(required, example = "************0001")]
    nik: Option<String>,
    /// The last four digits.
    #[schema(required, example = "************0001")]
    kk_number: Option<String>,
    /// The last four digits.
    #[schema(required, example = "*********7890")]
    card_number: Option<String>,
    #[schema(required)]
    address: Option<String>,
    #[schema(required)]
    phone: Option<String>,
    #[schema(required)]
    guardian_name: Option<String>,
    #[schema(required)]
    guardian_phone: Option<String>,
    #[schema(required)]
    guardian_relation: Option<Relation>,
    /// Who is to be asked for instead of the person.
    #[schema(required)]
    contact_name: Option<String>,
    #[schema(required)]
    contact_phone: Option<String>,
    #[schema(required)]
    contact_relation: Option<Relation>,
    #[schema(required)]
    communication_need: Option<CommunicationNeed>,
}

/// Age of a stored person.
pub fn age_of(row: &CasePerson, today: NaiveDate) -> Option<u32> {
    age_on(today, row.birth_date, row.age_estimate.zip(row.age_estimated_on))
}

/// Age band of a stored person.
pub fn band_of(row: &CasePerson, today: NaiveDate) -> Option<AgeBand> {
    age_of(row, today).map(AgeBand::of_age).or(row.age_band)
}

/// Whether the person is known to be a child (under 18).
pub fn is_child(row: &CasePerson, today: NaiveDate) -> bool {
    matches!(band_of(row, today), Some(AgeBand::UnderFive | AgeBand::Child | AgeBand::Adolescent))
}

impl CasePersonView {
    /// For who knows the person. Record the access before it is sent.
    pub fn open(row: &CasePerson, today: NaiveDate) -> Self {
        Self {
            masked: false,
            name: Some(row.name.clone()),
            sex: row.sex,
            birth_date: row.birth_date,
            age: age_of(row, today),
            nik_status: Some(row.nik_status),
            nik: row.nik_last_four.as_deref().map(masked),
            kk_number: row.kk_last_four.as_deref().map(masked),
            card_number: row.card_last_four.as_ref().map(|last| format!("*********{last}")),
            address: row.address.clone(),
            phone: row.phone.clone(),
            guardian_name: row.guardian_name.clone(),
            guardian_phone: row.guardian_phone.clone(),
            guardian_relation: row.guardian_relation,
            contact_name: row.contact_name.clone(),
            contact_phone: row.contact_phone.clone(),
            contact_relation: row.contact_relation,
            communication_need: row.communication_need,
            ..Self::masked(row, today)
        }
    }

    /// For who does not.
    pub fn masked(row: &CasePerson, today: NaiveDate) -> Self {
        Self {
            masked: true,
            initials: initials(&row.name),
            age_band: band_of(row, today),
            name: None,
            sex: None,
            birth_date: None,
            age: None,
            nik_status: None,
            nik: None,
            kk_number: None,
            card_number: None,
            address: None,
            phone: None,
            guardian_name: None,
            guardian_phone: None,
            guardian_relation: None,
            contact_name: None,
            contact_phone: None,
            contact_relation: None,
            communication_need: None,
        }
    }
}

/// Identity numbers in full, for a purpose.
#[derive(Serialize, ToSchema)]
pub struct IdentityView {
    #[schema(example = "Siti Aminah")]
    name: String,
    #[schema(required)]
    birth_date: Option<NaiveDate>,
    #[schema(required, example = "1706024508950001")]
    nik: Option<String>,
    #[schema(required, example = "1706020101100001")]
    kk_number: Option<String>,
    #[schema(required, example = "0001234567890")]
    card_number: Option<String>,
}

impl IdentityView {
    /// Decrypts. Record the access before it is sent.
    pub fn of(row: &CasePerson, keys: &Keys) -> ApiResult<Self> {
        let open = |column: &str, cipher: &Option<Vec<u8>>| {
            let opened = cipher.as_ref().map(|cipher| keys.decrypt(&context(column, row.id), cipher)).transpose();
            opened.map(|plain| plain.map(|text| text.to_string())).map_err(ApiError::internal)
        };
        Ok(Self {
            name: row.name.clone(),
            birth_date: row.birth_date,
            nik: open("nik", &row.nik)?,
            kk_number: open("kk", &row.kk)?,
            card_number: open("card", &row.card)?,
        })
    }
}
