//! Reads values and gathers what is wrong with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;

use super::problem::Problem;
use super::schema_check;
use super::sources::Origins;

/// Reads values and gathers what is wrong with them; what is wrong is replaced, so that reading can go on.
pub(super) struct Reader<'a> {
    pub origins: &'a Origins,
    pub file: Option<&'a Path>,
    pub problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Notes a problem with the value of this key.
    pub fn problem(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let (message, hint) = (message.into(), hint.into());
        self.problems.push(Problem {
            location: self.origins.location(key),
            key: key.to_owned(),
            message,
            hint,
        });
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
                    format!("`{text}` is not a duration"),
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

    /// A time zone by its IANA name.
    pub fn timezone(&mut self, key: &str, name: &str) -> Tz {
        name.trim().parse().unwrap_or_else(|_| {
            let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_owned());
            let hint = match schema_check::nearest_of(name.trim(), names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write it as in \"Europe/Berlin\", or \"UTC\"".to_owned(),
            };
            self.problem(key, format!("`{name}` is no time zone"), hint);
            Tz::UTC
        })
    }
}
