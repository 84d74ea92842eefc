//! From the merged layers to types, section by section: what is impossible becomes a problem.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use figment::value::Value;

use super::meetings::MeetingDefaults;
use super::reader::Reader;
use super::schema::{self, Schema};
use super::secret::SecretInputs;
use super::types::{
    AttendanceConfig, CollectionConfig, Config, DatabaseConfig, Discovery, IdentityConfig, LogConfig,
    LogFormat, LogLevel, MonitoringConfig, ScheduleConfig,
};
use crate::model::GuestScope;
use crate::schedule::Schedule;

impl Reader<'_> {
    /// Reads everything; the result counts only where no problem was found.
    pub fn config(&mut self, schema: Schema, listed: Vec<Value>, secret: SecretInputs) -> Config {
        let (source, mut warnings) = self.secret(&schema.zoom, secret);
        warnings.extend(schema.privacy.drop.iter().filter_map(|field| super::privacy::unheard_of(field)));
        let identity = self.identity(&schema.identity);
        let attendance = self.attendance(&schema.attendance);
        let meetings =
            self.meetings(listed, &MeetingDefaults { guests: identity.guests, attendance: &attendance });
        let collection = self.collection(&schema.collection);
        let schedule = self.schedule(&schema.schedule);
        let report_timezone = match schema.report.timezone.trim() {
            "" => schedule.timezone,
            name => self.timezone("report.timezone", name),
        };
        let retention_keep = self.retention(&schema.retention.keep, &collection);
        Config {
            file: self.file.map(Path::to_owned),
            meetings,
            database: self.database(&schema.database),
            zoom: self.zoom(&schema.zoom),
            collection,
            schedule,
            identity,
            attendance,
            report_timezone,
            privacy_drop: self.privacy_drop(schema.privacy.drop),
            retention_keep,
            monitoring: MonitoringConfig { listen: self.listen(schema.monitoring.listen.trim()) },
            log: self.log(&schema.log),
            warnings,
            secret: source,
        }
    }

    fn database(&mut self, database: &schema::Database) -> DatabaseConfig {
        if database.path.trim().is_empty() {
            self.problem("database.path", "the path is empty", "name a file, such as \"rollcall.db\"");
        }
        let group = Some(database.group.trim().to_owned()).filter(|group| !group.is_empty());
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if group
            .as_ref()
            .is_some_and(|group| group.len() > 32 || group.starts_with('-') || !group.bytes().all(legal))
        {
            self.problem(
                "database.group",
                "this cannot be the name of a system group",
                "give a group that `getent group` shows, or leave it empty",
            );
        }
        DatabaseConfig { path: self.path("database.path", &database.path), group }
    }

    fn collection(&mut self, collection: &schema::Collection) -> CollectionConfig {
        let key = "collection.rereads";
        let before = self.problems.len();
        let rereads: Vec<Duration> =
            collection.rereads.iter().map(|text| self.duration(key, text, Duration::from_mins(1))).collect();
        if self.problems.len() == before && !rereads.is_sorted_by(|earlier, later| earlier < later) {
            self.problem(
                key,
                "the ages do not ascend",
                "put the shortest first, none twice, such as [\"30m\", \"24h\"]",
            );
        }
        CollectionConfig {
            discovery: self.choice(
                "collection.discovery",
                &collection.discovery,
                Discovery::ALL,
                Discovery::as_str,
            ),
            lookback: self.duration("collection.lookback", &collection.lookback, Duration::from_mins(1)),
            rereads,
            include_live: collection.include_live,
        }
    }

    fn schedule(&mut self, schedule: &schema::Schedule) -> ScheduleConfig {
        let timezone = self.timezone("schedule.timezone", &schedule.timezone);
        let parsed = Schedule::parse(&schedule.cron, timezone).or_else(|error| {
            self.problem(
                "schedule.cron",
                error.to_string(),
                "write six fields, seconds first, such as \"0 */15 * * * *\"",
            );
            Schedule::parse(&schema::Schedule::default().cron, timezone)
        });
        ScheduleConfig {
            schedule: parsed.expect("the built-in schedule is a schedule"),
            timezone,
            on_start: schedule.on_start,
        }
    }

    fn identity(&mut self, identity: &schema::Identity) -> IdentityConfig {
        let shared: Vec<String> = identity.shared.iter().map(|text| text.trim().to_owned()).collect();
        if shared.iter().any(String::is_empty) {
            self.problem("identity.shared", "an entry is empty", "take it out");
        }
        let guests = self.choice("identity.guests", &identity.guests, GuestScope::ALL, GuestScope::as_str);
        IdentityConfig { guests, shared }
    }

    fn attendance(&mut self, attendance: &schema::Attendance) -> AttendanceConfig {
        let mut duration =
            |name: &str, text: &str| self.duration(&format!("attendance.{name}"), text, Duration::ZERO);
        let late_after = duration("late_after", &attendance.late_after);
        let stitch_gap = duration("stitch_gap", &attendance.stitch_gap);
        let counts_from = duration("counts_from", &attendance.counts_from);
        let present_percent = self.percent("attendance.present_percent", attendance.present_percent);
        AttendanceConfig { present_percent, late_after, stitch_gap, counts_from }
    }

    fn retention(&mut self, text: &str, collection: &CollectionConfig) -> Option<Duration> {
        if text.trim().is_empty() {
            return None;
        }
        let before = self.problems.len();
        let keep = self.duration("retention.keep", text, Duration::ZERO);
        let least = collection.least_keep();
        if self.problems.len() == before && keep < least {
            self.problem(
                "retention.keep",
                format!("`{text}` is shorter than lookback, the last re-read and seven days together"),
                format!("give at least {}", days(least)),
            );
        }
        Some(keep)
    }

    fn listen(&mut self, text: &str) -> Option<SocketAddr> {
        if text.is_empty() {
            return None;
        }
        let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = local.as_deref().unwrap_or(text).parse().ok();
        if address.is_none() {
            self.problem(
                "monitoring.listen",
                format!("`{text}` is no address and port"),
                "write it as \"127.0.0.1:9464\"",
            );
        }
        address
    }

    fn log(&mut self, log: &schema::Log) -> LogConfig {
        LogConfig {
            level: self.choice("log.level", &log.level, LogLevel::ALL, LogLevel::as_str),
            format: self.choice("log.format", &log.format, LogFormat::ALL, LogFormat::as_str),
        }
    }
}

/// A length of time in whole days, rounded up, as the config would write it.
fn days(duration: Duration) -> String {
    format!("\"{}d\"", duration.as_secs().div_ceil(24 * 60 * 60))
}
