//! Which keys take effect when the daemon is started, and not before.

use super::types::{Config, DatabaseConfig, LogConfig, MonitoringConfig, ScheduleConfig};

impl Config {
    /// The keys whose values differ in `new`, of those that a daemon which was started with this config goes by until
    /// it is started again.
    ///
    /// Every key is named here, in one of two ways: one that is forgotten does not compile.
    pub(crate) fn keys_needing_restart(&self, new: &Self) -> Vec<&'static str> {
        let Self {
            database: DatabaseConfig { path, group },
            schedule: ScheduleConfig { on_start, schedule: _, timezone: _ },
            monitoring: MonitoringConfig { listen },
            log: LogConfig { level, format },
            // Each run goes by these as they were read last.
            file: _,
            meetings: _,
            zoom: _,
            collection: _,
            identity: _,
            attendance: _,
            report_timezone: _,
            privacy_drop: _,
            retention_keep: _,
            warnings: _,
            secret: _,
        } = self;
        [
            ("database.path", *path != new.database.path),
            ("database.group", *group != new.database.group),
            ("schedule.on_start", *on_start != new.schedule.on_start),
            ("monitoring.listen", *listen != new.monitoring.listen),
            ("log.level", *level != new.log.level),
            ("log.format", *format != new.log.format),
        ]
        .into_iter()
        .filter_map(|(key, has_changed)| has_changed.then_some(key))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Overrides;

    fn config(text: &str) -> Config {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), format!("database.path = \"/a.db\"\n{text}")).unwrap();
        let overrides = Overrides { config: Some(file.path()), database: None };
        Config::load(overrides, std::iter::empty::<(String, String)>()).unwrap()
    }

    #[test]
    fn what_waits_for_a_start_is_named() {
        let before = config("");
        assert!(before.keys_needing_restart(&config("")).is_empty());
        // What every run goes by waits for nothing.
        let now =
            "meetings = [1]\nschedule.cron = \"0 0 6 * * *\"\nretention.keep = \"99d\"\nzoom.plan = \"pro\"";
        assert!(before.keys_needing_restart(&config(now)).is_empty());
        for (key, value) in [
            ("database.group", "\"teachers\""),
            ("schedule.on_start", "false"),
            ("monitoring.listen", "\"127.0.0.1:9464\""),
            ("log.level", "\"debug\""),
            ("log.format", "\"json\""),
        ] {
            let after = config(&format!("{key} = {value}"));
            assert_eq!(before.keys_needing_restart(&after), [key]);
            assert_eq!(after.keys_needing_restart(&before), [key]);
        }
        let mut moved = config("log.level = \"warn\"");
        moved.database.path = Path::new("/b.db").to_owned();
        assert_eq!(before.keys_needing_restart(&moved), ["database.path", "log.level"]);
    }
}
