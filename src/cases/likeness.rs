//! When two cases may have one person. Pure.
use super::person::age_of;
use super::store::{Case, CasePerson};
use crate::platform::names::likeness::{nearly, sorted};
use crate::platform::nik::Sex;
use crate::platform::region_code::RegionCode;
use crate::text_enum;
use chrono::NaiveDate;

text_enum! {
    /// What tells that two cases may have one person.
    AlikeBy {
        /// The same NIK.
        Nik = "nik",
        /// The same BPJS card.
        Card = "card",
        /// Name with birth date or age.
        Name = "name",
    }
}

/// Of what likeness is judged.
#[derive(Debug, Clone)]
pub struct Traits<'a> {
    /// Blind index of the NIK.
    pub nik: Option<&'a [u8]>,
    /// Blind index of the BPJS card.
    pub card: Option<&'a [u8]>,
    /// Words of the name, as they are compared.
    pub words: Vec<String>,
    /// If known.
    pub birth_date: Option<NaiveDate>,
    /// The fewest years that the person may have lived, and the most.
    pub years: Option<(u32, u32)>,
    /// If known.
    pub sex: Option<Sex>,
    /// Where the person lives or was found.
    pub village: &'a RegionCode,
}

impl<'a> Traits<'a> {
    /// Of a case and its person. `today` is the village's.
    pub fn of(case: &'a Case, person: &'a CasePerson, today: NaiveDate) -> Self {
        let age = age_of(person, today);
        let band = || person.age_band.map(|band| (band.years().0, band.years().1 - 1));
        // The older somebody looks, the less an estimate says.
        let slack = |age: u32| if person.birth_date.is_some() { 0 } else { 2 + age / 10 };
        let around = age.map(|age| (age.saturating_sub(slack(age)), age + slack(age)));
        Self {
            nik: person.nik_index.as_deref(),
            card: person.card_index.as_deref(),
            words: sorted(&person.name),
            birth_date: person.birth_date,
            years: around.or_else(band),
            sex: person.sex,
            village: &case.village_code,
        }
    }
}

/// By what two of one regency may be one person: a number that both have; or else names that are nearly the same and one birth date; or
/// equal names and ages that may be one. Where an age is not known, equal names are enough within a village. Another sex is another
/// person, and so is another NIK, unless name and birth date are equal: then a digit may be wrong.
pub fn alike(one: &Traits<'_>, other: &Traits<'_>) -> Option<AlikeBy> {
    let same = |a: Option<&[u8]>, b: Option<&[u8]>| a.is_some() && a == b;
    if same(one.nik, other.nik) {
        return Some(AlikeBy::Nik);
    }
    if same(one.card, other.card) {
        return Some(AlikeBy::Card);
    }
    if one.sex.zip(other.sex).is_some_and(|(a, b)| a != b) {
        return None;
    }
    let two_niks = one.nik.is_some() && other.nik.is_some();
    let equal = !one.words.is_empty() && one.words == other.words;
    let found = match (one.birth_date, other.birth_date) {
        (Some(born), Some(other_born)) => {
            born == other_born && (equal || !two_niks && nearly(&one.words, &other.words))
        }
        _ => equal && !two_niks && may_be_one_age(one, other),
    };
    found.then_some(AlikeBy::Name)
}

fn may_be_one_age(one: &Traits<'_>, other: &Traits<'_>) -> bool {
    match (one.years, other.years) {
        (Some((from, until)), Some((other_from, other_until))) => from <= other_until && other_from <= until,
        _ => one.village == other.village,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn village(code: &str) -> RegionCode {
        RegionCode::parse(code).unwrap()
    }

    fn day(text: &str) -> Option<NaiveDate> {
        text.parse().ok()
    }

    #[derive(Clone, Copy, Default)]
    struct Said {
        nik: Option<&'static [u8]>,
        card: Option<&'static [u8]>,
        name: &'static str,
        birth_date: Option<NaiveDate>,
        years: Option<(u32, u32)>,
        sex: Option<Sex>,
    }

    fn judge(one: Said, other: Said, here: &RegionCode, there: &RegionCode) -> Option<AlikeBy> {
        fn traits(said: Said, village: &RegionCode) -> Traits<'_> {
            let Said { nik, card, name, birth_date, years, sex } = said;
            Traits { nik, card, words: sorted(name), birth_date, years, sex, village }
        }
        let found = alike(&traits(one, here), &traits(other, there));
        assert_eq!(found, alike(&traits(other, there), &traits(one, here)), "likeness has no order");
        found
    }

    #[test]
    fn a_number_tells_whatever_else_is_said() {
        let here = village("17.06.02.1017");
        let siti =
            Said { name: "Siti Aminah", birth_date: day("1995-08-05"), sex: Some(Sex::Female), ..Said::default() };
        let other = Said { name: "Budi", birth_date: day("1960-01-01"), sex: Some(Sex::Male), ..Said::default() };
        let with = |said: Said, nik, card| Said { nik, card, ..said };
        let (a, b): (Option<&[u8]>, Option<&[u8]>) = (Some(b"a"), Some(b"b"));
        assert_eq!(judge(with(siti, a, None), with(other, a, None), &here, &here), Some(AlikeBy::Nik));
        assert_eq!(judge(with(siti, a, b), with(other, b, b), &here, &here), Some(AlikeBy::Card));
        assert_eq!(judge(with(siti, a, None), with(other, b, None), &here, &here), None);
        assert_eq!(judge(with(siti, None, a), with(other, None, b), &here, &here), None);
        assert_eq!(judge(siti, other, &here, &here), None);
    }

    #[test]
    fn a_name_tells_with_a_birth_date_or_an_age() {
        let (here, there) = (village("17.06.02.1017"), village("17.06.02.1018"));
        let siti = Said { name: "Siti Aminah", ..Said::default() };
        let born = |said: Said, on| Said { birth_date: day(on), years: Some((31, 31)), ..said };
        let aged = |said: Said, from, until| Said { years: Some((from, until)), ..said };
        let named = |said: Said, name| Said { name, ..said };
        let (first, by) = (born(siti, "1995-08-05"), Some(AlikeBy::Name));
        for (other, at, told) in [
            (first, &there, by),
            (named(first, "Hj. Siti Amniah, S.Sos."), &there, by),
            (named(first, "Siti Aisyah"), &here, None),
            (born(siti, "1995-08-06"), &here, None),
            (Said { sex: Some(Sex::Male), ..first }, &there, by),
            (aged(siti, 25, 34), &there, by),
            (aged(siti, 40, 49), &here, None),
            (aged(named(siti, "Siti Amniah"), 25, 34), &here, None),
            (siti, &here, by),
            (siti, &there, None),
        ] {
            assert_eq!(judge(first, other, &here, at), told, "{} {:?} {:?}", other.name, other.birth_date, other.years);
        }
        let (woman, man) = (Said { sex: Some(Sex::Female), ..first }, Said { sex: Some(Sex::Male), ..first });
        assert_eq!(judge(woman, man, &here, &here), None);
        assert_eq!(judge(named(siti, "-"), named(siti, "-"), &here, &here), None);
        // two NIKs are two persons, unless all else is equal
        let nik = |said: Said, nik| Said { nik: Some(nik), ..said };
        assert_eq!(judge(nik(first, b"a"), nik(first, b"b"), &here, &there), by);
        assert_eq!(judge(nik(first, b"a"), nik(named(first, "Siti Amniah"), b"b"), &here, &here), None);
        assert_eq!(judge(nik(siti, b"a"), nik(siti, b"b"), &here, &here), None);
    }

    proptest! {
        #[test]
        fn equal_names_have_one_key_and_no_others(one in "[A-Za-z' ]{0,30}", other in "\\PC{0,30}") {
            use crate::platform::names::likeness::key;
            prop_assert_eq!(key(&one) == key(&other), sorted(&one) == sorted(&other));
        }
    }
}
