//! Who passed. All or nothing: it is one decision of the organiser.
use super::attend::{check_length, check_once, seats_of};
use super::{check_organiser, conflict, replay};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideTraining, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store as audit;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Keyed, PathId};
use crate::platform::openapi::IdempotencyHeader;
use crate::training::reassign::derive_levels;
use crate::training::rules::{EnrolmentState, TrainingEventId, TrainingResult};
use crate::training::store::{self, TrainingEvent};
use crate::volunteers::rules::TrainingLevel;
use actix_web::post;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

/// What came of somebody's training.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultItem {
    /// Who has a seat.
    volunteer_id: VolunteerId,
    result: TrainingResult,
}

/// Results of an event.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResults {
    /// Nobody twice.
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<ResultItem>,
}

/// A result and what follows from it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultView {
    volunteer_id: VolunteerId,
    result: TrainingResult,
    /// Of the volunteer, now.
    level: TrainingLevel,
}

/// The results recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultsView {
    /// In the order sent.
    items: Vec<ResultView>,
}

/// Record results
///
/// By the organiser, while the event runs and after it. Recorded again, a result is corrected. The level of each volunteer
/// is the highest passed, and follows at once, downwards too.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = NewResults,
    responses((status = 200, body = ResultsView, description = "Recorded.")))]
#[post("/v1/training-events/{id}/results")]
pub async fn record_results(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<NewResults>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    check_length(new.body.items.len())?;
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let event = store::lock(c, &caller, id.0).await?;
        check_organiser(&caller, &event)?;
        if !event.state.takes_results() {
            return Err(conflict(&event));
        }
        let items = new.body.items;
        write(c, &app, &caller, &event, &items).await?;
        let of: Vec<VolunteerId> = items.iter().map(|item| item.volunteer_id).collect();
        let levels = derive_levels(c, &of, app.clock.now()).await?;
        let views = items.iter().map(|item| ResultView {
            volunteer_id: item.volunteer_id,
            result: item.result,
            level: levels.get(&item.volunteer_id).copied().unwrap_or(TrainingLevel::None),
        });
        let answer = Answer::ok(&ResultsView { items: views.collect() })?;
        ticket.keep(c, answer, &[event.id.0]).await
    })
    .await
}

/// Writes the results that differ, with audit and outbox.
async fn write(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    items: &[ResultItem],
) -> ApiResult<()> {
    let now = app.clock.now();
    let of: Vec<VolunteerId> = items.iter().map(|item| item.volunteer_id).collect();
    let villages: HashMap<_, _> = store::enrolled(conn, event.id).await?.into_iter().collect();
    // Of somebody who has been merged meanwhile: the seat is the other row's.
    let whose = seats_of(conn, &of, |id| villages.contains_key(&id)).await?;
    check_once(items.iter().map(|item| whose.get(&item.volunteer_id).copied().unwrap_or(item.volunteer_id)))?;
    let of: Vec<VolunteerId> = whose.values().copied().collect();
    let locked = store::lock_enrolments(conn, event.id, Some(&of)).await?;
    let mut seats: HashMap<_, _> = locked.into_iter().map(|seat| (seat.volunteer_id, seat)).collect();
    let mut changed = vec![];
    for (index, item) in items.iter().enumerate() {
        let seat = whose
            .get(&item.volunteer_id)
            .and_then(|id| seats.remove(id))
            .filter(|seat| seat.state == EnrolmentState::Enrolled);
        let mut seat = seat.ok_or_else(|| {
            let fault = Fault::new("not_enrolled", "tidak terdaftar sebagai peserta", "has no seat in this event");
            ApiError::rule(&format!("/items/{index}/volunteer_id"), fault)
        })?;
        if seat.result == Some(item.result) {
            continue;
        }
        (seat.result, seat.result_at, seat.result_by) = (Some(item.result), Some(now), Some(caller.agency));
        seat.result_acting_user = caller.acting_user.as_ref().map(|user| user.as_str().to_owned());
        store::save_enrolment(conn, &mut seat).await?;
        if let Some(village) = villages.get(&seat.volunteer_id) {
            store::publish_enrolment(conn, &seat, event.organiser_id, village, false, now).await?;
        }
        changed.push(seat.volunteer_id.0);
    }
    let record = Event::by(caller, "training_event.record_results", app.clock.new_id(), now);
    let record = record.subject("training_event", event.id).region(&event.region_code);
    audit::record(conn, &record.persons(changed, &["training", "level"])).await?;
    Ok(())
}
