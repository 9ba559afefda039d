//! What every move of a referral has in common: it is decided, applied, written with its history, recorded and
//! published, all in one transaction.
use super::create::pool_of;
use super::due;
use super::forward::{NextTarget, forward};
use super::publish::publish;
use super::rules::{
    CLAIM_FIRST, CORRECTION_OVER, EXPIRY, FORWARD_LOOP, Facts, MAY_NOT_FORWARD, NOT_A_PARTY, PARTNER_REFERENCE_TAKEN,
    Party, PersonSight, REFERRAL_CLAIMED, REFERRAL_OPEN_AT_TARGET, REFERRAL_STATE_CONFLICT, REVIEW, ReferralAction,
    ReferralId, ReferralStatus, Refused, SUCCESSOR_OPEN, check, decide,
};
use super::store::history::{self, ReferralEvent};
use super::store::{self, Referral, Scene};
use super::view::{persons, sight};
use crate::access::rules::{AgencyId, Caller, SharedCaller};
use crate::audit::{rules::Event, store as audit};
use crate::cases::api::{check_code, state_conflict};
use crate::cases::store as cases;
use crate::codes::rules::Code;
use crate::platform::answer::Answer;
use crate::platform::app::App;
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, STALE};
use crate::platform::idempotency::{Attempt, Replay, RequestKey, Ticket};
use crate::platform::input::IfMatch;
use crate::regions::rules::TimeZone;
use chrono::{DateTime, NaiveDate, Utc};
use std::sync::Arc;
use uuid::Uuid;

/// A move with all that it carries.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is done.
    pub action: ReferralAction,
    /// Why: a code of the action's list.
    pub reason: Option<Code>,
    /// In words; personal data.
    pub note: Option<String>,
    /// How it was completed.
    pub outcome: Option<Code>,
    /// When the person was served.
    pub served_on: Option<NaiveDate>,
    /// When the receiver means to be done.
    pub due_on: Option<NaiveDate>,
    /// When the person is expected.
    pub appointment_at: Option<DateTime<Utc>>,
    /// When to look again.
    pub review_on: Option<NaiveDate>,
    /// The receiver's own number.
    pub partner_reference: Option<String>,
    /// The answer shows nothing of the person.
    pub unseen: bool,
    /// Where it is passed on to.
    pub targets: Vec<NextTarget>,
}

impl Step {
    /// A move that carries nothing.
    pub fn new(action: ReferralAction) -> Self {
        Self {
            action,
            reason: None,
            note: None,
            outcome: None,
            served_on: None,
            due_on: None,
            appointment_at: None,
            review_on: None,
            partner_reference: None,
            unseen: false,
            targets: vec![],
        }
    }
}

/// A move as it was asked for.
#[derive(Clone)]
pub struct Act {
    /// By whom.
    pub caller: SharedCaller,
    /// The app.
    pub app: Arc<App>,
    /// Of which referral.
    pub id: ReferralId,
    /// Based on this version of it.
    pub version: IfMatch,
    /// Once.
    pub key: RequestKey,
    /// What.
    pub step: Step,
}

/// Does one move and answers with the referral as it is then.
pub async fn perform(db: Db, act: Act) -> ApiResult<Answer> {
    db.write(async move |c| {
        let (app, caller, step) = (&*act.app, &*act.caller, &act.step);
        let ticket = match act.key.begin(c, app, caller.identity()).await? {
            Attempt::Replay(replay) => return replayed(c, app, caller, replay).await,
            Attempt::Fresh(ticket) => ticket,
        };
        move_one(c, app, caller, act.id, Some(act.version), step).await?;
        answer(c, app, caller, act.id, ticket, false).await
    })
    .await
}

/// Decides and does a move, if it is based on the current version.
pub async fn move_one(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    id: ReferralId,
    version: Option<IfMatch>,
    step: &Step,
) -> ApiResult<()> {
    if step.action.needs_case() {
        // The case before the referral, as closing a case does.
        let case = store::case_of(conn, caller, id).await?;
        cases::lock_any(conn, case).await?;
    }
    store::lock(conn, caller, id).await?;
    let (scene, now) = (store::find(&mut &*conn, caller, id).await?, app.clock.now());
    let to = decided(caller, &scene, step, now)?;
    if let Some(version) = version {
        check_version(&scene.referral, version)?;
    }
    check_step(conn, &scene.referral, step, now).await?;
    let mut after = scene.referral.clone();
    apply(&mut after, to, step, Some(caller.agency), now);
    if step.action == ReferralAction::Correct && after.status.is_unanswered() && after.handler_agency_id.is_none() {
        after.pool_agency_ids = pool_of(conn, after.receiver_agency_id, &after.service, &after.village_code).await?;
    }
    if matches!(step.action, ReferralAction::Accept | ReferralAction::Resume | ReferralAction::Correct) {
        due::begin(conn, &mut after, now).await?;
    }
    let after = write(conn, app, Mover::Caller(caller), &scene, after, step).await?;
    if step.action == ReferralAction::Forward {
        forward(conn, app, caller, &scene, &after, step).await?;
    }
    Ok(())
}

/// The answer with a referral as it is now, kept for a replay.
pub async fn answer(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    id: ReferralId,
    ticket: Ticket,
    created: bool,
) -> ApiResult<Answer> {
    let scene = store::find(&mut &*conn, caller, id).await?;
    let subjects: Vec<Uuid> = std::iter::once(id.0).chain(shown_by(caller, &scene)).collect();
    let version = scene.referral.version;
    let view = super::view::ReferralView::of(caller, scene, &app.keys, app.clock.now())?;
    let answer = if created {
        Answer::created(&view, version, format!("{}/v1/referrals/{id}", app.settings.public_url))?
    } else {
        Answer::row(&view, version)?
    };
    ticket.keep(conn, answer, &subjects).await
}

/// What names the sight that an answer shows, so that a replay does not show it to who has it no longer: the person's id with the person, the
/// case's where these are masked, nothing beside a header.
fn shown_by(caller: &Caller, scene: &Scene) -> Option<Uuid> {
    match sight(caller, &scene.referral) {
        PersonSight::Open => Some(scene.person.id),
        PersonSight::Eligibility | PersonSight::Masked => Some(scene.case.id.0),
        PersonSight::Header => None,
    }
}

/// The stored answer, if the caller still sees what it shows; otherwise where the referral stands.
pub async fn replayed(conn: &mut Conn, app: &App, caller: &Caller, replay: Replay) -> ApiResult<Answer> {
    let id = replay.subjects.first().copied().map(ReferralId).ok_or_else(ApiError::not_found)?;
    let scene = store::find(&mut &*conn, caller, id).await?;
    let (people, fields) = persons(caller, &scene.referral, &scene);
    let (showed, shows) = (replay.subjects.get(1).copied(), shown_by(caller, &scene));
    // Who sees the person sees all that is shown where they are masked.
    if showed.is_some_and(|showed| shows != Some(showed) && shows != Some(scene.person.id)) {
        return Err(conflict(&scene.referral));
    }
    if showed == Some(scene.person.id) {
        let event = Event::by(caller, "referral.replay", app.clock.new_id(), app.clock.now());
        let event = event.subject("referral", id).persons(people, fields).region(&scene.referral.village_code);
        audit::record(conn, &event).await?;
    }
    Ok(replay.answer)
}

fn decided(caller: &Caller, scene: &Scene, step: &Step, now: DateTime<Utc>) -> ApiResult<ReferralStatus> {
    let referral = &scene.referral;
    let party = Party::of(caller, referral.sides());
    let facts: Facts = scene.facts(caller);
    let refused = |why| refusal(why, scene);
    let to = decide(step.action, &facts, party).map_err(refused)?;
    check(step.action, &facts, now).map_err(refused)?;
    if step.targets.iter().any(|target| referral.chain.contains(&target.agency)) {
        return Err(ApiError::from(&FORWARD_LOOP));
    }
    Ok(to)
}

fn refusal(why: Refused, scene: &Scene) -> ApiError {
    let referral = &scene.referral;
    match why {
        Refused::NotAParty => ApiError::from(&NOT_A_PARTY),
        Refused::MayNotForward => ApiError::from(&MAY_NOT_FORWARD),
        Refused::State => conflict(referral),
        Refused::Claimed => ApiError::from(&REFERRAL_CLAIMED).member("by", referral.handler_agency_id),
        Refused::ClaimFirst => ApiError::from(&CLAIM_FIRST),
        Refused::CorrectionOver => ApiError::from(&CORRECTION_OVER).member("since", referral.status_since),
        Refused::CaseClosed => state_conflict(&scene.case),
        Refused::RivalOpen => ApiError::from(&REFERRAL_OPEN_AT_TARGET),
        Refused::SuccessorOpen => ApiError::from(&SUCCESSOR_OPEN),
    }
}

/// Where it stands, nobody can do that: told with since when, and by whom.
pub fn conflict(referral: &Referral) -> ApiError {
    ApiError::from(&REFERRAL_STATE_CONFLICT)
        .member("state", referral.status)
        .member("since", referral.status_since)
        .member("by", referral.status_agency_id)
}

/// Refuses what is based on another version.
pub fn check_version(referral: &Referral, sent: IfMatch) -> ApiResult<()> {
    if referral.version == sent.0 {
        return Ok(());
    }
    let stale = ApiError::from(&STALE).member("version", referral.version).member("updated_at", referral.updated_at);
    Err(stale.member("by", referral.status_agency_id))
}

async fn check_step(conn: &mut Conn, referral: &Referral, step: &Step, now: DateTime<Utc>) -> ApiResult<()> {
    let today = TimeZone::of(&referral.village_code).day(now);
    if let (Some(list), Some(reason)) = (step.action.reasons(), &step.reason) {
        check_code(conn, list, reason, step.note.is_some(), "/reason", today).await?;
    }
    if let Some(outcome) = &step.outcome {
        check_code(conn, "referral-outcomes", outcome, step.note.is_some(), "/outcome", today).await?;
    }
    let past = Fault::new("date_past", "sudah lewat", "is in the past");
    for (pointer, day) in [("/due_on", step.due_on), ("/review_on", step.review_on)] {
        if day.is_some_and(|day| day < today) {
            return Err(ApiError::rule(pointer, past));
        }
    }
    if step.appointment_at.is_some_and(|at| at < now) {
        return Err(ApiError::rule("/appointment_at", past));
    }
    let sent = TimeZone::of(&referral.village_code).day(referral.created_at);
    if step.served_on.is_some_and(|day| day > today || day < sent) {
        let fault =
            Fault::new("date_impossible", "antara pengiriman dan hari ini", "between the day it was sent and today");
        return Err(ApiError::rule("/served_on", fault));
    }
    Ok(())
}

/// Changes the row as the move says. The facts that go with a state come and go with it.
pub fn apply(referral: &mut Referral, to: ReferralStatus, step: &Step, by: Option<AgencyId>, now: DateTime<Utc>) {
    let from = referral.status;
    referral.updated_at = now;
    match step.action {
        ReferralAction::Claim => {
            referral.handler_agency_id = by;
            return;
        }
        ReferralAction::Release => {
            release(referral);
            return;
        }
        _ => {}
    }
    (referral.status, referral.status_since, referral.status_agency_id) = (to, now, by);
    due::clear(referral);
    referral.ended_from = (!to.is_open()).then_some(from);
    if !to.is_open() && referral.handler_agency_id.is_none() {
        // It is nobody's to claim any more, and the branches that saw it are told that it is gone.
        referral.pool_agency_ids.clear();
    }
    if step.action == ReferralAction::Hold {
        let review = TimeZone::of(&referral.village_code).day(now) + REVIEW;
        referral.held_from = Some(from);
        (referral.hold_reason, referral.hold_review_on) = (step.reason.clone(), step.review_on.or(Some(review)));
    } else if to != ReferralStatus::OnHold && (to.is_open() || from != ReferralStatus::OnHold) {
        (referral.held_from, referral.hold_reason, referral.hold_review_on) = (None, None, None);
    }
    let ending = step.action.reasons().filter(|_| !to.is_open());
    referral.reason_list = ending.map(str::to_owned);
    referral.reason = ending.and(step.reason.clone());
    (referral.outcome, referral.served_on) = (step.outcome.clone(), step.served_on);
    referral.expires_at = match step.action {
        ReferralAction::Correct if to.is_unanswered() => Some(now + EXPIRY),
        _ => referral.expires_at.filter(|_| to.is_unanswered()),
    };
    match step.action {
        // What was promised before no longer holds.
        ReferralAction::Correct | ReferralAction::Hold => (referral.due_on, referral.appointment_at) = (None, None),
        ReferralAction::Accept | ReferralAction::Resume => {
            (referral.due_on, referral.appointment_at) = (step.due_on, step.appointment_at);
        }
        ReferralAction::Start if step.due_on.is_some() || step.appointment_at.is_some() => {
            (referral.due_on, referral.appointment_at) = (step.due_on, step.appointment_at);
        }
        _ => {}
    }
    if step.partner_reference.is_some() {
        referral.partner_reference.clone_from(&step.partner_reference);
    }
}

/// Nobody has it any more: its number of it goes with it, and what was taken on is left to who it is addressed to.
fn release(referral: &mut Referral) {
    (referral.handler_agency_id, referral.partner_reference) = (None, None);
    if !referral.status.is_unanswered() {
        referral.pool_agency_ids.clear();
    }
}

/// Who moves.
#[derive(Clone, Copy)]
pub enum Mover<'a> {
    /// Somebody, for the own agency.
    Caller(&'a Caller),
    /// Somebody who closes the case: in the sender's name.
    Sender(&'a Caller, AgencyId),
    /// Time.
    Clock,
}

impl Mover<'_> {
    /// The agency that the move is put down to.
    pub fn agency(self) -> Option<AgencyId> {
        match self {
            Self::Caller(caller) => Some(caller.agency),
            Self::Sender(_, sender) => Some(sender),
            Self::Clock => None,
        }
    }

    fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Caller(caller) | Self::Sender(caller, _) => Some(caller),
            Self::Clock => None,
        }
    }
}

/// Saves a moved referral with history, audit and outbox.
pub async fn write(
    conn: &mut Conn,
    app: &App,
    mover: Mover<'_>,
    scene: &Scene,
    after: Referral,
    step: &Step,
) -> ApiResult<Referral> {
    let seen = mover.caller().filter(|_| !step.unseen);
    let people = seen.map(|caller| persons(caller, &after, scene)).unwrap_or_default();
    write_row(conn, app, mover, &scene.referral, after, step, people).await
}

/// The same without the person: nothing of the answer shows one by this referral.
pub async fn write_row(
    conn: &mut Conn,
    app: &App,
    mover: Mover<'_>,
    before: &Referral,
    after: Referral,
    step: &Step,
    (people, fields): (Vec<Uuid>, &[&str]),
) -> ApiResult<Referral> {
    // One moment: history tells when the row says that it moved.
    let now = after.updated_at;
    let saved = store::save(conn, &after, now).await.map_err(ApiError::from);
    let after = saved.map_err(|error| {
        let error = error.on_constraint("referrals_open_at_target", || ApiError::from(&REFERRAL_OPEN_AT_TARGET));
        error.on_constraint("referrals_partner_reference", || ApiError::from(&PARTNER_REFERENCE_TAKEN))
    })?;
    add_history(conn, app, mover, Some((before.status, step)), &after, step.note.as_deref()).await?;
    let action = format!("referral.{}", step.action);
    let event = match mover.caller() {
        Some(caller) => Event::by(caller, &action, app.clock.new_id(), now),
        None => Event::new(&action, app.clock.new_id(), app.clock.new_id(), now),
    };
    let event = event.subject("referral", after.id).persons(people, fields).region(&after.village_code);
    let event = match &step.reason {
        Some(reason) => event.detail(reason.as_str()),
        None => event,
    };
    audit::record(conn, &event).await?;
    publish(conn, Some(before), &after, now).await?;
    Ok(after)
}

/// Adds a line to the history; without a move it is that of the create.
pub async fn add_history(
    conn: &mut Conn,
    app: &App,
    mover: Mover<'_>,
    done: Option<(ReferralStatus, &Step)>,
    after: &Referral,
    note: Option<&str>,
) -> ApiResult<()> {
    let action = done.map_or("create", |(_, step)| step.action.as_str());
    let line = ReferralEvent::of(app.clock.new_id(), after, action);
    // An officer stands beside the own agency alone.
    let line = match mover.caller() {
        Some(caller) if mover.agency() == Some(caller.agency) => line.by(caller),
        Some(caller) => ReferralEvent { client_id: Some(caller.client), ..line },
        None => line,
    };
    let line = ReferralEvent {
        from_status: done.map(|(from, _)| from),
        agency_id: mover.agency(),
        reason: done.and_then(|(_, step)| step.reason.clone()),
        outcome: done.and_then(|(_, step)| step.outcome.clone()),
        ..line
    };
    Ok(history::add(conn, &line, note).await?)
}
