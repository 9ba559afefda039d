//! What a change says, who reads of it, and when a reader has to begin anew. Pure.
use crate::access::rules::{AgencyId, AgencyKind, Caller, ClientKind, Scope, Sight, VolunteerId};
use crate::platform::crypto::short_hash;
use crate::platform::error::{ApiError, Fault, Place as At};
use crate::platform::region_code::RegionCode;
use crate::{error_codes, text_enum};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

error_codes! {
    /// What the cursor stands for cannot be continued; `errors` says why.
    RESYNC_REQUIRED = (410, "resync_required", "Kursor ini tidak dapat dilanjutkan: mulai lagi dengan since=now, lalu baca semua daftar.", "This cursor cannot be continued: begin again with since=now, then read all lists.");
}

text_enum! {
    /// What a reader of the feed should do.
    Op {
        /// Read the row again.
        Upsert = "upsert",
        /// Forget the row.
        Removed = "removed",
        /// Use the other id from now on.
        Redirected = "redirected",
    }
}

text_enum! {
    /// What changed. More will be added.
    ChangeType {
        /// `/v1/volunteers/{id}`
        Volunteer = "volunteer",
        /// `/v1/cases/{id}`
        Case = "case",
        /// `/v1/referrals/{id}`
        Referral = "referral",
        /// `/v1/training-events/{id}`
        TrainingEvent = "training_event",
        /// `/v1/training-enrolments/{id}`
        TrainingEnrolment = "training_enrolment",
        /// `/v1/agencies/{id}`
        Agency = "agency",
        /// `/v1/source-systems/{id}`
        SourceSystem = "source_system",
    }
}

impl ChangeType {
    /// Scope that a reader needs: that of reading the row. Agencies and source systems are read with any token, so the feed's own will do.
    pub fn scope(self) -> Scope {
        match self {
            Self::Volunteer => Scope::VolunteersRead,
            Self::Case => Scope::CasesRead,
            Self::Referral => Scope::ReferralsRead,
            Self::TrainingEvent | Self::TrainingEnrolment => Scope::TrainingRead,
            Self::Agency | Self::SourceSystem => Scope::ChangesRead,
        }
    }
}

/// Who may see a row: governments by region, source systems and others by agency, phones by volunteer, and everyone in
/// a region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Agencies that see it for what they are to it.
    pub agencies: Vec<AgencyId>,
    /// Where it is: governments of these regions, and of those above them, see it.
    pub regions: Vec<RegionCode>,
    /// Where it is announced: governments and phones at or below these regions see it.
    pub below: Vec<RegionCode>,
    /// Phones of these volunteers see it.
    pub volunteers: Vec<VolunteerId>,
}

/// A change of one row.
#[derive(Debug, Clone)]
pub struct Change {
    /// Of what.
    pub r#type: ChangeType,
    /// Its id.
    pub id: Uuid,
    /// Its version now.
    pub version: i32,
    /// What to do.
    pub op: Op,
    /// With [`Op::Redirected`], and only then: the id to use from now on.
    pub redirected_to: Option<Uuid>,
    /// Nobody, for a new row.
    pub before: Audience,
    /// Nobody, for a row that is gone; of a redirected one, those who see the other one.
    pub after: Audience,
    /// When.
    pub at: DateTime<Utc>,
}

/// Who reads: what a caller may see, as the feed's query asks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reader {
    agency_kind: AgencyKind,
    client_kind: ClientKind,
    /// Sees whatever anybody sees.
    pub everything: bool,
    /// Sees what these are party to.
    pub agencies: Vec<AgencyId>,
    /// Sees what lies here.
    pub region: Option<RegionCode>,
    /// Sees what is this volunteer's.
    pub volunteer: Option<VolunteerId>,
    /// Sees what is announced to one of these: its own region and those above.
    pub around: Vec<RegionCode>,
    /// A phone: sees what is announced to a place in here. In which village its volunteer is posted, only `volunteers`
    /// knows, so it is told of too much rather than too little.
    pub home: Option<RegionCode>,
    /// Sees rows that take one of these.
    pub scopes: Vec<Scope>,
}

impl Reader {
    /// The reader that a caller is.
    pub fn of(caller: &Caller) -> Self {
        let scopes = Scope::ALL.iter().copied().filter(|scope| caller.scopes.has(*scope));
        let mut reader = Self {
            agency_kind: caller.agency_kind,
            client_kind: caller.client_kind,
            everything: false,
            agencies: vec![],
            region: None,
            volunteer: None,
            around: vec![],
            home: None,
            scopes: scopes.filter(|one| ChangeType::ALL.iter().any(|of| of.scope() == *one)).collect(),
        };
        let around = |region: Option<&RegionCode>| std::iter::successors(region.cloned(), RegionCode::parent).collect();
        match &caller.sight {
            Sight::Everything => reader.everything = true,
            Sight::Region(own) => {
                reader.agencies = vec![caller.agency];
                reader.region = Some(own.clone());
                reader.around = around(Some(own));
            }
            Sight::Addressed(agencies) => {
                reader.agencies.clone_from(agencies);
                reader.agencies.sort_unstable();
            }
            Sight::Own(volunteer) => {
                reader.volunteer = Some(*volunteer);
                reader.home = caller.regions.first().cloned();
                reader.around = around(caller.regions.first());
            }
        }
        reader
    }

    /// Whether two readers are the same is whether these are.
    pub fn digest(&self) -> String {
        short_hash(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// A place in the feed: behind the change of this transaction and number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Number of the transaction.
    pub xid: i64,
    /// Number of the change.
    pub seq: i64,
}

/// What is known of the feed as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Which life of the database this is.
    pub generation: Uuid,
    /// The last change that is no longer kept.
    pub swept: Place,
    /// All transactions before this one have ended.
    pub horizon: i64,
}

impl Standing {
    /// The place behind all that can be told now.
    pub fn now(&self) -> Place {
        Place { xid: self.horizon, seq: 0 }
    }
}

/// What a cursor stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Of the life of the database in which it was given.
    pub generation: Uuid,
    /// How far its reader has come.
    pub place: Place,
    /// [`Reader::digest`] of who has come so far.
    pub reader: String,
}

impl Cursor {
    /// Refuses who sees something else than when it was given: what has come into sight since then would never be told.
    pub fn check_reader(&self, reader: &Reader) -> Result<(), ApiError> {
        let fault = Fault::new("sight_changed", "hak baca Anda sudah berubah", "what you may see has changed");
        if self.reader == reader.digest() { Ok(()) } else { Err(resync(fault)) }
    }

    /// Refuses a place from which something is missing.
    pub fn check_place(&self, standing: &Standing) -> Result<(), ApiError> {
        // Ahead of the database: it was restored, and nobody has told it so.
        if self.generation != standing.generation || self.place.xid > standing.horizon {
            let restored = Fault::new("restored", "basis data dipulihkan dari cadangan", "the database was restored");
            return Err(resync(restored));
        }
        if self.place < standing.swept {
            let old =
                Fault::new("too_old", "perubahan sesudahnya tidak disimpan lagi", "what followed is not kept any more");
            return Err(resync(old));
        }
        Ok(())
    }
}

fn resync(why: Fault) -> ApiError {
    ApiError::from(&RESYNC_REQUIRED).fault(At::Parameter("cursor".to_owned()), why)
}

/// A change that was looked at for a reader.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it stands.
    pub place: Place,
    /// Of what: [`ChangeType`], or a word of a later version, which is told as it is.
    pub r#type: String,
    /// Of which row.
    pub id: Uuid,
    /// Its version then.
    pub version: i32,
    /// What to do, for who sees it before and after.
    pub op: Op,
    /// The id to use.
    pub redirected_to: Option<Uuid>,
    /// When.
    pub at: DateTime<Utc>,
    /// It is of a type that the reader asks for and may read.
    pub wanted: bool,
    /// The reader saw the row before.
    pub before: bool,
    /// The reader sees it since.
    pub after: bool,
}

impl Found {
    /// What the reader is told to do; none: it is not told.
    pub fn told(&self) -> Option<Op> {
        if !self.wanted {
            return None;
        }
        match (self.op, self.before, self.after) {
            // Who never saw the row has nothing to replace.
            (_, false, false) | (Op::Redirected | Op::Removed, false, true) => None,
            (Op::Upsert, _, true) => Some(Op::Upsert),
            (Op::Redirected, true, true) => Some(Op::Redirected),
            (_, true, false) | (Op::Removed, true, true) => Some(Op::Removed),
        }
    }
}

/// Most changes that one request looks at, so that its work is bounded however little of it concerns the reader.
pub const LOOKED_AT: i64 = 2000;

/// What a reader is told of the changes that were looked at.
#[derive(Debug)]
pub struct Told {
    /// Each with what to do.
    pub changes: Vec<(Found, Op)>,
    /// How far it has come by that; none: no further.
    pub end: Option<Place>,
    /// There may be more.
    pub more: bool,
}

/// Takes the first `limit` changes that concern the reader. Those behind them are looked at again by the next request.
pub fn tell(found: Vec<Found>, limit: i64) -> Told {
    let limit = usize::try_from(limit).unwrap_or_default();
    let all = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let mut told = Told { changes: vec![], end: None, more: all >= LOOKED_AT };
    for found in found {
        let place = found.place;
        if let Some(op) = found.told() {
            if told.changes.len() == limit {
                told.more = true;
                return told;
            }
            told.changes.push((found, op));
        }
        told.end = Some(place);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seq: i64, op: Op, before: bool, after: bool) -> Found {
        let place = Place { xid: 1, seq };
        let (r#type, id, at) = ("case".to_owned(), Uuid::nil(), DateTime::UNIX_EPOCH);
        Found { place, r#type, id, version: 1, op, redirected_to: None, at, wanted: true, before, after }
    }

    #[test]
    fn who_saw_a_row_and_does_not_any_more_forgets_it() {
        let told = |op, before, after| found(1, op, before, after).told();
        assert_eq!(told(Op::Upsert, false, true), Some(Op::Upsert));
        assert_eq!(told(Op::Upsert, true, true), Some(Op::Upsert));
        assert_eq!(told(Op::Upsert, true, false), Some(Op::Removed));
        assert_eq!(told(Op::Removed, true, false), Some(Op::Removed));
        assert_eq!(told(Op::Redirected, true, true), Some(Op::Redirected));
        assert_eq!(told(Op::Redirected, true, false), Some(Op::Removed));
        assert_eq!(told(Op::Redirected, false, true), None);
        for op in Op::ALL {
            assert_eq!(told(*op, false, false), None);
            assert_eq!(Found { wanted: false, ..found(1, *op, true, true) }.told(), None);
        }
    }

    #[test]
    fn a_page_ends_before_what_it_does_not_tell() {
        let some = |count: i64, every: i64| {
            (1..=count).map(|seq| found(seq, Op::Upsert, false, seq % every == 0)).collect::<Vec<_>>()
        };
        let told = |found, limit| {
            let told = tell(found, limit);
            (told.changes.len(), told.end.map(|end| end.seq), told.more)
        };
        assert_eq!(told(vec![], 2), (0, None, false));
        assert_eq!(told(some(6, 2), 2), (2, Some(5), true));
        assert_eq!(told(some(6, 2), 3), (3, Some(6), false));
        assert_eq!(told(some(5, 2), 2), (2, Some(5), false));
        assert_eq!(told(some(5, 9), 2), (0, Some(5), false));
        // as many as a request looks at: behind them there may be others
        assert_eq!(told(some(LOOKED_AT, LOOKED_AT * 2), 2), (0, Some(LOOKED_AT), true));
    }

    #[test]
    fn a_cursor_is_good_where_nothing_is_missing() {
        let standing = Standing { generation: Uuid::nil(), swept: Place { xid: 5, seq: 9 }, horizon: 20 };
        let check = |xid, seq, generation| {
            let cursor = Cursor { generation, place: Place { xid, seq }, reader: String::new() };
            cursor.check_place(&standing).map_err(|error| format!("{error:?}"))
        };
        for (xid, seq) in [(5, 9), (5, 10), (6, 1), (20, 0)] {
            check(xid, seq, Uuid::nil()).unwrap();
        }
        assert!(check(5, 8, Uuid::nil()).unwrap_err().contains("too_old"));
        assert!(check(0, 0, Uuid::nil()).unwrap_err().contains("too_old"));
        assert!(check(21, 0, Uuid::nil()).unwrap_err().contains("restored"));
        assert!(check(6, 1, Uuid::max()).unwrap_err().contains("restored"));
    }
}
