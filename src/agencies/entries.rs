//! Entering what a source system offers: the ministry for anyone, a source system for itself and its branches.
use super::offers::{Days, HourMinute, NewOffer, OFFICE_DAYS, Within, lie_within, office_hours, weekdays, zone};
use super::rules::{ENTRY_NOT_YOURS, FORWARDING_NOT_YOURS, SOURCE_SYSTEM_EXISTS};
use super::source_systems::{SourceSystemView, view};
use super::store::{self, Agency, Offer, SourceSystem};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, EnterOffers, Scope};
use crate::audit::{rules::Event, store as audit};
use crate::changes::rules::{Audience, Change, ChangeType, Op};
use crate::changes::store as changes;
use crate::codes::{
    rules::{Code, UNKNOWN_CODE},
    store as codes,
};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, STALE};
use crate::platform::idempotency::Attempt;
use crate::platform::input::{Body, IfMatch, Keyed, PathId, set, set_or_clear};
use crate::platform::openapi::{IdempotencyHeader, IfMatchHeader};
use crate::platform::region_code::RegionCode;
use crate::platform::text::Text;
use crate::regions::{rules::TimeZone, store as regions};
use actix_web::{patch, post};
use diesel::OptionalExtension;
use serde::Deserialize;
use utoipa::ToSchema;

/// An agency that is to receive referrals.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSourceSystem {
    /// The agency; your own if absent.
    agency_id: Option<AgencyId>,
    /// Whether it may forward a referral to another one: the ministry grants it.
    #[serde(default)]
    may_forward: bool,
    /// Whether what is addressed to it may be claimed by those of its branches that offer the service there.
    #[serde(default)]
    open_to_branches: bool,
    /// Regions served; empty: the whole country. Who enters it for itself names none outside its own.
    #[serde(default)]
    region_codes: Vec<RegionCode>,
    /// By which it works; that of its first region if absent.
    time_zone: Option<TimeZone>,
    /// ISO weekdays on which it works, 1 is Monday; Monday to Friday if absent.
    #[schema(example = json!([1, 2, 3, 4, 5]))]
    working_days: Option<Vec<Within<1, 7>>>,
    /// In its zone; 08:00 if absent.
    opens_at: Option<HourMinute>,
    /// In its zone; 16:00 if absent.
    closes_at: Option<HourMinute>,
    /// What there is room for, in words for everyone: of nobody.
    capacity_note: Option<Text<500>>,
    /// The services that it offers.
    offers: Vec<NewOffer>,
}

/// Enter a source system
///
/// From then on the agency may be sent referrals for what it offers. An agency enters itself and its branches, within its own
/// regions; the ministry enters any, and grants the right to forward.
#[utoipa::path(tag = "reference", security(("oauth2" = ["agencies:admin"]), ("oauth2" = ["referrals:handle"])), params(IdempotencyHeader), request_body = NewSourceSystem,
    responses((status = 201, body = SourceSystemView, description = "Entered.")))]
#[post("/v1/source-systems")]
pub async fn create_source_system(
    permit: Permit<EnterOffers>,
    new: Keyed<NewSourceSystem>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(replay) => return Ok(replay.answer),
            Attempt::Fresh(ticket) => ticket,
        };
        let body = new.body;
        let agency = store::lock(c, body.agency_id.unwrap_or(caller.agency)).await.optional()?.ok_or_else(|| {
            let fault = Fault::new("agency_unknown", "bukan instansi yang terdaftar", "not a registered agency");
            ApiError::rule("/agency_id", fault)
        })?;
        check_caller(&caller, &agency)?;
        if let Some(there) = store::lock_source_system(c, agency.id).await.optional()? {
            return Err(ApiError::from(&SOURCE_SYSTEM_EXISTS).member("version", there.version));
        }
        let (opens_at, closes_at) = office_hours();
        let system = SourceSystem {
            agency_id: agency.id,
            may_forward: body.may_forward,
            open_to_branches: body.open_to_branches,
            time_zone: body.time_zone.unwrap_or_else(|| zone(&body.region_codes)),
            region_codes: body.region_codes,
            working_days: days(body.working_days)?.unwrap_or_else(|| OFFICE_DAYS.to_vec()),
            opens_at: body.opens_at.map_or(opens_at, |at| at.0),
            closes_at: body.closes_at.map_or(closes_at, |at| at.0),
            capacity_note: body.capacity_note.map(|note| note.as_str().to_owned()),
            version: 1,
        };
        check_entry(c, &caller, &agency, None, &system).await?;
        let offers = rows(c, &app, &system, body.offers).await?;
        let view = save(c, &app, &caller, "source_system.create", None, &system, Some(&offers)).await?;
        let location = format!("{}/v1/source-systems/{}", app.settings.public_url, agency.id);
        ticket.keep(c, Answer::created(&view, system.version, location)?, &[agency.id.0]).await
    })
    .await
}

/// A change of an entry (RFC 7396): what is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
pub struct SourceSystemPatch {
    /// Whether it may forward a referral to another one: the ministry grants it.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    may_forward: Option<bool>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    open_to_branches: Option<bool>,
    /// Regions served; empty: the whole country.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, example = json!(["17.06"]))]
    region_codes: Option<Vec<RegionCode>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    time_zone: Option<TimeZone>,
    /// ISO weekdays: 1 is Monday. Times that are set already stay.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false, example = json!([1, 2, 3, 4, 5]))]
    working_days: Option<Vec<Within<1, 7>>>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    opens_at: Option<HourMinute>,
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    closes_at: Option<HourMinute>,
    #[serde(default, deserialize_with = "set_or_clear")]
    #[schema(value_type = Option<Text<500>>, example = "Sepuluh tempat")]
    capacity_note: Option<Option<Text<500>>>,
    /// All services that it offers from now on, instead of those that it did.
    #[serde(default, deserialize_with = "set")]
    #[schema(nullable = false)]
    offers: Option<Vec<NewOffer>>,
}

/// Change what a source system offers
///
/// By itself, the agency whose branch it is, or the ministry. Referrals that were sent before keep the times that they were given.
#[utoipa::path(tag = "reference", security(("oauth2" = ["agencies:admin"]), ("oauth2" = ["referrals:handle"])),
    params(("id" = AgencyId, Path, description = "Id of its agency."), IfMatchHeader),
    request_body(content = SourceSystemPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, body = SourceSystemView, description = "Changed.")))]
#[patch("/v1/source-systems/{id}")]
pub async fn update_source_system(
    permit: Permit<EnterOffers>,
    id: PathId<AgencyId>,
    version: IfMatch,
    patch: Body<SourceSystemPatch>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app, patch) = (permit.caller(), app.0, patch.0);
    db.write(async move |c| {
        let agency = store::lock(c, id.0).await?;
        let before = store::lock_source_system(c, id.0).await?;
        check_caller(&caller, &agency)?;
        if before.version != version.0 {
            return Err(ApiError::from(&STALE).member("version", before.version));
        }
        let mut system = before.clone();
        system.version += 1;
        system.may_forward = patch.may_forward.unwrap_or(system.may_forward);
        system.open_to_branches = patch.open_to_branches.unwrap_or(system.open_to_branches);
        system.region_codes = patch.region_codes.unwrap_or(system.region_codes);
        system.time_zone = patch.time_zone.unwrap_or(system.time_zone);
        system.working_days = days(patch.working_days)?.unwrap_or(system.working_days);
        system.opens_at = patch.opens_at.map_or(system.opens_at, |at| at.0);
        system.closes_at = patch.closes_at.map_or(system.closes_at, |at| at.0);
        if let Some(note) = patch.capacity_note {
            system.capacity_note = note.map(|note| note.as_str().to_owned());
        }
        check_entry(c, &caller, &agency, Some(&before), &system).await?;
        let offers = match patch.offers {
            Some(offers) => Some(rows(c, &app, &system, offers).await?),
            None => None,
        };
        let view = save(c, &app, &caller, "source_system.update", Some(&before), &system, offers.as_deref()).await?;
        Answer::row(&view, system.version)
    })
    .await
}

fn is_ministry(caller: &Caller) -> bool {
    caller.scopes.has(Scope::AgenciesAdmin)
}

/// Refuses who is neither the agency, nor the one whose branch it is, nor the ministry.
fn check_caller(caller: &Caller, agency: &Agency) -> ApiResult<()> {
    if is_ministry(caller) || [Some(agency.id), agency.parent_id].contains(&Some(caller.agency)) {
        return Ok(());
    }
    Err(ApiError::from(&ENTRY_NOT_YOURS))
}

/// Refuses an entry that does not fit together, or that is not its caller's to make.
async fn check_entry(
    conn: &mut Conn,
    caller: &Caller,
    agency: &Agency,
    before: Option<&SourceSystem>,
    after: &SourceSystem,
) -> ApiResult<()> {
    if after.may_forward != before.is_some_and(|before| before.may_forward) && !is_ministry(caller) {
        return Err(ApiError::from(&FORWARDING_NOT_YOURS));
    }
    if after.opens_at >= after.closes_at {
        let fault = Fault::new("hours_wrong", "harus sesudah opens_at", "must be after opens_at");
        return Err(ApiError::rule("/closes_at", fault));
    }
    if before.is_some_and(|before| before.region_codes == after.region_codes) {
        return Ok(());
    }
    let known = regions::current(conn, &after.region_codes).await?;
    if let Some(index) = after.region_codes.iter().position(|code| !known.contains(code)) {
        let fault = Fault::new("region_unknown", "bukan wilayah yang berlaku", "not a current region");
        return Err(ApiError::rule(&format!("/region_codes/{index}"), fault));
    }
    if !is_ministry(caller) && !lie_within(&after.region_codes, &agency.region_codes) {
        let fault = Fault::new(
            "region_not_yours",
            "harus di dalam wilayah instansi itu sendiri",
            "must lie within the regions of the agency itself",
        );
        return Err(ApiError::rule("/region_codes", fault));
    }
    Ok(())
}

fn days(sent: Option<Vec<Within<1, 7>>>) -> ApiResult<Option<Vec<i16>>> {
    sent.map(weekdays).transpose().map_err(|fault| ApiError::rule("/working_days", fault))
}

/// The rows of what is offered; each service once, and in the list today.
async fn rows(conn: &mut Conn, app: &App, system: &SourceSystem, offers: Vec<NewOffer>) -> ApiResult<Vec<Offer>> {
    let wanted: Vec<Code> = offers.iter().map(|offer| offer.service.clone()).collect();
    let valid = codes::valid(conn, "services", &wanted, system.time_zone.day(app.clock.now())).await?;
    for (index, service) in wanted.iter().enumerate() {
        let pointer = format!("/offers/{index}/service");
        if !valid.iter().any(|entry| entry.code == *service) {
            return Err(ApiError::rule(&pointer, UNKNOWN_CODE));
        }
        if wanted.iter().take(index).any(|before| before == service) {
            let fault = Fault::new("duplicate", "layanan ini sudah disebut", "this service was named already");
            return Err(ApiError::rule(&pointer, fault));
        }
    }
    let days = |days: Option<Days>| days.and_then(|days| i16::try_from(days.get()).ok());
    let row = |offer: NewOffer| Offer {
        agency_id: system.agency_id,
        service: offer.service,
        acknowledge_urgent_minutes: offer.urgent.acknowledge_minutes.map(Within::get),
        acknowledge_days: days(offer.normal.acknowledge_days),
        answer_urgent_days: days(offer.urgent.answer_days),
        answer_days: days(offer.normal.answer_days),
        complete_urgent_days: days(offer.urgent.complete_days),
        complete_days: days(offer.normal.complete_days),
        capacity_note: offer.capacity_note.map(|note| note.as_str().to_owned()),
        fields_schema: offer.fields_schema.map(|form| form.schema().clone()),
    };
    Ok(offers.into_iter().map(row).collect())
}

/// Saves an entry with its audit, and tells everyone: any token reads what is offered.
async fn save(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    action: &str,
    before: Option<&SourceSystem>,
    after: &SourceSystem,
    offers: Option<&[Offer]>,
) -> ApiResult<SourceSystemView> {
    let now = app.clock.now();
    store::save_source_system(conn, after, offers, now).await?;
    let event = Event::by(caller, action, app.clock.new_id(), now).subject("source_system", after.agency_id);
    audit::record(conn, &event.regions(&after.region_codes)).await?;
    let audience = |system: &SourceSystem| Audience {
        agencies: vec![system.agency_id],
        regions: system.region_codes.clone(),
        ..Audience::default()
    };
    let change = Change {
        r#type: ChangeType::SourceSystem,
        id: after.agency_id.0,
        version: after.version,
        op: Op::Upsert,
        redirected_to: None,
        before: before.map(audience).unwrap_or_default(),
        after: audience(after),
        at: now,
    };
    changes::publish(conn, &change).await?;
    Ok(view(&mut &*conn, after.agency_id, now).await?.0)
}
