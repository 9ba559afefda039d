//! Registering a candidate.
use super::tries::{Till, Tries};
use super::{VolunteerView, find_locked, keep, replay, showing, shown_fields};
use crate::access::api::Permit;
use crate::access::rules::{Caller, ProposeVolunteers, SharedCaller, VolunteerId};
use crate::audit::store as audit;
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, ID_TAKEN};
use crate::platform::idempotency::Attempt;
use crate::platform::input::Keyed;
use crate::platform::openapi::IdempotencyHeader;
use crate::volunteers::identity::nik_index;
use crate::volunteers::register::{Entry, NewVolunteer, register};
use crate::volunteers::rules::{NOT_THE_AUTHORITY, may_propose};
use crate::volunteers::store::{self, Full};
use actix_web::post;
use std::sync::Arc;

/// Propose a candidate
///
/// A village proposes for itself, a social office for any village of its region. A NIK that a volunteer of your sight
/// already has is `volunteer_exists` with its `id`; somebody of the village who is alike in name and birth date is
/// `volunteer_alike` with the `candidates`, unless `override_duplicate` says that it is another person. Either counts as a
/// search by number and is recorded. Where the NIK differs from what is stated, `warnings` says so.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:propose"]), ("oauth2" = ["volunteers:write"])), params(IdempotencyHeader), request_body = NewVolunteer,
    responses((status = 201, body = VolunteerView, description = "Registered as candidate."), (status = 200, body = VolunteerView, description = "It was registered by the same create.")))]
#[post("/v1/volunteers")]
pub async fn create_volunteer(
    permit: Permit<ProposeVolunteers>,
    new: Keyed<NewVolunteer>,
    app: Shared,
    db: Db,
    till: Till,
) -> ApiResult<Answer> {
    let tries = Tries { caller: &permit, app: &app, db: &db, till: &till };
    if new.body.nik.is_some() {
        tries.check_left()?;
    }
    let created = create(&db, permit.caller(), app.0.clone(), new).await;
    tries.charge("volunteer.create", created).await
}

async fn create(db: &Db, caller: SharedCaller, app: Arc<App>, new: Keyed<NewVolunteer>) -> ApiResult<Answer> {
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        if !may_propose(&caller, &new.body.village_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        let (body, digest, now) = (new.body, new.key.body(), app.clock.now());
        if let Some(nik) = &body.nik {
            // Before looking for the row of a repeated create: that one may be under way.
            store::hold_nik(c, &nik_index(&app, nik)).await?;
        }
        store::hold_village(c, &body.village_code).await?;
        let same = match body.id {
            Some(id) => find_same(c, &caller, id, digest).await?,
            None => None,
        };
        if let Some(full) = same {
            if let Some(event) = showing(&caller, &app, "volunteer.repeat_create", [&full.0]) {
                audit::record(c, &event).await?;
            }
            let (id, version) = (full.0.id, full.0.version);
            let answer = Answer::row(&VolunteerView::of(full, &caller, now), version)?;
            return keep(ticket, c, &caller, answer, id).await;
        }
        let shown = shown_fields(&caller);
        let entry = Entry { new: body, digest: Some(digest.to_vec()), letter: None, shown };
        let full = register(c, &app, &caller, entry).await?;
        let (id, version) = (full.0.id, full.0.version);
        let location = format!("{}/v1/volunteers/{id}", app.settings.public_url);
        let answer = Answer::created(&VolunteerView::of(full, &caller, now), version, location)?;
        keep(ticket, c, &caller, answer, id).await
    })
    .await
}

/// The row of the same create; an id of anything else is taken.
async fn find_same(conn: &mut Conn, caller: &Caller, id: VolunteerId, digest: &[u8]) -> ApiResult<Option<Full>> {
    match store::find_create(conn, id).await? {
        None => Ok(None),
        Some((creator, request)) if creator == Some(caller.client.0) && request.as_deref() == Some(digest) => {
            Ok(Some(find_locked(conn, caller, id).await?))
        }
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}
