//! Searching volunteers by name: what is looked for in the index, and how well who was found answers. Pure.
use crate::platform::names::Name;
use crate::platform::region_code::RegionCode;
use std::collections::BTreeSet;

/// More words than this a search does not look at.
const MOST_WORDS: usize = 8;
/// So many letters of a word are tokens of their own, see `name_tokens` of the migration.
pub const SHORT: usize = 3;

/// The words of a name, as they are kept beside it: as written, with = in front, and as compared.
pub fn search_words(name: &str) -> Vec<String> {
    let name = Name::of(name);
    let written = name.written.iter().map(|word| written_token(word));
    let all: BTreeSet<String> = written.chain(name.words).collect();
    all.into_iter().collect()
}

/// A word as somebody wrote it.
pub fn written_token(word: &str) -> String {
    format!("={word}")
}

/// A region and all that lies in it.
pub fn region_token(region: &RegionCode) -> String {
    format!("@{region}")
}

/// So many words were written.
pub fn count_token(words: usize) -> String {
    format!("#{words}")
}

/// A beginning of a word, of at most [`SHORT`] letters.
pub fn beginning_token(letters: &str) -> String {
    format!("{letters}*")
}

/// How well a name answers, the best first; equals are told apart by how much they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// These words and no others.
    Whole,
    /// These words, among others.
    Written,
    /// The last one begins so.
    Beginning,
    /// In another spelling; how many words only begin so.
    Spelled(usize),
    /// With so many letters amiss.
    Mistyped(usize),
}

/// What somebody looks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its words as typed, each once.
    pub written: Vec<String>,
    /// Its words as compared, each once.
    pub words: Vec<String>,
    /// Letters may be amiss in it.
    pub with_slips: bool,
}

impl Asked {
    /// A name or a part of one; the last word may be the beginning of one.
    pub fn of(name: &str) -> Self {
        Self::reading(Name::of(name), true)
    }

    /// In what ways it can be read, the likeliest first: *Siti Se* is the beginning of Siti Septiani, or else somebody called Siti
    /// with a degree. What stands after a comma may be a title that nobody has heard of.
    pub fn readings(name: &str) -> Vec<Self> {
        let (begun, whole) = (Self::reading(Name::unfinished(name), false), Self::of(name));
        let known = name.split_once([',', '(']).map(|(name, _)| Self::of(name)).filter(|asked| !asked.is_empty());
        let mut all = if begun.words == whole.words { vec![whole] } else { vec![begun, whole] };
        all.extend(known.filter(|known| all.iter().all(|asked| asked.words != known.words)));
        all
    }

    fn reading(name: Name, with_slips: bool) -> Self {
        Self { written: once(name.written), words: once(name.words), with_slips }
    }

    /// Nothing that a name could hold.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How well a name answers, given by its [`search_words`].
    pub fn rank(&self, name: &[String]) -> Rank {
        let written: Vec<&str> = name.iter().filter_map(|word| word.strip_prefix('=')).collect();
        let words: Vec<&str> = name.iter().map(String::as_str).filter(|word| !word.starts_with('=')).collect();
        let has = |all: &[&str], word: &String| all.contains(&word.as_str());
        let begins = |all: &[&str], word: &String| all.iter().any(|one| one.starts_with(word.as_str()));
        if self.written.iter().all(|word| has(&written, word)) {
            return if written.len() == self.written.len() { Rank::Whole } else { Rank::Written };
        }
        if let Some((last, first)) = self.written.split_last()
            && first.iter().all(|word| has(&written, word))
            && begins(&written, last)
        {
            return Rank::Beginning;
        }
        if let Some((last, first)) = self.words.split_last()
            && first.iter().all(|word| has(&words, word))
            && (has(&words, last) || begins(&words, last))
        {
            return Rank::Spelled(usize::from(!has(&words, last)));
        }
        let amiss = |asked: &[String], all: &[&str]| -> usize {
            let one = |(at, word): (usize, &String)| {
                let begun = at + 1 == asked.len() && begins(all, word);
                if begun { 0 } else { all.iter().map(|one| distance(word, one)).min().unwrap_or_default() }
            };
            asked.iter().enumerate().map(one).sum()
        };
        Rank::Mistyped(amiss(&self.words, &words).min(amiss(&self.written, &written)))
    }
}

fn once(words: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words.into_iter().filter(|word| seen.insert(word.clone())).take(MOST_WORDS).collect()
}

/// How many letters may be amiss in a word: none in one so short that it would be another name.
pub fn tolerance(word: &str) -> usize {
    match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// Every word with one letter amiss: left out, doubled or added, another one, or two in the wrong order. Of letters a to z.
pub fn one_letter_off(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    if tolerance(word) == 0 || letters.len() > 20 {
        return vec![];
    }
    let mut all = BTreeSet::new();
    for at in 0..=letters.len() {
        let (before, behind) = letters.split_at(at);
        let mut add =
            |middle: &[char], rest: &[char]| all.insert(before.iter().chain(middle).chain(rest).collect::<String>());
        for letter in 'a'..='z' {
            add(&[letter], behind);
            add(&[letter], behind.get(1..).unwrap_or_default());
        }
        add(&[], behind.get(1..).unwrap_or_default());
        if let [first, second, rest @ ..] = behind {
            add(&[*second, *first], rest);
        }
    }
    all.remove(word);
    all.into_iter().collect()
}

/// Letters left out, added, replaced, or in the wrong order by pairs.
pub fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (mut above, mut row): (Vec<usize>, Vec<usize>) = (vec![], (0..=other.len()).collect());
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut least = (at(&row, j) + usize::from(a != b)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                least = least.min(at(&above, j - 1) + 1);
            }
            next.push(least);
        }
        (above, row) = (row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_answers_best_comes_first() {
        let rank = |asked: &str, name: &str| Asked::of(asked).rank(&search_words(name));
        assert_eq!(rank("Soekarno", "Ir. Soekarno"), Rank::Whole);
        assert_eq!(rank("hatta mohammad", "Drs. Mohammad Hatta"), Rank::Whole);
        assert_eq!(rank("Soekarno", "Guntur Soekarno"), Rank::Written);
        assert_eq!(rank("siti am", "Siti Aminah"), Rank::Beginning);
        assert_eq!(rank("Soek", "Guntur Soekarno"), Rank::Beginning);
        assert_eq!(rank("Soekarno", "Sukarno"), Rank::Spelled(0));
        assert_eq!(rank("Nuraini", "Hj. Siti Nur Aini"), Rank::Spelled(0));
        assert_eq!(rank("Soek", "Guntur Sukarno"), Rank::Spelled(1));
        assert_eq!(rank("Siri", "Siti Aminah"), Rank::Mistyped(1));
        assert_eq!(rank("Sukrano Guntr", "Guntur Sukarno"), Rank::Mistyped(2));
        assert!(Rank::Beginning < Rank::Spelled(0) && Rank::Spelled(1) < Rank::Mistyped(0));
        assert_eq!(rank("Nuhayati", "Nurhayati"), Rank::Mistyped(1)); // as written: compared, it is two words
        assert!(Asked::of(" .-").is_empty());
    }

    #[test]
    fn what_is_typed_is_read_in_several_ways() {
        let read =
            |name: &str| Asked::readings(name).into_iter().map(|asked| asked.words.join(" ")).collect::<Vec<_>>();
        assert_eq!(read("Siti Aminah"), ["siti amina"]);
        assert_eq!(read("siti se"), ["siti se", "siti"]);
        assert_eq!(read("Siti Aminah, S.Pd."), ["siti amina"]);
        assert_eq!(read("Siti Aminah, S.Pd., Qz."), ["siti amina s pd kz", "siti amina"]);
        assert_eq!(read("Aminah, Siti"), ["amina siti", "amina"]);
        assert_eq!(read(", Siti"), ["siti"]);
        let slips = Asked::readings("siti se").into_iter().map(|asked| asked.with_slips).collect::<Vec<_>>();
        assert_eq!(slips, [false, true]);
    }

    #[test]
    fn letters_amiss_are_counted() {
        for (one, other, amiss) in [
            ("siti", "siti", 0),
            ("siti", "siit", 1),
            ("siti", "sti", 1),
            ("siti", "sitti", 1),
            ("siti", "saty", 2),
            ("", "ab", 2),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (amiss, amiss), "{one} {other}");
        }
        let near = one_letter_off("siti");
        for word in ["siit", "sti", "siri", "sitti", "asiti", "iti", "sit"] {
            assert!(near.contains(&word.to_owned()), "{word}");
        }
        assert!(!near.contains(&"siti".to_owned()) && one_letter_off("al").is_empty());
        assert!(near.iter().all(|word| distance(word, "siti") == 1), "{near:?}");
    }

    proptest! {
        #[test]
        fn every_name_answers_to_itself(name in "\\PC{0,50}") {
            let asked = Asked::of(&name);
            if !asked.is_empty() && asked.written.len() < MOST_WORDS {
                prop_assert_eq!(asked.rank(&search_words(&name)), Rank::Whole);
            }
        }

        #[test]
        fn one_letter_off_is_one_letter_off(word in "[a-z]{3,8}") {
            prop_assert!(one_letter_off(&word).iter().all(|other| distance(&word, other) == 1));
        }
    }
}
