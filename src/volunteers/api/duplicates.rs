//! The queue of rows that have one NIK.
use super::{VolunteerView, showing};
use crate::access::api::Permit;
use crate::access::rules::{ReadVolunteers, VolunteerId};
use crate::audit::{rules::Event, store::Recorder};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::page::{Page, PageParams, Paged};
use crate::volunteers::store::{self, Dispute, Full};
use actix_web::get;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Takes no filter yet.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DuplicateFilter {}

/// Two rows with one NIK.
#[derive(Serialize, ToSchema)]
pub struct DuplicateView {
    /// The row that had it later.
    volunteer: VolunteerView,
    /// The row that had it first: undisputed, or disputed itself where a third one of which you see nothing has it.
    holder: VolunteerView,
    /// Since when both have it.
    since: DateTime<Utc>,
}

/// List disputed identities
///
/// Pairs of volunteers with one NIK, both posted in the caller's region: registered by offices of which neither sees the
/// other's. Either they are one person: merge them (`merge`); or a NIK is wrong: change it, and the pair is gone.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(PageParams),
    responses((status = 200, body = Page<DuplicateView>, description = "A page of pairs.")))]
#[get("/v1/volunteers/duplicates")]
pub async fn list_duplicate_volunteers(
    caller: Permit<ReadVolunteers>,
    paged: Paged<DuplicateFilter>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let after: Option<VolunteerId> = paged.after()?;
    let pairs = db.read(async |c| store::disputes(c, &caller, after, paged.limit + 1).await).await?;
    let (pairs, after) = paged.cut(pairs, |pair: &Dispute| pair.id);
    let ids: Vec<VolunteerId> = pairs.iter().flat_map(|pair| [pair.id, pair.holder]).collect();
    let rows = db.read(async |c| store::full_of(c, &caller, &ids).await).await?;
    // Whoever sees one of a pair alone reads of it as of any list: that there is another one is not told.
    if let Some(event) = showing(&caller, &app, "volunteer.list", rows.iter().map(|(volunteer, _)| volunteer)) {
        let asked = Event::by(&caller, "volunteer.list_duplicates", app.clock.new_id(), app.clock.now());
        recorder.record(asked.regions(caller.sight.region())).await?;
        recorder.record(event).await?;
    }
    let rows: BTreeMap<VolunteerId, Full> = rows.into_iter().map(|full| (full.0.id, full)).collect();
    let now = app.clock.now();
    let view = |id| rows.get(&id).map(|full| VolunteerView::of(full.clone(), &caller, now));
    // A row that was merged or moved between the two statements is not shown.
    let pair = |pair: Dispute| {
        Some(DuplicateView { volunteer: view(pair.id)?, holder: view(pair.holder)?, since: pair.since })
    };
    let items = pairs.into_iter().filter_map(pair).collect();
    paged.answer::<DuplicateView>(items, after, None)
}
