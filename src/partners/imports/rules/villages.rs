//! Which village a row means, by its code or by its name.
use crate::platform::error::Fault;
use crate::platform::region_code::{RegionCode, RegionLevel};
use std::collections::{BTreeMap, HashMap};

/// Not a village of the caller's region.
pub const OUTSIDE: Fault =
    Fault::new("outside_your_region", "di luar wilayah instansi Anda", "outside the region of your agency");
/// A code that the current list does not have.
pub const UNKNOWN: Fault = Fault::new("region_unknown", "bukan wilayah yang berlaku", "not a current region");
/// A district or more.
pub const NO_VILLAGE: Fault = Fault::new("village_expected", "bukan desa atau kelurahan", "not a village");
/// No village of that name.
pub const NAME_UNKNOWN: Fault = Fault::new(
    "village_not_found",
    "tidak ada desa atau kelurahan dengan nama ini di wilayah Anda",
    "no village of this name in your region",
);
/// Several of them.
pub const AMBIGUOUS: Fault = Fault::new(
    "village_ambiguous",
    "beberapa desa bernama sama; isi kecamatan atau kode wilayah",
    "several villages have this name; give the district, or the code",
);
/// Code and name are of two villages.
pub const NAME_DIFFERS: Fault =
    Fault::new("village_name_differs", "nama desa berbeda dari kodenya", "the name is not that of the code");

/// The current regions that the caller may register in.
#[derive(Debug, Default)]
pub struct Villages {
    /// Names, as they are compared, of every region from the regency down.
    names: BTreeMap<RegionCode, String>,
    by_name: HashMap<String, Vec<RegionCode>>,
}

/// What a row says of its village, folded.
#[derive(Debug, Default, Clone)]
pub struct Said {
    /// Code.
    pub code: Option<RegionCode>,
    /// Name of the village.
    pub village: Option<String>,
    /// Name of its district.
    pub district: Option<String>,
    /// Name of its regency.
    pub regency: Option<String>,
}

/// A name without the word for what it is: "Desa Pasar Mukomuko", "Kec. Kota Mukomuko".
fn bare<'a>(name: &'a str, kinds: &[&str]) -> &'a str {
    match name.split_once(' ') {
        Some((kind, rest)) if kinds.contains(&kind) => rest,
        _ => name,
    }
}

const VILLAGE: &[&str] = &["desa", "ds", "kelurahan", "kel", "kampung", "nagari"];
const DISTRICT: &[&str] = &["kecamatan", "kec", "distrik"];
/// Words for what a regency is, each with the one that the list writes. Twenty-five pairs differ in nothing else: Kota Bandung
/// is not Kabupaten Bandung.
const REGENCY: [(&str, &str); 3] = [("kabupaten", "kabupaten"), ("kab", "kabupaten"), ("kota", "kota")];

/// Whether what is written means the regency of this name. Who writes which of the two it is means that one.
fn is_regency(said: &str, name: &str) -> bool {
    let split = |text: &str| {
        let kind = text.split_once(' ').and_then(|(kind, _)| REGENCY.iter().find(|(word, _)| *word == kind));
        kind.map(|(_, kind)| *kind)
    };
    let words = REGENCY.map(|(word, _)| word);
    let kinds = split(said).zip(split(name));
    said == name || (bare(said, &words) == bare(name, &words) && kinds.is_none_or(|(said, known)| said == known))
}

impl Villages {
    /// From the regions of the caller's jurisdiction, with their folded names.
    pub fn new(regions: impl IntoIterator<Item = (RegionCode, String)>) -> Self {
        let mut this = Self::default();
        for (code, name) in regions {
            if code.level() == RegionLevel::Village {
                this.by_name.entry(name.clone()).or_default().push(code.clone());
            }
            this.names.insert(code, name);
        }
        this
    }

    /// The village of a row within `region`, and whether the name that goes with its code is another one.
    pub fn find(&self, said: &Said, region: &RegionCode) -> Result<(RegionCode, bool), Fault> {
        let Some(code) = &said.code else { return self.by_name(said).map(|code| (code, false)) };
        if code.level() != RegionLevel::Village {
            return Err(NO_VILLAGE);
        }
        if !region.contains(code) {
            return Err(OUTSIDE);
        }
        let name = self.names.get(code).ok_or(UNKNOWN)?;
        let differs = said.village.as_ref().is_some_and(|said| said != name && bare(said, VILLAGE) != name);
        Ok((code.clone(), differs))
    }

    fn by_name(&self, said: &Said) -> Result<RegionCode, Fault> {
        let name = said.village.as_deref().unwrap_or_default();
        let named = self.by_name.get(name).or_else(|| self.by_name.get(bare(name, VILLAGE)));
        let lies_in = |code: &RegionCode, level, said: &Option<String>, is: fn(&str, &str) -> bool| {
            let above = code.at(level).and_then(|above| self.names.get(&above));
            said.as_ref().is_none_or(|said| above.is_some_and(|above| is(said, above)))
        };
        let is_district = |said: &str, name: &str| said == name || bare(said, DISTRICT) == bare(name, DISTRICT);
        let mut found = named.into_iter().flatten().filter(|code| {
            lies_in(code, RegionLevel::District, &said.district, is_district)
                && lies_in(code, RegionLevel::Regency, &said.regency, is_regency)
        });
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.clone()),
            (Some(_), Some(_)) => Err(AMBIGUOUS),
            (None, _) => Err(NAME_UNKNOWN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_village_is_known_by_its_code_or_by_its_name() {
        let code = |raw: &str| RegionCode::parse(raw).unwrap();
        let villages = Villages::new(
            [
                ("17.06", "kabupaten mukomuko"),
                ("17.06.01", "lubuk pinang"),
                ("17.06.01.2005", "suka pindah"),
                ("17.06.02", "kota mukomuko"),
                ("17.06.02.1009", "pasar mukomuko"),
                ("17.06.02.2005", "suka pindah"),
            ]
            .map(|(raw, name)| (code(raw), name.to_owned())),
        );
        let find = |code: Option<&str>, names: [Option<&str>; 3]| {
            let [village, district, regency] = names.map(|name| name.map(str::to_owned));
            let said = Said { code: code.map(|raw| RegionCode::parse(raw).unwrap()), village, district, regency };
            villages
                .find(&said, &RegionCode::parse("17.06").unwrap())
                .map(|(code, differs)| (code.to_string(), differs))
        };
        let pasar = || Ok(("17.06.02.1009".to_owned(), false));
        assert_eq!(find(Some("1706021009"), [None; 3]), pasar());
        assert_eq!(find(Some("1706021009"), [Some("kelurahan pasar mukomuko"), None, None]), pasar());
        assert_eq!(find(Some("1706021009"), [Some("koto jaya"), None, None]), Ok(("17.06.02.1009".to_owned(), true)));
        assert_eq!(find(None, [Some("kel pasar mukomuko"), None, None]), pasar());
        let second = find(None, [Some("suka pindah"), Some("kec kota mukomuko"), Some("mukomuko")]);
        assert_eq!(second, Ok(("17.06.02.2005".to_owned(), false)));
        assert_eq!(find(None, [Some("suka pindah"), None, None]), Err(AMBIGUOUS));
        assert_eq!(find(None, [Some("suka pindah"), Some("ipuh"), None]), Err(NAME_UNKNOWN));
        assert_eq!(find(Some("17.06.02"), [None; 3]), Err(NO_VILLAGE));
        assert_eq!(find(Some("17.06.02.9999"), [None; 3]), Err(UNKNOWN));
        assert_eq!(find(Some("17.01.01.2001"), [None; 3]), Err(OUTSIDE));
    }

    #[test]
    fn a_town_is_not_the_regency_around_it() {
        let code = |raw: &str| RegionCode::parse(raw).unwrap();
        let villages = Villages::new(
            [
                ("32.04", "kabupaten bandung"),
                ("32.04.05", "cileunyi"),
                ("32.04.05.2001", "cimekar"),
                ("32.73", "kota bandung"),
                ("32.73.01", "sukasari"),
                ("32.73.01.1001", "geger kalong"),
            ]
            .map(|(raw, name)| (code(raw), name.to_owned())),
        );
        let find = |village: &str, regency: &str| {
            let (village, regency) = (Some(village.to_owned()), Some(regency.to_owned()));
            villages.find(&Said { village, regency, ..Said::default() }, &code("32")).map(|(code, _)| code.to_string())
        };
        for regency in ["kabupaten bandung", "kab bandung", "bandung"] {
            assert_eq!(find("cimekar", regency), Ok("32.04.05.2001".to_owned()), "{regency}");
        }
        for regency in ["kota bandung", "bandung"] {
            assert_eq!(find("geger kalong", regency), Ok("32.73.01.1001".to_owned()), "{regency}");
        }
        // Of these names there is a village only in the other one.
        assert_eq!(find("cimekar", "kota bandung"), Err(NAME_UNKNOWN));
        assert_eq!(find("geger kalong", "kab bandung"), Err(NAME_UNKNOWN));
    }
}
