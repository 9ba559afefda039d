//! When two names may be one person's. Their words are compared as [`super::words`] makes them, whatever their order.
use strsim::damerau_levenshtein;

/// The words of a name as they are compared, in the order of the alphabet.
pub fn sorted(name: &str) -> Vec<String> {
    let mut words = super::words(name);
    words.sort();
    words
}

/// The same of every name that [`sorted`] cannot tell apart: what an index finds equal names by. None, if there is no letter and no
/// digit in it.
pub fn key(name: &str) -> Option<String> {
    let words = sorted(name);
    (!words.is_empty()).then(|| words.join(" "))
}

/// Each word of the shorter name has one of its own in the longer that means the same.
pub fn nearly(one: &[String], other: &[String]) -> bool {
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
