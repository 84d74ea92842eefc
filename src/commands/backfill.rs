//! `rollcall backfill`: instances of the past, at the account's pace, with a way to look first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;

use super::UsageError;
use super::collect::{Printer, exit_code, lock};
use super::setup::{self, Stopper};
use crate::cli::{BackfillOptions, MeetingOrInstance};
use crate::clock::Clock;
use crate::collect::{Collector, Event, RunRequest};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::{InstanceState, InstanceUuid, MeetingId, RateLabel, Trigger, Window};
use crate::store::{DueInstance, RunLock, Selection, Store};
use crate::zoom::{InMemoryLedger, RateLimits};

/// Reads what began in the window, or with `--dry-run` says what that would be.
pub async fn run(
    options: &BackfillOptions,
    config: &Config,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let request = request(options, config)?;
    if options.meetings.is_empty() && !options.all_meetings {
        setup::warn_of_nothing_listed(config);
    }
    if options.dry_run {
        return preview(&request, config, output, &stopper).await;
    }
    let credentials = config.credentials()?;
    setup::make_place(config)?;
    let Some(held) = lock(&config.database.path, options.wait, &stopper).await? else {
        return Ok(stopper.code().unwrap_or(ExitCode::TryLater));
    };
    let store = setup::open_store(config).await?;
    let clock = Clock::system();
    setup::prepare(config, &store, &clock).await?;
    let held = Arc::new(std::sync::Mutex::new(Some(held)));
    let awaited = {
        let held = Arc::clone(&held);
        move || with(&held, |lock| lock.as_ref().is_some_and(RunLock::is_awaited))
    };
    let collector = setup::collector(config, credentials, &store, &Clock::system())?.yield_when(awaited);
    let printer = Printer::new(output, config.report_timezone);
    let mut code = ExitCode::Success;
    let mut request = request;
    loop {
        let summary = collector.run(&request, &|event| printer.event(&event), stopper.token()).await?;
        printer.summary(&summary);
        code = code.worst(exit_code(&summary));
        if !summary.yielded {
            break;
        }
        // What a forced run has tried need not be tried again after the others had their turn.
        request.selection.begun_before.get_or_insert(summary.started_at);
        tracing::info!("another run waits for the database; the backfill goes on after it");
        let lock = with(&held, Option::take).context("the run lock is held")?;
        let lock = tokio::select! {
            lock = lock.hand_over() => lock?,
            () = stopper.token().cancelled() => break,
        };
        with(&held, |held| *held = Some(lock));
    }
    store.close().await;
    // A reader that is slow holds up nobody who waits for the database.
    with(&held, Option::take);
    printer.finish()?;
    Ok(stopper.code().unwrap_or(code))
}

fn with<T>(held: &std::sync::Mutex<Option<RunLock>>, act: impl FnOnce(&mut Option<RunLock>) -> T) -> T {
    act(&mut held.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn request(options: &BackfillOptions, config: &Config) -> anyhow::Result<RunRequest> {
    let timezone = config.schedule.timezone;
    let now = Clock::system().now();
    let from = options.from.begin(timezone);
    let to = options.to.map_or(now, |to| to.end(timezone)).min(now);
    if from >= to {
        let words =
            format!("the span from {from} to {to} is empty; `--from` must be before `--to` and in the past");
        return Err(UsageError(words).into());
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

/// Discovers into a scratch database, so that nothing is written, and compares with what is known.
async fn preview(
    request: &RunRequest,
    config: &Config,
    output: &mut (dyn Write + Send),
    stopper: &Stopper,
) -> anyhow::Result<ExitCode> {
    let scratch = tempfile::tempdir().context("no temporary directory can be made")?;
    let store = Store::open(&scratch.path().join("scratch.db")).await?;
    let clock = Clock::system();
    let limits = setup::limits(config);
    let ledger = InMemoryLedger::new(limits.daily_pools(), clock.clone());
    let zoom = setup::zoom_with(config, config.credentials()?, &clock, Arc::new(ledger))?;
    let collector = Collector::new(zoom, store.clone(), clock, setup::collect_settings(config));
    let warn = |event: Event| {
        if let Event::Warning(words) = event {
            tracing::warn!("{words}");
        }
    };
    let (summary, due) = collector.preview(request, &warn, stopper.token()).await?;
    store.close().await;
    if let Some(code) = stopper.code() {
        return Ok(code);
    }
    let uuids: Vec<InstanceUuid> = due.iter().map(|instance| instance.uuid.clone()).collect();
    let (known, pruned) = if config.database.path.exists() {
        let store = Store::open_to_read(&config.database.path).await?;
        let known = store.known_instances(&uuids).await?;
        let mut pruned = store.pruned_instances(&uuids).await?;
        store.close().await;
        if request.selection.force {
            // One that is named is brought back.
            pruned.retain(|uuid| !request.selection.instances.iter().any(|named| named.as_str() == uuid));
        }
        (known, pruned)
    } else {
        (HashMap::new(), HashSet::new())
    };
    let due: Vec<DueInstance> =
        due.into_iter().filter(|instance| !pruned.contains(instance.uuid.as_str())).collect();
    let is_settled = |instance: &DueInstance| {
        known.get(instance.uuid.as_str()).is_some_and(|(state, _)| *state == InstanceState::Settled)
    };
    let (settled, unsettled): (Vec<_>, Vec<_>) = due.into_iter().partition(is_settled);
    let wanted: Vec<DueInstance> = if request.selection.force {
        unsettled.into_iter().chain(settled.iter().cloned()).collect()
    } else {
        unsettled
    };
    let skipped = if request.selection.force { 0 } else { settled.len() };
    let pages: i64 = wanted
        .iter()
        .map(|instance| {
            let rows = known.get(instance.uuid.as_str()).and_then(|(_, rows)| *rows).unwrap_or(1).max(1);
            (rows + i64::from(config.zoom.page_size) - 1) / i64::from(config.zoom.page_size)
        })
        .sum();
    write!(output, "{}", preview_text(request, config, &wanted, skipped, pages, &limits))?;
    Ok(exit_code(&summary))
}

fn preview_text(
    request: &RunRequest,
    config: &Config,
    wanted: &[DueInstance],
    skipped: usize,
    pages: i64,
    limits: &RateLimits,
) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut by_meeting: BTreeMap<MeetingId, Vec<&DueInstance>> = BTreeMap::new();
    for instance in wanted {
        by_meeting.entry(instance.meeting_id).or_default().push(instance);
    }
    let day = |instance: &DueInstance| {
        instance.start_at.map_or_else(
            || "unknown".to_owned(),
            |at| at.utc().with_timezone(&config.report_timezone).format("%Y-%m-%d").to_string(),
        )
    };
    for (meeting, instances) in &by_meeting {
        // They come latest first.
        let (first, last) = (instances.last().map(|one| day(one)), instances.first().map(|one| day(one)));
        let _ = writeln!(
            text,
            "{meeting:>11}  {:>5} instances, {} to {}",
            instances.len(),
            first.unwrap_or_default(),
            last.unwrap_or_default()
        );
    }
    let described = wanted.iter().filter(|instance| !instance.is_described).count();
    let seconds = |label: RateLabel, requests: f64| {
        let rate = limits.rate(label);
        requests * rate.per.as_secs_f64() / f64::from(rate.requests)
    };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let longest = seconds(RateLabel::Heavy, pages as f64).max(seconds(RateLabel::Light, described as f64));
    let _ = writeln!(
        text,
        "{} instances to read from {} on, {skipped} settled ones skipped{}",
        wanted.len(),
        request.window.map(|window| window.from.to_string()).unwrap_or_default(),
        if skipped > 0 { " (--force reads them again)" } else { "" }
    );
    let _ = writeln!(
        text,
        "at least {pages} Heavy and {described} Light requests, {} at the pace of the {} plan; nothing was read or written",
        lasting(longest),
        config.zoom.plan
    );
    text
}

/// A duration as an estimate is read: `about 4 min`.
fn lasting(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("about {:.0} s", seconds.ceil())
    } else if seconds < 5400.0 {
        format!("about {:.0} min", (seconds / 60.0).ceil())
    } else {
        format!("about {:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_reads_as_one() {
        assert_eq!(lasting(0.2), "about 1 s");
        assert_eq!(lasting(61.0), "about 2 min");
        assert_eq!(lasting(7200.0), "about 2.0 h");
    }
}
