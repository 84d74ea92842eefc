//! What the views and the identity of people need of the config, copied into the database by every run.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono_tz::Tz;
use sqlx::{Sqlite, SqliteConnection};

use crate::identity::normalized;
use crate::model::{InstanceId, MeetingId};
use crate::store::attendance::presence;
use crate::store::attendance::refresh::refresh_after_change;
use crate::store::calendar::{self, PlannedTime};
pub(super) use crate::store::sql::guests_of_meeting;
use crate::store::{Store, StoreError};

/// The settings of all meetings, and of each that the config lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The zone of local dates, local times and planned times.
    pub timezone: Tz,
    /// From this percentage on someone was present.
    pub present_percent: f64,
    /// Joining later than this after the start is late.
    pub late_after: Duration,
    /// Instances of one meeting closer than this are one sitting.
    pub stitch_gap: Duration,
    /// A sitting shorter than this makes nobody absent.
    pub counts_from: Duration,
    /// Guests are one person an instance, not a meeting, however the meeting became known.
    pub guests_per_instance: bool,
    /// Emails and Zoom user ids that many people use.
    pub shared: Vec<String>,
    /// The listed meetings.
    pub meetings: Vec<MeetingSettings>,
}

/// What the config says of one meeting.
#[derive(Clone, Debug, PartialEq)]
pub struct MeetingSettings {
    /// Its number.
    pub meeting_id: MeetingId,
    /// What its admin calls it.
    pub label: Option<String>,
    /// A personal meeting room: unrelated instances under one number, never stitched.
    pub personal: bool,
    /// Whether guests are one person an instance, instead of the general setting.
    pub guests_per_instance: Option<bool>,
    /// Instead of the general percentage.
    pub present_percent: Option<f64>,
    /// Instead of the general delay.
    pub late_after: Option<Duration>,
    /// When it is planned to be held.
    pub planned: Vec<PlannedTime>,
}

impl Store {
    /// The zone that the last run wrote local dates and times in; none where no run has begun yet.
    pub async fn stored_timezone(&self) -> Result<Option<Tz>, StoreError> {
        let name: Option<String> = self
            .read(async |connection| {
                sqlx::query_scalar("SELECT value FROM settings WHERE name = 'timezone'")
                    .fetch_optional(connection)
                    .await
            })
            .await?;
        Ok(name.and_then(|name| name.parse().ok()))
    }

    /// Notes a fact under a name, or takes it back.
    pub(super) async fn note<'q, T>(&self, name: &'q str, value: Option<T>) -> Result<(), StoreError>
    where
        T: sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite> + Send + 'q,
    {
        let statement = match value {
            Some(value) => sqlx::query(SET).bind(name).bind(value),
            None => sqlx::query("DELETE FROM settings WHERE name = ?").bind(name),
        };
        self.execute(statement).await.map(drop)
    }

    /// What is noted under a name.
    pub(super) async fn noted(&self, name: &str) -> Result<Option<i64>, StoreError> {
        self.read(async |connection| {
            sqlx::query_scalar("SELECT CAST(value AS INTEGER) FROM settings WHERE name = ?")
                .bind(name)
                .fetch_optional(connection)
                .await
        })
        .await
    }

    /// Copies the settings into the database, and works out anew whatever rests on one that changed.
    pub async fn apply_settings(&self, settings: &Settings) -> Result<(), StoreError> {
        self.write(async |tx| apply(tx, settings).await).await
    }
}

async fn apply(connection: &mut SqliteConnection, settings: &Settings) -> Result<(), sqlx::Error> {
    let guests_before = meetings_with_guests_per_instance(connection).await?;
    let zone_changed = set(connection, "timezone", settings.timezone.name()).await?;
    set(connection, "present_percent", settings.present_percent).await?;
    set(connection, "late_after_ms", millis(settings.late_after)).await?;
    set(connection, "counts_from_ms", millis(settings.counts_from)).await?;
    set(connection, "guests", guests(settings.guests_per_instance)).await?;
    let gap_changed = set(connection, "stitch_gap_ms", millis(settings.stitch_gap)).await?;

    let plans_changed = apply_meetings(connection, settings).await?;
    let shared_changed = apply_shared(connection, settings).await?;
    let guests_after = meetings_with_guests_per_instance(connection).await?;
    let guests_changed: Vec<i64> = guests_before.symmetric_difference(&guests_after).copied().collect();
    if shared_changed || !guests_changed.is_empty() {
        rework_people(connection, shared_changed, &guests_changed).await?;
    }
    place_anew(connection, settings, zone_changed, &plans_changed, gap_changed).await?;
    Ok(())
}

/// Puts instances where they belong now, and works out anew who was in those whose measure has changed.
async fn place_anew(
    connection: &mut SqliteConnection,
    settings: &Settings,
    zone_changed: bool,
    plans_changed: &[i64],
    gap_changed: bool,
) -> Result<(), sqlx::Error> {
    let instances: Vec<InstanceId> = sqlx::query_scalar(
        "SELECT instance_id FROM instances \
          WHERE ?1 OR attendance_dirty OR meeting_id IN (SELECT value FROM json_each(?2))",
    )
    .bind(zone_changed)
    .bind(crate::store::lists::json_list(plans_changed))
    .fetch_all(&mut *connection)
    .await?;
    for instance_id in instances {
        calendar::place(connection, instance_id, settings.timezone).await?;
    }
    let stale: Vec<InstanceId> =
        sqlx::query_scalar("SELECT instance_id FROM instances WHERE attendance_dirty AND source IS NOT NULL")
            .fetch_all(&mut *connection)
            .await?;
    presence::refresh(connection, &stale, &BTreeSet::new()).await?;
    let one_each: Vec<InstanceId> = sqlx::query_scalar(
        "SELECT min(instance_id) FROM instances \
          WHERE ?1 OR meeting_id IN (SELECT meeting_id FROM instances WHERE instance_id IN (SELECT value FROM json_each(?2))) \
          GROUP BY meeting_id",
    )
    .bind(gap_changed)
    .bind(crate::store::lists::json_list(&stale))
    .fetch_all(&mut *connection)
    .await?;
    for instance_id in one_each {
        calendar::assign_sittings(connection, instance_id).await?;
    }
    Ok(())
}

/// Writes the meetings; answers with those whose planned times changed.
///
/// One that is not listed any more keeps what the config said of it alone.
async fn apply_meetings(
    connection: &mut SqliteConnection,
    settings: &Settings,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut plans_changed = Vec::new();
    let mut listed = Vec::new();
    for meeting in &settings.meetings {
        let number = meeting.meeting_id.get();
        listed.push(number);
        let planned = (!meeting.planned.is_empty())
            .then(|| serde_json::to_string(&meeting.planned).unwrap_or_default());
        let before: Option<(Option<String>, bool)> =
            sqlx::query_as("SELECT planned, personal FROM meetings WHERE meeting_id = ?")
                .bind(number)
                .fetch_optional(&mut *connection)
                .await?;
        let (was_planned, was_personal) = before.unwrap_or_default();
        if was_planned != planned {
            plans_changed.push(number);
        }
        sqlx::query(
            "INSERT INTO meetings (meeting_id, label, listed, personal, guests, present_percent, late_after_ms, planned) \
             VALUES (?, ?, 1, ?, ?, ?, ?, ?) \
             ON CONFLICT (meeting_id) DO UPDATE SET label = excluded.label, listed = 1, personal = excluded.personal, \
                 guests = excluded.guests, present_percent = excluded.present_percent, \
                 late_after_ms = excluded.late_after_ms, planned = excluded.planned",
        )
        .bind(number)
        .bind(&meeting.label)
        .bind(meeting.personal)
        .bind(meeting.guests_per_instance.map(guests))
        .bind(meeting.present_percent)
        .bind(meeting.late_after.map(millis))
        .bind(planned)
        .execute(&mut *connection)
        .await?;
        if was_personal != meeting.personal {
            let one: Option<InstanceId> =
                sqlx::query_scalar("SELECT min(instance_id) FROM instances WHERE meeting_id = ?")
                    .bind(number)
                    .fetch_one(&mut *connection)
                    .await?;
            if let Some(instance_id) = one {
                calendar::assign_sittings(connection, instance_id).await?;
            }
        }
    }
    sqlx::query(
        "UPDATE meetings SET listed = 0 WHERE listed AND meeting_id NOT IN (SELECT value FROM json_each(?))",
    )
    .bind(crate::store::lists::json_list(&listed))
    .execute(&mut *connection)
    .await?;
    Ok(plans_changed)
}

fn guests(per_instance: bool) -> &'static str {
    if per_instance { "instance" } else { "meeting" }
}

async fn meetings_with_guests_per_instance(
    connection: &mut SqliteConnection,
) -> Result<BTreeSet<i64>, sqlx::Error> {
    let meetings: Vec<i64> = sqlx::query_scalar(concat!(
        "SELECT meeting_id FROM meetings m WHERE ",
        guests_of_meeting!(),
        " = 'instance'"
    ))
    .fetch_all(connection)
    .await?;
    Ok(meetings.into_iter().collect())
}

async fn apply_shared(connection: &mut SqliteConnection, settings: &Settings) -> Result<bool, sqlx::Error> {
    let wanted: BTreeSet<String> = settings.shared.iter().map(|value| normalized(value)).collect();
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT value FROM shared_identifiers").fetch_all(&mut *connection).await?;
    if wanted == stored.into_iter().collect() {
        return Ok(false);
    }
    sqlx::query("DELETE FROM shared_identifiers").execute(&mut *connection).await?;
    for value in wanted {
        sqlx::query("INSERT INTO shared_identifiers (value) VALUES (?)")
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    Ok(true)
}

/// Who is who rests on what is shared and on how far a guest's name reaches: everyone whom a change of these can
/// touch is worked out anew. Both change seldom.
async fn rework_people(
    connection: &mut SqliteConnection,
    everyone: bool,
    meetings: &[i64],
) -> Result<(), sqlx::Error> {
    let touched: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT s.person_id FROM sessions s JOIN instances i ON i.instance_id = s.instance_id \
          WHERE s.person_id IS NOT NULL AND (?1 OR i.meeting_id IN (SELECT value FROM json_each(?2)))",
    )
    .bind(everyone)
    .bind(crate::store::lists::json_list(meetings))
    .fetch_all(&mut *connection)
    .await?;
    let mut instances = BTreeSet::new();
    if everyone {
        // What a line rests on (`matched_by`) may have changed without anybody changing hands.
        let all: Vec<InstanceId> =
            sqlx::query_scalar("SELECT instance_id FROM instances WHERE source IS NOT NULL")
                .fetch_all(&mut *connection)
                .await?;
        instances.extend(all);
    }
    refresh_after_change(connection, &touched.into_iter().collect(), instances).await?;
    Ok(())
}

const SET: &str = "INSERT INTO settings (name, value) VALUES (?, ?) \
     ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value";

/// Writes a setting; says whether that changed it.
async fn set<'q, T>(connection: &mut SqliteConnection, name: &str, value: T) -> Result<bool, sqlx::Error>
where
    T: sqlx::Encode<'q, Sqlite> + sqlx::Type<Sqlite> + Send + 'q,
{
    let changed = sqlx::query(SET).bind(name).bind(value).execute(connection).await?;
    Ok(changed.rows_affected() > 0)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
