//! Taking fields out of what is stored already, and what was removed out of the files.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use super::decisions::{self, Grounds};
use super::facts::remove_unused_facts;
use super::ingest::reject_digest;
use super::people::Told;
use super::rows;
use super::{Store, StoreError, people, presence};
use crate::decode::{Dropped, Reject};

/// What changed where fields were taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleansed {
    /// Sessions that held such a field.
    pub sessions: u64,
    /// Rejects that did.
    pub rejects: u64,
}

/// So many sessions go into one transaction: other programs wait for no longer than that takes.
const SESSIONS_AT_ONCE: i64 = 1_000;

impl Store {
    /// Takes these fields out of every session and reject, works out anew who is who, and leaves nothing of them in
    /// the files: as if they had never been stored.
    ///
    /// It goes by batches, each a transaction; what stops it half-way leaves the database whole, and the next call
    /// goes on. The caller holds the run lock.
    pub async fn apply_privacy(&self, dropped: &Dropped) -> Result<Cleansed, StoreError> {
        self.overwrite_what_is_deleted().await?;
        let mut cleansed = Cleansed::default();
        let mut after = 0;
        loop {
            let mut transaction = self.begin().await?;
            let batch = cleanse_sessions(&mut transaction, dropped, after).await;
            let (sessions, last) = batch.map_err(|error| self.error(error))?;
            transaction.commit().await.map_err(|error| self.error(error))?;
            cleansed.sessions += sessions;
            let Some(last) = last else { break };
            after = last;
        }
        let mut transaction = self.begin().await?;
        async {
            cleansed.rejects = cleanse_rejects(&mut transaction, dropped).await?;
            remove_decisions(&mut transaction, dropped).await?;
            remove_unused_facts(&mut transaction).await
        }
        .await
        .map_err(|error| self.error(error))?;
        transaction.commit().await.map_err(|error| self.error(error))?;
        self.leave_no_traces().await?;
        Ok(cleansed)
    }

    /// From now on this connection overwrites what it deletes.
    pub(super) async fn overwrite_what_is_deleted(&self) -> Result<(), StoreError> {
        self.pragma("PRAGMA secure_delete = on").await
    }

    /// Writes the file anew, without free pages, and empties the write-ahead log.
    pub(super) async fn leave_no_traces(&self) -> Result<(), StoreError> {
        // The copy that is made on the way may be larger than memory.
        self.pragma("PRAGMA temp_store = file").await?;
        self.pragma("VACUUM").await?;
        self.pragma("PRAGMA temp_store = memory").await?;
        let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        if busy != 0 {
            return Err(StoreError::Traces { path: self.path.clone() });
        }
        Ok(())
    }

    async fn pragma(&self, text: &'static str) -> Result<(), StoreError> {
        sqlx::query(text).execute(&self.pool).await.map_err(|error| self.error(error))?;
        Ok(())
    }
}

/// The next sessions after this one: how many changed, and which was the last; none where there is no more.
async fn cleanse_sessions(
    connection: &mut SqliteConnection,
    dropped: &Dropped,
    after: i64,
) -> Result<(u64, Option<i64>), sqlx::Error> {
    let batch: Vec<(i64, i64, Option<i64>)> = sqlx::query_as(
        "SELECT session_id, instance_id, person_id FROM sessions WHERE session_id > ? ORDER BY session_id LIMIT ?",
    )
    .bind(after)
    .bind(SESSIONS_AT_ONCE)
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<i64> = batch.iter().map(|(session_id, ..)| *session_id).collect();
    let mut stored = rows::load_sessions(connection, &ids).await?;
    let mut instance_ids = BTreeSet::new();
    let mut people = BTreeSet::new();
    let mut changed = Vec::new();
    for (session_id, instance_id, person_id) in &batch {
        let Some(before) = stored.remove(session_id) else { continue };
        let mut row = before.clone();
        row.strip(dropped);
        if row == before {
            continue;
        }
        instance_ids.insert(*instance_id);
        if Told::by(&row) != Told::by(&before) {
            people.extend(*person_id);
        }
        changed.push((*session_id, row));
    }
    for (session_id, row) in &changed {
        rows::rewrite_session(connection, *session_id, row).await?;
    }
    let mut reworked = people::Reworked::default();
    if !people.is_empty() {
        let grounds = Grounds::load(connection).await?;
        reworked = people::rework(connection, &grounds, &people, &[]).await?;
        instance_ids.extend(&reworked.instance_ids);
    }
    let instance_ids: Vec<i64> = instance_ids.into_iter().collect();
    presence::refresh(connection, &instance_ids, &reworked.people).await?;
    people::remove(connection, &reworked.gone).await?;
    Ok((changed.len() as u64, ids.last().copied()))
}

/// Decisions hold on to identifiers; one that holds on to a dropped field has nothing to hold on to any more.
async fn remove_decisions(connection: &mut SqliteConnection, dropped: &Dropped) -> Result<(), sqlx::Error> {
    let fields = [("email", "email"), ("user_name", "name"), ("registrant_id", "registrant")];
    let mut kinds: Vec<&str> =
        fields.into_iter().filter(|(field, _)| dropped.holds(field)).map(|(_, kind)| kind).collect();
    // A Zoom user id comes under two names, and is stored as long as one of them is.
    if dropped.holds("id") && dropped.holds("participant_user_id") {
        kinds.push("zoom_user");
    }
    decisions::remove(connection, &kinds, &[]).await
}

async fn cleanse_rejects(connection: &mut SqliteConnection, dropped: &Dropped) -> Result<u64, sqlx::Error> {
    let rejects: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT reject_id, reason, content FROM reject_log")
            .fetch_all(&mut *connection)
            .await?;
    let mut replaced = 0;
    for (reject_id, reason, content) in rejects {
        let stripped = dropped.strip(&content);
        if stripped == content {
            continue;
        }
        replaced += 1;
        let reject = Reject { reason, content: stripped };
        let digest = reject_digest(&reject);
        // Where two are equal now, one of them says it all.
        sqlx::query("UPDATE OR IGNORE reject_log SET content = ?, digest = ? WHERE reject_id = ?")
            .bind(&reject.content)
            .bind(digest)
            .bind(reject_id)
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM reject_log WHERE reject_id = ? AND digest <> ?")
            .bind(reject_id)
            .bind(digest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, at};
    use super::*;

    async fn texts(store: &Store, query: &'static str) -> Vec<String> {
        sqlx::query_scalar(query).fetch_all(&store.pool).await.unwrap()
    }

    #[tokio::test]
    async fn fields_that_are_dropped_later_are_gone_from_tables_and_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let store = sample::database(&path).await;
        for reject in [r#"[{"user_name":"Marker Reject","n":1}]"#, r#"[{"user_name":"Marker Other","n":1}]"#]
        {
            sqlx::query("INSERT INTO reject_log (run_id, instance_id, digest, reason, content) VALUES (1, 1, ?, 'no object', ?)")
                .bind(i64::try_from(reject.len()).unwrap())
                .bind(reject)
                .execute(&store.pool)
                .await
                .unwrap();
        }
        let minutes = texts(&store, "SELECT sum(present_ms) || '' FROM presences").await;
        let names = ["user_name", "name"].map(str::to_owned).to_vec();
        let cleansed = store.apply_privacy(&Dropped::new(names.clone())).await.unwrap();
        assert_eq!(cleansed, Cleansed { sessions: 10, rejects: 2 });
        assert_eq!(
            texts(&store, "SELECT user_name FROM profiles WHERE user_name IS NOT NULL").await.len(),
            0
        );
        assert_eq!(texts(&store, "SELECT name FROM attendance WHERE name IS NOT NULL").await.len(), 0);
        assert_eq!(texts(&store, "SELECT value FROM identifiers WHERE kind = 'name'").await.len(), 0);
        assert_eq!(texts(&store, "SELECT content FROM reject_log").await, [r#"[{"n":1}]"#]);
        assert_eq!(texts(&store, "SELECT sum(present_ms) || '' FROM presences").await, minutes);
        for file in ["rollcall.db", "rollcall.db-wal"] {
            let bytes = std::fs::read(directory.path().join(file)).unwrap();
            for trace in ["Lovelace", "Borel", "<script>", "Marker"] {
                assert!(
                    !bytes.windows(trace.len()).any(|part| part == trace.as_bytes()),
                    "{trace} in {file}"
                );
            }
        }
        assert_eq!(store.apply_privacy(&Dropped::new(names)).await.unwrap(), Cleansed::default());
        assert!(store.metrics_snapshot(at("2026-03-10T00:00:00Z")).await.is_ok());
    }

    #[tokio::test]
    async fn a_reader_that_keeps_traces_alive_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let store = sample::database(&path).await;
        sqlx::query("PRAGMA busy_timeout = 50").execute(&store.pool).await.unwrap();
        let reader = Store::open_to_read(&path).await.unwrap();
        let mut reading = reader.pool.begin().await.unwrap();
        sqlx::query("SELECT count(*) FROM sessions").execute(&mut *reading).await.unwrap();
        let dropped = Dropped::new(vec!["email".to_owned(), "user_email".to_owned()]);
        assert!(matches!(store.apply_privacy(&dropped).await, Err(StoreError::Traces { .. })));
        drop(reading);
        reader.close().await;
        assert_eq!(store.apply_privacy(&dropped).await.unwrap(), Cleansed::default());
    }
}
