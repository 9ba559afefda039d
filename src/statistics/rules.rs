//! What is counted, by what, and for whom. Pure.
pub mod referrals;

use crate::access::rules::{Caller, Sight};
use crate::codes::rules::Labels;
use crate::platform::error::{ApiError, ApiResult, Fault, Place, RULE_BROKEN};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::text_enum;
use crate::training::rules::{EventLevel, TrainingNeed};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};

/// Raised when what is counted changes its meaning.
pub const DEFINITION_VERSION: i32 = 1;

/// Active volunteers that a village should have, unless the caller asks by another number: a target, never a constraint.
pub const TARGET: i64 = 1;
/// The largest target that may be asked by.
pub const MOST: i64 = 100;

/// The target that is asked by.
pub fn target(asked: Option<i64>) -> ApiResult<i64> {
    let target = asked.unwrap_or(TARGET);
    if (TARGET..=MOST).contains(&target) {
        return Ok(target);
    }
    let fault = Fault::new("out_of_range", "antara 1 dan 100", "between 1 and 100");
    Err(ApiError::malformed(Place::Parameter("target".to_owned()), fault))
}

text_enum! {
    /// By what volunteers are counted.
    VolunteerGroup {
        /// Where they stand.
        Status = "status",
        /// Highest training passed.
        Level = "level",
        /// As in civil registration.
        Sex = "sex",
        /// The regions directly below.
        Region = "region",
    }
}

text_enum! {
    /// By what those are counted who took part in training.
    TrainingGroup {
        /// The event.
        Event = "event",
        /// What it taught.
        Level = "level",
        /// The regions directly below, by where they are posted.
        Region = "region",
        /// As in civil registration.
        Sex = "sex",
        /// In which it was held.
        Year = "year",
        /// The bodies that sent speakers: who heard two is in both buckets.
        SpeakerAgency = "speaker_agency",
    }
}

text_enum! {
    /// By what those are counted who lack training.
    NeedGroup {
        /// Which they lack.
        Need = "need",
        /// The regions directly below.
        Region = "region",
    }
}

text_enum! {
    /// By what villages are counted.
    CoverageGroup {
        /// How near the target.
        State = "state",
        /// The regions directly below.
        Region = "region",
    }
}

text_enum! {
    /// How near a village is to its target of active volunteers.
    CoverageState {
        /// It has none.
        None = "none",
        /// It has some, fewer than the target.
        Below = "below",
        /// It has as many as it should, or more.
        Met = "met",
    }
}

text_enum! {
    /// Sex as figures tell it.
    SexGroup {
        /// Perempuan.
        Female = "female",
        /// Laki-laki.
        Male = "male",
        /// Not known.
        Unknown = "unknown",
    }
}

impl CoverageState {
    /// Of a village with so many active volunteers.
    pub fn of(active: i64, target: i64) -> Self {
        match active {
            ..=0 => Self::None,
            n if n < target => Self::Below,
            _ => Self::Met,
        }
    }

    /// The half-open range of active volunteers that it means.
    pub fn range(self, target: i64) -> (i64, i64) {
        match self {
            Self::None => (i64::MIN, 1),
            Self::Below => (1, target),
            Self::Met => (target, i64::MAX),
        }
    }
}

/// A text in both languages.
pub fn labels(id: &str, en: &str) -> Labels {
    Labels { id: id.to_owned(), en: en.to_owned() }
}

/// What a status is called.
pub fn status_labels(status: VolunteerStatus) -> Labels {
    match status {
        VolunteerStatus::Candidate => labels("Calon", "Candidate"),
        VolunteerStatus::Verified => labels("Terverifikasi", "Verified"),
        VolunteerStatus::Selected => labels("Terpilih", "Selected"),
        VolunteerStatus::Active => labels("Aktif", "Active"),
        VolunteerStatus::Inactive => labels("Nonaktif", "Inactive"),
        VolunteerStatus::Rejected => labels("Ditolak", "Rejected"),
        VolunteerStatus::Resigned => labels("Mengundurkan diri", "Resigned"),
        VolunteerStatus::Dismissed => labels("Diberhentikan", "Dismissed"),
        VolunteerStatus::Deceased => labels("Meninggal dunia", "Deceased"),
    }
}

/// What a level is called.
pub fn level_labels(level: TrainingLevel) -> Labels {
    match level {
        TrainingLevel::None => labels("Belum mengikuti Bimtek", "No training"),
        TrainingLevel::Basic => labels("Bimtek dasar", "Basic training"),
        TrainingLevel::Advanced => labels("Bimtek lanjutan", "Advanced training"),
    }
}

/// What training is called.
pub fn event_level_labels(level: EventLevel) -> Labels {
    match level {
        EventLevel::Basic => labels("Bimtek dasar", "Basic training"),
        EventLevel::Advanced => labels("Bimtek lanjutan", "Advanced training"),
        EventLevel::Other => labels("Pelatihan lain", "Other training"),
    }
}

/// What a need is called.
pub fn need_labels(need: TrainingNeed) -> Labels {
    match need {
        TrainingNeed::Basic => labels("Belum Bimtek dasar", "Lacks basic training"),
        TrainingNeed::Advanced => labels("Belum Bimtek lanjutan", "Lacks advanced training"),
    }
}

/// What a sex is called.
pub fn sex_labels(sex: SexGroup) -> Labels {
    match sex {
        SexGroup::Female => labels("Perempuan", "Female"),
        SexGroup::Male => labels("Laki-laki", "Male"),
        SexGroup::Unknown => labels("Tidak diketahui", "Not known"),
    }
}

/// What a state of coverage is called.
pub fn state_labels(state: CoverageState) -> Labels {
    match state {
        CoverageState::None => labels("Tanpa PSM aktif", "No active volunteer"),
        CoverageState::Below => labels("Di bawah sasaran", "Below the target"),
        CoverageState::Met => labels("Sasaran terpenuhi", "Target met"),
    }
}

/// The region that is asked for: the caller's own unless it names one that lies in it. `None`: the country. One outside is
/// as good as missing.
pub fn scope(caller: &Caller, asked: Option<RegionCode>) -> ApiResult<Option<RegionCode>> {
    match (&caller.sight, asked) {
        (Sight::Everything, asked) => Ok(asked),
        (Sight::Region(own), None) => Ok(Some(own.clone())),
        (Sight::Region(own), Some(asked)) if own.contains(&asked) => Ok(Some(asked)),
        _ => Err(ApiError::not_found()),
    }
}

/// The level directly below a region; a village has none.
pub fn level_below(region: Option<&RegionCode>) -> ApiResult<RegionLevel> {
    match region.map(RegionCode::level) {
        None => Ok(RegionLevel::Province),
        Some(RegionLevel::Province) => Ok(RegionLevel::Regency),
        Some(RegionLevel::Regency) => Ok(RegionLevel::District),
        Some(RegionLevel::District) => Ok(RegionLevel::Village),
        Some(RegionLevel::Village) => {
            let fault = Fault::new("no_deeper_level", "desa tidak dibagi lagi", "a village has no parts");
            Err(ApiError::from(&RULE_BROKEN).fault(Place::Parameter("group_by".to_owned()), fault))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_part_all_numbers() {
        for (active, target) in (-1..5).flat_map(|active| (TARGET..4).map(move |target| (active, target))) {
            let holds = |state: &&CoverageState| (state.range(target).0..state.range(target).1).contains(&active);
            let holding: Vec<_> = CoverageState::ALL.iter().filter(holds).collect();
            assert_eq!(holding, [&CoverageState::of(active, target)]);
        }
    }
}
