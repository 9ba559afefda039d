//! What is decided on a volunteer's status. The eleven routes of `actions` all go through [`decide`].
use super::{VolunteerView, check_version, find_locked, keep, note, replay};
use crate::access::rules::{SharedCaller, VolunteerId};
use crate::codes::rules::{Code, UNKNOWN_CODE};
use crate::codes::store as codes;
use crate::platform::answer::Answer;
use crate::platform::app::App;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault};
use crate::platform::idempotency::{Attempt, RequestKey};
use crate::platform::input::IfMatch;
use crate::platform::moment::Day;
use crate::platform::text::Text;
use crate::regions::rules::TimeZone;
use crate::volunteers::phones::{LEFT, cut_off_phone};
use crate::volunteers::rules::{
    Letter, NOT_THE_AUTHORITY, VOLUNTEER_STATE_CONFLICT, VolunteerAction, VolunteerStatus, check_effective, may_decide,
    next,
};
use crate::volunteers::store::{self, HistoryRow, Volunteer};
use chrono::NaiveDate;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What goes with most decisions.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "note": "Sesuai berkas." }))]
pub struct Step {
    /// Since when it holds; today if absent.
    pub(super) effective_on: Option<Day>,
    /// Code of the list `volunteer-reasons`.
    pub(super) reason: Option<Code>,
    pub(super) note: Option<Text<2000>>,
}

/// A decision, whichever it is.
#[derive(Clone)]
pub(super) struct Decision {
    pub(super) caller: SharedCaller,
    pub(super) app: Arc<App>,
    pub(super) id: VolunteerId,
    pub(super) version: IfMatch,
    pub(super) key: RequestKey,
    pub(super) action: VolunteerAction,
    pub(super) step: Step,
    pub(super) letter: Option<Letter>,
}

pub(super) async fn decide(decision: Decision, db: Db) -> ApiResult<Answer> {
    db.write(async move |c| {
        let Decision { caller, app, id, version, key, action, step, letter } = decision;
        let ticket = match key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replay(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        let (mut volunteer, person) = find_locked(c, &caller, id).await?;
        if !may_decide(&caller, &volunteer.village_code) {
            return Err(ApiError::from(&NOT_THE_AUTHORITY));
        }
        let to = next(volunteer.status, volunteer.ended_from, action).ok_or_else(|| conflict(&volunteer))?;
        check_version(&volunteer, version)?;
        let now = app.clock.now();
        let today = TimeZone::of(&volunteer.village_code).day(now);
        let effective_on = check(c, action, &step, letter.as_ref(), &volunteer, today).await?;
        let before = volunteer.clone();
        move_to(&mut volunteer, to, letter);
        (volunteer.effective_on, volunteer.status_since, volunteer.status_by) = (effective_on, now, caller.agency);
        store::save(c, &mut volunteer, caller.agency, now).await?;
        let row = HistoryRow {
            id: app.clock.new_id(),
            volunteer_id: id,
            at: now,
            action: action.as_history(),
            from_status: Some(before.status),
            to_status: to,
            effective_on,
            agency_id: caller.agency,
            acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
            reason: step.reason.clone(),
            note: step.note.map(|note| note.as_str().to_owned()),
        };
        store::add_history(c, &row).await?;
        if !to.is_engaged() {
            cut_off_phone(c, id, LEFT, now).await?;
        }
        let audited = format!("volunteer.{}", action.verb());
        note(c, &app, &caller, &audited, Some(&before), &volunteer, step.reason.as_ref().map(Code::as_str)).await?;
        let version = volunteer.version;
        let answer = Answer::row(&VolunteerView::of((volunteer, person), &caller, now), version)?;
        keep(ticket, c, &caller, answer, id).await
    })
    .await
}

/// What stands in the way: the status, since when, and who set it.
pub(super) fn conflict(volunteer: &Volunteer) -> ApiError {
    ApiError::from(&VOLUNTEER_STATE_CONFLICT)
        .member("state", volunteer.status)
        .member("since", volunteer.status_since)
        .member("by", volunteer.status_by)
}

/// Checks what goes with the decision; returns since when it holds.
async fn check(
    conn: &mut Conn,
    action: VolunteerAction,
    step: &Step,
    letter: Option<&Letter>,
    volunteer: &Volunteer,
    today: NaiveDate,
) -> ApiResult<NaiveDate> {
    if let Some(letter) = letter {
        letter.check(today)?;
    }
    // A letter may be older than the day on which its steps were typed in.
    let effective_on = step.effective_on.map(Day::date).or(letter.map(|letter| letter.date)).unwrap_or(today);
    let previous = if letter.is_some() { NaiveDate::MIN } else { volunteer.effective_on };
    check_effective(effective_on, previous, today)?;
    if let Some(reason) = &step.reason {
        let known = codes::valid(conn, "volunteer-reasons", std::slice::from_ref(reason), today).await?;
        let fits =
            known.into_iter().find(|code| code.group_code.as_deref().is_none_or(|group| group == action.as_str()));
        let code = fits.ok_or_else(|| ApiError::rule("/reason", UNKNOWN_CODE))?;
        if code.needs_text && step.note.is_none() {
            let fault = Fault::new("required", "alasan ini perlu penjelasan", "this reason needs an explanation");
            return Err(ApiError::rule("/note", fault));
        }
    }
    Ok(effective_on)
}

/// The facts that go with a status.
fn move_to(volunteer: &mut Volunteer, to: VolunteerStatus, letter: Option<Letter>) {
    volunteer.ended_from = to.has_ended().then_some(volunteer.status);
    volunteer.status = to;
    if let Some(letter) = letter {
        volunteer.appoint(letter);
    }
}
