use super::*;
use proptest::prelude::*;
use std::fmt::Write;

/// One name a line in the ways in which it is written: for a caseworker to review.
const SAME: &[&[&str]] = &[
    &["Soekarno", "Sukarno", "Ir. Soekarno", "Dr. Ir. H. Soekarno", "SUKARNO"],
    &["Soeharto", "Suharto", "H. Soeharto"],
    &["Djoko Widodo", "Joko Widodo", "Ir. H. Joko Widodo"],
    &["Tjipto Mangoenkoesoemo", "Cipto Mangunkusumo", "dr. Tjipto Mangunkusumo"],
    &["Joesoef", "Jusuf", "Yusuf", "Yoesoef"],
    &["Sjahrir", "Syahrir", "Sahrir"],
    &["Njoman", "Nyoman"],
    &["Soerjadi", "Suryadi", "Suriyadi", "Suriadi"],
    &["Achmad", "Ahmad", "Akhmad"],
    &[
        "Moehammad Hatta",
        "Muhammad Hatta",
        "Mohammad Hatta",
        "Mohamad Hatta",
        "Muhamad Hatta",
        "Mochamad Hatta",
        "Moh. Hatta",
        "Muh. Hatta",
        "Moch Hatta",
        "Mhd. Hatta",
        "M. Hatta",
        "M Hatta",
        "Drs. M. Hatta",
        "H. Mohd. Hatta",
    ],
    &["Ma'ruf Amin", "Maruf Amin", "Ma’ruf Amin", "Ma`ruf Amin", "K.H. Ma'ruf Amin", "KH Ma'ruf Amin"],
    &["Nur'aini", "Nuraini", "Nur Aini", "Nur-Aini", "Hj. Nuraini, S.Pd.I.", "Hj Nuraini SPdI"],
    &[
        "Siti Aminah",
        "Sitti Aminah",
        "St. Aminah",
        "Siti Amina",
        "Hj. Siti Aminah, S.Sos., M.Si.",
        "Siti Aminah S.Sos",
        "SITI AMINAH, SSOS",
        "Ibu Siti Aminah",
        "Siti Aminah (alm)",
        "Dra. Hj. Siti Aminah, M.Pd",
    ],
    &["Abdul Rahman", "Abdurrahman", "Abdurahman", "Abdoerrachman", "Abd. Rahman", "Abdul Rachman", "Abdur Rahman"],
    &["Abdul Salam", "Abdussalam", "Abdus Salam"],
    &["Rizky", "Rizki", "Rizqi", "Rizqy"],
    &["Herry", "Heri", "Hery"],
    &["Taufiq Hidayat", "Taufik Hidayat", "Taufik Hidayat, A.Md.Kep."],
    &["Arief", "Arif", "Arif, S.T.", "Arif, ST"],
    &["Saefuddin", "Saifudin", "Syaifuddin", "Syaefudin"],
    &["Khoirul", "Khairul", "Chairul", "Choirul", "Khaerul"],
    &["Fathimah", "Fatimah", "Fatima"],
    &["Ridho", "Rido"],
    &["Novi", "Nofi"],
    &["Christina", "Kristina"],
    &["Suwarno", "Soewarno", "Suarno"],
    &["José", "Jose"],
    &["Ahmad bin Hasan", "Ahmad Hasan", "Ahmad  HASAN"],
    &["Wayan Sudarma", "Wyn. Sudarma"],
    &["Sri Wahyuni", "Sriwahyuni", "Sri Wahjoeni"],
    &["Haji", "HAJI", "Haji."],
    &["Nurhayati", "Norhayati", "Noorhayati", "Noerhajati", "Nur Hayati", "Nor Hayati", "Hj. NORHAYATI, S.Pd., Gr."],
    &["Nurjanah", "Noerdjanah", "Norjanah", "Nur Djanah"],
    &["Nuryanto", "Noerjanto", "Nur Yanto"],
    &["Ahmad Dahlan", "Hi. Ahmad Dahlan", "K.H. Ahmad Dahlan", "R. Ahmad Dahlan", "Ahmad Dahlan, S.Sy."],
    &["Soekarno", "Dr. (H.C.) Ir. Soekarno", "dr. Soekarno, Sp.A", "Soekarno, Sp.PD"],
    &["Kartini", "R.A. Kartini", "Rr. Kartini"],
    &["Tubagus Hasan", "Tb. Hasan"],
];

/// Names that stay what they are, however much they look like a title or like each other.
const APART: &[(&str, &str)] = &[
    ("Zainal St", "Zainal"), // Sutan
    ("Haji", "Hasan"),
    ("Dr. A. Rahman", "Rahman"),
    ("M", "Muhammad"), // the first letter of any name
    ("Siti Aminah", "Siti Aminuddin"),
    ("Joko", "Jaka"),
    ("Fitri", "Pitri"),
    ("Nurdin", "Din"),
    ("Abdullah", "Abdul"),
    ("Made", "Muhammad"),
    ("Indah", "Indri"),
    ("Yohanes Ama", "Yohanes"),
    ("Yosef Mak", "Yosef"),
    ("D. R. Sinaga", "Sinaga"),
    ("N.S. Pasaribu", "Pasaribu"),
    ("Norma", "Ma"),
];

#[test]
fn one_name_is_one_however_it_is_written() {
    let mut table = String::new();
    for names in SAME {
        let first = words(names[0]);
        writeln!(table, "{:<24} {}", first.join(" "), names.join(" = ")).unwrap();
        for name in *names {
            assert_eq!(words(name), first, "{name}");
        }
    }
    insta::assert_snapshot!(table);
    for (one, other) in APART {
        assert_ne!(words(one), words(other), "{one}, {other}");
    }
}

#[test]
fn a_name_keeps_how_it_was_written() {
    let name = Name::of("Hj. Siti Nur'aini, S.Sos.");
    assert_eq!((name.written.join(" "), name.words.join(" ")), ("siti nuraini".to_owned(), "siti nur aini".to_owned()));
    assert_eq!(words(" . , - "), Vec::<String>::new());
    assert_eq!(format!("{name:?}"), "Name(…)");
}

#[test]
fn what_is_still_being_written_is_no_degree() {
    let (unfinished, of) = (|name| Name::unfinished(name).written.join(" "), |name| words(name).join(" "));
    for (name, written) in [
        ("budi sap", "budi sap"),
        ("Siti Se", "siti se"),
        ("siti ss", "siti ss"),
        ("Siti, SE", "siti"),
        ("Siti S.E", "siti"),
        ("Siti SE Aminah", "siti se aminah"),
        ("Hj. Siti Aminah, S.Sos", "siti aminah"),
        ("SE", "se"),
    ] {
        assert_eq!(unfinished(name), written, "{name}");
    }
    assert_eq!((of("budi sap"), of("Siti SE")), ("budi".to_owned(), "siti".to_owned()));
}

const PARTS: &[&str] = &[
    "Siti",
    "Aminah",
    "Soekarno",
    "Djoko",
    "Ma'ruf",
    "Nur'aini",
    "José",
    "Muhammad",
    "Rizky",
    "Abdurrahman",
    "Tjipto",
    "Yusuf",
    "Wahyuni",
    "Khairul",
    "Haji",
    "Drs",
    "Sri",
    "Fathimah",
    "Nyoman",
    "Li",
    "M",
    "Wijaya",
];
const LEADING: &[&str] =
    &["H. ", "Hj. ", "hj ", "Drs. ", "Dra. ", "Ir. H. ", "dr. ", "Prof. Dr. ", "K.H. ", "Tgk. ", "Ust. ", "Bpk. "];
const TRAILING: &[&str] = &[
    ", S.Sos.",
    " S.Sos",
    ", SSos",
    ", S.Pd., M.Si.",
    ", S.E.",
    " SE",
    ", A.Md.Keb",
    ", A.Md.",
    ", M.Si",
    ", S. Sos., M. Si.",
    ", S.Pd.I",
    " (alm)",
    ", S.H., M.H.",
    ", S.T.",
];

/// A name of a first word that is not itself a title, and up to three more.
fn names() -> impl Strategy<Value = String> {
    let first = prop::sample::select(PARTS)
        .prop_filter("a title is none before a name", |part| !["Haji", "Drs", "M"].contains(part));
    (first, prop::collection::vec(prop::sample::select(PARTS), 0..3))
        .prop_map(|(first, more)| std::iter::once(first).chain(more).collect::<Vec<_>>().join(" "))
        .prop_filter("nor behind it", |name| ![" Haji", " Drs", " M"].iter().any(|part| name.ends_with(part)))
}

proptest! {
    #[test]
    fn nothing_panics_and_twice_is_once(raw in "\\PC{0,60}") {
        let once = words(&raw);
        prop_assert_eq!(words(&once.join(" ")), once);
    }

    #[test]
    fn twice_is_once_for_names_too(raw in "([a-z]{1,5}|oe|tj|dj|sj|abdu|nur|sri|ch|y|[ .,'-]){1,12}") {
        let once = words(&raw);
        prop_assert_eq!(words(&once.join(" ")), once);
    }

    #[test]
    fn a_letter_is_never_lost(raw in "\\PC{0,20}", letter in "[\\p{L}]", rest in "\\PC{0,20}") {
        let words = words(&format!("{raw}{letter}{rest}"));
        prop_assert!(!words.is_empty() && words.iter().all(|word| !word.is_empty()));
    }

    #[test]
    fn titles_do_not_count(name in names(), before in prop::sample::select(LEADING), after in prop::sample::select(TRAILING)) {
        let plain = words(&name);
        prop_assert_eq!(words(&format!("{before}{name}")), plain.clone());
        prop_assert_eq!(words(&format!("{name}{after}")), plain.clone());
        prop_assert_eq!(words(&format!("{before}{name}{after}")), plain);
    }

    #[test]
    fn case_apostrophes_and_diacritics_do_not_count(name in names(), at in 0..20_usize, mark in prop::sample::select(&["'", "\u{2019}", "`", "\u{301}"][..])) {
        let plain = words(&name);
        prop_assert_eq!(words(&name.to_uppercase()), plain.clone());
        prop_assert_eq!(words(&name.to_lowercase()), plain.clone());
        let mut letters: Vec<char> = name.chars().collect();
        let at = at.min(letters.len());
        if at > 0 && letters[at - 1].is_alphabetic() {
            letters.splice(at..at, mark.chars());
            prop_assert_eq!(words(&letters.into_iter().collect::<String>()), plain);
        }
    }
}
