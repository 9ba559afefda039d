//! The certificate of a volunteer who passed: one A4 page across.
use super::{BLACK, Drawn, GOLD, GREY, NAVY, PLAIN, Signatory, date_range, long_date, signature};
use crate::platform::pdf::{Align, Area, Block, Ink, Orientation, Paper, PdfError, Sheet, Style, Weight};
use crate::training::rules::EventLevel;
use chrono::NaiveDate;

/// Left edge and width of the text in millimetres.
const LEFT: f32 = 31.0;
const WIDTH: f32 = 235.0;
/// Between these the text stands, in millimetres from the upper edge of the page.
const TOP: f32 = 19.0;
const BOTTOM: f32 = 147.0;
/// Upper edge of QR code and signature.
const FOOT: f32 = 150.0;
/// Side of the QR code with its quiet zone: a module is more than half a millimetre wide up to 120 bytes.
const QR: f32 = 32.0;

const CENTRED: Style = Style { align: Align::Centre, ..PLAIN };
const ORGANISER: Style = Style { weight: Weight::Bold, size: 12.5, leading: 1.2, ink: NAVY, ..CENTRED };
const HEADING: Style = Style { weight: Weight::Bold, size: 38.0, leading: 1.05, spacing: 0.11, ink: NAVY, ..CENTRED };
const NUMBER: Style = Style { size: 11.5, ink: GREY, ..CENTRED };
const SENTENCE: Style = Style { size: 12.5, leading: 1.3, one_line: 0.95, ..CENTRED };
const HOLDER: Style = Style { weight: Weight::Bold, size: 32.0, leading: 1.12, one_line: 0.6, ink: BLACK, ..CENTRED };
const TITLE: Style = Style { weight: Weight::Bold, size: 15.0, leading: 1.2, one_line: 0.9, ink: NAVY, ..CENTRED };
const SMALL: Style = Style { size: 7.5, leading: 1.2, ink: GREY, ..PLAIN };

/// What a certificate says.
#[derive(Debug, Clone, Copy)]
pub struct CertificateFacts<'a> {
    /// The certificate's own number.
    pub number: &'a str,
    /// Where whoever is shown the paper can see whether it holds; the QR code has it too.
    pub check_url: &'a str,
    /// Who passed.
    pub holder: &'a str,
    /// Of the event.
    pub title: &'a str,
    /// Of the event.
    pub level: EventLevel,
    /// The agency that held the event.
    pub organiser: &'a str,
    /// The region it was held for.
    pub region: &'a str,
    /// Where it was held.
    pub venue: &'a str,
    /// Of its sessions.
    pub first_day: NaiveDate,
    /// Of its sessions; the same as the first if it was held on one day.
    pub last_day: NaiveDate,
    /// The date beside the signature.
    pub issued_on: NaiveDate,
    /// The last day on which it counts, if it does not count for good.
    pub valid_until: Option<NaiveDate>,
    /// Where it is signed.
    pub place: &'a str,
    /// Who signs it; without one the line is left empty.
    pub signatory: Option<Signatory<'a>>,
}

/// The certificate as a PDF file.
pub fn certificate(facts: &CertificateFacts) -> Result<Vec<u8>, PdfError> {
    let title = format!("Sertifikat {}", facts.number);
    let mut paper = Paper::new(&title, Orientation::Landscape, facts.issued_on)?;
    let text = text(&paper, facts);
    paper.page(|sheet| {
        frames(sheet)?;
        place(sheet, &text);
        check(sheet, facts.check_url)?;
        let opening = match facts.place {
            "" => long_date(facts.issued_on),
            place => format!("{place}, {}", long_date(facts.issued_on)),
        };
        signature(sheet, (181.0, FOOT, 90.0), &opening, facts.signatory);
        Ok(())
    })?;
    paper.finish()
}

/// What stands in the middle of the page, from top to bottom.
enum Part {
    /// A text.
    Text(Block),
    /// Nothing, so many millimetres high.
    Gap(f32),
    /// The rule under the name.
    Rule,
}

impl Part {
    fn height(&self) -> f32 {
        match self {
            Self::Text(block) => block.height(),
            Self::Gap(height) => *height,
            Self::Rule => 0.0,
        }
    }
}

/// The heights given here add up to less than there is between [`TOP`] and [`BOTTOM`], so nothing can run into the
/// signature, whatever the facts are.
fn text(paper: &Paper, facts: &CertificateFacts) -> Vec<Part> {
    let set = |text: &str, style: Style, height: f32| Part::Text(paper.fit(text, style, WIDTH, height));
    let mut parts = vec![
        set(&facts.organiser.to_uppercase(), ORGANISER, 11.0),
        Part::Gap(4.5),
        set("SERTIFIKAT", HEADING, 15.0),
        Part::Gap(0.5),
        set(&format!("Nomor: {}", facts.number), NUMBER, 6.0),
        Part::Gap(6.0),
        set("Diberikan kepada", SENTENCE, 6.0),
        Part::Gap(1.0),
        set(facts.holder, HOLDER, 20.0),
        Part::Gap(1.5),
        Part::Rule,
        Part::Gap(3.5),
        set(&passed(facts.level), SENTENCE, 6.0),
        Part::Gap(1.5),
        set(&quoted(facts.title), TITLE, 13.5),
        Part::Gap(1.5),
        set(&held(facts), SENTENCE, 9.5),
        set(&whereabouts(facts), SENTENCE, 9.5),
    ];
    if let Some(until) = facts.valid_until {
        parts.push(Part::Gap(2.5));
        parts.push(set(&format!("Berlaku sampai {}", long_date(until)), NUMBER, 5.5));
    }
    parts
}

fn passed(level: EventLevel) -> String {
    let level = match level {
        EventLevel::Basic => " Dasar",
        EventLevel::Advanced => " Lanjutan",
        EventLevel::Other => "",
    };
    format!("telah mengikuti dan lulus Bimbingan Teknis{level} Pekerja Sosial Masyarakat")
}

fn quoted(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("“{title}”") }
}

fn held(facts: &CertificateFacts) -> String {
    let days = date_range(facts.first_day, facts.last_day);
    format!("yang diselenggarakan oleh {} pada tanggal {days}", facts.organiser)
}

/// What is empty is left out with its comma.
fn whereabouts(facts: &CertificateFacts) -> String {
    let places: Vec<&str> = [facts.venue, facts.region].into_iter().filter(|place| !place.is_empty()).collect();
    if places.is_empty() { String::new() } else { format!("di {}", places.join(", ")) }
}

/// Draws the parts one below the other. What short texts leave free first widens the gaps, then goes above and below.
fn place(sheet: &mut Sheet, parts: &[Part]) {
    let height: f32 = parts.iter().map(Part::height).sum();
    let gaps: f32 = parts.iter().filter(|part| matches!(part, Part::Gap(_))).map(Part::height).sum();
    let free = BOTTOM - TOP - height;
    let wider = (free / gaps).clamp(0.0, 0.7);
    let mut y = TOP + (free - gaps * wider) / 2.0;
    for part in parts {
        match part {
            Part::Text(block) => sheet.text(block, Area { x: LEFT, y, width: WIDTH, height: block.height() }),
            Part::Gap(gap) => y += gap * wider,
            Part::Rule => {
                let middle = LEFT + WIDTH / 2.0;
                sheet.lines(&[[(middle - 45.0, y), (middle + 45.0, y)]], 0.9, GOLD);
            }
        }
        y += part.height();
    }
}

/// A strong and a fine frame.
fn frames(sheet: &mut Sheet) -> Drawn {
    let mut frame = |inset: f32, width: f32, ink: Ink| {
        let (right, bottom) = Orientation::Landscape.size();
        let area = Area { x: inset, y: inset, width: right - 2.0 * inset, height: bottom - 2.0 * inset };
        sheet.frame(area, width, ink)
    };
    frame(8.0, 2.4, NAVY)?;
    frame(10.2, 0.7, GOLD)
}

/// The QR code, and beneath it in print what it says.
fn check(sheet: &mut Sheet, url: &str) -> Drawn {
    let x = 19.0;
    sheet.qr(url, x, FOOT - 1.0, QR)?;
    sheet.link(Area { x, y: FOOT - 1.0, width: QR, height: QR }, url)?;
    // The text stands at the edge of the modules, not at that of the quiet zone.
    let area = Area { x: x + 2.6, y: FOOT + QR - 2.2, width: 110.0, height: 3.4 };
    sheet.write("Periksa keaslian:", SMALL, area);
    sheet.write(url, SMALL, Area { y: area.y + 3.2, height: 10.0, ..area });
    Ok(())
}
