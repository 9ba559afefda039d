//! PDF documents: A4 pages with text, lines, rectangles and QR codes, drawn from the upper left corner in millimetres.
//!
//! What is written conforms to PDF/A-2u (kept for decades, its text can be searched) and is the same for the same
//! calls: no clock, no random ids.
mod text;

pub use text::{Align, Block, Ink, Style, Weight};

use chrono::{Datelike, NaiveDate};
use krilla::action::{Action, LinkAction};
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::color::rgb;
use krilla::configure::{Archival, ConfigurationBuilder};
use krilla::geom::{Path, PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::{Document, SerializeSettings};
use qrcode::{Color, EcLevel, QrCode};
use text::{POINTS, Typefaces, count};

/// Around the modules of a QR code, in modules: what ISO/IEC 18004 asks for.
const QUIET: u16 = 4;

/// Why there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    /// The fonts that the program carries cannot be read.
    #[error("font cannot be read")]
    Font,
    /// A QR code holds at most 2331 bytes.
    #[error("too long for a QR code")]
    Qr,
    /// A page or what is on it has no area, or a date no year of the calendar.
    #[error("measures out of range")]
    Measure,
    /// The document is too large, or not what the standard allows.
    #[error("document cannot be written")]
    Write,
}

/// An A4 sheet's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// 210 × 297 mm.
    Portrait,
    /// 297 × 210 mm.
    Landscape,
}

impl Orientation {
    /// Width and height in millimetres.
    pub fn size(self) -> (f32, f32) {
        match self {
            Self::Portrait => (210.0, 297.0),
            Self::Landscape => (297.0, 210.0),
        }
    }
}

/// A rectangle on a page: upper left corner, width and height in millimetres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// From the left edge of the page.
    pub x: f32,
    /// From the upper edge of the page.
    pub y: f32,
    /// To the right.
    pub width: f32,
    /// Downwards.
    pub height: f32,
}

impl Area {
    fn rect(self) -> Result<Rect, PdfError> {
        let Self { x, y, width, height } = self;
        Rect::from_xywh(x * POINTS, y * POINTS, width * POINTS, height * POINTS).ok_or(PdfError::Measure)
    }
}

/// A document that is being drawn.
pub struct Paper {
    document: Document,
    typefaces: Typefaces,
    orientation: Orientation,
}

impl Paper {
    /// An empty document in Indonesian; `date` is what it says of when it was made, which the standard asks for and which
    /// must be a fact like the others, not the time now.
    pub fn new(title: &str, orientation: Orientation, date: NaiveDate) -> Result<Self, PdfError> {
        let conformance = ConfigurationBuilder::new().with_archival_validator(Archival::A2_U).finish();
        let configuration = conformance.map_err(|_| PdfError::Write)?;
        let settings = SerializeSettings { configuration, enable_tagging: false, ..SerializeSettings::default() };
        let mut document = Document::new_with(settings);
        // It goes into XML, which allows neither.
        let allowed = |character: &char| !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
        let title = title.chars().filter(allowed).collect();
        let metadata = Metadata::new().title(title).language("id".to_owned()).creator("Simpul".to_owned());
        document.set_metadata(metadata.creation_date(midnight(date).ok_or(PdfError::Measure)?));
        Ok(Self { document, typefaces: Typefaces::load()?, orientation })
    }

    /// `text` in `style`, made so small and broken into so many lines that it stays in `width` and `height`
    /// millimetres, however long it is.
    pub fn fit(&self, text: &str, style: Style, width: f32, height: f32) -> Block {
        self.typefaces.fit(text, style, width, height)
    }

    /// Adds a page and has it drawn.
    pub fn page(&mut self, draw: impl FnOnce(&mut Sheet) -> Result<(), PdfError>) -> Result<(), PdfError> {
        let (width, height) = self.orientation.size();
        let settings = PageSettings::from_wh(width * POINTS, height * POINTS).ok_or(PdfError::Measure)?;
        let mut page = self.document.start_page_with(settings);
        let (drawn, links) = {
            let mut sheet = Sheet { surface: page.surface(), typefaces: &self.typefaces, links: vec![] };
            (draw(&mut sheet), sheet.links)
        };
        for link in links {
            page.add_annotation(link);
        }
        page.finish();
        drawn
    }

    /// The file.
    pub fn finish(self) -> Result<Vec<u8>, PdfError> {
        self.document.finish().map_err(|_| PdfError::Write)
    }
}

fn midnight(date: NaiveDate) -> Option<DateTime> {
    let (month, day) = (u8::try_from(date.month()).ok()?, u8::try_from(date.day()).ok()?);
    let date = DateTime::new(u16::try_from(date.year()).ok()?).month(month).day(day);
    Some(date.hour(0).minute(0).second(0).utc_offset_hour(0).utc_offset_minute(0))
}

/// A page that is being drawn.
pub struct Sheet<'a> {
    surface: Surface<'a>,
    typefaces: &'a Typefaces,
    links: Vec<Annotation>,
}

impl Sheet<'_> {
    /// The same as [`Paper::fit`].
    pub fn fit(&self, text: &str, style: Style, width: f32, height: f32) -> Block {
        self.typefaces.fit(text, style, width, height)
    }

    /// Sets a text with [`Paper::fit`] and draws it: at the upper edge of the area, whose measures it keeps to.
    pub fn write(&mut self, text: &str, style: Style, area: Area) {
        let block = self.typefaces.fit(text, style, area.width, area.height);
        self.text(&block, area);
    }

    /// The same, halfway between the upper and the lower edge.
    pub fn write_middle(&mut self, text: &str, style: Style, area: Area) {
        let block = self.typefaces.fit(text, style, area.width, area.height);
        self.text_middle(&block, area);
    }

    /// Draws a text halfway between the upper and the lower edge of an area.
    pub fn text_middle(&mut self, block: &Block, area: Area) {
        self.text(block, Area { y: area.y + (area.height - block.height()) / 2.0, ..area });
    }

    /// Draws a text at the upper edge of an area.
    pub fn text(&mut self, block: &Block, area: Area) {
        self.fill(block.style.ink);
        let mut baseline = area.y + block.baseline();
        for line in &block.lines {
            let free = area.width - (line.width - block.style.spacing) * block.size / POINTS;
            let x = area.x
                + match block.style.align {
                    Align::Left => 0.0,
                    Align::Centre => free / 2.0,
                    Align::Right => free,
                };
            let glyphs = block.shaped.glyphs.get(line.glyphs.clone()).unwrap_or_default();
            let start = Point::from_xy(x * POINTS, baseline * POINTS);
            let font = self.typefaces.of(block.style.weight).font.clone();
            self.surface.draw_glyphs(start, glyphs, font, &block.shaped.text, block.size, false);
            baseline += block.line_height();
        }
    }

    /// Draws straight lines, all of the same `width` in points; ends in millimetres.
    pub fn lines(&mut self, ends: &[[(f32, f32); 2]], width: f32, ink: Ink) {
        let mut path = PathBuilder::new();
        for [(x1, y1), (x2, y2)] in ends {
            path.move_to(x1 * POINTS, y1 * POINTS);
            path.line_to(x2 * POINTS, y2 * POINTS);
        }
        self.stroke(path.finish(), width, ink);
    }

    /// Draws the outline of a rectangle, `width` points wide; half of that is outside.
    pub fn frame(&mut self, area: Area, width: f32, ink: Ink) -> Result<(), PdfError> {
        let mut path = PathBuilder::new();
        path.push_rect(area.rect()?);
        self.stroke(path.finish(), width, ink);
        Ok(())
    }

    /// Fills a rectangle.
    pub fn rectangle(&mut self, area: Area, ink: Ink) -> Result<(), PdfError> {
        let mut path = PathBuilder::new();
        path.push_rect(area.rect()?);
        self.fill(ink);
        self.draw(path.finish());
        Ok(())
    }

    /// Draws `payload` as a QR code (error correction M: 15 % of it may be soiled) with its quiet zone, `side`
    /// millimetres wide and high, black on white whatever is beneath.
    pub fn qr(&mut self, payload: &str, x: f32, y: f32, side: f32) -> Result<(), PdfError> {
        let code = QrCode::with_error_correction_level(payload, EcLevel::M).map_err(|_| PdfError::Qr)?;
        self.rectangle(Area { x, y, width: side, height: side }, Ink(255, 255, 255))?;
        let modules = code.width();
        let module = side / (count(modules) + 2.0 * f32::from(QUIET));
        let (left, top) = (x + f32::from(QUIET) * module, y + f32::from(QUIET) * module);
        let mut path = PathBuilder::new();
        // One path: squares that touch must not show a hairline between them.
        for (row, colors) in code.to_colors().chunks(modules.max(1)).enumerate() {
            let mut column = 0;
            for run in colors.chunk_by(|one, next| one == next) {
                if run.first() == Some(&Color::Dark) {
                    let (x, y) = (left + count(column) * module, top + count(row) * module);
                    path.push_rect(Area { x, y, width: count(run.len()) * module, height: module }.rect()?);
                }
                column += run.len();
            }
        }
        self.fill(Ink(0, 0, 0));
        self.draw(path.finish());
        Ok(())
    }

    /// Makes an area of the page a link to `url`.
    pub fn link(&mut self, area: Area, url: &str) -> Result<(), PdfError> {
        let target = Target::Action(Action::from(LinkAction::new(url.to_owned())));
        self.links.push(Annotation::new_link(LinkAnnotation::new(area.rect()?, target), None));
        Ok(())
    }

    fn fill(&mut self, Ink(red, green, blue): Ink) {
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(Fill { paint: rgb::Color::new(red, green, blue).into(), ..Fill::default() }));
    }

    fn stroke(&mut self, path: Option<Path>, width: f32, Ink(red, green, blue): Ink) {
        self.surface.set_fill(None);
        let paint = rgb::Color::new(red, green, blue).into();
        self.surface.set_stroke(Some(Stroke { paint, width, ..Stroke::default() }));
        self.draw(path);
    }

    fn draw(&mut self, path: Option<Path>) {
        if let Some(path) = path {
            self.surface.draw_path(&path);
        }
    }
}
