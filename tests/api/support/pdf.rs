//! What a PDF looks like and says: its pages as pictures, their text, and what their QR codes hold.
use hayro::hayro_interpret::font::GlyphRun;
use hayro::hayro_interpret::hayro_cmap::BfString;
use hayro::hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};
use hayro::hayro_syntax::Pdf;
use hayro::kurbo::{Affine, BezPath, Point, Rect};
use hayro::vello_cpu::Pixmap;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings, render};

/// Pixels of a picture for each point of the page: 144 dots an inch.
const SCALE: f32 = 2.0;

/// A page in shades of grey, row after row.
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// 0 is black.
    pub grey: Vec<u8>,
}

impl Picture {
    /// Whether anything but white is in these columns and rows, in millimetres.
    pub fn is_marked(&self, x: std::ops::Range<f32>, y: std::ops::Range<f32>) -> bool {
        let pixel = |millimetres: f32, most: usize| {
            (0..most).find(|pixel| f32::from(u16::try_from(*pixel).unwrap()) >= millimetres * 72.0 / 25.4 * SCALE)
        };
        let (left, right) = (pixel(x.start, self.width).unwrap(), pixel(x.end, self.width).unwrap_or(self.width));
        let (top, bottom) = (pixel(y.start, self.height).unwrap(), pixel(y.end, self.height).unwrap_or(self.height));
        (top..bottom).any(|row| self.grey[row * self.width..][left..right].iter().any(|grey| *grey < 250))
    }
}

/// How many pages there are.
pub fn page_count(pdf: &[u8]) -> usize {
    Pdf::new(pdf.to_vec()).expect("a PDF").pages().len()
}

/// The pages as they are drawn.
pub fn pages(pdf: &[u8]) -> Vec<Picture> {
    (0..page_count(pdf)).map(|at| page(pdf, at)).collect()
}

/// One of the pages, counted from 0.
pub fn page(pdf: &[u8], at: usize) -> Picture {
    picture(&pixmap(pdf, at, SCALE))
}

/// A page as a PNG file, to look at.
pub fn png(pdf: &[u8], at: usize) -> Vec<u8> {
    pixmap(pdf, at, SCALE).into_png().expect("a PNG")
}

fn pixmap(pdf: &[u8], at: usize, scale: f32) -> Pixmap {
    let pdf = Pdf::new(pdf.to_vec()).expect("a PDF");
    let (cache, interpreter, settings) =
        (RenderCache::new(), InterpreterSettings::default(), RenderSettings::default());
    let scale = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
    render(&pdf.pages()[at], &cache, &interpreter, &settings, &scale)
}

fn picture(pixmap: &Pixmap) -> Picture {
    let grey = pixmap.data_as_u8_slice().chunks(4).map(|pixel| {
        let (red, green, blue) = (u32::from(pixel[0]), u32::from(pixel[1]), u32::from(pixel[2]));
        u8::try_from((red * 299 + green * 587 + blue * 114) / 1000).unwrap()
    });
    Picture { width: usize::from(pixmap.width()), height: usize::from(pixmap.height()), grey: grey.collect() }
}

/// What the one QR code on the first page holds.
pub fn qr_of(pdf: &[u8]) -> String {
    let page = picture(&pixmap(pdf, 0, 2.0 * SCALE));
    let grey = |x: usize, y: usize| page.grey[y * page.width + x];
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(page.width, page.height, grey);
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "one QR code");
    grids[0].decode().expect("a QR code that can be read").1
}

/// A piece of text and where its baseline begins: points from the left and from the lower edge of the page.
pub struct Said {
    /// What it says.
    pub text: String,
    /// Points from the left edge.
    pub x: f64,
    /// Points from the lower edge.
    pub y: f64,
}

/// What each page says, in the order in which it is drawn; a glyph each.
pub fn glyphs(pdf: &[u8]) -> Vec<Vec<Said>> {
    let pdf = Pdf::new(pdf.to_vec()).expect("a PDF");
    let cache = InterpreterCache::new();
    let read = |page| {
        let area = Rect::new(0.0, 0.0, 1.0, 1.0);
        let mut context = Context::new(Affine::IDENTITY, area, &cache, pdf.xref(), InterpreterSettings::default());
        let mut reader = Reader(vec![]);
        interpret_page(page, &mut context, &mut reader);
        reader.0
    };
    pdf.pages().iter().map(read).collect()
}

/// What each page says, in one line.
pub fn texts(pdf: &[u8]) -> Vec<String> {
    glyphs(pdf).into_iter().map(|page| page.into_iter().map(|said| said.text).collect()).collect()
}

struct Reader(Vec<Said>);

impl Device<'_> for Reader {
    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        for glyph in run.glyphs() {
            let text = match glyph.as_unicode() {
                Some(BfString::Char(character)) => character.to_string(),
                Some(BfString::String(text)) => text,
                None => "\u{fffd}".to_owned(),
            };
            let Point { x, y } = props.transform * glyph.transform() * Point::ZERO;
            self.0.push(Said { text, x, y });
        }
    }
    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
