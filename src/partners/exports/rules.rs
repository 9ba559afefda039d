//! What an export may be asked for, and what stands in a column of a row. Pure.
use crate::codes::rules::Code;
use crate::error_codes;
use crate::partners::fields::{Field, Spoken};
use crate::platform::error::Language;
use crate::platform::nik::masked;
use crate::text_enum;
use crate::volunteers::store::{Person, Volunteer};
use chrono::NaiveDate;
use std::borrow::Cow;
use zeroize::Zeroizing;

text_enum! {
    /// What kind of file.
    ExportFormat {
        /// Text for spreadsheets, UTF-8 with a byte order mark.
        Csv = "csv",
        /// A workbook of Excel; keeps every digit.
        Xlsx = "xlsx",
        /// One JSON object a line, for programs.
        Ndjson = "ndjson",
    }
}

text_enum! {
    /// How a NIK is written.
    NikShown {
        /// Its last four digits.
        Masked = "masked",
        /// All sixteen, for a purpose.
        Full = "full",
    }
}

text_enum! {
    /// What parts the columns of CSV.
    Delimiter {
        /// As Excel expects it where numbers have a decimal comma: in Indonesia.
        Semicolon = "semicolon",
        /// As Excel expects it elsewhere.
        Comma = "comma",
    }
}

impl ExportFormat {
    /// Of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

impl Delimiter {
    /// The sign.
    pub fn byte(self) -> u8 {
        match self {
            Self::Semicolon => b';',
            Self::Comma => b',',
        }
    }
}

/// Rows of a worksheet below its header.
pub const MOST_ROWS: u32 = 1_048_575;

error_codes! {
    /// More volunteers than a worksheet has rows.
    TOO_MANY_ROWS = (422, "too_many_rows", "Lebih banyak PSM daripada baris lembar kerja; persempit filter atau pakai csv.", "More volunteers than a worksheet has rows; narrow the filters or take csv.");
}

/// A volunteer as it is written. It has neither `Serialize` nor a telling `Debug`.
pub struct Record {
    /// The row.
    pub volunteer: Volunteer,
    /// The person.
    pub person: Person,
    /// The NIK in full, where it was asked for.
    pub nik: Option<Zeroizing<String>>,
    /// Name of the village.
    pub village: Option<String>,
}

/// What stands in a column.
#[derive(PartialEq, Eq)]
pub enum Value<'a> {
    /// Not known.
    Nothing,
    /// As somebody typed it.
    Text(Cow<'a, str>),
    /// An id or a code, which no spreadsheet takes for anything else.
    Plain(String),
    /// A word of ours: as JSON has it, and in Indonesian.
    Word(&'static str, &'static str),
    /// A day.
    Day(NaiveDate),
    /// A year.
    Year(i16),
    /// Codes of a list.
    Codes(&'a [Code]),
}

impl Value<'_> {
    /// As people of a language read a word of ours.
    pub fn spoken(word: &'static str, indonesian: &'static str, language: Language) -> &'static str {
        if language == Language::English { word } else { indonesian }
    }
}

fn word<T: Spoken>(value: T) -> Value<'static> {
    Value::Word(value.word(), value.indonesian())
}

fn text(value: Option<&String>) -> Value<'_> {
    value.map_or(Value::Nothing, |value| Value::Text(Cow::Borrowed(value)))
}

impl Record {
    /// What stands in a column of this row.
    pub fn value(&self, field: Field) -> Value<'_> {
        let (volunteer, person) = (&self.volunteer, &self.person);
        let day = |date: Option<NaiveDate>| date.map_or(Value::Nothing, Value::Day);
        match field {
            Field::Id => Value::Plain(volunteer.id.to_string()),
            Field::Nik => self.nik_shown(),
            Field::Name => text(Some(&person.name)),
            Field::MemberNumber => text(person.member_number.as_ref()),
            Field::BirthPlace => text(person.birth_place.as_ref()),
            Field::BirthDate => day(person.birth_date),
            Field::Sex => volunteer.sex.map_or(Value::Nothing, word),
            Field::Address => text(person.address.as_ref()),
            Field::VillageCode => Value::Plain(volunteer.village_code.to_string()),
            Field::VillageName => text(self.village.as_ref()),
            Field::Phone => text(person.phone.as_ref()),
            Field::Email => text(person.email.as_ref()),
            Field::Education => text(person.education.as_ref()),
            Field::AppointedYear => volunteer.appointed_year.map_or(Value::Nothing, Value::Year),
            Field::Occupation => text(person.occupation.as_ref()),
            Field::CertificateNumber => text(person.certificate_number.as_ref()),
            Field::CertificateOrganiser => text(person.certificate_organiser.as_ref()),
            Field::CertificateDate => day(person.certificate_date),
            Field::Functions => Value::Codes(&volunteer.functions),
            Field::Level => word(volunteer.level),
            Field::Status => word(volunteer.status),
            Field::EffectiveOn => Value::Day(volunteer.effective_on),
            Field::SkNumber => text(volunteer.sk_number.as_ref()),
            Field::SkDate => day(volunteer.sk_date),
            Field::SkOfficial => text(volunteer.sk_official.as_ref()),
            Field::NikStatus => word(person.nik_status),
        }
    }

    fn nik_shown(&self) -> Value<'_> {
        match (&self.nik, &self.person.nik_last_four) {
            (Some(nik), _) => Value::Text(Cow::Borrowed(nik)),
            (None, Some(last_four)) => Value::Text(Cow::Owned(masked(last_four))),
            (None, None) => Value::Nothing,
        }
    }
}
