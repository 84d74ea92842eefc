//! Taking fields out of what is stored already, and what was removed out of the files.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;

use crate::decode::{Dropped, Reject, Stripper};
use crate::identity::IdentityFields;
use crate::model::InstanceId;
use crate::store::attendance::refresh::refresh_after_change;
use crate::store::decisions;
use crate::store::ingest::reject_digest;
use crate::store::instances::InstanceDetails;
use crate::store::session::rows;
use crate::store::session::shared::remove_unused_facts;
use crate::store::{Store, StoreError};

/// What changed where fields were taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrivacyStats {
    /// Sessions that held such a field.
    pub sessions: u64,
    /// Rejects that did.
    pub rejects: u64,
    /// Instances of which host or topic did.
    pub instances: u64,
}

/// So many sessions go into one transaction, but for a single instance of more: other programs wait for no longer than
/// that takes.
const SESSIONS_AT_ONCE: i64 = 1_000;

impl Store {
    /// Takes these fields out of every session, reject and instance, with what they hold in other texts of the same
    /// instance, works out anew who is who, and leaves nothing of them in the files: as if they had never been stored.
    ///
    /// It goes by batches of instances, each a transaction; what stops it half-way leaves the database whole, and the
    /// next call goes on. The caller holds the run lock.
    pub async fn apply_privacy(&self, dropped: &Dropped) -> Result<PrivacyStats, StoreError> {
        self.enable_secure_delete().await?;
        let mut cleansed = PrivacyStats::default();
        // What was learnt of hosts: a meeting may be called as an instance was that is gone.
        let mut hosts = Stripper::new(dropped);
        let mut after = InstanceId::default();
        loop {
            let batch =
                self.write(async |tx| cleanse_batch(tx, dropped, after, &mut hosts, &mut cleansed).await);
            let Some(last) = batch.await? else { break };
            after = last;
        }
        self.write(async |tx| {
            cleanse_meetings(tx, dropped, &hosts).await?;
            remove_decisions(tx, dropped).await?;
            remove_unused_facts(tx).await
        })
        .await?;
        self.vacuum_and_truncate_wal().await?;
        Ok(cleansed)
    }

    /// From now on this connection overwrites what it deletes.
    pub(crate) async fn enable_secure_delete(&self) -> Result<(), StoreError> {
        self.pragma("PRAGMA secure_delete = on").await
    }

    /// Writes the file anew, without free pages, and empties the write-ahead log.
    pub(crate) async fn vacuum_and_truncate_wal(&self) -> Result<(), StoreError> {
        // The copy that is made on the way may be larger than memory.
        self.pragma("PRAGMA temp_store = file").await?;
        self.pragma("VACUUM").await?;
        self.pragma("PRAGMA temp_store = memory").await?;
        let busy: i64 = self
            .read(async |connection| {
                sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await
            })
            .await?;
        if busy != 0 {
            return Err(StoreError::Traces { path: self.path.clone() });
        }
        // Now whoever was forgotten is, to the last byte.
        self.pragma("DELETE FROM settings WHERE name = 'unfinished_forgetting'").await
    }

    async fn pragma(&self, text: &'static str) -> Result<(), StoreError> {
        self.execute(sqlx::query(text)).await.map(drop)
    }
}

/// The next instances after this one; answers with the last of them, none where there is no more.
async fn cleanse_batch(
    connection: &mut SqliteConnection,
    dropped: &Dropped,
    after: InstanceId,
    hosts: &mut Stripper<'_>,
    cleansed: &mut PrivacyStats,
) -> Result<Option<InstanceId>, sqlx::Error> {
    let next: Vec<(InstanceId, i64)> = sqlx::query_as(
        "SELECT instance_id, (SELECT count(*) FROM sessions s WHERE s.instance_id = i.instance_id) FROM instances i \
          WHERE instance_id > ? ORDER BY instance_id LIMIT ?",
    )
    .bind(after)
    .bind(SESSIONS_AT_ONCE)
    .fetch_all(&mut *connection)
    .await?;
    let mut sessions = 0;
    let mut batch: Vec<InstanceId> = Vec::new();
    for (instance_id, count) in next {
        sessions += count;
        if !batch.is_empty() && sessions > SESSIONS_AT_ONCE {
            break;
        }
        batch.push(instance_id);
    }
    let mut instance_ids = BTreeSet::new();
    let mut people = BTreeSet::new();
    for instance_id in &batch {
        let touched = cleanse_instance(connection, dropped, *instance_id, hosts, cleansed).await?;
        if let Some(touched) = touched {
            instance_ids.insert(*instance_id);
            people.extend(touched);
        }
    }
    if !instance_ids.is_empty() {
        refresh_after_change(connection, &people, instance_ids).await?;
    }
    Ok(batch.last().copied())
}

/// Answers with the people of whom something is told no more, where a session changed.
async fn cleanse_instance(
    connection: &mut SqliteConnection,
    dropped: &Dropped,
    instance_id: InstanceId,
    hosts: &mut Stripper<'_>,
    cleansed: &mut PrivacyStats,
) -> Result<Option<BTreeSet<i64>>, sqlx::Error> {
    let sessions = rows::session_ids_of(connection, instance_id).await?;
    let ids: Vec<i64> = sessions.iter().map(|(session_id, _)| *session_id).collect();
    let mut stored = rows::load_sessions(connection, &ids).await?;
    let rejects: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT reject_id, reason, content FROM reject_log WHERE instance_id = ?")
            .bind(instance_id)
            .fetch_all(&mut *connection)
            .await?;
    let told: (Option<String>, Option<String>, Option<String>) =
        sqlx::query_as("SELECT topic, host_name, host_email FROM instances WHERE instance_id = ?")
            .bind(instance_id)
            .fetch_one(&mut *connection)
            .await?;
    let mut stripper = Stripper::new(dropped);
    for row in stored.values() {
        stripper.learn(row);
    }
    for (_, _, content) in &rejects {
        stripper.learn_reject(content);
    }
    for (field, text) in [("host_name", &told.1), ("host_email", &told.2)] {
        stripper.learn_text(field, text.as_deref());
        hosts.learn_text(field, text.as_deref());
    }

    let mut touched: Option<BTreeSet<i64>> = None;
    for (session_id, person_id) in sessions {
        let Some(before) = stored.remove(&session_id) else { continue };
        let mut row = before.clone();
        stripper.strip(&mut row);
        if row == before {
            continue;
        }
        cleansed.sessions += 1;
        let people = touched.get_or_insert_default();
        if IdentityFields::of(&row) != IdentityFields::of(&before) {
            people.extend(person_id);
        }
        rows::rewrite_session(connection, session_id, &row).await?;
    }
    for (reject_id, reason, content) in rejects {
        let kept = stripper.strip_reject(&content);
        if kept != content {
            cleansed.rejects += 1;
            replace_reject(connection, reject_id, Reject { reason, content: kept }).await?;
        }
    }
    let (topic, host_name, host_email) = told.clone();
    let description = InstanceDetails { topic, host_name, host_email, ..InstanceDetails::default() };
    let kept = description.without(dropped);
    if kept != description {
        cleansed.instances += 1;
        sqlx::query("UPDATE instances SET topic = ?, host_name = ?, host_email = ? WHERE instance_id = ?")
            .bind(kept.topic)
            .bind(kept.host_name)
            .bind(kept.host_email)
            .bind(instance_id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(touched)
}

async fn cleanse_meetings(
    connection: &mut SqliteConnection,
    dropped: &Dropped,
    hosts: &Stripper<'_>,
) -> Result<(), sqlx::Error> {
    let meetings: Vec<(i64, String)> =
        sqlx::query_as("SELECT meeting_id, topic FROM meetings WHERE topic IS NOT NULL")
            .fetch_all(&mut *connection)
            .await?;
    for (meeting_id, topic) in meetings {
        let kept = (!dropped.holds("topic")).then(|| hosts.strip_text(&topic));
        if kept.as_deref() != Some(topic.as_str()) {
            sqlx::query("UPDATE meetings SET topic = ? WHERE meeting_id = ?")
                .bind(kept)
                .bind(meeting_id)
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
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

/// Writes a reject anew; where two are equal now, one of them says it all.
async fn replace_reject(
    connection: &mut SqliteConnection,
    reject_id: i64,
    reject: Reject,
) -> Result<(), sqlx::Error> {
    let digest = reject_digest(&reject);
    sqlx::query("UPDATE OR IGNORE reject_log SET content = ?, digest = ? WHERE reject_id = ?")
        .bind(&reject.content)
        .bind(digest)
        .bind(reject_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM reject_log WHERE reject_id = ? AND digest <> ?")
        .bind(reject_id)
        .bind(digest)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample::{self, at};

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
        let minutes = texts(&store, "SELECT sum(present_ms) || '' FROM attendance_facts").await;
        let names = ["user_name", "name"].map(str::to_owned).to_vec();
        let cleansed = store.apply_privacy(&Dropped::new(names.clone())).await.unwrap();
        assert_eq!(cleansed, PrivacyStats { sessions: 10, rejects: 2, instances: 0 });
        assert_eq!(
            texts(&store, "SELECT user_name FROM profiles WHERE user_name IS NOT NULL").await.len(),
            0
        );
        assert_eq!(texts(&store, "SELECT name FROM attendance WHERE name IS NOT NULL").await.len(), 0);
        assert_eq!(texts(&store, "SELECT value FROM identifiers WHERE kind = 'name'").await.len(), 0);
        assert_eq!(texts(&store, "SELECT content FROM reject_log").await, [r#"[{"n":1}]"#]);
        assert_eq!(texts(&store, "SELECT sum(present_ms) || '' FROM attendance_facts").await, minutes);
        for file in ["rollcall.db", "rollcall.db-wal"] {
            let bytes = std::fs::read(directory.path().join(file)).unwrap();
            for trace in ["Lovelace", "Borel", "<script>", "Marker"] {
                assert!(
                    !bytes.windows(trace.len()).any(|part| part == trace.as_bytes()),
                    "{trace} in {file}"
                );
            }
        }
        assert_eq!(store.apply_privacy(&Dropped::new(names)).await.unwrap(), PrivacyStats::default());
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
        assert_eq!(store.apply_privacy(&dropped).await.unwrap(), PrivacyStats::default());
    }
}
