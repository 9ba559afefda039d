//! Text with separators, in the dialects that Excel writes and reads: UTF-8 with or without a mark, or UTF-16 ("Unicode
//! text"); comma, semicolon, tab or bar; `sep=;` in the first line; line breaks in quotes.
//!
//! Read by hand, since rows must be numbered as Excel numbers them: blank ones count, and a break in quotes does not.
use super::header;
use super::sheet::{
    Cell, Deadline, Kind, MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Row, Sheet, TITLE_ROWS, too_many_cells,
    too_many_columns, too_many_rows,
};
use crate::platform::error::Fault;

/// In front of UTF-8, where Excel writes it.
pub const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const SEPARATORS: [char; 4] = [';', ',', '\t', '|'];

/// Most lines in the quotes of one cell. Of two quotes that were typed by mistake, everything between them would be one cell.
const MOST_LINES: usize = 20;

/// Bytes that are no text, or text of another encoding.
pub const NOT_UTF8: Fault = Fault::new(
    "file_not_utf8",
    "bukan UTF-8; simpan sebagai \"CSV UTF-8 (Comma delimited)\" atau sebagai Excel Workbook (.xlsx)",
    "not UTF-8; save it as \"CSV UTF-8 (Comma delimited)\" or as Excel Workbook (.xlsx)",
);

/// Reads it.
pub fn read(bytes: &[u8], until: Deadline) -> Result<Sheet, Fault> {
    let text = decode(bytes)?;
    let (separator, text) = match separator_line(&text) {
        Some((separator, rest)) => (separator, rest),
        None => (likely_separator(&text, until), text.as_str()),
    };
    let rows = rows(text, separator, None, until)?;
    Ok(Sheet { kind: Kind::Csv, rows, names: None, other_sheets: 0, shifted: false })
}

fn decode(bytes: &[u8]) -> Result<String, Fault> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, odd) = bytes.as_chunks::<2>();
        let text: Result<String, _> = char::decode_utf16(units.iter().copied().map(unit)).collect();
        text.ok().filter(|_| odd.is_empty()).ok_or(NOT_UTF8)
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes)?,
        _ => {
            let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
            std::str::from_utf8(text).map_err(|_| NOT_UTF8)?.to_owned()
        }
    };
    // UTF-16 without its mark is valid UTF-8, with a NUL after each letter.
    if text.contains('\0') { Err(NOT_UTF8) } else { Ok(text) }
}

/// `sep=;`, which Excel obeys and does not show.
fn separator_line(text: &str) -> Option<(char, &str)> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim_end_matches('\r').trim_matches('"');
    let mut sign = line.get(..4).filter(|word| word.eq_ignore_ascii_case("sep=")).and_then(|_| line.get(4..))?.chars();
    sign.next().filter(|_| sign.next().is_none()).map(|separator| (separator, rest))
}

/// The one by which the most columns have a name that is known; else the one that makes the most columns.
fn likely_separator(text: &str, until: Deadline) -> char {
    let score = |separator: &char| {
        // So wide that it is refused is wider than all others.
        let Ok(head) = rows(text, *separator, Some(TITLE_ROWS + 1), until) else { return (0, usize::MAX) };
        let known = head.iter().map(|row| header::known(&row.cells)).max().unwrap_or_default();
        let wide = head.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        (known, wide)
    };
    // Of equals the last is taken, so those that are likelier stand last.
    SEPARATORS.into_iter().rev().max_by_key(score).unwrap_or(',')
}

/// Rows with something in them. `most`: so many of them, and quotes as they come, to see what the separator may be; without it
/// all, and a quote that would swallow a row is an error.
fn rows(text: &str, separator: char, most: Option<usize>, until: Deadline) -> Result<Vec<Row>, Fault> {
    let mut reader = Reader { rows: vec![], cells: vec![], cell: String::new(), number: 1, all: 0, until };
    let mut signs = text.chars().peekable();
    // In quotes since the row of this number, and over so many line breaks.
    let (mut quoted, mut lines): (Option<i32>, usize) = (None, 0);
    let (mut fresh, mut closed) = (true, false);
    while let Some(sign) = signs.next() {
        if most.is_some_and(|most| reader.rows.len() >= most) {
            return Ok(reader.rows);
        }
        match (sign, quoted) {
            ('"', Some(_)) if signs.peek() == Some(&'"') => {
                signs.next();
                reader.cell.push('"');
            }
            ('"', Some(_)) => (quoted, closed) = (None, true),
            (sign, Some(number)) => {
                lines += usize::from(sign == '\n');
                if lines > MOST_LINES && most.is_none() {
                    return Err(not_closed(number));
                }
                reader.cell.push(sign);
            }
            ('"', None) if fresh => {
                (quoted, lines, fresh) = (Some(reader.number), 0, false);
                continue;
            }
            ('\r', None) if signs.peek() == Some(&'\n') => continue,
            ('\n' | '\r', None) => reader.end_row()?,
            (sign, None) if sign == separator => reader.end_cell()?,
            (' ', None) if closed => continue,
            _ if closed && most.is_none() => return Err(stray(reader.number)),
            (sign, None) => reader.cell.push(sign),
        }
        let between = quoted.is_none() && (sign == separator || sign == '\n' || sign == '\r');
        (fresh, closed) = (between && reader.cell.is_empty(), closed && !between);
    }
    if let (Some(number), None) = (quoted, most) {
        return Err(not_closed(number));
    }
    reader.end_row()?;
    Ok(reader.rows)
}

fn not_closed(row: i32) -> Fault {
    Fault::with(
        "quote_not_closed",
        format!("tanda kutip dibuka di baris {row} dan tidak ditutup dalam {MOST_LINES} baris"),
        format!("a quote is opened in row {row} and not closed within {MOST_LINES} lines"),
    )
}

/// Something after a closing quote: that quote, or the one that opened, was typed by mistake, and rows may lie between them.
fn stray(row: i32) -> Fault {
    Fault::with(
        "quote_stray",
        format!(
            "di baris {row} ada teks setelah tanda kutip penutup; perbaiki tanda kutip di baris itu atau sebelumnya"
        ),
        format!("text after a closing quote in row {row}; correct the quotes there or above"),
    )
}

struct Reader {
    rows: Vec<Row>,
    cells: Vec<Cell>,
    cell: String,
    number: i32,
    /// Cells of all rows.
    all: usize,
    until: Deadline,
}

impl Reader {
    fn end_cell(&mut self) -> Result<(), Fault> {
        if self.cells.len() >= MOST_COLUMNS {
            // Separators after the last value are what is left of a sheet that was wider once.
            return if self.cell.trim().is_empty() { Ok(()) } else { Err(too_many_columns()) };
        }
        self.cells.push(Cell::text(&self.cell));
        self.cell.clear();
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Fault> {
        self.end_cell()?;
        self.cell.clear();
        let mut cells = std::mem::take(&mut self.cells);
        while cells.last().is_some_and(Cell::is_empty) {
            cells.pop();
        }
        cells.shrink_to_fit();
        self.all += cells.len();
        self.until.check()?;
        if self.all > MOST_CELLS {
            return Err(too_many_cells());
        }
        if !cells.is_empty() {
            self.rows.push(Row { number: self.number, cells, broken: false });
        }
        if self.rows.len() > MOST_ROWS + TITLE_ROWS {
            return Err(too_many_rows());
        }
        self.number = self.number.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn read(bytes: &[u8]) -> Result<Sheet, Fault> {
        super::read(bytes, Deadline::after(Duration::from_mins(2)))
    }

    fn texts(bytes: &[u8]) -> Vec<(i32, Vec<String>)> {
        let sheet = read(bytes).unwrap();
        sheet.rows.iter().map(|row| (row.number, row.cells.iter().map(Cell::shown).collect())).collect()
    }

    fn row(number: i32, cells: &[&str]) -> (i32, Vec<String>) {
        (number, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn every_dialect_of_excel_is_the_same_table() {
        let wanted = [row(1, &["Nama", "NIK"]), row(2, &["Siti, S.Sos", "0012"]), row(4, &["Budi"])];
        let dialects = [
            "Nama;NIK\r\nSiti, S.Sos;0012\r\n;\r\nBudi;\r\n;;;\r\n",
            "Nama,NIK\n\"Siti, S.Sos\",'0012\n\nBudi",
            "sep=\t\r\nNama\tNIK\r\nSiti, S.Sos\t0012\r\n\r\n\"Budi\"\t\r\n",
            "\"Nama\"|\"NIK\"\r\"Siti, S.Sos\"|\"0012\"\r\rBudi",
        ];
        for text in dialects {
            assert_eq!(texts(text.as_bytes()), wanted, "{text}");
            assert_eq!(texts(&[UTF8_MARK, text.as_bytes()].concat()), wanted, "with a mark: {text}");
            for bytes in [|unit: u16| unit.to_le_bytes(), |unit: u16| unit.to_be_bytes()] {
                let wide = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes);
                assert_eq!(texts(&wide.collect::<Vec<u8>>()), wanted, "as UTF-16: {text}");
            }
        }
    }

    #[test]
    fn quotes_hold_line_breaks_and_rows_keep_their_numbers() {
        let text = "Nama;Alamat\n\"Siti \"\"Iti\"\" Aminah\";\"Jl. Merdeka\r\nNo. 5\"\n\nBudi;x\"y\"\n\"a\"  ;c\n";
        let wanted = [
            row(1, &["Nama", "Alamat"]),
            row(2, &["Siti \"Iti\" Aminah", "Jl. Merdeka\r\nNo. 5"]),
            row(4, &["Budi", "x\"y\""]),
            row(5, &["a", "c"]),
        ];
        assert_eq!(texts(text.as_bytes()), wanted);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let code = |bytes: &[u8]| read(bytes).unwrap_err().code;
        // "José" in Windows-1252
        assert_eq!(code(b"Nama;NIK\nJos\xe9;1"), "file_not_utf8");
        assert_eq!(code(b"N\0a\0m\0a\0"), "file_not_utf8");
        assert_eq!(code(b"\xff\xfeN\0a"), "file_not_utf8");
        assert_eq!(code(b"Nama;NIK\nx;\"y\nz"), "quote_not_closed");
        assert!(read(b"Nama;NIK\nx;\"y\nz").unwrap_err().message.en.contains("row 2"));
        let wide = format!("Nama{}x", ";".repeat(300));
        assert_eq!(code(wide.as_bytes()), "too_many_columns");
        assert!(read(format!("Nama{}\nx", ";".repeat(300)).as_bytes()).is_ok());
        // Everything from the first of these quotes to the second would be one cell.
        let typed = "Nama;Ket\nAni;\"baik\nBudi;cukup\nCaca;\"cukup\" saja\n";
        assert_eq!(code(typed.as_bytes()), "quote_stray");
        let far = format!("Nama;Ket\nAni;\"baik\n{}Caca;cukup\"\n", "Budi;cukup\n".repeat(30));
        assert_eq!(code(far.as_bytes()), "quote_not_closed");
        assert!(read(far.as_bytes()).unwrap_err().message.en.contains("row 2"));
        let right = format!("{}x\n", ";".repeat(199)).repeat(26_000);
        assert_eq!(code(right.as_bytes()), "too_many_cells");
        assert_eq!(super::read(b"a", Deadline::after(Duration::ZERO)).unwrap_err().code, "file_takes_too_long");
        assert_eq!(code("x\n".repeat(MOST_ROWS + TITLE_ROWS + 1).as_bytes()), "too_many_rows");
    }

    fn quoted(cell: &str) -> String {
        format!("\"{}\"", cell.replace('"', "\"\""))
    }

    proptest! {
        /// What a writer that quotes writes is what is read, whatever is in the cells.
        #[test]
        fn what_is_written_is_read(
            table in proptest::collection::vec(proptest::collection::vec("[a-z\"';,|\t\r\n0-9é=+@-]{0,12}", 1..6), 1..8),
            separator in proptest::sample::select(&SEPARATORS[..]),
        ) {
            let lines: Vec<String> = table
                .iter()
                .map(|cells| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(&separator.to_string()))
                .collect();
            let text = format!("sep={separator}\r\n{}", lines.join("\r\n"));
            let read = read(text.as_bytes()).unwrap();
            let wanted: Vec<Vec<Cell>> = table
                .iter()
                .map(|cells| {
                    let mut cells: Vec<Cell> = cells.iter().map(|cell| Cell::text(cell)).collect();
                    while cells.last().is_some_and(Cell::is_empty) { cells.pop(); }
                    cells
                })
                .filter(|cells| !cells.is_empty())
                .collect();
            prop_assert_eq!(read.rows.into_iter().map(|row| row.cells).collect::<Vec<_>>(), wanted);
        }
    }
}
