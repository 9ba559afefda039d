//! Every SQL statement on the numbers that reporting systems have of their cases.
use crate::access::rules::AgencyId;
use crate::cases::rules::CaseId;
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, pg_advisory_xact_lock};
use crate::schema::case_references as t;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// What an agency calls a case.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
pub struct Reference {
    /// Whose number it is.
    pub agency_id: AgencyId,
    /// Its number.
    pub reference: String,
    /// Of this case.
    pub case_id: CaseId,
    /// Digest of what was sent last.
    pub request: Vec<u8>,
}

/// The case of a number. `place`: a digest of agency and number; whoever asks by it waits until the transaction ends, since the row may
/// be under way.
pub async fn hold(conn: &mut Conn, agency: AgencyId, reference: &str, place: &[u8]) -> QueryResult<Option<Reference>> {
    let lock = place.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)).unwrap_or_default();
    diesel::select(pg_advisory_xact_lock(lock)).execute(conn).await?;
    t::table.find((agency, reference)).select(Reference::columns()).first(conn).await.optional()
}

/// Notes the number of a case, and what was sent.
pub async fn save(conn: &mut Conn, reference: &Reference) -> QueryResult<()> {
    diesel::insert_into(t::table)
        .values(reference)
        .on_conflict((t::agency_id, t::reference))
        .do_update()
        .set(t::request.eq(&reference.request))
        .execute(conn)
        .await
        .map(drop)
}
