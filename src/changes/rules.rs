//! What a change says: ids, a version, and who could see the row before and after. Pure.
use crate::access::rules::{AgencyId, Scope, VolunteerId};
use crate::platform::region_code::RegionCode;
use crate::text_enum;
use chrono::{DateTime, Utc};
use uuid::Uuid;

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

/// Who may see a row: governments by region, source systems and others by agency, phones by volunteer, and everyone in a
/// region.
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
    /// `volunteer`, `case`, `referral`, `training_event`, `agency`.
    pub entity: &'static str,
    /// Its id.
    pub id: Uuid,
    /// Its version now.
    pub version: i32,
    /// What to do.
    pub op: Op,
    /// The other id, of a redirected row.
    pub redirected_to: Option<Uuid>,
    /// Scope that a reader needs.
    pub scope: Scope,
    /// Nobody, for a new row.
    pub before: Audience,
    /// Nobody, for a row that is gone.
    pub after: Audience,
    /// When.
    pub at: DateTime<Utc>,
}
