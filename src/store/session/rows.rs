//! Session rows on their way into the tables and out of them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value as Json;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Row as _, SqliteConnection};

use crate::decode::{Field, Home, Keys, Row, Value};
use crate::store::session::shared::{KnownFacts, PROFILES, SETUP, insert_shared};

/// How many rows go into one statement: a statement is a round trip, and a text of many rows is prepared once.
const ROWS_PER_STATEMENT: usize = 200;

/// A session to insert.
pub(crate) struct NewSession<'r, 'a> {
    pub session_id: i64,
    pub person_id: Option<i64>,
    pub row: &'r Row<'a>,
    pub keys: &'r Keys,
}

/// Inserts rows into a table, many a statement; `head` ends in `VALUES`.
pub(crate) async fn insert_many<T>(
    connection: &mut SqliteConnection,
    head: &str,
    columns: usize,
    rows: &[T],
    bind: impl Fn(&mut SqliteArguments, &T) -> Result<(), sqlx::error::BoxDynError>,
) -> Result<(), sqlx::Error> {
    let mut rest = rows;
    for size in [ROWS_PER_STATEMENT, 20, 5, 1] {
        if rest.len() < size {
            continue;
        }
        let tuple = format!("({})", vec!["?"; columns].join(","));
        let text: Arc<str> = format!("{head} {}", vec![tuple; size].join(",")).into();
        while rest.len() >= size {
            let (chunk, others) = rest.split_at(size);
            rest = others;
            let mut arguments = SqliteArguments::default();
            arguments.reserve(size * columns, 0);
            for row in chunk {
                bind(&mut arguments, row).map_err(sqlx::Error::Encode)?;
            }
            sqlx::query_with(AssertSqlSafe(Arc::clone(&text)), arguments).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// The column that holds a field: Zoom's name, but for what would say too little or is in other units.
pub(crate) fn column(field: Field) -> &'static str {
    match field {
        Field::Id => "zoom_id",
        Field::JoinTime => "join_at",
        Field::LeaveTime => "leave_at",
        _ => field.name(),
    }
}

pub(crate) fn fields_of(home: Home) -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(move |field| field.home() == home)
}

/// The columns of `sessions` that hold these fields and the keys, in the order in which they are bound.
fn session_columns(fields: &[Field]) -> Vec<&'static str> {
    let keys = ["profile_id", "setup_id", "extra_id", "surrogate_key", "row_hash"];
    fields.iter().map(|field| column(*field)).chain(keys).collect()
}

fn bind_session(
    arguments: &mut SqliteArguments,
    fields: &[Field],
    row: &Row<'_>,
    keys: &Keys,
    known: &KnownFacts,
) -> Result<(), sqlx::error::BoxDynError> {
    fields.iter().try_for_each(|field| add(arguments, row.get(*field)))?;
    for key in [known.profile_id(keys), keys.setup, keys.extra, row.surrogate_key()] {
        arguments.add(key)?;
    }
    arguments.add(keys.row_hash)
}

pub(crate) fn add(
    arguments: &mut SqliteArguments,
    value: &Value<'_>,
) -> Result<(), sqlx::error::BoxDynError> {
    match value {
        Value::Null => arguments.add(None::<i64>),
        Value::Int(number) => arguments.add(*number),
        // Of all kinds of text this one is copied once only.
        Value::Text(text) => arguments.add(Arc::<str>::from(text.as_ref())),
    }
}

/// Inserts sessions of one instance; what they share has been written.
pub(crate) async fn insert_sessions(
    connection: &mut SqliteConnection,
    instance_id: i64,
    sessions: &[NewSession<'_, '_>],
    known: &KnownFacts,
) -> Result<(), sqlx::Error> {
    // What no row tells is not bound, either.
    let is_told = |field: &Field| sessions.iter().any(|session| !session.row.get(*field).is_null());
    let fields: Vec<Field> = fields_of(Home::Session).filter(is_told).collect();
    let columns = session_columns(&fields);
    // An error rolls back the transaction; `OR FAIL` spares SQLite the copies that would take back one statement.
    let head = format!(
        "INSERT OR FAIL INTO sessions (session_id, instance_id, person_id, {}) VALUES",
        columns.join(", ")
    );
    insert_many(connection, &head, columns.len() + 3, sessions, |arguments, session| {
        arguments.add(session.session_id)?;
        arguments.add(instance_id)?;
        arguments.add(session.person_id)?;
        bind_session(arguments, &fields, session.row, session.keys, known)
    })
    .await
}

/// Writes a session anew; the hash is that of the row as it was sent, which blanks may have left poorer.
pub(crate) async fn update_session(
    connection: &mut SqliteConnection,
    session_id: i64,
    row: &Row<'_>,
    keys: &Keys,
    known: &KnownFacts,
) -> Result<(), sqlx::Error> {
    write_session(connection, "withdrawn_at = NULL", session_id, row, keys, known).await
}

/// Writes a session anew, with the facts that it shares, and without a word about whether it is withdrawn.
pub(crate) async fn rewrite_session(
    connection: &mut SqliteConnection,
    session_id: i64,
    row: &Row<'_>,
) -> Result<(), sqlx::Error> {
    let keys = row.keys();
    let mut known = KnownFacts::default();
    insert_shared(connection, &[(row, &keys)], &mut known).await?;
    write_session(connection, "withdrawn_at = withdrawn_at", session_id, row, &keys, &known).await
}

async fn write_session(
    connection: &mut SqliteConnection,
    first: &str,
    session_id: i64,
    row: &Row<'_>,
    keys: &Keys,
    known: &KnownFacts,
) -> Result<(), sqlx::Error> {
    let mut text = format!("UPDATE sessions SET {first}");
    let fields: Vec<Field> = fields_of(Home::Session).collect();
    for column in session_columns(&fields) {
        // Writing to a text cannot fail.
        let _ = write!(text, ", {column} = ?");
    }
    text.push_str(" WHERE session_id = ?");
    let mut arguments = SqliteArguments::default();
    bind_session(&mut arguments, &fields, row, keys, known).map_err(sqlx::Error::Encode)?;
    arguments.add(session_id).map_err(sqlx::Error::Encode)?;
    sqlx::query_with(AssertSqlSafe(text), arguments).execute(connection).await?;
    Ok(())
}

/// Reads sessions whole, by their numbers.
pub(crate) async fn load_sessions(
    connection: &mut SqliteConnection,
    session_ids: &[i64],
) -> Result<HashMap<i64, Row<'static>>, sqlx::Error> {
    let mut columns: Vec<String> =
        fields_of(Home::Session).map(|field| format!("s.{}", column(field))).collect();
    let mut joins = String::new();
    let facts = [(PROFILES, "s")].into_iter().chain(SETUP.map(|facts| (facts, "u")));
    for ((home, table, key), user) in facts {
        columns.extend(fields_of(home).map(|field| format!("{table}.{}", column(field))));
        let _ = write!(joins, " LEFT JOIN {table} ON {table}.{key} = {user}.{key}");
    }
    let text = format!(
        "SELECT s.session_id, s.surrogate_key, e.content, {} FROM sessions s \
         LEFT JOIN setups u ON u.setup_id = s.setup_id{joins} LEFT JOIN extras e ON e.extra_id = s.extra_id \
         WHERE s.session_id IN (SELECT value FROM json_each(?))",
        columns.join(", ")
    );
    let fields: Vec<Field> =
        [Home::Session, Home::Profile].into_iter().chain(Home::SETUP).flat_map(fields_of).collect();
    let mut loaded = HashMap::with_capacity(session_ids.len());
    for chunk in session_ids.chunks(1_000) {
        let rows = sqlx::query(AssertSqlSafe(text.as_str()))
            .bind(json_list(chunk))
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            loaded.insert(row.try_get(0)?, session_of(&row, &fields)?);
        }
    }
    Ok(loaded)
}

fn session_of(row: &SqliteRow, fields: &[Field]) -> Result<Row<'static>, sqlx::Error> {
    let mut session = Row::empty();
    session.restore_surrogate_key(row.try_get(1)?);
    let extra: Option<String> = row.try_get(2)?;
    if let Some(extra) = extra {
        session.restore_extra(&extra);
    }
    for (at, field) in fields.iter().enumerate() {
        let value = match field.kind() {
            crate::decode::Kind::Text | crate::decode::Kind::List => {
                row.try_get::<Option<String>, _>(at + 3)?.map(|text| Value::Text(text.into()))
            }
            _ => row.try_get::<Option<i64>, _>(at + 3)?.map(Value::Int),
        };
        session.restore(*field, value.unwrap_or_default());
    }
    Ok(session)
}

/// The numbers of the sessions of an instance, withdrawn ones included, each with its person.
pub(crate) async fn session_ids_of(
    connection: &mut SqliteConnection,
    instance_id: i64,
) -> Result<Vec<(i64, Option<i64>)>, sqlx::Error> {
    sqlx::query_as("SELECT session_id, person_id FROM sessions WHERE instance_id = ? ORDER BY session_id")
        .bind(instance_id)
        .fetch_all(connection)
        .await
}

/// A list of numbers as one bound value.
pub(crate) fn json_list(numbers: &[i64]) -> String {
    Json::from(numbers).to_string()
}

/// The numbers of a list that SQL has joined with blanks.
pub(crate) fn numbers(list: Option<&str>) -> Vec<i64> {
    list.into_iter().flat_map(|list| list.split(' ')).filter_map(|number| number.parse().ok()).collect()
}
