//! Changing what is planned. The state is never patched; dates that are announced change by postponing.
use super::create::{NewSession, check_cost, check_counts, check_lists, number, speakers};
use super::seats::promote;
use super::{TrainingEventView, answer, check_organiser, check_version, conflict, note};
use crate::access::api::Permit;
use crate::access::rules::WriteTraining;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db, Json};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::input::{Body, IfMatch, PathId, set, set_or_clear};
use crate::platform::moment::Moment;
use crate::platform::openapi::IfMatchHeader;
use crate::platform::text::Line;
use crate::training::rules::{EventState, Material, Speaker, TrainingEventId, check_enrolment_time};
use crate::training::store::{self, TrainingEvent};
use actix_web::patch;
use serde::Deserialize;
use utoipa::ToSchema;

/// A change of an event (RFC 7396): what is absent stays, null removes.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct TrainingEventPatch {
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    title: Option<Line<200>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    venue: Option<Line<200>>,
    /// Replaces all.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, max_items = 50)]
    speakers: Option<Vec<Speaker>>,
    /// In place of `speakers`: replaces all.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, max_items = 50)]
    speaker_agencies: Option<Vec<Line<200>>>,
    /// Replaces all.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, max_items = 50)]
    materials: Option<Vec<Material>>,
    /// Who pays: code of the list `training-cost-sources`; `other` needs a note.
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Code>)]
    cost_source: Option<Option<Code>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Line<500>>)]
    cost_note: Option<Option<Line<500>>>,
    /// Who has a seat keeps it.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    by_invitation: Option<bool>,
    /// Of a draft: replaces all. What is announced is postponed and published again.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    sessions: Option<Vec<NewSession>>,
    /// Not fewer than are taken; who waits gets what is more.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, minimum = 1, maximum = 10000)]
    capacity: Option<i32>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Moment>)]
    enrolment_opens_at: Option<Option<Moment>>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Moment>)]
    enrolment_closes_at: Option<Option<Moment>>,
}

/// Change a training event
///
/// A draft or what is published, by its organiser. Level and region stay what they are.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])), params(("id" = TrainingEventId, Path, description = "Id of the event."), IfMatchHeader),
    request_body(content = TrainingEventPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = TrainingEventView, description = "Changed.")))]
#[patch("/v1/training-events/{id}")]
pub async fn update_training_event(
    permit: Permit<WriteTraining>,
    id: PathId<TrainingEventId>,
    version: IfMatch,
    patch: Body<TrainingEventPatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, patch) = (permit.caller(), app.0, patch.0);
    check_counts(patch.capacity.unwrap_or(1), patch.sessions.as_ref().map_or(1, Vec::len))?;
    check_lists([
        ("/speakers", patch.speakers.as_ref().map_or(0, Vec::len)),
        ("/speaker_agencies", patch.speaker_agencies.as_ref().map_or(0, Vec::len)),
        ("/materials", patch.materials.as_ref().map_or(0, Vec::len)),
    ])?;
    db.write(async move |c| {
        let mut event = store::lock(c, &caller, id.0).await?;
        check_organiser(&caller, &event)?;
        if !event.state.may_be_changed() {
            return Err(conflict(&event));
        }
        check_version(&event, version)?;
        let before = event.clone();
        apply(c, &app, &mut event, patch).await?;
        store::save(c, &mut event, caller.agency, app.clock.now()).await?;
        if event.capacity > before.capacity && promote(c, &app, &caller, &event).await? > 0 {
            event = store::lock(c, &caller, id.0).await?;
        }
        note(c, &app, &caller, "training_event.update", Some(&before), &event).await?;
        answer(c, event).await
    })
    .await
}

async fn apply(conn: &mut Conn, app: &App, event: &mut TrainingEvent, patch: TrainingEventPatch) -> ApiResult<()> {
    if let Some(capacity) = patch.capacity {
        if capacity < event.seats_taken {
            let fault = Fault::new("fewer_than_taken", "kurang dari yang sudah terisi", "fewer than are taken");
            return Err(ApiError::rule("/capacity", fault));
        }
        event.capacity = capacity;
    }
    if let Some(sessions) = patch.sessions {
        if event.state != EventState::Draft {
            let fault = Fault::new(
                "postpone_instead",
                "jadwal yang sudah diumumkan berubah dengan penundaan",
                "announced dates change by postponing",
            );
            return Err(ApiError::rule("/sessions", fault));
        }
        set_sessions(conn, event, sessions).await?;
    }
    if let Some(title) = patch.title {
        title.as_str().clone_into(&mut event.title);
    }
    if let Some(venue) = patch.venue {
        venue.as_str().clone_into(&mut event.venue);
    }
    if patch.speakers.is_some() || patch.speaker_agencies.is_some() {
        event.hear(speakers(patch.speakers.unwrap_or_default(), patch.speaker_agencies.unwrap_or_default())?);
    }
    if let Some(materials) = patch.materials {
        event.materials = Json(materials);
    }
    event.by_invitation = patch.by_invitation.unwrap_or(event.by_invitation);
    if patch.cost_source.is_some() || patch.cost_note.is_some() {
        event.cost_source = patch.cost_source.unwrap_or_else(|| event.cost_source.clone());
        let words = |note: Option<Line<500>>| note.map(|note| note.as_str().to_owned());
        event.cost_note = patch.cost_note.map_or_else(|| event.cost_note.clone(), words);
        check_cost(conn, app, event).await?;
    }
    let moment = |new: Option<Moment>| new.map(Moment::at);
    event.enrolment_opens_at = patch.enrolment_opens_at.map_or(event.enrolment_opens_at, moment);
    event.enrolment_closes_at = patch.enrolment_closes_at.map_or(event.enrolment_closes_at, moment);
    check_enrolment_time(event.enrolment_time())
}

/// Gives an event that has not begun other dates.
pub(super) async fn set_sessions(
    conn: &mut Conn,
    event: &mut TrainingEvent,
    sessions: Vec<NewSession>,
) -> ApiResult<()> {
    let sessions = number(event.id, sessions)?;
    event.take_place(&sessions);
    store::replace_sessions(conn, event.id, &sessions).await?;
    Ok(())
}
