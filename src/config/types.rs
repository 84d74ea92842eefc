//! The configuration as types: parsed once, valid by construction.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveTime, Weekday};
use chrono_tz::Tz;
use reqwest::Url;

use super::secret::SecretSource;
use crate::model::{GuestScope, MeetingId, Plan};
use crate::schedule::Schedule;
pub use crate::telemetry::{LogFormat, LogLevel};

/// The whole configuration. Its `Debug` output holds no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that was read; none where the environment and the command line say everything.
    pub file: Option<PathBuf>,
    /// The meetings to collect, in the order of the file; no ID twice.
    pub meetings: Vec<Meeting>,
    pub database: DatabaseConfig,
    pub zoom: ZoomConfig,
    pub collection: CollectionConfig,
    pub schedule: ScheduleConfig,
    pub identity: IdentityConfig,
    /// What counts as present, late and together.
    pub attendance: AttendanceConfig,
    /// The zone that reports are in: `report.timezone`, else the schedule's.
    pub(crate) report_timezone: Tz,
    /// API fields that are never stored (`privacy.drop`).
    pub(crate) privacy_drop: Vec<String>,
    /// How long instances are kept (`retention.keep`); none keeps all.
    pub(crate) retention_keep: Option<Duration>,
    pub monitoring: MonitoringConfig,
    pub log: LogConfig,
    /// What is allowed and still worth a word to whoever runs this.
    pub warnings: Vec<String>,
    pub(super) secret: SecretSource,
}

/// A meeting that the config lists; settings that it leaves out are those of all meetings.
#[derive(Clone, Debug, PartialEq)]
pub struct Meeting {
    pub id: MeetingId,
    /// What reports call it, if not by its topic.
    pub label: Option<String>,
    /// A CSV file of those who should come.
    pub roster: Option<PathBuf>,
    /// When it should be held; empty measures against the actual times.
    pub planned: Vec<Planned>,
    /// How far one display name reaches.
    pub guests: GuestScope,
    /// The percentage of the time, 0 to 100, from which someone counts as present.
    pub present_percent: f64,
    /// How much later than the start someone may come without being late.
    pub late_after: Duration,
    /// A personal meeting room: unrelated instances follow one another, so they are never one sitting.
    pub personal: bool,
}

/// A weekly time that a meeting should be held at, in the zone of reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The days, Monday first, at least one.
    pub days: Vec<Weekday>,
    /// When it starts, local time.
    pub start: NaiveTime,
    /// How long it lasts, 1 to 1440 minutes.
    pub minutes: u32,
}

/// The database file and who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The file, relative to the working directory or absolute.
    pub path: PathBuf,
    /// A system group that may read it; none: its owner only.
    pub group: Option<String>,
}

/// How to reach Zoom, the secret apart (see [`Config::credentials`]).
#[derive(Clone, Debug, PartialEq)]
pub struct ZoomConfig {
    /// The account; empty where the config does not say.
    pub account_id: String,
    /// The app; empty where the config does not say.
    pub client_id: String,
    pub token_url: Url,
    /// The API with its version; none: the host that the token answer names.
    pub api_url: Option<Url>,
    /// The plan, which decides the rate limits.
    pub plan: Plan,
    pub source: SourceChoice,
    /// Rows a page, 1 to 300.
    pub page_size: u16,
    /// How long one request may take, connection and body included.
    pub request_timeout: Duration,
    /// The share of the account's daily Heavy pool that may be used: more than 0, at most 1.
    pub daily_share: f64,
    /// Limits that replace the plan's.
    pub rate: RateConfig,
}

/// Rate limits that replace those of the plan, each more than 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RateConfig {
    pub light_per_second: Option<f64>,
    pub medium_per_second: Option<f64>,
    pub heavy_per_second: Option<f64>,
    pub resource_intensive_per_minute: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionConfig {
    /// Which instances are looked for.
    pub discovery: Discovery,
    /// How far back a scheduled run looks for instances.
    pub lookback: Duration,
    /// The ages, after its end, at which an instance is read again: ascending, maybe none.
    pub rereads: Vec<Duration>,
    /// Whether meetings that are still on are read too.
    pub include_live: bool,
}

impl CollectionConfig {
    /// The shortest time that instances can be kept for: what is younger may still be read, or settle.
    pub fn least_keep(&self) -> Duration {
        /// How long an instance that still changes is read again after its last planned re-read.
        const SETTLE_AFTER: Duration = Duration::from_hours(7 * 24);
        let last_reread = self.rereads.last().copied().unwrap_or_default();
        self.lookback.saturating_add(last_reread).saturating_add(SETTLE_AFTER)
    }
}

#[derive(Clone, Debug)]
pub struct ScheduleConfig {
    pub schedule: Schedule,
    pub timezone: Tz,
    /// Whether the daemon makes a run when it starts.
    pub on_start: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityConfig {
    /// How far one display name reaches, where a meeting does not say otherwise.
    pub guests: GuestScope,
    /// Emails and Zoom user ids that many people use: they join nothing.
    pub shared: Vec<String>,
}

/// What counts as present, late and together, where a meeting does not say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct AttendanceConfig {
    /// The percentage of the time, 0 to 100, from which someone counts as present.
    pub present_percent: f64,
    /// How much later than the start someone may come without being late.
    pub late_after: Duration,
    /// Instances of one meeting that are closer than this are one sitting.
    pub stitch_gap: Duration,
    /// A sitting shorter than this makes nobody absent.
    pub counts_from: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitoringConfig {
    /// Where `/healthz` and `/metrics` are served; none: nowhere.
    pub listen: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe level that is logged.
    pub level: LogLevel,
    /// How a log line looks.
    pub format: LogFormat,
}

text_enum! {
    /// Which endpoints sessions are read from.
    SourceChoice {
        /// The richest that answers.
        Auto = "auto",
        Dashboard = "dashboard",
        Report = "report",
        PastMeetings = "past_meetings",
    }
}

text_enum! {
    /// Which instances are looked for.
    Discovery {
        /// Those of the listed meetings.
        Listed = "listed",
        Account = "account",
    }
}
