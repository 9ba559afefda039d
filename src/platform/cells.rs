//! Free text as a cell of CSV, which a spreadsheet takes for nothing but text.
use std::borrow::Cow;

/// Begins a cell that is text whatever it looks like. Spreadsheets write it before a text themselves.
const GUARD: char = '\'';

/// What makes a spreadsheet take a cell for a formula (OWASP, CSV injection), the wide forms too.
const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

fn is_formula(text: &str) -> bool {
    text.starts_with(SIGNS) || text.starts_with(['\t', '\r', '\n'])
}

/// Whether a spreadsheet would make a number or a date of it, and lose zeros and digits: `1.70602E+15`.
fn is_numeric(text: &str) -> bool {
    let of_numbers = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | ',' | '/' | ':' | '+' | '-' | 'e' | 'E');
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ' '))
        && text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(of_numbers)
}

fn needs_guard(text: &str) -> bool {
    // What already looks guarded gets one guard more: otherwise reading it would take away a character of the text.
    let text = text.trim_start_matches(GUARD);
    is_formula(text) || is_numeric(text) || begins_formula(text)
}

/// Where whoever takes another sign for the delimiter, or reads no quotes, sees a cell begin.
const PARTS: [char; 6] = [',', ';', '\t', '|', '\r', '\n'];

/// Whether a formula begins behind blanks or quotes, which a spreadsheet may take off.
fn begins_formula(part: &str) -> bool {
    let part = part.trim_start_matches(GUARD);
    part.trim_start_matches([' ', '\u{a0}', '"']).starts_with(SIGNS)
}

/// Free text as a cell of CSV: with an apostrophe before it where a spreadsheet would take it for a formula, a number or a
/// date. A NIK keeps its digits so. Inside the text one stands as well where a formula would begin a cell for whoever opens the
/// file with another delimiter.
pub fn guard(text: &str) -> Cow<'_, str> {
    let whole = needs_guard(text);
    let inside = |part: &str| begins_formula(part).then(|| format!("{GUARD}{part}"));
    match (whole, in_parts(text, inside)) {
        (false, text) => text,
        (true, text) => Cow::Owned(format!("{GUARD}{text}")),
    }
}

/// The text of a cell that [`guard`] wrote, or somebody who knows spreadsheets.
pub fn unguard(cell: &str) -> Cow<'_, str> {
    let inside = |part: &str| part.strip_prefix(GUARD).filter(|part| begins_formula(part)).map(str::to_owned);
    let text = in_parts(cell, inside);
    let whole = text.strip_prefix(GUARD).filter(|text| needs_guard(text)).map(|text| Cow::Owned(text.to_owned()));
    whole.unwrap_or(text)
}

/// The text with other parts behind its delimiters, where `change` gives any.
fn in_parts(text: &str, change: impl Fn(&str) -> Option<String>) -> Cow<'_, str> {
    let parts: Vec<(&str, Option<String>)> = (0..)
        .zip(text.split_inclusive(PARTS))
        .map(|(at, part)| (part, if at == 0 { None } else { change(part) }))
        .collect();
    if parts.iter().all(|(_, changed)| changed.is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(parts.iter().map(|(part, changed)| changed.as_deref().unwrap_or(part)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_spoil_is_guarded() {
        for bad in [
            "=1+1",
            "+6281234567890",
            "-1",
            "@SUM(A1)",
            "＝1",
            "1706024508950001",
            "0012",
            "1/2/2023",
            "12-05",
            "1E5",
            "'=1",
            "''12",
            "\"=1\"",
        ] {
            assert_eq!(guard(bad), format!("'{bad}"), "{bad:?}");
        }
        for good in
            ["Siti Aminah", "'Aisyah", "Jl. Merdeka 1", "460/123/DINSOS/2023", "************0001", "", "S1", "'"]
        {
            assert_eq!(guard(good), good);
        }
    }

    #[test]
    fn a_formula_behind_another_delimiter_is_guarded_there() {
        for (text, cell) in [
            ("Siti,=cmd|' /C calc'!A0,x", "Siti,'=cmd|' /C calc'!A0,x"),
            ("Siti; =1", "Siti;' =1"),
            ("Siti;\"=1\";\"\"-2", "Siti;'\"=1\";'\"\"-2"),
            ("Siti\r\n+1", "Siti\r\n'+1"),
            ("a\t@b|＝c", "a\t'@b|'＝c"),
            ("\t=1", "'\t'=1"),
            ("\r1", "'\r1"),
            ("1,-2", "'1,'-2"),
            ("a,'=1", "a,''=1"),
        ] {
            assert_eq!(guard(text), cell);
            assert_eq!(unguard(cell), text);
        }
        for good in ["Siti, S.Sos.", "a,'b", "Jl. Merdeka 1;\r\n\r\nRT 2", "x=1,y", "a|b", ",", "'"] {
            assert_eq!((guard(good), unguard(good)), (good.into(), good.into()));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_guarded_is_read_back(text in "['=+@0-9 a-zE./-]{0,12}|['=+\\-\" ,;|\t\r\na1]{0,12}|\\PC{0,12}") {
            let cell = guard(&text);
            proptest::prop_assert_eq!(unguard(&cell), text.as_str());
            proptest::prop_assert!(!is_formula(&cell));
            for part in cell.split(PARTS) {
                proptest::prop_assert!(!part.trim_start_matches([' ', '"']).starts_with(SIGNS), "{cell:?}");
            }
        }
    }
}
