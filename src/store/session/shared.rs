//! The facts that sessions share: what participants say of themselves, what they join with, what has no column.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::decode::{Row, RowHashes, StorageTable};
use crate::store::lists::numbers;
use crate::store::script::{Script, Values};
use crate::store::session::columns::{PARTS, column, fields_of, name_of};

/// The numbers of shared facts that are in the file, by their digests, so that they need not be looked up.
///
/// Bounded: when it is full it forgets, which costs a look-up and nothing else.
#[derive(Debug, Default)]
pub(crate) struct KnownFacts([HashMap<i64, i64>; 6]);

impl KnownFacts {
    const LIMIT: usize = 25_000;

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The number of what a row tells in this table, once it is [`written`](UnknownFacts::write); none where it tells
    /// nothing of it.
    pub(crate) fn id(&self, table: StorageTable, hashes: &RowHashes) -> Option<i64> {
        self.0[table.shared_index()].get(&hashes.of(table)?).copied()
    }

    /// What these rows tell that is not known, each once.
    pub(crate) fn unknown<'r, 'a>(
        &mut self,
        rows: &(impl Iterator<Item = (&'r Row<'a>, &'r RowHashes)> + Clone),
    ) -> UnknownFacts<'r, 'a> {
        UnknownFacts(StorageTable::SHARED.map(|table| {
            let known = &mut self.0[table.shared_index()];
            if known.len() > Self::LIMIT {
                known.clear();
            }
            let mut seen = HashSet::new();
            let is_new = |digest: i64| !known.contains_key(&digest) && seen.insert(digest);
            let mut is_new = is_new;
            rows.clone().filter(|(_, hashes)| hashes.of(table).is_some_and(&mut is_new)).collect()
        }))
    }
}

/// Facts of rows that are not known to be in the file, a list for each of [`StorageTable::SHARED`].
pub(crate) struct UnknownFacts<'r, 'a>([Vec<(&'r Row<'a>, &'r RowHashes)>; 6]);

/// What the file holds of them: for each table pairs of digest and number, and the highest number.
pub(crate) type StoredFacts = [(Option<String>, i64); 6];

impl UnknownFacts<'_, '_> {
    pub(crate) fn are_none(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// The digests to look up, a JSON list for each table.
    pub(crate) fn digests(&self) -> [String; 6] {
        StorageTable::SHARED.map(|table| {
            let digests = self.0[table.shared_index()].iter().map(|(_, hashes)| hashes.of(table));
            digests.collect::<Json>().to_string()
        })
    }

    /// Looks them up and writes those that the file lacks.
    async fn store(
        self,
        connection: &mut SqliteConnection,
        known: &mut KnownFacts,
    ) -> Result<(), sqlx::Error> {
        if self.are_none() {
            return Ok(());
        }
        let text = format!("SELECT {}", look_up(1));
        let mut query = sqlx::query(AssertSqlSafe(text));
        for digests in self.digests() {
            query = query.bind(digests);
        }
        let row = query.fetch_one(&mut *connection).await?;
        let mut script = Script::default();
        self.write(connection, &mut script, stored_facts(&row, 0)?, known).await?;
        script.run(connection).await
    }

    /// Numbers those that the file lacks, and adds them to what is to be written. All are known from then on.
    pub(crate) async fn write(
        self,
        connection: &mut SqliteConnection,
        script: &mut Script,
        stored: StoredFacts,
        known: &mut KnownFacts,
    ) -> Result<(), sqlx::Error> {
        for ((table, rows), (pairs, last)) in StorageTable::SHARED.into_iter().zip(self.0).zip(stored) {
            let of_table = &mut known.0[table.shared_index()];
            of_table.extend(numbers(pairs.as_deref()).chunks_exact(2).map(|pair| (pair[0], pair[1])));
            let fresh: Vec<(i64, i64, &Row<'_>, &RowHashes)> = rows
                .into_iter()
                .filter_map(|(row, hashes)| Some((hashes.of(table)?, row, hashes)))
                .filter(|(digest, ..)| !of_table.contains_key(digest))
                .zip(last + 1..)
                .map(|((digest, row, hashes), id)| (id, digest, row, hashes))
                .collect();
            of_table.extend(fresh.iter().map(|(id, digest, ..)| (*digest, *id)));
            insert(connection, script, table, &fresh, known).await?;
        }
        Ok(())
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    script: &mut Script,
    table: StorageTable,
    facts: &[(i64, i64, &Row<'_>, &RowHashes)],
    known: &KnownFacts,
) -> Result<(), sqlx::Error> {
    let (name, key) = name_of(table);
    let mut columns = vec![key, "digest"];
    columns.extend(fields_of(table).map(column));
    match table {
        StorageTable::Environment => columns.extend(PARTS.map(|part| name_of(part).1)),
        StorageTable::Extra => columns.push("content"),
        _ => {}
    }
    let bind = |values: &mut Values, (id, digest, row, hashes): &(i64, i64, &Row<'_>, &RowHashes)| {
        values.add(*id).add(*digest);
        fields_of(table).for_each(|field| {
            values.add_value(row.get(field));
        });
        match table {
            StorageTable::Environment => PARTS.iter().for_each(|part| {
                values.add(known.id(*part, hashes));
            }),
            StorageTable::Extra => {
                values.add(row.extra());
            }
            _ => {}
        }
    };
    script.insert(connection, name, &columns, facts, bind).await
}

/// Columns of a statement that looks up six lists of digests, the first of which is the argument of this number.
pub(crate) fn look_up(first: usize) -> String {
    let columns = StorageTable::SHARED.into_iter().zip(first..).map(|(table, argument)| {
        let (name, key) = name_of(table);
        format!(
            "(SELECT group_concat(f.digest || ' ' || f.{key}, ' ') \
                FROM json_each(?{argument}) j CROSS JOIN {name} f ON f.digest = j.value), \
             (SELECT coalesce(max({key}), 0) FROM {name})"
        )
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// What [`look_up`] found, from this column of the answer on.
pub(crate) fn stored_facts(row: &sqlx::sqlite::SqliteRow, first: usize) -> Result<StoredFacts, sqlx::Error> {
    let mut stored = StoredFacts::default();
    for (at, (pairs, last)) in stored.iter_mut().enumerate() {
        *pairs = sqlx::Row::try_get(row, first + 2 * at)?;
        *last = sqlx::Row::try_get(row, first + 2 * at + 1)?;
    }
    Ok(stored)
}

/// Sees to it that everything which these rows share with others is in the file.
pub(crate) async fn insert_shared<'r>(
    connection: &mut SqliteConnection,
    rows: impl Iterator<Item = (&'r Row<'r>, &'r RowHashes)> + Clone,
    known: &mut KnownFacts,
) -> Result<(), sqlx::Error> {
    known.unknown(&rows).store(connection, known).await
}

/// Removes the shared facts that nothing refers to any more.
pub(crate) async fn remove_unused_facts(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // A line of attendance may go on telling a name by a row equal to the one that its sessions have come to refer to.
    let speakers = "(SELECT profile_id FROM sessions UNION ALL SELECT profile_id FROM attendance_facts \
                     UNION ALL SELECT name_profile_id FROM attendance_facts)";
    // What is referred to comes after what refers to it.
    for table in StorageTable::SHARED.into_iter().rev() {
        let (name, key) = name_of(table);
        let users = match table {
            StorageTable::Profile => speakers,
            StorageTable::Environment | StorageTable::Extra => "sessions",
            _ => "client_environments",
        };
        let text = format!(
            "DELETE FROM {name} WHERE {key} NOT IN (SELECT {key} FROM {users} WHERE {key} IS NOT NULL)"
        );
        sqlx::query(AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    Ok(())
}
