//! `rollcall collect`: one run now, and what it did.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use chrono_tz::Tz;
use indicatif::{ProgressBar, ProgressStyle};

use super::setup::{self, Stopper};
use crate::cli::CollectOptions;
use crate::clock::Clock;
use crate::collect::{AbortReason, Event, FetchResult, InstanceReport, RunRequest, Summary};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::{FetchOutcome, RunOutcome, Trigger};
use crate::store::{RunLock, Selection};

/// Makes one run and prints a line an instance and a summary.
pub async fn run(
    options: &CollectOptions,
    config: &Config,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let credentials = config.credentials()?;
    credentials.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    setup::make_place(config)?;
    let Some(lock) = lock(&config.database.path, options.wait, &stopper).await? else {
        return Ok(stopper.code().unwrap_or(ExitCode::TryLater));
    };
    let store = setup::open_store(config).await?;
    let clock = Clock::system();
    setup::prepare(config, &store, &clock).await?;
    let collector = setup::collector(config, credentials, &store, &clock)?;
    if options.meetings.is_empty() {
        setup::warn_of_nothing_listed(config);
    }
    let request = request(options, config);
    let printer = Printer::new(output, config.report_timezone);
    let summary = collector.run(&request, &|event| printer.event(&event), stopper.token()).await?;
    printer.summary(&summary);
    store.close().await;
    // A reader that is slow holds up nobody who waits for the database.
    drop(lock);
    printer.finish()?;
    Ok(stopper.code().unwrap_or_else(|| exit_code(&summary)))
}

/// The run lock, or none where another run holds it and waiting was not asked for, or was broken off.
pub async fn lock(path: &Path, wait: bool, stopper: &Stopper) -> anyhow::Result<Option<RunLock>> {
    if let Some(lock) = RunLock::try_acquire(path)? {
        return Ok(Some(lock));
    }
    if !wait {
        say!(
            "rollcall: another run holds the database {}; try again when it has ended, or pass --wait",
            path.display()
        );
        return Ok(None);
    }
    tracing::info!(database = %path.display(), "waiting for the run or command that holds the database");
    tokio::select! {
        lock = RunLock::acquire(path) => Ok(Some(lock?)),
        () = stopper.token().cancelled() => Ok(None),
    }
}

/// The scheduled run, or one over the meetings that were named.
fn request(options: &CollectOptions, config: &Config) -> RunRequest {
    let request = setup::run_request(config, Trigger::Manual, None);
    if options.meetings.is_empty() {
        return request;
    }
    RunRequest {
        meetings: options.meetings.clone(),
        account_wide: false,
        ignore_backoff: true,
        selection: Selection { meetings: options.meetings.clone(), ..Selection::default() },
        ..request
    }
}

/// The exit code that the contract gives a run.
#[must_use]
pub fn exit_code(summary: &Summary) -> ExitCode {
    let nothing_read = summary.instances_fetched == 0;
    let mut code = ExitCode::Success;
    if summary.instances_failed > 0 || summary.outcome == RunOutcome::Partial {
        code = code.worst(ExitCode::Partial);
    }
    if summary.read_nothing() && (summary.denied || summary.meetings_refused > 0) {
        code = code.worst(ExitCode::Refused);
    }
    if summary.unreachable && !summary.answered {
        code = code.worst(ExitCode::Unreachable);
    }
    match &summary.aborted {
        Some(AbortReason::Quota(..)) => code.worst(ExitCode::TryLater),
        Some(AbortReason::Refused(_)) if nothing_read => code.worst(ExitCode::Refused),
        Some(AbortReason::Refused(_)) => code.worst(ExitCode::Partial),
        Some(AbortReason::Ledger(_)) => code.worst(ExitCode::Database),
        None => code,
    }
}

/// Writes what happens as it happens: data to the output, warnings to the log.
pub struct Printer<'a> {
    output: Mutex<(&'a mut (dyn Write + Send), std::io::Result<()>)>,
    timezone: Tz,
    /// Shown on a terminal only.
    progress: ProgressBar,
}

impl<'a> Printer<'a> {
    /// A printer of times in this zone.
    pub fn new(output: &'a mut (dyn Write + Send), timezone: Tz) -> Self {
        let progress = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{pos} of {len} instances, {per_sec}, {eta} left") {
            progress.set_style(style);
        }
        Self { output: Mutex::new((output, Ok(()))), timezone, progress }
    }

    /// One event of a run.
    pub fn event(&self, event: &Event) {
        match event {
            Event::Warning(words) => self.progress.suspend(|| tracing::warn!("{words}")),
            Event::Due(count) => {
                // The other way round it would be drawn once for nothing.
                self.progress.set_length(*count as u64);
                self.progress.reset();
            }
            Event::Instance(report) => {
                self.progress.suspend(|| self.line(&line(report, self.timezone)));
                self.progress.inc(1);
            }
        }
    }

    /// The last lines of a run.
    pub fn summary(&self, summary: &Summary) {
        self.progress.finish_and_clear();
        self.line(&summary_line(summary));
    }

    /// Waits until all is read, and tells what went wrong with the output, if anything did.
    pub fn finish(self) -> anyhow::Result<()> {
        let (output, result) = self.output.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        result.and_then(|()| output.flush()).context("cannot write to stdout")
    }

    fn line(&self, line: &str) {
        let mut output = self.output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The run goes on where nobody listens.
        if output.1.is_ok() {
            output.1 = writeln!(output.0, "{line}");
        }
    }
}

fn line(report: &InstanceReport, timezone: Tz) -> String {
    let start = report.start_at.map_or_else(
        || "time unknown    ".to_owned(),
        |start_at| start_at.utc().with_timezone(&timezone).format("%Y-%m-%d %H:%M").to_string(),
    );
    let what = match &report.result {
        FetchResult::Stored { counts, outcome, source } => {
            let mut words =
                format!("{} {}", counts.received, if counts.received == 1 { "row" } else { "rows" });
            for (count, word) in [
                (counts.inserted, "new"),
                (counts.updated, "updated"),
                (counts.unchanged, "unchanged"),
                (counts.withdrawn, "withdrawn"),
                (counts.rejected, "rejected"),
                (counts.duplicate, "duplicate"),
            ] {
                if count > 0 {
                    let _ = write!(words, ", {count} {word}");
                }
            }
            let _ = write!(words, " ({source}");
            words.push_str(match outcome {
                FetchOutcome::Incomplete => "; incomplete, will be read again)",
                FetchOutcome::Suspect => "; suspect, nothing withdrawn until it is confirmed)",
                FetchOutcome::Ok | FetchOutcome::Failed => ")",
            });
            words
        }
        FetchResult::NotFound => "Zoom has no data yet; tried again later".to_owned(),
        FetchResult::Parked(reason) => format!("parked: {reason}"),
        FetchResult::Denied(reason) => format!("refused: {reason}"),
        FetchResult::Failed(reason) | FetchResult::Unreachable(reason) => format!("failed: {reason}"),
    };
    format!("{start}  {:>11}  {:<24}  {what}", report.meeting_id, report.uuid)
}

fn summary_line(summary: &Summary) -> String {
    let counts = &summary.counts;
    let mut words = format!(
        "run {}: {}. {} of {} instances read",
        summary.run_id, summary.outcome, summary.instances_fetched, summary.instances_due
    );
    for (count, word) in
        [(summary.instances_failed, "failed or parked"), (summary.instances_not_found, "without data yet")]
    {
        if count > 0 {
            let _ = write!(words, ", {count} {word}");
        }
    }
    let _ = write!(
        words,
        "; {} rows: {} new, {} updated, {} unchanged, {} withdrawn, {} rejected, {} duplicate; {} requests in {:.1} s",
        counts.received,
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.withdrawn,
        counts.rejected,
        counts.duplicate,
        summary.requests,
        summary.seconds
    );
    words
}
