//! From the merged layers to types: every value is read, and what is impossible becomes a problem.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use figment::value::Value;
use reqwest::Url;

use super::layers::Origins;
use super::meetings::Common;
use super::problem::Problem;
use super::schema::{self, Schema};
use super::secrets;
use super::shape;
use super::types::{
    AttendanceConfig, CollectionConfig, Config, DatabaseConfig, Discovery, GuestScope, IdentityConfig,
    LogConfig, LogFormat, LogLevel, MonitoringConfig, Plan, RateConfig, ScheduleConfig, SourceChoice,
    ZoomConfig,
};
use crate::schedule::Schedule;

/// How long an instance that still changes is read again after its last planned re-read.
const SETTLING: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Fields that sessions cannot be told apart without.
const NEVER_DROPPED: [&str; 4] = ["user_id", "join_time", "leave_time", "status"];

/// The fields of a row that may be dropped: those that Zoom documents for the Dashboard, reports and past meetings,
/// and those that were seen and are not documented.
#[rustfmt::skip]
const DROPPABLE: [&str; 65] = [
    "id", "participant_uuid", "participant_user_id", "registrant_id", "user_name", "name", "email", "user_email",
    "customer_key", "leave_reason", "role", "bo_mtg_id", "in_room_participants", "device", "client", "version", "os",
    "os_version", "browser_name", "browser_version", "device_name", "ip_address", "internal_ip_addresses", "location",
    "data_center", "full_data_center", "network_type", "connection_type", "video_connection_type",
    "as_connection_type", "camera", "microphone", "speaker", "mac_addr", "harddisk_id", "domain", "pc_name",
    "share_application", "share_desktop", "share_whiteboard", "recording", "has_archiving", "archiving",
    "audio_quality", "video_quality", "screen_share_quality", "audio_call", "sip_uri", "from_sip_uri", "groupId",
    "health", "optional_archiving", "aic_disclaimer", "total_jointime_cost", "is_original_host", "internal_user",
    "failover", "duration", "attentiveness_score", "call_number", "call_type", "zoom_number", "dept", "group_id",
    "user_type",
];

/// Reads values and gathers what is wrong with them; what is wrong is replaced, so that reading can go on.
pub(super) struct Reader<'a> {
    pub origins: &'a Origins,
    pub file: Option<&'a Path>,
    pub problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads everything; the result counts only where no problem was found.
    pub fn config(&mut self, schema: Schema, listed: Vec<Value>, secret: secrets::Given) -> Config {
        let (source, mut warnings) = self.secret(&schema.zoom, secret);
        let identity = self.identity(schema.identity);
        let attendance = self.attendance(&schema.attendance);
        let meetings = self.meetings(listed, &Common { guests: identity.guests, attendance: &attendance });
        let collection = self.collection(&schema.collection);
        let schedule = self.schedule(&schema.schedule);
        let report_timezone = match schema.report.timezone.trim() {
            "" => schedule.timezone,
            name => self.timezone("report.timezone", name),
        };
        let retention_keep = self.retention(&schema.retention.keep, &collection);
        if meetings.is_empty() && collection.discovery == Discovery::Listed && self.problems.is_empty() {
            warnings
                .push("no meetings are listed, so none will be collected: add them to `meetings`".to_owned());
        }
        Config {
            file: self.file.map(Path::to_owned),
            meetings,
            database: self.database(schema.database),
            zoom: self.zoom(schema.zoom),
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

    /// Notes a problem with the value of this key.
    pub fn problem(&mut self, key: &str, what: impl Into<String>, cure: impl Into<String>) {
        let (what, cure) = (what.into(), cure.into());
        self.problems.push(Problem { place: self.origins.place(key), key: key.to_owned(), what, cure });
    }

    /// A path in the file is relative to the file, any other to the working directory.
    pub fn path(&self, key: &str, text: &str) -> PathBuf {
        let directory = self.file.and_then(Path::parent);
        match directory {
            Some(directory) if !self.origins.is_outside_file(key) => directory.join(text),
            _ => PathBuf::from(text),
        }
    }

    /// A length of time such as `30s` or `7d`, at least `minimum`.
    pub fn duration(&mut self, key: &str, text: &str, minimum: Duration) -> Duration {
        match humantime::parse_duration(text.trim()) {
            Ok(duration) if duration >= minimum => duration,
            Ok(_) => {
                let least = humantime::format_duration(minimum);
                self.problem(key, format!("`{text}` is too short"), format!("give at least {least}"));
                minimum
            }
            Err(_) => {
                self.problem(
                    key,
                    format!("`{text}` is no length of time"),
                    "write a number and a unit, such as \"30s\", \"10m\", \"24h\" or \"7d\"",
                );
                minimum
            }
        }
    }

    /// A percentage from 0 to 100.
    pub fn percent(&mut self, key: &str, number: f64) -> f64 {
        if !(0.0..=100.0).contains(&number) {
            self.problem(key, format!("{number} is no percentage"), "give a number from 0 to 100");
        }
        number
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &str, text: &str, all: &[T], word: fn(T) -> &'static str) -> T {
        if let Some(value) = all.iter().copied().find(|value| word(*value) == text.trim()) {
            return value;
        }
        let words: Vec<String> = all.iter().map(|value| format!("\"{}\"", word(*value))).collect();
        self.problem(
            key,
            format!("`{text}` is not known here"),
            format!("choose one of {}", words.join(", ")),
        );
        all[0]
    }

    fn secret(&mut self, zoom: &schema::Zoom, given: secrets::Given) -> (secrets::Source, Vec<String>) {
        let key = "zoom.client_secret_file";
        let secret_file = Some(zoom.client_secret_file.trim())
            .filter(|text| !text.is_empty())
            .map(|text| (self.path(key, text), self.origins.place(key)));
        if given.file.is_some() && secret_file.is_some() && !self.origins.is_outside_file(key) {
            self.problem(
                key,
                "both `client_secret` and `client_secret_file` are set",
                "keep one of them, best the file",
            );
        }
        let warning = self
            .file
            .filter(|_| given.file.is_some())
            .and_then(|path| secrets::permission_warning(path, "the config holds the client secret, and"));
        (given.source(secret_file), warning.into_iter().collect())
    }

    fn database(&mut self, database: schema::Database) -> DatabaseConfig {
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

    fn zoom(&mut self, zoom: schema::Zoom) -> ZoomConfig {
        let page_size = u16::try_from(zoom.page_size).ok().filter(|size| (1..=300).contains(size));
        if page_size.is_none() {
            let what = format!("{} rows a page are not possible", zoom.page_size);
            self.problem("zoom.page_size", what, "give a number from 1 to 300");
        }
        if !(zoom.daily_share > 0.0 && zoom.daily_share <= 1.0) {
            self.problem(
                "zoom.daily_share",
                format!("{} is no share", zoom.daily_share),
                "give a number above 0 and at most 1, such as 0.8",
            );
        }
        let api_url = match zoom.api_url.trim() {
            "" => None,
            text => self.url("zoom.api_url", text),
        };
        if api_url.as_ref().is_some_and(|url| url.path() == "/") {
            self.problem(
                "zoom.api_url",
                "the URL lacks the API's version",
                "end it in /v2, such as \"https://api.zoom.us/v2\"",
            );
        }
        let token_url = self.url("zoom.token_url", zoom.token_url.trim());
        ZoomConfig {
            account_id: zoom.account_id.trim().to_owned(),
            client_id: zoom.client_id.trim().to_owned(),
            token_url: token_url.unwrap_or_else(|| {
                Url::parse("https://zoom.us/oauth/token").expect("the built-in token URL is a URL")
            }),
            api_url,
            plan: self.choice("zoom.plan", &zoom.plan, Plan::ALL, Plan::as_str),
            source: self.choice("zoom.source", &zoom.source, SourceChoice::ALL, SourceChoice::as_str),
            page_size: page_size.unwrap_or(300),
            request_timeout: self.duration(
                "zoom.request_timeout",
                &zoom.request_timeout,
                Duration::from_secs(1),
            ),
            daily_share: zoom.daily_share,
            rate: self.rate(&zoom.rate),
        }
    }

    fn rate(&mut self, rate: &schema::Rate) -> RateConfig {
        let mut limit = |name: &str, limit: Option<f64>| {
            if limit.is_some_and(|limit| !(limit > 0.0 && limit <= 10_000.0)) {
                self.problem(
                    &format!("zoom.rate.{name}"),
                    "the limit is not possible",
                    "give a number above 0 and at most 10000, or leave it out for the plan's limit",
                );
            }
            limit
        };
        RateConfig {
            light_per_second: limit("light_per_second", rate.light_per_second),
            medium_per_second: limit("medium_per_second", rate.medium_per_second),
            heavy_per_second: limit("heavy_per_second", rate.heavy_per_second),
            resource_intensive_per_minute: limit(
                "resource_intensive_per_minute",
                rate.resource_intensive_per_minute,
            ),
        }
    }

    fn url(&mut self, key: &str, text: &str) -> Option<Url> {
        let example = match key {
            "zoom.token_url" => "write it as \"https://zoom.us/oauth/token\"",
            _ => "write it as \"https://api.zoom.us/v2\"",
        };
        let Ok(url) = Url::parse(text) else {
            self.problem(key, "this is no URL", example);
            return None;
        };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        // The URL itself is not shown where it may hold a password.
        let problem = match url.scheme() {
            _ if !url.username().is_empty() || url.password().is_some() => {
                Some(("the URL holds a user name or a password".to_owned(), "take them out"))
            }
            "http" | "https" if host.is_empty() => Some(("the URL has no host".to_owned(), example)),
            "http" if !is_loopback => Some((
                format!("plain http to {host} would show the access token to the network"),
                "use https:// (http:// is for localhost only)",
            )),
            "http" | "https" => None,
            scheme => Some((format!("`{scheme}:` is not how Zoom is reached"), "use https://")),
        };
        match problem {
            Some((what, cure)) => {
                self.problem(key, what, cure);
                None
            }
            None => Some(url),
        }
    }

    fn collection(&mut self, collection: &schema::Collection) -> CollectionConfig {
        let key = "collection.rereads";
        let before = self.problems.len();
        let rereads: Vec<Duration> =
            collection.rereads.iter().map(|text| self.duration(key, text, Duration::from_secs(60))).collect();
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
            lookback: self.duration("collection.lookback", &collection.lookback, Duration::from_secs(60)),
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

    fn timezone(&mut self, key: &str, name: &str) -> Tz {
        name.trim().parse().unwrap_or_else(|_| {
            let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_owned());
            let cure = match shape::nearest_of(name.trim(), names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write it as in \"Europe/Berlin\", or \"UTC\"".to_owned(),
            };
            self.problem(key, format!("`{name}` is no time zone"), cure);
            Tz::UTC
        })
    }

    fn identity(&mut self, identity: schema::Identity) -> IdentityConfig {
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

    fn privacy_drop(&mut self, fields: Vec<String>) -> Vec<String> {
        for field in &fields {
            let name = field.as_str();
            if NEVER_DROPPED.contains(&name) {
                self.problem(
                    "privacy.drop",
                    format!("`{name}` cannot be dropped: sessions are told apart and measured by it"),
                    "take it out",
                );
            } else if !DROPPABLE.contains(&name) {
                let cure = match shape::nearest_of(name, DROPPABLE.map(str::to_owned)) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "write it as Zoom's API does, such as \"ip_address\"".to_owned(),
                };
                self.problem("privacy.drop", format!("`{name}` is no field of Zoom's rows"), cure);
            }
        }
        fields
    }

    fn retention(&mut self, text: &str, collection: &CollectionConfig) -> Option<Duration> {
        if text.trim().is_empty() {
            return None;
        }
        let before = self.problems.len();
        let keep = self.duration("retention.keep", text, Duration::ZERO);
        let last_reread = collection.rereads.last().copied().unwrap_or_default();
        let least = collection.lookback.saturating_add(last_reread).saturating_add(SETTLING);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_listed_twice() {
        for (index, field) in DROPPABLE.iter().enumerate() {
            assert!(!DROPPABLE[..index].contains(field) && !NEVER_DROPPED.contains(field), "{field}");
        }
    }
}
