//! Every SQL statement on the history of referrals and its notes.
use super::Referral;
use crate::access::rules::{AgencyId, Caller, ClientId, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::referrals::rules::{ReferralId, ReferralStatus};
use crate::schema::{referral_history, referral_notes};
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
        .select((ReferralEvent::as_select(), referral_notes::note.nullable()))
        .order((referral_history::at, referral_history::id))
        .load(conn)
        .await
}
