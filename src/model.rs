//! The words of the project as types: parsed once at the edge, never raw inside.

mod host;
mod id;
mod instant;
mod quota;
mod table;
mod text;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

pub use self::host::is_loopback;
pub use self::id::{InstanceId, RunId};
pub use self::instant::{DAY, HOUR, MINUTE, WEEK, parse_instant};
pub(crate) use self::quota::{DailyQuota, Reservation, Throttle, ThrottleKind};
pub use self::table::Value;
pub(crate) use self::table::{Line, RowError, Table};
pub(crate) use self::text::{drives_a_terminal, harmless, is_unseen};

/// A numeric Zoom meeting ID, as the config lists it.
///
/// Zoom shows IDs in groups (`857 4606 5432`); spaces and hyphens are accepted when parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MeetingId(i64);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no meeting ID: digits are wanted, as Zoom shows them, such as 85746065432 or `857 4606 5432`"
)]
pub struct MeetingIdError {
    found: String,
}

impl MeetingId {
    /// The ID with this number.
    ///
    /// Zoom's IDs have nine to eleven digits; any positive number of at most 15 digits is accepted,
    /// since Zoom has lengthened them before.
    pub fn new(number: i64) -> Result<Self, MeetingIdError> {
        if (1..1_000_000_000_000_000).contains(&number) {
            Ok(Self(number))
        } else {
            Err(MeetingIdError { found: number.to_string() })
        }
    }

    /// The number, as the database keeps it.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl FromStr for MeetingId {
    type Err = MeetingIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || MeetingIdError { found: text.to_owned() };
        if text.trim_start().starts_with('-') {
            return Err(error());
        }
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        digits.parse().ok().and_then(|number| Self::new(number).ok()).ok_or_else(error)
    }
}

impl fmt::Display for MeetingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The UUID that names one instance of a meeting: base64 of 16 bytes, so it may hold `/`, `+` and `=`.
///
/// Kept exactly as Zoom sent it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct InstanceUuid(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is no instance UUID: letters, digits, `+`, `/` and `=` are wanted, such as Dkgwu8nm/ExG1vM+GhLRhA=="
)]
pub struct InstanceUuidError {
    found: String,
}

impl InstanceUuid {
    /// The UUID as Zoom wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceUuid {
    type Err = InstanceUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
        if trimmed.is_empty() || trimmed.len() > 200 || !trimmed.bytes().all(legal) {
            return Err(InstanceUuidError { found: text.chars().take(80).collect() });
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl fmt::Display for InstanceUuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant so many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch, as the database keeps them.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The instant as a UTC date and time; years beyond what the calendar holds are clamped to it.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    /// The instant this much later, as far as the calendar goes.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The instant this much earlier, as far as the calendar goes.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The next 00:00 UTC, when a day begins as Zoom counts requests.
    pub(crate) fn next_utc_day(self) -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
        Self((self.0.div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS))
    }

    /// How long after `earlier` this is; zero where it is before it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.timestamp_millis())
    }
}

/// As the views write it: `2019-09-07T13:15:02.837Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// A half-open span of time, `[from, to)`; an instance belongs to it by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant inside.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

impl Window {
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.from <= instant && instant < self.to
    }
}

/// Defines an enum whose variants have one fixed text each, in the database, in logs and in the config.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text that stands for it in the database, in logs and in the config.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }
    };
}

text_enum! {
    /// Where the sessions of an instance come from, poorest first.
    Source {
        /// The Dashboard's listing of a meeting that is still on: it ends nothing and withdraws nothing.
        Live = "live",
        /// `GET /past_meetings/{uuid}/participants`.
        PastMeetings = "past_meetings",
        /// `GET /report/meetings/{uuid}/participants`.
        Report = "report",
        /// `GET /metrics/meetings/{uuid}/participants`, the richest.
        Dashboard = "dashboard",
    }
}

text_enum! {
    /// Why a run was made.
    Trigger {
        /// A slot of the schedule came.
        Scheduled = "scheduled",
        /// Slots passed while the daemon was down.
        CatchUp = "catch_up",
        /// `rollcall collect`.
        Manual = "manual",
        /// `rollcall backfill`.
        Backfill = "backfill",
        /// `rollcall demo`.
        Demo = "demo",
    }
}

text_enum! {
    /// Where an instance stands in the queue.
    InstanceState {
        /// Older than any window asked for so far: neither due nor backlog.
        Known = "known",
        /// To be read for the first time, or again after a failure.
        Pending = "pending",
        /// Read; re-reads are to come.
        Collected = "collected",
        /// Read, and unchanged when it was last read: never asked for again.
        Settled = "settled",
        /// Refused for a reason of its own; the next try comes later.
        Parked = "parked",
        /// Zoom has had no data for a week.
        Unavailable = "unavailable",
        /// Still on when it was read.
        Live = "live",
    }
}

text_enum! {
    /// In which way tries fail; each way has a patience of its own.
    FailureKind {
        /// Zoom has no data for it, or not yet.
        NotFound = "not_found",
        /// Zoom refuses it for a reason of its own.
        Refused = "refused",
        /// Every source refuses it: scopes, plan, licence.
        Denied = "denied",
        /// Only a poorer source answers than the one that its sessions come from.
        LowerPrioritySource = "lower_priority_source",
    }
}

text_enum! {
    /// How the reading of one instance ended.
    FetchOutcome {
        /// The whole listing was read and stored.
        Ok = "ok",
        /// The listing stopped short; what came is stored.
        Incomplete = "incomplete",
        /// The listing would have withdrawn too much; nothing was withdrawn.
        Suspect = "suspect",
        /// Nothing could be read.
        Failed = "failed",
    }
}

text_enum! {
    #[derive(Default)]
    RunOutcome {
        /// It has not ended.
        #[default]
        Running = "running",
        /// Everything due was read.
        Ok = "ok",
        /// Some instances failed or were parked.
        Partial = "partial",
        /// Nothing could be read.
        Failed = "failed",
        /// It was stopped, by a signal or a crash.
        Interrupted = "interrupted",
        /// The day's quota is used up; the backlog is kept.
        Quota = "quota",
        /// Its slot came while another run was on.
        Skipped = "skipped",
    }
}

text_enum! {
    /// Zoom's rate-limit labels; the limits of a plan are per label.
    RateLabel {
        /// `GET /past_meetings/{uuid}` and its like.
        Light = "Light",
        /// `GET /past_meetings/{id}/instances` and its like.
        Medium = "Medium",
        /// The participants of the Dashboard and of reports.
        Heavy = "Heavy",
        /// The Dashboard's list of meetings.
        ResourceIntensive = "Resource-intensive",
    }
}

text_enum! {
    /// Zoom's plans, as far as their rate limits differ.
    Plan {
        /// Basic.
        Free = "free",
        /// Pro.
        Pro = "pro",
        /// Business, Education, Enterprise, Partner.
        Business = "business",
    }
}

text_enum! {
    /// How far one display name stands for one person, where nothing stronger is known.
    GuestScope {
        /// In all instances of a meeting.
        Meeting = "meeting",
        /// In one instance.
        Instance = "instance",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meeting_id_is_read_as_people_write_it() {
        for text in
            ["857 4606 5432", "857-4606-5432", "85746065432", " 85746065432 ", "857\u{a0}4606\u{a0}5432"]
        {
            assert_eq!(text.parse::<MeetingId>().unwrap().get(), 85_746_065_432);
        }
        for text in ["", "0", "-5", "857x", "٣٤٥", "99999999999999999999"] {
            assert!(text.parse::<MeetingId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_instance_uuid_is_kept_as_it_is() {
        for text in ["/abc==", "a//b==", "a/b+c=="] {
            assert_eq!(text.parse::<InstanceUuid>().unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "a?b", "ü=="] {
            assert!(text.parse::<InstanceUuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_instant_is_written_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_567_862_102_837).to_string(), "2019-09-07T13:15:02.837Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_next_day_begins_at_midnight_utc() {
        let at = |text| parse_instant(text).unwrap();
        assert_eq!(at("2024-02-28T00:00:00Z").next_utc_day(), at("2024-02-29T00:00:00Z"));
        assert_eq!(at("1969-12-31T23:59:59Z").next_utc_day(), Timestamp::from_millis(0));
        assert_eq!(Timestamp::from_millis(i64::MAX).next_utc_day().millis(), i64::MAX);
    }

    #[test]
    fn sources_are_ordered_by_what_they_tell() {
        assert!(Source::Dashboard > Source::Report && Source::Report > Source::PastMeetings);
        assert!(Source::PastMeetings > Source::Live);
    }
}
