//! Excel workbooks. Cells are taken one by one: what a sheet says of its own size may be a lie, and its size unpacked too.
use super::sheet::{
    Cell, Deadline, ENCRYPTED, Kind, MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Row, Sheet, TITLE_ROWS, too_many_cells,
    too_many_columns, too_many_rows,
};
use crate::platform::error::Fault;
use calamine::{DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use chrono::NaiveDate;
use quick_xml::events::{BytesStart, Event};
use std::io::{BufReader, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use zip::ZipArchive;

/// Most bytes of a workbook unpacked: a hundred thousand rows of thirty columns take about half of it.
const MOST_UNPACKED: u64 = 256 * 1024 * 1024;
/// Parts of a workbook: sheets, styles, pictures.
const MOST_PARTS: usize = 1000;
/// Most bytes of text in all cells; one long text may stand in a million of them.
const MOST_TEXT: usize = 64 * 1024 * 1024;
/// Most cells that are looked at, blank ones of every sheet included.
const MOST_LOOKED_AT: usize = 10_000_000;
/// Digits of a number that says how much follows. The reader reserves memory for as many texts as a file claims to have.
const MOST_DIGITS: usize = 7;

/// Elements of which the reader keeps something, each whole, as often as they are there: how many of them a part may have, and
/// how long their tags may be. Formats repeat the texts that they name. Excel itself knows 65,490 formats.
const KEPT: [(&str, usize, usize); 10] = [
    ("si", 4_000_000, usize::MAX),
    ("sheet", 250, 1000),
    ("definedName", 100_000, 1000),
    ("Relationship", 100_000, 4000),
    ("numFmt", 65_536, 1000),
    ("font", 65_536, 1000),
    ("name", 200_000, 1000),
    ("fill", 65_536, 1000),
    ("border", 65_536, 1000),
    ("xf", 100_000, 1000),
];

/// Not a workbook, or a broken one.
pub const UNREADABLE: Fault = Fault::new(
    "file_unreadable",
    "berkas Excel tidak dapat dibaca; buka dan simpan lagi dari Excel",
    "the Excel file cannot be read; open it and save it again in Excel",
);
/// Too much in it, or a trap.
pub const TOO_LARGE: Fault = Fault::new(
    "file_too_large_unpacked",
    "isi berkas terlalu besar; bagi menjadi beberapa berkas",
    "there is too much in the file; make several of it",
);

/// Reads the first sheet that is shown and holds anything.
pub fn read(bytes: &[u8], until: Deadline) -> Result<Sheet, Fault> {
    // A workbook can be broken in more ways than its reader foresees.
    catch_unwind(AssertUnwindSafe(|| {
        weigh(bytes, until)?;
        read_weighed(bytes, until)
    }))
    .unwrap_or(Err(UNREADABLE))
}

/// Unpacks it once without keeping anything, and looks for what would make its reader keep too much: of running out of memory
/// there is no coming back.
fn weigh(bytes: &[u8], until: Deadline) -> Result<(), Fault> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| UNREADABLE)?;
    if archive.len() > MOST_PARTS {
        return Err(TOO_LARGE);
    }
    let mut left = MOST_UNPACKED;
    for index in 0..archive.len() {
        until.check()?;
        let mut part = archive.by_index(index).map_err(|_| UNREADABLE)?.take(left + 1);
        look_through(&mut part)?;
        std::io::copy(&mut part, &mut std::io::sink()).map_err(|_| UNREADABLE)?;
        left = part.limit().checked_sub(1).ok_or(TOO_LARGE)?;
    }
    Ok(())
}

/// Reads a part as the reader of workbooks would, up to where that one would stop.
fn look_through(part: &mut impl Read) -> Result<(), Fault> {
    let mut xml = quick_xml::Reader::from_reader(BufReader::new(part));
    let config = xml.config_mut();
    (config.check_end_names, config.expand_empty_elements) = (false, true);
    let (mut event, mut counts) = (vec![], [0_usize; KEPT.len()]);
    loop {
        event.clear();
        match xml.read_event_into(&mut event) {
            Ok(Event::Start(tag)) => look_at(&tag, &mut counts)?,
            // What follows, a broken part or a picture, nobody takes for elements.
            Ok(Event::Eof) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}

fn look_at(tag: &BytesStart<'_>, counts: &mut [usize; KEPT.len()]) -> Result<(), Fault> {
    let name = tag.local_name();
    let name: &str = name.as_ref();
    if name == "sst" {
        let numbers = tag.attributes_raw().split(|c: char| !c.is_ascii_digit());
        return if numbers.map(str::len).max() > Some(MOST_DIGITS) { Err(TOO_LARGE) } else { Ok(()) };
    }
    let kept = KEPT.iter().zip(counts).find(|((kept, ..), _)| *kept == name);
    let Some((&(_, most, longest), count)) = kept else { return Ok(()) };
    *count += 1;
    if *count > most || tag.attributes_raw().len() > longest { Err(TOO_LARGE) } else { Ok(()) }
}

fn read_weighed(bytes: &[u8], until: Deadline) -> Result<Sheet, Fault> {
    let told = |error: XlsxError| if matches!(error, XlsxError::Password) { ENCRYPTED } else { UNREADABLE };
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(told)?;
    let shifted = workbook.has_1904_epoch();
    let (mut rows, mut other_sheets, mut left) = (vec![], 0, MOST_LOOKED_AT);
    // What nobody sees in Excel, nobody means to import. Charts and the like are no sheets of cells.
    let sheets = workbook.sheets_metadata().iter();
    let shown = sheets.filter(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet);
    let names: Vec<String> = shown.map(|sheet| sheet.name.clone()).collect();
    for name in names {
        let Ok(mut cells) = workbook.worksheet_cells_reader(&name) else { continue };
        let mut gathered = Gathered::default();
        while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(told)? {
            until.check()?;
            left = left.checked_sub(1).ok_or(TOO_LARGE)?;
            let value = match (of_value(&cell.value), &cell.formula) {
                // Nobody has calculated it: nothing is not what it says.
                (Cell::Empty, Some(_)) if cell.value == DataRef::Empty => Cell::Wrong,
                (value, _) => value,
            };
            gathered.add(cell.pos.0, cell.pos.1, value)?;
            if !rows.is_empty() && !gathered.rows.is_empty() {
                break; // enough to know that there is something
            }
        }
        match gathered.rows {
            found if found.is_empty() => {}
            found if rows.is_empty() => rows = found,
            _ => other_sheets += 1,
        }
        until.check()?;
    }
    Ok(Sheet { kind: Kind::Xlsx, rows, names: None, other_sheets, shifted })
}

#[derive(Default)]
struct Gathered {
    rows: Vec<Row>,
    text: usize,
    cells: usize,
}

impl Gathered {
    fn add(&mut self, row: u32, column: u32, cell: Cell) -> Result<(), Fault> {
        if cell.is_empty() {
            return Ok(());
        }
        let number = i32::try_from(row).ok().and_then(|row| row.checked_add(1)).ok_or(UNREADABLE)?;
        let column = usize::try_from(column).map_err(|_| UNREADABLE)?;
        if column >= MOST_COLUMNS {
            return Err(too_many_columns());
        }
        if let Cell::Text(text) = &cell {
            self.text += text.len();
        }
        if self.text > MOST_TEXT {
            return Err(TOO_LARGE);
        }
        match self.rows.last() {
            Some(last) if last.number == number => {}
            // Rows come in their order; whoever writes them otherwise did not write them with Excel.
            Some(last) if last.number > number => return Err(UNREADABLE),
            _ => self.rows.push(Row { number, cells: vec![], broken: false }),
        }
        if self.rows.len() > MOST_ROWS + TITLE_ROWS {
            return Err(too_many_rows());
        }
        let cells = self.rows.last_mut().map(|row| &mut row.cells).ok_or(UNREADABLE)?;
        if cells.len() <= column {
            self.cells += column + 1 - cells.len();
            cells.resize(column + 1, Cell::Empty);
        }
        if self.cells > MOST_CELLS {
            return Err(too_many_cells());
        }
        if let Some(place) = cells.get_mut(column) {
            *place = cell;
        }
        Ok(())
    }
}

fn of_value(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) => Cell::text(text),
        DataRef::SharedString(text) => Cell::text(text),
        DataRef::Int(number) => number.to_string().parse().map_or(Cell::Wrong, Cell::number),
        DataRef::Float(number) => Cell::number(*number),
        DataRef::DateTime(at) => day(at).map_or(Cell::Wrong, Cell::Day),
        DataRef::DateTimeIso(text) => Cell::text(text.split('T').next().unwrap_or_default()),
        _ => Cell::Wrong,
    }
}

/// The day of a cell that is formatted as one; a time without a day is none.
fn day(at: &ExcelDateTime) -> Option<NaiveDate> {
    let (year, month, day, ..) = at.to_ymd_hms_milli();
    NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day)).filter(|_| at.is_datetime())
}

#[cfg(test)]
mod tests {
    use super::super::sheet::TAKES_TOO_LONG;
    use super::*;
    use rust_xlsxwriter::{ExcelDateTime as Date, Format, Workbook};
    use std::io::Write;
    use std::time::Duration;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn read(bytes: &[u8]) -> Result<Sheet, Fault> {
        super::read(bytes, Deadline::after(Duration::from_mins(2)))
    }

    fn cells(sheet: &Sheet) -> Vec<(i32, Vec<Cell>)> {
        sheet.rows.iter().map(|row| (row.number, row.cells.clone())).collect()
    }

    #[test]
    fn cells_keep_what_they_are() {
        let mut book = Workbook::new();
        book.add_worksheet();
        let sheet = book.add_worksheet();
        sheet.merge_range(0, 0, 0, 3, "DAFTAR PSM", &Format::new()).unwrap();
        for (column, name) in ["Nama", "NIK", "Tanggal Lahir", "HP"].into_iter().enumerate() {
            sheet.write(2, u16::try_from(column).unwrap(), name).unwrap();
        }
        let text = Format::new().set_num_format("@");
        sheet.write_with_format(4, 0, " Siti ", &text).unwrap();
        sheet.write_number(4, 1, 1_706_024_508_950_001.0).unwrap();
        let date = Format::new().set_num_format("dd/mm/yyyy");
        sheet.write_with_format(4, 2, Date::from_ymd(1995, 8, 5).unwrap(), &date).unwrap();
        sheet.write_with_format(4, 3, "081200001111", &text).unwrap();
        sheet.write_formula(5, 0, rust_xlsxwriter::Formula::new("=\"Bu\"&\"di\"").set_result("Budi")).unwrap();
        sheet.write_formula(5, 1, rust_xlsxwriter::Formula::new("=NA()").set_result("#N/A")).unwrap();
        book.add_worksheet().write(0, 0, "lain").unwrap();
        let read = read(&book.save_to_buffer().unwrap()).unwrap();
        let said = |text: &str| Cell::Text(text.to_owned());
        let day = Cell::Day(NaiveDate::from_ymd_opt(1995, 8, 5).unwrap());
        assert_eq!(
            cells(&read),
            [
                (1, vec![said("DAFTAR PSM")]),
                (3, vec![said("Nama"), said("NIK"), said("Tanggal Lahir"), said("HP")]),
                (5, vec![said("Siti"), Cell::Number(1_706_024_508_950_001.0), day, said("081200001111")]),
                (6, vec![said("Budi"), Cell::Wrong]),
            ]
        );
        assert_eq!(read.other_sheets, 1);
    }

    #[test]
    fn a_workbook_is_not_larger_than_it_says() {
        let mut archive = ZipWriter::new(Cursor::new(vec![]));
        archive.start_file("xl/sharedStrings.xml", SimpleFileOptions::default()).unwrap();
        let nothing = vec![b' '; 1024 * 1024];
        for _ in 0..257 {
            archive.write_all(&nothing).unwrap();
        }
        let packed = archive.finish().unwrap().into_inner();
        assert!(packed.len() < 1024 * 1024);
        assert_eq!(read(&packed).unwrap_err(), TOO_LARGE);
    }

    /// A small good workbook, some of whose parts are others.
    fn with_parts(parts: &[(&str, String)]) -> Vec<u8> {
        let mut book = Workbook::new();
        book.add_worksheet().set_name("Satu").unwrap().write(0, 0, "Nama").unwrap();
        let mut good = ZipArchive::new(Cursor::new(book.save_to_buffer().unwrap())).unwrap();
        let mut made = ZipWriter::new(Cursor::new(vec![]));
        for index in 0..good.len() {
            let mut part = good.by_index(index).unwrap();
            let name = part.name().unwrap().to_string();
            let mut text = vec![];
            part.read_to_end(&mut text).unwrap();
            let other = parts.iter().find(|(other, _)| *other == name).map(|(_, text)| text.as_bytes());
            made.start_file(name, SimpleFileOptions::default()).unwrap();
            made.write_all(other.unwrap_or(&text)).unwrap();
        }
        made.finish().unwrap().into_inner()
    }

    /// A workbook that names its one sheet so often.
    fn naming(times: usize) -> String {
        let name = |at| format!("<sheet name=\"s{at}\" sheetId=\"1\" r:id=\"rId1\"/>");
        format!("<workbook><sheets>{}</sheets></workbook>", (0..times).map(name).collect::<Vec<_>>().concat())
    }

    #[test]
    fn what_a_workbook_claims_to_hold_is_not_believed() {
        let strings =
            |count: &str, texts: &str| format!("<x:sst xmlns:x=\"a\" uniqueCount = '{count}'>{texts}</x:sst>");
        let said = |count: &str| read(&with_parts(&[("xl/sharedStrings.xml", strings(count, "<si><t>Nama</t></si>"))]));
        assert_eq!(cells(&said("1").unwrap()), [(1, vec![Cell::Text("Nama".to_owned())])]);
        // As much memory nobody has: whoever asks for it is ended by the system.
        for count in ["10000000000000000", "18446744073709551615", "0000000010000000000000000"] {
            assert_eq!(said(count).unwrap_err(), TOO_LARGE, "{count}");
        }
        let styles =
            |inner: String| format!("<styleSheet>{inner}<cellXfs><xf numFmtId=\"200\"/></cellXfs></styleSheet>");
        let long = format!("<numFmts><numFmt numFmtId=\"200\" formatCode=\"{}\"/></numFmts>", "0".repeat(100_000));
        let many = format!("<fonts>{}</fonts>", "<font/>".repeat(70_000));
        for inner in [long, many] {
            assert_eq!(read(&with_parts(&[("xl/styles.xml", styles(inner))])).unwrap_err(), TOO_LARGE);
        }
        let book = naming(251);
        assert_eq!(read(&with_parts(&[("xl/workbook.xml", book)])).unwrap_err(), TOO_LARGE);
    }

    #[test]
    fn one_sheet_named_often_is_not_read_for_ever() {
        let book = naming(250);
        let blank =
            format!("<worksheet><sheetData><row r=\"1\">{}</row></sheetData></worksheet>", "<c/>".repeat(50_000));
        let bytes = with_parts(&[("xl/workbook.xml", book), ("xl/worksheets/sheet1.xml", blank)]);
        assert_eq!(read(&bytes).unwrap_err(), TOO_LARGE);
        assert_eq!(super::read(&bytes, Deadline::after(Duration::ZERO)).unwrap_err(), TAKES_TOO_LONG);
    }

    #[test]
    fn empty_cells_between_are_counted() {
        let row = |number: i32| format!("<row r=\"{number}\"><c r=\"GR{number}\"><v>1</v></c></row>");
        let rows = (1..=26_000).map(row).collect::<Vec<_>>().concat();
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        assert_eq!(read(&with_parts(&[("xl/worksheets/sheet1.xml", sheet)])).unwrap_err(), too_many_cells());
    }

    #[test]
    fn what_is_hidden_is_not_read_and_what_is_no_number_is_wrong() {
        let mut book = Workbook::new();
        book.add_worksheet().set_hidden(true).write(0, 0, "lama").unwrap();
        book.add_worksheet().set_very_hidden(true).write(0, 0, "lebih lama").unwrap();
        let sheet = book.add_worksheet();
        sheet.set_active(true).write(0, 0, "baru").unwrap();
        let read_book = read(&book.save_to_buffer().unwrap()).unwrap();
        assert_eq!(cells(&read_book), [(1, vec![Cell::Text("baru".to_owned())])]);
        assert_eq!(read_book.other_sheets, 0);
        // Without an end, a formula that nobody has calculated, and one that says nothing.
        let odd = "<c><v>1e999</v></c><c><f>1+1</f></c><c t=\"str\"><f>\"\"</f><v></v></c><c><f>1+1</f><v>2</v></c>";
        let odd = format!("<worksheet><sheetData><row r=\"1\">{odd}</row></sheetData></worksheet>");
        let odd = read(&with_parts(&[("xl/worksheets/sheet1.xml", odd)])).unwrap();
        assert_eq!(cells(&odd), [(1, vec![Cell::Wrong, Cell::Wrong, Cell::Empty, Cell::Number(2.0)])]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        /// A workbook with a byte changed is read, or refused.
        #[test]
        fn a_damaged_workbook_does_not_panic(at in 0_usize..6000, byte in proptest::prelude::any::<u8>()) {
            let mut book = Workbook::new();
            book.add_worksheet().write(0, 0, "Nama").unwrap();
            let mut bytes = book.save_to_buffer().unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
