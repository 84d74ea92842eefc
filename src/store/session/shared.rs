//! The facts that sessions share: what participants say of themselves, and what they join with.

use std::collections::{HashMap, HashSet};

use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection};

use crate::decode::{Field, Home, Keys, Row};
use crate::store::session::rows::{add, column, fields_of, insert_many, json_list, numbers};

/// A table of shared facts, with the column that it is referred to by.
type Facts = (Home, &'static str, &'static str);

pub(crate) const PROFILES: Facts = (Home::Profile, "profiles", "profile_id");

/// The tables of [`Home::SETUP`].
pub(crate) const SETUP: [Facts; 4] = [
    (Home::Client, "clients", "client_id"),
    (Home::Machine, "machines", "machine_id"),
    (Home::Network, "networks", "network_id"),
    (Home::Media, "media", "media_id"),
];

/// Writes the facts that these rows share with others, those that `known` does not hold yet.
///
/// A setup, its parts and an extra are named by their content, so writing them again is without effect. A profile has a
/// number: indexes lead from it to sessions, and those of people who come for the first time stand together there.
pub(crate) async fn insert_shared(
    connection: &mut SqliteConnection,
    rows: &[(&Row<'_>, &Keys)],
    known: &mut KnownFacts,
) -> Result<(), sqlx::Error> {
    insert_profiles(connection, rows, known).await?;
    let setups = known.fresh(rows, |keys| keys.setup);
    for (at, part) in SETUP.into_iter().enumerate() {
        insert_facts(connection, part, &setups, |keys| keys.setup_parts[at], known).await?;
    }
    let parts = SETUP.map(|(_, _, key)| key).join(", ");
    let head = format!("INSERT OR IGNORE INTO setups (setup_id, {parts}) VALUES");
    insert_many(connection, &head, SETUP.len() + 1, &setups, |arguments, (_, keys)| {
        arguments.add(keys.setup)?;
        keys.setup_parts.iter().try_for_each(|key| arguments.add(*key))
    })
    .await?;
    let extras = known.fresh(rows, |keys| keys.extra);
    let head = "INSERT OR IGNORE INTO extras (extra_id, content) VALUES";
    insert_many(connection, head, 2, &extras, |arguments, (row, keys)| {
        arguments.add(keys.extra)?;
        arguments.add(row.extra())
    })
    .await
}

async fn insert_facts(
    connection: &mut SqliteConnection,
    (home, table, id): Facts,
    rows: &[(&Row<'_>, &Keys)],
    key: impl Fn(&Keys) -> Option<i64>,
    known: &mut KnownFacts,
) -> Result<(), sqlx::Error> {
    let fresh = known.fresh(rows, &key);
    let (fields, columns) = columns_of(home);
    let head = format!("INSERT OR IGNORE INTO {table} ({id}, {columns}) VALUES");
    insert_many(connection, &head, fields.len() + 1, &fresh, |arguments, (row, keys)| {
        arguments.add(key(keys))?;
        fields.iter().try_for_each(|field| add(arguments, row.get(*field)))
    })
    .await
}

/// The fields of a home, and the list of their columns.
fn columns_of(home: Home) -> (Vec<Field>, String) {
    let fields: Vec<Field> = fields_of(home).collect();
    let columns: Vec<&str> = fields.iter().map(|field| column(*field)).collect();
    (fields, columns.join(", "))
}

/// Numbers the profiles of these rows, and writes those that are new.
async fn insert_profiles(
    connection: &mut SqliteConnection,
    rows: &[(&Row<'_>, &Keys)],
    known: &mut KnownFacts,
) -> Result<(), sqlx::Error> {
    if known.profiles.len() >= KnownFacts::LIMIT {
        known.profiles.clear();
    }
    let mut seen = HashSet::new();
    let unknown = |digest: i64| !known.profiles.contains_key(&digest);
    let mut fresh: Vec<(i64, &Row<'_>)> = rows
        .iter()
        .filter_map(|(row, keys)| Some((keys.profile?, *row)))
        .filter(|(digest, _)| unknown(*digest) && seen.insert(*digest))
        .collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let digests: Vec<i64> = fresh.iter().map(|(digest, _)| *digest).collect();
    let (pairs, last): (Option<String>, i64) = sqlx::query_as(
        "SELECT (SELECT group_concat(digest || ' ' || profile_id, ' ') FROM profiles \
                  WHERE digest IN (SELECT value FROM json_each(?))), \
                (SELECT coalesce(max(profile_id), 0) FROM profiles)",
    )
    .bind(json_list(&digests))
    .fetch_one(&mut *connection)
    .await?;
    known.profiles.extend(numbers(pairs.as_deref()).chunks_exact(2).map(|pair| (pair[0], pair[1])));
    fresh.retain(|(digest, _)| !known.profiles.contains_key(digest));
    let numbered: Vec<(i64, i64, &Row<'_>)> =
        fresh.iter().zip(last + 1..).map(|((digest, row), profile_id)| (profile_id, *digest, *row)).collect();
    let (home, table, id) = PROFILES;
    let (fields, columns) = columns_of(home);
    let head = format!("INSERT INTO {table} ({id}, digest, {columns}) VALUES");
    insert_many(connection, &head, fields.len() + 2, &numbered, |arguments, (profile_id, digest, row)| {
        arguments.add(*profile_id)?;
        arguments.add(*digest)?;
        fields.iter().try_for_each(|field| add(arguments, row.get(*field)))
    })
    .await?;
    known.profiles.extend(numbered.iter().map(|(profile_id, digest, _)| (*digest, *profile_id)));
    Ok(())
}

/// Shared facts that are known to be in the file, so that they need not be written again.
///
/// Bounded: when it is full it forgets, which costs statements and nothing else.
#[derive(Debug, Default)]
pub(crate) struct KnownFacts {
    /// Keys of what is named by its content.
    keys: HashSet<i64>,
    /// The numbers of profiles by the digests of their content: at least those of the rows that were written last.
    profiles: HashMap<i64, i64>,
}

impl KnownFacts {
    const LIMIT: usize = 50_000;

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The number of a row's profile, once [`insert_shared`] has seen the row; none where the row tells none.
    pub(crate) fn profile_id(&self, keys: &Keys) -> Option<i64> {
        self.profiles.get(&keys.profile?).copied()
    }

    /// The rows whose fact is not known yet, one for each, in the order of their keys: the table's own, in which it
    /// is written with the fewest pages.
    fn fresh<'r, 'a>(
        &mut self,
        rows: &[(&'r Row<'a>, &'r Keys)],
        key: impl Fn(&Keys) -> Option<i64>,
    ) -> Vec<(&'r Row<'a>, &'r Keys)> {
        let mut fresh: Vec<_> =
            rows.iter().filter(|(_, keys)| key(keys).is_some_and(|key| self.add(key))).copied().collect();
        fresh.sort_unstable_by_key(|(_, keys)| key(keys));
        fresh
    }

    fn add(&mut self, id: i64) -> bool {
        if self.keys.len() >= Self::LIMIT {
            self.keys.clear();
        }
        self.keys.insert(id)
    }
}

/// Removes the shared facts that nothing refers to any more.
pub(crate) async fn remove_unused_facts(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let parts = SETUP.map(|(_, table, key)| (table, key, "setups"));
    // A presence may go on telling a name by a row equal to the one that its sessions have come to refer to.
    let speakers = "(SELECT profile_id FROM sessions UNION ALL SELECT profile_id FROM attendance_facts \
                     UNION ALL SELECT name_profile_id FROM attendance_facts)";
    let tables = [
        ("profiles", "profile_id", speakers),
        ("setups", "setup_id", "sessions"),
        ("extras", "extra_id", "sessions"),
    ]
    .into_iter()
    .chain(parts);
    for (table, key, users) in tables {
        let text = format!(
            "DELETE FROM {table} WHERE {key} NOT IN (SELECT {key} FROM {users} WHERE {key} IS NOT NULL)"
        );
        sqlx::query(AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    Ok(())
}
