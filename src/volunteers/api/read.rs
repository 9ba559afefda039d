//! Reading volunteers and their history.
use super::{VolunteerView, elsewhere, sees_person, showing};
use crate::access::api::Permit;
use crate::access::rules::{ActingUser, AgencyId, ReadVolunteers, VolunteerId};
use crate::audit::{rules::Event, store::Recorder};
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::{PathId, set, several};
use crate::platform::moment::Day;
use crate::platform::nik::Sex;
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::person::AgeBand;
use crate::platform::region_code::RegionCode;
use crate::text_enum;
use crate::volunteers::rules::{HistoryAction, TrainingLevel, VolunteerStatus};
use crate::volunteers::store::{self, HistoryRow, Wanted};
use actix_web::get;
use chrono::{DateTime, NaiveDate, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

text_enum! {
    /// Sex as a filter.
    SexFilter {
        /// Perempuan.
        Female = "female",
        /// Laki-laki.
        Male = "male",
        /// Not known.
        Unknown = "unknown",
    }
}

text_enum! {
    /// Age in whole years as a filter.
    AgeFilter {
        /// See [`AgeBand`].
        UnderFive = "0-4",
        /// See [`AgeBand`].
        Child = "5-11",
        /// See [`AgeBand`].
        Adolescent = "12-17",
        /// See [`AgeBand`].
        Youth = "18-24",
        /// See [`AgeBand`].
        Adult = "25-44",
        /// See [`AgeBand`].
        Older = "45-59",
        /// See [`AgeBand`].
        Elderly = "60+",
        /// No birth date is known.
        Unknown = "unknown",
    }
}

/// Which volunteers. A repeated parameter is or, different ones are and.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VolunteerFilter {
    /// Posted in this region or in one that lies in it.
    pub(super) region: Option<RegionCode>,
    /// In one of these statuses.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    #[schema(max_items = 100)]
    pub(super) status: Vec<VolunteerStatus>,
    /// Of one of these levels.
    #[serde(default, deserialize_with = "several")]
    #[param(max_items = 100)]
    #[schema(max_items = 100)]
    pub(super) level: Vec<TrainingLevel>,
    /// Of one of these.
    #[serde(default, deserialize_with = "several")]
    #[param(inline, max_items = 100)]
    #[schema(max_items = 100)]
    pub(super) sex: Vec<SexFilter>,
    /// With this function (list `psm-functions`).
    pub(super) function: Option<Code>,
    /// Of one of these ages today, where the volunteer is posted.
    #[serde(default, deserialize_with = "several")]
    #[param(inline, max_items = 100)]
    #[schema(max_items = 100)]
    pub(super) age_band: Vec<AgeFilter>,
    /// The current posting began on this day or later.
    pub(super) posted_from: Option<Day>,
    /// The current posting began before this day.
    pub(super) posted_before: Option<Day>,
    /// Whether a telephone number is known.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    #[schema(nullable = false)]
    pub(super) has_phone: Option<bool>,
    /// Accompanied by this person: the social office's own opaque id.
    #[param(value_type = Option<String>, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    pub(super) supervisor: Option<ActingUser>,
    /// Accompanied by somebody of this agency.
    pub(super) supervisor_agency: Option<AgencyId>,
}

impl VolunteerFilter {
    /// As the one predicate of lists, counts and exports takes it, at a moment that tells how old everyone is.
    pub fn wanted(&self, at: DateTime<Utc>) -> Wanted {
        let sex = |filter: &SexFilter| match filter {
            SexFilter::Female => Some(Sex::Female),
            SexFilter::Male => Some(Sex::Male),
            SexFilter::Unknown => None,
        };
        Wanted {
            region: self.region.clone(),
            status: self.status.clone(),
            level: self.level.clone(),
            sex: self.sex.iter().map(sex).collect(),
            function: self.function.clone(),
            supervisor: self.supervisor.as_ref().map(|officer| officer.as_str().to_owned()),
            supervisor_agency: self.supervisor_agency,
            age: self.age_band.iter().map(|filter| AgeBand::parse(filter.as_str())).collect(),
            at,
            posted_from: self.posted_from.map(Day::date),
            posted_before: self.posted_before.map(Day::date),
            has_phone: self.has_phone,
        }
    }
}

/// List volunteers
///
/// Those of the caller's region, in the order of registration. `Prefer: count=exact` tells how many there are.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(VolunteerFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<VolunteerView>, description = "A page of volunteers.")))]
#[get("/v1/volunteers")]
pub async fn list_volunteers(
    caller: Permit<ReadVolunteers>,
    paged: Paged<VolunteerFilter>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let now = app.clock.now();
    let (wanted, after): (_, Option<VolunteerId>) = (paged.filter.wanted(now), paged.after()?);
    let (rows, total) = if wanted.may_be_rare(&caller) {
        let rows = db.report(async |c| store::list(&mut &*c, &caller, &wanted, after, paged.limit + 1).await).await?;
        let count = async || db.report(async |c| store::count(&mut &*c, &caller, &wanted).await).await;
        (rows, if paged.count { Some(count().await?) } else { None })
    } else {
        let rows = db.read(async |c| store::list(c, &caller, &wanted, after, paged.limit + 1).await).await?;
        let count = async || db.read(async |c| store::count(c, &caller, &wanted).await).await;
        (rows, if paged.count { Some(count().await?) } else { None })
    };
    let (rows, after) = paged.cut(rows, |(volunteer, _)| volunteer.id);
    if let Some(event) = showing(&caller, &app, "volunteer.list", rows.iter().map(|(volunteer, _)| volunteer)) {
        recorder.record(event).await?;
    }
    paged.answer(rows.into_iter().map(|full| VolunteerView::of(full, &caller, now)).collect(), after, total)
}

/// Read a volunteer
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    responses((status = 200, body = VolunteerView, description = "The volunteer."), (status = 308, description = "Merged into another volunteer: `Location` has that one.")))]
#[get("/v1/volunteers/{id}")]
pub async fn read_volunteer(
    caller: Permit<ReadVolunteers>,
    id: PathId<VolunteerId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let found = db.read(async |c| store::find_full(c, &caller, id.0).await.optional()).await?;
    let Some(full) = found else { return elsewhere(&db, &app, &caller, id.0, "").await };
    if let Some(event) = showing(&caller, &app, "volunteer.read", [&full.0]) {
        recorder.record(event).await?;
    }
    let version = full.0.version;
    Answer::row(&VolunteerView::of(full, &caller, app.clock.now()), version)
}

/// A change of a status.
#[derive(Serialize, ToSchema)]
pub struct VolunteerMove {
    /// The volunteer of the path, or one that was merged into it.
    volunteer_id: VolunteerId,
    /// When it was recorded.
    at: DateTime<Utc>,
    /// Null: registered.
    #[schema(required)]
    from: Option<VolunteerStatus>,
    to: VolunteerStatus,
    action: HistoryAction,
    /// Since when it holds.
    effective_on: NaiveDate,
    agency_id: AgencyId,
    #[schema(required)]
    acting_user: Option<String>,
    /// Code of the list `volunteer-reasons`.
    #[schema(required)]
    reason: Option<Code>,
    #[schema(required)]
    note: Option<String>,
}

impl From<HistoryRow> for VolunteerMove {
    fn from(row: HistoryRow) -> Self {
        Self {
            volunteer_id: row.volunteer_id,
            at: row.at,
            from: row.from_status,
            to: row.to_status,
            action: row.action,
            effective_on: row.effective_on,
            agency_id: row.agency_id,
            acting_user: row.acting_user,
            reason: row.reason,
            note: row.note,
        }
    }
}

/// The history of a volunteer's status.
#[derive(Serialize, ToSchema)]
pub struct VolunteerHistory {
    /// Oldest first.
    items: Vec<VolunteerMove>,
}

/// Read a volunteer's history
///
/// Every change of the status since the registration, oldest first; of those that were merged into the volunteer too.
#[utoipa::path(tag = "volunteers", security(("oauth2" = ["volunteers:read"])), params(("id" = VolunteerId, Path, description = "Id of the volunteer.")),
    responses((status = 200, body = VolunteerHistory, description = "The history."), (status = 308, description = "Merged into another volunteer: `Location` has that one's.")))]
#[get("/v1/volunteers/{id}/history")]
pub async fn read_volunteer_history(
    caller: Permit<ReadVolunteers>,
    id: PathId<VolunteerId>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let rows = db.read(async |c| store::history(c, &caller, id.0).await).await?;
    let Some((_, village)) = rows.first() else { return elsewhere(&db, &app, &caller, id.0, "/history").await };
    if sees_person(&caller) {
        // Notes are free text about a person.
        let event = Event::by(&caller, "volunteer.read_history", app.clock.new_id(), app.clock.now());
        // Of those that were merged into it too: they are the same person.
        let persons: BTreeSet<VolunteerId> = rows.iter().map(|(row, _)| row.volunteer_id).collect();
        let persons = persons.into_iter().map(Uuid::from);
        recorder.record(event.subject("volunteer", id.0).persons(persons, &["note"]).region(village)).await?;
    }
    Answer::ok(&VolunteerHistory { items: rows.into_iter().map(|(row, _)| VolunteerMove::from(row)).collect() })
}
