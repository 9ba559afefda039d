//! When two rows may be one person. Pure.
use crate::platform::names;
use chrono::NaiveDate;
use strsim::damerau_levenshtein;

/// Of what likeness is judged, beside the village.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Full name.
    pub name: &'a str,
    /// If known.
    pub birth_date: Option<NaiveDate>,
}

/// Whether two of one village may be one person: born on the same day with names that are nearly the same, or with equal
/// names where a birth date is not known.
pub fn alike(one: Traits<'_>, other: Traits<'_>) -> bool {
    if let (Some(born), Some(other_born)) = (one.birth_date, other.birth_date) {
        // Days before words, which take a thousand times as long.
        return born == other_born && nearly(&words(one.name), &words(other.name));
    }
    let first = words(one.name);
    !first.is_empty() && first == words(other.name)
}

/// The words of a name as they are compared, in the order of the alphabet.
fn words(name: &str) -> Vec<String> {
    let mut words = names::words(name);
    words.sort();
    words
}

/// Each word of the shorter name has one of its own in the longer that means the same.
fn nearly(one: &[String], other: &[String]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let mut left: Vec<&String> = long.iter().collect();
    let found = |word: &String| {
        let exact = left.iter().position(|other| *other == word);
        let at = exact.or_else(|| left.iter().position(|other| same_word(word, other)));
        at.map(|index| left.swap_remove(index)).is_some()
    };
    !short.is_empty() && short.iter().all(found)
}

/// Equal but for a slip of the pen, or an initial for the whole.
fn same_word(one: &str, other: &str) -> bool {
    let (length, other_length) = (one.chars().count(), other.chars().count());
    let slips = match length.min(other_length) {
        0 => return false,
        1 => return one.chars().next() == other.chars().next(),
        2..=4 => 0,
        5..=7 => 1,
        _ => 2,
    };
    // Each slip makes a word longer or shorter by one letter at most.
    length.abs_diff(other_length) <= slips && damerau_levenshtein(one, other) <= slips
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Option<NaiveDate> {
        text.parse().ok()
    }

    #[test]
    fn a_person_is_like_itself_however_it_is_written() {
        let born = day("1995-08-05");
        let like = |one, other| {
            alike(Traits { name: one, birth_date: born }, Traits { name: other, birth_date: born })
                && alike(Traits { name: other, birth_date: born }, Traits { name: one, birth_date: born })
        };
        for (one, other) in [
            ("Siti Aminah", "siti  aminah"),
            ("Siti Aminah", "Aminah, Siti"),
            ("Siti Aminah", "Siti Amniah"),
            ("Siti Aminah", "Siti"),
            ("Siti Aminah", "S. Aminah"),
            ("Siti Ma'ruf", "Siti Maruf"),
            ("Hj. Siti Aminah, S.Sos.", "Siti Aminah"),
            ("Djoko Soesilo", "Joko Susilo"),
            ("Nurhayati Syafri", "Nurhayatti Syafri"),
        ] {
            assert!(like(one, other), "{one} / {other}");
        }
        for (one, other) in
            [("Siti Aminah", "Siti Aisyah"), ("Budi", "Rudi Hartono Budiman"), ("Ani", "Ina"), ("Edi", "Eda")]
        {
            assert!(!like(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn another_birth_date_is_another_person_and_none_asks_for_equal_names() {
        let of = |name, born| Traits { name, birth_date: born };
        let (born, other) = (day("1995-08-05"), day("1995-08-06"));
        assert!(!alike(of("Siti Aminah", born), of("Siti Aminah", other)));
        assert!(alike(of("Siti Aminah", born), of("Aminah Siti", None)));
        assert!(!alike(of("Siti Aminah", None), of("Siti Amindah", None)));
        assert!(!alike(of("-", None), of("-", None)));
    }

    proptest! {
        #[test]
        fn likeness_has_no_order_and_everyone_is_like_itself(one in "[A-Za-z' ]{1,30}", other in "\\PC{0,30}") {
            let born = day("1990-01-31");
            let of = |name| Traits { name, birth_date: born };
            prop_assert_eq!(alike(of(&one), of(&other)), alike(of(&other), of(&one)));
            prop_assert!(names::words(&one).is_empty() || alike(of(&one), of(&one)));
        }
    }
}
