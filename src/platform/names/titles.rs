//! What is written around a name and is no part of it.
use super::{End, Piece};

/// Before a name, without dots.
const BEFORE: &[&str] = &[
    // religious
    "h",
    "hj",
    "haji",
    "hadji",
    "hajjah",
    "hajah",
    "hjh",
    "kh",
    "kyai",
    "kiai",
    "kiyai",
    "ust",
    "ustad",
    "ustadz",
    "ustaz",
    "ustadzah",
    "ustazah",
    "hi",
    "tgk",
    "tgh",
    "pdt",
    "pdm",
    "pnt",
    "rm",
    "rp",
    "br",
    "sr",
    // of descent
    "r",
    "rr",
    "rd",
    // academic
    "dr",
    "drs",
    "dra",
    "drg",
    "drh",
    "ir",
    "prof",
    "apt",
    "ns",
    "ners",
    "bd",
    // of address, and of the dead
    "bpk",
    "bp",
    "bapak",
    "pak",
    "ibu",
    "bu",
    "sdr",
    "sdri",
    "tn",
    "ny",
    "nn",
    "alm",
    "almh",
    "almarhum",
    "almarhumah",
];

/// Behind a name, without dots: degrees and offices.
const AFTER: &[&str] = &[
    // diplomas
    "amd",
    "amdkeb",
    "amdkep",
    "amdpd",
    "amdak",
    "amdkes",
    "amdkom",
    "amk",
    "amkeb",
    "amkl",
    "amg",
    "amf",
    "amapd",
    "bsc",
    // bachelors
    "sag",
    "sap",
    "sds",
    "se",
    "sesy",
    "ssy",
    "sfarm",
    "sfil",
    "sgz",
    "sh",
    "shi",
    "shum",
    "shut",
    "sik",
    "sikom",
    "sip",
    "sipem",
    "skeb",
    "sked",
    "skep",
    "skepns",
    "skes",
    "skg",
    "skh",
    "skm",
    "skom",
    "spd",
    "spdi",
    "spdsd",
    "spdaud",
    "spdk",
    "spi",
    "spsi",
    "spt",
    "ssi",
    "ssit",
    "ssn",
    "ssos",
    "ssosi",
    "ssospd",
    "ss",
    "sst",
    "sstp",
    "sth",
    "sthi",
    "stp",
    "stekp",
    "strkeb",
    "strkep",
    "strkes",
    "strsos",
    "strak",
    "strt",
    "sab",
    "sars",
    "sptk",
    "samd",
    "sstft",
    // masters and doctors
    "mag",
    "map",
    "mba",
    "mfarm",
    "mh",
    "mhi",
    "mhum",
    "mikom",
    "mip",
    "mkeb",
    "mked",
    "mkep",
    "mkes",
    "mkm",
    "mkn",
    "mkom",
    "mm",
    "mpa",
    "mpd",
    "mpdi",
    "mph",
    "mpsi",
    "mpsspsi",
    "msc",
    "mse",
    "msi",
    "msn",
    "msos",
    "msosi",
    "msp",
    "mt",
    "mth",
    "meng",
    "phd",
    "ners",
    "ns",
    "lc",
    "apt",
    "akt",
    "gr",
    "cpm",
    // specialists
    "spa",
    "span",
    "spb",
    "spkj",
    "spm",
    "spog",
    "sppd",
    // of the dead
    "alm",
    "almh",
    "almarhum",
    "almarhumah",
];

/// The same, which may be names: only with dots in them, or after a comma.
const AFTER_APART: &[&str] = &[
    "st", "sp", "ma", "mp", "ap", "ak", "ama", "mak", "sak", "sei", "bd", "bba", "ba", "h", "hj", "haji", "hajjah",
    "dr", "drs", "dra", "ir",
];

/// Of two letters, each by itself. Others are the first letters of two names: *N. S. Pasaribu*.
const BEFORE_DOTTED: &[&str] = &["hc", "kh", "ra", "rm", "rp"];

/// The words of a name without its titles, but never none of it: a person may be called Haji.
pub(super) fn without(pieces: &[Piece], end: End) -> Vec<String> {
    let mut rest = pieces;
    // The longest first: the last piece of S.H. alone could be a Haji.
    while let Some(shorter) = (1..=4).rev().find_map(|count| {
        let (before, last) = rest.split_at_checked(rest.len().checked_sub(count)?)?;
        let unfinished = end == End::Unfinished && matches!(last, [only] if !only.apart);
        (!before.is_empty() && !unfinished && is_behind(last)).then_some(before)
    }) {
        rest = shorter;
    }
    // Dr. A. Rahman is no Dra., and H.C. begins like a Haji.
    while let Some(shorter) = [2, 1].into_iter().find_map(|count| {
        let (first, behind) = rest.split_at_checked(count)?;
        (!behind.is_empty() && is_before(first)).then_some(behind)
    }) {
        rest = shorter;
    }
    rest.iter().map(|piece| piece.text.clone()).collect()
}

fn joined(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

fn is_before(pieces: &[Piece]) -> bool {
    let title = joined(pieces);
    match pieces {
        [_] => BEFORE.contains(&title.as_str()),
        _ => title.len() == pieces.len() && BEFORE_DOTTED.contains(&title.as_str()),
    }
}

fn is_behind(pieces: &[Piece]) -> bool {
    // One title does not go over a comma.
    if pieces.iter().any(|piece| piece.apart) && !pieces.iter().all(|piece| piece.apart) {
        return false;
    }
    let title = joined(pieces);
    let told_apart = pieces.len() > 1 || pieces.iter().all(|piece| piece.apart);
    AFTER.contains(&title.as_str()) || (told_apart && AFTER_APART.contains(&title.as_str()))
}
