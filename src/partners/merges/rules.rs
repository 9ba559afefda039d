//! Which rows may become one, and for how long they can be parted. Pure.
use crate::error_codes;
use crate::volunteers::rules::VolunteerStatus;
use chrono::TimeDelta;

error_codes! {
    /// The rows cannot be one person as they stand: `because` says why (`niks_differ`, `duplicate_is_appointed`,
    /// `duplicate_has_ended`, `seats_in_one_event` with `events`).
    MERGE_BLOCKED = (409, "merge_blocked", "Kedua data belum dapat digabung.", "The two records cannot be merged as they are.");
    /// It was merged more than thirty days ago.
    MERGE_FINAL = (409, "merge_final", "Penggabungan sudah lewat 30 hari.", "The merge is more than thirty days old.");
}

/// For so long a merge can be undone.
pub const UNDO: TimeDelta = TimeDelta::days(30);

/// Whether an appointed volunteer would vanish behind one who is not: then the other one must survive.
pub fn hides_appointment(survivor: VolunteerStatus, duplicate: VolunteerStatus) -> bool {
    let appointed = |status| matches!(status, VolunteerStatus::Active | VolunteerStatus::Inactive);
    appointed(duplicate) && !appointed(survivor)
}

/// Whether a dismissal or a death would vanish behind a volunteer of whom it is not known.
pub fn hides_ending(survivor: VolunteerStatus, duplicate: VolunteerStatus) -> bool {
    let ended = |status| matches!(status, VolunteerStatus::Dismissed | VolunteerStatus::Deceased);
    ended(duplicate) && !ended(survivor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appointment_and_an_ending_stay_in_sight() {
        use VolunteerStatus::{Active, Candidate, Deceased, Dismissed, Inactive, Resigned};
        assert!(hides_appointment(Candidate, Active) && hides_appointment(Resigned, Inactive));
        assert!(hides_ending(Candidate, Dismissed) && hides_ending(Resigned, Deceased));
        assert!(!hides_ending(Dismissed, Dismissed) && !hides_ending(Candidate, Resigned));
        assert!(!hides_appointment(Active, Candidate) && !hides_appointment(Inactive, Active));
    }
}
