//! `GET /v1/cases/{id}/history`: what was done with a case, by whom and why.
use super::api::sees_person;
use super::rules::{CaseAction, CaseId, CaseState};
use super::store::{self, CaseEvent};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, ReadCases, Sight, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::PathId;
use actix_web::get;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A line of a case's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseHistoryItem {
    at: DateTime<Utc>,
    /// Null: it was reported.
    #[schema(required)]
    from: Option<CaseState>,
    to: CaseState,
    action: CaseAction,
    agency_id: AgencyId,
    /// The officer: the agency's own opaque id.
    #[schema(required)]
    acting_user: Option<String>,
    /// The volunteer, if a phone did it.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    /// Of a reopening: code of the list `reopen-reasons`. Of a create, where others were alike, and of `distinguish`: of
    /// `distinct-reasons`.
    #[schema(required)]
    reason: Option<Code>,
    /// Of a close: code of the list `case-outcomes`.
    #[schema(required)]
    outcome: Option<Code>,
    /// In words.
    #[schema(required)]
    note: Option<String>,
}

impl From<CaseEvent> for CaseHistoryItem {
    fn from(line: CaseEvent) -> Self {
        // One column keeps both.
        let (outcome, reason) =
            if line.action == CaseAction::Close { (line.reason, None) } else { (None, line.reason) };
        Self {
            at: line.at,
            from: line.from_state,
            to: line.to_state,
            action: line.action,
            agency_id: line.agency_id,
            acting_user: line.acting_user,
            volunteer_id: line.volunteer_id,
            reason,
            outcome,
            note: line.note,
        }
    }
}

/// The history of a case.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseHistory {
    /// Oldest first.
    items: Vec<CaseHistoryItem>,
}

/// Read the history of a case
///
/// Reported, changed, closed, reopened, consent taken back and given anew, told from another one, given to another volunteer: every act, oldest
/// first. What a change altered is not
/// kept here: that is data about the person.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:read"])), params(("id" = CaseId, Path, description = "Id of the case.")),
    responses((status = 200, body = CaseHistory, description = "Every move, oldest first.")))]
#[get("/v1/cases/{id}/history")]
pub async fn read_case_history(
    caller: Permit<ReadCases>,
    id: PathId<CaseId>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let (case, person) = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let lines = db.read(async |c| store::history(c, id.0).await).await?;
    let open = sees_person(&caller, &case);
    if open && lines.iter().any(|line| line.note.is_some()) {
        // Whoever sees a case sees its person; a note may tell of them.
        let event = Event::by(&caller, "case.history", app.clock.new_id(), app.clock.now());
        let event = event.subject("case", case.id).persons([person.id], &["note"]);
        recorder.record(event.region(&case.village_code)).await?;
    }
    // That there is a case like this one is told to nobody who may not see that.
    let beyond = |line: &CaseEvent| line.action == CaseAction::Distinguish && line.agency_id != caller.agency;
    let near = caller.sight.is_village() || matches!(caller.sight, Sight::Own(_));
    let lines = lines.into_iter().filter(|line| !(near && beyond(line)));
    let shown = |line: CaseEvent| CaseHistoryItem::from(CaseEvent { note: line.note.filter(|_| open), ..line });
    Answer::ok(&CaseHistory { items: lines.map(shown).collect() })
}
