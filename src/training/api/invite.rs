//! Which villages are asked to send volunteers.
use super::{check_organiser, conflict, replay};
use crate::access::api::Permit;
use crate::access::rules::{DecideTraining, ReadTraining, SharedCaller};
use crate::audit::rules::Event;
use crate::audit::store as audit;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, Place};
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::{Keyed, PathId};
use crate::platform::openapi::IdempotencyHeader;
use crate::platform::page::{NoFilter, Page, PageParams, Paged};
use crate::platform::region_code::{RegionCode, RegionLevel};
use crate::regions::store as regions;
use crate::training::rules::{EnrolmentState, EventState, TrainingEventId, organises};
use crate::training::store::{self, Invitation, TrainingEvent};
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;

/// Villages to be invited, or not to be any more.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitedVillages {
    #[schema(min_items = 1, max_items = 500)]
    village_codes: Vec<RegionCode>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationsView {
    /// Villages that were not invited before, or were: those that the request changed something for.
    changed: usize,
}

/// A village that is invited, and who comes from there.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationView {
    village_code: RegionCode,
    #[schema(example = "Koto Jaya")]
    name: String,
    invited_at: DateTime<Utc>,
    /// Volunteers posted there who have a seat.
    enrolled: i64,
    /// Volunteers posted there who wait for one.
    waiting: i64,
}

/// Invite villages
///
/// By the organiser, to a draft, what is published or postponed; they are told by the feed once it is published. A village that is
/// invited already stays so. Where one takes part `by_invitation`, nobody else enrols; otherwise it is a call to come.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = InvitedVillages,
    responses((status = 200, body = InvitationsView, description = "Invited.")))]
#[post("/v1/training-events/{id}/invitations")]
pub async fn invite_villages(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<InvitedVillages>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let work = Work::new(permit.caller(), app.0.clone(), id.0, new, true)?;
    db.write(async move |c| change(c, work).await).await
}

/// Take invitations back
///
/// By the organiser. Who has a seat keeps it.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:write"])),
    params(("id" = TrainingEventId, Path, description = "Id of the event."), IdempotencyHeader), request_body = InvitedVillages,
    responses((status = 200, body = InvitationsView, description = "Taken back.")))]
#[post("/v1/training-events/{id}/invitations/withdraw")]
pub async fn withdraw_invitations(
    permit: Permit<DecideTraining>,
    id: PathId<TrainingEventId>,
    new: Keyed<InvitedVillages>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let work = Work::new(permit.caller(), app.0.clone(), id.0, new, false)?;
    db.write(async move |c| change(c, work).await).await
}

/// Villages to be invited or not.
#[derive(Clone)]
struct Work {
    caller: SharedCaller,
    app: Arc<App>,
    id: TrainingEventId,
    key: RequestKey,
    villages: Vec<RegionCode>,
    invite: bool,
}

impl Work {
    fn new(
        caller: SharedCaller,
        app: Arc<App>,
        id: TrainingEventId,
        new: Keyed<InvitedVillages>,
        invite: bool,
    ) -> ApiResult<Self> {
        let villages = new.body.village_codes;
        if !(1..=500).contains(&villages.len()) {
            let fault = Fault::new("out_of_range", "1 sampai 500", "1 to 500");
            return Err(ApiError::malformed(Place::Pointer("/village_codes".to_owned()), fault));
        }
        Ok(Self { caller, app, id, key: new.key, villages, invite })
    }
}

async fn change(conn: &mut Conn, work: Work) -> ApiResult<Answer> {
    let Work { caller, app, id, key, villages, invite } = work;
    let ticket = match key.begin(conn, &app, caller.identity()).await? {
        Attempt::Replay(kept) => return replay(conn, &caller, kept).await,
        Attempt::Fresh(ticket) => ticket,
    };
    let event = store::lock(conn, &caller, id).await?;
    check_organiser(&caller, &event)?;
    if !matches!(event.state, EventState::Draft | EventState::Published | EventState::Postponed) {
        return Err(conflict(&event));
    }
    check_villages(conn, &event, &villages).await?;
    let now = app.clock.now();
    let named: Vec<RegionCode> = villages.clone();
    let changed = if invite {
        let distinct: BTreeSet<RegionCode> = villages.into_iter().collect();
        let rows = distinct.into_iter().map(|village_code| Invitation {
            event_id: id,
            village_code,
            invited_at: now,
            invited_by: caller.agency,
            acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        });
        store::add_invitations(conn, &rows.collect::<Vec<_>>()).await?
    } else {
        store::remove_invitations(conn, id, &villages).await?
    };
    if changed > 0 {
        let action = if invite { "training_event.invite" } else { "training_event.withdraw_invitations" };
        let record = Event::by(&caller, action, app.clock.new_id(), now).subject("training_event", id);
        audit::record(conn, &record.regions(&named)).await?;
        store::publish(conn, Some(&event), &event, now).await?;
    }
    let answer = Answer::ok(&InvitationsView { changed })?;
    ticket.keep(conn, answer, &[id.0]).await
}

/// Refuses what is no village of today in the event's region.
async fn check_villages(conn: &mut Conn, event: &TrainingEvent, villages: &[RegionCode]) -> ApiResult<()> {
    let current: BTreeSet<RegionCode> = regions::current(conn, villages).await?.into_iter().collect();
    for (index, village) in villages.iter().enumerate() {
        let fault = if village.level() != RegionLevel::Village || !current.contains(village) {
            Fault::new("village_unknown", "bukan desa yang berlaku", "not a current village")
        } else if event.region_code.contains(village) {
            continue;
        } else {
            Fault::new("outside_region", "di luar wilayah pelatihan", "lies outside the event's region")
        };
        return Err(ApiError::rule(&format!("/village_codes/{index}"), fault));
    }
    Ok(())
}

/// List the villages invited
///
/// In the order of codes, with how many volunteers come from each: all of them for the organiser, those of its sight for
/// everyone else.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read"])), params(("id" = TrainingEventId, Path, description = "Id of the event."), PageParams),
    responses((status = 200, body = Page<InvitationView>, description = "A page of villages.")))]
#[get("/v1/training-events/{id}/invitations")]
pub async fn list_invitations(
    caller: Permit<ReadTraining>,
    id: PathId<TrainingEventId>,
    paged: Paged<NoFilter>,
    db: Db,
) -> ApiResult<Answer> {
    let after: Option<RegionCode> = paged.after()?;
    let event = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let of = (event.id, organises(&caller, event.organiser_id));
    let rows = db.read(async |c| store::invitations(c, &caller, of, after.clone(), paged.limit + 1).await).await?;
    let (rows, after) = paged.cut(rows, |row| row.0.village_code.clone());
    let villages: Vec<RegionCode> = rows.iter().map(|row| row.0.village_code.clone()).collect();
    let seats = db.read(async |c| store::seats_by_village(c, event.id, &villages).await).await?;
    let mut counts: HashMap<(RegionCode, EnrolmentState), i64> = HashMap::new();
    for seat in seats {
        *counts.entry(seat).or_default() += 1;
    }
    let views = rows.into_iter().map(|(row, name)| {
        let count = |state| counts.get(&(row.village_code.clone(), state)).copied().unwrap_or_default();
        let (enrolled, waiting) = (count(EnrolmentState::Enrolled), count(EnrolmentState::Waiting));
        InvitationView { enrolled, waiting, name, invited_at: row.invited_at, village_code: row.village_code }
    });
    paged.answer(views.collect(), after, None)
}
