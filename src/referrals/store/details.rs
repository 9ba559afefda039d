//! Every SQL statement on what is told of referrals in the fields of their services. It is sealed: see
//! [`crate::referrals::details`].
use crate::platform::db::Conn;
use crate::referrals::details::Sealed;
use crate::referrals::rules::ReferralId;
use crate::schema::referral_details as t;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Keeps what is told of a referral that is locked or new, instead of what was.
pub async fn save(conn: &mut Conn, id: ReferralId, (sealed, numbers): &Sealed) -> QueryResult<()> {
    let values = (t::sealed.eq(sealed), t::numbers.eq(numbers));
    diesel::insert_into(t::table)
        .values((t::referral_id.eq(id), values))
        .on_conflict(t::referral_id)
        .do_update()
        .set(values)
        .execute(conn)
        .await
        .map(drop)
}

/// What is sealed, in the order of the referrals' ids: for the change of the key that seals.
pub async fn sealed(conn: &mut Conn, after: ReferralId, limit: i64) -> QueryResult<Vec<(ReferralId, Vec<u8>)>> {
    let next = t::table.filter(t::referral_id.gt(after)).select((t::referral_id, t::sealed));
    next.order(t::referral_id).limit(limit).load(conn).await
}

/// Writes the same under another key, unless it has been changed meanwhile.
pub async fn replace_sealed(conn: &mut Conn, id: ReferralId, old: &[u8], new: &[u8]) -> QueryResult<usize> {
    let same = t::table.filter(t::referral_id.eq(id).and(t::sealed.eq(old)));
    diesel::update(same).set(t::sealed.eq(new)).execute(conn).await
}
