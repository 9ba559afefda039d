//! Where a volunteer is and was posted.
use super::decide::conflict;
use super::supervisor::keep_supervisor_in_region;
use super::{VolunteerView, check_version, elsewhere, find_locked, keep, note, replay};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, DecideVolunteers, ReadVolunteers, VolunteerId};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::moment::Day;
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use crate::volunteers::phones::{LEFT, cut_off_phone};
use crate::volunteers::register::check_village;
use crate::volunteers::rules::{NOT_THE_AUTHORITY, check_effective, may_decide_between};
use crate::volunteers::store::{self, Posting};
use actix_web::{get, post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A posting, current or past.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostingView {
    id: Uuid,
    /// The volunteer of the path, or one that was merged into it.
    volunteer_id: VolunteerId,
    village_code: RegionCode,
    /// First day.
    valid_from: NaiveDate,
    /// First day that it no longer holds; null: the current one, or the last one of who was merged.
    #[schema(required)]
    valid_until: Option<NaiveDate>,
    /// Agency that decided it.
    posted_by: AgencyId,
    /// When it was recorded.
    created_at: DateTime<Utc>,
}

impl From<Posting> for PostingView {
    fn from(posting: Posting) -> Self {
        Self {
            id: posting.id,
            volunteer_id: posting.volunteer_id,
            village_code: posting.village_code,
            valid_from: posting.valid_from,
            valid_until: posting.valid_until,
            posted_by: posting.posted_by,
            created_at: posting.created_at,
        }
    }
}

/// The postings of a volunteer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Postings {
    /// Oldest first.
    items: Vec<PostingView>,
}

/// Read a volunteer's postings
///
/// Where it is and was posted, oldest first; two of one `volunteer_id` never overlap. Those of who was merged into it are listed
/// too: where the two were posted at the same time, both hold.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    responses((status = 200, body = Postings, description = "The postings."), (status = 308, description = "Merged into another volunteer: `Location` has that one's.")))]
#[get("/v1/volunteers/{id}/postings")]
pub async fn read_volunteer_postings(
    caller: Permit<ReadVolunteers>,
    id: PathId<VolunteerId>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let rows = db.read(async |c| store::postings(c, &caller, id.0).await).await?;
    if rows.is_empty() {
        return elsewhere(&db, &app, &caller, id.0, "/postings").await;
    }
    Answer::ok(&Postings { items: rows.into_iter().map(PostingView::from).collect() })
}

/// A posting to another village.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Within the region of the caller; for the ministry, in another province.
    village_code: RegionCode,
    /// First day of it; today if absent.
    effective_on: Option<Day>,
}

/// Transfer a volunteer
///
/// Both villages must lie in the caller's region: a transfer between regencies is the province's, and one between
/// provinces, only that, the ministry's. The old jurisdiction is
/// told to forget the volunteer, the new one to read it.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:write"])),
    params(("id" = VolunteerId, Path, description = "Id of the volunteer."), IdempotencyHeader, IfMatchHeader), request_body = Transfer,
    responses((status = 200, body = VolunteerView, description = "Transferred.")))]
#[post("/v1/volunteers/{id}/postings")]
pub async fn transfer_volunteer(
    permit: Permit<DecideVolunteers>,
    id: PathId<VolunteerId>,
    version: IfMatch,
    transfer: Keyed<Transfer>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match transfer.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (mut volunteer, person) = find_locked(c, &caller, id.0).await?;
        let (now, to) = (app.clock.now(), transfer.body.village_code);
        if !may_decide_between(&caller, &volunteer.village_code, &to) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        if !volunteer.status.is_engaged() {
            return Err(conflict(&volunteer));
        }
        check_version(&volunteer, version)?;
        if to == volunteer.village_code {
            let fault = Fault::new("same_village", "sudah bertugas di sana", "is posted there already");
            return Err(ApiError::rule("/village_code", fault));
        }
        check_village(c, &to, "/village_code").await?;
        let today = TimeZone::of(&to).day(now);
        let valid_from = transfer.body.effective_on.map_or(today, Day::date);
        check_effective(valid_from, store::posted_since(c, id.0).await?, today)?;
        let before = volunteer.clone();
        volunteer.post_to(&to);
        keep_supervisor_in_region(c, &mut volunteer).await?;
        store::save(c, &mut volunteer, caller.agency, now).await?;
        let posting = Posting {
            id: app.clock.new_id(),
            volunteer_id: id.0,
            village_code: to,
            valid_from,
            valid_until: None,
            posted_by: caller.agency,
            created_at: now,
        };
        store::replace_posting(c, &posting).await?;
        if before.regency_code != volunteer.regency_code {
            // It was a client of the former regency's office; the new one gives it another code.
            cut_off_phone(c, id.0, LEFT, now).await?;
        }
        note(c, &app, &caller, "volunteer.transfer", Some(&before), &volunteer, None).await?;
        let version = volunteer.version;
        let answer = Answer::row(&VolunteerView::of((volunteer, person), &caller, now), version)?;
        keep(ticket, c, &caller, answer, id.0).await
    })
    .await
}
