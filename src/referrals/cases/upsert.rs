//! `POST /v1/cases/upsert`: a case by its reporter's own number, made or brought up to date.
use super::super::rules::ReferralId;
use super::super::store;
use super::{
    CreatedCase, NewCase, check_places, check_ppks, latest_of_change, report_and_send, save_change, send_first,
};
use crate::access::api::{Permit, Purse};
use crate::access::rules::{Caller, Scope, SharedCaller, WriteCases};
use crate::audit::store::{self as audit, Recorder};
use crate::cases::alike::Till;
use crate::cases::api::{CaseView, decided, replayed, shown, shown_of};
use crate::cases::consent::{self, Consent};
use crate::cases::rules::{CaseAction, CaseId, Urgency};
use crate::cases::store::references::{self, Reference};
use crate::cases::store::{self as cases, Case, CasePerson};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, FORBIDDEN, Fault};
use crate::platform::idempotency::Attempt;
use crate::platform::input::Keyed;
use crate::platform::nik::OwnNumber;
use crate::platform::openapi::IdempotencyHeader;
use crate::regions::rules::TimeZone;
use actix_web::post;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A case as the reporting system has it now.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpsertCase {
    /// Your own number of it: of each agency's numbers, one names one case. Not a number that names a person.
    reference: OwnNumber,
    /// The whole of it: what is left out of it is empty from now on. Of a case that is known already, `id`, `village_code` and
    /// `volunteer_id` cannot be changed, `recorded_at` is left as it was, and `referral` is sent only if that target has not been asked yet.
    case: NewCase,
}

/// Report or change a case by your own number
///
/// For systems that keep cases themselves and send them again and again. What was sent last, sent once more, changes nothing, even if
/// somebody has changed the case here meanwhile. Several at once make one case.
#[utoipa::path(tag = "cases", security(("oauth2" = ["cases:write"])), params(IdempotencyHeader), request_body = UpsertCase,
    responses((status = 201, body = CreatedCase, description = "Reported."), (status = 200, body = CreatedCase, description = "It was known: changed, or the same as before.")))]
#[post("/v1/cases/upsert")]
pub async fn upsert_case(
    permit: Permit<WriteCases>,
    sent: Keyed<UpsertCase>,
    app: Shared,
    db: Db,
    recorder: Recorder,
    purse: Purse,
) -> ApiResult<Answer> {
    let till = Till { caller: &permit, app: &app, db: &db, recorder: &recorder, purse: &purse };
    let done = upsert(&db, permit.caller(), app.0.clone(), sent).await;
    till.charge(done).await
}

async fn upsert(db: &Db, caller: SharedCaller, app: Arc<App>, sent: Keyed<UpsertCase>) -> ApiResult<Answer> {
    if sent.body.case.referral.is_some() && !caller.scopes.has(Scope::ReferralsSend) {
        return Err(ApiError::from(&FORBIDDEN));
    }
    db.write(async move |c| {
        let ticket = match sent.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, &app, &caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (number, request) = (sent.body.reference.as_str().to_owned(), sent.key.body().to_vec());
        let place = app.keys.fingerprint(&[b"case reference", caller.agency.0.as_bytes(), number.as_bytes()]);
        let known = references::hold(c, caller.agency, &number, &place).await?;
        let (case, person, referral_id) = match &known {
            None => report_and_send(c, &app, &caller, sent.body.case, &request).await,
            Some(known) if known.request == request => unchanged(c, &app, &caller, known.case_id).await,
            Some(known) => bring_up_to_date(c, &app, &caller, known.case_id, sent.body.case, &request).await,
        }
        .map_err(|error| error.within("case"))?;
        let (id, version, subjects) = (case.id, case.version, shown_of(&caller, &case, &person));
        references::save(c, &Reference { agency_id: caller.agency, reference: number, case_id: id, request }).await?;
        let view = CreatedCase { case: CaseView::of(&caller, case, person, app.clock.now()), referral_id };
        let answer = match known {
            None => Answer::created(&view, version, format!("{}/v1/cases/{id}", app.settings.public_url))?,
            Some(_) => Answer::row(&view, version)?,
        };
        ticket.keep(c, answer, &subjects).await
    })
    .await
}

type Done = (Case, CasePerson, Option<ReferralId>);

async fn unchanged(conn: &mut Conn, app: &App, caller: &Caller, id: CaseId) -> ApiResult<Done> {
    let (case, person) = cases::find(&mut &*conn, caller, id).await?;
    audit::record(conn, &shown(app, caller, "case.read", &case, &person)).await?;
    Ok((case, person, store::first_of(conn, id).await?))
}

async fn bring_up_to_date(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    id: CaseId,
    new: NewCase,
    request: &[u8],
) -> ApiResult<Done> {
    let before = cases::lock(conn, caller, id).await?;
    decided(&before, CaseAction::Update)?;
    check_fixed(&before, &new)?;
    let mut person = cases::person(conn, before.id).await?;
    let referral = new.referral.clone();
    let changed = replaced(conn, app, &before, &mut person, new).await?;
    let after = save_change(conn, app, caller, &before, &changed, &person).await?;
    if let Some(first) = referral
        && !store::asked(conn, id, first.target_agency_id).await?
    {
        send_first(conn, app, caller, &after, &first, request).await?;
    }
    Ok((after, person, store::first_of(conn, id).await?))
}

/// What a case is about does not move: another place or another volunteer has acts of its own.
fn check_fixed(before: &Case, new: &NewCase) -> ApiResult<()> {
    let fixed = |at: &str| Err(ApiError::rule(at, Fault::new("fixed", "tidak dapat diubah", "cannot be changed")));
    if new.id.is_some_and(|id| id != before.id) {
        return fixed("/id");
    }
    if new.village_code != before.village_code {
        return fixed("/village_code");
    }
    if new.volunteer_id.is_some_and(|volunteer| Some(volunteer) != before.volunteer_id) {
        return fixed("/volunteer_id");
    }
    Ok(())
}

async fn replaced(conn: &mut Conn, app: &App, before: &Case, person: &mut CasePerson, new: NewCase) -> ApiResult<Case> {
    let today = TimeZone::of(&before.village_code).day(app.clock.now());
    *person = new.person.into_row(&app.keys, person.id, before.id, &new.need, today)?;
    let (ppks, sensitive) = check_ppks(conn, new.ppks, today).await?;
    check_places(conn, new.service_field.as_ref(), new.sector.as_ref(), today).await?;
    let mut after = Case {
        ppks,
        sensitive,
        service_field: new.service_field,
        sector: new.sector,
        urgency: new.urgency.unwrap_or(Urgency::Normal),
        lawful_basis: new.lawful_basis,
        do_not_contact: new.do_not_contact.unwrap_or(before.do_not_contact),
        ..before.clone()
    };
    let given = new.consent.map(|given| Consent::given(given, person));
    let latest = latest_of_change(given.as_ref(), before, today);
    consent::check(after.lawful_basis, given.as_ref(), person, today, latest)?;
    consent::set(&mut after, given.as_ref());
    Ok(after)
}
