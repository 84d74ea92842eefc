//! Session rows on their way into the tables and out of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value as Json;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Row as _, SqliteConnection};

use crate::decode::{Field, Home, Row, Value, content_key};

/// How many rows go into one statement: a statement is a round trip, and a text of a hundred rows is prepared once.
const ROWS_PER_STATEMENT: usize = 100;

/// A session to insert.
pub(super) struct NewSession<'r, 'a> {
    pub session_id: i64,
    pub person_id: Option<i64>,
    pub row: &'r Row<'a>,
}

/// Inserts rows into a table, many a statement; `head` ends in `VALUES`.
pub(super) async fn insert_many<T>(
    connection: &mut SqliteConnection,
    head: &str,
    tail: &str,
    columns: usize,
    rows: &[T],
    bind: impl Fn(&mut SqliteArguments, &T) -> Result<(), sqlx::error::BoxDynError>,
) -> Result<(), sqlx::Error> {
    let mut rest = rows;
    for size in [ROWS_PER_STATEMENT, 10, 1] {
        if rest.len() < size {
            continue;
        }
        let tuple = format!("({})", vec!["?"; columns].join(","));
        let text: Arc<str> = format!("{head} {} {tail}", vec![tuple; size].join(",")).into();
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

/// The tables of shared facts, with the column that a session refers to them by.
const SHARED: [(Home, &str, &str); 4] = [
    (Home::Client, "clients", "client_id"),
    (Home::Machine, "machines", "machine_id"),
    (Home::Network, "networks", "network_id"),
    (Home::Media, "media", "media_id"),
];

/// The column of `sessions` that holds a field: Zoom's name, but for what would say too little or is in other units.
fn column(field: Field) -> &'static str {
    match field {
        Field::Id => "zoom_id",
        Field::JoinTime => "join_at",
        Field::LeaveTime => "leave_at",
        _ => field.name(),
    }
}

fn fields_of(home: Home) -> impl Iterator<Item = Field> {
    Field::ALL.iter().copied().filter(move |field| field.home() == home)
}

/// Writes the facts that these rows share with others, those that `known` does not hold yet.
///
/// A row of shared facts is named by its content, so writing it again is without effect.
pub(super) async fn insert_shared(
    connection: &mut SqliteConnection,
    rows: &[&Row<'_>],
    known: &mut KnownFacts,
) -> Result<(), sqlx::Error> {
    for (home, table, key) in SHARED {
        let fields: Vec<Field> = fields_of(home).collect();
        let mut fresh: Vec<(i64, &Row<'_>)> = Vec::new();
        for row in rows {
            if let Some(id) = content_key(fields.iter().map(|field| row.get(*field)))
                && known.add(id)
            {
                fresh.push((id, row));
            }
        }
        let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        let head = format!("INSERT OR IGNORE INTO {table} ({key}, {}) VALUES", names.join(", "));
        insert_many(connection, &head, "", fields.len() + 1, &fresh, |arguments, (id, row)| {
            arguments.add(*id)?;
            fields.iter().try_for_each(|field| add(arguments, row.get(*field)))
        })
        .await?;
    }
    let mut fresh: Vec<(i64, String)> = Vec::new();
    for extra in rows.iter().filter_map(|row| row.extra()) {
        if let Some(id) = extra_key(&extra)
            && known.add(id)
        {
            fresh.push((id, extra));
        }
    }
    let head = "INSERT OR IGNORE INTO extras (extra_id, content) VALUES";
    insert_many(connection, head, "", 2, &fresh, |arguments, (id, extra)| {
        arguments.add(*id)?;
        arguments.add(extra.as_str())
    })
    .await
}

/// Keys of shared facts that are known to be in the file, so that they need not be written again.
///
/// Bounded: when it is full it forgets, which costs statements and nothing else.
#[derive(Debug, Default)]
pub(super) struct KnownFacts(HashSet<i64>);

impl KnownFacts {
    const LIMIT: usize = 50_000;

    fn add(&mut self, id: i64) -> bool {
        if self.0.len() >= Self::LIMIT {
            self.0.clear();
        }
        self.0.insert(id)
    }
}

fn extra_key(extra: &str) -> Option<i64> {
    content_key(std::iter::once(&Value::Text(Cow::Borrowed(extra))))
}

/// The columns of `sessions` after its keys, in the order in which they are bound.
fn session_columns() -> Vec<&'static str> {
    let mut columns: Vec<&str> = fields_of(Home::Session).map(column).collect();
    columns.extend(SHARED.map(|(_, _, key)| key));
    columns.extend(["extra_id", "stand_in", "fingerprint"]);
    columns
}

fn bind_session(
    arguments: &mut SqliteArguments,
    row: &Row<'_>,
    fingerprint: i64,
) -> Result<(), sqlx::error::BoxDynError> {
    for field in fields_of(Home::Session) {
        add(arguments, row.get(field))?;
    }
    for (home, _, _) in SHARED {
        arguments.add(content_key(fields_of(home).map(|field| row.get(field))))?;
    }
    arguments.add(row.extra().as_deref().and_then(extra_key))?;
    arguments.add(row.stand_in())?;
    arguments.add(fingerprint)
}

fn add(arguments: &mut SqliteArguments, value: &Value<'_>) -> Result<(), sqlx::error::BoxDynError> {
    match value {
        Value::Null => arguments.add(None::<i64>),
        Value::Int(number) => arguments.add(*number),
        Value::Text(text) => arguments.add(text.as_ref()),
    }
}

/// Inserts sessions of one instance.
pub(super) async fn insert_sessions(
    connection: &mut SqliteConnection,
    instance_id: i64,
    sessions: &[NewSession<'_, '_>],
) -> Result<(), sqlx::Error> {
    let columns = session_columns();
    let head =
        format!("INSERT INTO sessions (session_id, instance_id, person_id, {}) VALUES", columns.join(", "));
    insert_many(connection, &head, "", columns.len() + 3, sessions, |arguments, session| {
        arguments.add(session.session_id)?;
        arguments.add(instance_id)?;
        arguments.add(session.person_id)?;
        bind_session(arguments, session.row, session.row.fingerprint())
    })
    .await
}

/// Writes a session anew; `fingerprint` is that of the row as it was sent, which blanks may have left poorer.
pub(super) async fn update_session(
    connection: &mut SqliteConnection,
    session_id: i64,
    row: &Row<'_>,
    fingerprint: i64,
) -> Result<(), sqlx::Error> {
    write_session(connection, "withdrawn_at = NULL", session_id, row, fingerprint).await
}

/// Writes a session anew, without a word about whether it is withdrawn.
pub(super) async fn rewrite_session(
    connection: &mut SqliteConnection,
    session_id: i64,
    row: &Row<'_>,
) -> Result<(), sqlx::Error> {
    write_session(connection, "withdrawn_at = withdrawn_at", session_id, row, row.fingerprint()).await
}

async fn write_session(
    connection: &mut SqliteConnection,
    first: &str,
    session_id: i64,
    row: &Row<'_>,
    fingerprint: i64,
) -> Result<(), sqlx::Error> {
    let mut text = format!("UPDATE sessions SET {first}");
    for column in session_columns() {
        // Writing to a text cannot fail.
        let _ = write!(text, ", {column} = ?");
    }
    text.push_str(" WHERE session_id = ?");
    let mut arguments = SqliteArguments::default();
    bind_session(&mut arguments, row, fingerprint).map_err(sqlx::Error::Encode)?;
    arguments.add(session_id).map_err(sqlx::Error::Encode)?;
    sqlx::query_with(AssertSqlSafe(text), arguments).execute(connection).await?;
    Ok(())
}

/// Reads sessions whole, by their numbers.
pub(super) async fn load_sessions(
    connection: &mut SqliteConnection,
    session_ids: &[i64],
) -> Result<HashMap<i64, Row<'static>>, sqlx::Error> {
    let mut columns: Vec<String> =
        fields_of(Home::Session).map(|field| format!("s.{}", column(field))).collect();
    let mut joins = String::new();
    for (home, table, key) in SHARED {
        columns.extend(fields_of(home).map(|field| format!("{table}.{}", field.name())));
        let _ = write!(joins, " LEFT JOIN {table} ON {table}.{key} = s.{key}");
    }
    let text = format!(
        "SELECT s.session_id, s.stand_in, e.content, {} FROM sessions s{joins} LEFT JOIN extras e ON e.extra_id = s.extra_id \
         WHERE s.session_id IN (SELECT value FROM json_each(?))",
        columns.join(", ")
    );
    let fields: Vec<Field> = [Home::Session, Home::Client, Home::Machine, Home::Network, Home::Media]
        .into_iter()
        .flat_map(fields_of)
        .collect();
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
    session.restore_stand_in(row.try_get(1)?);
    let extra: Option<String> = row.try_get(2)?;
    if let Some(Ok(Json::Object(extra))) = extra.map(|text| serde_json::from_str(&text)) {
        session.restore_extra(extra);
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

/// Removes the shared facts that no session refers to any more.
pub(super) async fn remove_unused_facts(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let tables = SHARED.map(|(_, table, key)| (table, key)).into_iter().chain([("extras", "extra_id")]);
    for (table, key) in tables {
        let text = format!(
            "DELETE FROM {table} WHERE {key} NOT IN (SELECT {key} FROM sessions WHERE {key} IS NOT NULL)"
        );
        sqlx::query(AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A list of numbers as one bound value.
pub(super) fn json_list(numbers: &[i64]) -> String {
    Json::from(numbers).to_string()
}
