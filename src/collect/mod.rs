//! One run: discover, select, fetch side by side, store one instance a transaction, log.
//!
//! A scheduled run, a catch-up, `collect` and `backfill` are this function with another trigger and another window.

mod context;
mod discover;
mod fetch;
mod ledger;
mod log;
mod preflight;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use self::context::RunContext;
pub use self::ledger::StoreLedger;
pub(crate) use self::preflight::{EndpointRequirement, required_endpoints};
pub(crate) use self::summary::{AbortReason, FetchResult, InstanceReport};
pub use self::summary::{Event, Summary};
use crate::clock::Clock;
use crate::decode::Dropped;
use crate::model::{MeetingId, RunOutcome, Source, Timestamp, Trigger, Window};
use crate::plan::{LONGEST_WAIT, Policy};
use crate::store::{DueInstance, RunEnd, RunTotals, Selection, Store, StoreError, Subject};
use crate::zoom::ZoomClient;

/// How many rows the listings of more than one page have together that are held in memory at the same time; a larger
/// listing has that room for itself.
const ROWS_IN_MEMORY: u32 = 6_000;

/// How a run works, whatever it is asked to do.
#[derive(Clone, Debug)]
pub struct CollectSettings {
    /// The one source to read from; none: the richest that answers.
    pub source: Option<Source>,
    pub policy: Policy,
    /// How far back a run looks at least.
    pub lookback: Duration,
    /// Meetings that are on are read, too.
    pub include_live: bool,
    /// Fields that never reach the file.
    pub dropped: Dropped,
    /// A digest of what the client is set up with: a changed one opens the sources that were closed.
    pub access: String,
}

/// What one run is asked to do.
#[derive(Clone, Debug)]
pub struct RunRequest {
    pub trigger: Trigger,
    /// The planned instant that it stands for.
    pub slot_at: Option<Timestamp>,
    /// The meetings whose instances are asked for.
    pub meetings: Vec<MeetingId>,
    /// Every instance of the account is asked for, whatever its meeting.
    pub account_wide: bool,
    /// Meetings that a person named are asked for even where they refused lately.
    pub ignore_backoff: bool,
    /// The window that makes instances due; none: the scheduled run's.
    pub window: Option<Window>,
    /// Which of the due instances are read.
    pub selection: Selection,
}

/// A run's tools: cheap to clone.
#[derive(Clone)]
pub struct Collector {
    zoom: ZoomClient,
    store: Store,
    clock: Clock,
    settings: Arc<CollectSettings>,
    closed_sources: Arc<fetch::ClosedSources>,
    scope_warnings: Arc<preflight::WarningDeduplicator>,
    row_room: Arc<Semaphore>,
    slots: Arc<fetch::FetchSlots>,
    should_yield: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Collector {
    /// A collector that reads from this Zoom into this database.
    pub fn new(zoom: ZoomClient, store: Store, clock: Clock, settings: CollectSettings) -> Self {
        Self {
            zoom,
            store: store.dropping(settings.dropped.clone()),
            clock,
            settings: Arc::new(settings),
            closed_sources: Arc::default(),
            scope_warnings: Arc::default(),
            row_room: Arc::new(Semaphore::new(ROWS_IN_MEMORY as usize)),
            slots: Arc::new(fetch::FetchSlots::new()),
            should_yield: Arc::new(|| false),
        }
    }

    /// A collector whose runs begin no further instance once `awaited` says that another process waits for the
    /// database; what is in flight is finished.
    #[must_use]
    pub fn yield_when(self, awaited: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { should_yield: Arc::new(awaited), ..self }
    }

    /// Makes one run and logs it. The caller holds the run lock of the database.
    ///
    /// What happens is told to `observe` as it happens. When `stop` is cancelled, requests in flight are cancelled, a
    /// transaction under way is finished, and the run is logged as interrupted.
    ///
    /// # Errors
    /// Only what the database says; whatever Zoom does is part of the summary.
    pub async fn run(
        &self,
        request: &RunRequest,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<Summary, StoreError> {
        let started_at = self.clock.now();
        let run_id = self.store.begin_run(request.trigger, request.slot_at, started_at).await?;
        let summary = Summary { run_id, started_at, ..Summary::default() };
        let run = RunContext::new(request, summary, observe, stop);
        self.carry_out(run, stop).instrument(log::run_span(run_id, request.trigger)).await
    }

    async fn carry_out(&self, run: RunContext<'_>, stop: &CancellationToken) -> Result<Summary, StoreError> {
        let before = self.zoom.counters().total();
        // What was compared before this run is no witness of it.
        let _ = self.clock.take_comparison();
        let result = match self.execute(&run).await {
            Ok(()) => self.note_what_zoom_told(&run).await,
            // A database that has failed is asked for no more than to log the end.
            Err(error) => Err(error),
        };
        let request = run.request;
        let mut summary = run.into_summary();
        summary.outcome = summary.outcome(stop.is_cancelled());
        if let Err(error) = &result {
            summary.outcome = RunOutcome::Failed;
            summary.error = Some(error.to_string());
        }
        let sent = self.zoom.counters().total();
        summary.requests = sent.requests - before.requests;
        let totals = RunTotals {
            instances_found: summary.instances_found,
            instances_due: summary.instances_due,
            requests: summary.requests,
            retries: sent.retries - before.retries,
            throttled: sent.throttled - before.throttled,
        };
        summary.seconds = self.clock.now().since(summary.started_at).as_secs_f64();
        let end = RunEnd { outcome: summary.outcome, error: summary.error.clone() };
        let ended = self.store.end_run(summary.run_id, &totals, &end, self.clock.now()).await;
        // A log line less complete is no reason to call a run failed.
        let quota = self.store.heavy_pool(self.clock.now()).await.unwrap_or_default();
        log::run_ended(request, &summary, quota);
        result?;
        ended?;
        Ok(summary)
    }

    /// Notes what Zoom's answers told beside what was asked, and gives back what was reserved and not sent.
    async fn note_what_zoom_told(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        if matches!(run.summary().aborted, Some(AbortReason::Ledger(_))) {
            return Ok(());
        }
        let compared = self.compare_clocks(run).await;
        // The ledger then counts a few requests more than were sent, and nothing else.
        if let Err(error) = self.zoom.return_unused().await {
            tracing::debug!(%error, "could not return unused reservations");
        }
        if let Err(error) = self.store.count_answers(&self.zoom.counters().take_answers()).await {
            tracing::debug!(%error, "could not store response counts");
        }
        compared
    }

    /// Discovers what a run would read, and reads nothing: for a look before a backfill.
    ///
    /// What is discovered is written to this collector's database, which had better be a scratch one.
    pub(crate) async fn preview(
        &self,
        request: &RunRequest,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<(Summary, Vec<DueInstance>), StoreError> {
        let run = RunContext::new(request, Summary::default(), observe, stop);
        self.discover(&run).await?;
        let due = self.store.due(&request.selection, self.clock.now()).await?;
        let mut summary = run.into_summary();
        summary.outcome = summary.outcome(stop.is_cancelled());
        Ok((summary, due))
    }

    async fn execute(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        self.open(run).await?;
        if !self.preflight(run).await {
            return Ok(());
        }
        self.discover(run).await?;
        if run.is_over() {
            return Ok(());
        }
        let due = self.store.due(&run.request.selection, self.clock.now()).await?;
        let due = self.within_share_of_empty(due).await?;
        self.fetch_all(due, run).await
    }

    /// Fetches these instances side by side, until nothing more can be read or another process waits.
    async fn fetch_all(&self, due: Vec<DueInstance>, run: &RunContext<'_>) -> Result<(), StoreError> {
        let wanted = due.len();
        run.summary().instances_due = wanted as u64;
        run.tell(Event::Due(wanted));
        let mut begun = 0;
        let mut reports = stream::iter(due)
            .take_while(|_| {
                let goes_on = begun == 0 || !(self.should_yield)();
                begun += usize::from(goes_on);
                std::future::ready(goes_on)
            })
            .map(|instance| {
                let span = log::instance_span(&instance);
                self.collect_instance(instance, run).instrument(span)
            })
            .buffer_unordered(fetch::MOST_AT_ONCE);
        let mut failed = None;
        while let Some(result) = reports.next().await {
            match result {
                Ok(Some(report)) => {
                    run.summary().add_report(&report);
                    run.tell(Event::Instance(report));
                }
                // It was not read, because the run is over.
                Ok(None) => {}
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        drop(reports);
        run.summary().yielded = begun < wanted && !run.is_over();
        failed.map_or(Ok(()), Err)
    }

    /// Notes what the config names, and which sources are closed; a person who asks has them all tried again, and who names
    /// meetings has all that was refused.
    async fn open(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        let (request, now) = (run.request, self.clock.now());
        let listed: Vec<Subject> = if request.account_wide {
            vec![Subject::Account]
        } else {
            request.meetings.iter().copied().map(Subject::Meeting).collect()
        };
        if request.account_wide || !request.ignore_backoff {
            self.store.note_listed(&listed, now).await?;
        }
        if !request.ignore_backoff {
            self.store.forget_refusals_but_of(&listed).await?;
        }
        let longest_wait =
            self.settings.policy.rereads.last().map_or(LONGEST_WAIT, |age| LONGEST_WAIT.max(*age));
        let ignored = self.store.ignore_impossible_instants(longest_wait, now).await?;
        if ignored > 0 {
            run.warn(format!(
                "{ignored} instants in the database are further ahead than they can be, and are ignored; was the clock of \
                 this machine ahead?"
            ));
        }
        self.store.open_sources_if_changed(&self.settings.access, now).await?;
        // A backfill that goes on after it yielded is not a person who asks again.
        let is_asked_anew = request.selection.begun_before.is_none();
        if matches!(request.trigger, Trigger::Manual | Trigger::Backfill) && is_asked_anew {
            self.store.open_sources(request.ignore_backoff, now).await?;
        }
        self.closed_sources.set(self.store.source_standing(now).await?);
        Ok(())
    }

    /// Compares this machine's clock with what Zoom's answers said.
    async fn compare_clocks(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        let Some(comparison) = self.clock.take_comparison() else { return Ok(()) };
        run.summary().clocks = Some(comparison);
        if comparison.agrees() {
            return self.store.note_clock(None).await;
        }
        run.warn(clock_warning(comparison.ahead_ms()));
        self.store.note_clock(Some(comparison.ahead_ms())).await
    }

    /// Without those instances that were empty when they were read last and for which the day's share is spent: a tenth
    /// of the daily pool. They come last.
    async fn within_share_of_empty(&self, due: Vec<DueInstance>) -> Result<Vec<DueInstance>, StoreError> {
        // The two lists of the Dashboard, and the two other sources.
        const REQUESTS_EACH: u64 = 4;
        if due.last().is_none_or(|instance| !instance.was_empty) {
            return Ok(due);
        }
        let now = self.clock.now();
        let (_, Some(pool)) = self.store.heavy_pool(now).await? else { return Ok(due) };
        let left = (pool / 10).saturating_sub(self.store.requests_for_empty(now).await?);
        let mut empty = 0;
        let within = |instance: &DueInstance| {
            empty += u64::from(instance.was_empty);
            !instance.was_empty || empty <= left / REQUESTS_EACH
        };
        Ok(due.into_iter().filter(within).collect())
    }
}

/// What is said where this machine's clock is so many milliseconds ahead of Zoom's, or behind.
pub(crate) fn clock_warning(ahead_ms: i64) -> String {
    let (minutes, way) = (ahead_ms.unsigned_abs() / 60_000, if ahead_ms > 0 { "ahead of" } else { "behind" });
    format!(
        "the clock of this machine is {minutes} min {way} Zoom's; set it right: what is due when, and what is old, rests \
         on it, and nothing is pruned until then"
    )
}
