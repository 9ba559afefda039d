//! Every SQL statement on `code_lists` and `codes`.
use super::rules::{Code, Labels, valid_on};
use crate::platform::db::Conn;
use crate::platform::db::sql::Columns;
use crate::schema::{code_lists, codes};
use chrono::NaiveDate;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// A list as stored.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = code_lists, check_for_backend(diesel::pg::Pg))]
pub struct CodeList {
    /// Its name in the path.
    pub name: String,
    /// Indonesian.
    pub label_id: String,
    /// English.
    pub label_en: String,
}

/// One code as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = codes, check_for_backend(diesel::pg::Pg))]
pub struct Entry {
    /// The word.
    pub code: Code,
    /// Indonesian.
    pub label_id: String,
    /// English.
    pub label_en: String,
    /// Codes that belong together.
    pub group_code: Option<String>,
    /// Specific personal data.
    pub sensitive: bool,
    /// Must be explained in words.
    pub needs_text: bool,
    /// First day.
    pub valid_from: NaiveDate,
    /// First day on which it is no longer given.
    pub valid_until: Option<NaiveDate>,
}

/// Every list.
pub async fn lists(conn: &mut &Conn) -> QueryResult<Vec<CodeList>> {
    code_lists::table.select(CodeList::columns()).order(code_lists::name).load(conn).await
}

/// A list with its codes, in their order.
pub async fn list(conn: &mut &Conn, name: &str) -> QueryResult<Vec<(CodeList, Entry)>> {
    code_lists::table
        .inner_join(codes::table)
        .filter(code_lists::name.eq(name))
        .select((CodeList::columns(), Entry::columns()))
        .order((codes::position, codes::code))
        .load(conn)
        .await
}

/// The codes among `wanted` that `list` has on `day`; what is missing from the answer may not be given.
pub async fn valid(conn: &mut Conn, list: &str, wanted: &[Code], day: NaiveDate) -> QueryResult<Vec<Entry>> {
    let rows: Vec<Entry> = codes::table
        .filter(codes::list.eq(list).and(codes::code.eq_any(wanted)))
        .select(Entry::columns())
        .load(conn)
        .await?;
    Ok(rows.into_iter().filter(|row| valid_on(row.valid_from, row.valid_until, day)).collect())
}

/// The words of these codes, each with its list, whether they are still given or not.
pub async fn labels(conn: &mut &Conn, wanted: &[(String, Code)]) -> QueryResult<Vec<(String, Code, Labels)>> {
    let (lists, words): (Vec<&String>, Vec<&Code>) = wanted.iter().map(|(list, code)| (list, code)).unzip();
    let rows: Vec<(String, Code, String, String)> = codes::table
        .filter(codes::list.eq_any(lists).and(codes::code.eq_any(words)))
        .select((codes::list, codes::code, codes::label_id, codes::label_en))
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|(list, code, id, en)| (list, code, Labels { id, en })).collect())
}
