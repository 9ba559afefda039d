//! Functions of PostgreSQL, and of our own migrations, that diesel does not know.
use diesel::expression::{AppearsOnTable, Expression, Selectable, SelectableExpression, ValidGrouping};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Bool, Nullable, SingleValue, SqlType, Text};

#[diesel::declare_sql_function]
extern "SQL" {
    /// Rows of an array: inserts of any length are one prepared statement.
    fn unnest<T: SqlType + SingleValue>(column: Array<T>) -> T;
    /// The condition, where it is not null. To the planner it says nothing of how many rows meet it: half of them.
    fn coalesce(condition: Bool, otherwise: Bool) -> Bool;
    /// `{id,id}` as an array: an array column in a group insert travels as text.
    fn uuids(list: Text) -> Array<diesel::sql_types::Uuid>;
    /// `a,b` as an array.
    fn words(list: Text) -> Array<Text>;
    /// Whether whoever sees a region is told that an event of the audit record speaks of a row or person.
    fn audit_tells(
        id: diesel::sql_types::Uuid,
        subject_ids: Array<diesel::sql_types::Uuid>,
        person_ids: Array<diesel::sql_types::Uuid>,
        subject_regions: Array<Text>,
        region: Text,
    ) -> Bool;
    /// Takes a lock until the transaction ends, or says that it is taken.
    fn pg_try_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
    /// The same, after waiting for it. It gives nothing back; run it with `execute`.
    fn pg_advisory_xact_lock(key: diesel::sql_types::BigInt) -> diesel::sql_types::Bool;
    /// A setting of the session.
    fn current_setting(name: Text) -> Text;
}

/// The columns of a struct's fields.
pub type ColumnsOf<T> = <T as Selectable<Pg>>::SelectExpression;

/// The columns of a struct's fields, in their order, as `select` and `returning` take them. In place of diesel's `as_select` and
/// `as_returning`, which ask the same of the database: what they ask of the compiler takes it seconds for each struct that has
/// an `Option`. Diesel checks less by it: nothing but the types says that a row of these columns is loaded as this struct.
pub trait Columns: Selectable<Pg> {
    /// All of them.
    fn columns() -> ColumnsOf<Self> {
        Self::construct_selection()
    }
}
impl<T: Selectable<Pg>> Columns for T {}

/// A condition on a column that may be null, as a plain one: a `WHERE` takes null for false.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
pub struct Known<T>(pub T);

impl<T: Expression<SqlType = Nullable<Bool>>> Expression for Known<T> {
    type SqlType = Bool;
}
impl<T: QueryFragment<Pg>> QueryFragment<Pg> for Known<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> diesel::QueryResult<()> {
        self.0.walk_ast(out)
    }
}
impl<T: AppearsOnTable<Source>, Source> AppearsOnTable<Source> for Known<T> where Self: Expression {}
impl<T: SelectableExpression<Source>, Source> SelectableExpression<Source> for Known<T> where
    Self: AppearsOnTable<Source>
{
}
