//! Pure: a cron expression and a time zone give slots, over every change of the clocks.
//!
//! The expression is matched against the wall clock; the zone then says which instants a wall-clock time is.
//! A time that the clocks skip is the first instant after the gap. A time that comes twice is one slot where the hour
//! is fixed (the earlier), two where it is not.

use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::model::Timestamp;

/// When the daemon makes its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    cron: Cron,
    timezone: Tz,
    hour_is_fixed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Five fields, as in a crontab.
    #[error("`{0}` has five fields, as a crontab does, and here the seconds come first: `0 {0}`")]
    FiveFields(String),
    /// Any other number of fields.
    #[error(
        "`{text}` has {found} fields, wanted six: second, minute, hour, day of month, month, day of week"
    )]
    FieldCount { text: String, found: usize },
    /// A field is out of range, or not understood.
    #[error("`{text}` is no cron expression ({reason})")]
    Invalid { text: String, reason: String },
    /// No such date exists, as with 30 February.
    #[error("cron expression `{0}` matches no date")]
    Never(String),
}

impl Schedule {
    /// Reads a cron expression of six fields, seconds first; 0 and 7 are Sunday, and months and days may be names.
    pub fn parse(text: &str, timezone: Tz) -> Result<Self, ScheduleError> {
        let text = text.trim().to_owned();
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields.len() {
            6 => {}
            5 => return Err(ScheduleError::FiveFields(text)),
            found => return Err(ScheduleError::FieldCount { text, found }),
        }
        // A star in the hour, or all 24 of them, is no fixed hour.
        let every_hour = fields[2].contains('*') || fields[2] == "0-23";
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        let cron = parser
            .parse(&text)
            .map_err(|error| ScheduleError::Invalid { text: text.clone(), reason: error.to_string() })?;
        let schedule = Self { cron, timezone, hour_is_fixed: !every_hour };
        // The year 2000 begins a cycle of 400 years in which every date comes that ever does.
        match schedule.next(Timestamp::from_millis(946_684_800_000)) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(text)),
        }
    }

    /// The first slot after this instant.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.utc();
        let local = after.with_timezone(&self.timezone).naive_local();
        let ahead = self.walk(local, false, after);
        // In the first pass of an hour that comes twice, the second pass is ahead too, and the wall clock jumps back
        // to it; with a fixed hour nothing comes there.
        let second_pass = match self.timezone.from_local_datetime(&local) {
            LocalResult::Ambiguous(earlier, later) if !self.hour_is_fixed && earlier.to_utc() == after => {
                self.fold_between(earlier.to_utc(), later.to_utc()).and_then(|(begin, wall_clock)| {
                    self.walk(wall_clock, true, begin - TimeDelta::seconds(1))
                })
            }
            _ => None,
        };
        [ahead, second_pass].into_iter().flatten().min().map(Timestamp::from)
    }

    /// The latest slot after `after` (the last one that was served) and not after `now`, if any is due.
    pub(crate) fn latest_due(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        const DAY: u64 = 24 * 60 * 60;
        // Slots may be a second apart or eight years (29 February over a year that is no leap year): look back further
        // only where nothing was found nearer, so that few slots are counted.
        [60, 60 * 60, DAY, 7 * DAY, 62 * DAY, 400 * DAY, 3000 * DAY]
            .into_iter()
            .map(|seconds| now.minus(Duration::from_secs(seconds)).max(after))
            .find_map(|from| {
                std::iter::successors(self.next(from), |slot| self.next(*slot))
                    .take_while(|slot| *slot <= now)
                    .last()
            })
    }

    /// The first instant after `after` among those of the wall-clock times from `from` on.
    fn walk(&self, from: NaiveDateTime, inclusive: bool, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut inclusive = inclusive;
        let mut wall_clock = from;
        loop {
            // In UTC every wall-clock time exists once, so this asks about the expression alone.
            let found = self.cron.find_next_occurrence(&wall_clock.and_utc(), inclusive).ok()?;
            (wall_clock, inclusive) = (found.naive_utc(), false);
            let instant = match self.timezone.from_local_datetime(&wall_clock) {
                LocalResult::Single(instant) => Some(instant.to_utc()),
                LocalResult::Ambiguous(earlier, _) if earlier.to_utc() > after => Some(earlier.to_utc()),
                LocalResult::Ambiguous(_, later) if !self.hour_is_fixed => Some(later.to_utc()),
                LocalResult::Ambiguous(..) => None,
                LocalResult::None => Some(after_gap(self.timezone, wall_clock)),
            };
            if let Some(instant) = instant.filter(|instant| *instant > after) {
                return Some(instant);
            }
        }
    }

    /// The instant between these at which the clocks go back, and what they show then.
    fn fold_between(
        &self,
        before: DateTime<Utc>,
        after: DateTime<Utc>,
    ) -> Option<(DateTime<Utc>, NaiveDateTime)> {
        let offset = |second: i64| {
            let instant = DateTime::from_timestamp(second, 0)?;
            Some(self.timezone.offset_from_utc_datetime(&instant.naive_utc()).fix())
        };
        let (mut low, mut high) = (before.timestamp(), after.timestamp());
        let old = offset(low)?;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if offset(middle)? == old {
                low = middle;
            } else {
                high = middle;
            }
        }
        let instant = DateTime::from_timestamp(high, 0)?;
        Some((instant, instant.with_timezone(&self.timezone).naive_local()))
    }
}

/// The instant at which the clocks of the zone show this time: the earlier where they show it twice, the first after
/// the gap where they skip it.
pub(crate) fn local_instant(timezone: Tz, wall_clock: NaiveDateTime) -> Timestamp {
    Timestamp::from(match timezone.from_local_datetime(&wall_clock) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.to_utc(),
        LocalResult::None => after_gap(timezone, wall_clock),
    })
}

/// The first instant after the gap that this wall-clock time lies in.
fn after_gap(timezone: Tz, wall_clock: NaiveDateTime) -> DateTime<Utc> {
    // Clocks skip to a whole minute; the longest gap is the day that Samoa left out.
    let minute = wall_clock.with_second(0).and_then(|time| time.with_nanosecond(0)).unwrap_or(wall_clock);
    (1..=25 * 60)
        .filter_map(|minutes| minute.checked_add_signed(TimeDelta::minutes(minutes)))
        .find_map(|time| timezone.from_local_datetime(&time).earliest())
        .map_or_else(|| wall_clock.and_utc(), |instant| instant.to_utc())
}

#[cfg(test)]
mod tests;
