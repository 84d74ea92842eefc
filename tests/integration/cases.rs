//! The cases of `tests/cases`: small inputs after what people reported in public, each with what is right.
//!
//! A case is JSON. `phases`: what Zoom answers, one after the other: `instances` with `uuid`, `start`, `end` and `rows`
//! under the Dashboard's field names (`each`: fields that all rows share; `one`: found as `pastOne` only; `info`: what
//! descriptions tell otherwise; `pages`: rows beside a `total_records` of their own). `files` lie beside the config,
//! `config` is appended to it, `zoom` to its section `[zoom]`, `meetings` stands in the place of its list. `steps`
//! (where there are none: one `collect`): `phase` n, or `run` with arguments, `at` so much later, with its `exit`
//! status (0, or `"any"`). `checks`: SQL with the rows wanted, and why. `{Dn}` is the date n days ago, `{Mn}` the
//! instant n minutes ago.

use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use rollcall::cli::{Cli, Command, MeetingOrInstance};
use rollcall::clock::Clock;
use rollcall::collect::RunRequest;
use rollcall::commands::support::{errors::code_of_run, session, settings};
use rollcall::config::{Config, Overrides};
use rollcall::model::{Timestamp, Trigger, Window};
use rollcall::simulator::{Fault, FaultKind, Instance, Options, Session, Simulator, World};
use rollcall::store::{Selection, Store};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::harness::{DAY, Desk, HOUR, MINUTE, NOW, at, meeting, rows, uuid};

/// The meeting that all cases are about.
const MEETING: i64 = 81_234_567_890;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    title: String,
    #[serde(default)]
    zoom: String,
    #[serde(default)]
    config: String,
    #[serde(alias = "meetings_toml")]
    meetings: Option<String>,
    #[serde(default)]
    files: std::collections::BTreeMap<String, String>,
    phases: Vec<Phase>,
    #[serde(default = "one_collect")]
    steps: Vec<Step>,
    checks: Vec<Check>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    instances: Vec<Held>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    uuid: String,
    start: String,
    end: String,
    rows: Vec<Map<String, Value>>,
    #[serde(default)]
    each: Map<String, Value>,
    #[serde(default)]
    one: bool,
    info: Option<Info>,
    #[serde(default)]
    pages: Vec<Page>,
}

/// What descriptions tell: the Dashboard's name and that of past meetings, for the same number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    participants: usize,
    participants_count: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    participants: Vec<Map<String, Value>>,
    total_records: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    phase: Option<usize>,
    run: Option<Vec<String>>,
    at: Option<String>,
    #[serde(default)]
    exit: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Check {
    /// One of these must hold.
    Or {
        or: Vec<Query>,
        #[serde(default)]
        why: String,
    },
    Query(Query),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    sql: String,
    want: Vec<Vec<Value>>,
    #[serde(default)]
    why: String,
}

fn one_collect() -> Vec<Step> {
    vec![Step { phase: None, run: Some(vec!["collect".to_owned()]), at: None, exit: Value::Null }]
}

#[tokio::test]
async fn every_case_comes_out_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = dated(&std::fs::read_to_string(&file).unwrap());
        let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!case.checks.is_empty(), "{name} checks nothing");
        let title = case.title.clone();
        let found = Room::of(case).await.play().await;
        wrong.extend(found.into_iter().map(|words| format!("{name} ({title})\n    {words}")));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The text with its `{Dn}` and `{Mn}` as dates and instants.
fn dated(text: &str) -> String {
    let mut dated = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(['{']) {
        dated.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let end = rest.find('}').unwrap_or(0);
        let number = rest.get(2..end).and_then(|digits| digits.parse::<u32>().ok());
        let written = match (rest.get(1..2), number) {
            (Some("D"), Some(days)) => at(NOW).minus(days * DAY).utc().format("%Y-%m-%d").to_string(),
            (Some("M"), Some(minutes)) => at(NOW).minus(minutes * MINUTE).to_string(),
            _ => {
                dated.push('{');
                rest = &rest[1..];
                continue;
            }
        };
        dated.push_str(&written);
        rest = &rest[end + 1..];
    }
    dated + rest
}

/// Where a case is played: a simulated Zoom, a config beside its files, a database, and a clock for all.
struct Room {
    case: Case,
    clock: Clock,
    zoom: Simulator,
    desk: Desk,
}

impl Room {
    async fn of(case: Case) -> Self {
        let clock = Clock::fixed(at(NOW));
        let zoom = Simulator::start(Options { clock: clock.clone(), ..Options::default() }, World::new())
            .await
            .unwrap();
        let meetings = case.meetings.clone().unwrap_or_else(|| format!("[{MEETING}]"));
        let desk = Desk::at_simulator(&zoom, &format!("meetings = {meetings}"));
        for (name, text) in &case.files {
            desk.write(name, text);
        }
        let config = std::fs::read_to_string(desk.path("config.toml")).unwrap();
        desk.write("config.toml", &format!("{config}{}\n{}\n", case.zoom, case.config));
        let room = Self { case, clock, zoom, desk };
        room.enter(0);
        room
    }

    /// Lets Zoom answer as in this phase.
    fn enter(&self, phase: usize) {
        self.zoom.clear_faults();
        let mut world = World::new();
        for held in &self.case.phases[phase].instances {
            if let Some(total) = held.pages.last().map(|page| page.total_records) {
                self.zoom.fault(Fault::new(FaultKind::Total(Some(total))).of_instance(uuid(&held.uuid)));
            }
            world.add_instance(instance(held));
        }
        self.zoom.world(|old| *old = world);
    }

    /// Plays the steps and says what is wrong then.
    async fn play(self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (number, step) in self.case.steps.iter().enumerate() {
            if let Some(phase) = step.phase {
                self.enter(phase);
            }
            if let Some(span) = &step.at {
                self.clock
                    .set(at(NOW).plus(humantime::parse_duration(span.trim_start_matches('+')).unwrap()));
            }
            let Some(arguments) = &step.run else { continue };
            let status = self.run(arguments).await;
            let wanted = if step.exit.is_null() { Value::from(0) } else { step.exit.clone() };
            if wanted != "any" && wanted != status {
                wrong.push(format!("step {number}, {arguments:?}: exit status {status}, not {wanted}"));
            }
        }
        let store = self.desk.database().await;
        for check in &self.case.checks {
            match check {
                Check::Query(query) => wrong.extend(answer(&store, query).await),
                Check::Or { or, why } => {
                    let mut all = Vec::new();
                    for query in or {
                        all.extend(answer(&store, query).await);
                    }
                    if all.len() == or.len() {
                        wrong.push(format!("none of these, though {why}: {}", all.join("; or ")));
                    }
                }
            }
        }
        wrong
    }

    /// One run as the command line asks for it, at this room's time.
    async fn run(&self, arguments: &[String]) -> i32 {
        let config = Config::load(
            Overrides { config: Some(&self.desk.path("config.toml")), database: None },
            Vec::<(String, String)>::new(),
        )
        .unwrap();
        let store = session::open_store(&config).await.unwrap();
        session::prepare(&config, &store, &self.clock).await.unwrap();
        let credentials = config.credentials().unwrap();
        let collector = settings::collector(&config, credentials, &store, &self.clock).unwrap();
        let request = request(arguments, &config, self.clock.now());
        let summary = collector.run(&request, &|_| {}, &CancellationToken::new()).await.unwrap();
        store.close().await;
        i32::from(code_of_run(&summary).status())
    }
}

fn request(arguments: &[String], config: &Config, now: Timestamp) -> RunRequest {
    let program = std::iter::once("rollcall");
    let cli = Cli::try_parse_from(program.chain(arguments.iter().map(String::as_str))).unwrap();
    match cli.command {
        Command::Collect(options) if options.meetings.is_empty() => {
            session::run_request(config, Trigger::Manual, None)
        }
        Command::Backfill(options) => {
            let zone = config.schedule.timezone;
            let to = options.to.map_or(now, |to| to.end(zone)).min(now);
            let window = Window { from: options.from.begin(zone), to };
            let named = |named: &MeetingOrInstance| match named {
                MeetingOrInstance::Meeting(meeting) => *meeting,
                MeetingOrInstance::Instance(uuid) => panic!("no case names {uuid}"),
            };
            let request = session::run_request(config, Trigger::Backfill, None);
            let meetings = if options.meetings.is_empty() {
                request.meetings.clone()
            } else {
                options.meetings.iter().map(named).collect()
            };
            let selection = Selection {
                meetings: meetings.clone(),
                window: Some(window),
                force: options.force,
                ..Selection::default()
            };
            RunRequest { meetings, ignore_backoff: true, window: Some(window), selection, ..request }
        }
        other => panic!("cases collect and backfill; this one wants {other:?}"),
    }
}

fn instance(held: &Held) -> Instance {
    let (start, end) = (at(&held.start), at(&held.end));
    let rows = held.rows.iter().chain(held.pages.iter().flat_map(|page| &page.participants));
    let sessions = rows.map(|row| {
        let fields = held.each.iter().chain(row).map(|(name, value)| (name.clone(), value.clone()));
        Session::from_json(Value::Object(fields.collect()))
    });
    let instance =
        Instance::new(meeting(MEETING), uuid(&held.uuid), "Class", start, Some(end)).with_sessions(sessions);
    match &held.info {
        Some(info) => {
            assert_eq!(info.participants, info.participants_count);
            instance.telling_joins(info.participants)
        }
        None if held.one => instance.telling_joins(1),
        None => instance,
    }
}

/// What is wrong with the answer of a query, if anything is.
async fn answer(store: &Store, query: &Query) -> Option<String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let wanted: Vec<String> =
        query.want.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect();
    let found = rows(store, &query.sql).await;
    let why = if query.why.is_empty() { String::new() } else { format!(" ({})", query.why) };
    (found != wanted).then(|| format!("{}{why}: {found:?}, not {wanted:?}", query.sql))
}

#[test]
fn days_and_minutes_are_written_as_dates_and_instants() {
    assert_eq!(dated(r#"{"a":"{D2}T10:00:00Z","b":"{M5}","c":{}}"#), {
        let minutes = at(NOW).minus(Duration::from_mins(5));
        format!(r#"{{"a":"2026-03-08T10:00:00Z","b":"{minutes}","c":{{}}}}"#)
    });
    assert_eq!(at(NOW).minus(48 * HOUR).utc().format("%Y-%m-%d").to_string(), "2026-03-08");
}
