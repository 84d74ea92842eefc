//! `rollcall collect`: one run now, and what it did.

use std::io::Write;

use super::support::errors::code_of_run;
use super::support::progress::ProgressReporter;
use super::support::session::{RunSession, run_request, warn_if_nothing_listed};
use crate::cli::CollectOptions;
use crate::collect::RunRequest;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::Trigger;
use crate::shutdown::ShutdownSignal;
use crate::store::Selection;

/// Makes one run and prints a line an instance and a summary.
pub async fn run(
    options: &CollectOptions,
    config: &Config,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let shutdown = ShutdownSignal::listen()?;
    let RunSession { lock, store, collector } = RunSession::open(config, options.wait, &shutdown).await?;
    if options.meetings.is_empty() {
        warn_if_nothing_listed(config);
    }
    let request = request(options, config);
    let reporter = ProgressReporter::new(output, config.report_timezone);
    let summary = collector.run(&request, &|event| reporter.event(&event), shutdown.token()).await?;
    reporter.summary(&summary);
    store.close().await;
    // A reader that is slow holds up nobody who waits for the database.
    drop(lock);
    reporter.finish()?;
    Ok(ShutdownSignal::exit_code().unwrap_or_else(|| code_of_run(&summary)))
}

/// The scheduled run, or one over the meetings that were named.
fn request(options: &CollectOptions, config: &Config) -> RunRequest {
    let request = run_request(config, Trigger::Manual, None);
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
