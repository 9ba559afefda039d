//! Every SQL statement on the history of referrals and its notes.
use super::{Referral, visible_to};
use crate::access::rules::{AgencyId, Caller, ClientId, VolunteerId};
use crate::cases::rules::CaseId;
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::referrals::rules::{ReferralId, ReferralStatus};
use crate::schema::{referral_history, referral_notes, referrals};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A line of the history.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = referral_history, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct ReferralEvent {
    /// Its id.
    pub id: Uuid,
    /// The referral.
    pub referral_id: ReferralId,
    /// When.
    pub at: DateTime<Utc>,
    /// `create`, or the word of an action.
    pub action: String,
    /// From.
    pub from_status: Option<ReferralStatus>,
    /// To.
    pub to_status: ReferralStatus,
    /// Who; none: the clock.
    pub agency_id: Option<AgencyId>,
    /// By which client.
    pub client_id: Option<ClientId>,
    /// The officer.
    pub acting_user: Option<String>,
    /// The volunteer, if a phone did it.
    pub volunteer_id: Option<VolunteerId>,
    /// Why.
    pub reason: Option<Code>,
    /// With what outcome.
    pub outcome: Option<Code>,
}

impl ReferralEvent {
    /// What was done to a referral that is now as it stands here: by nobody, until that is told.
    pub fn of(id: Uuid, after: &Referral, action: &str) -> Self {
        Self {
            id,
            referral_id: after.id,
            at: after.updated_at,
            action: action.to_owned(),
            from_status: None,
            to_status: after.status,
            agency_id: None,
            client_id: None,
            acting_user: None,
            volunteer_id: None,
            reason: None,
            outcome: None,
        }
    }

    /// Done by this client, of whatever agency.
    #[must_use]
    pub fn by(self, caller: &Caller) -> Self {
        Self {
            client_id: Some(caller.client),
            acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
            volunteer_id: caller.volunteer,
            ..self
        }
    }
}

/// Adds a line to the history, and what was written with it.
pub async fn add(conn: &mut Conn, event: &ReferralEvent, note: Option<&str>) -> QueryResult<()> {
    diesel::insert_into(referral_history::table).values(event).execute(conn).await?;
    if let Some(note) = note {
        let row = (referral_notes::history_id.eq(event.id), referral_notes::note.eq(note));
        diesel::insert_into(referral_notes::table).values(row).execute(conn).await?;
    }
    Ok(())
}

/// The history of a referral with its notes, oldest first.
pub async fn list(conn: &mut &Conn, id: ReferralId) -> QueryResult<Vec<(ReferralEvent, Option<String>)>> {
    referral_history::table
        .left_join(referral_notes::table)
        .filter(referral_history::referral_id.eq(id))
        .select((ReferralEvent::columns(), referral_notes::note.nullable()))
        .order((referral_history::at, referral_history::id))
        .load(conn)
        .await
}

/// The referrals of a case that the caller sees, oldest first.
pub async fn of_case(conn: &mut &Conn, caller: &Caller, case: CaseId) -> QueryResult<Vec<Referral>> {
    referrals::table
        .filter(visible_to::<referrals::table>(caller))
        .filter(referrals::case_id.eq(case))
        .select(Referral::columns())
        .order((referrals::created_at, referrals::id))
        .load(conn)
        .await
}

/// What was written with the ending of each of these referrals, if something was.
pub async fn endings(conn: &mut &Conn, of: &[ReferralId]) -> QueryResult<Vec<(ReferralId, String)>> {
    referral_history::table
        .inner_join(referral_notes::table)
        .inner_join(referrals::table)
        .filter(referral_history::referral_id.eq_any(of))
        // One moment: a row says since when it stands where the line of its history led.
        .filter(referral_history::at.eq(referrals::status_since))
        .filter(referral_history::to_status.eq(referrals::status))
        .select((referral_history::referral_id, referral_notes::note))
        .order(referral_history::id)
        .load(conn)
        .await
}

/// Which referral of a case follows which, whoever sees them.
pub async fn followed(conn: &mut &Conn, case: CaseId) -> QueryResult<Vec<(ReferralId, Option<ReferralId>)>> {
    let of_case = referrals::table.filter(referrals::case_id.eq(case));
    of_case.select((referrals::id, referrals::previous_referral_id)).load(conn).await
}
