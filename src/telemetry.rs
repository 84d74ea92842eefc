//! Where log lines go, and how they look: always to stderr, fitted to what reads it.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::stream;

text_enum! {
    /// The least severe level that is logged.
    LogLevel {
        /// Failures.
        Error = "error",
        /// And what may become one.
        Warn = "warn",
        /// And what is done.
        Info = "info",
        /// And how.
        Debug = "debug",
        /// And everything else.
        Trace = "trace",
    }
}

text_enum! {
    /// How a log line looks.
    LogFormat {
        /// Text, fitted to where it goes: a terminal, the journal, a file.
        Auto = "auto",
        /// Text with the time.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Crates that write tokens, headers or bodies into their finer logs, which no filter may open.
const CAPPED: [&str; 5] = ["h2", "hyper", "hyper_util", "reqwest", "rustls"];

fn is_harmless(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || !CAPPED.contains(&crate_of(line))
}

/// Our own spans say whose a line is: they are there whichever lines a filter lets through.
fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && crate_of(metadata) == env!("CARGO_PKG_NAME")
}

fn crate_of<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().split("::").next().unwrap_or_default()
}

/// What decides how log lines look and which are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The level that the config names.
    pub level: LogLevel,
    /// How many levels more (or, below zero, less) the command line asks for.
    pub verbosity: i16,
    /// The form that the config names.
    pub format: LogFormat,
    /// `ROLLCALL_LOG`: a filter such as `info,rollcall::zoom=debug`, which wins over the level.
    pub filter: Option<String>,
    /// Whether stderr is a terminal that shows colours.
    pub is_terminal: bool,
    /// Whether stderr goes to the systemd journal, which notes the time itself.
    pub is_journal: bool,
}

impl Settings {
    /// The settings for this process: what it was told, and where its stderr goes.
    pub fn new(level: LogLevel, format: LogFormat, verbosity: i16) -> Self {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            level,
            verbosity,
            format,
            filter: std::env::var("ROLLCALL_LOG").ok().filter(|filter| !filter.trim().is_empty()),
            is_terminal: stream::stderr().is_terminal() && !is_set("NO_COLOR"),
            is_journal: is_set("JOURNAL_STREAM"),
        }
    }

    /// The level after `-v` and `-q`.
    fn effective_level(&self) -> LogLevel {
        let position = LogLevel::ALL.iter().position(|level| *level == self.level).unwrap_or_default();
        let wanted = i64::try_from(position).unwrap_or_default() + i64::from(self.verbosity);
        let last = LogLevel::ALL.len() - 1;
        LogLevel::ALL[usize::try_from(wanted.max(0)).unwrap_or(last).min(last)]
    }

    /// The filter, and whether the one that was asked for could not be read.
    fn filter(&self) -> (EnvFilter, bool) {
        let level = self.effective_level();
        // What libraries say below a warning is seldom about rollcall.
        let others = level.min(LogLevel::Warn);
        let by_level = format!("{others},rollcall={level}");
        let asked = self.filter.as_ref().map(|text| EnvFilter::builder().parse(text));
        match asked {
            Some(Ok(filter)) => (filter, false),
            asked => (EnvFilter::builder().parse_lossy(by_level), asked.is_some()),
        }
    }
}

/// Sends the logs of this process to stderr. A second call changes nothing.
pub fn init(settings: &Settings) {
    let (subscriber, filter_is_wrong) = subscriber(settings, stream::stderr);
    if tracing::subscriber::set_global_default(subscriber).is_ok() && filter_is_wrong {
        tracing::warn!(
            "ROLLCALL_LOG is not understood and was ignored; write a level or a filter such as \
             `info,rollcall::zoom=debug`"
        );
    }
}

/// What writes log lines, and whether `ROLLCALL_LOG` could not be read.
fn subscriber<W>(settings: &Settings, writer: W) -> (Box<dyn Subscriber + Send + Sync>, bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, filter_is_wrong) = settings.filter();
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(settings.has_colour());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(false)),
        LogFormat::Auto if settings.is_journal && !settings.is_terminal => {
            Box::new(lines.without_time().with_target(false))
        }
        LogFormat::Auto | LogFormat::Text => Box::new(lines.with_target(false)),
    };
    // Without a hint of their own these two would have every line of every library be asked for.
    let own_spans = filter_fn(is_own_span).with_max_level_hint(LevelFilter::ERROR);
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    let lines = lines.with_filter(filter.or(own_spans).and(harmless));
    (Box::new(Registry::default().with(lines)), filter_is_wrong)
}

impl Settings {
    fn has_colour(&self) -> bool {
        self.format != LogFormat::Json && self.is_terminal
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn settings() -> Settings {
        Settings {
            level: LogLevel::Info,
            verbosity: 0,
            format: LogFormat::Auto,
            filter: None,
            is_terminal: false,
            is_journal: false,
        }
    }

    fn logged(settings: &Settings) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let (subscriber, _) = subscriber(settings, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "rollcall::zoom", "how");
            tracing::info!(target: "rollcall::collect", rows = 3, "what");
            tracing::warn!(target: "rollcall::collect", "odd");
            tracing::info!(target: "sqlx", "chatter");
            tracing::debug!(target: "h2::codec", "Bearer token");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_journal_gets_neither_time_nor_colour() {
        assert_eq!(logged(&Settings { is_journal: true, ..settings() }), " INFO what rows=3\n WARN odd\n");
    }

    #[test]
    fn a_file_gets_the_time_and_a_terminal_colour() {
        let file = logged(&settings());
        assert!(file.starts_with("20") && file.contains("Z  INFO what rows=3\n"), "{file}");
        assert!(!file.contains('\u{1b}'));
        assert!(logged(&Settings { is_terminal: true, ..settings() }).contains('\u{1b}'));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(&Settings { format: LogFormat::Json, is_terminal: true, ..settings() });
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["message"], &lines[0]["rows"]), (&"what".into(), &3.into()));
    }

    #[test]
    fn verbosity_moves_the_level() {
        let lines = |verbosity| {
            let text = logged(&Settings { is_journal: true, verbosity, ..settings() });
            text.lines().map(|line| line.trim_start()[5..].trim_start().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(lines(9), ["how", "what rows=3", "odd"]);
        assert_eq!(lines(1), ["how", "what rows=3", "odd"]);
        assert_eq!(lines(-1), ["odd"]);
        assert!(lines(-9).is_empty());
    }

    #[test]
    fn the_variable_wins_and_opens_no_headers() {
        let with = |filter: &str| {
            logged(&Settings { is_journal: true, filter: Some(filter.to_owned()), ..settings() })
        };
        assert_eq!(with("rollcall::zoom=debug"), "DEBUG how\n");
        for filter in ["trace", "h2=trace", "h2::codec=trace"] {
            assert!(!with(filter).contains("Bearer"), "{filter}");
        }
        assert!(with("trace").contains("chatter"));
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_ignored() {
        let settings = Settings { filter: Some("rollcall=loud=er".to_owned()), ..settings() };
        assert!(settings.filter().1);
        assert!(logged(&settings).contains("what"));
    }
}
