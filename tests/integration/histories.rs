//! Whatever came before, nothing is lost that Zoom still has, and no more is asked than the plan allows.
//!
//! A history is any sequence of scheduled runs, `--meeting` runs and backfills (forced, interrupted, handed over), of
//! refusals and empty answers, stops, crashes, a locked database and downtimes, over a small world. Then all trouble
//! ends and good runs are made, as late as the contract lets things rest: a meeting and a source for a day, a parked
//! instance for a week. After them every instance that Zoom still has, of the time since its meeting was first listed
//! less the lookback, is read completely, from the richest source that serves it, with exactly Zoom's rows.
//!
//! `cargo test --test integration ten_thousand -- --ignored` tries more of them; `HISTORIES=500` says how many.

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use rollcall::clock::Clock;
use rollcall::collect::{Collector, Event, RunRequest, Summary};
use rollcall::commands::support::errors::code_of_run;
use rollcall::exit::ExitCode;
use rollcall::model::{InstanceUuid, RunOutcome, Source, Timestamp, Trigger, Window};
use rollcall::simulator::{Instance, LoggedRequest, SimulatedEndpoint, World};
use rollcall::store::Selection;
use sqlx::Connection as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::story::{
    Act, EMPTY_WEEKS, End, History, Kind, LONGEST, Licence, Moment, Place, Step, Trouble, WEEK, What, Whom,
    held, history, meeting_id,
};
use crate::harness::{DAY, HOUR, MINUTE, NOW, Stage, at, rows, uuid};

/// An instance by its meeting and its number.
type Which = (usize, usize);

/// How long a history may take, by the clock on the wall: one that waits for something is wrong.
const WALL_CLOCK_LIMIT: Duration = Duration::from_secs(20);

/// How long the smallest history that fails is looked for, in milliseconds.
const SHRINKING: u32 = 120_000;

/// A few, always the same ones, in the suite.
#[test]
fn nothing_is_lost_and_no_more_is_asked_than_planned() {
    try_histories(40, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
}

#[test]
#[ignore = "takes many minutes: run it with --ignored, and say by HISTORIES how many"]
fn nothing_is_lost_over_ten_thousand_histories() {
    let histories = std::env::var("HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("HISTORIES_SEED").unwrap_or_else(|| Clock::system().now().millis().unsigned_abs());
    println!("HISTORIES_SEED={seed}");
    let mut dice = [0; 32];
    dice[..8].copy_from_slice(&seed.to_le_bytes());
    let begun = Clock::system().now();
    try_histories(histories, TestRng::from_seed(RngAlgorithm::ChaCha, &dice));
    println!("{histories} histories in {:.0} s", Clock::system().now().since(begun).as_secs_f64());
}

fn try_histories(cases: u32, dice: TestRng) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 600,
        max_shrink_time: SHRINKING,
        ..Config::default()
    };
    let ground = Ground::new();
    let result = TestRunner::new_with_rng(config, dice)
        .run(&history(), |history| live(&ground, &history).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Where databases are made: in memory where the system has such a place, each a copy of an empty one.
struct Ground {
    place: TempDir,
}

impl Ground {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let place = place.unwrap();
        runtime().block_on(async {
            let store = rollcall::store::Store::open(&place.path().join("empty.db")).await.unwrap();
            store.close().await;
        });
        Self { place }
    }

    fn directory(&self) -> TempDir {
        let directory = TempDir::new_in(self.place.path()).unwrap();
        std::fs::copy(self.place.path().join("empty.db"), directory.path().join("rollcall.db")).unwrap();
        directory
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Lives through a history; what is wrong in the end, or on the way.
fn live(ground: &Ground, history: &History) -> Result<(), String> {
    runtime().block_on(async {
        let mut life = Life::new(ground, history).await;
        let mut steps = 0;
        let lived = tokio::time::timeout(WALL_CLOCK_LIMIT, async {
            for step in &history.steps {
                life.step(step).await?;
                steps += 1;
            }
            life.end_well().await
        });
        let result = lived.await.unwrap_or_else(|_| Err("it goes on for ever".to_owned()));
        result.map_err(|words| format!("{}, after {steps} steps: {words}", life.now()))
    })
}

/// A history while it is lived.
struct Life<'h> {
    history: &'h History,
    stage: Stage,
    /// What makes the scheduled runs, until a crash.
    daemon: Collector,
    /// When a run first saw what is listed.
    listed_at: Option<Timestamp>,
    troubles: Vec<(Trouble, Timestamp, Timestamp)>,
    /// The first and the last run in which Zoom said that it has no data of an instance, and
    missing: BTreeMap<Which, (Timestamp, Timestamp)>,
    /// that nobody was in it.
    empty: BTreeMap<Which, (Timestamp, Timestamp)>,
    /// Instances of the good days at the end.
    fresh: Vec<(usize, InstanceUuid)>,
}

/// Where an instance stood before a run.
struct Standing {
    state: String,
    due_at: Option<Timestamp>,
    source: Option<Source>,
    /// Zoom has not told when it began, so it belongs to any window.
    is_undated: bool,
}

/// How a run came out.
enum Ended {
    Well(Box<Summary>),
    Crashed,
    /// By a fault of the database, in words.
    Broken(String),
}

impl<'h> Life<'h> {
    async fn new(ground: &Ground, history: &'h History) -> Self {
        let world = history
            .all()
            .fold(World::new(), |world, ((of, number), _)| world.with(history.instance(of, number)));
        let mut stage = Stage::within(ground.directory(), world, |options| {
            options.end_delay = history.end_delay.duration();
            options.untold_end = history.untold_end;
        })
        .await;
        stage.page_size = history.page_size;
        stage.zoom.world(|world| {
            for (of, held) in history.meetings.iter().enumerate() {
                if held.licence == Licence::None {
                    world.unlicense(&format!("host{of}"));
                }
            }
        });
        history.refused_always().into_iter().for_each(|fault| stage.zoom.fault(fault));
        wait_shortly(&stage).await;
        Self {
            history,
            daemon: stage.collector(),
            stage,
            listed_at: None,
            troubles: Vec::new(),
            missing: BTreeMap::new(),
            empty: BTreeMap::new(),
            fresh: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        self.stage.clock.now()
    }

    /// Lets time go by, as far as a history may reach.
    fn pass(&self, span: Duration) {
        let last = at(NOW).plus(LONGEST).max(self.now());
        self.stage.clock.set(self.now().plus(span).min(last));
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        self.pass(step.after.duration());
        match &step.act {
            Act::Scheduled { runs, apart, end } => {
                for number in 0..*runs {
                    if number > 0 {
                        self.pass(apart.duration());
                    }
                    let before = self.standings().await;
                    let ended = self.run(&self.stage.request(), *end).await?;
                    if number > 0 && apart.0 == 0 && *end == End::Done && self.is_quiet() {
                        self.asks_nothing_again(number, &before, &ended)?;
                    }
                }
                Ok(())
            }
            Act::Collect { meeting, end } => {
                let meetings = vec![meeting_id(*meeting)];
                let request = RunRequest {
                    trigger: Trigger::Manual,
                    ignore_backoff: true,
                    selection: Selection { meetings: meetings.clone(), ..Selection::default() },
                    meetings,
                    ..self.stage.request()
                };
                self.run(&request, *end).await.map(|_| ())
            }
            Act::Backfill { from, to, force, meeting, end } => {
                let request = self.backfill(*from, *to, *force, *meeting);
                self.run(&request, *end).await.map(|_| ())
            }
            Act::HandedOver { from, force, after } => {
                self.hand_over(self.backfill(*from, 0, *force, None), usize::from(*after)).await
            }
            Act::Trouble(trouble) => {
                let now = self.now();
                trouble.faults(self.history, now).into_iter().for_each(|fault| self.stage.zoom.fault(fault));
                self.troubles.push((trouble.clone(), now, now.plus(trouble.lasts.duration())));
                Ok(())
            }
        }
    }

    fn backfill(&self, from: u16, to: u16, force: bool, meeting: Option<usize>) -> RunRequest {
        let now = self.now();
        let window = Window { from: now.minus(u32::from(from) * DAY), to: now.minus(u32::from(to) * DAY) };
        let meetings = meeting.map_or_else(|| self.stage.meetings.clone(), |of| vec![meeting_id(of)]);
        RunRequest {
            trigger: Trigger::Backfill,
            ignore_backoff: true,
            window: Some(window),
            selection: Selection {
                meetings: meetings.clone(),
                window: Some(window),
                force,
                ..Selection::default()
            },
            meetings,
            ..self.stage.request()
        }
    }

    /// A backfill that lets a scheduled run through each time after so many instances, and goes on afterwards, as
    /// `rollcall backfill` does.
    async fn hand_over(&mut self, mut request: RunRequest, after: usize) -> Result<(), String> {
        for _ in 0..=self.history.all().count() {
            let begun = Arc::new(AtomicUsize::new(1));
            let awaited = move || begun.fetch_add(1, Ordering::Relaxed) >= after;
            let collector = self.stage.collector().yield_when(awaited);
            let Ended::Well(summary) = self.run_by(collector, &request, End::Done).await? else {
                return Ok(());
            };
            if !summary.yielded {
                return Ok(());
            }
            request.selection.begun_before.get_or_insert(summary.started_at);
            self.pass(MINUTE);
            self.run(&self.stage.request(), End::Done).await?;
        }
        Err("a backfill that hands over never comes to its end".to_owned())
    }

    /// All trouble ends, life goes on for some days, and everything must be there then.
    async fn end_well(&mut self) -> Result<(), String> {
        self.stage.zoom.clear_faults();
        self.troubles.clear();
        self.history.refused_always().into_iter().for_each(|fault| self.stage.zoom.fault(fault));
        // What rests has come due: a meeting and a source after a day, a parked instance after a week; and what was
        // read from a poorer source in the first run that the richer one serves again is lifted in the next.
        for (day, hours) in [25, 26, 8 * 24, 25, 25].into_iter().enumerate() {
            self.stage.clock.set(self.now().plus(hours * HOUR));
            if day < 4 {
                self.hold_classes(day);
            }
            self.run(&self.stage.request(), End::Done).await?;
        }
        let mut lost = Vec::new();
        for (which, holding) in self.history.all() {
            let instance = self.history.instance(which.0, which.1);
            if self.is_promised(&instance) && holding.gone_after.is_none() {
                lost.extend(self.wrong_with(&instance, Some(which)).await);
            }
        }
        for (of, uuid) in self.fresh.clone() {
            let instance = self.stage.zoom.world(|world| world.instance(&uuid).unwrap().clone());
            if self.history.meetings[of].licence != Licence::None {
                lost.extend(self.wrong_with(&instance, None).await);
            }
        }
        if !lost.is_empty() {
            return Err(lost.join("; "));
        }
        self.run(&self.stage.request(), End::Done).await?;
        match self.heavy().len() {
            0 => Ok(()),
            some => Err(format!("a second run without news makes {some} Heavy requests: {:?}", self.heavy())),
        }
    }

    /// A class of two in each meeting, which ended three hours ago.
    fn hold_classes(&mut self, day: usize) {
        for of in 0..self.history.meetings.len() {
            let uuid = uuid(&format!("m{of}fresh{day}=="));
            let mut class = held(of, uuid.clone(), self.now().minus(4 * HOUR), 2);
            class.host.id = format!("host{of}");
            self.stage.zoom.world(|world| world.add_instance(class));
            self.fresh.push((of, uuid));
        }
    }

    /// Whether the contract promises that it is read: it began late enough, and is over.
    fn is_promised(&self, instance: &Instance) -> bool {
        let lookback = self.stage.settings.lookback;
        let is_over = instance.end.is_some_and(|end| end <= self.now());
        // Nobody ran before the good days: they were the first to list it.
        is_over && self.listed_at.is_some_and(|listed_at| instance.start >= listed_at.minus(lookback))
    }

    /// What is wrong with how an instance is stored.
    async fn wrong_with(&self, instance: &Instance, which: Option<Which>) -> Option<String> {
        let name = instance.uuid.as_str();
        let of = self.history.meetings.iter().enumerate();
        let licence = of
            .filter(|(of, _)| meeting_id(*of) == instance.meeting_id)
            .map(|(_, held)| held.licence)
            .next()
            .unwrap_or(Licence::Full);
        let one = instance.sessions.len() == 1;
        // Only the Dashboard lists meetings of one.
        if licence == Licence::None || (licence == Licence::NoDashboard && one) {
            return None;
        }
        let held = self
            .stage
            .rows(&format!(
                "SELECT h.state, i.complete, h.source, h.rows_stored, h.reason, h.end_time = h.start_time \
                   FROM meetings_held h JOIN instances i ON i.uuid = h.instance_uuid WHERE i.uuid = '{name}'"
            ))
            .await;
        let Some(line) = held.first() else { return Some(format!("{name} is not known")) };
        let columns: Vec<&str> = line.split('|').collect();
        let (state, complete, source, stored) = (columns[0], columns[1], columns[2], columns[3]);
        if let Some(which) = which
            && self.may_be_given_up(which, state, one, stored).await
        {
            return None;
        }
        let sources: &[&str] = match licence {
            _ if which.is_some_and(|which| self.may_stay_with_a_poorer_source(which)) => {
                &["dashboard", "report", "past_meetings"]
            }
            Licence::Full => &["dashboard"],
            _ => &["report"],
        };
        let found: BTreeSet<String> = self
            .stage
            .rows(&format!(
                "SELECT user_id, user_name, join_time, leave_time FROM participants \
                  WHERE instance_uuid = '{name}' AND withdrawn_at IS NULL"
            ))
            .await
            .into_iter()
            .collect();
        let wanted = zooms_rows(instance);
        let right = matches!(state, "settled" | "collected") && complete == "1" && sources.contains(&source);
        if !right || found != wanted || columns[5] == "1" {
            let fetches = self
                .stage
                .rows(&format!(
                    "SELECT started_at, source, outcome, rows_received, error FROM fetches WHERE instance_uuid = '{name}'"
                ))
                .await;
            return Some(format!(
                "{name} of {} is {line}, with {} of its {} rows; its fetches: {fetches:?}",
                instance.start,
                found.intersection(&wanted).count(),
                wanted.len()
            ));
        }
        None
    }

    /// Whether the contract lets an instance be given up for what Zoom said of it.
    async fn may_be_given_up(&self, which: Which, state: &str, one: bool, stored: &str) -> bool {
        let lasted = |spells: &BTreeMap<Which, (Timestamp, Timestamp)>, span: Duration| {
            spells.get(&which).is_some_and(|(first, last)| last.since(*first) >= span)
        };
        let (of, number) = which;
        let name = self.history.uuid(of, number);
        match state {
            "unavailable" => lasted(&self.missing, WEEK),
            // Empty for nine weeks; or at most one person was in it, and the Dashboard did not answer.
            "settled" if stored == "0" => {
                lasted(&self.empty, EMPTY_WEEKS) || (one && self.empty.contains_key(&which))
            }
            // Zoom kept pages back for a week, or three times alike; what came is there.
            "settled" => {
                let short = "SELECT count(*) FROM fetches WHERE outcome = 'incomplete' AND rows_received > 0";
                let short = self.stage.row(&format!("{short} AND instance_uuid = '{name}'")).await;
                self.stage.row(&format!("SELECT complete FROM instances WHERE uuid = '{name}'")).await == "0"
                    && short.parse::<u32>().is_ok_and(|reads| reads >= 3)
            }
            _ => false,
        }
    }

    /// Whether the Dashboard, or the report, had nobody or nothing of it for a week while a poorer source had rows.
    fn may_stay_with_a_poorer_source(&self, which: Which) -> bool {
        let mut spells = [&self.empty, &self.missing].into_iter().filter_map(|spells| spells.get(&which));
        spells.any(|(first, last)| last.since(*first) >= WEEK)
    }

    /// Whether nothing is wrong just now that may be right at once.
    fn is_quiet(&self) -> bool {
        let now = self.now();
        let mut active = self.troubles.iter().filter(|(_, _, until)| now < *until);
        active.all(|(trouble, ..)| trouble.what.is_word_on_the_instance())
    }

    /// That the second of two runs at one time asks for nothing but what the first found a richer source for, and a
    /// third for nothing at all.
    fn asks_nothing_again(
        &self,
        number: u8,
        before: &BTreeMap<String, Standing>,
        ended: &Ended,
    ) -> Result<(), String> {
        let Ended::Well(summary) = ended else { return Ok(()) };
        if summary.aborted.is_some() {
            return Ok(());
        }
        let may_be_lifted = |name: &String| {
            let source = before.get(name).and_then(|standing| standing.source);
            number == 1 && source.is_some_and(|source| source < Source::Dashboard)
        };
        let again: Vec<String> = self.heavy().into_keys().filter(|name| !may_be_lifted(name)).collect();
        if again.is_empty() {
            return Ok(());
        }
        Err(format!("run {} at one time asks again for {again:?}", number + 1))
    }

    async fn run(&mut self, request: &RunRequest, end: End) -> Result<Ended, String> {
        let collector = match request.trigger {
            Trigger::Scheduled => self.daemon.clone(),
            _ => self.stage.collector(),
        };
        self.run_by(collector, request, end).await
    }

    /// One run, and whether it asked for no more than it may.
    async fn run_by(
        &mut self,
        collector: Collector,
        request: &RunRequest,
        end: End,
    ) -> Result<Ended, String> {
        let before = self.standings().await;
        self.stage.zoom.clear_requests();
        self.note_strikes();
        let now = self.now();
        let ended = self.drive(collector, request, end).await;
        match &ended {
            Ended::Well(summary) => {
                if !request.ignore_backoff {
                    self.listed_at.get_or_insert(now);
                }
                self.check_outcome(summary)?;
            }
            Ended::Crashed => {
                self.stage.reopen().await;
                wait_shortly(&self.stage).await;
                self.daemon = self.stage.collector();
            }
            Ended::Broken(words) if !matches!(end, End::Locked(_)) => {
                return Err(format!("a run breaks off: {words}"));
            }
            Ended::Broken(_) => {}
        }
        self.check_requests(request, &before)?;
        Ok(ended)
    }

    /// Notes of which instances Zoom says now that it has none, or nobody in them.
    fn note_strikes(&mut self) {
        let now = self.now();
        for (trouble, from, until) in &self.troubles {
            let spells = match trouble.what {
                What::NotThere => &mut self.missing,
                What::Empty => &mut self.empty,
                _ => continue,
            };
            let is_on = *from <= now && now < *until && trouble.place.has_participants();
            for (which, _) in self.history.all().filter(|(which, _)| is_on && trouble.strikes(*which)) {
                spells.entry(which).or_insert((now, now)).1 = now;
            }
        }
    }

    /// Makes a run, and ends it as it is to end.
    async fn drive(&self, collector: Collector, request: &RunRequest, end: End) -> Ended {
        let stop = CancellationToken::new();
        let events = AtomicUsize::new(0);
        let observe = |_: Event| {
            let seen = events.fetch_add(1, Ordering::Relaxed) + 1;
            if let End::StopAtEvent(event) = end
                && seen >= usize::from(event)
            {
                stop.cancel();
            }
        };
        let mut run = Box::pin(collector.run(request, &observe, &stop));
        let moment = match end {
            End::Done | End::StopAtEvent(_) => None,
            End::Stop(moment) | End::Crash(moment) | End::Locked(moment) => Some(moment),
        };
        let mut polls = 0;
        let early = poll_fn(|context| {
            if let Some(Moment { requests, polls: wanted }) = moment
                && self.stage.zoom.request_count() >= usize::from(requests)
            {
                if polls >= wanted {
                    return Poll::Ready(None);
                }
                polls += 1;
            }
            run.as_mut().poll(context).map(Some)
        })
        .await;
        let result = match (early, end) {
            (Some(result), _) => result,
            (None, End::Crash(_)) => return Ended::Crashed,
            (None, End::Locked(_)) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(self.stage.store.path())
                    .busy_timeout(Duration::ZERO);
                let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                // Between two of the run's own transactions.
                let mut over = None;
                while sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.is_err() && over.is_none() {
                    over = tokio::time::timeout(Duration::from_millis(1), &mut run).await.ok();
                }
                let result = match over {
                    Some(result) => result,
                    None => run.await,
                };
                other.close().await.ok();
                result
            }
            (None, _) => {
                stop.cancel();
                run.await
            }
        };
        match result {
            Ok(summary) => Ended::Well(Box::new(summary)),
            Err(error) => Ended::Broken(error.to_string()),
        }
    }

    async fn standings(&self) -> BTreeMap<String, Standing> {
        let lines = rows(
            &self.stage.store,
            "SELECT uuid, state, coalesce(due_at, ''), coalesce(source, ''), start_at IS NULL FROM instances",
        )
        .await;
        lines
            .iter()
            .map(|line| {
                let columns: Vec<&str> = line.split('|').collect();
                let standing = Standing {
                    state: columns[1].to_owned(),
                    due_at: columns[2].parse().ok().map(Timestamp::from_millis),
                    source: Source::from_text(columns[3]),
                    is_undated: columns[4] == "1",
                };
                (columns[0].to_owned(), standing)
            })
            .collect()
    }

    /// The Heavy requests for participants of the last run, by the instance that was asked for.
    fn heavy(&self) -> BTreeMap<String, usize> {
        let mut asked = BTreeMap::new();
        for request in self.stage.zoom.requests() {
            if let Some(name) = asked_for(&request) {
                *asked.entry(name).or_default() += 1;
            }
        }
        asked
    }

    /// That only what was due was asked for, and not more often than retries, restarts and the two lists allow.
    fn check_requests(
        &self,
        request: &RunRequest,
        before: &BTreeMap<String, Standing>,
    ) -> Result<(), String> {
        let now = self.now();
        let in_trouble = self.troubles.iter().any(|(_, _, until)| now < *until);
        for (name, requests) in self.heavy() {
            let instance = self.stage.zoom.world(|world| world.instance(&uuid(&name)).unwrap().clone());
            let begins_within =
                || request.selection.window.is_none_or(|window| window.contains(instance.start));
            if let Some(standing) = before.get(&name)
                && !(request.selection.force && (standing.is_undated || begins_within()))
                && !matches!(standing.state.as_str(), "known" | "live")
                // What every source refused is tried again for a person who asks.
                && !(request.ignore_backoff && standing.state == "parked")
                && standing.due_at.is_none_or(|due_at| due_at > now)
                && standing.source.is_none_or(|source| source == Source::Dashboard)
            {
                return Err(format!(
                    "{name} is {}, due at {:?}, and is asked for all the same",
                    standing.state,
                    standing.due_at.map(|due_at| due_at.to_string())
                ));
            }
            let page_size = usize::try_from(self.history.page_size).unwrap();
            let pages = instance.sessions.len().div_ceil(page_size).max(1);
            let encodings = if name.contains('/') { 2 } else { 1 };
            // `past`, `pastOne` and the report; two restarts, two retries; twice the pages where a total is too low.
            let most = if in_trouble { pages * 3 * encodings * 3 * 3 } else { pages + 3 * encodings };
            if requests > most {
                return Err(format!("{requests} Heavy requests for {name}, which has {pages} pages"));
            }
        }
        Ok(())
    }

    /// That a run in which everything was refused is not called a good one.
    fn check_outcome(&self, summary: &Summary) -> Result<(), String> {
        if matches!(summary.outcome, RunOutcome::Interrupted | RunOutcome::Quota) {
            return Ok(());
        }
        let log = self.stage.zoom.requests();
        let of_api = || log.iter().filter(|request| request.endpoint != Some(SimulatedEndpoint::Token));
        let refused = of_api().any(|request| request.status != Some(404));
        let served = of_api().any(|request| request.status == Some(200));
        let code = code_of_run(summary);
        if refused && !served && (summary.outcome == RunOutcome::Ok || code == ExitCode::Success) {
            return Err(format!("nothing was answered, and the run is {}, exit {code:?}", summary.outcome));
        }
        Ok(())
    }
}

/// Writes of this store wait for another program shortly, so that a test does not. It has one connection.
async fn wait_shortly(stage: &Stage) {
    sqlx::query("PRAGMA busy_timeout = 20").execute(stage.store.pool()).await.unwrap();
}

/// The rows of an instance as the view shows them.
fn zooms_rows(instance: &Instance) -> BTreeSet<String> {
    let text = |session: &rollcall::simulator::Session, field: &str| {
        session.get(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let row = |session: &rollcall::simulator::Session| {
        let instants = ["join_time", "leave_time"].map(|field| at(&text(session, field)).to_string());
        [text(session, "user_id"), text(session, "user_name")]
            .into_iter()
            .chain(instants)
            .collect::<Vec<_>>()
            .join("|")
    };
    instance.sessions.iter().map(row).collect()
}

/// The instance whose participants a Heavy request asks for.
fn asked_for(request: &LoggedRequest) -> Option<String> {
    let heavy = [Some(SimulatedEndpoint::MetricsParticipants), Some(SimulatedEndpoint::ReportParticipants)];
    let path = request.target.split('?').next()?;
    let segment = path.strip_suffix("/participants")?.rsplit('/').next()?;
    heavy.contains(&request.endpoint).then(|| {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        decode(&decode(segment))
    })
}

#[test]
fn a_history_can_be_read() {
    let story = format!("{:?}", sample());
    assert!(story.contains("/m0i0==: 2026-03-10T10:00:00.000Z, 3 people, FirstSlash"), "{story}");
    assert!(story.contains("0. 2026-03-11T13:00:00.000Z (after 1 d 1 h): Scheduled"), "{story}");
}

/// A history of one meeting, and of nothing but good runs.
fn sample() -> History {
    use self::story::{Held, Holding, Span};
    let holding = Holding { hour: -2, people: 3, kind: Kind::FirstSlash, gone_after: None };
    History {
        page_size: 2,
        end_delay: Span(0),
        untold_end: rollcall::simulator::UntoldEnd::Absent,
        meetings: vec![Held { licence: Licence::Full, instances: vec![holding] }],
        steps: vec![Step {
            after: Span(25 * 60),
            act: Act::Scheduled { runs: 1, apart: Span(0), end: End::Done },
        }],
    }
}

#[test]
fn a_history_of_good_runs_loses_nothing() {
    live(&Ground::new(), &sample()).unwrap();
}

/// The property can fail: what Zoom never serves is missed.
#[test]
fn a_loss_is_seen() {
    let trouble =
        Trouble { what: What::Blocked, whom: Whom::All, place: Place::Everywhere, lasts: story::Span(60) };
    let mut history = sample();
    let ground = Ground::new();
    history.meetings[0].licence = Licence::Full;
    history.steps.insert(0, Step { after: story::Span(0), act: Act::Trouble(trouble) });
    live(&ground, &history).unwrap();
    runtime().block_on(async {
        let mut life = Life::new(&ground, &history).await;
        life.stage
            .zoom
            .world(|world| world.instance_mut(&history.uuid(0, 0)).unwrap().gone_at = Some(at(NOW)));
        for step in &history.steps {
            life.step(step).await.unwrap();
        }
        let words = life.end_well().await.unwrap_err();
        assert!(words.contains("/m0i0== is not known"), "{words}");
    });
}
