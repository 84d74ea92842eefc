//! Where instances are in the calendar: the local day, the planned time, the sitting.

use chrono::{DateTime, Datelike, Days, NaiveTime, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqliteConnection};

use crate::model::{InstanceId, Timestamp, Window};

/// A time of the week at which a meeting is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTime {
    /// Days of the week, 0 for Monday.
    pub days: Vec<u32>,
    /// Hour of its start.
    pub hour: u32,
    /// Minute of its start.
    pub minute: u32,
    /// Its length.
    pub minutes: u32,
}

/// The zone of local dates and planned times.
pub(super) async fn report_zone(connection: &mut SqliteConnection) -> Result<Tz, sqlx::Error> {
    let zone: Option<String> = sqlx::query_scalar("SELECT value FROM settings WHERE name = 'timezone'")
        .fetch_optional(connection)
        .await?;
    Ok(zone_of(zone.as_deref()))
}

/// The zone with this name, as it is kept.
pub(super) fn zone_of(name: Option<&str>) -> Tz {
    name.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC)
}

/// When an instance began and when it ended, of what is known and what is told now.
///
/// An end that is not after the start is none: Zoom writes the start there until it has worked out the end. So a start
/// that comes later than the end that is known makes that one unknown, too.
pub(super) fn span(
    known: (Option<i64>, Option<i64>),
    told: (Option<i64>, Option<i64>),
) -> (Option<i64>, Option<i64>) {
    let start_at = told.0.or(known.0);
    let is_end = |end_at: &i64| start_at.is_none_or(|start_at| *end_at > start_at);
    (start_at, told.1.filter(is_end).or(known.1.filter(is_end)))
}

/// Puts an instance whose start or end has changed where it belongs now: local day, planned time and, once it has been
/// read, sitting.
///
/// Whatever changes one of these calls it; what reads an instance for the first time calls [`assign_sittings`].
pub(super) async fn moved(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
    is_read: bool,
) -> Result<(), sqlx::Error> {
    let zone = report_zone(connection).await?;
    place(connection, instance_id, zone).await?;
    if is_read { assign_sittings(connection, instance_id).await } else { Ok(()) }
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
    instance_id: InstanceId,
    zone: Tz,
) -> Result<(), sqlx::Error> {
    let placed: Placed = sqlx::query_as(
        "SELECT i.start_at, i.end_at, m.planned, i.planned_from, i.planned_to \
           FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id WHERE i.instance_id = ?",
    )
    .bind(instance_id)
    .fetch_one(&mut *connection)
    .await?;
    let Some(start_at) = placed.start_at else { return Ok(()) };
    let place = placement(start_at, placed.end_at, placed.planned.as_deref(), zone);
    sqlx::query(
        "UPDATE instances SET local_date = ?, local_start = ?, planned_from = ?, planned_to = ?, \
                attendance_dirty = attendance_dirty OR ? WHERE instance_id = ?",
    )
    .bind(&place.local_date)
    .bind(&place.local_start)
    .bind(place.planned_from())
    .bind(place.planned_to())
    .bind((place.planned_from(), place.planned_to()) != (placed.planned_from, placed.planned_to))
    .bind(instance_id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Where an instance is in the calendar.
pub(super) struct Placement {
    pub local_date: String,
    pub local_start: String,
    /// The planned time that it overlaps, if any.
    pub planned: Option<Window>,
}

impl Placement {
    pub(super) fn planned_from(&self) -> Option<i64> {
        self.planned.map(|window| window.from.millis())
    }

    pub(super) fn planned_to(&self) -> Option<i64> {
        self.planned.map(|window| window.to.millis())
    }
}

/// Where an instance belongs in the calendar of the reports' zone; `planned` is its meeting's, as it is kept.
pub(super) fn placement(start_at: i64, end_at: Option<i64>, planned: Option<&str>, zone: Tz) -> Placement {
    let start_at = Timestamp::from_millis(start_at);
    let local = start_at.utc().with_timezone(&zone);
    let times: Vec<PlannedTime> =
        planned.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let end_at = end_at.map_or(start_at, Timestamp::from_millis);
    Placement {
        local_date: local.format("%Y-%m-%d").to_string(),
        local_start: local.format("%H:%M").to_string(),
        planned: overlapped(&local, end_at, &times),
    }
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

/// Works out anew which instances of the meeting of this one are one sitting: those that start less than the gap after
/// the last known end, which may be an estimated one.
///
/// Only what has been read is a sitting: an instance without data would make everyone absent.
pub(super) async fn assign_sittings(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
) -> Result<(), sqlx::Error> {
    sqlx::query(STITCH).bind(instance_id).execute(connection).await?;
    Ok(())
}

/// What [`assign_sittings`] runs; it asks for the instance.
pub(super) const STITCH: &str = "WITH instance AS (SELECT meeting_id FROM instances WHERE instance_id = ?), \
       gap AS (SELECT coalesce((SELECT value FROM settings WHERE name = 'stitch_gap_ms'), 300000) AS gap_ms), \
              ordered AS ( \
                SELECT i.instance_id, i.uuid, i.start_at, m.personal, \
                       lag(i.end_at) OVER w AS last_end, \
                       max(i.end_at) OVER (ORDER BY i.start_at, i.uuid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached \
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
          WHERE instances.instance_id = s.instance_id AND instances.sitting_id IS NOT s.first_id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_not_after_the_start_is_none() {
        let nothing = (None, None);
        assert_eq!(span(nothing, (Some(5), Some(9))), (Some(5), Some(9)));
        for end_at in [5, 4, i64::MIN] {
            assert_eq!(span(nothing, (Some(5), Some(end_at))), (Some(5), None));
            assert_eq!(span((Some(5), None), (None, Some(end_at))), (Some(5), None));
            assert_eq!(
                span((Some(5), Some(9)), (Some(5), Some(end_at))),
                (Some(5), Some(9)),
                "the known one stays"
            );
        }
        assert_eq!(span((Some(5), Some(9)), (Some(9), None)), (Some(9), None), "the start came later");
        assert_eq!(span((Some(5), Some(9)), (Some(4), None)), (Some(4), Some(9)));
        assert_eq!(span((Some(5), Some(9)), (None, Some(11))), (Some(5), Some(11)));
        assert_eq!(span(nothing, (None, Some(9))), (None, Some(9)));
        assert_eq!(span((None, Some(9)), (Some(10), None)), (Some(10), None));
    }
}
