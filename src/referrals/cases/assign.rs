//! Giving a case to another volunteer: one has resigned, or lives nearer.
use super::super::publish::publish;
use super::super::store::give;
use super::reporter;
use crate::access::api::Permit;
use crate::access::rules::{DecideCases, VolunteerId};
use crate::cases::api::{Act, CaseView, check_version, decided, make_change, replayed};
use crate::cases::rules::{CaseAction, CaseId};
use crate::cases::store::{self as cases, Case};
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{IfMatch, Keyed, PathId};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::text::Text;
use actix_web::post;
use serde::Deserialize;
use utoipa::ToSchema;

/// Who follows the case from now on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignCase {
    /// A volunteer whom you see; null: none.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    note: Option<Text<2000>>,
}

/// Give a case to another volunteer
///
/// Of an open case, by an office. Its referrals go with it, those that have ended too: the volunteer's phone sees them, and the one of
/// who had the case is told that they are gone.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])),
    params(("id" = CaseId, Path, description = "Id of the case."), IdempotencyHeader, IfMatchHeader), request_body = AssignCase,
    responses((status = 200, body = CaseView, description = "Given.")))]
#[post("/v1/cases/{id}/assign")]
pub async fn assign_case(
    permit: Permit<DecideCases>,
    id: PathId<CaseId>,
    version: IfMatch,
    assign: Keyed<AssignCase>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match assign.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        // The volunteer before the case, as a merge of volunteers holds them; what is wrong with them is told later.
        let volunteer = match reporter(c, &caller, assign.body.volunteer_id).await {
            Err(error) if error.code().status >= 500 => return Err(error),
            found => found,
        };
        let (before, now) = (cases::lock(c, &caller, id.0).await?, app.clock.now());
        if caller.volunteer.is_some() {
            return Err(ApiError::from(&FORBIDDEN));
        }
        decided(&before, CaseAction::Assign)?;
        check_version(&before, version)?;
        if before.volunteer_id == assign.body.volunteer_id {
            let fault = Fault::new("unchanged", "sudah relawan kasus ini", "is the volunteer of this case already");
            return Err(ApiError::rule("/volunteer_id", fault));
        }
        let volunteer_id = volunteer?;
        let note = assign.body.note.map(|note| note.as_str().to_owned());
        let (after, act) =
            (Case { volunteer_id, ..before.clone() }, Act { action: CaseAction::Assign, reason: None, note });
        let answer = make_change(c, &app, &caller, &before, &after, (act, now), ticket).await?;
        for (was, referral) in give(c, before.id, volunteer_id, now).await? {
            publish(c, Some(&was), &referral, now).await?;
        }
        Ok(answer)
    })
    .await
}
