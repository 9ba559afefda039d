//! A workbook with one sheet, row by row. What is written goes to a file without a name at once, so that a register of any
//! length takes the same memory, and nothing is left behind by whoever goes away.
use super::rules::{MOST_ROWS, Record, TOO_MANY_ROWS, Value};
use super::text::joined;
use crate::partners::fields::Field;
use crate::platform::error::{ApiError, ApiResult, Language};
use chrono::{Datelike, NaiveDate};
use rust_xlsxwriter::{ExcelDateTime, Format, FormatAlign, IgnoreError, Workbook, Worksheet, XlsxError};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of the file that are sent at a time.
const CHUNK: usize = 128 * 1024;
/// What makes a cell text, even after somebody types into it.
const AS_TEXT: &str = "@";
const AS_DAY: &str = "yyyy-mm-dd";

/// A workbook under way.
pub struct Sheet {
    book: Workbook,
    language: Language,
    rows: u32,
    day: Format,
    dir: PathBuf,
}

impl Sheet {
    /// With its header. `dir` is where its file is, for as long as it is.
    pub fn new(dir: &Path, language: Language) -> ApiResult<Self> {
        let mut book = Workbook::new();
        book.set_tempdir(dir).map_err(unwritten)?;
        let sheet = book.add_worksheet_with_constant_memory().map_err(unwritten)?;
        head(sheet, language).map_err(unwritten)?;
        Ok(Self { book, language, rows: 0, day: Format::new().set_num_format(AS_DAY), dir: dir.to_owned() })
    }

    /// Adds rows.
    pub fn add(&mut self, records: &[Record]) -> ApiResult<()> {
        let sheet = self.book.worksheet_from_index(0).map_err(unwritten)?;
        for record in records {
            if self.rows >= MOST_ROWS {
                return Err(ApiError::from(&TOO_MANY_ROWS));
            }
            self.rows += 1;
            for (column, field) in (0..).zip(Field::ALL) {
                write(sheet, (self.rows, column), record.value(*field), &self.day, self.language).map_err(unwritten)?;
            }
        }
        Ok(())
    }

    /// The whole workbook, from its beginning, and how long it is.
    pub fn finish(mut self) -> ApiResult<(File, u64)> {
        let mut file = tempfile::tempfile_in(&self.dir).map_err(unwritten)?;
        let mut out = BufWriter::new(&mut file);
        self.book.save_to_writer(&mut out).map_err(unwritten)?;
        out.flush().map_err(unwritten)?;
        drop(out);
        let length = file.seek(SeekFrom::End(0)).map_err(unwritten)?;
        file.seek(SeekFrom::Start(0)).map_err(unwritten)?;
        Ok((file, length))
    }
}

/// The next bytes of a file; none at its end.
pub fn read_on(file: &mut File) -> ApiResult<Vec<u8>> {
    let mut bytes = vec![];
    let most = u64::try_from(CHUNK).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes).map_err(unwritten)?;
    Ok(bytes)
}

/// The error may quote what could not be written.
fn unwritten<E>(_: E) -> ApiError {
    ApiError::internal("the workbook of an export cannot be written or read")
}

fn head(sheet: &mut Worksheet, language: Language) -> Result<(), XlsxError> {
    let (bold, text) =
        (Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Top), Format::new().set_num_format(AS_TEXT));
    sheet.set_name(if language == Language::English { "Volunteers" } else { "PSM" })?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, field) in (0..).zip(Field::ALL) {
        if field.is_free_text() {
            sheet.set_column_format(column, &text)?;
            // Excel would mark each NIK as a mistake.
            sheet.ignore_error_range(1, column, MOST_ROWS, column, IgnoreError::NumberStoredAsText)?;
        }
        sheet.set_column_width(column, width(*field))?;
    }
    for (column, field) in (0..).zip(Field::ALL) {
        sheet.write_string_with_format(0, column, field.header(language), &bold)?;
    }
    Ok(())
}

fn width(field: Field) -> f64 {
    match field {
        Field::Id => 38.0,
        Field::Address => 40.0,
        Field::Name | Field::CertificateOrganiser | Field::SkOfficial | Field::Functions => 28.0,
        Field::Nik | Field::VillageName | Field::Phone | Field::Email | Field::CertificateNumber | Field::SkNumber => {
            20.0
        }
        _ => 14.0,
    }
}

/// Text is a cell of type string: whatever it begins with, it is no formula.
fn write(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    value: Value<'_>,
    day: &Format,
    language: Language,
) -> Result<(), XlsxError> {
    match value {
        Value::Nothing => return Ok(()),
        Value::Text(text) => sheet.write_string(row, column, text)?,
        Value::Plain(text) => sheet.write_string(row, column, text)?,
        Value::Word(word, indonesian) => sheet.write_string(row, column, Value::spoken(word, indonesian, language))?,
        Value::Day(date) => match in_excel(date) {
            Some(date) => sheet.write_datetime_with_format(row, column, &date, day)?,
            None => sheet.write_string(row, column, date.to_string())?,
        },
        Value::Year(year) => sheet.write_number(row, column, f64::from(year))?,
        Value::Codes(codes) => sheet.write_string(row, column, joined(codes))?,
    };
    Ok(())
}

/// Excel's days begin in 1900, and it believes in a 29 February of that year: what is older than March is text.
fn in_excel(date: NaiveDate) -> Option<ExcelDateTime> {
    let begin = NaiveDate::from_ymd_opt(1900, 3, 1)?;
    let part = |number: u32| u8::try_from(number).ok();
    let (year, month, day) = (u16::try_from(date.year()).ok()?, part(date.month())?, part(date.day())?);
    if date < begin { None } else { ExcelDateTime::from_ymd(year, month, day).ok() }
}
