//! Session rows on their way into the tables and out of them.

use std::collections::HashMap;
use std::fmt::Write as _;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use crate::decode::{Field, Row, RowHashes, StorageTable, Value};
use crate::model::InstanceId;
use crate::store::lists::json_list;
use crate::store::script::{Script, Values};
use crate::store::session::columns::{PARTS, column, fields_of, name_of};
use crate::store::session::shared::{KnownFacts, insert_shared};

/// A session to insert.
pub(crate) struct NewSession<'r, 'a> {
    pub session_id: i64,
    pub person_id: Option<i64>,
    pub row: &'r Row<'a>,
    pub hashes: &'r RowHashes,
}

/// The columns of `sessions` that hold these fields and the keys, in the order in which they are bound.
fn session_columns(fields: &[Field]) -> Vec<&'static str> {
    let keys = ["profile_id", "environment_id", "extra_id", "surrogate_key", "row_hash"];
    fields.iter().map(|field| column(*field)).chain(keys).collect()
}

fn bind_session(
    values: &mut Values,
    fields: &[Field],
    row: &Row<'_>,
    hashes: &RowHashes,
    known: &KnownFacts,
) {
    for field in fields {
        values.add_value(row.get(*field));
    }
    for table in [StorageTable::Profile, StorageTable::Environment, StorageTable::Extra] {
        values.add(known.id(table, hashes));
    }
    values.add(row.surrogate_key()).add(hashes.row);
}

/// Adds the insertion of sessions of one instance; what they share is known.
pub(crate) async fn insert_sessions(
    connection: &mut SqliteConnection,
    script: &mut Script,
    instance_id: InstanceId,
    sessions: &[NewSession<'_, '_>],
    known: &KnownFacts,
) -> Result<(), sqlx::Error> {
    // What no row tells is not bound, either.
    let is_told = |field: &Field| sessions.iter().any(|session| !session.row.get(*field).is_null());
    let fields: Vec<Field> = fields_of(StorageTable::Session).filter(is_told).collect();
    let mut columns = vec!["session_id", "instance_id", "person_id"];
    columns.extend(session_columns(&fields));
    let bind = |values: &mut Values, session: &NewSession<'_, '_>| {
        values.add(session.session_id).add(instance_id).add(session.person_id);
        bind_session(values, &fields, session.row, session.hashes, known);
    };
    script.insert(connection, "sessions", &columns, sessions, bind).await
}

/// Writes a session anew; the hash is that of the row as it was sent, which blanks may have left poorer.
pub(crate) fn update_session(
    script: &mut Script,
    session_id: i64,
    row: &Row<'_>,
    hashes: &RowHashes,
    known: &KnownFacts,
) {
    write_session(script, "withdrawn_at = NULL", session_id, row, hashes, known);
}

/// Writes a session anew, with the facts that it shares, and without a word about whether it is withdrawn.
pub(crate) async fn rewrite_session(
    connection: &mut SqliteConnection,
    session_id: i64,
    row: &Row<'_>,
) -> Result<(), sqlx::Error> {
    let hashes = row.hashes();
    let mut known = KnownFacts::default();
    Box::pin(insert_shared(connection, std::iter::once((row, &hashes)), &mut known)).await?;
    let mut script = Script::default();
    write_session(&mut script, "withdrawn_at = withdrawn_at", session_id, row, &hashes, &known);
    script.run(connection).await
}

fn write_session(
    script: &mut Script,
    first: &str,
    session_id: i64,
    row: &Row<'_>,
    hashes: &RowHashes,
    known: &KnownFacts,
) {
    let fields: Vec<Field> = fields_of(StorageTable::Session).collect();
    let columns = session_columns(&fields);
    let text = format!("UPDATE sessions SET {first}, {} = ? WHERE session_id = ?", columns.join(" = ?, "));
    script.add(&text, |values| {
        bind_session(values, &fields, row, hashes, known);
        values.add(session_id);
    });
}

/// Reads sessions whole, by their numbers.
pub(crate) async fn load_sessions(
    connection: &mut SqliteConnection,
    session_ids: &[i64],
) -> Result<HashMap<i64, Row<'static>>, sqlx::Error> {
    let fields: Vec<Field> =
        [StorageTable::Session].into_iter().chain(StorageTable::SHARED).flat_map(fields_of).collect();
    let columns: Vec<String> =
        fields.iter().map(|field| format!("{}.{}", name_of(field.table()).0, column(*field))).collect();
    let mut joins = String::new();
    let of_session = [StorageTable::Profile, StorageTable::Environment, StorageTable::Extra];
    for table in of_session.into_iter().chain(PARTS) {
        let (name, key) = name_of(table);
        let user = if PARTS.contains(&table) { "client_environments" } else { "sessions" };
        // Writing to a text cannot fail.
        let _ = write!(joins, " LEFT JOIN {name} ON {name}.{key} = {user}.{key}");
    }
    let text = format!(
        "SELECT sessions.session_id, sessions.surrogate_key, extra_fields.content, {} FROM sessions{joins} \
          WHERE sessions.session_id IN (SELECT value FROM json_each(?))",
        columns.join(", ")
    );
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
    instance_id: InstanceId,
) -> Result<Vec<(i64, Option<i64>)>, sqlx::Error> {
    sqlx::query_as("SELECT session_id, person_id FROM sessions WHERE instance_id = ? ORDER BY session_id")
        .bind(instance_id)
        .fetch_all(connection)
        .await
}
