//! Dates on the command line: a day, whose length depends on a zone, or an instant.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime};
use chrono_tz::Tz;

use crate::model::Timestamp;
use crate::schedule::local_instant;

/// What `--from` or `--to` says; which instant it is, a zone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateArgument {
    /// A whole day.
    Day(NaiveDate),
    /// An instant.
    Instant(Timestamp),
}

/// Why a text is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day such as 2026-03-02 is wanted, or an instant such as 2026-03-02T09:00:00Z")]
pub struct DateArgumentError;

impl DateArgument {
    /// The first instant inside, where this is a `--from`.
    pub fn begin(self, timezone: Tz) -> Timestamp {
        match self {
            Self::Day(day) => local_instant(timezone, day.and_time(NaiveTime::MIN)),
            Self::Instant(instant) => instant,
        }
    }

    /// The first instant outside, where this is a `--to`: a day is included, an instant is not.
    pub fn end(self, timezone: Tz) -> Timestamp {
        match self {
            Self::Day(day) => Self::Day(day.succ_opt().unwrap_or(day)).begin(timezone),
            Self::Instant(instant) => instant,
        }
    }
}

impl FromStr for DateArgument {
    type Err = DateArgumentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // The form is strict: `2026-3-2` may be meant in two ways.
        if text.len() == 10
            && let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        {
            return Ok(Self::Day(day));
        }
        DateTime::parse_from_rfc3339(text)
            .map(|instant| Self::Instant(Timestamp::from(instant.to_utc())))
            .map_err(|_| DateArgumentError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(zone: Tz, from: &str, to: &str) -> (String, String) {
        let date = |text: &str| text.parse::<DateArgument>().unwrap();
        (date(from).begin(zone).to_string(), date(to).end(zone).to_string())
    }

    #[test]
    fn a_day_includes_itself() {
        assert_eq!(
            window(Tz::UTC, "2026-03-02", "2026-03-02"),
            ("2026-03-02T00:00:00.000Z".to_owned(), "2026-03-03T00:00:00.000Z".to_owned())
        );
        // 23 and 25 hours long.
        assert_eq!(
            window(Tz::Europe__Berlin, "2026-03-29", "2026-03-29"),
            ("2026-03-28T23:00:00.000Z".to_owned(), "2026-03-29T22:00:00.000Z".to_owned())
        );
        assert_eq!(
            window(Tz::Europe__Berlin, "2026-10-25", "2026-10-25"),
            ("2026-10-24T22:00:00.000Z".to_owned(), "2026-10-25T23:00:00.000Z".to_owned())
        );
    }

    #[test]
    fn a_day_without_a_midnight_begins_after_the_gap() {
        // In Santiago the clocks skip from 00:00 to 01:00 on 2026-09-06.
        assert_eq!(
            window(Tz::America__Santiago, "2026-09-06", "2026-09-05"),
            ("2026-09-06T04:00:00.000Z".to_owned(), "2026-09-06T04:00:00.000Z".to_owned())
        );
        // Samoa left out 2011-12-30: that day is empty.
        assert_eq!(
            window(Tz::Pacific__Apia, "2011-12-30", "2011-12-30"),
            ("2011-12-30T10:00:00.000Z".to_owned(), "2011-12-30T10:00:00.000Z".to_owned())
        );
    }

    #[test]
    fn a_day_with_two_midnights_begins_at_the_first() {
        // In Havana the clocks go back from 01:00 to 00:00 on 2026-11-01.
        assert_eq!(window(Tz::America__Havana, "2026-11-01", "2026-11-01").0, "2026-11-01T04:00:00.000Z");
    }

    #[test]
    fn an_instant_is_taken_as_it_is() {
        assert_eq!(
            window(Tz::Europe__Berlin, "2026-03-02T09:00:00+01:00", "2026-03-02T10:30:00.5Z"),
            ("2026-03-02T08:00:00.000Z".to_owned(), "2026-03-02T10:30:00.500Z".to_owned())
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "2026-3-2", "02.03.2026", "2026-02-30", "2026-03-02T09:00:00", "20260302", "today"] {
            assert_eq!(text.parse::<DateArgument>(), Err(DateArgumentError), "{text}");
        }
    }
}
