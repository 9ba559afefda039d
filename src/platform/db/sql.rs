//! Functions of PostgreSQL, and of our own migrations, that diesel does not know.
use diesel::sql_types::{Array, SingleValue, SqlType, Text};

#[diesel::declare_sql_function]
extern "SQL" {
    /// Rows of an array: inserts of any length are one prepared statement.
    fn unnest<T: SqlType + SingleValue>(column: Array<T>) -> T;
    /// `{id,id}` as an array: an array column in a group insert travels as text.
    fn uuids(list: Text) -> Array<diesel::sql_types::Uuid>;
    /// `a,b` as an array.
    fn words(list: Text) -> Array<Text>;
    /// Takes a lock until the transaction ends, or says that it is taken.
    fn pg_try_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
    /// The same, after waiting for it. It gives nothing back; run it with `execute`.
    fn pg_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
    /// A setting of the session.
    fn current_setting(name: Text) -> Text;
}
