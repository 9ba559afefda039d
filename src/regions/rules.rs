//! What a region code tells beside its place. Pure.
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::platform::text::fold;
use crate::text_enum;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use std::io::Read;

text_enum! {
    /// What a region is called by law; read from the code, never from the name (`17.06.02` is a *kecamatan* called
    /// "Kota Mukomuko").
    RegionKind {
        /// Province.
        Provinsi = "provinsi",
        /// Regency.
        Kabupaten = "kabupaten",
        /// City.
        Kota = "kota",
        /// District.
        Kecamatan = "kecamatan",
        /// Urban village.
        Kelurahan = "kelurahan",
        /// Village.
        Desa = "desa",
        /// Customary village.
        DesaAdat = "desa_adat",
    }
}

impl RegionKind {
    /// Of a code.
    pub fn of(code: &RegionCode) -> Self {
        let last = code.as_str().rsplit('.').next().unwrap_or_default();
        match code.level() {
            RegionLevel::Province => Self::Provinsi,
            RegionLevel::Regency if last >= "71" => Self::Kota,
            RegionLevel::Regency => Self::Kabupaten,
            RegionLevel::District => Self::Kecamatan,
            RegionLevel::Village => match last.as_bytes().first() {
                Some(b'1') => Self::Kelurahan,
                Some(b'3') => Self::DesaAdat,
                _ => Self::Desa,
            },
        }
    }
}

text_enum! {
    /// Time zone of a region (Keppres 41/1987), as its IANA name.
    TimeZone {
        /// WIB, UTC+7.
        Wib = "Asia/Jakarta",
        /// WITA, UTC+8.
        Wita = "Asia/Makassar",
        /// WIT, UTC+9.
        Wit = "Asia/Jayapura",
    }
}

impl TimeZone {
    /// Of a code: Sumatra, Java, western and central Kalimantan; the middle; Maluku and Papua.
    pub fn of(code: &RegionCode) -> Self {
        match code.as_str().get(..2).and_then(|province| province.parse::<u8>().ok()).unwrap_or_default() {
            51..=53 | 63..=65 | 71..=76 => Self::Wita,
            81..=82 | 91..=97 => Self::Wit,
            _ => Self::Wib,
        }
    }

    /// Codes of the provinces in it, of those too that there may be one day.
    pub fn provinces(self) -> Vec<RegionCode> {
        let all = (11..=97).filter_map(|number: u8| RegionCode::parse(&number.to_string()).ok());
        all.filter(|code| Self::of(code) == self).collect()
    }

    /// The day that it is there.
    pub fn day(self, at: DateTime<Utc>) -> NaiveDate {
        (at + self.ahead()).date_naive()
    }

    /// What its clocks show.
    pub fn local(self, at: DateTime<Utc>) -> NaiveDateTime {
        (at + self.ahead()).naive_utc()
    }

    /// As it stands beside a time: WIB, WITA, WIT.
    pub fn short(self) -> &'static str {
        match self {
            Self::Wib => "WIB",
            Self::Wita => "WITA",
            Self::Wit => "WIT",
        }
    }

    /// When its clocks show this time of a day.
    pub fn instant(self, day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
        day.and_time(time).and_utc() - self.ahead()
    }

    /// Of UTC; there is no summer time.
    fn ahead(self) -> TimeDelta {
        TimeDelta::hours(match self {
            Self::Wib => 7,
            Self::Wita => 8,
            Self::Wit => 9,
        })
    }
}

/// One line of the official table.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Listed {
    /// Dotted.
    pub code: RegionCode,
    /// As the regulation writes it.
    pub name: String,
    /// Five digits, of current villages only.
    pub postal_code: Option<String>,
    /// Year of the last list that had it; none = current.
    pub last_listed: Option<i16>,
}

impl Listed {
    /// For comparing names.
    pub fn folded(&self) -> String {
        fold(&self.name)
    }
}

/// The table that comes with the service (Kepmendagri 300.2.2-2138/2025; licence in `data/NOTICE`).
pub fn shipped() -> anyhow::Result<Vec<Listed>> {
    read(&include_bytes!("../../data/regions.csv.gz")[..])
}

/// Reads `code,name,postal_code,last_listed`, gzipped. Parents come before their children.
pub fn read(gzipped: impl Read) -> anyhow::Result<Vec<Listed>> {
    let mut rows = csv::Reader::from_reader(flate2::read::GzDecoder::new(gzipped))
        .into_deserialize()
        .enumerate()
        .map(|(index, row)| row.map_err(|error| anyhow::anyhow!("row {} of the table: {error}", index + 1)))
        .collect::<Result<Vec<Listed>, _>>()?;
    rows.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(rows)
}

/// What a region became, as an official mapping says.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Succession {
    /// The one that is no longer.
    pub old_code: RegionCode,
    /// One that took its place.
    pub new_code: RegionCode,
}

/// Reads `old_code,new_code`. Several lines for a region that was split.
pub fn read_successors(file: impl Read) -> anyhow::Result<Vec<Succession>> {
    let rows = csv::Reader::from_reader(file).into_deserialize().enumerate();
    rows.map(|(index, row)| {
        let pair: Succession = row.map_err(|error| anyhow::anyhow!("row {} of the mapping: {error}", index + 1))?;
        let fits = pair.old_code != pair.new_code && pair.old_code.level() == pair.new_code.level();
        anyhow::ensure!(fits, "row {} of the mapping: two different codes of one level", index + 1);
        Ok(pair)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_tells_kind_and_time_zone() {
        let of = |raw: &str| {
            let code = RegionCode::parse(raw).unwrap();
            (RegionKind::of(&code), TimeZone::of(&code))
        };
        assert_eq!(of("17"), (RegionKind::Provinsi, TimeZone::Wib));
        assert_eq!(of("17.06"), (RegionKind::Kabupaten, TimeZone::Wib));
        assert_eq!(of("17.71"), (RegionKind::Kota, TimeZone::Wib));
        assert_eq!(of("17.06.02"), (RegionKind::Kecamatan, TimeZone::Wib));
        assert_eq!(of("17.06.02.1009"), (RegionKind::Kelurahan, TimeZone::Wib));
        assert_eq!(of("17.06.02.2001"), (RegionKind::Desa, TimeZone::Wib));
        assert_eq!(of("91.03.01.3001"), (RegionKind::DesaAdat, TimeZone::Wit));
        assert_eq!(of("64.72"), (RegionKind::Kota, TimeZone::Wita));
        assert_eq!(of("62.71"), (RegionKind::Kota, TimeZone::Wib));
        let provinces: Vec<RegionCode> = TimeZone::ALL.iter().flat_map(|zone| zone.provinces()).collect();
        for region in shipped().unwrap().iter().filter(|region| region.code.level() == RegionLevel::Province) {
            assert_eq!(provinces.iter().filter(|code| **code == region.code).count(), 1, "{}", region.code);
        }
    }

    #[test]
    fn the_shipped_table_is_whole() {
        let rows = shipped().unwrap();
        let current = |level| rows.iter().filter(|r| r.last_listed.is_none() && r.code.level() == level).count();
        assert_eq!(rows.len(), 98_608);
        assert_eq!(current(RegionLevel::Province), 38);
        assert_eq!(current(RegionLevel::Regency), 514);
        assert_eq!(current(RegionLevel::District), 7_285);
        assert_eq!(current(RegionLevel::Village), 83_762);
        let mukomuko = RegionCode::parse("17.06").unwrap();
        let villages = rows.iter().filter(|r| {
            r.last_listed.is_none() && r.code.level() == RegionLevel::Village && mukomuko.contains(&r.code)
        });
        assert_eq!(villages.count(), 151);
    }
}
