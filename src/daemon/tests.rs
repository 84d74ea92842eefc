//! The daemon's loop, step by step, by a clock that stands until a test moves it.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::store::{RunEnd, RunTotals};

/// How a run of the stage ends.
#[derive(Clone, Copy)]
enum Script {
    Well,
    Badly,
    Panicking,
    /// When the gate is opened, or when it is stopped.
    AtTheGate,
}

/// Makes runs that do nothing, and notes them as a run does.
struct Runs {
    store: Store,
    clock: Clock,
    script: Mutex<VecDeque<Script>>,
    gate: Semaphore,
    at_once: AtomicUsize,
}

impl Runner for Runs {
    async fn run(
        &self,
        trigger: Trigger,
        slot_at: Option<Timestamp>,
        stop: CancellationToken,
    ) -> Result<Summary, StoreError> {
        assert_eq!(self.at_once.fetch_add(1, Ordering::SeqCst), 0, "two runs at once");
        let run_id = self.store.begin_run(trigger, slot_at, self.clock.now()).await.unwrap();
        let script = self.script.lock().unwrap().pop_front().unwrap_or(Script::Well);
        let mut outcome = RunOutcome::Ok;
        match script {
            Script::Well => {}
            Script::AtTheGate => tokio::select! {
                permit = self.gate.acquire() => permit.unwrap().forget(),
                () = stop.cancelled() => outcome = RunOutcome::Interrupted,
            },
            Script::Badly | Script::Panicking => {
                self.at_once.store(0, Ordering::SeqCst);
                assert!(!matches!(script, Script::Panicking), "the script says so");
                return Err(StoreError::Full { path: self.store.path().to_owned() });
            }
        }
        let end = RunEnd { outcome, error: None };
        self.store.end_run(run_id, &RunTotals::default(), &end, self.clock.now()).await.unwrap();
        self.at_once.store(0, Ordering::SeqCst);
        Ok(Summary { run_id, outcome, ..Summary::default() })
    }
}

struct Stage {
    _directory: TempDir,
    store: Store,
    clock: Clock,
    runs: Arc<Runs>,
    stop: CancellationToken,
}

fn at(text: &str) -> Timestamp {
    crate::model::parse_instant(text).unwrap()
}

fn config(runs: &Arc<Runs>, cron: &str) -> DaemonConfig<Runs> {
    let schedule = Schedule::parse(cron, chrono_tz::Tz::Europe__Berlin).unwrap();
    DaemonConfig { schedule, runner: Arc::clone(runs) }
}

impl Stage {
    async fn at(now: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a.db")).await.unwrap();
        let clock = Clock::fixed(at(now));
        let runs = Runs {
            store: store.clone(),
            clock: clock.clone(),
            script: Mutex::default(),
            gate: Semaphore::new(0),
            at_once: AtomicUsize::new(0),
        };
        Self { _directory: directory, store, clock, runs: Arc::new(runs), stop: CancellationToken::new() }
    }

    fn script(self, script: impl Into<VecDeque<Script>>) -> Self {
        *self.runs.script.lock().unwrap() = script.into();
        self
    }

    async fn daemon(&self, cron: &str) -> Daemon<Runs> {
        let config = config(&self.runs, cron);
        Daemon::new(self.store.clone(), self.clock.clone(), config, self.stop.clone()).await.unwrap()
    }

    /// One step at this instant, and the run that it began, if it did, to its end.
    async fn step(&self, daemon: &mut Daemon<Runs>, now: &str) {
        self.clock.set(at(now));
        daemon.wake().await;
        daemon.settle().await;
    }

    /// Trigger, slot and outcome of every run.
    async fn log(&self) -> Vec<String> {
        let rows: Vec<(String, Option<String>, String)> =
            sqlx::query_as("SELECT trigger, substr(slot, 6, 11), outcome FROM runs ORDER BY run_id")
                .fetch_all(self.store.pool())
                .await
                .unwrap();
        rows.into_iter()
            .map(|(trigger, slot, outcome)| format!("{trigger} {} {outcome}", slot.unwrap_or_default()))
            .collect()
    }
}

const QUARTERS: &str = "0 */15 * * * *";

#[tokio::test]
async fn a_new_database_begins_with_the_next_slot() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    daemon.start(false);
    assert!(daemon.current.is_none());
    stage.step(&mut daemon, "2026-03-02T09:14:59Z").await;
    assert_eq!(stage.log().await, [""; 0]);
    stage.step(&mut daemon, "2026-03-02T09:15:00Z").await;
    stage.step(&mut daemon, "2026-03-02T09:15:01Z").await;
    assert_eq!(stage.log().await, ["scheduled 03-02T09:15 ok"]);
    assert_eq!(
        daemon.status(),
        "waiting; last run ok at 2026-03-02 09:15:00 UTC; next slot 2026-03-02 09:30:00 UTC"
    );
}

#[tokio::test]
async fn on_start_a_run_is_made_that_stands_for_no_slot() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    daemon.start(true);
    daemon.settle().await;
    assert_eq!(stage.log().await, ["scheduled  ok"]);
}

#[tokio::test]
async fn downtime_makes_one_catch_up_run_whether_or_not_one_is_made_on_start() {
    for on_start in [true, false] {
        let stage = Stage::at("2026-03-01T09:00:00Z").await;
        let mut before = stage.daemon(QUARTERS).await;
        stage.step(&mut before, "2026-03-01T09:15:00Z").await;
        drop(before);

        stage.clock.set(at("2026-03-02T11:07:00Z"));
        let mut daemon = stage.daemon(QUARTERS).await;
        daemon.start(on_start);
        daemon.settle().await;
        stage.step(&mut daemon, "2026-03-02T11:08:00Z").await;
        assert_eq!(stage.log().await, ["scheduled 03-01T09:15 ok", "catch_up 03-02T11:00 ok"]);
    }
}

#[tokio::test]
async fn a_suspended_machine_and_a_clock_that_leaps_make_one_catch_up_run() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    stage.step(&mut daemon, "2026-03-05T10:20:00Z").await;
    stage.step(&mut daemon, "2026-03-05T10:30:00Z").await;
    assert_eq!(stage.log().await, ["catch_up 03-05T10:15 ok", "scheduled 03-05T10:30 ok"]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_goes_on_from_there() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    stage.step(&mut daemon, "2026-03-02T09:15:00Z").await;
    stage.step(&mut daemon, "2026-03-01T08:50:00Z").await;
    stage.step(&mut daemon, "2026-03-01T09:00:00Z").await;
    assert_eq!(stage.log().await, ["scheduled 03-02T09:15 ok", "scheduled 03-01T09:00 ok"]);

    // The same, over a restart: the slot that is stored for tomorrow holds nothing up.
    let mut daemon = stage.daemon(QUARTERS).await;
    daemon.start(false);
    assert!(daemon.current.is_none());
    stage.step(&mut daemon, "2026-03-01T09:15:00Z").await;
    assert_eq!(stage.log().await[2..], ["scheduled 03-01T09:15 ok"]);
}

#[tokio::test]
async fn every_day_has_its_slot_when_clocks_change() {
    let stage = Stage::at("2026-03-28T00:00:00Z").await;
    let mut daemon = stage.daemon("0 30 2 * * *").await;
    // A look every ten minutes, over four days.
    for look in 0..(4 * 24 * 6) {
        stage.clock.set(at("2026-03-28T00:00:00Z").plus(Duration::from_mins(10) * look));
        daemon.wake().await;
        daemon.settle().await;
    }
    assert_eq!(
        stage.log().await,
        [
            "scheduled 03-28T01:30 ok",
            "scheduled 03-29T01:00 ok",
            "scheduled 03-30T00:30 ok",
            "scheduled 03-31T00:30 ok"
        ]
    );
}

#[tokio::test]
async fn a_slot_that_comes_while_a_run_is_on_is_noted_as_skipped() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await.script([Script::AtTheGate]);
    let mut daemon = stage.daemon(QUARTERS).await;
    stage.clock.set(at("2026-03-02T09:15:00Z"));
    daemon.wake().await;
    for slot in ["2026-03-02T09:30:00Z", "2026-03-02T09:45:00Z"] {
        stage.clock.set(at(slot));
        daemon.wake().await;
        assert!(daemon.current.is_some());
    }
    stage.runs.gate.add_permits(1);
    daemon.settle().await;
    stage.step(&mut daemon, "2026-03-02T09:46:00Z").await;
    stage.step(&mut daemon, "2026-03-02T10:00:00Z").await;
    let mut log = stage.log().await;
    // Whether the run or the first skipped slot is written first is left to the threads.
    log.sort();
    assert_eq!(
        log,
        [
            "scheduled 03-02T09:15 ok",
            "scheduled 03-02T09:30 skipped",
            "scheduled 03-02T09:45 skipped",
            "scheduled 03-02T10:00 ok"
        ]
    );
}

#[tokio::test]
async fn after_a_panic_or_an_error_the_next_slot_comes() {
    let stage =
        Stage::at("2026-03-02T09:01:00Z").await.script([Script::Panicking, Script::Badly, Script::Well]);
    let mut daemon = stage.daemon(QUARTERS).await;
    for slot in ["2026-03-02T09:15:00Z", "2026-03-02T09:30:00Z", "2026-03-02T09:45:00Z"] {
        stage.step(&mut daemon, slot).await;
        let outcome = if slot.contains("09:45") { "ok" } else { "failed" };
        assert!(daemon.status().contains(&format!("last run {outcome}")), "{}", daemon.status());
    }
    // What a run that broke off left open, the next one closes.
    assert_eq!(
        stage.log().await,
        [
            "scheduled 03-02T09:15 interrupted",
            "scheduled 03-02T09:30 interrupted",
            "scheduled 03-02T09:45 ok"
        ]
    );
}

#[tokio::test]
async fn a_run_waits_for_the_process_that_holds_the_database() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    let lock = RunLock::try_acquire(stage.store.path()).unwrap().unwrap();
    stage.clock.set(at("2026-03-02T09:15:00Z"));
    daemon.wake().await;
    while !lock.has_waiters() {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.log().await, [""; 0]);
    drop(lock);
    daemon.settle().await;
    assert_eq!(stage.log().await, ["scheduled 03-02T09:15 ok"]);
}

#[tokio::test]
async fn a_stop_ends_the_run_that_is_on_and_the_one_that_waits() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await.script([Script::AtTheGate]);
    let mut daemon = stage.daemon(QUARTERS).await;
    stage.clock.set(at("2026-03-02T09:15:00Z"));
    daemon.wake().await;
    while stage.log().await.is_empty() {
        tokio::task::yield_now().await;
    }
    stage.stop.cancel();
    daemon.finish().await;
    assert_eq!(stage.log().await, ["scheduled 03-02T09:15 interrupted"]);

    let lock = RunLock::try_acquire(stage.store.path()).unwrap();
    stage.clock.set(at("2026-03-02T09:30:00Z"));
    daemon.wake().await;
    daemon.finish().await;
    assert!(daemon.current.is_none() && lock.is_some());
    assert_eq!(stage.log().await.len(), 1);
}

#[tokio::test]
async fn a_new_schedule_counts_from_now_on() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    stage.clock.set(at("2026-03-02T09:16:00Z"));
    // The slot that is due by the old schedule is served, and no slot of the new one is taken for a missed one.
    daemon.replace(config(&stage.runs, "0 */5 * * * *")).await;
    daemon.settle().await;
    stage.step(&mut daemon, "2026-03-02T09:19:00Z").await;
    stage.step(&mut daemon, "2026-03-02T09:20:00Z").await;
    assert_eq!(stage.log().await, ["scheduled 03-02T09:15 ok", "scheduled 03-02T09:20 ok"]);
}

#[tokio::test]
async fn a_file_that_is_not_its_own_any_more_is_the_end_and_nothing_is_written() {
    let stage = Stage::at("2026-03-02T09:01:00Z").await;
    let mut daemon = stage.daemon(QUARTERS).await;
    stage.step(&mut daemon, "2026-03-02T09:15:00Z").await;
    let path = stage.store.path().to_owned();
    std::fs::rename(&path, path.with_file_name("b.db")).unwrap();
    stage.step(&mut daemon, "2026-03-02T09:30:00Z").await;
    assert!(matches!(daemon.lost, Some(StoreError::Moved { .. })), "{:?}", daemon.lost);
    assert_eq!(stage.log().await, ["scheduled 03-02T09:15 ok"]);
    assert!(!path.exists());

    std::fs::rename(path.with_file_name("b.db"), &path).unwrap();
    let mut daemon = stage.daemon(QUARTERS).await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(later).execute(stage.store.pool()).await.unwrap();
    stage.step(&mut daemon, "2026-03-02T09:45:00Z").await;
    assert!(matches!(daemon.lost, Some(StoreError::Newer { .. })), "{:?}", daemon.lost);
    assert_eq!(stage.log().await.len(), 1);
}
