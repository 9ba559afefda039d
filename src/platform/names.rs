//! Names of persons as they are compared: without titles, in one spelling.
//!
//! The same name is written in many ways: *Hj. Siti Nur'aini, S.Pd.* and *Siti Nuraini*; *Soekarno* before the spelling reform
//! of 1972 and *Sukarno* after it; *Moehammad*, *Mohamad*, *Muh.* and *M.* Two names are compared by their [`words`], and so is a
//! name that is searched with those that are stored: both go through the same function. What is stored by it carries
//! [`VERSION`].
pub mod likeness;
mod titles;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Of the rules below. Raise it with every change of them: what was stored by former ones is then written anew.
pub const VERSION: i16 = 2;

/// A name, twice in words: as it was written, and as it is compared. Titles are in neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    /// In lower case, without diacritics and apostrophes.
    pub written: Vec<String>,
    /// In one spelling: see [`words`].
    pub words: Vec<String>,
}

/// Whether the last word of a name is all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    /// The last word may be the beginning of one: *Siti Se* may become *Siti Septiani*, and that is no degree.
    Unfinished,
}

impl Name {
    /// Of what somebody wrote.
    pub fn of(name: &str) -> Self {
        Self::ending(name, End::Finished)
    }

    /// Of what somebody is still writing: a word at its end that could be a degree is a word all the same, unless
    /// a comma or a dot tells it apart.
    pub fn unfinished(name: &str) -> Self {
        Self::ending(name, End::Unfinished)
    }

    fn ending(name: &str, end: End) -> Self {
        let written = titles::without(&pieces(name), end);
        let mut words = written.clone();
        // One rule may make work for another; each shortens or settles a word, so it comes to rest at once.
        for _ in 0..16 {
            let next = settle(&words, end);
            if next == words {
                break;
            }
            words = next;
        }
        Self { written, words }
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Name(…)")
    }
}

/// The words by which a name is compared, in their order. None only if there is no letter and no digit in it.
pub fn words(name: &str) -> Vec<String> {
    Name::of(name).words
}

/// A part of a name between spaces, dots and the like.
struct Piece {
    text: String,
    /// A comma or a bracket stands somewhere before it: what follows may be a title that could else be a name.
    apart: bool,
}

fn pieces(name: &str) -> Vec<Piece> {
    let (mut all, mut text, mut apart) = (vec![], String::new(), false);
    // Before and after: some are made of a space and a mark, and some letters are made with one.
    let plain = name.chars().filter(|c| !joins(*c)).nfkd().filter(|c| !joins(*c) && !is_combining_mark(*c));
    for c in plain.flat_map(char::to_lowercase).flat_map(undecorated).chain([' ']) {
        if c.is_alphanumeric() {
            text.push(c);
            continue;
        }
        if !text.is_empty() {
            all.push(Piece { text: std::mem::take(&mut text), apart });
        }
        apart |= matches!(c, ',' | ';' | '(');
    }
    if all.is_empty() {
        // A letter of a script whose letters are marks to others.
        let text: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        all.extend((!text.is_empty()).then_some(Piece { text, apart: false }));
    }
    all
}

/// Apostrophes and what is typed for them: *Ma'ruf* is *Maruf*.
fn joins(c: char) -> bool {
    matches!(c, '\'' | '`' | '\u{b4}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2b9}'..='\u{2bf}' | '\u{2c8}' | '\u{ff07}')
}

/// Letters whose mark is part of them.
fn undecorated(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ß' => ('s', Some('s')),
        'þ' => ('t', Some('h')),
        'ø' => ('o', None),
        'đ' | 'ð' => ('d', None),
        'ł' => ('l', None),
        'ı' => ('i', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// One turn of all rules.
fn settle(words: &[String], end: End) -> Vec<String> {
    let many = words.len() > 1;
    let spelled_out = words.iter().enumerate().map(|(at, word)| match word.as_str() {
        "m" if many && at == 0 => "muhamad",
        "st" if many && at == 0 => "siti",
        word if many => abbreviation(word).unwrap_or(word),
        word => word,
    });
    let spelled: Vec<String> = spelled_out.flat_map(apart).map(|word| spelling(&word)).collect();
    let last = spelled.len().saturating_sub(1);
    // *Ahmad bin Hasan* is *Ahmad Hasan*.
    let between = |at: usize, word: &str| at > 0 && at < last && matches!(word, "bin" | "binti");
    let kept = spelled.iter().enumerate().filter(|(at, word)| !between(*at, word)).map(|(_, word)| word);
    let pieces: Vec<Piece> = kept.map(|word| Piece { text: word.clone(), apart: false }).collect();
    titles::without(&pieces, end)
}

/// Names that are written in short beside another one.
fn abbreviation(word: &str) -> Option<&'static str> {
    Some(match word {
        "moh" | "muh" | "mhd" | "mohd" | "muhd" | "moch" | "much" | "mokh" | "mukh" => "muhamad",
        "ach" | "akh" | "ahm" => "ahmad",
        "abd" => "abdul",
        "tb" => "tubagus",
        // of Bali
        "wyn" => "wayan",
        "md" => "made",
        "nym" => "nyoman",
        "kt" => "ketut",
        "pt" => "putu",
        "kd" => "kadek",
        "kmg" => "komang",
        "gd" => "gede",
        "gst" => "gusti",
        "ngh" => "nengah",
        _ => return None,
    })
}

/// *Nuraini* is *Nur Aini*, *Abdurrahman* is *Abdul Rahman*: names that are often joined with the next one.
fn apart(word: &str) -> Vec<String> {
    let long = |rest: &&str| rest.chars().count() >= 4;
    // *Norhayati* is *Nurhayati*, and Norma another name than Nurma.
    let nur = ["noer", "noor", "nor"].iter().find_map(|old| word.strip_prefix(old));
    let nur = nur.filter(|rest| rest.is_empty() || long(rest)).map(|rest| format!("nur{rest}"));
    let word = nur.as_deref().unwrap_or(word);
    for first in ["nurul", "nur", "sri"] {
        if let Some(rest) = word.strip_prefix(first).filter(long) {
            return vec![first.to_owned(), rest.to_owned()];
        }
    }
    // The last letter of the article takes the sound of the next one: *Abdus Salam*.
    let article = word.strip_prefix("abdu").and_then(|rest| {
        let letter = rest.chars().next().filter(|c| matches!(c, 'l' | 'r' | 's' | 'n' | 't' | 'd' | 'z'))?;
        let next = rest.strip_prefix(letter)?;
        let sounded = letter != 'l' && next.starts_with(is_vowel);
        Some(if sounded { rest } else { next })
    });
    match article {
        Some(rest) if long(&rest) => vec!["abdul".to_owned(), rest.to_owned()],
        _ => vec![word.to_owned()],
    }
}

/// Letters for which there are, or were, others. A pair is replaced wherever it stands, in this order.
const SPELLINGS: &[(&str, &str)] = &[
    // Before 1972. The old j is y today, but nobody knows which one *Jusuf* is written with: both are y here.
    ("oe", "u"),
    ("dj", "j"),
    ("tj", "c"),
    ("j", "y"),
    // Of one sound: *Taufiq*, *Alex*, *Novi*, *Christina*, *Achmad*.
    ("ck", "k"),
    ("q", "k"),
    ("x", "ks"),
    ("v", "f"),
    ("ph", "f"),
    ("chr", "kr"),
    ("chl", "kl"),
    ("ch", "h"),
    ("kh", "h"),
    // Sounds of Arabic and Javanese that most people write and speak without the h: *Ridho*, *Fathimah*, *Ghofur*, *Utsman*.
    ("dh", "d"),
    ("th", "t"),
    ("bh", "b"),
    ("gh", "g"),
    ("sh", "s"),
    ("dz", "z"),
    ("ts", "s"),
    // *Arief*, *Saefudin*, *Khoirul*.
    ("ief", "if"),
    ("ae", "ai"),
    ("hoir", "hair"),
];

/// The letters of one word in one spelling.
fn spelling(word: &str) -> String {
    let mut word = word.to_owned();
    for (from, to) in SPELLINGS {
        if word.contains(from) {
            word = word.replace(from, to);
        }
    }
    let word = glides(&word);
    match word.as_str() {
        "mohamad" | "mohamed" | "muhamed" | "mohamat" | "muhamat" => "muhamad".to_owned(),
        "abdur" | "abdus" | "abdun" => "abdul".to_owned(),
        _ => word,
    }
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u')
}

/// Letters that are said in passing (*Mariyam*, *Widya*, *Suwarno*, *Syarif*), those that stand twice, *Hery* for *Heri*, and
/// the h that ends *Aminah*.
fn glides(word: &str) -> String {
    let letters: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(word.len());
    for (at, letter) in letters.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied();
        let after = letters.get(at + 1).copied();
        let to_vowel = after.is_some_and(is_vowel);
        let consonant = before.is_some_and(|c| c.is_alphabetic() && !is_vowel(c) && c != 'y');
        let letter = match (letter, before) {
            ('y', Some('s')) if after.is_some() => continue,
            ('y', Some('i')) | ('w', Some('u')) if to_vowel => continue,
            ('y', _) if consonant && (to_vowel || after.is_none()) => 'i',
            (letter, _) => letter,
        };
        if !(out.ends_with(letter) && letter.is_alphabetic()) {
            out.push(letter);
        }
    }
    if out.len() >= 4 && out.ends_with("ah") {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests;
