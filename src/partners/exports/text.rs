//! CSV and NDJSON, a page at a time.
use super::rules::{Delimiter, Record, Value};
use crate::codes::rules::Code;
use crate::partners::fields::{BETWEEN, Field};
use crate::platform::cells::guard;
use crate::platform::error::{ApiError, ApiResult, Language};
use csv::{Terminator, Writer, WriterBuilder};
use serde_json::Map;
use std::borrow::Cow;

/// How a page is written.
#[derive(Debug, Clone, Copy)]
pub enum Lines {
    /// CSV (RFC 4180) of this delimiter, with headers and words in this language.
    Csv(Delimiter, Language),
    /// One object a line.
    Ndjson,
}

/// Tells Excel that the file is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Lines {
    /// What stands before the first row.
    pub fn head(self) -> ApiResult<Vec<u8>> {
        let Self::Csv(delimiter, language) = self else { return Ok(vec![]) };
        let mut out = writer(delimiter);
        out.write_record(Field::ALL.iter().map(|field| field.header(language))).map_err(unwritten)?;
        Ok([BYTE_ORDER_MARK, &finished(out)?].concat())
    }

    /// Some rows.
    pub fn rows(self, records: &[Record]) -> ApiResult<Vec<u8>> {
        match self {
            Self::Csv(delimiter, language) => {
                let mut out = writer(delimiter);
                for record in records {
                    let cells = Field::ALL.iter().map(|field| cell(record.value(*field), language));
                    out.write_record(cells.map(|cell| cell.into_owned().into_bytes())).map_err(unwritten)?;
                }
                finished(out)
            }
            Self::Ndjson => {
                let mut out = vec![];
                for record in records {
                    let object: Map<_, _> = Field::ALL
                        .iter()
                        .map(|field| (field.as_str().to_owned(), json(record.value(*field))))
                        .collect();
                    serde_json::to_writer(&mut out, &object).map_err(unwritten)?;
                    out.push(b'\n');
                }
                Ok(out)
            }
        }
    }
}

fn writer(delimiter: Delimiter) -> Writer<Vec<u8>> {
    WriterBuilder::new().delimiter(delimiter.byte()).terminator(Terminator::CRLF).from_writer(vec![])
}

fn finished(out: Writer<Vec<u8>>) -> ApiResult<Vec<u8>> {
    out.into_inner().map_err(unwritten)
}

/// The error may quote what could not be written.
fn unwritten<E>(_: E) -> ApiError {
    ApiError::internal("a row of an export cannot be written")
}

pub(super) fn joined(codes: &[Code]) -> String {
    codes.iter().map(Code::as_str).collect::<Vec<_>>().join(BETWEEN)
}

fn cell(value: Value<'_>, language: Language) -> Cow<'_, str> {
    match value {
        Value::Nothing => Cow::Borrowed(""),
        Value::Text(Cow::Borrowed(text)) => guard(text),
        Value::Text(Cow::Owned(text)) => Cow::Owned(guard(&text).into_owned()),
        Value::Plain(text) => Cow::Owned(text),
        Value::Word(word, indonesian) => Cow::Borrowed(Value::spoken(word, indonesian, language)),
        Value::Day(date) => Cow::Owned(date.to_string()),
        Value::Year(year) => Cow::Owned(year.to_string()),
        Value::Codes(codes) => Cow::Owned(joined(codes)),
    }
}

fn json(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Nothing => serde_json::Value::Null,
        Value::Text(text) => text.into(),
        Value::Plain(text) => text.into(),
        Value::Word(word, _) => word.into(),
        Value::Day(date) => date.to_string().into(),
        Value::Year(year) => year.into(),
        Value::Codes(codes) => codes.iter().map(Code::as_str).collect(),
    }
}
