//! `rollcall backfill`: instances of the past, at the account's pace, with a way to look first.

mod preview;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use self::preview::preview;
use super::support::errors::{CommandError, code_of_run};
use super::support::progress::ProgressReporter;
use super::support::session::{RunSession, warn_if_nothing_listed};
use crate::cli::{BackfillOptions, MeetingOrInstance};
use crate::clock::Clock;
use crate::collect::RunRequest;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::{InstanceUuid, MeetingId, Trigger, Window};
use crate::shutdown::ShutdownSignal;
use crate::store::{RunLock, Selection};

/// Reads what began in the window, or with `--dry-run` says what that would be.
pub async fn run(
    options: &BackfillOptions,
    config: &Config,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let shutdown = ShutdownSignal::listen()?;
    let mut request = request(options, config)?;
    if options.meetings.is_empty() && !options.all_meetings {
        warn_if_nothing_listed(config);
    }
    if options.dry_run {
        return preview(&request, config, output, &shutdown).await;
    }
    let RunSession { lock, store, collector } = RunSession::open(config, options.wait, &shutdown).await?;
    let held = HeldLock(Arc::new(Mutex::new(Some(lock))));
    let asked = held.clone();
    let collector = collector.yield_when(move || asked.has_waiters());
    let reporter = ProgressReporter::new(output, config.report_timezone);
    let mut code = ExitCode::Success;
    loop {
        let summary = collector.run(&request, &|event| reporter.event(&event), shutdown.token()).await?;
        reporter.summary(&summary);
        code = code.worst(code_of_run(&summary));
        if !summary.yielded {
            break;
        }
        // What a forced run has tried need not be tried again after the others had their turn.
        request.selection.begun_before.get_or_insert(summary.started_at);
        tracing::info!("another run waits for the database; the backfill goes on after it");
        let lock = held.take().context("the run lock is held")?;
        let Ok(lock) = shutdown.interrupting(lock.yield_lock()).await else { break };
        held.put(lock?);
    }
    store.close().await;
    // A reader that is slow holds up nobody who waits for the database.
    held.take();
    reporter.finish()?;
    Ok(ShutdownSignal::exit_code().unwrap_or(code))
}

/// The run lock, which the backfill yields between two instances to whoever waits for it.
#[derive(Clone)]
struct HeldLock(Arc<Mutex<Option<RunLock>>>);

impl HeldLock {
    fn has_waiters(&self) -> bool {
        self.held().as_ref().is_some_and(RunLock::has_waiters)
    }

    fn take(&self) -> Option<RunLock> {
        self.held().take()
    }

    fn put(&self, lock: RunLock) {
        *self.held() = Some(lock);
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<RunLock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(options: &BackfillOptions, config: &Config) -> anyhow::Result<RunRequest> {
    let timezone = config.schedule.timezone;
    let now = Clock::system().now();
    let from = options.from.begin(timezone);
    let to = options.to.map_or(now, |to| to.end(timezone)).min(now);
    if from >= to {
        let words =
            format!("the span from {from} to {to} is empty; `--from` must be before `--to` and in the past");
        return Err(CommandError::usage(words).into());
    }
    let window = Window { from, to };
    let mut meetings: Vec<MeetingId> = Vec::new();
    let mut instances: Vec<InstanceUuid> = Vec::new();
    for named in &options.meetings {
        match named {
            MeetingOrInstance::Meeting(meeting) => meetings.push(*meeting),
            MeetingOrInstance::Instance(uuid) => instances.push(uuid.clone()),
        }
    }
    let all = meetings.is_empty() && instances.is_empty();
    let asked =
        if all { config.meetings.iter().map(|meeting| meeting.id).collect() } else { meetings.clone() };
    let selected = if all && !options.all_meetings { asked.clone() } else { meetings };
    Ok(RunRequest {
        trigger: Trigger::Backfill,
        slot_at: None,
        meetings: asked,
        account_wide: options.all_meetings,
        ignore_backoff: true,
        window: Some(window),
        selection: Selection {
            meetings: selected,
            instances,
            window: Some(window),
            force: options.force,
            begun_before: None,
        },
    })
}
