//! What a run does, as it does it.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Mutex;

use anyhow::Context as _;
use chrono_tz::Tz;
use indicatif::{ProgressBar, ProgressStyle};

use crate::collect::{Event, FetchResult, InstanceReport, Summary};
use crate::model::FetchOutcome;

/// Writes what happens as it happens: data to the output, warnings to the log.
pub(in crate::commands) struct ProgressReporter<'a> {
    output: Mutex<(&'a mut (dyn Write + Send), std::io::Result<()>)>,
    timezone: Tz,
    /// Shown on a terminal only.
    progress: ProgressBar,
}

impl<'a> ProgressReporter<'a> {
    /// Shows times in this zone.
    pub fn new(output: &'a mut (dyn Write + Send), timezone: Tz) -> Self {
        let progress = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{pos} of {len} instances, {per_sec}, {eta} left") {
            progress.set_style(style);
        }
        Self { output: Mutex::new((output, Ok(()))), timezone, progress }
    }

    pub fn event(&self, event: &Event) {
        match event {
            Event::Warning(words) => self.progress.suspend(|| tracing::warn!("{words}")),
            Event::Due(count) => {
                // The other way round it would be drawn once for nothing.
                self.progress.set_length(*count as u64);
                self.progress.reset();
            }
            Event::Instance(report) => {
                self.progress.suspend(|| self.line(&instance_line(report, self.timezone)));
                self.progress.inc(1);
            }
        }
    }

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

fn instance_line(report: &InstanceReport, timezone: Tz) -> String {
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
