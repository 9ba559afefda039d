//! Finding volunteers by name: candidates by the index of tokens, words by what was typed of them, and the job that keeps
//! both current.
use super::list::{Wanted, narrowed};
use super::{Full, Person, Volunteer};
use crate::access::rules::{Caller, Reach, VolunteerId};
use crate::platform::db::Conn;
use crate::platform::db::sql::{Columns, Known};
use crate::platform::names;
use crate::schema::{name_words as n, volunteer_people as p, volunteers as t};
use crate::volunteers::rules::search::{region_token, search_words, written_token};
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

/// Candidates that are ranked at a time: of more that answer equally well, nobody reads on to the best.
pub const CANDIDATES: i64 = 400;

/// Words that something typed is made into.
const MOST_WORDS: i64 = 1000;

/// What the tokens of a name must hold.
#[derive(Debug, Default)]
pub struct Tokens {
    /// All of these.
    pub all: Vec<String>,
    /// One of each of these.
    pub any: Vec<Vec<String>>,
}

/// Where candidates are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// All that the index of tokens gives.
    Indexed,
    /// The [`FIRST`] volunteers of all, one after the other: who asks for a word that many have finds enough there, and what the
    /// index would gather of them all is not needed.
    First,
}

/// So many volunteers are looked at one by one.
pub const FIRST: i64 = 3000;

/// Volunteers as they are wanted whose names hold these tokens, with the words of their names.
pub async fn named(
    conn: &mut &Conn,
    caller: &Caller,
    wanted: &Wanted,
    tokens: &Tokens,
    among: Among,
) -> QueryResult<Vec<(VolunteerId, Vec<String>)>> {
    let mut all = tokens.all.clone();
    // The same index finds name and region.
    if let Reach::Within(region) = caller.sight.reach(wanted.region.as_ref()) {
        all.push(region_token(&region));
    }
    let mut query = narrowed(caller, wanted).select((t::id, p::search_words)).limit(CANDIDATES);
    if among == Among::First {
        let earliest = diesel::alias!(t as earliest);
        let ids = earliest.select(earliest.field(t::id)).order(earliest.field(t::id)).offset(FIRST).limit(1);
        query = query.filter(Known(p::volunteer_id.nullable().lt(ids.single_value()))).order(p::volunteer_id);
        // No index knows the tokens with something added to them.
        let by_hand = || p::search_tokens.concat(Vec::<String>::new());
        query = query.filter(by_hand().contains(all));
        for words in &tokens.any {
            query = query.filter(by_hand().overlaps_with(words));
        }
        return query.load(conn).await;
    }
    if !all.is_empty() {
        query = query.filter(p::search_tokens.contains(all));
    }
    for words in &tokens.any {
        query = query.filter(p::search_tokens.overlaps_with(words));
    }
    query.load(conn).await
}

/// Volunteers of these ids, if they still are as they are wanted.
pub async fn of_ids(conn: &mut &Conn, caller: &Caller, wanted: &Wanted, ids: &[VolunteerId]) -> QueryResult<Vec<Full>> {
    let found = narrowed(caller, wanted).filter(t::id.eq_any(ids));
    found.select((Volunteer::columns(), Person::columns())).load(conn).await
}

/// Words that begin with what was typed: as written and as compared. True: as written.
pub async fn words_beginning(conn: &mut &Conn, written: &str, compared: &str) -> QueryResult<Vec<(bool, String)>> {
    // Behind every word that begins so.
    let until = |begin: &str| format!("{begin}\u{10ffff}");
    let as_written = n::written.eq(true).and(n::word.ge(written)).and(n::word.lt(until(written)));
    let as_compared = n::written.eq(false).and(n::word.ge(compared)).and(n::word.lt(until(compared)));
    let found = n::table.filter(as_written.or(as_compared)).select((n::written, n::word));
    found.order(n::word).limit(MOST_WORDS).load(conn).await
}

/// Those of these words that occur, with = in front as written, and without as names are compared.
pub async fn words_known(conn: &mut &Conn, words: &[String]) -> QueryResult<Vec<String>> {
    // Both are said, for the index begins with it.
    let known = n::table.filter(n::written.eq_any([false, true]).and(n::word.eq_any(words)));
    let found: Vec<(bool, String)> = known.select((n::written, n::word)).limit(MOST_WORDS).load(conn).await?;
    Ok(found.into_iter().map(|(written, word)| if written { written_token(&word) } else { word }).collect())
}

/// Words that have many groups of three letters in common with one of these; they are few.
pub async fn words_alike(conn: &mut &Conn, words: &[String]) -> QueryResult<Vec<String>> {
    diesel::select(sql::words_alike(words)).get_result(conn).await
}

/// Makes the words of up to so many names anew that were made by former rules, or by a version of the service that knew none;
/// returns how many those were.
pub async fn refresh_words(conn: &mut Conn, most: i64) -> QueryResult<usize> {
    let outdated = p::table.filter(p::search_version.lt(names::VERSION)).select((p::volunteer_id, p::name));
    let rows: Vec<(VolunteerId, String)> = outdated.limit(most).for_no_key_update().skip_locked().load(conn).await?;
    for (id, name) in &rows {
        let made = (p::search_words.eq(search_words(name)), p::search_version.eq(names::VERSION));
        diesel::update(p::table.find(id)).set(made).execute(conn).await?;
    }
    Ok(rows.len())
}

/// Forgets words that nobody has any more, among those not looked at for a day; returns how many it looked at.
pub async fn sweep_words(conn: &mut Conn, most: i32, now: DateTime<Utc>) -> QueryResult<i64> {
    diesel::select(sql::sweep_name_words(most, now)).get_result(conn).await
}

mod sql {
    use diesel::sql_types::{Array, Integer, Text, Timestamptz};

    #[diesel::declare_sql_function]
    extern "SQL" {
        /// Removes words that nobody has; how many it looked at.
        fn sweep_name_words(most: Integer, at: Timestamptz) -> diesel::sql_types::BigInt;
        /// As the service's words are.
        fn words_alike(typed: Array<Text>) -> Array<Text>;
    }
}
