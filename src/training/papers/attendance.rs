//! The list of who came to which session of an event: A4 pages with a table whose header stands on every page.
//!
//! First everything is measured and put on pages, so that each page can say how many there are; then they are drawn.
use super::{BLACK, Drawn, GREY, NAVY, PLAIN, SIGNATURE, Signatory, signature};
use crate::platform::pdf::{Align, Area, Block, Ink, Orientation, Paper, PdfError, Sheet, Style, Weight};
use chrono::NaiveDate;
use std::ops::Range;

/// Around everything, in millimetres.
const MARGIN: f32 = 12.0;
/// Footer with page number, in millimetres.
const FOOTER: f32 = 6.0;
/// Header row of the table, in millimetres.
const HEADER: f32 = 15.0;
/// What a page after the first one says of the list, in millimetres.
const REMINDER: f32 = 7.0;
/// A row is as high as this in millimetres, to sign in, or higher if a name needs it.
const ROW: f32 = 9.0;
/// The most a name takes of a row's height, in millimetres.
const TALLEST: f32 = 24.0;
/// Between a cell's edges and its text, in millimetres.
const PADDING: f32 = 1.2;
/// Of the heading, what names its lines, in millimetres.
const NAMED: f32 = 27.0;
/// So many rows stand with the officer's signature rather than alone on the page before it.
const TOGETHER: usize = 2;
/// The most sessions for which the sheet is upright.
const UPRIGHT: usize = 3;
/// Columns of the narrowest kind that a sheet across has room for; the box to sign in takes [`SIGN_UNITS`] of them.
const UNITS: usize = 10;
const SIGN_UNITS: usize = 2;

const SHADE: Ink = Ink(232, 237, 244);
const RULE: Ink = Ink(120, 128, 142);
const ABSENT: Ink = Ink(150, 38, 38);

const CELL: Style = Style { size: 9.5, leading: 1.15, one_line: 0.9, ..PLAIN };
const MARK: Style = Style { size: 8.5, align: Align::Centre, one_line: 0.5, ..PLAIN };
const COLUMN: Style = Style { weight: Weight::Bold, size: 9.0, leading: 1.15, one_line: 0.8, ink: NAVY, ..MARK };
const TIME: Style = Style { size: 7.0, leading: 1.15, one_line: 1.0, ink: GREY, ..MARK };
const HEADING: Style = Style { size: 16.0, spacing: 0.06, ..COLUMN };
const TITLE: Style = Style { weight: Weight::Bold, size: 11.5, leading: 1.2, align: Align::Centre, ..PLAIN };
const LABEL: Style = Style { size: 9.0, leading: 1.2, one_line: 0.9, ..PLAIN };
const SMALL: Style = Style { size: 7.5, leading: 1.2, one_line: 0.5, ink: GREY, ..PLAIN };

/// What the list says.
#[derive(Debug, Clone)]
pub struct AttendanceList<'a> {
    /// Of the event.
    pub title: &'a str,
    /// The agency that held it.
    pub organiser: &'a str,
    /// Where it was held.
    pub venue: &'a str,
    /// The region it was held for.
    pub region: &'a str,
    /// One column each, in their order.
    pub sessions: Vec<SessionColumn<'a>>,
    /// One row each, in their order; numbered from 1.
    pub rows: Vec<AttendanceRow<'a>>,
    /// When the list was made, such as "17 Mei 2023 10.00 WIB".
    pub printed: &'a str,
    /// The date of that, for the file itself.
    pub printed_on: NaiveDate,
    /// The officer who signs for it; without one the line is left empty.
    pub signatory: Option<Signatory<'a>>,
}

/// A session.
#[derive(Debug, Clone, Copy)]
pub struct SessionColumn<'a> {
    /// Such as "Sesi 1".
    pub label: &'a str,
    /// Such as "17 Mei 2023 08.00–10.00 WIB".
    pub time: &'a str,
}

/// A participant.
#[derive(Debug, Clone)]
pub struct AttendanceRow<'a> {
    /// Who.
    pub name: &'a str,
    /// Of which *desa* or *kelurahan*.
    pub village: &'a str,
    /// In the order of the sessions: came, did not come, not recorded; what is missing at the end is not recorded.
    pub marks: Vec<Option<bool>>,
}

/// The list as a PDF file.
pub fn attendance_list(list: &AttendanceList) -> Result<Vec<u8>, PdfError> {
    let upright = list.sessions.len() <= UPRIGHT;
    let orientation = if upright { Orientation::Portrait } else { Orientation::Landscape };
    let mut paper = Paper::new(&format!("Daftar Hadir {}", list.title), orientation, list.printed_on)?;
    let drawing = Drawing::new(&paper, list, orientation);
    let pages = drawing.pages(&paper);
    for (at, page) in pages.iter().enumerate() {
        paper.page(|sheet| drawing.draw(sheet, page, at + 1, pages.len()))?;
    }
    paper.finish()
}

/// Some of the sessions, side by side.
struct Part {
    sessions: Range<usize>,
    /// Of a session's column, in millimetres.
    column: f32,
    /// Whether it has the box to sign in.
    signed: bool,
}

/// Rows of one part of the sessions.
struct Page {
    part: usize,
    rows: Range<usize>,
    /// Ends with the officer's signature.
    closes: bool,
}

/// A line of the heading.
struct Said {
    /// What the text tells of, in a column of its own.
    label: Option<Block>,
    text: Block,
    /// Above it, in millimetres.
    gap: f32,
}

impl Said {
    /// With the gap, in millimetres.
    fn height(&self) -> f32 {
        self.gap + self.text.height().max(self.label.as_ref().map_or(0.0, Block::height))
    }
}

/// What all pages have in common: widths in millimetres, and texts that are the same on each.
struct Drawing<'a> {
    list: &'a AttendanceList<'a>,
    size: (f32, f32),
    number: f32,
    name: f32,
    village: f32,
    sign: f32,
    parts: Vec<Part>,
    heading: Vec<Said>,
    came: Block,
    stayed_away: Block,
}

impl<'a> Drawing<'a> {
    fn new(paper: &Paper, list: &'a AttendanceList<'a>, orientation: Orientation) -> Self {
        let size = orientation.size();
        let width = size.0 - 2.0 * MARGIN;
        let (number, sign) = (10.0, 30.0);
        let (name, village, parts) = match orientation {
            Orientation::Portrait => {
                let column = 18.0;
                let rest = list.sessions.iter().fold(width - number - sign, |rest, _| rest - column);
                (rest * 0.57, rest * 0.43, vec![Part { sessions: 0..list.sessions.len(), column, signed: true }])
            }
            Orientation::Landscape => {
                let (name, village) = (60.0, 45.0);
                (name, village, parts(list.sessions.len(), width - number - name - village, sign))
            }
        };
        let mark = |text: &str, ink| paper.fit(text, Style { ink, ..MARK }, 14.0, ROW);
        let (came, stayed_away) = (mark("Hadir", BLACK), mark("Tidak", ABSENT));
        Self { list, size, number, name, village, sign, parts, heading: heading(paper, list, width), came, stayed_away }
    }

    /// Upper edge of the table on the first page or on any other.
    fn top(&self, first: bool) -> f32 {
        let said = if first { self.heading.iter().map(Said::height).sum::<f32>() + 4.0 } else { REMINDER };
        MARGIN + said
    }

    fn bottom(&self) -> f32 {
        self.size.1 - MARGIN - FOOTER
    }

    /// Puts the rows on pages, once for each part of the sessions.
    fn pages(&self, paper: &Paper) -> Vec<Page> {
        let heights = self.list.rows.iter().map(|row| {
            let set = |text: &str, column: f32| paper.fit(text, CELL, column - 2.0 * PADDING, TALLEST);
            row_height(&set(row.name, self.name), &set(row.village, self.village))
        });
        let heights: Vec<f32> = heights.collect();
        let mut pages: Vec<Page> = vec![];
        let mut y = 0.0;
        for part in 0..self.parts.len() {
            y = self.top(pages.is_empty()) + HEADER;
            let mut start = 0;
            for (at, height) in heights.iter().enumerate() {
                if y + height > self.bottom() && at > start {
                    pages.push(Page { part, rows: start..at, closes: false });
                    (start, y) = (at, self.top(false) + HEADER);
                }
                y += height;
            }
            pages.push(Page { part, rows: start..heights.len(), closes: false });
        }
        if y + SIGNATURE + 4.0 > self.bottom() {
            carry_over(&mut pages);
        }
        if let Some(last) = pages.last_mut() {
            last.closes = true;
        }
        pages
    }

    fn draw(&self, sheet: &mut Sheet, page: &Page, number: usize, of: usize) -> Drawn {
        let Some(part) = self.parts.get(page.part) else { return Ok(()) };
        let width = self.size.0 - 2.0 * MARGIN;
        let top = self.top(number == 1);
        if number == 1 {
            self.draw_heading(sheet);
        } else {
            let text = format!("Daftar hadir: {}", self.list.title);
            sheet.write_middle(&text, SMALL, Area { x: MARGIN, y: MARGIN, width: width * 0.7, height: REMINDER - 2.0 });
        }
        self.draw_part_name(sheet, page.part, top);
        self.draw_header(sheet, part, top)?;
        let bottom = self.draw_rows(sheet, page, part, top);
        if page.closes {
            let width = 80.0;
            let at = (self.size.0 - MARGIN - width, bottom + 4.0, width);
            signature(sheet, at, "Mengetahui,", self.list.signatory);
        }
        let footer = Area { x: MARGIN, y: self.size.1 - MARGIN - 3.5, width: width / 2.0 - 2.0, height: 3.5 };
        sheet.write(&format!("Dicetak {}", self.list.printed), SMALL, footer);
        let right = Area { x: MARGIN + width / 2.0 + 2.0, ..footer };
        sheet.write(&format!("Halaman {number} dari {of}"), Style { align: Align::Right, ..SMALL }, right);
        Ok(())
    }

    fn draw_heading(&self, sheet: &mut Sheet) {
        let mut area = Area { x: MARGIN, y: MARGIN, width: self.size.0 - 2.0 * MARGIN, height: 0.0 };
        for said in &self.heading {
            let y = area.y + said.gap;
            match &said.label {
                Some(label) => {
                    sheet.text(label, Area { y, width: NAMED, ..area });
                    sheet.text(&said.text, Area { x: MARGIN + NAMED, y, width: area.width - NAMED, ..area });
                }
                None => sheet.text(&said.text, Area { y, ..area }),
            }
            area.y += said.height();
        }
    }

    /// Which of the sessions these are, if they are not all, above the table's right end.
    fn draw_part_name(&self, sheet: &mut Sheet, part: usize, top: f32) {
        let Some(Part { sessions, .. }) = self.parts.get(part).filter(|_| self.parts.len() > 1) else { return };
        let shown = self.list.sessions.get(sessions.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (shown.first(), shown.last()) else { return };
        let text = format!("Bagian {} dari {}: {} – {}", part + 1, self.parts.len(), first.label, last.label);
        let width = self.size.0 * 0.25;
        let area = Area { x: self.size.0 - MARGIN - width, y: top - REMINDER, width, height: REMINDER - 2.0 };
        sheet.write_middle(&text, Style { align: Align::Right, ..SMALL }, area);
    }

    fn draw_header(&self, sheet: &mut Sheet, part: &Part, top: f32) -> Drawn {
        let edges = self.edges(part);
        let right = edges.last().copied().unwrap_or(MARGIN);
        sheet.rectangle(Area { x: MARGIN, y: top, width: right - MARGIN, height: HEADER }, SHADE)?;
        let cells: Vec<Area> =
            edges.iter().zip(edges.iter().skip(1)).map(|(x, end)| cell(*x, *end, top, HEADER)).collect();
        for (text, area) in ["No", "Nama", "Desa/Kelurahan"].into_iter().zip(&cells) {
            sheet.write_middle(text, COLUMN, *area);
        }
        let sessions = self.list.sessions.get(part.sessions.clone()).unwrap_or_default();
        for (session, area) in sessions.iter().zip(cells.iter().skip(3)) {
            let label = sheet.fit(session.label, COLUMN, area.width, 4.5);
            let time = sheet.fit(session.time, TIME, area.width, HEADER - 1.0 - label.height());
            let y = top + (HEADER - label.height() - time.height()) / 2.0;
            sheet.text(&label, Area { y, ..*area });
            sheet.text(&time, Area { y: y + label.height(), ..*area });
        }
        if let Some(area) = cells.last().filter(|_| part.signed) {
            sheet.write_middle("Tanda tangan", COLUMN, *area);
        }
        Ok(())
    }

    /// Draws the page's rows and the grid; answers where they end.
    fn draw_rows(&self, sheet: &mut Sheet, page: &Page, part: &Part, top: f32) -> f32 {
        let edges = self.edges(part);
        let right = edges.last().copied().unwrap_or(MARGIN);
        let mut y = top + HEADER;
        let mut grid = vec![[(MARGIN, top), (right, top)], [(MARGIN, y), (right, y)]];
        let rows = self.list.rows.get(page.rows.clone()).unwrap_or_default();
        for (row, number) in rows.iter().zip(page.rows.start + 1..) {
            y += self.draw_row(sheet, row, number, part, y);
            grid.push([(MARGIN, y), (right, y)]);
        }
        if self.list.rows.is_empty() {
            sheet.write_middle("Belum ada peserta.", CELL, cell(MARGIN, right, y, ROW));
            grid.extend(edges.iter().skip(1).rev().skip(1).map(|x| [(*x, top), (*x, y)]));
            grid.extend([MARGIN, right].map(|x| [(x, top), (x, y + ROW)]));
            y += ROW;
            grid.push([(MARGIN, y), (right, y)]);
        } else {
            grid.extend(edges.iter().map(|x| [(*x, top), (*x, y)]));
        }
        sheet.lines(&grid, 0.5, RULE);
        y
    }

    /// Draws a row at `y`; answers its height.
    fn draw_row(&self, sheet: &mut Sheet, row: &AttendanceRow, number: usize, part: &Part, y: f32) -> f32 {
        let set = |sheet: &Sheet, text: &str, column: f32| sheet.fit(text, CELL, column - 2.0 * PADDING, TALLEST);
        let (name, village) = (set(sheet, row.name, self.name), set(sheet, row.village, self.village));
        let height = row_height(&name, &village);
        let (at_name, at_village) = (MARGIN + self.number, MARGIN + self.number + self.name);
        let counted = Style { size: 9.0, ..MARK };
        sheet.write_middle(&number.to_string(), counted, cell(MARGIN, at_name, y, height));
        sheet.text_middle(&name, cell(at_name, at_village, y, height));
        sheet.text_middle(&village, cell(at_village, at_village + self.village, y, height));
        let mut x = at_village + self.village;
        for session in part.sessions.clone() {
            match row.marks.get(session).copied().flatten() {
                Some(true) => sheet.text_middle(&self.came, cell(x, x + part.column, y, height)),
                Some(false) => sheet.text_middle(&self.stayed_away, cell(x, x + part.column, y, height)),
                None => {}
            }
            x += part.column;
        }
        height
    }

    /// Where columns begin and where the last one ends, from left to right.
    fn edges(&self, part: &Part) -> Vec<f32> {
        let widths = [self.number, self.name, self.village].into_iter();
        let widths = widths.chain(part.sessions.clone().map(|_| part.column)).chain(part.signed.then_some(self.sign));
        let mut edges = vec![MARGIN];
        edges.extend(widths.scan(MARGIN, |x, width| {
            *x += width;
            Some(*x)
        }));
        edges
    }
}

/// As high as its texts, in millimetres.
fn row_height(name: &Block, village: &Block) -> f32 {
    ROW.max(name.height().max(village.height()) + 2.0 * PADDING)
}

/// Adds a page for the officer's signature and the last rows: a signature alone on a sheet would sign nothing.
fn carry_over(pages: &mut Vec<Page>) {
    if let Some(last) = pages.last_mut() {
        let (part, end) = (last.part, last.rows.end);
        let cut = end.saturating_sub(TOGETHER).max(last.rows.start + 1).min(end);
        last.rows.end = cut;
        pages.push(Page { part, rows: cut..end, closes: false });
    }
}

/// Sessions shared out evenly among as few parts as hold them, in `width` millimetres each; in the last of them, the box
/// to sign in takes `sign` of that.
fn parts(sessions: usize, width: f32, sign: f32) -> Vec<Part> {
    let units = sessions + SIGN_UNITS;
    let many = units.div_ceil(UNITS);
    let (each, over) = (units / many, units % many);
    let mut start = 0;
    let mut parts = vec![];
    for part in 0..many {
        let end = (start + each + usize::from(part < over)).min(sessions);
        let signed = part + 1 == many;
        let free = if signed { width - sign } else { width };
        let columns = (start..end).fold(0.0, |columns, _| columns + 1.0_f32);
        parts.push(Part { sessions: start..end, column: free / columns.max(1.0), signed });
        start = end;
    }
    parts
}

/// What the first page says above the table.
fn heading(paper: &Paper, list: &AttendanceList, width: f32) -> Vec<Said> {
    let whole = |text: &str, style: Style, gap: f32, height: f32| Said {
        label: None,
        text: paper.fit(text, style, width, height),
        gap,
    };
    let mut said = vec![whole("DAFTAR HADIR", HEADING, 0.0, 8.0), whole(list.title, TITLE, 0.5, 11.0)];
    let facts = [("Penyelenggara", list.organiser), ("Tempat", list.venue), ("Wilayah", list.region)];
    for (at, (label, value)) in facts.into_iter().filter(|(_, value)| !value.is_empty()).enumerate() {
        let label = paper.fit(label, Style { ink: GREY, ..LABEL }, NAMED, 5.0);
        let text = paper.fit(value, LABEL, width - NAMED, 8.0);
        said.push(Said { label: Some(label), text, gap: if at == 0 { 3.5 } else { 0.4 } });
    }
    said
}

/// The inside of a cell between two edges.
fn cell(x: f32, end: f32, y: f32, height: f32) -> Area {
    Area { x: x + PADDING, y, width: end - x - 2.0 * PADDING, height }
}
