//! What the sides of a referral say to each other beside its moves: who may speak, for how long, and who reads it. Pure.
use super::{CORRECTION, Party, PersonSight, ReferralStatus, Sides};
use crate::access::rules::{AgencyId, Caller, Scope, Sight, VolunteerId};
use crate::{error_codes, text_enum, uuid_id};
use chrono::{DateTime, TimeDelta, Utc};

uuid_id!(/** Identifies a comment or a question of a referral. */ CommentId);

error_codes! {
    /// As many as a referral may have.
    TOO_MANY_COMMENTS = (409, "too_many_comments", "Rujukan ini sudah memiliki terlalu banyak komentar.", "This referral has too many comments already.");
}

text_enum! {
    /// What is said.
    CommentKind {
        /// Nobody has to answer it.
        Comment = "comment",
        /// The other side is to answer it.
        Question = "question",
    }
}

text_enum! {
    /// On which side of the referral it was said.
    TalkSide {
        /// Of who asked, who reported the case, and its volunteer.
        Sender = "sender",
        /// Of who was asked.
        Receiver = "receiver",
    }
}

impl TalkSide {
    /// The side that answers a question of this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }
}

/// Comments of a referral: more than any case needs, and no store for something else.
pub const MOST_COMMENTS: i32 = 500;
/// An ending that its receiver gave may be asked about for so long.
pub const TALK_AFTER: TimeDelta = TimeDelta::days(30);
// What can still be corrected can be talked about.
const _: () = assert!(TALK_AFTER.num_days() > CORRECTION.num_days());

/// The endings that the receiver gives: the others were the sender's own, the clock's, or lead to a referral that follows.
pub const ANSWERED: [ReferralStatus; 3] = [ReferralStatus::Completed, ReferralStatus::Rejected, ReferralStatus::Failed];

/// What speaking depends on, of the referral as it is now.
#[derive(Debug, Clone, Copy)]
pub struct TalkFacts {
    /// Where it stands.
    pub status: ReferralStatus,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The consent was taken back.
    pub restricted: bool,
    /// Another branch has claimed it.
    pub claimed_by_other: bool,
    /// Several branches may claim it, and the caller is one of them.
    pub in_pool: bool,
    /// How many there are.
    pub comments: i32,
}

impl TalkFacts {
    /// Whether anything may be said now.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        let asked_about = ANSWERED.contains(&self.status) && now - self.since < TALK_AFTER;
        !self.restricted && (self.status.is_open() || asked_about)
    }
}

/// On which sides somebody can speak. Who reported the case and its volunteer know the person, and answer for who sent it: of a
/// referral that was passed on the sender may be an office that never met them.
pub fn sides_of(caller: &Caller, sides: Sides<'_>, reporter: AgencyId, volunteer: Option<VolunteerId>) -> Party {
    let party = Party::of(caller, sides);
    let follows = matches!(&caller.sight, Sight::Own(own) if Some(*own) == volunteer);
    Party { sender: party.sender || follows || reporter == caller.agency, ..party }
}

/// Why somebody may not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mute {
    /// On neither side.
    NotAParty,
    /// Another branch has it.
    Claimed,
    /// The branch has to claim it before.
    ClaimFirst,
    /// The referral has ended, and what could be said of that.
    Over,
    /// There are too many.
    TooMany,
    /// The question is of the own side.
    OwnQuestion,
}

/// On which side it is said, if it may be. `asked`: the side of the question that it answers.
pub fn decide(
    caller: &Caller,
    party: Party,
    facts: &TalkFacts,
    asked: Option<TalkSide>,
    now: DateTime<Utc>,
) -> Result<TalkSide, Mute> {
    let sender = party.sender && caller.scopes.has(Scope::ReferralsSend);
    let handles = party.receiver && caller.scopes.has(Scope::ReferralsHandle);
    let receiver = handles && !facts.in_pool && !facts.claimed_by_other;
    match (sender || receiver, handles) {
        (false, true) if facts.in_pool => return Err(Mute::ClaimFirst),
        (false, true) => return Err(Mute::Claimed),
        (false, false) => return Err(Mute::NotAParty),
        (true, _) => {}
    }
    if !facts.is_open(now) {
        return Err(Mute::Over);
    }
    if facts.comments >= MOST_COMMENTS {
        return Err(Mute::TooMany);
    }
    // An office that refers to itself is on both sides: it asks as sender, and answers as who was not asked.
    match asked.map(TalkSide::other) {
        Some(TalkSide::Sender) if !sender => Err(Mute::OwnQuestion),
        Some(TalkSide::Receiver) if !receiver => Err(Mute::OwnQuestion),
        Some(answering) => Ok(answering),
        None if sender => Ok(TalkSide::Sender),
        None => Ok(TalkSide::Receiver),
    }
}

/// What of the talk a caller reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// All of it.
    All,
    /// What was said since then.
    Since(DateTime<Utc>),
    /// That something was said, by whom and when.
    Nothing,
}

impl Reading {
    /// Whether what was said at this time is shown.
    pub fn shows(self, at: DateTime<Utc>) -> bool {
        match self {
            Self::All => true,
            Self::Since(since) => at >= since,
            Self::Nothing => false,
        }
    }
}

/// Who sees the need reads what is said of it. Who was asked and has ended it sees the header alone, and of the talk what is said to it
/// since then, as long as it may answer. Several branches that look at what one of them will take read nothing before.
pub fn reading(sight: PersonSight, party: Party, facts: &TalkFacts, now: DateTime<Utc>) -> Reading {
    match sight {
        PersonSight::Eligibility | PersonSight::Masked if facts.in_pool => Reading::Nothing,
        PersonSight::Open | PersonSight::Eligibility | PersonSight::Masked => Reading::All,
        PersonSight::Header if party.receiver && !facts.status.is_open() && facts.is_open(now) => {
            Reading::Since(facts.since)
        }
        PersonSight::Header => Reading::Nothing,
    }
}

/// How much is said of a referral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Comments and questions.
    pub comments: i32,
    /// Questions that the sender has not answered; none: there are none.
    pub to_sender: Option<i16>,
    /// Questions that the receiver has not answered.
    pub to_receiver: Option<i16>,
}

impl Counts {
    /// With one more, which asks this side, or answers a question to it.
    #[must_use]
    pub fn with(self, asks: Option<TalkSide>, answers: Option<TalkSide>) -> Self {
        let count = |side: TalkSide, old: Option<i16>| {
            let change = i16::from(asks == Some(side)) - i16::from(answers == Some(side));
            Some(old.unwrap_or_default().saturating_add(change)).filter(|count| *count > 0)
        };
        Self {
            comments: self.comments.saturating_add(1),
            to_sender: count(TalkSide::Sender, self.to_sender),
            to_receiver: count(TalkSide::Receiver, self.to_receiver),
        }
    }

    /// Questions that are not answered.
    pub fn open(self) -> i16 {
        self.to_sender.unwrap_or_default().saturating_add(self.to_receiver.unwrap_or_default())
    }

    /// Those of them that these sides have to answer.
    pub fn open_to(self, party: Party) -> i16 {
        let sender = self.to_sender.filter(|_| party.sender).unwrap_or_default();
        sender.saturating_add(self.to_receiver.filter(|_| party.receiver).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(status: ReferralStatus) -> TalkFacts {
        let since = DateTime::UNIX_EPOCH;
        TalkFacts { status, since, restricted: false, claimed_by_other: false, in_pool: false, comments: 0 }
    }

    #[test]
    fn the_talk_outlives_an_answer_by_thirty_days_and_nothing_else() {
        let (begin, end) = (DateTime::UNIX_EPOCH + TimeDelta::days(29), DateTime::UNIX_EPOCH + TALK_AFTER);
        for status in ReferralStatus::ALL {
            let facts = facts(*status);
            assert_eq!(facts.is_open(begin), status.is_open() || ANSWERED.contains(status), "{status}");
            assert_eq!(facts.is_open(end), status.is_open(), "{status}");
            assert!(!TalkFacts { restricted: true, ..facts }.is_open(begin));
        }
    }

    #[test]
    fn who_sees_the_header_alone_reads_what_is_said_to_it_since_the_end() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let (asked, other) = (Party { receiver: true, ..Party::default() }, Party::default());
        for status in ReferralStatus::ALL {
            let facts = facts(*status);
            let read = |sight, party| reading(sight, party, &facts, now);
            assert_eq!(read(PersonSight::Open, other), Reading::All);
            assert_eq!(read(PersonSight::Masked, asked), Reading::All);
            assert_eq!(read(PersonSight::Header, other), Reading::Nothing);
            let since = if ANSWERED.contains(status) { Reading::Since(facts.since) } else { Reading::Nothing };
            assert_eq!(read(PersonSight::Header, asked), since, "{status}");
            let pool = TalkFacts { in_pool: true, ..facts };
            assert_eq!(reading(PersonSight::Masked, asked, &pool, now), Reading::Nothing);
        }
        assert!(Reading::Since(now).shows(now) && !Reading::Since(now).shows(DateTime::UNIX_EPOCH));
    }

    #[test]
    fn questions_are_counted_by_the_side_that_is_to_answer() {
        let asked = Counts::default().with(Some(TalkSide::Receiver), None).with(Some(TalkSide::Receiver), None);
        assert_eq!((asked.comments, asked.to_sender, asked.to_receiver), (2, None, Some(2)));
        let answered = asked.with(None, Some(TalkSide::Receiver)).with(None, None);
        assert_eq!((answered.comments, answered.to_receiver, answered.open()), (4, Some(1), 1));
        assert_eq!(answered.open_to(Party { sender: true, ..Party::default() }), 0);
        assert_eq!(answered.open_to(Party { receiver: true, ..Party::default() }), 1);
        assert_eq!(answered.with(None, Some(TalkSide::Receiver)).to_receiver, None);
    }
}
