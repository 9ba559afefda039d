//! A JSON object a line, for systems: its members are named like the fields of a volunteer.
use super::csv::{NOT_UTF8, UTF8_MARK};
use super::sheet::{
    Cell, Deadline, Kind, MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Row, Sheet, too_many_cells, too_many_columns,
    too_many_rows,
};
use crate::partners::fields::BETWEEN;
use crate::platform::error::Fault;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Most bytes of a line: a person has a few thousand. A hundred times as much memory may be needed to understand it.
const MOST_BYTES: usize = 64 * 1024;

/// Reads it. A line that is no object of plain values becomes a broken row; the others stay good.
pub fn read(bytes: &[u8], until: Deadline) -> Result<Sheet, Fault> {
    let text = std::str::from_utf8(bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)).map_err(|_| NOT_UTF8)?;
    let (mut names, mut rows): (Vec<String>, Vec<Row>) = (vec![], vec![]);
    let mut all = 0;
    for (line, number) in text.lines().zip(1..) {
        until.check()?;
        if line.trim().is_empty() {
            continue;
        }
        if rows.len() >= MOST_ROWS {
            return Err(too_many_rows());
        }
        let read = Some(line).filter(|line| line.len() <= MOST_BYTES).map(serde_json::from_str::<Members>);
        let Some(Ok(Members(members))) = read else {
            rows.push(Row { number, cells: vec![], broken: true });
            continue;
        };
        if members.len() > MOST_COLUMNS {
            return Err(too_many_columns());
        }
        let mut cells = vec![];
        for (name, value) in members {
            let column = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            if column >= MOST_COLUMNS {
                return Err(too_many_columns());
            }
            if cells.len() <= column {
                cells.resize(column + 1, Cell::Empty);
            }
            if let Some(cell) = cells.get_mut(column) {
                *cell = of_value(value);
            }
        }
        all += cells.len();
        if all > MOST_CELLS {
            return Err(too_many_cells());
        }
        rows.push(Row { number, cells, broken: false });
    }
    Ok(Sheet { kind: Kind::Ndjson, rows, names: Some(names), other_sheets: 0, shifted: false })
}

fn of_value(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Empty,
        Value::String(text) => Cell::exact(&text),
        Value::Number(number) => number.as_f64().map_or(Cell::Wrong, Cell::number),
        // Codes, as our own exports write them.
        Value::Array(items) => {
            let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            words.map_or(Cell::Wrong, |words| Cell::exact(&words.join(BETWEEN)))
        }
        Value::Bool(_) | Value::Object(_) => Cell::Wrong,
    }
}

/// The members of one object, at most one more than there may be columns; one that is given twice is an error, not a choice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Value)> = vec![];
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a member is given twice"));
                    }
                    members.push((name, value));
                    if members.len() > MOST_COLUMNS {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        break;
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(bytes: &[u8]) -> Result<Sheet, Fault> {
        super::read(bytes, Deadline::after(Duration::from_mins(2)))
    }

    #[test]
    fn a_line_is_a_row_and_a_broken_one_breaks_no_other() {
        let text = "{\"name\":\"Siti\",\"nik\":\"0012\"}\r\n\n{\"nik\":1706024508950001,\"email\":null}\nno\n[1]\n{\"name\":\"a\",\"name\":\"b\"}\n{\"name\":[1]}";
        let sheet = read(text.as_bytes()).unwrap();
        assert_eq!(sheet.names.unwrap(), ["name", "nik", "email"]);
        let rows: Vec<_> = sheet.rows.iter().map(|row| (row.number, row.broken, row.cells.clone())).collect();
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(
            rows,
            [
                (1, false, vec![text("Siti"), text("0012")]),
                (3, false, vec![Cell::Empty, Cell::Number(1_706_024_508_950_001.0), Cell::Empty]),
                (4, true, vec![]),
                (5, true, vec![]),
                (6, true, vec![]),
                (7, false, vec![Cell::Wrong]),
            ]
        );
        assert_eq!(read(b"{\"name\":\"\xff\"}").unwrap_err(), NOT_UTF8);
    }

    #[test]
    fn a_line_has_an_end() {
        let members = |count: usize| (0..count).map(|at| format!("\"m{at}\":1")).collect::<Vec<_>>().join(",");
        assert_eq!(read(format!("{{{}}}", members(201)).as_bytes()).unwrap_err(), too_many_columns());
        assert_eq!(read(format!("{{{}}}", members(200)).as_bytes()).unwrap().names.unwrap().len(), 200);
        // Each member is compared with those before it: of so many that would take minutes.
        let long = format!("{{{}}}\n{{\"name\":\"Siti\"}}", members(2_000_000));
        let broken: Vec<bool> = read(long.as_bytes()).unwrap().rows.iter().map(|row| row.broken).collect();
        assert_eq!(broken, [true, false]);
        assert!(super::read(b"{\"name\":1}", Deadline::after(Duration::ZERO)).is_err());
    }
}
