//! Referrals found otherwise than by a list.
use super::scene::{Scene, SceneRow, scene};
use super::visible_to;
use crate::access::rules::{AgencyId, Caller};
use crate::cases::rules::CaseId;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::referrals::rules::ReferralId;
use crate::schema::{case_people, cases, referral_details, referrals, source_systems};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// By what referrals are searched.
#[derive(Debug, Clone)]
pub enum By {
    /// Blind index of a NIK: the person's, or one in the fields of the service.
    Nik(Vec<u8>),
    /// Blind index of the number of a BPJS card, likewise.
    Card(Vec<u8>),
    /// The receiver's own number of it.
    Reference(String),
}

/// The newest that answer.
pub async fn search(conn: &mut &Conn, caller: &Caller, by: &By, limit: i64) -> QueryResult<Vec<Scene>> {
    let mut query = referrals::table
        .inner_join(cases::table.inner_join(case_people::table))
        .inner_join(source_systems::table)
        .filter(visible_to(caller))
        .select(scene())
        .order((referrals::created_at.desc(), referrals::id.desc()))
        .limit(limit)
        .into_boxed();
    query = match by {
        By::Nik(index) | By::Card(index) => {
            // Both ways first: an alternative over two tables would be looked for in all rows.
            let people = case_people::table.select(case_people::case_id);
            let of_person = match by {
                By::Nik(_) => people.filter(case_people::nik_index.eq(index)).load::<CaseId>(conn).await?,
                _ => people.filter(case_people::card_index.eq(index)).load::<CaseId>(conn).await?,
            };
            let told = referral_details::table.filter(referral_details::numbers.contains(vec![index.clone()]));
            let told: Vec<ReferralId> = told.select(referral_details::referral_id).load(conn).await?;
            query.filter(referrals::case_id.eq_any(of_person).or(referrals::id.eq_any(told)))
        }
        By::Reference(number) => query.filter(referrals::partner_reference.eq(number.clone())),
    };
    let rows: Vec<SceneRow> = query.load(conn).await?;
    Ok(rows.into_iter().map(Scene::from).collect())
}

/// Those of these that the caller sees.
pub async fn of_ids(conn: &mut &Conn, caller: &Caller, ids: &[ReferralId]) -> QueryResult<Vec<Scene>> {
    let rows: Vec<SceneRow> = referrals::table
        .inner_join(cases::table.inner_join(case_people::table))
        .inner_join(source_systems::table)
        .filter(visible_to(caller))
        .filter(referrals::id.eq_any(ids))
        .select(scene())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Scene::from).collect())
}

/// A referral, and who has given it a number of its own.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = referrals, check_for_backend(diesel::pg::Pg))]
pub struct Numbered {
    /// Its id.
    pub id: ReferralId,
    /// The number: the handler's, or the receiver's where there is none.
    #[diesel(column_name = partner_reference)]
    pub number: Option<String>,
    /// The branch that has claimed it.
    #[diesel(column_name = handler_agency_id)]
    pub handler: Option<AgencyId>,
    /// Who it is addressed to.
    #[diesel(column_name = receiver_agency_id)]
    pub receiver: AgencyId,
}

/// Which referrals that the caller sees bear these numbers.
pub async fn of_references(conn: &mut Conn, caller: &Caller, numbers: &[String]) -> QueryResult<Vec<Numbered>> {
    referrals::table
        .filter(visible_to(caller))
        .filter(referrals::partner_reference.eq_any(numbers))
        .select(Numbered::columns())
        .load(conn)
        .await
}
