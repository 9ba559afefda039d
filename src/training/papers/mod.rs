//! Papers of a training event: the certificate of who passed, the list of who came. They are drawn from plain facts and
//! nothing else, so the same facts give the same bytes.
pub mod attendance;
pub mod certificate;

use crate::platform::pdf::{Align, Area, Block, Ink, PdfError, Sheet, Style, Weight};
use crate::regions::rules::TimeZone;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};

pub use attendance::{AttendanceList, AttendanceRow, SessionColumn, attendance_list};
pub use certificate::{CertificateFacts, certificate};

/// Text.
const BLACK: Ink = Ink(28, 28, 32);
/// Text of less weight.
const GREY: Ink = Ink(96, 98, 106);
/// Headings and frames.
const NAVY: Ink = Ink(27, 54, 93);
/// Ornament.
const GOLD: Ink = Ink(176, 141, 62);

/// The height of a [`signature`] in millimetres.
const SIGNATURE: f32 = 37.0;

/// Regular text in black at the left edge; other styles are made of it.
const PLAIN: Style = Style {
    weight: Weight::Regular,
    size: 10.0,
    leading: 1.25,
    spacing: 0.0,
    one_line: 0.85,
    align: Align::Left,
    ink: BLACK,
};

/// Who signs a paper.
#[derive(Debug, Clone, Copy)]
pub struct Signatory<'a> {
    /// With titles, as it is to be printed.
    pub name: &'a str,
    /// Such as "Kepala Dinas Sosial".
    pub position: &'a str,
}

/// Place for a signature, centred: the words above it, the position, room for a pen, and a line with the name on it, or
/// an empty line if nobody is named. `x`, `y` and `width` in millimetres; [`SIGNATURE`] high.
fn signature(sheet: &mut Sheet, (x, y, width): (f32, f32, f32), opening: &str, signatory: Option<Signatory>) {
    let text = Style { size: 10.5, align: Align::Centre, ..PLAIN };
    let (line, middle) = (y + SIGNATURE - 1.0, x + width / 2.0);
    sheet.write(opening, text, Area { x, y, width, height: 5.0 });
    let mut half = 29.0;
    if let Some(Signatory { name, position }) = signatory {
        sheet.write(position, text, Area { x, y: y + 5.0, width, height: 10.0 });
        let bold = Style { weight: Weight::Bold, leading: 1.15, ..text };
        let name: Block = sheet.fit(name, bold, width, 8.5);
        sheet.text(&name, Area { x, y: line - name.height() - 0.4, width, height: name.height() });
        half = (name.width() / 2.0 + 1.0).clamp(half, width / 2.0);
    }
    sheet.lines(&[[(middle - half, line), (middle + half, line)]], 0.6, BLACK);
}

/// "17 Mei 2023 08.30–12.00 WIB", or with both days if it does not end on the day on which it begins.
pub fn time_of(zone: TimeZone, starts_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> String {
    let (starts, ends) = (zone.local(starts_at), zone.local(ends_at));
    let clock = |at: NaiveDateTime| format!("{:02}.{:02}", at.hour(), at.minute());
    let until =
        if starts.date() == ends.date() { clock(ends) } else { format!("{} {}", long_date(ends.date()), clock(ends)) };
    format!("{} {}–{until} {}", long_date(starts.date()), clock(starts), zone.short())
}

/// "17 Mei 2023 10.00 WIB".
pub fn moment_of(zone: TimeZone, at: DateTime<Utc>) -> String {
    let there = zone.local(at);
    format!("{} {:02}.{:02} {}", long_date(there.date()), there.hour(), there.minute(), zone.short())
}

/// "17 Mei 2023".
fn long_date(date: NaiveDate) -> String {
    format!("{} {} {}", date.day(), month(date), date.year())
}

/// "17 Mei 2023", "17–18 Mei 2023", "30 April–2 Mei 2023" or "30 Desember 2022–2 Januari 2023".
fn date_range(first: NaiveDate, last: NaiveDate) -> String {
    if first == last {
        return long_date(first);
    }
    let start = if first.year() != last.year() {
        long_date(first)
    } else if first.month() != last.month() {
        format!("{} {}", first.day(), month(first))
    } else {
        first.day().to_string()
    };
    format!("{start}–{}", long_date(last))
}

fn month(date: NaiveDate) -> &'static str {
    match date.month() {
        1 => "Januari",
        2 => "Februari",
        3 => "Maret",
        4 => "April",
        5 => "Mei",
        6 => "Juni",
        7 => "Juli",
        8 => "Agustus",
        9 => "September",
        10 => "Oktober",
        11 => "November",
        _ => "Desember",
    }
}

/// A paper's page when it has drawn itself, or why it could not.
type Drawn = Result<(), PdfError>;

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn times_are_told_where_it_is_held() {
        let at = |raw: &str| raw.parse::<DateTime<Utc>>().unwrap();
        let told = time_of(TimeZone::Wib, at("2023-05-17T01:30:00Z"), at("2023-05-17T05:00:00Z"));
        assert_eq!(told, "17 Mei 2023 08.30–12.00 WIB");
        let told = time_of(TimeZone::Wit, at("2023-05-17T13:00:00Z"), at("2023-05-17T16:00:00Z"));
        assert_eq!(told, "17 Mei 2023 22.00–18 Mei 2023 01.00 WIT");
        assert_eq!(moment_of(TimeZone::Wita, at("2023-05-17T16:05:00Z")), "18 Mei 2023 00.05 WITA");
    }

    #[test]
    fn ranges_name_what_differs() {
        assert_eq!(date_range(day(2023, 5, 17), day(2023, 5, 17)), "17 Mei 2023");
        assert_eq!(date_range(day(2023, 5, 17), day(2023, 5, 18)), "17–18 Mei 2023");
        assert_eq!(date_range(day(2023, 4, 30), day(2023, 5, 2)), "30 April–2 Mei 2023");
        assert_eq!(date_range(day(2022, 12, 30), day(2023, 1, 2)), "30 Desember 2022–2 Januari 2023");
    }
}
