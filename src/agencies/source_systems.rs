//! Endpoints under `/v1/source-systems`: who can help, with what, where.
use super::calendar::Calendar;
use super::offers::HourMinute;
use super::store::{self, NamedSystem, Offer};
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, AgencyKind, ReadReference};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::{Conn, Db};
use crate::platform::error::ApiResult;
use crate::platform::input::PathId;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::region_code::RegionCode;
use crate::regions::rules::TimeZone;
use actix_web::get;
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// A body that receives referrals.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceSystemView {
    /// Its agency: `target_agency_id` of a referral.
    agency_id: AgencyId,
    kind: AgencyKind,
    #[schema(example = "BPJS Kesehatan")]
    name: String,
    /// Whether it may forward a referral to another one.
    may_forward: bool,
    /// Whether what is addressed to it may be claimed by those of its branches that offer the service there.
    open_to_branches: bool,
    /// Regions served; empty: the whole country. A government serves no more than it governs, whatever stands here.
    region_codes: Vec<RegionCode>,
    /// By which it works.
    time_zone: TimeZone,
    /// ISO weekdays on which it works: 1 is Monday.
    #[schema(example = json!([1, 2, 3, 4, 5]))]
    working_days: Vec<i16>,
    /// In its zone.
    opens_at: HourMinute,
    /// In its zone.
    closes_at: HourMinute,
    /// Whether it works at this moment, by its hours and the holidays of where it sits.
    open_now: bool,
    /// When it works next; null: it does now, or has no working day within a year.
    #[schema(required)]
    opens_next: Option<DateTime<Utc>>,
    /// What there is room for, in words.
    #[schema(required)]
    capacity_note: Option<String>,
    /// Codes of the list `services`.
    services: Vec<Code>,
    /// The same services, each with how soon it is acted upon and what it asks for.
    offers: Vec<OfferView>,
    version: i32,
}

/// A service as it is offered.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferView {
    /// Code of the list `services`.
    service: Code,
    /// Of urgent referrals.
    urgent: UrgentWithin,
    /// Of all others.
    normal: NormalWithin,
    /// What there is room for, in words.
    #[schema(required)]
    capacity_note: Option<String>,
    /// JSON Schema of the fields that it asks for: its own, or the national one of the service.
    #[schema(required, value_type = Option<Object>)]
    fields_schema: Option<Value>,
}

/// How soon an urgent referral is acted upon.
#[derive(Debug, Serialize, ToSchema)]
pub struct UrgentWithin {
    /// Minutes by the clock, day and night.
    acknowledge_minutes: i32,
    /// Working days from sending to accepting or declining.
    answer_days: i16,
    /// Working days from accepting to completing, if it says so.
    #[schema(required)]
    complete_days: Option<i16>,
}

/// How soon any other is.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "beside it stands one with minutes")]
pub struct NormalWithin {
    /// Working days.
    acknowledge_days: i16,
    /// Working days from sending to accepting or declining.
    answer_days: i16,
    /// Working days from accepting to completing, if it says so.
    #[schema(required)]
    complete_days: Option<i16>,
}

impl OfferView {
    fn of(offer: Offer, national: &[(Code, Value)]) -> Self {
        let (acknowledge_minutes, acknowledge_days) = offer.acknowledge_within();
        let (urgent, normal) = (
            UrgentWithin {
                acknowledge_minutes,
                answer_days: offer.answer_within(true),
                complete_days: offer.complete_within(true),
            },
            NormalWithin {
                acknowledge_days,
                answer_days: offer.answer_within(false),
                complete_days: offer.complete_within(false),
            },
        );
        let everywhere = national.iter().find(|(service, _)| *service == offer.service).map(|(_, form)| form.clone());
        let (service, capacity_note) = (offer.service, offer.capacity_note);
        Self { service, urgent, normal, capacity_note, fields_schema: offer.fields_schema.or(everywhere) }
    }
}

impl SourceSystemView {
    /// Of what the database has of it; at this moment.
    fn of(
        (system, name, kind): NamedSystem,
        calendar: Option<&Calendar>,
        offers: &[Offer],
        national: &[(Code, Value)],
        now: DateTime<Utc>,
    ) -> Self {
        let opens = calendar.and_then(|calendar| calendar.opens(now));
        let own: Vec<Offer> = offers.iter().filter(|offer| offer.agency_id == system.agency_id).cloned().collect();
        Self {
            agency_id: system.agency_id,
            kind,
            name,
            may_forward: system.may_forward,
            open_to_branches: system.open_to_branches,
            region_codes: system.region_codes,
            time_zone: system.time_zone,
            working_days: system.working_days,
            opens_at: HourMinute(system.opens_at),
            closes_at: HourMinute(system.closes_at),
            open_now: opens == Some(now),
            opens_next: opens.filter(|opens| *opens != now),
            capacity_note: system.capacity_note,
            services: own.iter().map(|offer| offer.service.clone()).collect(),
            offers: own.into_iter().map(|offer| OfferView::of(offer, national)).collect(),
            version: system.version,
        }
    }
}

/// Which source systems.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SourceSystemFilter {
    /// Only of this kind.
    kind: Option<AgencyKind>,
    /// Only those that offer this service.
    service: Option<Code>,
    /// Only those that serve this region.
    region: Option<RegionCode>,
}

/// List source systems
///
/// Who can help a person here: `?service=pbi_jk_reactivation&region=17.06.02.1009`, how soon, and what it asks for.
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(SourceSystemFilter, PageParams),
    responses((status = 200, body = Page<SourceSystemView>, description = "A page of source systems.")))]
#[get("/v1/source-systems")]
pub async fn list_source_systems(
    _caller: Permit<ReadReference>,
    paged: Paged<SourceSystemFilter>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (filter, after): (_, Option<AgencyId>) = (&paged.filter, paged.after()?);
    // Serving a regency is serving each of its villages.
    let regions: Option<Vec<RegionCode>> =
        filter.region.clone().map(|region| std::iter::successors(Some(region), RegionCode::parent).collect());
    let rows = db
        .read(async |c| {
            let (service, regions) = (filter.service.as_ref(), regions.as_deref());
            store::list_source_systems(c, filter.kind, service, regions, after, paged.limit + 1).await
        })
        .await?;
    let (rows, after) = paged.cut(rows, |(system, _, _)| system.agency_id);
    let ids: Vec<AgencyId> = rows.iter().map(|(system, _, _)| system.agency_id).collect();
    let now = app.clock.now();
    let calendars = db.read(async |c| store::calendar::calendars(c, &ids, now).await).await?;
    let offers = db.read(async |c| store::offers(c, &ids).await).await?;
    let national = db.read(async |c| store::forms(c).await).await?;
    let view = |row: NamedSystem| {
        let calendar = calendars.get(&row.0.agency_id);
        SourceSystemView::of(row, calendar, &offers, &national, now)
    };
    paged.answer(rows.into_iter().map(view).collect(), after, None)
}

/// Read a source system
#[utoipa::path(tag = "reference", security(("oauth2" = [])), params(("id" = AgencyId, Path, description = "Id of its agency.")),
    responses((status = 200, body = SourceSystemView, description = "The source system.")))]
#[get("/v1/source-systems/{id}")]
pub async fn read_source_system(
    _caller: Permit<ReadReference>,
    id: PathId<AgencyId>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let now = app.clock.now();
    let (system, version) = db.read(async |c| view(c, id.0, now).await).await?;
    Answer::row(&system, version)
}

/// One source system as it is shown, and its version.
pub async fn view(conn: &mut &Conn, id: AgencyId, now: DateTime<Utc>) -> QueryResult<(SourceSystemView, i32)> {
    let system = store::find_source_system(conn, id).await?;
    let calendars = store::calendar::calendars(conn, &[id], now).await?;
    let (offers, national) = (store::offers(conn, &[id]).await?, store::forms(conn).await?);
    let version = system.0.version;
    Ok((SourceSystemView::of(system, calendars.get(&id), &offers, &national, now), version))
}
