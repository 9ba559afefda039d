//! `/v1/referrals/{id}/comments`: what both sides of a referral say to each other beside its moves.
//!
//! Nothing of the referral changes by it, neither state nor version; that there is something to read is told by the feed and by the
//! counts that every referral shows. Text is personal data: it is kept in a row of its own and shown to who sees the need.
use super::publish::publish;
use super::rules::talk::{
    CommentId, CommentKind, Counts, Mute, Reading, TALK_AFTER, TOO_MANY_COMMENTS, TalkFacts, TalkSide, decide, reading,
    sides_of,
};
use super::rules::{CLAIM_FIRST, NOT_A_PARTY, Party, REFERRAL_CLAIMED, REFERRAL_STATE_CONFLICT, ReferralId};
use super::store::list::{Asker, Awaited};
use super::store::talk::{self, Comment, WantedComments};
use super::store::{self, Referral, Scene};
use super::view::sight;
use crate::access::api::Permit;
use crate::access::rules::{AgencyId, Caller, ReadReferrals, Sight, TalkReferrals, VolunteerId};
use crate::audit::rules::Event;
use crate::audit::store::{self as audit, Recorder};
use crate::platform::answer::Answer;
use crate::platform::app::{App, Shared};
use crate::platform::db::{Conn, Db};
use crate::platform::error::{ApiError, ApiResult, Fault, ID_TAKEN};
use crate::platform::idempotency::{Attempt, Replay, Ticket};
use crate::platform::input::{Keyed, PathId, set};
use crate::platform::openapi::{IdempotencyHeader, PreferHeader};
use crate::platform::page::{Page, PageParams, Paged};
use crate::platform::text::Text;
use crate::text_enum;
use actix_web::{get, post};
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

text_enum! {
    /// Whose answer is waited for.
    Awaiting {
        /// That of the caller's side.
        Me = "me",
        /// That of the other side.
        Them = "them",
        /// Anybody's.
        Anyone = "anyone",
    }
}

impl Awaiting {
    /// As the list asks for it.
    pub fn of(self, caller: &Caller, now: DateTime<Utc>) -> Awaited {
        let asker = match &caller.sight {
            Sight::Own(_) => Asker::Sender,
            Sight::Addressed(_) => Asker::Receiver,
            Sight::Region(_) | Sight::Everything => Asker::Agency(caller.agency),
        };
        let of = match self {
            Self::Me => Some((asker, true)),
            Self::Them => Some((asker, false)),
            Self::Anyone => None,
        };
        Awaited { of, ended_from: now - TALK_AFTER }
    }
}

/// How much is said of a referral.
fn counts(referral: &Referral) -> Counts {
    Counts {
        comments: referral.comments,
        to_sender: referral.questions_to_sender,
        to_receiver: referral.questions_to_receiver,
    }
}

/// On which sides of a referral the caller can speak.
fn speaker(caller: &Caller, referral: &Referral) -> Party {
    sides_of(caller, referral.sides(), referral.reporter_agency_id, referral.volunteer_id)
}

/// How much is said of a referral, and how many questions the caller's sides are to answer.
pub fn told(caller: &Caller, referral: &Referral) -> (Counts, i16) {
    (counts(referral), counts(referral).open_to(speaker(caller, referral)))
}

fn facts(caller: &Caller, referral: &Referral) -> TalkFacts {
    TalkFacts {
        status: referral.status,
        since: referral.status_since,
        restricted: referral.restricted,
        claimed_by_other: referral.handler_agency_id.is_some_and(|handler| handler != caller.agency),
        in_pool: referral.sides().in_pool(caller),
        comments: referral.comments,
    }
}

fn read_by(caller: &Caller, referral: &Referral, now: DateTime<Utc>) -> Reading {
    reading(sight(caller, referral), speaker(caller, referral), &facts(caller, referral), now)
}

/// Refuses who is on neither side, and everyone once the talk is over.
pub fn speaks(caller: &Caller, referral: &Referral, now: DateTime<Utc>) -> ApiResult<TalkSide> {
    let facts = TalkFacts { comments: 0, ..facts(caller, referral) };
    decide(caller, speaker(caller, referral), &facts, None, now).map_err(|why| refusal(why, referral))
}

/// What is said.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// Your own `UUIDv7`, so that a repeated create is known; made by the service if absent.
    id: Option<CommentId>,
    kind: CommentKind,
    /// Shown to who sees the need.
    text: Text<4000>,
    /// The question of the other side that this comment answers.
    answers: Option<CommentId>,
}

/// A comment or a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommentView {
    id: CommentId,
    referral_id: ReferralId,
    kind: CommentKind,
    /// On which side of the referral it was said.
    side: TalkSide,
    /// Null to who sees the header of the referral alone.
    #[schema(required)]
    text: Option<String>,
    /// The question that it answers.
    #[schema(required)]
    answers: Option<CommentId>,
    /// Of a question: when it was answered first; null: it is not.
    #[schema(required)]
    answered_at: Option<DateTime<Utc>>,
    /// The comment that did.
    #[schema(required)]
    answered_by_id: Option<CommentId>,
    agency_id: AgencyId,
    /// The officer: the agency's own opaque id.
    #[schema(required)]
    acting_user: Option<String>,
    /// The volunteer, if a phone did it.
    #[schema(required)]
    volunteer_id: Option<VolunteerId>,
    created_at: DateTime<Utc>,
}

/// A comment is never changed.
const VERSION: i32 = 1;

impl CommentView {
    fn of(comment: Comment, text: String, reading: Reading) -> Self {
        Self {
            id: comment.id,
            referral_id: comment.referral_id,
            kind: comment.kind,
            side: comment.side,
            text: Some(text).filter(|_| reading.shows(comment.created_at)),
            answers: comment.answers,
            answered_at: comment.answered_at,
            answered_by_id: comment.answered_by_id,
            agency_id: comment.agency_id,
            acting_user: comment.acting_user,
            volunteer_id: comment.volunteer_id,
            created_at: comment.created_at,
        }
    }
}

/// Say or ask something about a referral
///
/// Without a change of its state or version. A question is answered by the other side, with a comment that `answers` it; it counts as
/// open until then, and may be answered more than once. The sender's side are who sent it, who reported the case and its volunteer; the
/// receiver's, who was asked or the branch that has claimed it. While the referral is open, and for 30 days after it was
/// completed, rejected or failed: who was asked then reads what is said to it since.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:send"]), ("oauth2" = ["referrals:handle"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), IdempotencyHeader), request_body = NewComment,
    responses((status = 201, body = CommentView, description = "Said."), (status = 200, body = CommentView, description = "It was said by the same create.")))]
#[post("/v1/referrals/{id}/comments")]
pub async fn create_referral_comment(
    permit: Permit<TalkReferrals>,
    id: PathId<ReferralId>,
    new: Keyed<NewComment>,
    app: Shared,
    db: Db,
) -> ApiResult<Answer> {
    let (caller, app) = (permit.caller(), app.0);
    db.write(async move |c| {
        let ticket = match new.key.begin(c, &app, caller.identity()).await? {
            Attempt::Replay(kept) => return replayed(c, &app, &caller, kept).await,
            Attempt::Fresh(ticket) => ticket,
        };
        // One after the other: each counts on what was said before it, and the referral does not end meanwhile.
        store::lock(c, &caller, id.0).await?;
        let scene = store::find(&mut &*c, &caller, id.0).await?;
        let same = find_same(c, &caller, &new.body, new.key.body(), id.0).await?;
        let (comment, created) = match same {
            Some(same) => (same, false),
            None => (say(c, &app, &caller, &scene, &new.body, new.key.body()).await?, true),
        };
        answer(c, &app, &caller, &scene, comment, (ticket, created)).await
    })
    .await
}

/// The comment of the same create; an id of anything else is taken.
async fn find_same(
    conn: &mut Conn,
    caller: &Caller,
    new: &NewComment,
    request: &[u8],
    of: ReferralId,
) -> ApiResult<Option<CommentId>> {
    let Some(id) = new.id else { return Ok(None) };
    match talk::find_any(conn, id).await.optional()? {
        None => Ok(None),
        Some(row) if row.client_id == caller.client && row.create_request == request && row.referral_id == of => {
            Ok(Some(row.id))
        }
        Some(_) => Err(ApiError::from(&ID_TAKEN)),
    }
}

/// Adds a comment to a referral that is locked, with audit and outbox.
pub async fn say(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    scene: &Scene,
    new: &NewComment,
    request: &[u8],
) -> ApiResult<CommentId> {
    let (referral, now) = (&scene.referral, app.clock.now());
    let question = match new.answers {
        Some(question) => Some(answered(conn, referral.id, new.kind, question).await?),
        None => None,
    };
    let asked = question.as_ref().map(|question| question.side);
    let side = decide(caller, speaker(caller, referral), &facts(caller, referral), asked, now);
    let side = side.map_err(|why| refusal(why, referral))?;
    let comment = Comment {
        id: new.id.unwrap_or_else(|| CommentId(app.clock.new_id())),
        referral_id: referral.id,
        kind: new.kind,
        side,
        answers: new.answers,
        answered_by_id: None,
        answered_at: None,
        agency_id: caller.agency,
        client_id: caller.client,
        acting_user: caller.acting_user.as_ref().map(|user| user.as_str().to_owned()),
        volunteer_id: caller.volunteer,
        create_request: request.to_vec(),
        created_at: now,
    };
    let added = talk::add(conn, &comment, new.text.as_str()).await.map_err(ApiError::from);
    added.map_err(|error| error.on_constraint("referral_comments_pkey", || ApiError::from(&ID_TAKEN)))?;
    let first = question.filter(|question| question.answered_at.is_none());
    if let Some(question) = &first {
        talk::set_answered(conn, question.id, &comment).await?;
    }
    let asks = (new.kind == CommentKind::Question).then(|| side.other());
    talk::set_counts(conn, referral.id, counts(referral).with(asks, first.map(|_| side)), now).await?;
    publish(conn, Some(referral), referral, now).await?;
    Ok(comment.id)
}

/// The question that is answered: one of this referral.
async fn answered(conn: &mut Conn, of: ReferralId, kind: CommentKind, question: CommentId) -> ApiResult<Comment> {
    if kind == CommentKind::Question {
        let fault = Fault::new("not_expected", "pertanyaan tidak menjawab", "a question answers nothing");
        return Err(ApiError::rule("/answers", fault));
    }
    let found = talk::find(conn, of, question).await.optional()?;
    let found = found.map(|(comment, _)| comment).filter(|comment| comment.kind == CommentKind::Question);
    let unknown = Fault::new("question_unknown", "bukan pertanyaan rujukan ini", "not a question of this referral");
    found.ok_or_else(|| ApiError::rule("/answers", unknown))
}

fn refusal(why: Mute, referral: &Referral) -> ApiError {
    match why {
        Mute::NotAParty => ApiError::from(&NOT_A_PARTY),
        Mute::Claimed => ApiError::from(&REFERRAL_CLAIMED).member("by", referral.handler_agency_id),
        Mute::ClaimFirst => ApiError::from(&CLAIM_FIRST),
        Mute::Over => ApiError::from(&REFERRAL_STATE_CONFLICT)
            .member("state", referral.status)
            .member("since", referral.status_since)
            .member("by", referral.status_agency_id),
        Mute::TooMany => ApiError::from(&TOO_MANY_COMMENTS),
        Mute::OwnQuestion => {
            let own = Fault::new("own_question", "dijawab oleh pihak lain", "is answered by the other side");
            ApiError::rule("/answers", own)
        }
    }
}

/// The answer with a comment as it is now, kept for a replay, and the access recorded.
async fn answer(
    conn: &mut Conn,
    app: &App,
    caller: &Caller,
    scene: &Scene,
    id: CommentId,
    (ticket, created): (Ticket, bool),
) -> ApiResult<Answer> {
    let (comment, text) = talk::find(conn, scene.referral.id, id).await?;
    let of = scene.referral.id;
    let act = match (created, comment.kind, comment.answers) {
        (false, ..) => "referral.comments",
        (true, _, Some(_)) => "referral.answer",
        (true, CommentKind::Question, None) => "referral.question",
        (true, CommentKind::Comment, None) => "referral.comment",
    };
    let view = CommentView::of(comment, text, read_by(caller, &scene.referral, app.clock.now()));
    let event = shown(app, caller, act, scene, view.text.is_some());
    audit::record(conn, &event).await?;
    // A replay must not show the text to who reads it no longer.
    let subjects: Vec<uuid::Uuid> = [of.0].into_iter().chain(view.text.is_some().then_some(id.0)).collect();
    let answer = if created {
        let location = format!("{}/v1/referrals/{of}/comments", app.settings.public_url);
        Answer::created(&view, VERSION, location)?
    } else {
        Answer::row(&view, VERSION)?
    };
    ticket.keep(conn, answer, &subjects).await
}

/// The stored answer, if the caller still sees the referral and reads the text.
async fn replayed(conn: &mut Conn, app: &App, caller: &Caller, replay: Replay) -> ApiResult<Answer> {
    let mut subjects = replay.subjects.iter().copied();
    let of = subjects.next().map(ReferralId).ok_or_else(ApiError::not_found)?;
    let scene = store::find(&mut &*conn, caller, of).await?;
    if let Some(said) = subjects.next().map(CommentId) {
        let (comment, _) = talk::find(conn, of, said).await?;
        if !read_by(caller, &scene.referral, app.clock.now()).shows(comment.created_at) {
            return Err(ApiError::not_found());
        }
        audit::record(conn, &shown(app, caller, "referral.replay", &scene, true)).await?;
    }
    Ok(replay.answer)
}

/// The access record of what is said of a referral.
fn shown(app: &App, caller: &Caller, action: &str, scene: &Scene, text: bool) -> Event {
    let event = Event::by(caller, action, app.clock.new_id(), app.clock.now()).subject("referral", scene.referral.id);
    let event = event.region(&scene.referral.village_code);
    if text { event.persons([scene.person.id], &["comment"]) } else { event }
}

/// Which of what is said.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CommentFilter {
    /// Only comments, or only questions.
    #[param(inline)]
    kind: Option<CommentKind>,
    /// Only questions that are answered, or only those that are not.
    #[serde(default, deserialize_with = "set")] // else an empty value would be none
    answered: Option<bool>,
}

/// List what is said of a referral
///
/// Oldest first. Who sees the header of the referral alone sees that something was said, by whom and when.
#[utoipa::path(tag = "referrals", security(("oauth2" = ["referrals:read"])),
    params(("id" = ReferralId, Path, description = "Id of the referral."), CommentFilter, PageParams, PreferHeader),
    responses((status = 200, body = Page<CommentView>, description = "A page of comments and questions.")))]
#[get("/v1/referrals/{id}/comments")]
pub async fn list_referral_comments(
    caller: Permit<ReadReferrals>,
    id: PathId<ReferralId>,
    paged: Paged<CommentFilter>,
    app: Shared,
    recorder: Recorder,
    db: Db,
) -> ApiResult<Answer> {
    let scene = db.read(async |c| store::find(c, &caller, id.0).await).await?;
    let wanted = WantedComments { of: id.0, kind: paged.filter.kind, answered: paged.filter.answered };
    let after: Option<(DateTime<Utc>, CommentId)> = paged.after()?;
    let rows = db.read(async |c| talk::list(c, wanted, after, paged.limit + 1).await).await?;
    let total = if paged.count { Some(db.read(async |c| talk::count(c, wanted).await).await?) } else { None };
    let (rows, after) = paged.cut(rows, |(comment, _)| (comment.created_at, comment.id));
    let reading = read_by(&caller, &scene.referral, app.clock.now());
    let items: Vec<CommentView> = rows.into_iter().map(|(row, text)| CommentView::of(row, text, reading)).collect();
    if items.iter().any(|item| item.text.is_some()) {
        recorder.record(shown(&app, &caller, "referral.comments", &scene, true)).await?;
    }
    paged.answer(items, after, total)
}
