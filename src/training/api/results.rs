//! Who passed, corrected and taken back. All or nothing: it is one decision of the organiser.
use super::attend::{check_length, check_once, seats_of};
use super::{Reason, check_organiser, conflict, replay};
use crate::access::api::Permit;
use crate::access::rules::{Caller, DecideTraining, SharedCaller, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store as audit;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::{Keyed, PathId};
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use crate::training::certify::end;
use crate::training::reassign::derive_levels;
use crate::training::rules::certificates::CertificateState;
use crate::training::rules::{EnrolmentState, SeatAction, TrainingEventId, TrainingResult};
use crate::training::store::{self, Enrolment, SeatHistoryRow, TrainingEvent};
use crate::volunteers::rules::TrainingLevel;
use actix_web::post;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// What came of somebody's training.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultItem {
    /// Who has a seat.
    volunteer_id: VolunteerId,
    result: TrainingResult,
    /// Of 100, for who took part. Absent, a recorded one stays as long as the result does.
    #[schema(minimum = 0, maximum = 100)]
    score: Option<i16>,
    /// Of a correction, which must have one: code of the list `training-correction-reasons`; `other` needs a note.
    reason: Option<Code>,
    /// No personal data.
    note: Option<Text<500>>,
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
    /// Null: taken back.
    #[schema(required)]
    result: Option<TrainingResult>,
    #[schema(required, minimum = 0, maximum = 100)]
    score: Option<i16>,
    /// Of the volunteer, now.
    level: TrainingLevel,
}

/// Results to be taken back.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidResults {
    /// Whose; nobody twice.
    #[schema(min_items = 1, max_items = 500)]
    volunteer_ids: Vec<VolunteerId>,
    /// Code of the list `training-correction-reasons`; `other` needs a note.
    reason: Code,
    /// No personal data.
    note: Option<Text<500>>,
}

/// The results recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultsView {
    /// In the order sent.
    items: Vec<ResultView>,
}

/// Record results
///
/// By the organiser, while the event runs and after it. A result that is recorded already is corrected with a reason, which the
/// seat's history keeps. The level of each volunteer is the highest passed, and follows at once, downwards too.
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
    let items = new.body.items;
    check_length("/items", items.len())?;
    check_scores(&items)?;
    let changes = items.into_iter().enumerate().map(|(index, item)| Change {
        at: format!("/items/{index}"),
        who: format!("/items/{index}/volunteer_id"),
        reason_at: format!("/items/{index}"),
        volunteer_id: item.volunteer_id,
        to: Some(item.result),
        score: item.score,
        reason: item.reason,
        note: item.note,
    });
    let work = Work { caller: permit.caller(), app: app.0.clone(), id: id.0, key: new.key, changes: changes.collect() };
    db.write(async move |c| record(c, work).await).await
}

/// Take back results
///
/// By the organiser: as if none had been recorded, for example of somebody who was confused with somebody else. The level of
/// each volunteer follows at once. The seat's history keeps what was recorded, and why it was taken back.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = VoidResults,
    responses((status = 200, body = ResultsView, description = "Taken back.")))]
#[post("/v1/training-events/{id}/results/void")]
pub async fn void_results(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<VoidResults>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let VoidResults { volunteer_ids, reason, note } = new.body;
    check_length("/volunteer_ids", volunteer_ids.len())?;
    let changes = volunteer_ids.into_iter().enumerate().map(|(index, volunteer_id)| Change {
        at: format!("/volunteer_ids/{index}"),
        who: format!("/volunteer_ids/{index}"),
        reason_at: String::new(),
        volunteer_id,
        to: None,
        score: None,
        reason: Some(reason.clone()),
        note: note.clone(),
    });
    let work = Work { caller: permit.caller(), app: app.0.clone(), id: id.0, key: new.key, changes: changes.collect() };
    db.write(async move |c| record(c, work).await).await
}

/// What is to be recorded of somebody, and where that stands in the body.
#[derive(Clone)]
struct Change {
    at: String,
    who: String,
    reason_at: String,
    volunteer_id: VolunteerId,
    /// None: taken back.
    to: Option<TrainingResult>,
    score: Option<i16>,
    reason: Option<Code>,
    note: Option<Text<500>>,
}

/// Results to be recorded or taken back.
#[derive(Clone)]
struct Work {
    caller: SharedCaller,
    app: Arc<App>,
    id: TrainingEventId,
    key: RequestKey,
    changes: Vec<Change>,
}

/// Refuses a score that is none, and one of who was not there.
fn check_scores(items: &[ResultItem]) -> ApiResult<()> {
    for (index, item) in items.iter().enumerate() {
        let at = format!("/items/{index}/score");
        match item.score {
            Some(score) if !(0..=100).contains(&score) => {
                let fault = Fault::new("out_of_range", "antara 0 dan 100", "between 0 and 100");
                return Err(ApiError::malformed(Place::Pointer(at), fault));
            }
            Some(_) if item.result == TrainingResult::Absent => {
                let fault = Fault::new("not_scored", "tidak hadir, tidak dinilai", "was absent and is not scored");
                return Err(ApiError::rule(&at, fault));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn record(conn: &mut Conn, work: Work) -> ApiResult<Answer> {
    let Work { caller, app, id, key, changes } = work;
    let ticket = match key.begin(conn, &app, caller.identity()).await? {
        Attempt::Replay(kept) => return replay(conn, &caller, kept).await,
        Attempt::Fresh(ticket) => ticket,
    };
    let event = store::lock(conn, &caller, id).await?;
    check_organiser(&caller, &event)?;
    if !event.state.takes_results() {
        return Err(conflict(&event));
    }
    let seats = write(conn, &app, &caller, &event, &changes).await?;
    let of: Vec<VolunteerId> = changes.iter().map(|change| change.volunteer_id).collect();
    let levels = derive_levels(conn, &of, app.clock.now()).await?;
    let views = changes.iter().zip(seats).map(|(change, seat)| ResultView {
        volunteer_id: change.volunteer_id,
        result: seat.result,
        score: seat.score,
        level: levels.get(&change.volunteer_id).copied().unwrap_or(TrainingLevel::None),
    });
    let answer = Answer::ok(&ResultsView { items: views.collect() })?;
    ticket.keep(conn, answer, &[event.id.0]).await
}

/// Writes the results that differ, with history, audit and outbox; the seats as they are then, in the order of the changes.
async fn write(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    changes: &[Change],
) -> ApiResult<Vec<Enrolment>> {
    let now = app.clock.now();
    let of: Vec<VolunteerId> = changes.iter().map(|change| change.volunteer_id).collect();
    let villages: HashMap<_, _> = store::enrolled(conn, event.id).await?.into_iter().collect();
    // Of somebody who has been merged meanwhile: the seat is the other row's.
    let whose = seats_of(conn, &of, |id| villages.contains_key(&id)).await?;
    let keys = changes.iter().map(|change| whose.get(&change.volunteer_id).copied().unwrap_or(change.volunteer_id));
    check_once(keys, |index| changes.get(index).map(|change| change.at.clone()))?;
    let of: Vec<VolunteerId> = whose.values().copied().collect();
    let locked = store::lock_enrolments(conn, event.id, Some(&of)).await?;
    let mut seats: HashMap<_, _> = locked.into_iter().map(|seat| (seat.volunteer_id, seat)).collect();
    let (mut history, mut told, mut after) = (vec![], vec![], vec![]);
    for change in changes {
        let seat = whose
            .get(&change.volunteer_id)
            .and_then(|id| seats.remove(id))
            .filter(|seat| seat.state == EnrolmentState::Enrolled);
        let mut seat = seat.ok_or_else(|| {
            let fault = Fault::new("not_enrolled", "tidak terdaftar sebagai peserta", "has no seat in this event");
            ApiError::rule(&change.who, fault)
        })?;
        if let Some(row) = apply(conn, app, caller, event, &mut seat, change).await? {
            if row.from_result == Some(TrainingResult::Passed) && row.to_result != row.from_result {
                revoke(conn, app, caller, event, &seat).await?;
            }
            store::save_enrolment(conn, &mut seat).await?;
            if let Some(village) = villages.get(&seat.volunteer_id) {
                store::publish_enrolment(conn, &seat, event.organiser_id, village, false, now).await?;
            }
            history.push(row);
            told.push(seat.volunteer_id.0);
        }
        after.push(seat);
    }
    store::add_seat_history(conn, &history).await?;
    let voided = changes.iter().find(|change| change.to.is_none());
    let action = if voided.is_some() { "training_event.void_results" } else { "training_event.record_results" };
    let record = Event::by(caller, action, app.clock.new_id(), now);
    let record = match voided.and_then(|change| change.reason.as_ref()) {
        Some(reason) => record.detail(reason.as_str()),
        None => record,
    };
    let record = record.subject("training_event", event.id).region(&event.region_code);
    audit::record(conn, &record.persons(told, &["training", "level"])).await?;
    Ok(after)
}

/// Takes back the certificate of who passed and is not said to have any more.
async fn revoke(conn: &mut Conn, app: &App, caller: &Caller, event: &TrainingEvent, seat: &Enrolment) -> ApiResult<()> {
    for held in store::valid_of(&mut &*conn, &[seat.id]).await? {
        let mut held = store::lock_certificate(conn, held.id).await?;
        let reason = Code::try_from("result_corrected".to_owned()).map_err(|fault| ApiError::internal(fault.code))?;
        end(conn, app, caller, event, seat, &mut held, (CertificateState::Revoked, reason, None)).await?;
    }
    Ok(())
}

/// Changes the result of a seat, if it differs; what the history tells of that.
async fn apply(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    event: &TrainingEvent,
    seat: &mut Enrolment,
    change: &Change,
) -> ApiResult<Option<SeatHistoryRow>> {
    let now = app.clock.now();
    let same = change.to == seat.result;
    let score = change.score.or(seat.score.filter(|_| same));
    if same && score == seat.score {
        return Ok(None);
    }
    if seat.result.is_some() {
        let required = || {
            let fault =
                Fault::new("required", "koreksi hasil perlu alasan", "the correction of a result needs a reason");
            ApiError::rule(&format!("{}/reason", change.reason_at), fault)
        };
        let code = change.reason.as_ref().ok_or_else(required)?;
        let today = TimeZone::of(&event.region_code).day(now);
        let reason = Reason { code, explained: change.note.is_some() };
        let at = (format!("{}/reason", change.reason_at), format!("{}/note", change.reason_at));
        reason.check(conn, "training-correction-reasons", Some("result"), today, (&at.0, &at.1)).await?;
    } else if change.reason.is_some() {
        let fault =
            Fault::new("not_needed", "belum ada hasil yang dikoreksi", "there is no result yet to be corrected");
        return Err(ApiError::rule(&format!("{}/reason", change.reason_at), fault));
    }
    let action = if change.to.is_some() { SeatAction::Result } else { SeatAction::Void };
    let row = SeatHistoryRow {
        from_result: seat.result,
        to_result: change.to,
        score,
        reason: change.reason.clone(),
        note: change.note.as_ref().map(|note| note.as_str().to_owned()),
        ..SeatHistoryRow::by(caller, app.clock.new_id(), seat.id, action, now)
    };
    (seat.result, seat.score) = (change.to, score);
    seat.result_at = change.to.map(|_| now);
    seat.result_by = change.to.map(|_| caller.agency);
    seat.result_acting_user = row.acting_user.clone().filter(|_| change.to.is_some());
    Ok(Some(row))
}
