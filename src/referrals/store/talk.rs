//! Every SQL statement on what the sides of a referral say to each other.
use crate::access::rules::{AgencyId, ClientId, VolunteerId};
use crate::cases::store::Filter;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::referrals::rules::ReferralId;
use crate::referrals::rules::talk::{CommentId, CommentKind, Counts, TalkSide};
use crate::schema::{referral_comment_texts, referral_comments, referrals};
use chrono::{DateTime, Utc};
use diesel::expression::SelectableExpression;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;

/// A comment or a question, without what it says.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = referral_comments, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Comment {
    /// Its id.
    pub id: CommentId,
    /// The referral.
    pub referral_id: ReferralId,
    /// Whether it is to be answered.
    pub kind: CommentKind,
    /// On which side it was said.
    pub side: TalkSide,
    /// The question that it answers.
    pub answers: Option<CommentId>,
    /// Of a question: its first answer.
    pub answered_by_id: Option<CommentId>,
    /// When that was.
    pub answered_at: Option<DateTime<Utc>>,
    /// Who said it.
    pub agency_id: AgencyId,
    /// By which client.
    pub client_id: ClientId,
    /// The officer.
    pub acting_user: Option<String>,
    /// The volunteer, if a phone did it.
    pub volunteer_id: Option<VolunteerId>,
    /// Digest of the create.
    pub create_request: Vec<u8>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Adds a comment with what it says.
pub async fn add(conn: &mut Conn, comment: &Comment, text: &str) -> QueryResult<()> {
    diesel::insert_into(referral_comments::table).values(comment).execute(conn).await?;
    let row = (referral_comment_texts::comment_id.eq(comment.id), referral_comment_texts::text.eq(text));
    diesel::insert_into(referral_comment_texts::table).values(row).execute(conn).await.map(drop)
}

/// A question has its first answer.
pub async fn set_answered(conn: &mut Conn, question: CommentId, answer: &Comment) -> QueryResult<()> {
    let open = referral_comments::table.find(question).filter(referral_comments::answered_at.is_null());
    let set = (referral_comments::answered_by_id.eq(answer.id), referral_comments::answered_at.eq(answer.created_at));
    diesel::update(open).set(set).execute(conn).await.map(drop)
}

/// Writes how much is said of a referral that is locked. Its version stays: whoever works on it is not refused for it.
pub async fn set_counts(conn: &mut Conn, id: ReferralId, counts: Counts, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(referrals::table.find(id))
        .set((
            referrals::comments.eq(counts.comments),
            referrals::questions_to_sender.eq(counts.to_sender),
            referrals::questions_to_receiver.eq(counts.to_receiver),
            referrals::updated_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// A comment, whatever it is of.
pub async fn find_any(conn: &mut Conn, id: CommentId) -> QueryResult<Comment> {
    referral_comments::table.find(id).select(Comment::columns()).first(conn).await
}

/// A comment of a referral that the caller sees, with what it says.
pub async fn find(conn: &mut Conn, of: ReferralId, id: CommentId) -> QueryResult<(Comment, String)> {
    referral_comments::table
        .inner_join(referral_comment_texts::table)
        .filter(referral_comments::referral_id.eq(of).and(referral_comments::id.eq(id)))
        .select((Comment::columns(), referral_comment_texts::text))
        .first(conn)
        .await
}

/// Which of a referral's.
#[derive(Debug, Clone, Copy)]
pub struct WantedComments {
    /// Of this referral.
    pub of: ReferralId,
    /// Only these.
    pub kind: Option<CommentKind>,
    /// Only questions that are answered, or are not.
    pub answered: Option<bool>,
}

/// The conditions of a page and of its count.
fn only<Source: 'static>(wanted: WantedComments) -> Filter<Source>
where
    referral_comments::referral_id: SelectableExpression<Source>,
    referral_comments::kind: SelectableExpression<Source>,
    referral_comments::answered_at: SelectableExpression<Source>,
{
    let mut all: Filter<Source> = Box::new(referral_comments::referral_id.eq(wanted.of));
    if let Some(kind) = wanted.kind {
        all = Box::new(all.and(referral_comments::kind.eq(kind)));
    }
    if let Some(answered) = wanted.answered {
        let is = referral_comments::answered_at.is_not_null().eq(answered.into_sql::<Bool>());
        all = Box::new(all.and(referral_comments::kind.eq(CommentKind::Question)).and(is));
    }
    all
}

/// One page of what is said of a referral, oldest first.
pub async fn list(
    conn: &mut &Conn,
    wanted: WantedComments,
    after: Option<(DateTime<Utc>, CommentId)>,
    limit: i64,
) -> QueryResult<Vec<(Comment, String)>> {
    let mut query = referral_comments::table
        .inner_join(referral_comment_texts::table)
        .filter(only(wanted))
        .select((Comment::columns(), referral_comment_texts::text))
        .order((referral_comments::created_at, referral_comments::id))
        .limit(limit)
        .into_boxed();
    if let Some((at, id)) = after {
        let rest = referral_comments::created_at.gt(at).or(referral_comments::id.gt(id));
        query = query.filter(referral_comments::created_at.ge(at).and(rest));
    }
    query.load(conn).await
}

/// How many there are.
pub async fn count(conn: &mut &Conn, wanted: WantedComments) -> QueryResult<i64> {
    referral_comments::table.filter(only(wanted)).count().get_result(conn).await
}
