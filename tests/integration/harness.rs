//! What the tests share: a simulated Zoom, a database, and a clock that both go by; and the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::collect::{CollectSettings, Collector, Event, RunRequest, StoreLedger, Summary};
use rollcall::decode::Dropped;
use rollcall::model::{InstanceUuid, MeetingId, Plan, Source, Timestamp, Trigger, Window, parse_instant};
use rollcall::plan::Policy;
use rollcall::simulator::{FIRST_USER_ID, Fault, Instance, Options, Session, Simulator, USER_ID_STEP, World};
use rollcall::store::{MeetingSettings, Selection, Settings as StoreSettings, Store};
use rollcall::zoom::{Rate, RateLimits, RetryPolicy, ZoomClient, ZoomSettings};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The present of the tests whose clock stands.
pub const NOW: &str = "2026-03-10T12:00:00Z";

/// The meeting that most tests are about.
pub const MEETING: i64 = 85_746_065_432;

/// An instance for each source of past ones, to be told by that alone.
pub const NEW_BY_SOURCE: [(&str, Source); 3] = [
    ("ByDashboard", Source::Dashboard),
    ("ByReport", Source::Report),
    ("ByPastMeetings", Source::PastMeetings),
];

pub const MINUTE: Duration = Duration::from_mins(1);
pub const HOUR: Duration = Duration::from_hours(1);
pub const DAY: Duration = Duration::from_hours(24);

pub fn at(text: &str) -> Timestamp {
    parse_instant(text).unwrap_or_else(|| panic!("{text} is no time"))
}

pub fn meeting(number: i64) -> MeetingId {
    MeetingId::new(number).unwrap()
}

pub fn uuid(text: &str) -> InstanceUuid {
    text.parse().unwrap()
}

/// An instance of [`MEETING`], an hour long, that ended so long ago.
pub fn lecture(name: &str, now: Timestamp, ended_ago: Duration) -> Instance {
    let end = now.minus(ended_ago);
    Instance::new(meeting(MEETING), uuid(name), "Algebra I", end.minus(HOUR), Some(end))
}

/// The stay of the participant with this number, a guest, over the whole of a lecture but its first minutes.
pub fn stay(of: &Instance, number: u64) -> Session {
    let end = of.end.expect("a lecture has ended");
    Session::new(
        FIRST_USER_ID + number * USER_ID_STEP,
        &format!("Guest {number:04}"),
        of.start.plus(MINUTE),
        end,
    )
}

/// So many guests in an instance.
pub fn guests(mut of: Instance, count: u64) -> Instance {
    of.sessions = (0..count).map(|number| stay(&of, number)).collect();
    of
}

/// A simulated Zoom, a database, and a clock that stands until a test moves it.
pub struct Stage {
    pub zoom: Simulator,
    pub clock: Clock,
    pub store: Store,
    pub settings: CollectSettings,
    pub page_size: u32,
    pub request_timeout: Duration,
    pub meetings: Vec<MeetingId>,
    directory: TempDir,
}

impl Stage {
    pub async fn new(world: World) -> Self {
        Self::with(world, |_| {}).await
    }

    /// As [`Stage::new`], with a Zoom that behaves otherwise.
    pub async fn with(world: World, change: impl FnOnce(&mut Options)) -> Self {
        Self::within(TempDir::new().unwrap(), world, change).await
    }

    /// As [`Stage::with`], with its database in this directory; one that is there already is taken over.
    pub async fn within(directory: TempDir, world: World, change: impl FnOnce(&mut Options)) -> Self {
        let clock = Clock::fixed(at(NOW));
        let mut options = Options { clock: clock.clone(), ..Options::default() };
        change(&mut options);
        let zoom = Simulator::start(options, world).await.unwrap();
        let store = Store::open(&directory.path().join("rollcall.db")).await.unwrap();
        store.apply_settings(&store_settings()).await.unwrap();
        let settings = CollectSettings {
            source: None,
            policy: Policy { rereads: vec![30 * MINUTE, DAY] },
            lookback: 7 * DAY,
            include_live: false,
            dropped: Dropped::default(),
            access: String::new(),
        };
        let meetings = zoom.world(|world| world.meetings()).into_iter().collect();
        let request_timeout = Duration::from_secs(5);
        Self { zoom, clock, store, settings, page_size: 300, request_timeout, meetings, directory }
    }

    /// Lets something go wrong from now on, in the words of `--fault`.
    pub fn fault(&self, text: &str) {
        self.zoom.fault(text.parse::<Fault>().unwrap_or_else(|error| panic!("{error}")));
    }

    /// One run, by a collector that remembers nothing of the one before.
    pub async fn run(&self) -> Summary {
        self.run_with(&self.request()).await.0
    }

    /// One run, and the warnings in it.
    pub async fn run_with(&self, request: &RunRequest) -> (Summary, Vec<String>) {
        let warnings = std::sync::Mutex::new(Vec::new());
        let collector = self.collector();
        let observe = |event: Event| {
            if let Event::Warning(words) = event {
                warnings.lock().unwrap().push(words);
            }
        };
        let summary = collector.run(request, &observe, &CancellationToken::new()).await.unwrap();
        (summary, warnings.into_inner().unwrap())
    }

    /// Reads the last week again from one source, whatever was read of it.
    pub async fn reread_from(&mut self, source: Source) {
        self.settings.source = Some(source);
        let mut request = self.request();
        request.selection.force = true;
        request.window = Some(Window { from: self.clock.now().minus(7 * DAY), to: self.clock.now() });
        let (summary, warnings) = self.run_with(&request).await;
        assert!(summary.instances_fetched > 0, "{source}: {summary:?} {warnings:?}");
    }

    /// One run so much later.
    pub async fn run_after(&self, span: Duration) -> Summary {
        self.clock.set(self.clock.now().plus(span));
        self.run().await
    }

    /// What makes runs here; it remembers nothing of the one before.
    pub fn collector(&self) -> Collector {
        Collector::new(self.client(), self.store.clone(), self.clock.clone(), self.settings.clone())
    }

    /// Opens the database anew, as the next process does after a crash.
    pub async fn reopen(&mut self) {
        let path = self.directory.path().join("rollcall.db");
        self.store.clone().close().await;
        self.store = Store::open(&path).await.unwrap();
    }

    pub fn request(&self) -> RunRequest {
        RunRequest {
            trigger: Trigger::Scheduled,
            slot_at: None,
            meetings: self.meetings.clone(),
            account_wide: false,
            ignore_backoff: false,
            window: None,
            selection: Selection::default(),
        }
    }

    /// A backfill of what began in the last so many days.
    pub fn backfill(&self, days: u32) -> RunRequest {
        let now = self.clock.now();
        let window = Window { from: now.minus(days * DAY), to: now };
        RunRequest {
            trigger: Trigger::Backfill,
            ignore_backoff: true,
            window: Some(window),
            selection: Selection {
                meetings: self.meetings.clone(),
                window: Some(window),
                ..Selection::default()
            },
            ..self.request()
        }
    }

    /// The rows that a query gives, each as text with `|` between the columns.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.store, sql).await
    }

    /// The one row that a query gives.
    pub async fn row(&self, sql: &str) -> String {
        let mut rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.remove(0)
    }

    /// Lets the config list the meetings of this stage, as the database sees it.
    pub async fn list(&self) {
        let listed = |meeting_id: &MeetingId| MeetingSettings {
            meeting_id: *meeting_id,
            label: None,
            personal: false,
            guests_per_instance: None,
            present_percent: None,
            late_after: None,
            planned: Vec::new(),
        };
        let meetings = self.meetings.iter().map(listed).collect();
        self.store.apply_settings(&StoreSettings { meetings, ..store_settings() }).await.unwrap();
    }

    /// State and reason of an instance.
    pub async fn state(&self, name: &str) -> String {
        self.row(&format!("SELECT state, reason FROM meetings_held WHERE instance_uuid = '{name}'")).await
    }

    /// How long an instance still waits to be read; none where nothing is to come.
    pub async fn until_due(&self, name: &str) -> Option<Duration> {
        let due_at = self.row(&format!("SELECT due_at FROM instances WHERE uuid = '{name}'")).await;
        let due_at = Timestamp::from_millis(due_at.parse().ok()?);
        Some(due_at.since(self.clock.now()))
    }

    fn client(&self) -> ZoomClient {
        let credentials = self.zoom.credentials();
        let fast = Rate::per_second(100_000);
        let limits = RateLimits {
            light: fast,
            medium: fast,
            heavy: fast,
            resource_intensive: fast,
            ..RateLimits::of(Plan::Business)
        };
        let ledger = StoreLedger::new(self.store.clone(), self.clock.clone(), limits.daily_quotas(), 0.8);
        let retry = RetryPolicy {
            attempts: 3,
            first_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(2),
        };
        let settings = ZoomSettings {
            account_id: credentials.account_id,
            client_id: credentials.client_id,
            client_secret: credentials.client_secret.into(),
            token_url: self.zoom.token_url().parse().unwrap(),
            api_url: Some(self.zoom.api_url().parse().unwrap()),
            page_size: self.page_size,
            request_timeout: self.request_timeout,
            limits,
            retry,
        };
        ZoomClient::new(settings, self.clock.clone(), Arc::new(ledger)).unwrap()
    }
}

pub fn store_settings() -> StoreSettings {
    StoreSettings {
        timezone: chrono_tz::Tz::UTC,
        present_percent: 75.0,
        late_after: 10 * MINUTE,
        stitch_gap: 5 * MINUTE,
        counts_from: 5 * MINUTE,
        guests_per_instance: false,
        shared: Vec::new(),
        meetings: Vec::new(),
    }
}

/// The rows that a query of a database gives, each as text with `|` between the columns.
pub async fn rows(store: &Store, sql: &str) -> Vec<String> {
    let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
    let rows: Vec<SqliteRow> =
        query.fetch_all(store.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = |row: &SqliteRow, at: usize| row.get_unchecked::<Option<String>, _>(at).unwrap_or_default();
    rows.iter().map(|row| (0..row.len()).map(|at| text(row, at)).collect::<Vec<_>>().join("|")).collect()
}

/// A directory in which the real program runs, alone with what it finds there.
pub struct Desk {
    directory: TempDir,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    /// A desk with a config that points to a Zoom, and has these lines before the sections.
    pub fn at_zoom(api_url: &str, token_url: &str, head: &str) -> Self {
        let credentials = rollcall::simulator::SimulatedCredentials::default();
        let desk = Self::new();
        desk.write(
            "config.toml",
            &format!(
                "{head}\n[zoom]\naccount_id = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\n\
                 token_url = \"{token_url}\"\napi_url = \"{api_url}\"\n",
                credentials.account_id, credentials.client_id, credentials.client_secret
            ),
        );
        desk
    }

    pub fn at_simulator(zoom: &Simulator, head: &str) -> Self {
        Self::at_zoom(&zoom.api_url(), &zoom.token_url(), head)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that only its owner can read.
    pub fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The program, with nothing of this machine's configuration in its surroundings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
        command.args(arguments).current_dir(self.directory.path()).env_clear();
        command.env("HOME", self.directory.path()).env("XDG_CONFIG_HOME", self.directory.path());
        command
    }

    /// Runs the program to its end.
    pub async fn run(&self, arguments: &[&str]) -> Finished {
        let command = self.command(arguments);
        self.finish(command).await
    }

    /// Runs this to its end, beside whatever serves it in this test.
    pub async fn finish(&self, mut command: Command) -> Finished {
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        self.finished(&output)
    }

    pub fn finished(&self, output: &Output) -> Finished {
        // Where the desk stands is no part of what a program says.
        let stable = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let real = self.directory.path().canonicalize().unwrap();
            [real.as_path(), self.directory.path()]
                .into_iter()
                .fold(text, |text, path| text.replace(&format!("{}/", path.display()), ""))
        };
        Finished {
            status: output.status.code(),
            stdout: stable(&output.stdout),
            stderr: stable(&output.stderr),
        }
    }

    /// The database that the program left, to be read.
    pub async fn database(&self) -> Store {
        open(&self.path("rollcall.db")).await
    }
}

/// A database, to be read.
pub async fn open(path: &Path) -> Store {
    Store::open_to_read(path).await.unwrap()
}
