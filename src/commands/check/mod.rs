//! `rollcall check`: goes through everything that a run needs, and says what is wrong and how to mend it.
//!
//! It only reads: no database is made, and what is asked of Zoom is thrown away.

mod database;
mod privacy;
mod zoom;

use std::io::Write;

use chrono_tz::Tz;

use crate::cli::CheckOptions;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Discovery};
use crate::exit::ExitCode;
use crate::model::Timestamp;
use crate::schedule::Schedule;

/// Says a line a thing, with a tick, a cross or an exclamation mark, and ends with the worst that was found.
pub async fn run(
    options: &CheckOptions,
    config: Result<Config, ConfigError>,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::new(output);
    match config {
        Ok(config) => whole(options, &config, &mut findings).await,
        // Without a config there is nothing else to look at.
        Err(error) => problems(&error, &mut findings),
    }
    findings.finish()
}

async fn whole(options: &CheckOptions, config: &Config, findings: &mut Findings<'_>) {
    let clock = Clock::system();
    of_config(config, findings);
    database::check(config, findings).await;
    let ScheduleWords { slots, timezone } = ScheduleWords::new(config, clock.now());
    findings.good("schedule", format!("next slots in {timezone}: {slots}"));
    let credentials = match config.credentials() {
        Ok(credentials) => {
            credentials.warnings.iter().for_each(|warning| findings.warn("credentials", warning.clone()));
            findings.good("credentials", "account, client and secret are set".to_owned());
            Some(credentials)
        }
        Err(error) => {
            problems(&error, findings);
            None
        }
    };
    match credentials {
        _ if options.offline => {
            findings.note("Zoom was not asked (--offline): token, scopes and plan are not known.");
        }
        Some(credentials) => zoom::check(config, credentials, &clock, findings).await,
        None => findings.note("Zoom was not asked: no credentials are configured."),
    }
    privacy::check(config, findings);
    findings.note("Webinars are not collected yet; an instance that turns out to be one is parked.");
}

fn of_config(config: &Config, findings: &mut Findings<'_>) {
    let file = config.file.as_ref().map_or_else(
        || "no file; the environment and the command line say everything".to_owned(),
        |file| file.display().to_string(),
    );
    let meetings = match (config.collection.discovery, config.meetings.len()) {
        (Discovery::Account, _) => "every meeting of the account".to_owned(),
        (Discovery::Listed, 1) => "1 meeting".to_owned(),
        (Discovery::Listed, count) => format!("{count} meetings"),
    };
    findings.good("config", format!("{file}, {meetings}"));
    config.warnings.iter().for_each(|warning| findings.warn("config", warning.clone()));
    if config.meetings.is_empty() && config.collection.discovery == Discovery::Listed {
        findings.warn(
            "config",
            "no meetings are listed; name some in `meetings`, or set collection.discovery = \"account\""
                .to_owned(),
        );
    }
}

fn problems(error: &ConfigError, findings: &mut Findings<'_>) {
    for problem in &error.problems {
        findings.bad("config", problem.to_string(), ExitCode::Config);
    }
}

/// The next three slots, as a person reads them.
struct ScheduleWords {
    slots: String,
    timezone: Tz,
}

impl ScheduleWords {
    fn new(config: &Config, now: Timestamp) -> Self {
        let timezone = config.schedule.timezone;
        Self { slots: next_slots(&config.schedule.schedule, timezone, now), timezone }
    }
}

fn next_slots(schedule: &Schedule, timezone: Tz, now: Timestamp) -> String {
    let slots: Vec<String> = std::iter::successors(schedule.next(now), |slot| schedule.next(*slot))
        .take(3)
        .map(|slot| slot.utc().with_timezone(&timezone).format("%A %-d %B %Y %H:%M:%S").to_string())
        .collect();
    slots.join(", then ")
}

/// What was found so far, written line by line: some of it takes its time.
pub(super) struct Findings<'a> {
    output: &'a mut (dyn Write + Send),
    written: std::io::Result<()>,
    code: ExitCode,
}

impl<'a> Findings<'a> {
    fn new(output: &'a mut (dyn Write + Send)) -> Self {
        Self { output, written: Ok(()), code: ExitCode::Success }
    }

    fn good(&mut self, what: &str, words: impl Into<String>) {
        self.line(&format!("✓ {what}: {}", words.into()));
    }

    /// It works, and still something is worth a word.
    fn warn(&mut self, what: &str, words: impl Into<String>) {
        self.line(&format!("! {what}: {}", words.into()));
    }

    /// It does not work; the words say how to mend it.
    fn bad(&mut self, what: &str, words: impl Into<String>, code: ExitCode) {
        self.code = self.code.worst(code);
        self.line(&format!("✗ {what}: {}", words.into()));
    }

    fn note(&mut self, words: &str) {
        self.line(&format!("  {words}"));
    }

    fn line(&mut self, line: &str) {
        if self.written.is_ok() {
            self.written = writeln!(self.output, "{line}").and_then(|()| self.output.flush());
        }
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
        match self.written {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(anyhow::Error::from(error).context("cannot write to stdout"))
            }
            _ => Ok(self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_said_in_words_over_a_change_of_the_clocks() {
        let schedule = Schedule::parse("0 30 2 * * *", Tz::Europe__Berlin).unwrap();
        let now = crate::model::parse_instant("2026-03-28T00:00:00Z").unwrap();
        assert_eq!(
            next_slots(&schedule, Tz::Europe__Berlin, now),
            "Saturday 28 March 2026 02:30:00, then Sunday 29 March 2026 03:00:00, then Monday 30 March 2026 02:30:00"
        );
    }

    #[test]
    fn the_worst_finding_is_the_exit_code() {
        let mut written = Vec::new();
        let mut findings = Findings::new(&mut written);
        findings.good("a", "fine");
        findings.bad("b", "refused", ExitCode::Refused);
        findings.bad("c", "broken", ExitCode::Database);
        findings.warn("d", "odd");
        assert_eq!(findings.finish().unwrap(), ExitCode::Database);
        assert_eq!(String::from_utf8(written).unwrap(), "✓ a: fine\n✗ b: refused\n✗ c: broken\n! d: odd\n");
    }
}
