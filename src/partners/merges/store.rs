//! Every SQL statement on merges and on the rows that moved with them.
use crate::access::rules::{AgencyId, VolunteerId};
use crate::codes::rules::Code;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, unnest};
use crate::platform::nik::NikStatus;
use crate::schema::{merged_rows, volunteer_merges as t, volunteers};
use crate::text_enum;
use chrono::{DateTime, Utc};
use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

text_enum! {
    /// What moved with a merge.
    MovedRow {
        /// A row that had been merged into the duplicate before.
        Volunteer = "volunteer",
        /// A case that it reported.
        Case = "case",
        /// A referral of such a case.
        Referral = "referral",
        /// A seat in a training event.
        TrainingEnrolment = "training_enrolment",
        /// A document.
        VolunteerDocument = "volunteer_document",
    }
}

/// A merge.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg), treat_none_as_default_value = false)]
pub struct Merge {
    /// Of the merge.
    pub id: Uuid,
    /// The row that stays.
    pub survivor_id: VolunteerId,
    /// The row that leads to it.
    pub duplicate_id: VolunteerId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub agency_id: AgencyId,
    /// The officer at the keyboard.
    pub acting_user: Option<String>,
    /// Code of the list `duplicate-reasons`.
    pub reason: Code,
    /// What the survivor took over: names of columns, or of several that are one.
    pub filled: Vec<String>,
    /// What was known of its NIK, if it took over the other one's.
    pub nik_status_before: Option<NikStatus>,
    /// When it was undone.
    pub undone_at: Option<DateTime<Utc>>,
    /// By whom.
    pub undone_by: Option<AgencyId>,
}

/// Notes a merge.
pub async fn add(conn: &mut Conn, merge: &Merge) -> QueryResult<()> {
    diesel::insert_into(t::table).values(merge).execute(conn).await.map(drop)
}

/// Notes rows that moved with it.
pub async fn add_moved(conn: &mut Conn, merge: Uuid, entity: MovedRow, rows: &[Uuid]) -> QueryResult<()> {
    let rows = diesel::select((
        merge.into_sql::<diesel::sql_types::Uuid>(),
        entity.as_str().into_sql::<diesel::sql_types::Text>(),
        unnest(rows),
    ));
    let into = (merged_rows::merge_id, merged_rows::entity, merged_rows::row_id);
    rows.insert_into(merged_rows::table).into_columns(into).execute(conn).await.map(drop)
}

/// The rows of a kind that moved with a merge.
pub async fn moved(conn: &mut Conn, merge: Uuid, entity: MovedRow) -> QueryResult<Vec<Uuid>> {
    merged_rows::table
        .filter(merged_rows::merge_id.eq(merge).and(merged_rows::entity.eq(entity)))
        .select(merged_rows::row_id)
        .load(conn)
        .await
}

#[auto_type]
fn living(survivor: VolunteerId, duplicate: VolunteerId) -> _ {
    t::survivor_id.eq(survivor).and(t::duplicate_id.eq(duplicate)).and(t::undone_at.is_null())
}

/// The merge of these two that holds, held until the transaction ends.
pub async fn lock(conn: &mut Conn, survivor: VolunteerId, duplicate: VolunteerId) -> QueryResult<Merge> {
    t::table.filter(living(survivor, duplicate)).select(Merge::columns()).for_update().first(conn).await
}

/// Notes that it was undone.
pub async fn undo(conn: &mut Conn, merge: Uuid, by: AgencyId, now: DateTime<Utc>) -> QueryResult<()> {
    let undone = (t::undone_at.eq(now), t::undone_by.eq(by));
    diesel::update(t::table.find(merge)).set(undone).execute(conn).await.map(drop)
}

/// Other merges into the same volunteer that hold, in the order of time.
pub async fn others_of(conn: &mut Conn, merge: &Merge) -> QueryResult<Vec<Merge>> {
    let others = t::survivor_id.eq(merge.survivor_id).and(t::undone_at.is_null()).and(t::id.ne(merge.id));
    t::table.filter(others).select(Merge::columns()).order((t::at, t::id)).load(conn).await
}

/// Notes anew what the survivor has of a merge.
pub async fn save_filled(conn: &mut Conn, merge: &Merge) -> QueryResult<()> {
    let filled = (t::filled.eq(&merge.filled), t::nik_status_before.eq(merge.nik_status_before));
    diesel::update(t::table.find(merge.id)).set(filled).execute(conn).await.map(drop)
}

/// What was merged into a volunteer, and into those that lead to it, undone or not, oldest first.
pub async fn of_survivor(conn: &mut &Conn, id: VolunteerId) -> QueryResult<Vec<Merge>> {
    let leading = volunteers::table.filter(volunteers::merged_into.eq(id)).select(volunteers::id);
    t::table
        .filter(t::survivor_id.eq(id).or(t::survivor_id.eq_any(leading)))
        .select(Merge::columns())
        .order((t::at, t::id))
        .load(conn)
        .await
}
