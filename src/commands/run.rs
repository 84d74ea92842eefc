//! `rollcall run`: the daemon.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::NaiveDate;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::support::{session, settings};
use crate::cli::GlobalOptions;
use crate::clock::Clock;
use crate::collect::{Collector, Event, Summary};
use crate::config::Config;
use crate::daemon::{self, Daemon, DaemonConfig, Runner, WakeTimer};
use crate::exit::ExitCode;
use crate::model::{Timestamp, Trigger};
use crate::monitoring;
use crate::shutdown::{Interrupted, ShutdownSignal};
use crate::store::{RunLock, Store, StoreError};

/// How long the database may take to be closed.
const CLOSING: Duration = Duration::from_secs(1);

/// Runs until it is told to stop; then the exit code is 0, whatever the runs met with. A file that is not its own any
/// more is an error.
pub async fn run(global: &GlobalOptions, config: Config) -> anyhow::Result<ExitCode> {
    let shutdown = ShutdownSignal::listen_for_daemon()?;
    let hangups = signal(SignalKind::hangup()).context("cannot install a handler for SIGHUP")?;
    let store = open(&config, &shutdown).await?;
    let clock = Clock::system();
    let on_start = config.schedule.on_start;
    let started = config.clone();
    let daemon_config = daemon_config(config, &store, &clock)?;
    let watched = match started.monitoring.listen {
        Some(address) => Some(watch(address, &store, &clock, shutdown.token()).await?),
        None => None,
    };
    let mut daemon =
        Daemon::new(store.clone(), clock.clone(), daemon_config, shutdown.token().clone()).await?;
    let wakes = WakeTimer::every_second().await?;
    tracing::info!(database = %store.path().display(), version = env!("CARGO_PKG_VERSION"), "rollcall started");
    daemon.start(on_start);
    let reload = || reload(global, &started, &store, &clock).map_err(|error| format!("{error:#}"));
    let served = daemon.serve(wakes, hangups, &reload).await;
    let closed = async {
        if let Some(watched) = watched {
            watched.close().await;
        }
        store.close().await;
    };
    if tokio::time::timeout(CLOSING, closed).await.is_err() {
        tracing::error!("the database was not closed in time; nothing is lost, but its -wal file stays");
    }
    tracing::info!("rollcall has stopped");
    served?;
    Ok(ExitCode::Success)
}

/// Tells monitoring until `stop` is cancelled; answers with the connection of its own that it reads by, so that no
/// answer waits for a run.
async fn watch(
    address: SocketAddr,
    store: &Store,
    clock: &Clock,
    stop: &CancellationToken,
) -> Result<Store, StoreError> {
    let reader = store.reader().await?;
    tokio::spawn(monitoring::watch(address, reader.clone(), clock.clone(), stop.clone()));
    Ok(reader)
}

/// Opens the database under the run lock, since its tables may have to be brought up to date. Whoever holds the lock
/// may take longer than a service manager waits for a start.
async fn open(config: &Config, shutdown: &ShutdownSignal) -> anyhow::Result<Store> {
    const PERIOD: Duration = Duration::from_secs(10);
    session::ensure_database_dir(config)?;
    let mut period = tokio::time::interval(PERIOD);
    let mut acquired = pin!(RunLock::acquire(&config.database.path));
    let _lock = loop {
        tokio::select! {
            biased;
            lock = &mut acquired => break lock?,
            () = shutdown.token().cancelled() => return Err(Interrupted.into()),
            _ = period.tick() => {
                daemon::starting("waiting for the run or command that holds the database", 3 * PERIOD);
            }
        }
    };
    Ok(session::open_store(config).await?)
}

/// What a config makes of the daemon.
fn daemon_config(config: Config, store: &Store, clock: &Clock) -> anyhow::Result<DaemonConfig<Runs>> {
    let credentials = config.credentials()?;
    config.warnings.iter().chain(&credentials.warnings).for_each(|warning| tracing::warn!("{warning}"));
    session::warn_if_nothing_listed(&config);
    let collector = settings::collector(&config, credentials, store, clock)?;
    let schedule = config.schedule.schedule.clone();
    Ok(DaemonConfig {
        schedule,
        runner: Arc::new(Runs {
            config,
            collector,
            store: store.clone(),
            clock: clock.clone(),
            pruned_on: Mutex::default(),
        }),
    })
}

/// The config, read again. What cannot change while the daemon is up stays as it was when it was started, and that is
/// said.
fn reload(
    global: &GlobalOptions,
    started: &Config,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<DaemonConfig<Runs>> {
    let config = super::read(global)?;
    let keys = started.keys_needing_restart(&config).join(", ");
    let daemon_config = daemon_config(config, store, clock)?;
    if !keys.is_empty() {
        tracing::warn!(keys, "the daemon has to be started again for what has changed of {keys}");
    }
    Ok(daemon_config)
}

/// Runs as one config asks for them.
struct Runs {
    config: Config,
    collector: Collector,
    store: Store,
    clock: Clock,
    /// The UTC day on which old instances were pruned last.
    pruned_on: Mutex<Option<NaiveDate>>,
}

impl Runs {
    /// Takes out what is older than `retention.keep`, and runs without a fetch that are old, once a day.
    ///
    /// Only after a run in which Zoom answered, with a `Date` that agrees with this machine's clock: what is old would
    /// otherwise rest on a clock that may be wrong. The earlier of the two counts.
    async fn prune(&self, summary: &Summary) -> Result<(), StoreError> {
        let clocks = summary.clocks.filter(|clocks| summary.answered && clocks.agrees());
        let Some(now) = clocks.map(|clocks| clocks.own.min(clocks.other)) else { return Ok(()) };
        let today = now.utc().date_naive();
        if *self.pruned_on.lock().unwrap_or_else(PoisonError::into_inner) == Some(today) {
            return Ok(());
        }
        let pruned = self.store.prune_unasked(self.config.retention_keep, now).await?;
        *self.pruned_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(today);
        let pruned = match pruned {
            Ok(pruned) => pruned,
            Err(instances) => {
                tracing::warn!(
                    instances,
                    "{instances} instances are older than retention.keep, which is new or shorter than before; they stay \
                     until a person runs `rollcall db prune`"
                );
                return Ok(());
            }
        };
        if pruned.instances > 0 {
            let (instances, sessions) = (pruned.instances, pruned.sessions);
            tracing::info!(instances, sessions, "{instances} old instances were pruned");
        }
        Ok(())
    }
}

impl Runner for Runs {
    async fn run(
        &self,
        trigger: Trigger,
        slot_at: Option<Timestamp>,
        stop: CancellationToken,
    ) -> Result<Summary, StoreError> {
        session::prepare(&self.config, &self.store, &self.clock).await?;
        let request = session::run_request(&self.config, trigger, slot_at);
        let summary = self.collector.run(&request, &log, &stop).await?;
        if !stop.is_cancelled() {
            self.prune(&summary).await?;
        }
        Ok(summary)
    }
}

/// What a run says beside its own log lines.
fn log(event: Event) {
    if let Event::Warning(words) = event {
        tracing::warn!("{words}");
    }
}
