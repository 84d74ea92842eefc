//! The instances: what is known of them, and the queue that they are.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use chrono_tz::Tz;

use sqlx::{FromRow, SqliteConnection};

use crate::decode::{Dropped, Stripper};
use crate::model::{
    FailureKind, InstanceId, InstanceState, InstanceUuid, MeetingId, Timestamp, Window, harmless,
};
use crate::plan::{PendingWithdrawal, Progress};
use crate::store::attendance::presence;
use crate::store::calendar::{Placement, moved, placement, report_zone, span};
use crate::store::erasure_list;
use crate::store::script::Script;
use crate::store::{Store, StoreError};

/// An instance that discovery told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredInstance {
    pub uuid: InstanceUuid,
    pub meeting_id: MeetingId,
    /// When it began, where that was told.
    pub start_at: Option<Timestamp>,
    /// What else was told of it.
    pub description: Option<InstanceDetails>,
}

/// What an instance is, beside its participants. Unknown things leave what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceDetails {
    pub topic: Option<String>,
    pub host_name: Option<String>,
    pub host_email: Option<String>,
    pub start_at: Option<Timestamp>,
    /// Its end, as Zoom says.
    pub ended_at: Option<Timestamp>,
    /// How many joins Zoom counts.
    pub joins: Option<i64>,
}

impl InstanceDetails {
    /// The same without dropped fields, and without a dropped host in the topic, which often begins with the name.
    pub(super) fn without(&self, dropped: &Dropped) -> Self {
        if dropped.is_empty() {
            return self.clone();
        }
        let mut stripper = Stripper::new(dropped);
        stripper.learn_text("host_name", self.host_name.as_deref());
        stripper.learn_text("host_email", self.host_email.as_deref());
        let kept = |name: &str, text: &Option<String>| text.clone().filter(|_| !dropped.holds(name));
        Self {
            topic: kept("topic", &self.topic).map(|topic| stripper.strip_text(&topic)),
            host_name: kept("host_name", &self.host_name),
            host_email: kept("host_email", &self.host_email),
            ..self.clone()
        }
    }
}

/// Which of the due instances are wanted: those of the named meetings in the window, and the named instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of these meetings; empty: of all, unless instances are named.
    pub meetings: Vec<MeetingId>,
    /// These instances, whenever they began, and due or not unless they are settled: a person asks for them.
    pub instances: Vec<InstanceUuid>,
    /// Those of meetings that began in here.
    pub window: Option<Window>,
    /// Those that are not due, too: settled, parked, unavailable.
    pub force: bool,
    /// Only what was not tried since: a backfill that goes on after it handed over tries nothing twice.
    pub begun_before: Option<Timestamp>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueInstance {
    /// Its number in the database.
    pub instance_id: InstanceId,
    pub uuid: InstanceUuid,
    pub meeting_id: MeetingId,
    pub state: InstanceState,
    pub start_at: Option<Timestamp>,
    /// Whether its start and its end are known from Zoom.
    pub is_described: bool,
    /// The Dashboard knows it as a meeting of one person.
    pub is_past_one: bool,
    /// Its UUID is found by the other encoding.
    pub alternate_encoding: bool,
    /// It was read completely before.
    pub is_complete: bool,
    /// It listed nobody when it was read last.
    pub was_empty: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "as above")]
#[derive(FromRow)]
struct DueRow {
    instance_id: InstanceId,
    uuid: String,
    meeting_id: i64,
    state: String,
    start_at: Option<i64>,
    is_described: bool,
    is_past_one: bool,
    alternate_encoding: bool,
    is_complete: bool,
    was_empty: bool,
}

/// The columns of [`ProgressRow`], of `instances i`.
macro_rules! progress_columns {
    () => {
        "i.state, i.due_at, i.reason, i.complete, i.failures, i.failing_kind, i.failing_since, i.richer_lacking_since, \
         i.incomplete_reads, i.incomplete_since, i.identical_reads, i.content_hash, i.changing_since, i.suspect_at, i.suspect_digest"
    };
}
pub(super) use progress_columns;

/// How an instance's [`Progress`] is kept.
#[derive(FromRow)]
pub(super) struct ProgressRow {
    state: String,
    due_at: Option<i64>,
    reason: Option<String>,
    complete: bool,
    failures: i64,
    failing_kind: Option<String>,
    failing_since: Option<i64>,
    richer_lacking_since: Option<i64>,
    incomplete_reads: i64,
    incomplete_since: Option<i64>,
    identical_reads: i64,
    content_hash: Option<i64>,
    changing_since: Option<i64>,
    suspect_at: Option<i64>,
    suspect_digest: Option<i64>,
}

impl Store {
    /// Those of the instances that were pruned: they are not discovered again.
    pub(crate) async fn pruned_instances(
        &self,
        uuids: &[InstanceUuid],
    ) -> Result<HashSet<String>, StoreError> {
        let list: Vec<&str> = uuids.iter().map(InstanceUuid::as_str).collect();
        let pruned: Vec<String> =
            sqlx::query_scalar("SELECT uuid FROM tombstones WHERE uuid IN (SELECT value FROM json_each(?))")
                .bind(serde_json::Value::from(list).to_string())
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        Ok(pruned.into_iter().collect())
    }

    /// Takes in an instance that a person named: it is due whenever it began. One that was pruned is brought back.
    pub(crate) async fn upsert_named_instance(
        &self,
        found: &DiscoveredInstance,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(async |tx| {
            sqlx::query("DELETE FROM tombstones WHERE uuid = ?")
                .bind(found.uuid.as_str())
                .execute(&mut *tx)
                .await?;
            upsert_instances(tx, std::slice::from_ref(found), &|_| Want::Backfill, now, &self.dropped).await
        })
        .await
    }

    /// What is known of instances by their UUIDs: state, and rows as Zoom reported them at the last reading.
    pub(crate) async fn known_instances(
        &self,
        uuids: &[InstanceUuid],
    ) -> Result<HashMap<String, (InstanceState, Option<i64>)>, StoreError> {
        let list: Vec<&str> = uuids.iter().map(InstanceUuid::as_str).collect();
        let rows: Vec<(String, String, Option<i64>)> = sqlx::query_as(
            "SELECT uuid, state, rows_reported FROM instances WHERE uuid IN (SELECT value FROM json_each(?))",
        )
        .bind(serde_json::Value::from(list).to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows
            .into_iter()
            .filter_map(|(uuid, state, reported)| Some((uuid, (InstanceState::from_text(&state)?, reported))))
            .collect())
    }

    /// Takes in an instance that is on at the moment: it is due now, as a live one. One that is known as a past one
    /// stays that.
    pub(crate) async fn upsert_live_instance(
        &self,
        found: &DiscoveredInstance,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(async |tx| {
            upsert_instances(tx, std::slice::from_ref(found), &|_| Want::Not, now, &self.dropped).await?;
            sqlx::query(
                "UPDATE instances SET state = 'live', due_at = ? \
                  WHERE uuid = ? AND (state IN ('known', 'pending', 'live') AND (source IS NULL OR source = 'live'))",
            )
            .bind(now.millis())
            .bind(found.uuid.as_str())
            .execute(tx)
            .await?;
            Ok(())
        })
        .await
    }

    /// The instances that are to be read, the latest first; those that were empty when they were read last come last.
    pub async fn due(&self, selection: &Selection, now: Timestamp) -> Result<Vec<DueInstance>, StoreError> {
        let meetings: Vec<i64> = selection.meetings.iter().map(|meeting| meeting.get()).collect();
        let uuids: Vec<&str> = selection.instances.iter().map(InstanceUuid::as_str).collect();
        // One whose start is not known belongs to any window: it is described when it is read.
        let rows: Vec<DueRow> = sqlx::query_as(
            "SELECT instance_id, uuid, meeting_id, state, start_at, is_past_one, \
                    start_at IS NOT NULL AND ended_at IS NOT NULL AS is_described, alternate_encoding, \
                    complete AS is_complete, source IS NULL AND rows_received IS 0 AS was_empty \
               FROM instances \
              WHERE (?7 IS NULL OR tried_at IS NULL OR tried_at < ?7) \
                AND (due_at <= ?1 OR ?2 OR (state <> 'settled' AND uuid IN (SELECT value FROM json_each(?4)))) \
                AND (uuid IN (SELECT value FROM json_each(?4)) \
                     OR (iif(?3 = '[]', ?4 = '[]', meeting_id IN (SELECT value FROM json_each(?3))) \
                         AND (start_at IS NULL OR ((?5 IS NULL OR start_at >= ?5) AND (?6 IS NULL OR start_at < ?6))))) \
              ORDER BY was_empty, start_at DESC, uuid",
        )
        .bind(now.millis())
        .bind(selection.force)
        .bind(serde_json::Value::from(meetings).to_string())
        .bind(serde_json::Value::from(uuids).to_string())
        .bind(selection.window.map(|window| window.from.millis()))
        .bind(selection.window.map(|window| window.to.millis()))
        .bind(selection.begun_before.map(Timestamp::millis))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows.iter().filter_map(due_instance).collect())
    }

    /// Requests that were spent on a UTC day on instances that turned out to be empty.
    pub(crate) async fn requests_for_empty(&self, now: Timestamp) -> Result<u64, StoreError> {
        let midnight = now.utc().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        let spent: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(f.requests), 0) FROM run_log r JOIN fetch_log f ON f.run_id = r.run_id \
              WHERE r.started_at >= ?1 - 86400000 AND f.started_at >= ?1 \
                AND f.rows_received = 0 AND f.outcome = 'incomplete'",
        )
        .bind(midnight.timestamp_millis())
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        Ok(u64::try_from(spent).unwrap_or(0))
    }
}

fn due_instance(row: &DueRow) -> Option<DueInstance> {
    Some(DueInstance {
        instance_id: row.instance_id,
        // Both were parsed before they were stored.
        uuid: row.uuid.parse().ok()?,
        meeting_id: MeetingId::new(row.meeting_id).ok()?,
        state: InstanceState::from_text(&row.state)?,
        start_at: row.start_at.map(Timestamp::from_millis),
        is_described: row.is_described,
        is_past_one: row.is_past_one,
        alternate_encoding: row.alternate_encoding,
        is_complete: row.is_complete,
        was_empty: row.was_empty,
    })
}

/// What for an instance is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// It is older than any window.
    Not,
    /// Scheduled runs want it.
    Run,
    /// A backfill alone wants it.
    Backfill,
}

/// Takes in instances; those that began when they are wanted become due, and so do those whose start is not known.
/// Pruned ones stay forgotten. Answers with the number of those not known before.
pub(super) async fn upsert_instances(
    connection: &mut SqliteConnection,
    found: &[DiscoveredInstance],
    want: &(dyn Fn(Timestamp) -> Want + Sync),
    now: Timestamp,
    dropped: &Dropped,
) -> Result<u64, sqlx::Error> {
    let mut new = 0;
    let uuids: Vec<&str> = found.iter().map(|instance| instance.uuid.as_str()).collect();
    let known: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT uuid, state FROM instances WHERE uuid IN (SELECT value FROM json_each(?1)) \
         UNION ALL SELECT uuid, NULL FROM tombstones WHERE uuid IN (SELECT value FROM json_each(?1))",
    )
    .bind(serde_json::Value::from(uuids).to_string())
    .fetch_all(&mut *connection)
    .await?;
    let mut known: HashMap<String, Option<String>> = known.into_iter().collect();
    let mut calendar = Calendar { zone: report_zone(connection).await?, planned: HashMap::new() };
    for instance in found {
        let want = instance.start_at.map_or(Want::Run, want);
        let wanted = want != Want::Not;
        let stored = known.get(instance.uuid.as_str());
        match stored.map(Option::as_deref) {
            // Pruned: it stays forgotten.
            Some(None) => continue,
            None => {
                insert(connection, instance, want, now, &mut calendar).await?;
                known.insert(instance.uuid.as_str().to_owned(), Some(String::new()));
                new += 1;
            }
            // What was older than any window, or was last seen while it was on, is due now that it is in one.
            Some(Some(state)) if state == "live" || (state == "known" && wanted) => {
                sqlx::query(
                    "UPDATE instances SET state = 'pending', due_at = ?, for_backfill = ? WHERE uuid = ?",
                )
                .bind(now.millis())
                .bind(want == Want::Backfill)
                .bind(instance.uuid.as_str())
                .execute(&mut *connection)
                .await?;
            }
            Some(Some(_)) => {}
        }
        if let Some(description) = &instance.description {
            let instance_id = sqlx::query_scalar("SELECT instance_id FROM instances WHERE uuid = ?")
                .bind(instance.uuid.as_str())
                .fetch_one(&mut *connection)
                .await?;
            update_details(connection, instance_id, description, now, dropped).await?;
        }
    }
    Ok(new)
}

/// What places instances in the calendar before they are described.
struct Calendar {
    zone: Tz,
    /// The planned times of meetings, as they are kept.
    planned: HashMap<i64, Option<String>>,
}

impl Calendar {
    /// Where an instance belongs that began then, and of which no end is known.
    async fn place(
        &mut self,
        connection: &mut SqliteConnection,
        meeting_id: i64,
        start_at: i64,
    ) -> Result<Placement, sqlx::Error> {
        let planned = match self.planned.entry(meeting_id) {
            Entry::Occupied(planned) => planned.into_mut(),
            Entry::Vacant(entry) => {
                let planned: Option<Option<String>> =
                    sqlx::query_scalar("SELECT planned FROM meetings WHERE meeting_id = ?")
                        .bind(meeting_id)
                        .fetch_optional(connection)
                        .await?;
                entry.insert(planned.flatten())
            }
        };
        Ok(placement(start_at, None, planned.as_deref(), self.zone))
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    instance: &DiscoveredInstance,
    want: Want,
    now: Timestamp,
    calendar: &mut Calendar,
) -> Result<(), sqlx::Error> {
    let (meeting_id, start_at) = (instance.meeting_id.get(), instance.start_at.map(Timestamp::millis));
    let place = match start_at {
        Some(start_at) => Some(calendar.place(connection, meeting_id, start_at).await?),
        None => None,
    };
    let (state, due_at) = if want == Want::Not { ("known", None) } else { ("pending", Some(now.millis())) };
    sqlx::query(
        "INSERT INTO meetings (meeting_id) VALUES (?1) ON CONFLICT DO NOTHING; \
         INSERT INTO instances (uuid, meeting_id, state, due_at, for_backfill, described_at, start_at, attendance_dirty, \
                                local_date, local_start, planned_from, planned_to) \
         VALUES (?2, ?1, ?3, ?4, ?5, ?6, ?7, ?7 IS NOT NULL, ?8, ?9, ?10, ?11)",
    )
    .bind(meeting_id)
    .bind(instance.uuid.as_str())
    .bind(state)
    .bind(due_at)
    .bind(want == Want::Backfill)
    .bind(now.millis())
    .bind(start_at)
    .bind(place.as_ref().map(|place| place.local_date.as_str()))
    .bind(place.as_ref().map(|place| place.local_start.as_str()))
    .bind(place.as_ref().and_then(Placement::planned_from))
    .bind(place.as_ref().and_then(Placement::planned_to))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

/// Takes in what is told of an instance, and works out what follows from it: local date and time, the planned time
/// that it overlaps, its sitting, and who was there how long.
///
/// The one door for topics, hosts, starts and ends, however they are told.
pub(super) async fn update_details(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
    description: &InstanceDetails,
    now: Timestamp,
    dropped: &Dropped,
) -> Result<(), sqlx::Error> {
    let description = description.harmless();
    let (host_name, host_email) = (description.host_name.as_deref(), description.host_email.as_deref());
    let hidden = erasure_list::is_forgotten_host(connection, instance_id, host_name, host_email).await?;
    let (meeting_id, known_start, known_end, is_read): (i64, Option<i64>, Option<i64>, bool) =
        sqlx::query_as(
            "SELECT meeting_id, start_at, ended_at, source IS NOT NULL FROM instances WHERE instance_id = ?",
        )
        .bind(instance_id)
        .fetch_one(&mut *connection)
        .await?;
    let details = description.details((known_start, known_end), hidden, dropped);
    let is_moved = (details.start_at, details.ended_at) != (known_start, known_end);
    let mut script = Script::default();
    details.write(&mut script, instance_id, meeting_id, now);
    if is_moved {
        script.add("UPDATE instances SET attendance_dirty = 1 WHERE instance_id = ?", |values| {
            values.add(instance_id);
        });
    }
    script.run(connection).await?;
    if is_moved {
        moved(connection, instance_id, is_read).await?;
    }
    if is_moved && is_read {
        presence::refresh(connection, &[instance_id], &BTreeSet::new()).await?;
    }
    Ok(())
}

/// What a description makes of an instance.
pub(super) struct DetailsUpdate {
    topic: Option<String>,
    host_name: Option<String>,
    host_email: Option<String>,
    pub start_at: Option<i64>,
    pub ended_at: Option<i64>,
    joins: Option<i64>,
}

impl InstanceDetails {
    /// The same without what must not reach a terminal.
    pub(super) fn harmless(&self) -> Self {
        let clean = |text: &Option<String>| text.as_deref().map(|text| harmless(text).into_owned());
        Self {
            topic: clean(&self.topic),
            host_name: clean(&self.host_name),
            host_email: clean(&self.host_email),
            ..self.clone()
        }
    }

    /// What it makes, once it is [`harmless`](Self::harmless), of an instance whose start and end are known so far. The host is left out where that is somebody
    /// who was forgotten.
    pub(super) fn details(
        &self,
        known: (Option<i64>, Option<i64>),
        is_host_hidden: bool,
        dropped: &Dropped,
    ) -> DetailsUpdate {
        let kept = self.without(dropped);
        let told = (self.start_at.map(Timestamp::millis), self.ended_at.map(Timestamp::millis));
        let (start_at, ended_at) = span(known, told);
        DetailsUpdate {
            topic: kept.topic,
            host_name: kept.host_name.filter(|_| !is_host_hidden),
            host_email: kept.host_email.filter(|_| !is_host_hidden),
            start_at,
            ended_at,
            joins: self.joins,
        }
    }
}

impl DetailsUpdate {
    pub(super) fn joins(&self) -> Option<i64> {
        self.joins
    }

    /// Adds them to what is to be written; what is not told leaves what is known.
    pub(super) fn write(
        &self,
        script: &mut Script,
        instance_id: InstanceId,
        meeting_id: i64,
        now: Timestamp,
    ) {
        let statement = "UPDATE instances SET topic = coalesce(?, topic), host_name = coalesce(?, host_name), \
                    host_email = coalesce(?, host_email), start_at = ?, ended_at = ?, described_at = ?, \
                    joins_told = coalesce(?, joins_told) WHERE instance_id = ?";
        script.add(statement, |values| {
            values
                .add(self.topic.as_deref())
                .add(self.host_name.as_deref())
                .add(self.host_email.as_deref())
                .add(self.start_at)
                .add(self.ended_at)
                .add(now.millis())
                .add(self.joins)
                .add(instance_id);
        });
        let statement = "UPDATE meetings SET topic = t.topic \
               FROM (SELECT topic FROM instances WHERE meeting_id = ? AND topic IS NOT NULL ORDER BY start_at DESC LIMIT 1) t \
              WHERE meeting_id = ? AND meetings.topic IS NOT t.topic";
        script.add(statement, |values| {
            values.add(meeting_id).add(meeting_id);
        });
    }
}

pub(super) async fn load_progress(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
) -> Result<Progress, sqlx::Error> {
    let row: ProgressRow =
        sqlx::query_as(concat!("SELECT ", progress_columns!(), " FROM instances i WHERE i.instance_id = ?"))
            .bind(instance_id)
            .fetch_one(connection)
            .await?;
    row.progress()
}

impl ProgressRow {
    pub(super) fn progress(&self) -> Result<Progress, sqlx::Error> {
        let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let instant = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        Ok(Progress {
            state: InstanceState::from_text(&self.state)
                .ok_or_else(|| sqlx::Error::Decode(format!("no such state: {}", self.state).into()))?,
            due_at: instant(self.due_at),
            reason: self.reason.clone(),
            complete: self.complete,
            failures: count(self.failures),
            failing: self.failing_kind.as_deref().and_then(FailureKind::from_text),
            failing_since: instant(self.failing_since),
            richer_lacking_since: instant(self.richer_lacking_since),
            incomplete_reads: count(self.incomplete_reads),
            incomplete_since: instant(self.incomplete_since),
            identical_reads: count(self.identical_reads),
            content_hash: self.content_hash,
            changing_since: instant(self.changing_since),
            pending_withdrawal: instant(self.suspect_at)
                .zip(self.suspect_digest)
                .map(|(since, digest)| PendingWithdrawal { digest, since }),
        })
    }
}

/// Adds the keeping of an instance's progress to what is to be written.
pub(super) fn save_progress(script: &mut Script, instance_id: InstanceId, progress: &Progress) {
    let millis = |instant: Option<Timestamp>| instant.map(Timestamp::millis);
    let statement = "UPDATE instances SET state = ?, due_at = ?, reason = ?, complete = ?, failures = ?, failing_kind = ?, \
                failing_since = ?, richer_lacking_since = ?, incomplete_reads = ?, incomplete_since = ?, identical_reads = ?, \
                content_hash = ?, changing_since = ?, suspect_at = ?, suspect_digest = ? \
          WHERE instance_id = ?";
    script.add(statement, |values| {
        values
            .add(progress.state.as_str())
            .add(millis(progress.due_at))
            .add(progress.reason.as_deref())
            .add(progress.complete)
            .add(i64::from(progress.failures))
            .add(progress.failing.map(FailureKind::as_str))
            .add(millis(progress.failing_since))
            .add(millis(progress.richer_lacking_since))
            .add(i64::from(progress.incomplete_reads))
            .add(millis(progress.incomplete_since))
            .add(i64::from(progress.identical_reads))
            .add(progress.content_hash)
            .add(millis(progress.changing_since))
            .add(millis(progress.pending_withdrawal.map(|pending| pending.since)))
            .add(progress.pending_withdrawal.map(|pending| pending.digest))
            .add(instance_id);
    });
}
