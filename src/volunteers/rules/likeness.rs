//! When two rows may be one person. Pure.
use crate::platform::names::likeness::{nearly, sorted};
use chrono::NaiveDate;

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
        return born == other_born && nearly(&sorted(one.name), &sorted(other.name));
    }
    let first = sorted(one.name);
    !first.is_empty() && first == sorted(other.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::names;
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
