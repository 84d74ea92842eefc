//! What monitoring sees of the real daemon, and what the alerts of `docs/operations.md` make of failures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rollcall::model::Timestamp;
use rollcall::monitoring::render;
use rollcall::simulator::World;
use rollcall::store::Store;
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::daemon::{Service, ends_well, get};
use crate::harness::{DAY, HOUR, MEETING, NOW, Stage, at, guests, lecture, meeting, store_settings};

/// A port that was free a moment ago.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn idle_connections_pipelined_requests_and_slow_readers_starve_nobody() {
    const IDLE: usize = 1_000;
    let service = Service::new().await;
    let address = free_address();
    service.configure(&format!("[monitoring]\nlisten = \"{address}\"\n"));
    // Far fewer files than connections.
    let told = service.command();
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -n 128; exec \"$0\" \"$@\"").arg(told.get_program()).args(told.get_args());
    command.env_clear().envs(told.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(service.program.directory()).stdin(Stdio::null());
    let mut daemon = service.program.spawn(command);
    service.hears("last run ok").await;

    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut open = Vec::new();
    for number in 0..IDLE {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        match number % 3 {
            // Says nothing,
            0 => {}
            // says nothing to the end,
            1 => connection.write_all(&request.as_bytes()[..20]).await.unwrap(),
            // or asks and does not read.
            _ => connection.write_all(request.as_bytes()).await.unwrap(),
        }
        open.push(connection);
    }
    let mut pipelined = TcpStream::connect(&address).await.unwrap();
    pipelined.write_all(request.repeat(500).as_bytes()).await.unwrap();
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
    service.hears("STATUS=collecting since").await;
    service.hears("last run ok").await;
    assert!(get(&address, "/metrics").await.contains("rollcall_last_successful_run_timestamp_seconds"));
    // The first ones were ended to make room.
    let mut byte = [0];
    assert!(matches!(open[0].read(&mut byte).await, Ok(0) | Err(_)));
    ends_well(&mut daemon, &service.program.database).await;
    assert!(!daemon.stderr().contains(" failed"), "{}", daemon.stderr());
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_a_warning_and_is_tried_again() {
    let service = Service::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    service.configure(&format!("[monitoring]\nlisten = \"{address}\"\n"));
    let mut daemon = service.start();
    service.hears("READY=1").await;
    service.hears("last run ok").await;
    let log = daemon.stderr();
    assert_eq!(log.matches("monitoring cannot listen at").count(), 1, "{log}");
    assert!(log.contains("set monitoring.listen to a free address"), "{log}");
    drop(taken);
    while !daemon.stderr().contains("monitoring is answered at") {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
    ends_well(&mut daemon, &service.program.database).await;
}

#[tokio::test]
async fn a_database_that_is_taken_away_is_no_health() {
    let service = Service::new().await;
    let address = free_address();
    service.configure(&format!("cron = \"0 0 5 1 1 *\"\n[monitoring]\nlisten = \"{address}\"\n"));
    let config = service.program.directory().join("config.toml");
    let text = std::fs::read_to_string(&config).unwrap().replacen("cron = \"* * * * * *\"\n", "", 1);
    std::fs::write(config, text).unwrap();
    let daemon = service.start();
    service.hears("last run ok").await;
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
    std::fs::remove_file(&service.program.database).unwrap();
    for path in ["/healthz", "/metrics"] {
        // The numbers of a moment ago are good for a moment.
        while !get(&address, path).await.starts_with("HTTP/1.1 503") {
            sleep(Duration::from_millis(20)).await;
        }
    }
    drop(daemon);
}

/// The rules of `docs/operations.md`.
fn rules() -> String {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    let (_, rules) = page.split_once("```yaml\ngroups:").expect("the page has rules");
    format!("groups:{}", rules.split_once("```").unwrap().0)
}

/// A page of `/metrics` as series and their values.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn the_alerts_ask_for_metrics_that_there_are() {
    let world = World::new().with(guests(lecture("alerts==", at(NOW), HOUR), 2));
    let stage = Stage::new(world).await;
    stage.run().await;
    // Something waits, so that no family is absent.
    sqlx::query("UPDATE instances SET due_at = 0").execute(stage.store.pool()).await.unwrap();
    let page = render(&stage.store.metrics_snapshot(stage.clock.now()).await.unwrap());
    let names: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rules = rules();
    let words = rules.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("rollcall_")).collect();
    assert!(asked.len() >= 8, "{asked:?}");
    assert!(asked.is_subset(&names), "{:?}", asked.difference(&names));
    let documented =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    for name in names {
        assert!(documented.contains(&format!("| `{name}")), "docs/operations.md does not tell of {name}");
    }
}

/// Days in the simulated Zoom's time, looked at as Prometheus does.
struct Days {
    stage: Stage,
    began: Timestamp,
    every: Duration,
    /// Nothing can be written to its database.
    is_stuck: bool,
    /// What each look saw; nothing where no answer came.
    looks: Vec<Option<BTreeMap<String, f64>>>,
}

impl Days {
    /// A week of good days, so that nothing is new to the alerts.
    async fn new(every: Duration) -> Self {
        let stage = Stage::new(World::new().with(guests(lecture("first==", at(NOW), HOUR), 3))).await;
        let mut days = Self { began: stage.clock.now(), stage, every, is_stuck: false, looks: Vec::new() };
        days.pass(2 * DAY, true).await;
        assert_eq!(days.checked().await, Vec::<String>::new());
        days
    }

    /// So much time, with a run and a look each time; with meetings, one each half day.
    async fn pass(&mut self, span: Duration, has_meetings: bool) {
        let until = self.stage.clock.now().plus(span);
        while self.stage.clock.now() < until {
            let number = self.looks.len();
            let now = self.stage.clock.now().plus(self.every);
            self.stage.clock.set(now);
            if has_meetings && now.since(self.began).as_secs().is_multiple_of(12 * 3600) {
                let held = guests(lecture(&format!("day{number}=="), now, HOUR), 3);
                self.stage.zoom.world(|world| world.add_instance(held));
            }
            let run = self.stage.collector();
            let run = run.run(&self.stage.request(), &|_| {}, &CancellationToken::new()).await;
            assert!(run.is_ok() || self.is_stuck, "{run:?}");
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let page = render(&self.stage.store.metrics_snapshot(self.stage.clock.now()).await.unwrap());
        self.looks.push(Some(samples(&page)));
    }

    /// Looks that get no answer.
    fn pass_unanswered(&mut self, span: Duration) {
        self.stage.clock.set(self.stage.clock.now().plus(span));
        for _ in 0..span.as_secs() / self.every.as_secs() {
            self.looks.push(None);
        }
    }

    /// What `rollcall status --check` says, where runs are made as often as here.
    async fn checked(&self) -> Vec<String> {
        let cron = if self.every == HOUR { "0 0 * * * *" } else { "0 0 */6 * * *" };
        let schedule = rollcall::schedule::Schedule::parse(cron, chrono_tz::Tz::UTC).unwrap();
        rollcall::commands::status::troubles(&self.stage.store, &schedule, self.stage.clock.now())
            .await
            .unwrap()
    }

    /// How far the time has come, as Prometheus counts it.
    fn hours(&self) -> u64 {
        (self.looks.len() as u64 - 1) * self.every.as_secs() / 3600
    }

    /// The series of all looks, from the beginning of time, as `promtool` reads them.
    fn series(&self) -> String {
        let names: BTreeSet<&String> = self.looks.iter().flatten().flat_map(BTreeMap::keys).collect();
        let began = Timestamp::from_millis(0);
        let began = self.began.plus(self.every).since(began).as_secs_f64();
        let mut text = String::new();
        let mut line = |name: &str, values: Vec<String>| {
            writeln!(text, "      - series: '{name}'\n        values: '{}'", values.join(" ")).unwrap();
        };
        line(
            "up{job=\"rollcall\"}",
            self.looks.iter().map(|look| i32::from(look.is_some()).to_string()).collect(),
        );
        for name in names {
            let offset = if name.ends_with("_timestamp_seconds") { began } else { 0.0 };
            let value = |look: &Option<BTreeMap<String, f64>>| {
                let value = look.as_ref().and_then(|look| look.get(name));
                value.map_or_else(|| "_".to_owned(), |value| format!("{}", value - offset))
            };
            line(name, self.looks.iter().map(value).collect());
        }
        text
    }

    /// Lets Prometheus go over it: at these hours these alerts are on, and no others.
    fn alert(&self, what: &str, expected: &[(u64, &[&str])]) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("rules.yml"), rules()).unwrap();
        let every = format!("{}m", self.every.as_secs() / 60);
        let mut test = format!(
            "rule_files: [rules.yml]\nevaluation_interval: {every}\ntests:\n  - interval: {every}\n    input_series:\n{}    \
             promql_expr_test:\n",
            self.series()
        );
        for (hours, alerts) in expected {
            writeln!(
                test,
                "      - expr: count by (alertname) (ALERTS{{alertstate=\"firing\"}})\n        eval_time: {hours}h\n        \
                 exp_samples:"
            )
            .unwrap();
            for alert in *alerts {
                writeln!(test, "          - labels: '{{alertname=\"{alert}\"}}'\n            value: 1")
                    .unwrap();
            }
        }
        std::fs::write(directory.path().join("test.yml"), test).unwrap();
        promtool(what, &["test", "rules", "test.yml"], directory.path());
    }
}

/// Runs `promtool`, which must find no fault; without it, nothing is tested.
fn promtool(what: &str, arguments: &[&str], directory: &Path) {
    let Ok(output) = Command::new("promtool").args(arguments).current_dir(directory).output() else {
        eprintln!("skipped: there is no promtool here; Debian's package prometheus brings it");
        return;
    };
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {said}");
}

#[test]
fn the_rules_are_as_prometheus_wants_them() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rules.yml"), rules()).unwrap();
    promtool("check", &["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"], directory.path());
}

#[tokio::test]
async fn good_days_alert_nobody() {
    let mut days = Days::new(HOUR).await;
    days.pass(2 * DAY, true).await;
    let hours: Vec<(u64, &[&str])> = (0..=days.hours()).step_by(4).map(|hour| (hour, &[][..])).collect();
    days.alert("good days", &hours);
}

/// Every request for participants fails so for forty hours; these alerts are on after a day, and these at the end;
/// none is a few days after the cause is gone.
async fn every_participants_request(mut days: Days, fault: &str, alerts: &[&str], later: &[&str]) {
    for endpoint in ["metrics-participants", "report-participants", "past-participants"] {
        days.stage.fault(&format!("{fault},endpoint={endpoint}"));
    }
    days.pass(DAY, true).await;
    let seen = days.hours();
    assert!(!days.checked().await.is_empty(), "{fault}: the check is green after a day");
    days.pass(16 * HOUR, true).await;
    let at_last = days.hours();
    assert!(!days.checked().await.is_empty(), "{fault}: the check is green again");
    days.stage.zoom.clear_faults();
    days.pass(4 * DAY, true).await;
    assert_eq!(days.checked().await, Vec::<String>::new(), "{fault}");
    days.alert(fault, &[(seen, alerts), (at_last, later), (days.hours(), &[])]);
}

#[tokio::test]
async fn refused_participants_are_seen_within_a_day() {
    let alerts = ["RollcallInstancesRefused", "RollcallNothingRead"];
    every_participants_request(Days::new(HOUR).await, "html-403", &alerts, &alerts).await;
}

const FAILING: [&str; 2] = ["RollcallNoGoodRun", "RollcallNothingRead"];
const FAILING_LATER: [&str; 3] = ["RollcallBacklogWaits", "RollcallNoGoodRun", "RollcallNothingRead"];

#[tokio::test]
async fn failing_participants_are_seen_within_a_day() {
    every_participants_request(Days::new(HOUR).await, "html-500", &FAILING, &FAILING_LATER).await;
}

#[tokio::test]
async fn a_clock_that_was_two_years_ahead_blinds_nobody() {
    let mut days = Days::new(HOUR).await;
    // Nothing is left to be read that would be too old then.
    days.pass(2 * DAY, false).await;
    let now = days.stage.clock.now();
    days.stage.clock.set(now.plus(730 * DAY));
    days.stage.run().await;
    days.stage.clock.set(now);
    every_participants_request(days, "html-500", &FAILING, &FAILING_LATER).await;
}

#[tokio::test]
async fn everything_refused_is_seen_within_a_day() {
    let mut days = Days::new(HOUR).await;
    days.stage.list().await;
    days.stage.fault("html-403");
    days.pass(DAY, true).await;
    let seen = days.hours();
    assert!(!days.checked().await.is_empty());
    days.stage.zoom.clear_faults();
    days.pass(3 * DAY, true).await;
    assert_eq!(days.checked().await, Vec::<String>::new());
    let alerts = ["RollcallMeetingRefused", "RollcallNoGoodRun", "RollcallNothingRead"];
    days.alert("a gateway refuses all", &[(seen, &alerts), (days.hours(), &[])]);
}

/// A full disk, a lost mount, another program's lock: nothing can be written.
#[tokio::test]
async fn a_database_that_cannot_be_written_is_seen_within_a_day() {
    let mut days = Days::new(HOUR).await;
    let pool = days.stage.store.pool();
    sqlx::query("PRAGMA busy_timeout = 5").execute(pool).await.unwrap();
    let path = days.stage.store.path().to_owned();
    let mut other = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    days.is_stuck = true;
    days.pass(DAY, true).await;
    let seen = days.hours();
    assert!(!days.checked().await.is_empty());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    days.is_stuck = false;
    days.pass(3 * DAY, true).await;
    assert_eq!(days.checked().await, Vec::<String>::new());
    days.alert("nothing can be written", &[(seen, &["RollcallNoGoodRun"]), (days.hours(), &[])]);
}

#[tokio::test]
async fn a_mistyped_id_is_seen_within_a_day() {
    let mut days = Days::new(HOUR).await;
    days.stage.meetings.push(meeting(MEETING + 1));
    days.stage.list().await;
    days.pass(DAY, true).await;
    let seen = days.hours();
    days.stage.meetings.pop();
    days.stage.list().await;
    days.pass(3 * DAY, true).await;
    days.alert("a mistyped ID", &[(seen, &["RollcallMeetingRefused"]), (days.hours(), &[])]);
}

#[tokio::test]
async fn a_used_up_quota_is_seen_within_a_day() {
    let mut days = Days::new(HOUR).await;
    days.stage.fault("429-daily,endpoint=metrics-participants");
    days.pass(DAY, true).await;
    let seen = days.hours();
    days.stage.zoom.clear_faults();
    days.pass(3 * DAY, true).await;
    days.alert("quota", &[(seen, &["RollcallNoGoodRun", "RollcallQuotaUsedUp"]), (days.hours(), &[])]);
}

#[tokio::test]
async fn a_deleted_database_is_seen_and_so_is_one_that_takes_its_place() {
    let mut days = Days::new(HOUR).await;
    days.pass_unanswered(3 * HOUR);
    let deleted = days.hours();
    let directory = tempfile::tempdir().unwrap();
    days.stage.store = Store::open(&directory.path().join("another.db")).await.unwrap();
    days.stage.store.apply_settings(&store_settings()).await.unwrap();
    days.pass(6 * HOUR, true).await;
    let replaced = days.hours();
    days.pass(2 * DAY, true).await;
    let alerts: [(u64, &[&str]); 3] =
        [(deleted, &["RollcallDown"]), (replaced, &["RollcallAnotherDatabase"]), (days.hours(), &[])];
    days.alert("a deleted database", &alerts);
}

#[tokio::test]
async fn days_without_a_new_row_are_seen() {
    let mut days = Days::new(6 * HOUR).await;
    days.pass(6 * DAY, false).await;
    let quiet = days.hours();
    days.pass(2 * DAY, false).await;
    let seen = days.hours();
    days.pass(DAY, true).await;
    days.alert("holidays", &[(quiet, &[]), (seen, &["RollcallNothingNew"]), (days.hours(), &[])]);
}
