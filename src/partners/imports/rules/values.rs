//! From a cell to a value: what Excel made of it is read, or refused with what happened.
use super::sheet::Cell;
use crate::partners::fields::Spoken;
use crate::platform::error::Fault;
use crate::platform::moment::{Day, MALFORMED_DAY};
use crate::platform::nik::{Nik, Sex};
use crate::platform::person::{MALFORMED_PHONE, Phone};
use crate::platform::text::fold;
use chrono::{Days, NaiveDate};

/// Digits that a number of Excel keeps.
const KEPT: f64 = 1e15;

/// Excel showed and saved a long number as `1.70602E+15`.
pub const SHORTENED: Fault = Fault::new(
    "number_shortened",
    "Excel mengubah nomor menjadi bentuk 1,70602E+15 sehingga angkanya hilang; format kolom sebagai Teks lalu isi ulang",
    "Excel turned the number into 1.70602E+15 and lost its digits; format the column as Text and enter it again",
);
/// A NIK in a number cell.
pub const NIK_AS_NUMBER: Fault = Fault::new(
    "nik_as_number",
    "NIK tersimpan sebagai angka; Excel hanya menyimpan 15 digit. Format kolom sebagai Teks lalu isi ulang",
    "the NIK is stored as a number, of which Excel keeps 15 digits; format the column as Text and enter it again",
);
/// A NIK as lists show it.
pub const NIK_MASKED: Fault = Fault::new("nik_masked", "NIK disamarkan", "the NIK is masked");
/// `#N/A` and the like.
pub const CELL_ERROR: Fault = Fault::new(
    "cell_error",
    "sel berisi galat atau nilai yang bukan teks",
    "the cell holds an error, or no plain value",
);
/// `1/2` as a house number became the first of February.
pub const BECAME_A_DATE: Fault =
    Fault::new("became_a_date", "Excel mengubah isi sel menjadi tanggal", "Excel turned the cell into a date");
/// Of a date in numbers the first is the day.
pub const MONTH_FIRST: Fault = Fault::new(
    "date_month_first",
    "bulan lebih dari 12; tulis hari/bulan/tahun",
    "the month is above 12; write day/month/year",
);
/// Of which century?
pub const SHORT_YEAR: Fault =
    Fault::new("date_short_year", "tulis tahun dengan empat angka", "write the year with four digits");
/// No year.
pub const MALFORMED_YEAR: Fault =
    Fault::new("year_malformed", "bukan tahun; contoh: 2023", "not a year; example: 2023");
/// Neither sex.
pub const MALFORMED_SEX: Fault = Fault::new(
    "unknown_value",
    "salah satu dari: L, P, Laki-laki, Perempuan",
    "one of: L, P, Laki-laki, Perempuan, male, female",
);
/// The zero in front was put back.
pub const ZERO_RESTORED: Fault = Fault::new(
    "phone_zero_restored",
    "angka 0 di depan nomor hilang dan dikembalikan",
    "the 0 before the number was lost and is put back",
);

/// A cell as text; nothing if it is empty or a dash, which registers write for nothing.
pub fn text(cell: &Cell) -> Result<Option<String>, Fault> {
    match cell {
        Cell::Empty => Ok(None),
        Cell::Wrong => Err(CELL_ERROR),
        Cell::Day(_) => Err(BECAME_A_DATE),
        Cell::Number(number) if number.abs() >= KEPT => Err(SHORTENED),
        Cell::Number(number) => Ok(Some(number.to_string())),
        Cell::Text(text) if matches!(text.as_str(), "-" | "--" | "–" | "—") => Ok(None),
        Cell::Text(text) => Ok(Some(text.clone())),
    }
}

/// A cell of digits: what a spreadsheet shortened is told.
pub fn digits(cell: &Cell) -> Result<Option<String>, Fault> {
    let text = text(cell)?;
    if text.as_deref().is_some_and(is_shortened) { Err(SHORTENED) } else { Ok(text) }
}

/// `1.70602E+15`, or with a comma where the machine writes so.
fn is_shortened(text: &str) -> bool {
    let Some((number, power)) = text.trim().split_once(['E', 'e']) else { return false };
    let of_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, rest) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    of_digits(whole) && of_digits(rest) && power.strip_prefix('+').is_some_and(of_digits)
}

/// A NIK.
pub fn nik(cell: &Cell, today: NaiveDate) -> Result<Option<Nik>, Fault> {
    if matches!(cell, Cell::Number(_)) {
        return Err(NIK_AS_NUMBER);
    }
    let Some(raw) = digits(cell)? else { return Ok(None) };
    if raw.contains('*') {
        return Err(NIK_MASKED);
    }
    let nik = Nik::parse(&raw)?;
    nik.check_born(today)?;
    Ok(Some(nik))
}

/// A telephone, and whether its zero was lost.
pub fn phone(cell: &Cell) -> Result<Option<(Phone, bool)>, Fault> {
    let raw = match digits(cell) {
        Err(fault) if fault == BECAME_A_DATE => return Err(MALFORMED_PHONE),
        other => other?,
    };
    let Some(raw) = raw else { return Ok(None) };
    let plain: String = raw.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let bare = plain.bytes().all(|b| b.is_ascii_digit()) && !plain.starts_with('0') && !plain.starts_with("62");
    // Mobile numbers of Indonesia begin with 08; no country's code is 8 alone. In a cell of numbers any zero is lost.
    let mobile = plain.starts_with('8') && (9..=12).contains(&plain.len());
    let lost = bare && (mobile || (matches!(cell, Cell::Number(_)) && (7..=11).contains(&plain.len())));
    // Without its zero a number of Indonesia reads as one of another country, which nobody writes without the plus.
    if bare && !lost {
        return Err(MALFORMED_PHONE);
    }
    let phone = Phone::try_from(if lost { format!("0{plain}") } else { raw })?;
    Ok(Some((phone, lost)))
}

/// A sex.
pub fn sex(cell: &Cell) -> Result<Option<Sex>, Fault> {
    let Some(raw) = text(cell)? else { return Ok(None) };
    let sex = match fold(&raw).as_str() {
        "l" | "lk" | "pria" | "m" => Some(Sex::Male),
        "p" | "pr" | "wanita" | "f" => Some(Sex::Female),
        _ => Sex::of_cell(&raw),
    };
    sex.map(Some).ok_or(MALFORMED_SEX)
}

/// A year.
pub fn year(cell: &Cell) -> Result<Option<i16>, Fault> {
    let raw = text(cell).map_err(|fault| if fault == BECAME_A_DATE { MALFORMED_YEAR } else { fault })?;
    let Some(raw) = raw else { return Ok(None) };
    let digits = raw.len() == 4 && raw.bytes().all(|b| b.is_ascii_digit());
    raw.parse().ok().filter(|_| digits).map(Some).ok_or(MALFORMED_YEAR)
}

/// A day, however Excel and people write it: a date cell, its serial number, `2023-05-17`, `17/05/2023`, `17 Mei 2023`. In
/// numbers the day comes first, as in Indonesia; the other way round is refused where it shows, and never guessed.
pub fn day(cell: &Cell) -> Result<Option<Day>, Fault> {
    let date = match cell {
        Cell::Day(day) => Some(*day),
        Cell::Number(number) => serial(&number.to_string()),
        _ => match text(cell)? {
            None => return Ok(None),
            Some(raw) => written(&raw)?,
        },
    };
    date.and_then(|date| Day::try_from(date.to_string()).ok()).map(Some).ok_or(MALFORMED_DAY)
}

/// Days since the last of 1899, as Excel counts: five digits are the years 1927 to 2173.
fn serial(digits: &str) -> Option<NaiveDate> {
    let days = digits.parse().ok().filter(|days| (10_000..100_000).contains(days))?;
    NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_days(Days::new(days))
}

fn written(raw: &str) -> Result<Option<NaiveDate>, Fault> {
    let raw = raw.split_once('T').filter(|(day, _)| day.len() == 10).map_or(raw, |(day, _)| day);
    let parts = raw.split(|c: char| c.is_whitespace() || matches!(c, '/' | '-' | '.' | ',')).filter(|p| !p.is_empty());
    // A time of day says nothing about the day.
    let parts: Vec<&str> = parts.take_while(|part| !part.contains(':')).collect();
    match *parts.as_slice() {
        [one] => Ok(serial(one)),
        [year, month, day] if year.len() == 4 => {
            Ok(number(month).zip(number(day)).and_then(|(month, day)| date(year, month, day)))
        }
        [_, _, year] if year.len() == 2 && number(year).is_some() => Err(SHORT_YEAR),
        [day, month, year] if year.len() == 4 => {
            let (Some(day), Some(month)) = (number(day), number(month).or_else(|| month_named(month))) else {
                return Ok(None);
            };
            if month > 12 && day <= 12 { Err(MONTH_FIRST) } else { Ok(date(year, month, day)) }
        }
        _ => Ok(None),
    }
}

fn number(part: &str) -> Option<u32> {
    part.parse().ok().filter(|_| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

fn date(year: &str, month: u32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year.parse().ok().filter(|_| year.bytes().all(|b| b.is_ascii_digit()))?, month, day)
}

/// A month by its Indonesian or English name, or the beginning of it.
fn month_named(word: &str) -> Option<u32> {
    const NAMES: [&[&str]; 12] = [
        &["januari", "january"],
        &["februari", "february", "pebruari"],
        &["maret", "march"],
        &["april"],
        &["mei", "may"],
        &["juni", "june"],
        &["juli", "july"],
        &["agustus", "august", "agt", "ags"],
        &["september"],
        &["oktober", "october"],
        &["november", "nopember"],
        &["desember", "december"],
    ];
    let word = fold(word);
    let is = |names: &&[&str]| names.iter().any(|name| word.len() >= 3 && name.starts_with(&word));
    NAMES.iter().position(is).and_then(|index| u32::try_from(index + 1).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn a_day_is_read_however_it_is_written() {
        let wanted = NaiveDate::from_ymd_opt(2023, 5, 17);
        let read = |cell: &Cell| day(cell).map(|day| day.map(Day::date));
        assert_eq!(read(&Cell::Day(wanted.unwrap())), Ok(wanted));
        assert_eq!(read(&Cell::Number(45063.0)), Ok(wanted));
        for text in [
            "2023-05-17",
            "2023-05-17T00:00:00",
            "2023-05-17 00:00:00",
            "17/05/2023",
            "17/5/2023",
            "17-05-2023",
            "17.05.2023",
            "17 Mei 2023",
            "17 mei 2023",
            "17-May-2023",
            "17/05/2023 00:00",
            "45063",
        ] {
            assert_eq!(read(&said(text)), Ok(wanted), "{text}");
        }
        assert_eq!(read(&said("05/06/2023")), Ok(NaiveDate::from_ymd_opt(2023, 6, 5)));
        assert_eq!(read(&said("3 Agt 1990")), Ok(NaiveDate::from_ymd_opt(1990, 8, 3)));
        assert_eq!((read(&said("-")), read(&Cell::Empty)), (Ok(None), Ok(None)));
        for (text, fault) in [
            ("05/17/2023", MONTH_FIRST),
            ("17/05/23", SHORT_YEAR),
            ("31/02/2023", MALFORMED_DAY),
            ("2023", MALFORMED_DAY),
            ("17 Foo 2023", MALFORMED_DAY),
            ("kemarin", MALFORMED_DAY),
            ("17/05/0023", MALFORMED_DAY),
        ] {
            assert_eq!(read(&said(text)), Err(fault), "{text}");
        }
        assert_eq!(read(&Cell::Number(2023.0)), Err(MALFORMED_DAY));
        assert_eq!(read(&Cell::Wrong), Err(CELL_ERROR));
    }

    #[test]
    fn a_nik_that_excel_spoiled_is_told_apart_from_one_that_is_wrong() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 25).unwrap();
        let read = |cell: &Cell| nik(cell, today).map(|nik| nik.map(|nik| nik.reveal().to_owned()));
        assert_eq!(read(&said("1706024508950001")), Ok(Some("1706024508950001".to_owned())));
        assert_eq!(read(&said("17.06.02-450895 0001")), Ok(Some("1706024508950001".to_owned())));
        for shortened in ["1.70602E+15", "1,70602E+15", "1.70602e+15", "2E+15"] {
            assert_eq!(read(&said(shortened)), Err(SHORTENED), "{shortened}");
        }
        assert_eq!(read(&Cell::Number(1_706_024_508_950_000.0)), Err(NIK_AS_NUMBER));
        assert_eq!(read(&said("************0001")), Err(NIK_MASKED));
        assert_eq!(read(&said("170602450895001")).unwrap_err().code, "nik_malformed");
        assert_eq!(read(&said("-")), Ok(None));
    }

    #[test]
    fn telephones_get_their_zero_back() {
        let read = |cell: &Cell| phone(cell).map(|found| found.map(|(phone, lost)| (phone.as_str().to_owned(), lost)));
        assert_eq!(read(&said("0812-0000-1111")), Ok(Some(("+6281200001111".to_owned(), false))));
        assert_eq!(read(&Cell::Number(81_200_001_111.0)), Ok(Some(("+6281200001111".to_owned(), true))));
        assert_eq!(read(&said("+62 812 0000 1111")), Ok(Some(("+6281200001111".to_owned(), false))));
        assert_eq!(read(&said("8.12E+10")), Err(SHORTENED));
        assert_eq!(read(&Cell::Number(736_123_456.0)), Ok(Some(("+62736123456".to_owned(), true))));
        assert_eq!(read(&said("0736 123456")), Ok(Some(("+62736123456".to_owned(), false))));
        for foreign in [said("736123456"), said("60123456789"), Cell::Number(601_234_567_890.0)] {
            assert_eq!(read(&foreign), Err(MALFORMED_PHONE));
        }
        assert_eq!(read(&said("+60 12 345 6789")), Ok(Some(("+60123456789".to_owned(), false))));
        assert_eq!(read(&said("6281200001111")), Ok(Some(("+6281200001111".to_owned(), false))));
        assert_eq!(read(&said("0812/0813")), Err(MALFORMED_PHONE));
    }

    #[test]
    fn sexes_and_years() {
        for (text, is) in [
            ("L", Sex::Male),
            ("p", Sex::Female),
            ("Laki-laki", Sex::Male),
            ("Laki - Laki", Sex::Male),
            ("PEREMPUAN", Sex::Female),
            ("wanita", Sex::Female),
            ("M", Sex::Male),
            ("female", Sex::Female),
        ] {
            assert_eq!(sex(&said(text)), Ok(Some(is)), "{text}");
        }
        assert_eq!(sex(&said("x")), Err(MALFORMED_SEX));
        assert_eq!((year(&said("2019")), year(&Cell::Number(2019.0))), (Ok(Some(2019)), Ok(Some(2019))));
        for bad in [said("19"), said("'19"), Cell::Number(2019.5), Cell::Day(NaiveDate::MIN)] {
            assert_eq!(year(&bad), Err(MALFORMED_YEAR));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_cell_panics(raw in "\\PC{0,30}", number in proptest::prelude::any::<f64>()) {
            for cell in [said(&raw), Cell::Number(number)] {
                let today = NaiveDate::from_ymd_opt(2026, 11, 25).unwrap();
                let _ = (text(&cell), nik(&cell, today), phone(&cell), sex(&cell), year(&cell), day(&cell));
            }
        }
    }
}
