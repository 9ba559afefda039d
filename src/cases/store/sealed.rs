//! Encrypted columns, page by page, for the change of the key that seals them.
use crate::cases::person::context;
use crate::platform::crypto::Keys;
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::schema::case_people as t;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// NIK, family card and BPJS card of one person, sealed.
#[derive(Queryable, Selectable, Clone, PartialEq, Eq)]
#[diesel(table_name = t, check_for_backend(diesel::pg::Pg))]
pub struct SealedNumbers {
    /// Of the person.
    pub id: Uuid,
    nik: Option<Vec<u8>>,
    kk: Option<Vec<u8>>,
    card: Option<Vec<u8>>,
}

impl SealedNumbers {
    /// The same numbers under the key that seals now; none: they are already.
    pub fn resealed(&self, keys: &Keys) -> anyhow::Result<Option<Self>> {
        let anew = |column: &str, sealed: &Option<Vec<u8>>| match sealed {
            Some(sealed) if !keys.is_current(sealed) => keys.reseal(&context(column, self.id), sealed).map(Some),
            same => Ok(same.clone()),
        };
        let new = Self {
            id: self.id,
            nik: anew("nik", &self.nik)?,
            kk: anew("kk", &self.kk)?,
            card: anew("card", &self.card)?,
        };
        Ok((new != *self).then_some(new))
    }
}

/// Sealed numbers, in the order of the persons' ids.
pub async fn sealed_numbers(conn: &mut Conn, after: Uuid, limit: i64) -> QueryResult<Vec<SealedNumbers>> {
    t::table.filter(t::id.gt(after)).select(SealedNumbers::columns()).order(t::id).limit(limit).load(conn).await
}

/// Writes the same numbers under another key, unless one of them has been changed meanwhile.
pub async fn replace_sealed_numbers(conn: &mut Conn, old: &SealedNumbers, new: &SealedNumbers) -> QueryResult<usize> {
    let same = t::nik.is_not_distinct_from(&old.nik).and(t::kk.is_not_distinct_from(&old.kk));
    let same = same.and(t::card.is_not_distinct_from(&old.card));
    diesel::update(t::table.filter(t::id.eq(old.id)).filter(same))
        .set((t::nik.eq(&new.nik), t::kk.eq(&new.kk), t::card.eq(&new.card)))
        .execute(conn)
        .await
}
