//! The instances: what is known of them, and the queue that they are.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Days, NaiveTime, TimeZone};
use chrono_tz::Tz;
use sqlx::{FromRow, SqliteConnection};

use super::settings::PlannedTime;
use super::{Store, StoreError, forgotten};
use crate::model::{InstanceState, InstanceUuid, MeetingId, Source, Timestamp, Window};
use crate::plan::Progress;

/// An instance that discovery told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub uuid: InstanceUuid,
    /// The meeting that it is one of.
    pub meeting_id: MeetingId,
    /// When it began, where that was told.
    pub start_at: Option<Timestamp>,
    /// What else was told of it.
    pub description: Option<Description>,
}

/// What an instance is, beside its participants. Unknown things leave what is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Its topic.
    pub topic: Option<String>,
    /// The host's name.
    pub host_name: Option<String>,
    /// The host's email.
    pub host_email: Option<String>,
    /// Its start.
    pub start_at: Option<Timestamp>,
    /// Its end, as Zoom says.
    pub ended_at: Option<Timestamp>,
}

/// What discovery brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Instances not known before.
    pub new: u64,
    /// Instances that became due by it.
    pub due: u64,
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
    /// Of those, only what was not read since.
    pub begun_before: Option<Timestamp>,
}

/// An instance that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueInstance {
    /// Its number in the database.
    pub instance_id: i64,
    /// Its name.
    pub uuid: InstanceUuid,
    /// The meeting that it is one of.
    pub meeting_id: MeetingId,
    /// Its state.
    pub state: InstanceState,
    /// When it began.
    pub start_at: Option<Timestamp>,
    /// Whether its end is known from Zoom.
    pub is_described: bool,
    /// Where the stored sessions come from.
    pub source: Option<Source>,
    /// The Dashboard knows it as a meeting of one person.
    pub one_person: bool,
    /// Its UUID is found by the other encoding.
    pub other_encoding: bool,
}

#[derive(FromRow)]
struct DueRow {
    instance_id: i64,
    uuid: String,
    meeting_id: i64,
    state: String,
    start_at: Option<i64>,
    is_described: bool,
    source: Option<String>,
    one_person: bool,
    other_encoding: bool,
}

#[derive(FromRow)]
struct ProgressRow {
    state: String,
    due_at: Option<i64>,
    reason: Option<String>,
    complete: bool,
    failures: i64,
    failing_since: Option<i64>,
    incomplete_reads: i64,
    incomplete_since: Option<i64>,
    equal_readings: i64,
    listing_digest: Option<i64>,
    changing_since: Option<i64>,
    suspect_at: Option<i64>,
    suspect_digest: Option<i64>,
}

impl Store {
    /// Takes in what a listing of instances told. Those that began inside the window become due, once and for all;
    /// older ones are known. Pruned ones stay forgotten.
    pub async fn learn(
        &self,
        found: &[Found],
        window: &Window,
        now: Timestamp,
    ) -> Result<Discovery, StoreError> {
        let mut transaction = self.begin().await?;
        let learnt = learn(&mut transaction, found, window, now).await.map_err(|error| self.error(error))?;
        transaction.commit().await.map_err(|error| self.error(error))?;
        Ok(learnt)
    }

    /// What is known of instances by their UUIDs: state, and rows as Zoom reported them at the last reading.
    pub async fn known_instances(
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
    pub async fn learn_live(&self, found: &Found, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        async {
            let elsewhere = Window { from: now, to: now };
            learn(&mut transaction, std::slice::from_ref(found), &elsewhere, now).await?;
            sqlx::query(
                "UPDATE instances SET state = 'live', due_at = ? \
                  WHERE uuid = ? AND (state IN ('known', 'pending', 'live') AND (source IS NULL OR source = 'live'))",
            )
            .bind(now.millis())
            .bind(found.uuid.as_str())
            .execute(&mut *transaction)
            .await
        }
        .await
        .map_err(|error| self.error(error))?;
        transaction.commit().await.map_err(|error| self.error(error))
    }

    /// Notes that a meeting told its instances, or why it did not; after a refusal it is asked again later, each
    /// time later.
    pub async fn discovered(
        &self,
        meeting_id: MeetingId,
        refusal: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO meetings (meeting_id) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind(meeting_id.get())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        let statement = if refusal.is_none() {
            "UPDATE meetings SET discovered_at = ?2, discovery_failures = 0, next_discovery_at = NULL, discovery_error = NULL \
              WHERE meeting_id = ?1"
        } else {
            // An hour, then twice as long each time, up to a day.
            "UPDATE meetings SET discovery_failures = discovery_failures + 1, discovery_error = ?3, \
                    next_discovery_at = ?2 + min(3600000 << min(discovery_failures, 5), 86400000) \
              WHERE meeting_id = ?1"
        };
        sqlx::query(statement)
            .bind(meeting_id.get())
            .bind(now.millis())
            .bind(refusal)
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        Ok(())
    }

    /// Until when a meeting that refused its instances is left alone.
    pub async fn next_discovery(&self, meeting_id: MeetingId) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<Option<i64>> =
            sqlx::query_scalar("SELECT next_discovery_at FROM meetings WHERE meeting_id = ?")
                .bind(meeting_id.get())
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        Ok(at.flatten().map(Timestamp::from_millis))
    }

    /// The instances that are to be read, the latest first.
    pub async fn due(&self, selection: &Selection, now: Timestamp) -> Result<Vec<DueInstance>, StoreError> {
        let meetings: Vec<i64> = selection.meetings.iter().map(|meeting| meeting.get()).collect();
        let uuids: Vec<&str> = selection.instances.iter().map(InstanceUuid::as_str).collect();
        let rows: Vec<DueRow> = sqlx::query_as(
            "SELECT instance_id, uuid, meeting_id, state, start_at, ended_at IS NOT NULL AS is_described, source, one_person, \
                    other_encoding \
               FROM instances \
              WHERE (due_at <= ?1 OR (?2 AND (?7 IS NULL OR read_at IS NULL OR read_at < ?7)) OR (state <> 'settled' AND uuid IN (SELECT value FROM json_each(?4)))) \
                AND (uuid IN (SELECT value FROM json_each(?4)) \
                     OR (iif(?3 = '[]', ?4 = '[]', meeting_id IN (SELECT value FROM json_each(?3))) \
                         AND (?5 IS NULL OR start_at >= ?5) AND (?6 IS NULL OR start_at < ?6))) \
              ORDER BY start_at DESC, uuid",
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
        source: row.source.as_deref().and_then(Source::from_text),
        one_person: row.one_person,
        other_encoding: row.other_encoding,
    })
}

async fn learn(
    connection: &mut SqliteConnection,
    found: &[Found],
    window: &Window,
    now: Timestamp,
) -> Result<Discovery, sqlx::Error> {
    let mut learnt = Discovery::default();
    for instance in found {
        let buried: i64 = sqlx::query_scalar("SELECT count(*) FROM tombstones WHERE uuid = ?")
            .bind(instance.uuid.as_str())
            .fetch_one(&mut *connection)
            .await?;
        if buried > 0 {
            continue;
        }
        let wanted = instance.start_at.is_none_or(|start_at| window.contains(start_at));
        let (state, due_at) = if wanted { ("pending", Some(now.millis())) } else { ("known", None) };
        sqlx::query("INSERT INTO meetings (meeting_id) VALUES (?) ON CONFLICT DO NOTHING")
            .bind(instance.meeting_id.get())
            .execute(&mut *connection)
            .await?;
        let new: Option<i64> = sqlx::query_scalar(
            "INSERT INTO instances (uuid, meeting_id, state, due_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (uuid) DO NOTHING RETURNING instance_id",
        )
        .bind(instance.uuid.as_str())
        .bind(instance.meeting_id.get())
        .bind(state)
        .bind(due_at)
        .fetch_optional(&mut *connection)
        .await?;
        let instance_id = if let Some(instance_id) = new {
            learnt.new += 1;
            learnt.due += u64::from(wanted);
            instance_id
        } else {
            // What was older than any window, or was last seen while it was on, is due now that it is in one.
            let states = if wanted { "state IN ('known', 'live')" } else { "state = 'live'" };
            let text =
                format!("UPDATE instances SET state = 'pending', due_at = ? WHERE uuid = ? AND {states}");
            let changed = sqlx::query(sqlx::AssertSqlSafe(text))
                .bind(now.millis())
                .bind(instance.uuid.as_str())
                .execute(&mut *connection)
                .await?;
            learnt.due += changed.rows_affected();
            sqlx::query_scalar("SELECT instance_id FROM instances WHERE uuid = ?")
                .bind(instance.uuid.as_str())
                .fetch_one(&mut *connection)
                .await?
        };
        let start = Description { start_at: instance.start_at, ..Description::default() };
        if new.is_some() || instance.description.is_some() {
            describe(connection, instance_id, instance.description.as_ref().unwrap_or(&start), now).await?;
        }
    }
    Ok(learnt)
}

/// Takes in what is told of an instance, and works out what follows from it: local date and time, the planned time
/// that it overlaps.
pub(super) async fn describe(
    connection: &mut SqliteConnection,
    instance_id: i64,
    description: &Description,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let (host_name, host_email) = (description.host_name.as_deref(), description.host_email.as_deref());
    let hidden = forgotten::is_forgotten_host(connection, instance_id, host_name, host_email).await?;
    let (host_name, host_email) = if hidden { (None, None) } else { (host_name, host_email) };
    sqlx::query(
        "UPDATE instances SET topic = coalesce(?1, topic), host_name = coalesce(?2, host_name), \
                host_email = coalesce(?3, host_email), start_at = coalesce(?4, start_at), \
                ended_at = coalesce(?5, ended_at), described_at = ?6, \
                presences_stale = presences_stale OR (?4 IS NOT NULL AND ?4 IS NOT start_at) OR (?5 IS NOT NULL AND ?5 IS NOT ended_at) \
          WHERE instance_id = ?7",
    )
    .bind(&description.topic)
    .bind(host_name)
    .bind(host_email)
    .bind(description.start_at.map(Timestamp::millis))
    .bind(description.ended_at.map(Timestamp::millis))
    .bind(now.millis())
    .bind(instance_id)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE meetings SET topic = coalesce((SELECT topic FROM instances i WHERE i.meeting_id = meetings.meeting_id \
                AND i.topic IS NOT NULL ORDER BY start_at DESC LIMIT 1), topic) \
          WHERE meeting_id = (SELECT meeting_id FROM instances WHERE instance_id = ?)",
    )
    .bind(instance_id)
    .execute(&mut *connection)
    .await?;
    let zone = report_zone(connection).await?;
    place(connection, instance_id, zone).await
}

/// The zone of local dates and planned times.
pub(super) async fn report_zone(connection: &mut SqliteConnection) -> Result<Tz, sqlx::Error> {
    let zone: Option<String> = sqlx::query_scalar("SELECT value FROM settings WHERE name = 'timezone'")
        .fetch_optional(connection)
        .await?;
    Ok(zone.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC))
}

#[derive(FromRow)]
struct Placed {
    start_at: Option<i64>,
    end_at: Option<i64>,
    planned: Option<String>,
    planned_from: Option<i64>,
    planned_to: Option<i64>,
}

/// Puts an instance into the calendar of the reports' zone.
pub(super) async fn place(
    connection: &mut SqliteConnection,
    instance_id: i64,
    zone: Tz,
) -> Result<(), sqlx::Error> {
    let placed: Placed = sqlx::query_as(
        "SELECT i.start_at, i.end_at, m.planned, i.planned_from, i.planned_to \
           FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id WHERE i.instance_id = ?",
    )
    .bind(instance_id)
    .fetch_one(&mut *connection)
    .await?;
    let Some(start_at) = placed.start_at.map(Timestamp::from_millis) else { return Ok(()) };
    let local = start_at.utc().with_timezone(&zone);
    let times: Vec<PlannedTime> =
        placed.planned.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let end_at = placed.end_at.map_or(start_at, Timestamp::from_millis);
    let planned = overlapped(&local, end_at, &times);
    let (from, to) = (planned.map(|window| window.from.millis()), planned.map(|window| window.to.millis()));
    sqlx::query(
        "UPDATE instances SET local_date = ?, local_start = ?, planned_from = ?, planned_to = ?, \
                presences_stale = presences_stale OR ? WHERE instance_id = ?",
    )
    .bind(local.format("%Y-%m-%d").to_string())
    .bind(local.format("%H:%M").to_string())
    .bind(from)
    .bind(to)
    .bind((from, to) != (placed.planned_from, placed.planned_to))
    .bind(instance_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// The planned time that an instance overlaps most, if any.
fn overlapped(start: &DateTime<Tz>, end_at: Timestamp, times: &[PlannedTime]) -> Option<Window> {
    let start_at = Timestamp::from(start.with_timezone(&chrono::Utc));
    let dates = [
        start.date_naive().checked_sub_days(Days::new(1)),
        Some(start.date_naive()),
        start.date_naive().checked_add_days(Days::new(1)),
    ];
    let mut best: Option<(i64, Window)> = None;
    for date in dates.into_iter().flatten() {
        for time in times.iter().filter(|time| time.days.contains(&date.weekday().num_days_from_monday())) {
            let Some(begins) = NaiveTime::from_hms_opt(time.hour, time.minute, 0) else { continue };
            // A time that does not exist on the day of a change begins an hour later, as the clocks do.
            let local =
                start.timezone().from_local_datetime(&date.and_time(begins)).earliest().or_else(|| {
                    start
                        .timezone()
                        .from_local_datetime(&(date.and_time(begins) + chrono::TimeDelta::hours(1)))
                        .earliest()
                });
            let Some(local) = local else { continue };
            let from = Timestamp::from(local.with_timezone(&chrono::Utc));
            let to = from.plus(std::time::Duration::from_secs(u64::from(time.minutes) * 60));
            let overlap = end_at.min(to).millis() - start_at.max(from).millis();
            let inside = overlap > 0 || (start_at == end_at && from <= start_at && start_at < to);
            if inside && best.is_none_or(|(most, _)| overlap > most) {
                best = Some((overlap, Window { from, to }));
            }
        }
    }
    best.map(|(_, window)| window)
}

/// Works out anew which instances of the meeting of this one are one sitting.
///
/// Only what has been read is a sitting: an instance without data would make everyone absent.
pub(super) async fn stitch(connection: &mut SqliteConnection, instance_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH instance AS (SELECT meeting_id FROM instances WHERE instance_id = ?), \
              gap AS (SELECT coalesce((SELECT value FROM settings WHERE name = 'stitch_gap_ms'), 300000) AS gap_ms), \
              ordered AS ( \
                SELECT i.instance_id, i.uuid, i.start_at, m.personal, \
                       lag(i.ended_at) OVER w AS last_end, \
                       max(i.ended_at) OVER (ORDER BY i.start_at, i.uuid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached \
                  FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id \
                 WHERE i.meeting_id = (SELECT meeting_id FROM instance) AND i.source IS NOT NULL \
                WINDOW w AS (ORDER BY i.start_at, i.uuid)), \
              counted AS ( \
                SELECT instance_id, uuid, start_at, \
                       sum(coalesce(personal OR last_end IS NULL OR start_at - reached >= (SELECT gap_ms FROM gap), 1)) \
                           OVER (ORDER BY start_at, uuid) AS sitting \
                  FROM ordered), \
              stitched AS ( \
                SELECT instance_id, first_value(instance_id) OVER (PARTITION BY sitting ORDER BY start_at, uuid) AS first_id \
                  FROM counted) \
         UPDATE instances SET sitting_id = s.first_id FROM stitched s \
          WHERE instances.instance_id = s.instance_id AND instances.sitting_id IS NOT s.first_id",
    )
    .bind(instance_id)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn load_progress(
    connection: &mut SqliteConnection,
    instance_id: i64,
) -> Result<Progress, sqlx::Error> {
    let row: ProgressRow = sqlx::query_as(
        "SELECT state, due_at, reason, complete, failures, failing_since, incomplete_reads, incomplete_since, equal_readings, \
                listing_digest, changing_since, suspect_at, suspect_digest \
           FROM instances WHERE instance_id = ?",
    )
    .bind(instance_id)
    .fetch_one(connection)
    .await?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let instant = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    Ok(Progress {
        state: InstanceState::from_text(&row.state)
            .ok_or_else(|| sqlx::Error::Decode(format!("no such state: {}", row.state).into()))?,
        due_at: instant(row.due_at),
        reason: row.reason,
        complete: row.complete,
        failures: count(row.failures),
        failing_since: instant(row.failing_since),
        incomplete_reads: count(row.incomplete_reads),
        incomplete_since: instant(row.incomplete_since),
        equal_readings: count(row.equal_readings),
        listing_digest: row.listing_digest,
        changing_since: instant(row.changing_since),
        suspect_at: instant(row.suspect_at),
        suspect_digest: row.suspect_digest,
    })
}

pub(super) async fn save_progress(
    connection: &mut SqliteConnection,
    instance_id: i64,
    progress: &Progress,
) -> Result<(), sqlx::Error> {
    let millis = |instant: Option<Timestamp>| instant.map(Timestamp::millis);
    sqlx::query(
        "UPDATE instances SET state = ?, due_at = ?, reason = ?, complete = ?, failures = ?, failing_since = ?, \
                incomplete_reads = ?, incomplete_since = ?, equal_readings = ?, listing_digest = ?, changing_since = ?, \
                suspect_at = ?, suspect_digest = ? \
          WHERE instance_id = ?",
    )
    .bind(progress.state.as_str())
    .bind(millis(progress.due_at))
    .bind(&progress.reason)
    .bind(progress.complete)
    .bind(i64::from(progress.failures))
    .bind(millis(progress.failing_since))
    .bind(i64::from(progress.incomplete_reads))
    .bind(millis(progress.incomplete_since))
    .bind(i64::from(progress.equal_readings))
    .bind(progress.listing_digest)
    .bind(millis(progress.changing_since))
    .bind(millis(progress.suspect_at))
    .bind(progress.suspect_digest)
    .bind(instance_id)
    .execute(connection)
    .await?;
    Ok(())
}
