//! The state machine of a referral, who is party to it, and what of the person its receiver sees. Pure.
mod chain;
pub mod documents;
mod period;
pub mod talk;

pub use chain::{chain_before, chain_of};
pub use period::Period;

use crate::access::rules::{AgencyId, Caller, Scope, Sight};
use crate::platform::region_code::RegionCode;
use crate::{error_codes, text_enum, uuid_id};
use chrono::{DateTime, Days, TimeDelta, Utc};

uuid_id!(/** Identifies a referral. */ ReferralId);

/// Without an answer a referral expires after so long.
pub const EXPIRY: TimeDelta = TimeDelta::days(30);
/// What is on hold is looked at again after so long, unless its receiver says otherwise.
pub const REVIEW: Days = Days::new(14);
/// An ending may be corrected for so long.
pub const CORRECTION: TimeDelta = TimeDelta::days(7);

/// A line of the history: the clock reminded of it.
pub const REMIND: &str = "remind";
/// A line of the history: the clock told those above of it.
pub const ESCALATE: &str = "escalate";

error_codes! {
    /// The referral is not in a state that the act begins from; `state`, `since` and `by` tell the one it is in.
    REFERRAL_STATE_CONFLICT = (409, "referral_state_conflict", "Keadaan rujukan tidak memungkinkan tindakan ini.", "The state of the referral does not allow this act.");
    /// The caller sees the referral, but the act is the other party's.
    NOT_A_PARTY = (403, "not_a_party", "Tindakan ini milik pihak lain pada rujukan.", "This act belongs to another party of the referral.");
    /// The receiver's entry does not let it forward.
    MAY_NOT_FORWARD = (403, "may_not_forward", "Sistem sumber ini tidak dapat meneruskan rujukan.", "This source system may not forward referrals.");
    /// Sight of a `received` referral is for finding out whether the person is entitled.
    PURPOSE_NOT_ALLOWED = (403, "purpose_not_allowed", "Tujuan ini belum diperbolehkan pada keadaan rujukan ini.", "This purpose is not allowed in this state of the referral.");
    /// The target was asked before.
    FORWARD_LOOP = (409, "forward_loop", "Rujukan sudah pernah berada di tujuan ini.", "The referral has already been at this target.");
    /// The case already has an open referral there.
    REFERRAL_OPEN_AT_TARGET = (409, "referral_open_at_target", "Kasus ini sudah memiliki rujukan terbuka di tujuan ini.", "The case already has an open referral at this target.");
    /// The receiver uses this reference for another referral.
    PARTNER_REFERENCE_TAKEN = (409, "partner_reference_taken", "Nomor acuan ini sudah dipakai untuk rujukan lain.", "This reference is already used for another referral.");
    /// Another branch has claimed it.
    REFERRAL_CLAIMED = (409, "referral_claimed", "Rujukan sudah diambil cabang lain.", "The referral has been claimed by another branch.");
    /// It is open to several branches: one takes it before it works on it.
    CLAIM_FIRST = (409, "claim_first", "Rujukan ini terbuka untuk beberapa cabang: ambil (claim) dahulu.", "This referral is open to several branches: claim it first.");
    /// More than seven days after it ended.
    CORRECTION_OVER = (409, "correction_over", "Batas 7 hari untuk koreksi sudah lewat.", "The 7 days for correcting are over.");
    /// It was forwarded, and the next referral is open.
    SUCCESSOR_OPEN = (409, "successor_open", "Rujukan penerusnya masih terbuka.", "The referral that follows it is still open.");
}

text_enum! {
    /// Where a referral stands.
    ReferralStatus {
        /// Sent.
        Submitted = "submitted",
        /// The receiver knows of it.
        Received = "received",
        /// The receiver will meet the need.
        Accepted = "accepted",
        /// At work.
        InProgress = "in_progress",
        /// Waiting.
        OnHold = "on_hold",
        /// Ended with an outcome.
        Completed = "completed",
        /// Declined.
        Rejected = "rejected",
        /// Could not be met.
        Failed = "failed",
        /// Passed on: another referral follows.
        Forwarded = "forwarded",
        /// Taken back before an answer.
        Withdrawn = "withdrawn",
        /// Taken back after it was accepted.
        Cancelled = "cancelled",
        /// No answer in time.
        Expired = "expired",
        /// Should never have been.
        EnteredInError = "entered_in_error",
    }
}

impl ReferralStatus {
    /// Whether its receiver still has something to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Submitted | Self::Received | Self::Accepted | Self::InProgress | Self::OnHold)
    }

    /// Whether it waits for an answer, and may expire.
    pub fn is_unanswered(self) -> bool {
        matches!(self, Self::Submitted | Self::Received)
    }
}

text_enum! {
    /// What may be done with a referral; the word of its path.
    ReferralAction {
        /// Tell that it has arrived.
        Acknowledge = "acknowledge",
        /// Take it on.
        Accept = "accept",
        /// Decline it.
        Reject = "reject",
        /// Pass it on.
        Forward = "forward",
        /// Begin the work.
        Start = "start",
        /// Let it wait.
        Hold = "hold",
        /// Go on with it.
        Resume = "resume",
        /// Finish it with an outcome.
        Complete = "complete",
        /// Give it up.
        Fail = "fail",
        /// Take it for one branch.
        Claim = "claim",
        /// Give it back to all branches, or to who it is addressed to.
        Release = "release",
        /// Take it back before an answer.
        Withdraw = "withdraw",
        /// Take it back after it was accepted.
        Cancel = "cancel",
        /// Let it run out.
        Expire = "expire",
        /// Undo its ending.
        Correct = "correct",
        /// Say that it should never have been.
        MarkError = "mark-error",
    }
}

impl ReferralAction {
    /// The scope that a token needs for it; none: nobody's but the clock's.
    pub fn scope(self) -> Option<Scope> {
        match self {
            Self::Expire => None,
            Self::Withdraw | Self::Cancel => Some(Scope::ReferralsSend),
            Self::Correct | Self::MarkError => Some(Scope::ReferralsCorrect),
            _ => Some(Scope::ReferralsHandle),
        }
    }

    /// The code list of its reason, if it takes one.
    pub fn reasons(self) -> Option<&'static str> {
        match self {
            Self::Reject => Some("decline-reasons"),
            Self::Fail => Some("failure-reasons"),
            Self::Hold => Some("hold-reasons"),
            Self::Forward => Some("forward-reasons"),
            Self::Withdraw | Self::Cancel => Some("withdrawal-reasons"),
            Self::Correct | Self::MarkError => Some("correction-reasons"),
            _ => None,
        }
    }

    /// Whether it begins from the state of the case: then the case is locked before the referral.
    pub fn needs_case(self) -> bool {
        matches!(self, Self::Forward | Self::Correct)
    }
}

/// Who is party to a referral.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// Who asks.
    pub sender: AgencyId,
    /// Who is asked.
    pub receiver: AgencyId,
    /// The branch that has claimed it.
    pub handler: Option<AgencyId>,
    /// The branches that may.
    pub pool: &'a [AgencyId],
}

impl Sides<'_> {
    /// Whether the caller is one of the branches that may claim it, and nobody has yet.
    pub fn in_pool(self, caller: &Caller) -> bool {
        caller.branch && self.handler.is_none() && self.pool.contains(&caller.agency)
    }
}

/// Which sides of a referral the mover is on. An office that refers to itself is on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Party {
    /// It asked.
    pub sender: bool,
    /// It was asked.
    pub receiver: bool,
    /// Nobody: time passed.
    pub clock: bool,
}

impl Party {
    /// The clock's job.
    pub const CLOCK: Self = Self { sender: false, receiver: false, clock: true };

    /// The sides of a caller. A phone is only ever sender; a branch is receiver of what it has claimed or may claim.
    pub fn of(caller: &Caller, sides: Sides<'_>) -> Self {
        let own = |agency: AgencyId| match &caller.sight {
            Sight::Addressed(agencies) => agencies.contains(&agency),
            _ => agency == caller.agency,
        };
        let office = caller.volunteer.is_none();
        let receiver = own(sides.receiver) || sides.handler.is_some_and(own) || sides.in_pool(caller);
        Self { sender: sides.sender == caller.agency, receiver: office && receiver, clock: false }
    }
}

/// What a move depends on beside the state.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// Where the referral stands.
    pub status: ReferralStatus,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Where it stood before it was held.
    pub held_from: Option<ReferralStatus>,
    /// Where it stood before it ended.
    pub ended_from: Option<ReferralStatus>,
    /// The receiver's entry lets it forward.
    pub may_forward: bool,
    /// Somebody has claimed it.
    pub claimed: bool,
    /// A branch other than the mover has.
    pub claimed_by_other: bool,
    /// The mover is one of the branches that may claim it, and nobody has.
    pub in_pool: bool,
    /// The case is open.
    pub case_open: bool,
    /// The case has another open referral at this receiver.
    pub rival_open: bool,
    /// It was forwarded and the next referral is open.
    pub successor_open: bool,
}

/// Why a move is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is the other party's.
    NotAParty,
    /// The receiver may not forward.
    MayNotForward,
    /// The table has no such move.
    State,
    /// Another branch has it.
    Claimed,
    /// The branch has to claim it before.
    ClaimFirst,
    /// Too late for a correction.
    CorrectionOver,
    /// The case is closed.
    CaseClosed,
    /// Another referral is open at this target.
    RivalOpen,
    /// The next referral is open.
    SuccessorOpen,
}

/// The whole table of moves: by whom, from where, to where.
pub fn decide(action: ReferralAction, facts: &Facts, party: Party) -> Result<ReferralStatus, Refused> {
    use ReferralAction as A;
    use ReferralStatus as S;
    let allowed = match action {
        A::Expire => party.clock,
        A::Withdraw | A::Cancel | A::MarkError => party.sender,
        _ => party.receiver,
    };
    if !allowed {
        return Err(Refused::NotAParty);
    }
    if action == A::Forward && !facts.may_forward {
        return Err(Refused::MayNotForward);
    }
    let to = match (action, facts.status) {
        (A::Acknowledge, S::Submitted) => S::Received,
        (A::Accept, S::Submitted | S::Received) => S::Accepted,
        (A::Reject, S::Submitted | S::Received) => S::Rejected,
        (A::Forward, S::Submitted | S::Received | S::Accepted) => S::Forwarded,
        (A::Start, S::Accepted) => S::InProgress,
        (A::Hold, S::Accepted | S::InProgress) => S::OnHold,
        (A::Resume, S::OnHold) => facts.held_from.ok_or(Refused::State)?,
        (A::Complete, S::Accepted | S::InProgress) => S::Completed,
        (A::Fail, S::Accepted | S::InProgress | S::OnHold) => S::Failed,
        (A::Claim, S::Submitted | S::Received) if !facts.claimed || facts.claimed_by_other => facts.status,
        // Where several may claim it, that comes first.
        (A::Release, S::Submitted | S::Received) if facts.claimed || facts.in_pool => facts.status,
        // A branch that has taken it on sees it through; who it is addressed to may take it back, for a branch may be gone.
        (A::Release, S::Accepted | S::InProgress | S::OnHold) if facts.claimed_by_other => facts.status,
        (A::Withdraw, S::Submitted | S::Received) => S::Withdrawn,
        (A::Cancel, S::Accepted | S::InProgress | S::OnHold) => S::Cancelled,
        (A::Expire, S::Submitted | S::Received) => S::Expired,
        (A::Correct, S::Rejected | S::Completed | S::Failed) => facts.ended_from.ok_or(Refused::State)?,
        (A::MarkError, from) if from != S::EnteredInError => S::EnteredInError,
        _ => return Err(Refused::State),
    };
    Ok(to)
}

/// What else stands in the way of a move that the table allows.
pub fn check(action: ReferralAction, facts: &Facts, now: DateTime<Utc>) -> Result<(), Refused> {
    let receivers = !matches!(
        action,
        ReferralAction::Withdraw
            | ReferralAction::Cancel
            | ReferralAction::MarkError
            | ReferralAction::Expire
            | ReferralAction::Release
            | ReferralAction::Correct
    );
    if receivers && facts.claimed_by_other {
        return Err(Refused::Claimed);
    }
    if facts.in_pool && action != ReferralAction::Claim && (receivers || action == ReferralAction::Release) {
        return Err(Refused::ClaimFirst);
    }
    match action {
        ReferralAction::Correct if now - facts.since > CORRECTION => Err(Refused::CorrectionOver),
        ReferralAction::Correct | ReferralAction::Forward if !facts.case_open => Err(Refused::CaseClosed),
        ReferralAction::Correct if facts.rival_open => Err(Refused::RivalOpen),
        ReferralAction::MarkError if facts.successor_open => Err(Refused::SuccessorOpen),
        _ => Ok(()),
    }
}

/// What a caller may do now, in the order of [`ReferralAction::ALL`].
pub fn allowed_actions(caller: &Caller, party: Party, facts: &Facts, now: DateTime<Utc>) -> Vec<ReferralAction> {
    let may = |action: ReferralAction| {
        action.scope().is_some_and(|scope| caller.scopes.has(scope))
            && decide(action, facts, party).is_ok()
            && check(action, facts, now).is_ok()
    };
    ReferralAction::ALL.iter().copied().filter(|action| may(*action)).collect()
}

/// How much of the person a caller sees by this referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonSight {
    /// The person, with numbers masked.
    Open,
    /// Need, initials, age band, region; numbers by a reveal for `eligibility`.
    Eligibility,
    /// Need, initials, age band, region.
    Masked,
    /// Nothing: the referral's header.
    Header,
}

/// Sight of the person. Governments of the region, the sender and the volunteer know the person; a source system is
/// shown no more than its part of the work needs, and so is a government that was asked and does not know the person. `hidden`: what is
/// wrong is not for the caller to know as the government of a village, or as who speaks for it.
pub fn person_sight(
    caller: &Caller,
    village: &RegionCode,
    sides: Sides<'_>,
    status: ReferralStatus,
    hidden: bool,
) -> PersonSight {
    let knows = match &caller.sight {
        Sight::Everything | Sight::Own(_) => true,
        Sight::Region(region) => region.contains(village),
        Sight::Addressed(_) => false,
    };
    if !hidden && (knows || sides.sender == caller.agency) {
        return PersonSight::Open;
    }
    if !matches!(caller.sight, Sight::Addressed(_)) && sides.receiver != caller.agency {
        return PersonSight::Header;
    }
    // Several branches look at what one of them will take.
    if sides.in_pool(caller) {
        return PersonSight::Masked;
    }
    match status {
        ReferralStatus::Submitted => PersonSight::Masked,
        ReferralStatus::Received => PersonSight::Eligibility,
        ReferralStatus::Accepted | ReferralStatus::InProgress | ReferralStatus::OnHold => PersonSight::Open,
        _ => PersonSight::Header,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn facts(status: ReferralStatus) -> Facts {
        Facts {
            status,
            since: DateTime::UNIX_EPOCH,
            held_from: (status == ReferralStatus::OnHold).then_some(ReferralStatus::InProgress),
            ended_from: (!status.is_open()).then_some(ReferralStatus::Accepted),
            may_forward: true,
            claimed: false,
            claimed_by_other: false,
            in_pool: false,
            case_open: true,
            rival_open: false,
            successor_open: false,
        }
    }

    /// Every state, every action, every party: for review by those who do the work.
    #[test]
    fn the_whole_state_machine() {
        let parties = [
            ("sender", Party { sender: true, ..Party::default() }),
            ("receiver", Party { receiver: true, ..Party::default() }),
            ("both", Party { sender: true, receiver: true, clock: false }),
            ("the clock", Party::CLOCK),
            ("neither", Party::default()),
        ];
        let mut table = String::new();
        for status in ReferralStatus::ALL {
            let _ = writeln!(table, "{status}");
            for action in ReferralAction::ALL {
                let _ = write!(table, "  {action:<12}");
                // What is released was claimed, here by a branch of the receiver.
                let claimed = *action == ReferralAction::Release;
                let facts = Facts { claimed, claimed_by_other: claimed, ..facts(*status) };
                for (name, party) in parties {
                    let result = match decide(*action, &facts, party) {
                        Ok(to) => to.to_string(),
                        Err(Refused::NotAParty) => "-".to_owned(),
                        Err(_) => "x".to_owned(),
                    };
                    let _ = write!(table, " {name}: {result:<17}");
                }
                let kept = table.trim_end().len();
                table.truncate(kept);
                table.push('\n');
            }
        }
        table.push_str("\n-  not this party's act (403)\nx  not in this state (409)\non_hold was in_progress before; what ended was accepted before; what is released a branch had claimed\n");
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_held_referral_goes_on_where_it_stood_and_a_corrected_one_too() {
        let receiver = Party { receiver: true, ..Party::default() };
        let held = Facts { held_from: Some(ReferralStatus::Accepted), ..facts(ReferralStatus::OnHold) };
        assert_eq!(decide(ReferralAction::Resume, &held, receiver), Ok(ReferralStatus::Accepted));
        let ended = Facts { ended_from: Some(ReferralStatus::OnHold), ..facts(ReferralStatus::Failed) };
        assert_eq!(decide(ReferralAction::Correct, &ended, receiver), Ok(ReferralStatus::OnHold));
    }

    #[test]
    fn what_else_stands_in_the_way() {
        let ended = facts(ReferralStatus::Completed);
        let (in_time, late) = (ended.since + CORRECTION, ended.since + CORRECTION + TimeDelta::seconds(1));
        assert_eq!(check(ReferralAction::Correct, &ended, in_time), Ok(()));
        assert_eq!(check(ReferralAction::Correct, &ended, late), Err(Refused::CorrectionOver));
        let closed = Facts { case_open: false, ..ended };
        assert_eq!(check(ReferralAction::Correct, &closed, in_time), Err(Refused::CaseClosed));
        assert_eq!(check(ReferralAction::Accept, &closed, in_time), Ok(()));
        let rival = Facts { rival_open: true, ..ended };
        assert_eq!(check(ReferralAction::Correct, &rival, in_time), Err(Refused::RivalOpen));
        let next = Facts { successor_open: true, ..facts(ReferralStatus::Forwarded) };
        assert_eq!(check(ReferralAction::MarkError, &next, late), Err(Refused::SuccessorOpen));
        let claimed = Facts { claimed_by_other: true, ..facts(ReferralStatus::Submitted) };
        assert_eq!(check(ReferralAction::Accept, &claimed, late), Err(Refused::Claimed));
        assert_eq!(check(ReferralAction::Withdraw, &claimed, late), Ok(()));
        let receiver = Party { receiver: true, ..Party::default() };
        for status in [ReferralStatus::Accepted, ReferralStatus::InProgress, ReferralStatus::OnHold] {
            let taken = Facts { claimed_by_other: true, ..facts(status) };
            assert_eq!(decide(ReferralAction::Release, &taken, receiver), Ok(status));
            assert_eq!(check(ReferralAction::Release, &taken, late), Ok(()));
            assert_eq!(decide(ReferralAction::Release, &facts(status), receiver), Err(Refused::State));
        }
        let pooled = Facts { in_pool: true, ..facts(ReferralStatus::Submitted) };
        assert_eq!(check(ReferralAction::Claim, &pooled, late), Ok(()));
        assert_eq!(check(ReferralAction::Accept, &pooled, late), Err(Refused::ClaimFirst));
        assert_eq!(check(ReferralAction::Release, &pooled, late), Err(Refused::ClaimFirst));
    }
}
