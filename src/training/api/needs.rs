//! Who lacks training, ready to be invited.
use super::enrol::shows;
use crate::access::api::Permit;
use crate::access::rules::{ReadParticipants, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::Recorder;
use crate::platform::answer::Answer;
use crate::platform::app::Shared;
use crate::platform::db::Db;
use crate::platform::error::ApiResult;
use crate::platform::input::set;
use crate::platform::openapi::PreferHeader;
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::person::initials;
use crate::platform::region_code::RegionCode;
use crate::training::rules::{EnrolmentId, EnrolmentState, TrainingEventId, TrainingNeed, trainable};
use crate::training::store::{self, SeatAhead};
use crate::volunteers::rules::{TrainingLevel, VolunteerStatus};
use crate::volunteers::store::{self as volunteers, Wanted};
use actix_web::get;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

/// Whose need of what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NeedFilter {
    /// Which training they lack; either if absent.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    need: Option<TrainingNeed>,
    /// Posted in this region; the caller's own if absent.
    region: Option<RegionCode>,
}

/// A seat that somebody already has ahead.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeatAheadView {
    enrolment_id: EnrolmentId,
    event_id: TrainingEventId,
    /// Has a seat, or waits for one.
    state: EnrolmentState,
    /// Of the event.
    starts_at: DateTime<Utc>,
}

/// Somebody who lacks training.
#[derive(Serialize, ToSchema)]
pub struct TrainingNeedView {
    volunteer_id: VolunteerId,
    /// Where the volunteer is posted.
    village_code: RegionCode,
    #[schema(example = "S. A.")]
    initials: String,
    #[schema(example = "Siti Aminah")]
    name: String,
    status: VolunteerStatus,
    level: TrainingLevel,
    need: TrainingNeed,
    /// The first training of that level, published, postponed or under way, in which there is a seat already; null: invite.
    #[schema(required)]
    seat: Option<SeatAheadView>,
}

/// What is asked for: one, or both.
fn asked(need: Option<TrainingNeed>) -> impl Iterator<Item = TrainingNeed> {
    TrainingNeed::ALL.iter().copied().filter(move |one| need.is_none_or(|only| only == *one))
}

/// List who lacks training
///
/// Volunteers and candidates who have neither left nor been rejected, in the order of registration: `need=basic` has not passed the
/// basic training, `need=advanced` has passed that and not the advanced one. `seat` tells who has a seat ahead already. How many
/// they are, by region: `/v1/statistics/training-needs`.
#[utoipa::path(tag = "training", security(("oauth2" = ["training:read", "volunteers:read"])), params(NeedFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<TrainingNeedView>, description = "A page of volunteers.")))]
#[get("/v1/training-needs")]
pub async fn list_training_needs(
    caller: Permit<ReadParticipants>,
    paged: Paged<NeedFilter>,
    app: Shared,
    db: Db,
    recorder: Recorder,
) -> ApiResult<Answer> {
    let (need, after): (_, Option<VolunteerId>) = (paged.filter.need, paged.after()?);
    let now = app.clock.now();
    let wanted = Wanted {
        region: paged.filter.region.clone(),
        status: trainable(),
        level: asked(need).map(TrainingNeed::lacking).collect(),
        at: now,
        ..Wanted::default()
    };
    // Of a wide region it is read like the list of volunteers that it is: the best plan depends on how many there are.
    let (rows, total) = if wanted.may_be_rare(&caller) {
        let list = async |c: &mut crate::platform::db::Conn| {
            volunteers::list(&mut &*c, &caller, &wanted, after, paged.limit + 1).await
        };
        let count = async || db.report(async |c| volunteers::count(&mut &*c, &caller, &wanted).await).await;
        (db.report(list).await?, if paged.count { Some(count().await?) } else { None })
    } else {
        let rows = db.read(async |c| volunteers::list(c, &caller, &wanted, after, paged.limit + 1).await).await?;
        let count = async || db.read(async |c| volunteers::count(c, &caller, &wanted).await).await;
        (rows, if paged.count { Some(count().await?) } else { None })
    };
    let (rows, after) = paged.cut(rows, |(volunteer, _)| volunteer.id);
    let mut ahead: HashMap<VolunteerId, SeatAhead> = HashMap::new();
    for need in asked(need) {
        let of = rows.iter().filter(|(volunteer, _)| volunteer.level == need.lacking());
        let of: Vec<VolunteerId> = of.map(|(volunteer, _)| volunteer.id).collect();
        for seat in db.read(async |c| store::seats_ahead(c, need.level(), &of).await).await? {
            ahead.entry(seat.0).or_insert(seat);
        }
    }
    let shown = rows.iter().filter(|(volunteer, _)| shows(&caller, volunteer.id, &volunteer.village_code));
    let shown: Vec<_> = shown.map(|(one, _)| (one.id.0, one.id.0, &one.village_code)).collect();
    if !shown.is_empty() {
        let record = Event::by(&caller, "training_need.list", app.clock.new_id(), now);
        recorder.record(record.rows("volunteer", shown, &["name"])).await?;
    }
    let views = rows.into_iter().map(|(volunteer, person)| TrainingNeedView {
        seat: ahead.remove(&volunteer.id).map(|(_, enrolment_id, event_id, state, starts_at)| SeatAheadView {
            enrolment_id,
            event_id,
            state,
            starts_at,
        }),
        volunteer_id: volunteer.id,
        initials: initials(&person.name),
        name: person.name,
        village_code: volunteer.village_code,
        status: volunteer.status,
        need: if volunteer.level == TrainingLevel::None { TrainingNeed::Basic } else { TrainingNeed::Advanced },
        level: volunteer.level,
    });
    paged.answer(views.collect(), after, total)
}
