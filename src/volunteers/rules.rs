//! What a volunteer may be, who decides on one, and which moves there are. Pure.
pub mod documents;
pub mod likeness;
pub mod search;

use crate::access::rules::{AgencyKind, Caller, Sight};
use crate::platform::error::{ApiError, Fault};
use crate::platform::nik::{Nik, NikStatus, Sex};
use crate::platform::person::age;
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::{error_codes, text_enum};
use chrono::NaiveDate;

error_codes! {
    /// The NIK is that of a volunteer whom the caller sees: `id` names it.
    VOLUNTEER_EXISTS = (409, "volunteer_exists", "NIK ini sudah terdaftar.", "This NIK is already registered.");
    /// Others are alike in name, birth date and village: `candidates` names them. `override_duplicate` says that it is another
    /// person.
    VOLUNTEER_ALIKE = (409, "volunteer_alike", "Sudah ada PSM yang serupa.", "There are volunteers who are alike.");
    /// The row has been merged: `id` names the one that the person is found under.
    VOLUNTEER_MERGED = (409, "volunteer_merged", "Data ini sudah digabung dengan data lain.", "This record has been merged into another one.");
    /// The volunteer is not in a status that the act begins from: `state`, `since` and `by` tell.
    VOLUNTEER_STATE_CONFLICT = (409, "volunteer_state_conflict", "Status PSM tidak memungkinkan tindakan ini.", "The status of the volunteer does not allow this act.");
    /// The caller sees the volunteer but does not decide on it. What spans two provinces is the ministry's.
    NOT_THE_AUTHORITY = (403, "not_the_authority", "Hanya Dinas Sosial wilayah penugasan yang berwenang.", "Only the social office of the posting's region decides.");
}

text_enum! {
    /// Where a volunteer stands.
    VolunteerStatus {
        /// Proposed.
        Candidate = "candidate",
        /// Documents and requirements checked.
        Verified = "verified",
        /// Chosen, not yet appointed.
        Selected = "selected",
        /// Appointed by letter and at work.
        Active = "active",
        /// Appointed, not at work for a time.
        Inactive = "inactive",
        /// Not chosen.
        Rejected = "rejected",
        /// Left by own wish.
        Resigned = "resigned",
        /// Removed.
        Dismissed = "dismissed",
        /// Died.
        Deceased = "deceased",
    }
}

text_enum! {
    /// What can be done to a volunteer's status.
    VolunteerAction {
        /// Candidate → verified.
        Verify = "verify",
        /// Verified → selected.
        Select = "select",
        /// Selected → active, with the appointment letter.
        Activate = "activate",
        /// Active → inactive.
        Deactivate = "deactivate",
        /// Inactive → active.
        Reactivate = "reactivate",
        /// Candidate, verified, selected → rejected.
        Reject = "reject",
        /// Active, inactive → resigned.
        Resign = "resign",
        /// Active, inactive → dismissed.
        Dismiss = "dismiss",
        /// Active, inactive → deceased.
        DeclareDeceased = "declare-deceased",
        /// Resigned, rejected → candidate again: same row, same NIK.
        Reapply = "reapply",
        /// Undoes the last of resigned, dismissed, deceased.
        Correct = "correct",
    }
}

text_enum! {
    /// What a row of the history tells of.
    HistoryAction {
        /// Registered.
        Create = "create",
        /// See the actions.
        Verify = "verify",
        /// See the actions.
        Select = "select",
        /// See the actions.
        Activate = "activate",
        /// See the actions.
        Deactivate = "deactivate",
        /// See the actions.
        Reactivate = "reactivate",
        /// See the actions.
        Reject = "reject",
        /// See the actions.
        Resign = "resign",
        /// See the actions.
        Dismiss = "dismiss",
        /// See the actions.
        DeclareDeceased = "declare-deceased",
        /// See the actions.
        Reapply = "reapply",
        /// See the actions.
        Correct = "correct",
    }
}

text_enum! {
    /// Highest training passed; set by training alone.
    TrainingLevel {
        /// No training passed.
        None = "none",
        /// Bimtek dasar.
        Basic = "basic",
        /// Bimtek lanjutan.
        Advanced = "advanced",
    }
}

text_enum! {
    /// What the person is who accompanies a volunteer.
    SupervisorKind {
        /// Tenaga Kesejahteraan Sosial Kecamatan: the social worker of a district.
        Tksk = "tksk",
        /// An officer of the social office.
        DinsosOfficer = "dinsos_officer",
    }
}

text_enum! {
    /// Whether a NIK is that of one row only.
    IdentityState {
        /// It is, or there is none.
        Sole = "sole",
        /// A row that the registering agency cannot see has it too.
        Disputed = "disputed",
        /// The row has been merged into another one and lends it the NIK no longer.
        Merged = "merged",
    }
}

text_enum! {
    /// Where a NIK differs from what is stated. To be looked at, never an error: a NIK stays when data are corrected.
    NikWarning {
        /// The birth date in it is another one.
        BirthDateDiffers = "nik_birth_date_differs",
        /// The sex in it is another one.
        SexDiffers = "nik_sex_differs",
        /// The district in it never existed.
        RegionUnknown = "nik_region_unknown",
    }
}

impl VolunteerAction {
    /// Whether a reason must be given.
    pub fn needs_reason(self) -> bool {
        matches!(self, Self::Deactivate | Self::Reject | Self::Resign | Self::Dismiss | Self::Correct)
    }

    /// The same word in the history.
    pub fn as_history(self) -> HistoryAction {
        HistoryAction::parse(self.as_str()).unwrap_or(HistoryAction::Create)
    }

    /// As the audit record and the operation ids write it.
    pub fn verb(self) -> &'static str {
        if self == Self::DeclareDeceased { "declare_deceased" } else { self.as_str() }
    }
}

impl VolunteerStatus {
    /// Whether the volunteer has gone, unless that is corrected.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Resigned | Self::Dismissed | Self::Deceased)
    }

    /// Whether it serves, or may come to: it can be posted elsewhere, and its phone may do its work.
    pub fn is_engaged(self) -> bool {
        !self.has_ended() && self != Self::Rejected
    }
}

/// Where `action` leads from `status`; `ended_from` is what was left by the last resignation, dismissal or death. `None`:
/// not from here. The database has the same table (`volunteers_move_as_listed`).
pub fn next(
    status: VolunteerStatus,
    ended_from: Option<VolunteerStatus>,
    action: VolunteerAction,
) -> Option<VolunteerStatus> {
    use VolunteerAction as Do;
    use VolunteerStatus::{Active, Candidate, Deceased, Dismissed, Inactive, Rejected, Resigned, Selected, Verified};
    match (action, status) {
        (Do::Verify, Candidate) => Some(Verified),
        (Do::Select, Verified) => Some(Selected),
        (Do::Activate, Selected) | (Do::Reactivate, Inactive) => Some(Active),
        (Do::Deactivate, Active) => Some(Inactive),
        (Do::Reject, Candidate | Verified | Selected) => Some(Rejected),
        (Do::Resign, Active | Inactive) => Some(Resigned),
        (Do::Dismiss, Active | Inactive) => Some(Dismissed),
        (Do::DeclareDeceased, Active | Inactive) => Some(Deceased),
        (Do::Reapply, Resigned | Rejected) => Some(Candidate),
        (Do::Correct, Resigned | Dismissed | Deceased) => ended_from,
        _ => None,
    }
}

/// Whether the caller decides on volunteers posted in `village`: the social office of its regency, or of the province
/// above. A village proposes, the ministry watches; but see [`may_decide_between`].
pub fn may_decide(caller: &Caller, village: &RegionCode) -> bool {
    let office = matches!(caller.agency_kind, AgencyKind::DinsosRegency | AgencyKind::DinsosProvince);
    office && matches!(&caller.sight, Sight::Region(region) if region.contains(village))
}

/// Whether the caller decides on what lies in both villages: whoever decides on each; and the ministry, which is above both,
/// on what spans two provinces. What one province holds is its own.
pub fn may_decide_between(caller: &Caller, one: &RegionCode, other: &RegionCode) -> bool {
    let provinces = [one, other].map(|village| village.at(RegionLevel::Province));
    let above = caller.agency_kind == AgencyKind::Ministry && provinces[0] != provinces[1];
    above || (may_decide(caller, one) && may_decide(caller, other))
}

/// Whether an agency may accompany volunteers posted in `village`: the social offices of its region.
pub fn may_supervise(kind: AgencyKind, regions: &[RegionCode], village: &RegionCode) -> bool {
    matches!(kind, AgencyKind::DinsosRegency | AgencyKind::DinsosProvince)
        && regions.iter().any(|region| region.contains(village))
}

/// Whether the caller may propose a candidate for `village`: its government, or the social offices above.
pub fn may_propose(caller: &Caller, village: &RegionCode) -> bool {
    let own_village = caller.agency_kind == AgencyKind::VillageGovernment;
    let here = matches!(&caller.sight, Sight::Region(region) if region.contains(village));
    (own_village && here) || may_decide(caller, village)
}

/// The letter (surat keputusan) by which a volunteer is appointed.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its number.
    pub number: String,
    /// Its date.
    pub date: NaiveDate,
    /// Who signed it.
    pub official: String,
}

impl Letter {
    /// Refuses one that is not made out yet.
    pub fn check(&self, today: NaiveDate) -> Result<(), ApiError> {
        if self.date > today {
            return Err(ApiError::rule("/sk_date", Fault::new("in_the_future", "belum tiba", "has not come yet")));
        }
        Ok(())
    }
}

/// A PSM is at least this old (Permensos 10/2019).
pub const MINIMUM_AGE: u32 = 18;

/// Refuses a birth date that makes no volunteer.
pub fn check_birth_date(born: Option<NaiveDate>, today: NaiveDate) -> Result<(), ApiError> {
    let Some(birth_date) = born else { return Ok(()) };
    let fault = |code, id, en| Err(ApiError::rule("/birth_date", Fault::new(code, id, en)));
    match age(birth_date, today) {
        0..MINIMUM_AGE => {
            fault("too_young", "PSM berusia paling sedikit 18 tahun", "a volunteer is at least 18 years old")
        }
        121.. => fault("too_old", "lebih dari 120 tahun yang lalu", "more than 120 years ago"),
        _ => Ok(()),
    }
}

/// Refuses a certificate that is not made out yet.
pub fn check_certificate(date: Option<NaiveDate>, today: NaiveDate) -> Result<(), ApiError> {
    if date.is_some_and(|date| date > today) {
        let fault = Fault::new("in_the_future", "belum tiba", "has not come yet");
        return Err(ApiError::rule("/certificate_date", fault));
    }
    Ok(())
}

/// Refuses a change that would hold before the one that it follows, or only some day.
pub fn check_effective(on: NaiveDate, previous: NaiveDate, today: NaiveDate) -> Result<(), ApiError> {
    let fault = |code, id, en| Err(ApiError::rule("/effective_on", Fault::new(code, id, en)));
    if on > today {
        return fault("in_the_future", "belum tiba", "has not come yet");
    }
    if on < previous {
        return fault(
            "before_previous",
            "lebih awal dari perubahan sebelumnya",
            "is before the change before this one",
        );
    }
    Ok(())
}

/// What is known of a NIK: with one, `well_formed` unless it was checked; without, `unknown` unless there is none.
pub fn nik_status(has_nik: bool, stated: Option<NikStatus>) -> Result<NikStatus, ApiError> {
    let possible = |status| matches!(status, NikStatus::Verified | NikStatus::WellFormed) == has_nik;
    match stated {
        None => Ok(if has_nik { NikStatus::WellFormed } else { NikStatus::Unknown }),
        Some(status) if possible(status) => Ok(status),
        Some(_) => {
            let fault = Fault::new(
                "nik_status_wrong",
                "verified dan well_formed dengan NIK; none dan unknown tanpa NIK",
                "verified and well_formed with a NIK; none and unknown without",
            );
            Err(ApiError::rule("/nik_status", fault))
        }
    }
}

/// Where the NIK differs from what is stated.
pub fn nik_warnings(
    nik: &Nik,
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
    known_district: bool,
) -> Vec<NikWarning> {
    let differs = [
        (NikWarning::BirthDateDiffers, birth_date.is_some_and(|date| !nik.agrees_with_birth_date(date))),
        (NikWarning::SexDiffers, sex.is_some_and(|sex| sex != nik.sex())),
        (NikWarning::RegionUnknown, !known_district),
    ];
    differs.into_iter().filter_map(|(warning, yes)| yes.then_some(warning)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// Every status × every action, for a caseworker to review.
    #[test]
    fn every_move() {
        let mut table = String::new();
        for status in VolunteerStatus::ALL {
            for ended_from in [VolunteerStatus::Active, VolunteerStatus::Inactive] {
                if !status.has_ended() && ended_from == VolunteerStatus::Inactive {
                    continue;
                }
                let left = status.has_ended().then_some(ended_from);
                let shown = left.map(|left| format!(" (was {left})")).unwrap_or_default();
                for action in VolunteerAction::ALL {
                    let to = next(*status, left, *action).map_or("-", VolunteerStatus::as_str);
                    writeln!(table, "{:<30} {:<17} {to}", format!("{status}{shown}"), action.as_str()).unwrap();
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn history_knows_every_action() {
        for action in VolunteerAction::ALL {
            assert_eq!(action.as_history().as_str(), action.as_str());
        }
    }

    #[test]
    fn a_nik_is_compared_with_what_is_stated() {
        let nik = Nik::parse("1706024508950001").unwrap();
        let born = |d| NaiveDate::from_ymd_opt(1995, 8, d);
        assert_eq!(nik_warnings(&nik, born(5), Some(Sex::Female), true), []);
        assert_eq!(nik_warnings(&nik, None, None, true), []);
        assert_eq!(
            nik_warnings(&nik, born(6), Some(Sex::Male), false),
            [NikWarning::BirthDateDiffers, NikWarning::SexDiffers, NikWarning::RegionUnknown]
        );
        assert!(
            nik_status(true, Some(NikStatus::None)).is_err() && nik_status(false, Some(NikStatus::Verified)).is_err()
        );
        assert_eq!(nik_status(false, None).unwrap(), NikStatus::Unknown);
    }
}
