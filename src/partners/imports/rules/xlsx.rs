//! Excel workbooks. Cells are taken one by one: what a sheet says of its own size may be a lie, and its size unpacked too.
use super::sheet::{
    Cell, ENCRYPTED, Kind, MOST_COLUMNS, MOST_ROWS, Row, Sheet, TITLE_ROWS, too_many_columns, too_many_rows,
};
use crate::platform::error::Fault;
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxError};
use chrono::NaiveDate;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use zip::ZipArchive;

/// Most bytes of a workbook unpacked: a hundred thousand rows of thirty columns take about half of it.
const MOST_UNPACKED: u64 = 256 * 1024 * 1024;
/// Parts of a workbook: sheets, styles, pictures.
const MOST_PARTS: usize = 1000;
/// Most bytes of text in all cells; one long text may stand in a million of them.
const MOST_TEXT: usize = 64 * 1024 * 1024;

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

/// Reads the first sheet that holds anything.
pub fn read(bytes: &[u8]) -> Result<Sheet, Fault> {
    // A workbook can be broken in more ways than its reader foresees.
    catch_unwind(AssertUnwindSafe(|| {
        weigh(bytes)?;
        read_weighed(bytes)
    }))
    .unwrap_or(Err(UNREADABLE))
}

/// Unpacks it once without keeping anything.
fn weigh(bytes: &[u8]) -> Result<(), Fault> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| UNREADABLE)?;
    if archive.len() > MOST_PARTS {
        return Err(TOO_LARGE);
    }
    let mut left = MOST_UNPACKED;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| UNREADABLE)?;
        let unpacked = std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|_| UNREADABLE)?;
        left = left.checked_sub(unpacked).ok_or(TOO_LARGE)?;
    }
    Ok(())
}

fn read_weighed(bytes: &[u8]) -> Result<Sheet, Fault> {
    let told = |error: XlsxError| if matches!(error, XlsxError::Password) { ENCRYPTED } else { UNREADABLE };
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(told)?;
    let (mut rows, mut other_sheets) = (vec![], 0);
    for name in workbook.sheet_names() {
        // Charts and the like are no sheets of cells.
        let Ok(mut cells) = workbook.worksheet_cells_reader(&name) else { continue };
        let mut gathered = Gathered::default();
        while let Some(cell) = cells.next_cell().map_err(told)? {
            let (row, column) = cell.get_position();
            gathered.add(row, column, of_value(cell.get_value()))?;
            if !rows.is_empty() && !gathered.rows.is_empty() {
                break; // enough to know that there is something
            }
        }
        match gathered.rows {
            found if found.is_empty() => {}
            found if rows.is_empty() => rows = found,
            _ => other_sheets += 1,
        }
    }
    Ok(Sheet { kind: Kind::Xlsx, rows, names: None, other_sheets })
}

#[derive(Default)]
struct Gathered {
    rows: Vec<Row>,
    text: usize,
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
            cells.resize(column + 1, Cell::Empty);
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
        DataRef::Int(number) => number.to_string().parse().map_or(Cell::Wrong, Cell::Number),
        DataRef::Float(number) => Cell::Number(*number),
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
    use super::*;
    use rust_xlsxwriter::{ExcelDateTime as Date, Format, Workbook};

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
        use std::io::Write;
        use zip::write::SimpleFileOptions;
        let mut archive = zip::ZipWriter::new(Cursor::new(vec![]));
        archive.start_file("xl/sharedStrings.xml", SimpleFileOptions::default()).unwrap();
        let nothing = vec![b' '; 1024 * 1024];
        for _ in 0..257 {
            archive.write_all(&nothing).unwrap();
        }
        let packed = archive.finish().unwrap().into_inner();
        assert!(packed.len() < 1024 * 1024);
        assert_eq!(read(&packed).unwrap_err(), TOO_LARGE);
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
