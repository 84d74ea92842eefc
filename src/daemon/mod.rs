//! The daemon: woken often, it makes a run when a slot is due, one at a time, until it is told to stop.
//!
//! Every look at the clock is one call of [`Daemon::wake`], so that tests can step it. A slot that comes while a run
//! is on is noted as skipped: that run, or the next slot's, reads what is due. Slots that passed while the daemon was
//! down, suspended, or behind a clock that leapt make one catch-up run.

mod notify;
mod slots;
mod wake_timer;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use self::notify::Notifier;
pub use self::notify::starting;
pub use self::slots::{ScheduleCheck, SlotTracker};
pub use self::wake_timer::WakeTimer;
use crate::clock::Clock;
use crate::collect::Summary;
use crate::model::{RunOutcome, Timestamp, Trigger};
use crate::schedule::Schedule;
use crate::store::{RunLock, Store, StoreError};

/// How long a run may take to end once it is told to: the program is gone within five seconds.
const RUN_STOP_LIMIT: Duration = Duration::from_millis(3_500);

/// How often the loop goes round where nothing wakes it and no watchdog asks for more.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Makes the runs; what the config says about them is behind it.
pub trait Runner: Send + Sync + 'static {
    /// Makes one run. The run lock of the database is held; when `stop` is cancelled, the run ends soon.
    ///
    /// # Errors
    /// Where no run could be logged.
    fn run(
        &self,
        trigger: Trigger,
        slot_at: Option<Timestamp>,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<Summary, StoreError>> + Send;
}

/// When the daemon makes which runs. A reload of the config replaces it.
#[derive(Debug)]
pub struct DaemonConfig<R> {
    pub schedule: Schedule,
    pub runner: Arc<R>,
}

#[derive(Debug)]
struct Current {
    trigger: Trigger,
    begun_at: Timestamp,
    task: JoinHandle<Option<Result<Summary, StoreError>>>,
    skipped: u32,
}

/// The daemon, between two looks at the clock.
pub struct Daemon<R> {
    store: Store,
    clock: Clock,
    runner: Arc<R>,
    slots: SlotTracker,
    stop: CancellationToken,
    current: Option<Current>,
    last: Option<(RunOutcome, Timestamp)>,
    /// Why the file is not this daemon's to write any more.
    lost: Option<StoreError>,
    notifier: Notifier,
}

impl<R: Runner> Daemon<R> {
    /// A daemon that goes on after the last slot in the database; a database without one begins now.
    ///
    /// `stop` ends the daemon, and the run that is on then.
    pub async fn new(
        store: Store,
        clock: Clock,
        config: DaemonConfig<R>,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        let now = clock.now();
        let slots = store.last_slot(now).await?;
        if let Some(slot_at) = slots.in_the_future {
            tracing::warn!(%slot_at, %now, "the last slot in the database, {slot_at}, is in the future and is ignored; was the clock set back?");
        }
        let slots = SlotTracker::new(config.schedule, slots.served.unwrap_or(now), now);
        Ok(Self {
            store,
            clock,
            runner: config.runner,
            slots,
            stop,
            current: None,
            last: None,
            lost: None,
            notifier: Notifier::default(),
        })
    }

    /// The first look at the clock: slots that passed while no daemon was there make one catch-up run; where none
    /// did, a run is made all the same if `on_start` says so.
    pub fn start(&mut self, on_start: bool) {
        match self.slots.check(self.clock.now()) {
            ScheduleCheck::Due { slot_at, .. } => self.begin(Trigger::CatchUp, Some(slot_at)),
            _ if on_start => self.begin(Trigger::Scheduled, None),
            _ => {}
        }
    }

    /// One look at the clock: a slot that is due begins a run, or is noted as skipped where one is on.
    pub async fn wake(&mut self) {
        if self.current.as_ref().is_some_and(|current| current.task.is_finished()) {
            self.settle().await;
        }
        let now = self.clock.now();
        match self.slots.check(now) {
            ScheduleCheck::Nothing => {}
            ScheduleCheck::SetBack { from } => {
                tracing::warn!(%from, %now, "the clock was set back from {from} to {now}; slots in between come again");
            }
            ScheduleCheck::Due { slot_at, .. } if self.current.is_some() => self.skip(slot_at, now).await,
            ScheduleCheck::Due { slot_at, is_late } => {
                self.begin(if is_late { Trigger::CatchUp } else { Trigger::Scheduled }, Some(slot_at));
            }
        }
    }

    /// Waits for the run that is on, if one is, and takes note of how it ended.
    pub async fn settle(&mut self) {
        if self.current.is_some() {
            let result = ended(&mut self.current).await;
            self.note(result);
        }
    }

    /// Takes over another config from now on; a run that is on goes on as it began.
    pub async fn replace(&mut self, config: DaemonConfig<R>) {
        // What is due by the old schedule is not lost to the new one.
        self.wake().await;
        let now = self.clock.now();
        self.slots = SlotTracker::new(config.schedule, now, now);
        self.runner = config.runner;
    }

    /// What the daemon does, in words for `systemctl status`.
    pub fn status(&self) -> String {
        let doing = match (&self.current, &self.last) {
            (Some(current), _) => {
                format!("collecting since {} ({})", in_words(current.begun_at), current.trigger)
            }
            (None, Some((outcome, at))) => format!("waiting; last run {outcome} at {}", in_words(*at)),
            (None, None) => "waiting".to_owned(),
        };
        match self.slots.next() {
            Some(next) => format!("{doing}; next slot {}", in_words(next)),
            None => doing,
        }
    }

    /// Goes round until it is told to stop, then ends the run that is on. `reload` reads the config again.
    ///
    /// # Errors
    /// Where the file of the database is not the daemon's to write any more.
    pub async fn serve(
        mut self,
        mut wakes: WakeTimer,
        mut hangups: Signal,
        reload: &(dyn Fn() -> Result<DaemonConfig<R>, String> + Send + Sync),
    ) -> Result<(), StoreError> {
        let watchdog = notify::watchdog();
        // systemd advises half of the time that it waits.
        let period = watchdog.map_or(HEARTBEAT, |period| (period / 2).min(HEARTBEAT));
        let mut heartbeat = tokio::time::interval(period);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = self.stop.clone();
        self.notifier.ready(self.status());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = heartbeat.tick() => {
                    if watchdog.is_some() {
                        self.notifier.alive();
                    }
                    self.wake().await;
                }
                result = ended(&mut self.current) => self.note(result),
                hangup = hangups.recv() => if hangup.is_some() { self.reload(reload).await },
                () = wakes.next() => self.wake().await,
            }
            if self.lost.is_some() {
                break;
            }
            self.notifier.status(self.status());
        }
        self.finish().await;
        wakes.stop().await;
        self.lost.map_or(Ok(()), Err)
    }

    async fn reload(&mut self, reload: &(dyn Fn() -> Result<DaemonConfig<R>, String> + Send + Sync)) {
        self.notifier.reloading();
        let status = match reload() {
            Ok(config) => {
                self.replace(config).await;
                tracing::info!("the configuration was read again");
                self.status()
            }
            Err(error) => {
                tracing::error!(%error, "the new configuration is wrong, and the old one stays: {error}");
                format!("the new configuration is wrong, and the old one stays; {}", self.status())
            }
        };
        self.notifier.ready(status);
    }

    /// Waits for the run that is on, which the token has told to end; after a while it is dropped.
    async fn finish(&mut self) {
        self.notifier.stopping();
        if self.current.is_none() {
            return;
        }
        if tokio::time::timeout(RUN_STOP_LIMIT, self.settle()).await.is_err() {
            tracing::error!(
                grace_ms = RUN_STOP_LIMIT.as_millis(),
                "run did not stop within the grace period, aborting it"
            );
            if let Some(current) = self.current.take() {
                current.task.abort();
            }
        }
    }

    /// Begins a run in a task of its own, so that a panic in it is its end alone.
    fn begin(&mut self, trigger: Trigger, slot_at: Option<Timestamp>) {
        let (runner, stop) = (Arc::clone(&self.runner), self.stop.clone());
        let store = self.store.clone();
        let task = tokio::spawn(async move {
            // A file that is another's now is not locked, either.
            if let Err(error) = store.check_file().await {
                return Some(Err(error));
            }
            let lock = tokio::select! {
                lock = RunLock::acquire(store.path()) => lock,
                () = stop.cancelled() => return None,
            };
            match lock {
                Ok(_lock) => Some(runner.run(trigger, slot_at, stop).await),
                Err(error) => Some(Err(error)),
            }
        });
        self.current = Some(Current { trigger, begun_at: self.clock.now(), task, skipped: 0 });
    }

    async fn skip(&mut self, slot_at: Timestamp, now: Timestamp) {
        if let Err(error) = self.store.skip_run(slot_at, now).await {
            tracing::error!(%slot_at, %error, "slot {slot_at} was skipped, and that could not be noted: {error}");
        }
        let Some(current) = &mut self.current else { return };
        current.skipped += 1;
        // One word a run: with slots a second apart there may be thousands.
        if current.skipped == 1 {
            tracing::warn!(
                %slot_at,
                "slot {slot_at} came while a run was on, and is skipped; the next one reads what is due by then"
            );
        }
    }

    /// Failures end here: they are logged, and the next slot comes.
    fn note(&mut self, result: Ended) {
        let Some(current) = self.current.take() else { return };
        let trigger = current.trigger;
        let outcome = match result {
            Ok(Some(Ok(summary))) => summary.outcome,
            Ok(Some(Err(error))) if error.is_final() => {
                self.lost = Some(error);
                RunOutcome::Failed
            }
            Ok(Some(Err(error))) => {
                let error = with_causes(&error);
                tracing::error!(%trigger, %error, "a run failed, and the next slot tries again: {error}");
                RunOutcome::Failed
            }
            // Stopped before it had the lock.
            Ok(None) => RunOutcome::Interrupted,
            // What a panic says may quote what it was working on.
            Err(_) => {
                tracing::error!(%trigger, "a run panicked, which is a bug; the next slot tries again");
                RunOutcome::Failed
            }
        };
        self.last = Some((outcome, self.clock.now()));
    }
}

/// How a run ended: none where it was stopped before it began.
type Ended = Result<Option<Result<Summary, StoreError>>, JoinError>;

/// The end of the run that is on; where none is, it never comes. Nothing is lost where the waiting is given up.
async fn ended(current: &mut Option<Current>) -> Ended {
    match current {
        Some(current) => (&mut current.task).await,
        None => std::future::pending().await,
    }
}

/// An error and what caused it, in one sentence.
fn with_causes(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

/// An instant as a person reads it, to the second.
fn in_words(instant: Timestamp) -> String {
    instant.utc().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
