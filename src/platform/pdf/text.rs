//! Text for paper: shaped with the font's own kerning and marks, measured, and set so that it stays in its room.
use super::PdfError;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, UnicodeBuffer, script};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;

/// Points in a millimetre.
pub(super) const POINTS: f32 = 72.0 / 25.4;
/// What stands for a character that the typeface lacks. Source Serif has no U+FFFD.
const MISSING: char = '?';
/// Of a line's height, how much is above the baseline if there is no leading: room for capitals with accents.
const ASCENT: f32 = 0.78;
/// From one size that is tried to the next smaller one.
const STEP: f32 = 0.97;
/// No text is set smaller than this, in points.
const SMALLEST: f32 = 1.0;

static REGULAR: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/SourceSerif4_400Regular.ttf"));
static BOLD: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/SourceSerif4_700Bold.ttf"));

/// Of the one family there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// 400.
    Regular,
    /// 700.
    Bold,
}

/// Where the lines of a block stand in its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At its left edge.
    Left,
    /// Centred, and broken into lines of about the same length.
    Centre,
    /// At its right edge.
    Right,
}

/// A colour of the sRGB space: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(pub u8, pub u8, pub u8);

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Regular or bold.
    pub weight: Weight,
    /// In points: what it is set in if there is room for that.
    pub size: f32,
    /// From one baseline to the next, in sizes.
    pub leading: f32,
    /// Space added between letters, in sizes.
    pub spacing: f32,
    /// How small a single line may become, in sizes, before the text is broken into more lines: 1 breaks at once.
    pub one_line: f32,
    /// Left, centred or right.
    pub align: Align,
    /// Its colour.
    pub ink: Ink,
}

/// Text that has its size, its lines and so its height; drawn with [`super::Sheet::text`].
#[derive(Debug)]
pub struct Block {
    pub(super) style: Style,
    pub(super) shaped: Shaped,
    /// In points.
    pub(super) size: f32,
    pub(super) lines: Vec<Line>,
}

impl Block {
    /// In millimetres.
    pub fn height(&self) -> f32 {
        count(self.lines.len()) * self.line_height()
    }

    /// Of the longest line, in millimetres.
    pub fn width(&self) -> f32 {
        self.lines.iter().map(|line| line.width).fold(0.0, f32::max) * self.size / POINTS
    }

    /// In millimetres.
    pub(super) fn line_height(&self) -> f32 {
        self.size * self.style.leading / POINTS
    }

    /// From the top of a line to its baseline, in millimetres.
    pub(super) fn baseline(&self) -> f32 {
        self.size * ((self.style.leading - 1.0) / 2.0 + ASCENT) / POINTS
    }
}

/// A line of a text: some of its glyphs, and how wide they are, in sizes.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) glyphs: Range<usize>,
    pub(super) width: f32,
}

/// Glyphs of a text; all measures in sizes.
#[derive(Debug)]
pub(super) struct Shaped {
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
}

/// One font file, for measuring and for drawing.
pub(super) struct Typeface {
    pub(super) font: Font,
    face: Face<'static>,
}

impl Typeface {
    fn load(bytes: &'static [u8]) -> Result<Self, PdfError> {
        let font = Font::new(bytes.into(), 0).ok_or(PdfError::Font)?;
        let face = Face::from_slice(bytes, 0).ok_or(PdfError::Font)?;
        Ok(Self { font, face })
    }

    /// What of `text` can be printed: composed characters (NFC), single spaces, nothing that is invisible or turns the
    /// direction, and a question mark for what the font lacks; one odd letter in a name must not cost the whole paper.
    fn printable(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for character in text.nfc().filter(|character| !is_invisible(*character)) {
            if character.is_whitespace() || character.is_control() {
                if !clean.is_empty() && !clean.ends_with(' ') {
                    clean.push(' ');
                }
            } else {
                clean.push(if self.face.glyph_index(character).is_some() { character } else { MISSING });
            }
        }
        clean.truncate(clean.trim_end().len());
        clean
    }

    fn shape(&self, text: &str, spacing: f32) -> Shaped {
        let text = self.printable(text);
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(&text);
        buffer.set_direction(Direction::LeftToRight);
        buffer.set_script(script::LATIN);
        let shaped = rustybuzz::shape(&self.face, &[], buffer);
        let em = self.font.units_per_em();
        let starts: Vec<usize> =
            shaped.glyph_infos().iter().map(|info| usize::try_from(info.cluster).unwrap_or(0)).collect();
        let glyphs =
            shaped.glyph_infos().iter().zip(shaped.glyph_positions()).zip(&starts).map(|((info, at), start)| {
                let end = starts.iter().copied().find(|next| next > start).unwrap_or(text.len());
                let advance = units(at.x_advance) / em;
                let advance = if advance > 0.0 { advance + spacing } else { advance };
                let (x, y) = (units(at.x_offset) / em, units(at.y_offset) / em);
                KrillaGlyph::new(GlyphId::new(info.glyph_id), advance, x, y, 0.0, *start..end, None)
            });
        let glyphs = glyphs.collect();
        Shaped { text, glyphs }
    }
}

/// Both weights.
pub(super) struct Typefaces {
    regular: Typeface,
    bold: Typeface,
}

impl Typefaces {
    pub(super) fn load() -> Result<Self, PdfError> {
        Ok(Self { regular: Typeface::load(REGULAR)?, bold: Typeface::load(BOLD)? })
    }

    pub(super) fn of(&self, weight: Weight) -> &Typeface {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// `text` in `style`, made so small and broken so often that it stays in `width` and `height` millimetres. Words are
    /// broken only when the text would otherwise have to be set in less than half its size.
    pub(super) fn fit(&self, text: &str, style: Style, width: f32, height: f32) -> Block {
        let shaped = self.of(style.weight).shape(text, style.spacing);
        let room = Room { width: width * POINTS, height: height * POINTS, leading: style.leading };
        let found = shaped
            .largest(style.size, style.size * style.one_line, &Room { height: 0.0, ..room }, Breaks::Words)
            .or_else(|| shaped.largest(style.size, style.size * 0.5, &room, Breaks::Words))
            .or_else(|| shaped.largest(style.size, SMALLEST, &room, Breaks::Anywhere));
        let (size, breaks) = found.unwrap_or((SMALLEST, Breaks::Anywhere));
        let lines = match style.align {
            Align::Centre => shaped.balanced(room.width / size, breaks),
            Align::Left | Align::Right => shaped.wrap(room.width / size, breaks),
        };
        Block { style, shaped, size, lines }
    }
}

/// In points; one line is always taken to be low enough.
struct Room {
    width: f32,
    height: f32,
    leading: f32,
}

/// Where a line may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaks {
    /// At a space, after a hyphen or a slash.
    Words,
    /// There, and in a word that is longer than the line.
    Anywhere,
}

/// The last place at which the line could have ended: glyph and width there, and where the next line would begin.
#[derive(Clone, Copy)]
struct Chance {
    end: usize,
    width: f32,
    next: usize,
    next_at: f32,
}

impl Shaped {
    /// The largest size between both at which the text has room.
    fn largest(&self, from: f32, to: f32, room: &Room, breaks: Breaks) -> Option<(f32, Breaks)> {
        let sizes = std::iter::successors(Some(from), |size| Some(size * STEP)).take_while(|size| *size >= to);
        let fits = |size: &f32| {
            let lines = self.wrap(room.width / size, breaks);
            let wide = lines.iter().all(|line| line.width * size <= room.width + 0.01);
            wide && (lines.len() < 2 || count(lines.len()) * room.leading * size <= room.height)
        };
        sizes.into_iter().find(fits).map(|size| (size, breaks))
    }

    /// Lines no wider than `width`, if words may be broken or are shorter than that.
    fn wrap(&self, width: f32, breaks: Breaks) -> Vec<Line> {
        let mut lines = vec![];
        let (mut start, mut so_far, mut chance) = (0, 0.0, None::<Chance>);
        for (at, glyph) in self.glyphs.iter().enumerate() {
            let character = self.text.as_bytes().get(glyph.text_range.start).copied().unwrap_or_default();
            if character == b' ' {
                chance = Some(Chance { end: at, width: so_far, next: at + 1, next_at: so_far + glyph.x_advance });
            } else {
                while so_far + glyph.x_advance > width && at > start {
                    let anywhere = Chance { end: at, width: so_far, next: at, next_at: so_far };
                    let Some(cut) = chance.or((breaks == Breaks::Anywhere).then_some(anywhere)) else { break };
                    lines.push(Line { glyphs: start..cut.end, width: cut.width });
                    (start, so_far, chance) = (cut.next, so_far - cut.next_at, None);
                }
            }
            so_far += glyph.x_advance;
            if matches!(character, b'-' | b'/') {
                chance = Some(Chance { end: at + 1, width: so_far, next: at + 1, next_at: so_far });
            }
        }
        if start < self.glyphs.len() {
            lines.push(Line { glyphs: start..self.glyphs.len(), width: so_far });
        }
        lines
    }

    /// As many lines as [`Self::wrap`] makes, each about as long as the others.
    fn balanced(&self, width: f32, breaks: Breaks) -> Vec<Line> {
        let mut best = self.wrap(width, breaks);
        if best.len() < 2 {
            return best;
        }
        let (mut narrow, mut wide) = (width / 2.0, width);
        for _ in 0..8 {
            let middle = f32::midpoint(narrow, wide);
            let lines = self.wrap(middle, breaks);
            if lines.len() == best.len() && lines.iter().all(|line| line.width <= width) {
                (wide, best) = (middle, lines);
            } else {
                narrow = middle;
            }
        }
        best
    }
}

/// How many, as a number to measure with.
pub(super) fn count(many: usize) -> f32 {
    u16::try_from(many).map_or(f32::MAX, f32::from)
}

/// Font units are 16 bits in the file.
fn units(value: i32) -> f32 {
    i16::try_from(value).map_or(0.0, f32::from)
}

/// Marks without width that no font needs to have: joiners, directions, variation selectors, soft hyphens.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style {
        weight: Weight::Regular,
        size: 10.0,
        leading: 1.2,
        spacing: 0.0,
        one_line: 0.8,
        align: Align::Left,
        ink: Ink(0, 0, 0),
    };

    fn lines(block: &Block) -> Vec<&str> {
        let glyphs = |line: &Line| block.shaped.glyphs.get(line.glyphs.clone()).unwrap();
        let text = |line: &Line| {
            let glyphs = glyphs(line);
            glyphs.first().unwrap().text_range.start..glyphs.last().unwrap().text_range.end
        };
        block.lines.iter().map(|line| &block.shaped.text[text(line)]).collect()
    }

    #[test]
    fn what_cannot_be_printed_is_replaced_or_left_out() {
        let faces = Typefaces::load().unwrap();
        let printable = |text: &str| faces.of(Weight::Bold).printable(text);
        assert_eq!(printable("  Ange\u{301}lique\n\t Đỗ "), "Angélique Đỗ");
        assert_eq!(printable("王 \u{202e}abc\u{200d}\u{feff} \u{0}"), "? abc");
        assert_eq!(printable("\u{200b}\n"), "");
    }

    #[test]
    fn a_line_is_shrunk_a_little_then_broken_at_words_then_anywhere() {
        let faces = Typefaces::load().unwrap();
        let fit = |text: &str, width: f32, height: f32| faces.fit(text, STYLE, width, height);
        let natural = fit("Siti Nurhaliza", 100.0, 5.0);
        assert!((natural.size - 10.0).abs() < 0.01 && natural.lines.len() == 1);
        let shrunk = fit("Siti Nurhaliza", natural.width() * 0.9, 20.0);
        assert!(shrunk.size > 8.0 && shrunk.size < 10.0 && shrunk.lines.len() == 1);
        let broken = fit("Siti Nurhaliza", natural.width() * 0.75, 20.0);
        assert_eq!(lines(&broken), ["Siti", "Nurhaliza"]);
        assert!((broken.size - 10.0).abs() < 0.01);
        let letters = fit(&"W".repeat(200), 20.0, 20.0);
        assert_eq!(lines(&letters).concat(), "W".repeat(200));
        for block in [natural, shrunk, broken, letters] {
            assert!(block.width() <= 100.0 && block.height() <= 20.01);
        }
    }

    #[test]
    fn a_line_may_end_after_a_hyphen_or_a_slash() {
        let faces = Typefaces::load().unwrap();
        let block = faces.fit("Soekarno-Hatta/Sudirman", Style { one_line: 1.0, ..STYLE }, 20.0, 20.0);
        assert_eq!(lines(&block), ["Soekarno-", "Hatta/", "Sudirman"]);
    }

    #[test]
    fn centred_lines_are_about_as_long_as_each_other() {
        let faces = Typefaces::load().unwrap();
        let style = Style { align: Align::Centre, one_line: 1.0, ..STYLE };
        let block = faces.fit("satu dua tiga empat lima enam tujuh", style, 50.0, 20.0);
        assert_eq!(lines(&block), ["satu dua tiga empat", "lima enam tujuh"]);
    }
}
