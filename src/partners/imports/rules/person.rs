//! From a row to somebody who can be registered, or to what is wrong with it, column by column.
use super::header::{Column, Meaning};
use super::sheet::{Cell, Deadline, Row};
use super::values;
use super::villages::{NAME_DIFFERS, Said, Villages};
use super::{Finding, Waiting};
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::partners::fields::{Field, Spoken};
use crate::platform::error::{ApiError, Fault, Place};
use crate::platform::moment::Day;
use crate::platform::nik::{Nik, NikStatus};
use crate::platform::person::Email;
use crate::platform::region_code::RegionCode;
use crate::platform::text::{EMPTY, Line, fold};
use crate::regions::rules::TimeZone;
use crate::volunteers::register::{NewVolunteer, check_year};
use crate::volunteers::rules::likeness::{Traits, alike};
use crate::volunteers::rules::{Letter, VolunteerStatus, check_birth_date, check_certificate, nik_status};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::HashMap;

/// The line is no object.
const BROKEN: Fault = Fault::new(
    "line_malformed",
    "baris bukan objek JSON yang sah, atau lebih dari 64 KB",
    "the line is not a JSON object, or has more than 64 KB",
);
/// Only these two can be imported.
const STATUS: Fault = Fault::new(
    "status_not_importable",
    "hanya Calon dan Aktif yang dapat diimpor",
    "only candidates and active volunteers can be imported",
);
/// Somebody appointed is no candidate.
const CANDIDATE_WITH_LETTER: Fault = Fault::new(
    "status_differs",
    "memiliki SK, tetapi statusnya calon",
    "has an appointment letter, and is a candidate",
);

/// What is needed to judge a row.
#[derive(Debug)]
pub struct Context<'a> {
    /// Of the file.
    pub columns: &'a [Column],
    /// Where the caller may register.
    pub villages: &'a Villages,
    /// The caller's region.
    pub region: &'a RegionCode,
    /// Codes of `psm-functions` that are valid.
    pub functions: &'a [Code],
    /// When.
    pub now: DateTime<Utc>,
}

/// What a row came to.
#[derive(Debug, Default)]
pub struct Judged {
    /// Who is to be registered; only without errors.
    pub person: Option<(NewVolunteer, Option<Letter>)>,
    /// What is wrong.
    pub errors: Vec<Finding>,
    /// What is worth a look.
    pub warnings: Vec<Finding>,
}

struct Reading<'a> {
    columns: &'a [Column],
    row: &'a Row,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Reading<'_> {
    fn cell(&self, meaning: Meaning) -> &Cell {
        let index = self.columns.iter().position(|column| column.meaning == meaning);
        index.and_then(|index| self.row.cells.get(index)).unwrap_or(&Cell::Empty)
    }

    fn finding(&self, meaning: Meaning, fault: &Fault) -> Finding {
        let field = match meaning {
            Meaning::Field(field) => Some(field),
            Meaning::BirthPlaceAndDate => Some(Field::BirthDate),
            Meaning::District | Meaning::Regency => Some(Field::VillageName),
            Meaning::Nothing => None,
        };
        let column = self.columns.iter().find(|column| column.meaning == meaning && meaning != Meaning::Nothing);
        Finding::new(column.map(|column| column.name.as_str()), field.map(Field::as_str), fault)
    }

    fn wrong(&mut self, meaning: Meaning, fault: &Fault) {
        let finding = self.finding(meaning, fault);
        self.errors.push(finding);
    }

    fn warn(&mut self, meaning: Meaning, fault: &Fault) {
        let finding = self.finding(meaning, fault);
        self.warnings.push(finding);
    }

    fn take<T>(&mut self, meaning: Meaning, read: impl FnOnce(&Cell) -> Result<Option<T>, Fault>) -> Option<T> {
        match read(self.cell(meaning)) {
            Ok(value) => value,
            Err(fault) => {
                self.wrong(meaning, &fault);
                None
            }
        }
    }

    /// Text, or digits that must not be shortened.
    fn text<T: TryFrom<String, Error = Fault>>(&mut self, field: Field) -> Option<T> {
        self.take(Meaning::Field(field), |cell| values::digits(cell)?.map(T::try_from).transpose())
    }

    /// Of a rule that the API has too: its pointer names the field.
    fn keep(&mut self, rule: Result<(), ApiError>) {
        let Err(error) = rule else { return };
        for (place, fault) in error.faults() {
            let Place::Pointer(at) = place else { continue };
            let field = Field::parse(at.trim_start_matches('/').split('/').next().unwrap_or_default());
            let both = self.columns.iter().any(|column| column.meaning == Meaning::BirthPlaceAndDate);
            let meaning = match field {
                Some(Field::BirthDate) if both => Meaning::BirthPlaceAndDate,
                Some(field) => Meaning::Field(field),
                None => Meaning::Nothing,
            };
            self.wrong(meaning, fault);
        }
    }
}

/// Judges a row by itself and by the file; what the register says of it is looked up afterwards.
pub fn judge(waiting: &Waiting, context: &Context) -> Judged {
    let row = &waiting.row;
    let mut reading = Reading { columns: context.columns, row, errors: vec![], warnings: vec![] };
    if row.broken {
        reading.wrong(Meaning::Nothing, &BROKEN);
        return Judged { errors: reading.errors, ..Judged::default() };
    }
    let village = village(&mut reading, context);
    let today = village.as_ref().map_or_else(|| TimeZone::of(context.region), TimeZone::of).day(context.now);
    let person = person(&mut reading, village, today, context.functions);
    let letter = letter(&mut reading, today);
    if !waiting.same_nik.is_empty() {
        reading.wrong(Meaning::Field(Field::Nik), &twice(&waiting.same_nik));
    }
    let Reading { errors, warnings, .. } = reading;
    let person = person.filter(|_| errors.is_empty()).map(|person| (person, letter));
    Judged { person, errors, warnings }
}

/// Every column is read before anything is given up, so that all that is wrong is told at once.
fn person(
    reading: &mut Reading,
    village: Option<RegionCode>,
    today: NaiveDate,
    functions: &[Code],
) -> Option<NewVolunteer> {
    use Meaning::Field as Of;
    let name = required(reading, Field::Name);
    let (nik, nik_status) = identity(reading, today);
    let sex = reading.take(Of(Field::Sex), values::sex);
    let (birth_place, birth_date) = birth(reading);
    reading.keep(check_birth_date(birth_date.map(Day::date), today));
    let address = reading.text(Field::Address);
    let phone = reading.take(Of(Field::Phone), values::phone);
    if phone.as_ref().is_some_and(|(_, lost)| *lost) {
        reading.warn(Of(Field::Phone), &values::ZERO_RESTORED);
    }
    let (email, member_number) = (reading.text::<Email>(Field::Email), reading.text(Field::MemberNumber));
    let (education, occupation) = (reading.text(Field::Education), reading.text(Field::Occupation));
    let certificate_number = reading.text(Field::CertificateNumber);
    let certificate_organiser = reading.text(Field::CertificateOrganiser);
    let certificate_date = reading.take(Of(Field::CertificateDate), values::day);
    reading.keep(check_certificate(certificate_date.map(Day::date), today));
    let appointed_year = reading.take(Of(Field::AppointedYear), values::year);
    reading.keep(check_year(appointed_year));
    let functions = reading.take(Of(Field::Functions), |cell| codes(cell, functions)).unwrap_or_default();
    Some(NewVolunteer {
        id: None,
        village_code: village?,
        name: name?,
        sex,
        nik,
        nik_status,
        birth_date,
        birth_place,
        address,
        phone: phone.map(|(phone, _)| phone),
        email,
        education,
        occupation,
        member_number,
        certificate_number,
        certificate_organiser,
        certificate_date,
        appointed_year,
        functions,
        override_duplicate: None,
    })
}

/// Text that must be there; one that is wrong is told already.
fn required<T: TryFrom<String, Error = Fault>>(reading: &mut Reading, field: Field) -> Option<T> {
    let told = reading.errors.len();
    let text = reading.text(field);
    if text.is_none() && reading.errors.len() == told {
        reading.wrong(Meaning::Field(field), &EMPTY);
    }
    text
}

fn identity(reading: &mut Reading, today: NaiveDate) -> (Option<Nik>, Option<NikStatus>) {
    let told = reading.errors.len();
    let nik = reading.take(Meaning::Field(Field::Nik), |cell| values::nik(cell, today));
    let stated = reading.take(Meaning::Field(Field::NikStatus), spoken::<NikStatus>);
    if reading.errors.len() == told {
        reading.keep(nik_status(nik.is_some(), stated).map(drop));
    }
    (nik, stated)
}

/// A word of ours, in either language.
fn spoken<T: Spoken>(cell: &Cell) -> Result<Option<T>, Fault> {
    let Some(raw) = values::text(cell)? else { return Ok(None) };
    let allowed =
        |spoken: fn(T) -> &'static str| T::all().iter().map(|one| spoken(*one)).collect::<Vec<_>>().join(", ");
    T::of_cell(&raw).map(Some).ok_or_else(|| {
        let (id, en) = (allowed(T::indonesian), allowed(T::word));
        Fault::with("unknown_value", format!("salah satu dari: {id}"), format!("one of: {en}"))
    })
}

/// Place and date of birth, in two columns or in one: "Mukomuko, 17-05-1990".
fn birth(reading: &mut Reading) -> (Option<Line<100>>, Option<Day>) {
    let both = Meaning::BirthPlaceAndDate;
    let (mut place, mut date) =
        (reading.text(Field::BirthPlace), reading.take(Meaning::Field(Field::BirthDate), values::day));
    let split = |text: &str| {
        let at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let (place, day) = text.split_at(at);
        (place.trim_matches(|c: char| c.is_whitespace() || c == ',').to_owned(), day.to_owned())
    };
    // What is no text has no place in it: a day, or what is wrong with it.
    let parts = match reading.cell(both) {
        Cell::Text(text) => split(text),
        _ => (String::new(), String::new()),
    };
    if place.is_none() {
        place = reading.take(both, |_| Cell::exact(&parts.0).as_text().map(Line::try_from).transpose());
    }
    if date.is_none() {
        date = reading.take(both, |cell| match cell {
            Cell::Text(_) => values::day(&Cell::exact(&parts.1)),
            other => values::day(other),
        });
    }
    (place, date)
}

fn codes(cell: &Cell, known: &[Code]) -> Result<Option<Vec<Code>>, Fault> {
    let Some(raw) = values::text(cell)? else { return Ok(None) };
    let words = raw.split([',', ';']).map(str::trim).filter(|word| !word.is_empty());
    let codes = words.map(|word| Code::try_from(word.to_owned())).collect::<Result<Vec<Code>, _>>()?;
    if codes.iter().all(|code| known.contains(code)) { Ok(Some(codes)) } else { Err(UNKNOWN_CODE) }
}

fn village(reading: &mut Reading, context: &Context) -> Option<RegionCode> {
    let (by_code, by_name) = (Meaning::Field(Field::VillageCode), Meaning::Field(Field::VillageName));
    let told = reading.errors.len();
    let code = reading.take(by_code, |cell| values::digits(cell)?.map(|raw| RegionCode::parse(&raw)).transpose());
    let mut name = |meaning| reading.take(meaning, values::text).map(|name| fold(&name));
    let (village, district, regency) = (name(by_name), name(Meaning::District), name(Meaning::Regency));
    if reading.errors.len() > told {
        return None;
    }
    // Some write the code where the name belongs.
    let numbered = village.as_deref().filter(|_| code.is_none()).map(|text| text.replace(' ', "."));
    let code = code.or_else(|| numbered.and_then(|text| RegionCode::parse(&text).ok()));
    let has_code_column = context.columns.iter().any(|column| column.meaning == by_code);
    let blamed = if code.is_some() || (village.is_none() && has_code_column) { by_code } else { by_name };
    if code.is_none() && village.is_none() {
        reading.wrong(blamed, &EMPTY);
        return None;
    }
    match context.villages.find(&Said { code, village, district, regency }, context.region) {
        Ok((code, differs)) => {
            if differs {
                reading.warn(by_name, &NAME_DIFFERS);
            }
            Some(code)
        }
        Err(fault) => {
            reading.wrong(blamed, &fault);
            None
        }
    }
}

/// The appointment letter: whole, or none. Who is active has one.
fn letter(reading: &mut Reading, today: NaiveDate) -> Option<Letter> {
    use Meaning::Field as Of;
    let fields = [Field::SkNumber, Field::SkDate, Field::SkOfficial];
    let status = reading.take(Of(Field::Status), spoken::<VolunteerStatus>);
    let given = fields.iter().any(|field| !reading.cell(Of(*field)).is_empty());
    match status {
        Some(VolunteerStatus::Candidate) if given => reading.wrong(Of(Field::Status), &CANDIDATE_WITH_LETTER),
        Some(VolunteerStatus::Candidate | VolunteerStatus::Active) | None => {}
        Some(_) => reading.wrong(Of(Field::Status), &STATUS),
    }
    if !given && status != Some(VolunteerStatus::Active) {
        return None;
    }
    let number = required::<Line<100>>(reading, Field::SkNumber);
    let told = reading.errors.len();
    let date = reading.take(Of(Field::SkDate), values::day).map(Day::date);
    if date.is_none() && reading.errors.len() == told {
        reading.wrong(Of(Field::SkDate), &EMPTY);
    }
    let official = required::<Line<200>>(reading, Field::SkOfficial);
    let letter = Letter { number: number?.as_str().to_owned(), date: date?, official: official?.as_str().to_owned() };
    reading.keep(letter.check(today));
    Some(letter)
}

/// The numbers of rows, as a person reads them; not all of a whole column.
fn listed(rows: &[i32]) -> String {
    let shown: Vec<String> = rows.iter().take(5).map(ToString::to_string).collect();
    format!("{}{}", shown.join(", "), if rows.len() > 5 { ", …" } else { "" })
}

fn twice(rows: &[i32]) -> Fault {
    let rows = listed(rows);
    let (id, en) = (format!("NIK yang sama juga ada di baris {rows}"), format!("the same NIK is in row {rows} too"));
    Fault::with("nik_twice_in_file", id, en)
}

/// Rows before it that may be the same person.
pub fn alike_in_file(rows: &[i32]) -> Fault {
    let rows = listed(rows);
    Fault::with(
        "alike_in_file",
        format!("serupa dengan baris {rows}: nama, tanggal lahir dan desa"),
        format!("is like row {rows} in name, birth date and village"),
    )
}

/// What rows are compared by.
struct Marks {
    number: i32,
    nik: Option<String>,
    /// Village, as it is written.
    place: String,
    name: String,
    born: Option<NaiveDate>,
}

impl Marks {
    fn traits(&self) -> Traits<'_> {
        Traits { name: &self.name, birth_date: self.born }
    }
}

/// Of so many that are alike, one knows enough.
const ENOUGH: usize = 100;
/// Characters of a name; a longer one is refused, and nobody is like it.
const MOST_NAME: usize = 100;

/// Tells each row of others that have its NIK, and of those before it that are alike.
pub fn compare(columns: &[Column], rows: Vec<Row>, until: Deadline) -> Result<Vec<Waiting>, Fault> {
    let marks: Vec<Marks> = rows.iter().map(|row| marks(columns, row)).collect();
    let mut niks: HashMap<&str, Vec<i32>> = HashMap::new();
    for mark in &marks {
        if let Some(nik) = &mark.nik {
            niks.entry(nik).or_default().push(mark.number);
        }
    }
    let mut near = Near::default();
    let waiting = rows.into_iter().zip(&marks).map(|(row, mark)| {
        let of_nik = mark.nik.as_deref().and_then(|nik| niks.get(nik)).into_iter().flatten();
        let same_nik = of_nik.copied().filter(|other| *other != row.number).take(6).collect();
        until.check()?;
        Ok(Waiting { same_nik, alike: near.before(mark), row })
    });
    waiting.collect()
}

/// Rows so far, where those that may be alike are found together.
#[derive(Default)]
struct Near<'a> {
    by_day: HashMap<(&'a str, NaiveDate), Vec<&'a Marks>>,
    by_name: HashMap<(&'a str, String), Vec<&'a Marks>>,
}

impl<'a> Near<'a> {
    /// Those before this one that are alike; it is one of them for the next.
    fn before(&mut self, mark: &'a Marks) -> Vec<i32> {
        if mark.name.trim().is_empty() || mark.name.chars().nth(MOST_NAME).is_some() {
            return vec![];
        }
        let mut words: Vec<String> = fold(&mark.name).split(' ').map(str::to_owned).collect();
        words.sort();
        let of_name = self.by_name.entry((&mark.place, words.join(" "))).or_default();
        let same = |other: &&&Marks| alike(mark.traits(), other.traits());
        let mut found: Vec<i32> = of_name.iter().filter(same).map(|other| other.number).collect();
        if of_name.len() < ENOUGH {
            of_name.push(mark);
        }
        if let Some(born) = mark.born {
            let of_day = self.by_day.entry((&mark.place, born)).or_default();
            found.extend(of_day.iter().filter(same).map(|other| other.number));
            if of_day.len() < ENOUGH {
                of_day.push(mark);
            }
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(6);
        found
    }
}

fn marks(columns: &[Column], row: &Row) -> Marks {
    let cell = |meaning: Meaning| {
        let index = columns.iter().position(|column| column.meaning == meaning);
        index.and_then(|index| row.cells.get(index)).unwrap_or(&Cell::Empty)
    };
    let of = |field| cell(Meaning::Field(field));
    let digits = |cell: &Cell| -> String { cell.shown().chars().filter(char::is_ascii_digit).collect() };
    let nik = Some(digits(of(Field::Nik))).filter(|nik| nik.len() == 16 && matches!(of(Field::Nik), Cell::Text(_)));
    let both = cell(Meaning::BirthPlaceAndDate).as_text().unwrap_or_default();
    let both = both.find(|c: char| c.is_ascii_digit()).and_then(|at| both.get(at..)).map(Cell::exact);
    let born = values::day(of(Field::BirthDate)).ok().flatten();
    let born = born.or_else(|| both.and_then(|cell| values::day(&cell).ok().flatten())).map(Day::date);
    let code = digits(of(Field::VillageCode));
    let named = || format!("{}/{}", fold(&of(Field::VillageName).shown()), fold(&cell(Meaning::District).shown()));
    let place = if code.is_empty() { named() } else { code };
    Marks { number: row.number, nik, place, name: of(Field::Name).shown(), born }
}

#[cfg(test)]
mod tests {
    use super::super::header::understand;
    use super::super::sheet::{Kind, read};
    use super::*;
    use std::time::Duration;

    fn compared(text: &str) -> Vec<Vec<i32>> {
        let until = Deadline::after(Duration::from_mins(2));
        let register = understand(read(text.as_bytes(), Kind::Csv, until).unwrap(), &[]).unwrap();
        let waiting = compare(&register.columns, register.rows, until).unwrap();
        waiting.into_iter().map(|row| row.alike).collect()
    }

    #[test]
    fn a_name_without_an_end_is_like_no_other() {
        // Of names of a hundred thousand letters a comparison would take minutes.
        let long = ["ab".repeat(50_000), "ba".repeat(50_000)].map(|name| format!("{name};17.06.02.1009;01/01/1980\n"));
        let text = format!("Nama;Kode Desa;Tanggal Lahir\n{}Ani;17.06.02.1009;01/01/1980\n", long.concat().repeat(50));
        assert!(compared(&text).iter().all(Vec::is_empty));
        let same = "Nama;Kode Desa;Tanggal Lahir\nAni Koto;17.06.02.1009;01/01/1980\nAnni Koto;17.06.02.1009;01/01/1980\nAmni Koto;17.06.02.1009;01/01/1980\nAni Koto;17.06.02.1009;02/01/1980\nKoto Ani;17.06.02.1009;\n";
        assert_eq!(compared(same), [vec![], vec![2], vec![], vec![], vec![2, 5]]);
        let until = Deadline::after(Duration::ZERO);
        assert!(compare(&[], vec![Row { number: 1, cells: vec![], broken: false }], until).is_err());
    }
}
