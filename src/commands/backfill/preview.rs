//! `rollcall backfill --dry-run`: what would be read, and what it would cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use anyhow::Context as _;

use crate::clock::Clock;
use crate::collect::{Event, RunRequest, Summary};
use crate::commands::support::errors::code_of_run;
use crate::commands::support::settings;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::{InstanceState, InstanceUuid, MeetingId, RateLabel};
use crate::shutdown::ShutdownSignal;
use crate::store::{DueInstance, Store, StoreError};

/// Says what would be read. Nothing is written: discovery goes to a scratch database, and the real one is read.
pub(super) async fn preview(
    request: &RunRequest,
    config: &Config,
    output: &mut (dyn Write + Send),
    shutdown: &ShutdownSignal,
) -> anyhow::Result<ExitCode> {
    let (summary, discovered) = discover(request, config, shutdown).await?;
    if let Some(code) = ShutdownSignal::exit_code() {
        return Ok(code);
    }
    let estimate = Estimate::new(discovered, request, config).await?;
    write!(output, "{}", estimate.render(request, config))?;
    Ok(code_of_run(&summary))
}

async fn discover(
    request: &RunRequest,
    config: &Config,
    shutdown: &ShutdownSignal,
) -> anyhow::Result<(Summary, Vec<DueInstance>)> {
    let directory = tempfile::tempdir().context("no temporary directory can be made")?;
    let store = Store::open(&directory.path().join("scratch.db")).await?;
    let collector = settings::collector(config, config.credentials()?, &store, &Clock::system())?;
    let warn = |event: Event| {
        if let Event::Warning(words) = event {
            tracing::warn!("{words}");
        }
    };
    let discovered = collector.preview(request, &warn, shutdown.token()).await?;
    store.close().await;
    Ok(discovered)
}

/// What there is to read, the latest first.
struct Estimate {
    wanted: Vec<DueInstance>,
    /// How many are settled and would not be read again.
    skipped: usize,
    /// The fewest pages that they fill, by the rows of their last reading.
    pages: i64,
}

impl Estimate {
    async fn new(
        discovered: Vec<DueInstance>,
        request: &RunRequest,
        config: &Config,
    ) -> Result<Self, StoreError> {
        let mut estimate = Self { wanted: Vec::new(), skipped: 0, pages: 0 };
        let uuids: Vec<InstanceUuid> = discovered.iter().map(|instance| instance.uuid.clone()).collect();
        let (known, pruned) = if config.database.path.exists() {
            let store = Store::open_to_read(&config.database.path).await?;
            let stored = (store.known_instances(&uuids).await?, store.pruned_instances(&uuids).await?);
            store.close().await;
            stored
        } else {
            Default::default()
        };
        let force = request.selection.force;
        for instance in discovered {
            let uuid = instance.uuid.as_str();
            // One that is named is brought back.
            let is_named = request.selection.instances.contains(&instance.uuid);
            if pruned.contains(uuid) && !(force && is_named) {
                continue;
            }
            let (state, rows) = known.get(uuid).map_or((None, None), |(state, rows)| (Some(*state), *rows));
            if state == Some(InstanceState::Settled) && !force {
                estimate.skipped += 1;
                continue;
            }
            let page_size = i64::from(config.zoom.page_size);
            estimate.pages += (rows.unwrap_or(1).max(1) + page_size - 1) / page_size;
            estimate.wanted.push(instance);
        }
        Ok(estimate)
    }

    fn render(&self, request: &RunRequest, config: &Config) -> String {
        let Self { wanted, skipped, pages } = self;
        let mut text = String::new();
        for line in lines_by_meeting(wanted, config) {
            text.push_str(&line);
        }
        let described = wanted.iter().filter(|instance| !instance.is_described).count();
        let limits = settings::limits(config);
        let seconds = |label: RateLabel, requests: f64| {
            let rate = limits.rate(label);
            requests * rate.per.as_secs_f64() / f64::from(rate.requests)
        };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let longest =
            seconds(RateLabel::Heavy, *pages as f64).max(seconds(RateLabel::Light, described as f64));
        let _ = writeln!(
            text,
            "{} instances to read from {} on, {skipped} settled ones skipped{}",
            wanted.len(),
            request.window.map(|window| window.from.to_string()).unwrap_or_default(),
            if *skipped > 0 { " (--force reads them again)" } else { "" }
        );
        let _ = writeln!(
            text,
            "at least {pages} Heavy and {described} Light requests, {} at the pace of the {} plan; nothing was read or written",
            lasting(longest),
            config.zoom.plan
        );
        text
    }
}

/// A line a meeting: how many instances, and from which day to which.
fn lines_by_meeting(wanted: &[DueInstance], config: &Config) -> Vec<String> {
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
    let line = |(meeting, instances): (MeetingId, Vec<&DueInstance>)| {
        // They come latest first.
        let (first, last) = (day(instances[instances.len() - 1]), day(instances[0]));
        format!("{meeting:>11}  {:>5} instances, {first} to {last}\n", instances.len())
    };
    by_meeting.into_iter().map(line).collect()
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
