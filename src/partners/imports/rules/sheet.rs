//! From the bytes of a file to rows of cells, as Excel would number them. Pure.
use super::{csv, ndjson, xlsx};
use crate::platform::cells::unguard;
use crate::platform::error::Fault;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Most rows of people.
pub const MOST_ROWS: usize = 100_000;
/// Rows above the people that a file may have: titles, and the header.
pub const TITLE_ROWS: usize = 10;
/// More columns than any register has; a wider sheet is not one.
pub const MOST_COLUMNS: usize = 200;

/// Most cells of all rows, empty ones before the last of a row included: rows of a hundred thousand people with fifty columns.
pub const MOST_CELLS: usize = 5_000_000;

/// Until when a file may be read, by the machine's time: whoever finds a way to make it slow must not hold a thread for ever.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// An error once it has passed.
    pub fn check(self) -> Result<(), Fault> {
        if Instant::now() < self.0 { Ok(()) } else { Err(TAKES_TOO_LONG) }
    }
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text with separators.
    Csv,
    /// An Excel workbook.
    Xlsx,
    /// A JSON object a line.
    Ndjson,
    /// Whatever its first bytes say.
    Any,
}

impl Kind {
    /// Of a media type without parameters; none: not a file that can be imported.
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "text/csv" => Some(Self::Csv),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => Some(Self::Xlsx),
            "application/x-ndjson" => Some(Self::Ndjson),
            // Windows with Excel calls a CSV that; whoever does not know says the other.
            "application/vnd.ms-excel" | "application/octet-stream" => Some(Self::Any),
            _ => None,
        }
    }
}

/// One cell as the file holds it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Nothing.
    #[serde(rename = "e")]
    Empty,
    /// Text, or a number as digits that the file wrote itself.
    #[serde(rename = "t")]
    Text(String),
    /// A number as Excel keeps it, with 15 digits.
    #[serde(rename = "n")]
    Number(f64),
    /// A day: the cell is formatted as one.
    #[serde(rename = "d")]
    Day(NaiveDate),
    /// `#N/A` and the like, or a value that a cell cannot have.
    #[serde(rename = "x")]
    Wrong,
}

impl Cell {
    /// Text of a spreadsheet; the apostrophe that says "this is text" in front of a number or a formula is none of it.
    pub fn text(raw: &str) -> Self {
        Self::exact(&unguard(raw.trim()))
    }

    /// Text as it is; blank is nothing.
    pub fn exact(raw: &str) -> Self {
        let text = raw.trim();
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }

    /// A number; what is none, or has no end, is wrong.
    pub fn number(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Wrong }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The text in it.
    pub fn as_text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.clone()) } else { None }
    }

    /// What a reader sees in it; a wrong one holds nothing.
    pub fn shown(&self) -> String {
        match self {
            Self::Empty | Self::Wrong => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Day(day) => day.to_string(),
        }
    }
}

/// It may hold anything about a person.
impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Text(_) => "Text(…)",
            Self::Number(_) => "Number(…)",
            Self::Day(_) => "Day(…)",
            Self::Wrong => "Wrong",
        })
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// As Excel numbers it: the first row of the file is 1. Of NDJSON the line.
    pub number: i32,
    /// By column; it may be shorter than the header.
    pub cells: Vec<Cell>,
    /// The line is no object of values; only NDJSON has such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
}

/// A file as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// What it was.
    pub kind: Kind,
    /// Its rows, the header and what stands above it among them; those without anything in them are left out.
    pub rows: Vec<Row>,
    /// The header of NDJSON: the names of members. A sheet has its own among the rows.
    pub names: Option<Vec<String>>,
    /// Other sheets of the workbook that hold something.
    pub other_sheets: usize,
    /// A workbook that counts its days from 1904: a number pasted from another one is four years off.
    pub shifted: bool,
}

/// Reads a file that says that it is of this kind.
pub fn read(bytes: &[u8], said: Kind, until: Deadline) -> Result<Sheet, Fault> {
    let is = kind_of(bytes)?;
    if said != Kind::Any && (said == Kind::Xlsx) != (is == Kind::Xlsx) {
        return Err(Fault::new(
            "file_is_another_kind",
            "isi berkas bukan jenis yang disebut Content-Type",
            "the file is not of the kind that Content-Type says",
        ));
    }
    let kind = if said == Kind::Any { is } else { said };
    match kind {
        Kind::Xlsx => xlsx::read(bytes, until),
        Kind::Ndjson => ndjson::read(bytes, until),
        Kind::Csv | Kind::Any => csv::read(bytes, until),
    }
}

/// What the first bytes say; old and encrypted workbooks are refused with what to do about them.
fn kind_of(bytes: &[u8]) -> Result<Kind, Fault> {
    const COMPOUND: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    if bytes.starts_with(COMPOUND) {
        // The stream's name, in UTF-16: what Excel makes of a workbook that it protects with a password.
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let encrypted = bytes.windows(name.len()).any(|part| part == name);
        return Err(if encrypted { ENCRYPTED } else { OLD_WORKBOOK });
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Ok(Kind::Xlsx);
    }
    let text = bytes.strip_prefix(csv::UTF8_MARK).unwrap_or(bytes);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(if first == Some(&b'{') { Kind::Ndjson } else { Kind::Csv })
}

/// Protected by a password.
pub const ENCRYPTED: Fault = Fault::new(
    "file_is_encrypted",
    "berkas dilindungi sandi; simpan tanpa sandi",
    "the file is protected by a password; save it without one",
);
/// `.xls`.
pub const OLD_WORKBOOK: Fault = Fault::new(
    "file_is_xls",
    "berkas Excel lama (.xls); simpan sebagai Excel Workbook (.xlsx)",
    "an old Excel file (.xls); save it as Excel Workbook (.xlsx)",
);
/// Nothing in it.
pub const NO_ROWS: Fault = Fault::new("file_has_no_rows", "tidak ada baris data", "there are no rows of data");

/// What takes so long is no register.
pub const TAKES_TOO_LONG: Fault = Fault::new(
    "file_takes_too_long",
    "membaca berkas terlalu lama; bagi menjadi beberapa berkas",
    "reading the file takes too long; make several of it",
);

/// More than can be imported at once.
pub fn too_many_rows() -> Fault {
    Fault::with(
        "too_many_rows",
        format!("paling banyak {MOST_ROWS} baris; bagi menjadi beberapa berkas"),
        format!("at most {MOST_ROWS} rows; make several files of it"),
    )
}

/// Many rows, and something far to the right in each.
pub fn too_many_cells() -> Fault {
    Fault::with(
        "too_many_cells",
        format!("paling banyak {MOST_CELLS} sel; hapus kolom yang tidak dipakai, atau bagi menjadi beberapa berkas"),
        format!("at most {MOST_CELLS} cells; delete columns that are not used, or make several files of it"),
    )
}

/// Wider than any register.
pub fn too_many_columns() -> Fault {
    Fault::with(
        "too_many_columns",
        format!("paling banyak {MOST_COLUMNS} kolom"),
        format!("at most {MOST_COLUMNS} columns"),
    )
}

/// The letters that Excel shows above a column.
pub fn letters(column: usize) -> String {
    let (mut left, mut name) = (column + 1, String::new());
    while left > 0 {
        let digit = u8::try_from((left - 1) % 26).unwrap_or_default();
        name.insert(0, char::from(b'A' + digit));
        left = (left - 1) / 26;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], said: Kind) -> Result<Sheet, Fault> {
        super::read(bytes, said, Deadline::after(Duration::from_mins(2)))
    }

    #[test]
    fn columns_are_called_as_excel_calls_them() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(letters(column), name);
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let compound = |rest: &[u8]| [&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1], rest].concat();
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&compound(&name), Kind::Xlsx), Err(ENCRYPTED));
        assert_eq!(read(&compound(b"Workbook"), Kind::Any), Err(OLD_WORKBOOK));
        let differs = |bytes: &[u8], said| read(bytes, said).unwrap_err().code;
        assert_eq!(differs(b"PK\x03\x04", Kind::Csv), "file_is_another_kind");
        assert_eq!(differs(b"nama;nik", Kind::Xlsx), "file_is_another_kind");
        assert_eq!(differs(b"PK\x03\x04 and no archive", Kind::Any), "file_unreadable");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            for kind in [Kind::Csv, Kind::Xlsx, Kind::Ndjson, Kind::Any] {
                let _ = read(&bytes, kind);
            }
        }
    }
}
