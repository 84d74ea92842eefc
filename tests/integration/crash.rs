//! Killed or stopped at any moment, the program leaves a whole database, no instance is half there, and the next run
//! ends where an undisturbed one would have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::model::{MeetingId, RateLabel, Timestamp};
use rollcall::simulator::{Instance, Options, Session, Simulator, World};
use rollcall::store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::time::{Instant, sleep};

use crate::child::{Program, Running};

const MINUTE: Duration = Duration::from_mins(1);

/// A term of three meetings that one reading settles, and three young instances that will be read again.
fn world(now: Timestamp) -> World {
    let mut world = World::term(11, now.minus(48 * 60 * MINUTE));
    let meeting = *world.meetings().first().unwrap();
    for (number, uuid) in ["young/one==", "young+two==", "youngthree=="].into_iter().enumerate() {
        world.add_instance(young(meeting, uuid, now.minus(60 * MINUTE), number as u64));
    }
    world
}

/// An instance that ended ten minutes ago, with a waiting room, a rejoin, and an element that is no row; one has
/// a row twice.
fn young(meeting: MeetingId, uuid: &str, start: Timestamp, number: u64) -> Instance {
    let at = |minutes: u64| start.plus(Duration::from_mins(minutes));
    let user = |more: u64| 16_778_240 + 1_024 * (100 * number + more);
    let twice = Session::new(user(9), "Twice Told", at(1), at(49));
    let mut sessions = vec![
        Session::new(user(1), "Ada Lovelace", at(0), at(50)).signed_in("zAda", "ada@example.com").host(),
        Session::new(user(2), "Bo", at(1), at(2)).waiting(),
        Session::new(user(2), "Bo", at(2), at(20)),
        Session::new(user(3), "Bo", at(25), at(50)).with("audio_quality", "good"),
        Session::new(user(4), "Cy", at(3), at(40)).with("email", "Cy@Example.org"),
        twice.clone(),
        Session::from_json(serde_json::json!(number)),
    ];
    if number == 2 {
        sessions.push(twice);
    }
    sessions.extend((10..30).map(|more| Session::new(user(more), &format!("Guest {more}"), at(5), at(45))));
    Instance::new(meeting, uuid.parse().unwrap(), "Algebra I", start, Some(at(50))).with_sessions(sessions)
}

pub async fn simulator() -> Simulator {
    let options = Options { largest_page: 12, latency: Duration::from_millis(10), ..Options::default() };
    Simulator::start(options, world(Clock::system().now())).await.unwrap()
}

pub async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// What a database says, as lines in order: all but ids of rows, times of reading, and the log.
pub async fn dump(path: &Path) -> Vec<String> {
    const LOGS: [&str; 3] = ["runs", "fetches", "quota"];
    const TABLES: [&str; 7] = [
        "instances",
        "identifiers",
        "clients",
        "networks",
        "media_devices",
        "client_environments",
        "extra_fields",
    ];
    const OWN: &[&str] = &[
        "session_id",
        "person_id",
        "run_id",
        "instance_id",
        "last_fetched_at",
        "fetched_at",
        "tried_at",
        "last_told_at",
        "described_at",
        "open_end_at",
        "scope",
        // Numbers in the order of coming; the digests say what they stand for.
        "client_id",
        "network_id",
        "media_id",
        "environment_id",
        "extra_id",
    ];
    let mut database = open(path).await;
    let views: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name")
            .fetch_all(&mut database)
            .await
            .unwrap();
    assert!(views.contains(&"participants".to_owned()), "{views:?}");
    let views = views.iter().map(String::as_str).filter(|name| !LOGS.contains(name));
    let mut lines = Vec::new();
    for name in views.chain(TABLES) {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_xinfo(?)")
            .bind(name)
            .fetch_all(&mut database)
            .await
            .unwrap();
        // In tables, a sitting is named by the number of its first instance; the views name it by UUID.
        let own = |column: &str| OWN.contains(&column) || (name == "instances" && column == "sitting_id");
        let columns: Vec<String> = columns.into_iter().filter(|column| !own(column)).collect();
        let pairs: Vec<String> =
            columns.iter().map(|column| format!("'{column}', {}", comparable(column))).collect();
        let text = format!("SELECT '{name} ' || json_object({}) FROM {name} ORDER BY 1", pairs.join(", "));
        let found: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_all(&mut database).await.unwrap();
        lines.extend(found);
    }
    lines.extend(people(&mut database).await);
    lines
}

/// What a column says whenever it was read: duplicates cause one more reading, a quarter of an hour after the first.
fn comparable(column: &str) -> &str {
    match column {
        "due_at" => "coalesce(nullif(due_at, fetched_at + 900000), 'a quarter of an hour later')",
        column => column,
    }
}

/// Names the first lines that are in one of the two only.
pub fn assert_equal(got: &[String], expected: &[String], when: &str) {
    let only = |left: &[String], right: &[String]| -> Vec<String> {
        left.iter().filter(|line| !right.contains(line)).take(5).cloned().collect()
    };
    let (surplus, missing) = (only(got, expected), only(expected, got));
    assert!(
        surplus.is_empty() && missing.is_empty() && got.len() == expected.len(),
        "{when}: {} lines, {} expected; surplus: {surplus:#?}; missing: {missing:#?}",
        got.len(),
        expected.len()
    );
}

/// Each person as the set of their sessions.
async fn people(database: &mut SqliteConnection) -> Vec<String> {
    let rows = sqlx::query(
        "SELECT person_id, json_array(instance_uuid, user_id, join_time, status, user_name) FROM participants ORDER BY 2",
    )
    .fetch_all(database)
    .await
    .unwrap();
    let mut people: BTreeMap<Option<i64>, String> = BTreeMap::new();
    for row in rows {
        let _ = write!(people.entry(row.get(0)).or_default(), " {}", row.get::<String, _>(1));
    }
    let mut lines: Vec<String> = people.into_values().map(|sessions| format!("person{sessions}")).collect();
    lines.sort();
    lines
}

/// What must hold of a database at any time: it is whole, and no instance is half there.
pub async fn assert_whole(path: &Path) {
    let mut database = open(path).await;
    let integrity: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut database).await.unwrap();
    assert_eq!(integrity, "ok");
    assert!(sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut database).await.unwrap().is_empty());
    for half in [
        "SELECT count(*) FROM instances i WHERE (fetched_at IS NULL) = EXISTS (SELECT 1 FROM sessions s WHERE s.instance_id = i.instance_id)",
        "SELECT count(*) FROM instances i WHERE (fetched_at IS NULL) = EXISTS (SELECT 1 FROM fetch_log f WHERE f.instance_id = i.instance_id)",
        "SELECT count(*) FROM instances i WHERE (fetched_at IS NULL) = (state IN ('collected', 'settled'))",
        "SELECT count(*) FROM sessions s WHERE NOT EXISTS (SELECT 1 FROM attendance_facts p WHERE p.person_id = s.person_id AND p.instance_id = s.instance_id)",
        "SELECT count(*) FROM fetch_log f WHERE rows_inserted <> (SELECT count(*) FROM sessions s WHERE s.instance_id = f.instance_id)",
    ] {
        let count: i64 = sqlx::query_scalar(half).fetch_one(&mut database).await.unwrap();
        assert_eq!(count, 0, "{half}");
    }
}

/// The same files under another name, so that looking into them does not mend them.
fn copy(database: &Path) -> PathBuf {
    let copy = database.with_file_name("copy.db");
    for end in ["", "-wal"] {
        let with_end = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        let _ = std::fs::remove_file(with_end(&copy));
        if with_end(database).exists() {
            std::fs::copy(with_end(database), with_end(&copy)).unwrap();
        }
    }
    let _ = std::fs::remove_file(database.with_file_name("copy.db-shm"));
    copy
}

pub async fn count(path: &Path, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(&mut open(path).await).await.unwrap()
}

async fn has_tables(path: &Path) -> bool {
    path.exists() && count(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'participants'").await > 0
}

/// Whether a process has begun to write to a database: the lock is byte 120 of the `-shm` file.
///
/// Source: SQLite's file format, "WAL-Index Locks". Known on Linux only.
fn is_writing(process: &Running) -> bool {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let id = process.id().to_string();
    locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|words| {
        matches!(words[..], [_, "POSIX", _, "WRITE", holder, _, from, to]
            if holder == id && from == "120" && to == "120")
    })
}

/// Where kills have hit.
#[derive(Debug, Default)]
struct Hits(BTreeMap<&'static str, usize>);

impl Hits {
    fn note(&mut self, simulator: &Simulator, is_writing: bool, has_tables: bool) {
        let place = match (is_writing, has_tables) {
            (true, false) => "migration, inside a transaction",
            (false, false) => "start and migration",
            (true, true) => "inside a transaction",
            (false, true) if simulator.count(RateLabel::Heavy) > 0 => {
                "between transactions, listings being read"
            }
            (false, true) if !simulator.requests().is_empty() => "discovery",
            (false, true) => "start",
        };
        *self.0.entry(place).or_default() += 1;
    }
}

/// Waits for a moment between the start and the end of a run; in a third of the cases each: any moment, a moment after
/// a transaction has ended, the next moment at which the process writes.
async fn wait_for_a_moment(process: &mut Running, longest: Duration, dice: &mut fastrand::Rng) {
    let moment = Instant::now() + longest.mul_f64(dice.f64());
    match dice.u8(..3) {
        0 => {
            process.wait_for_lines(dice.usize(1..12)).await;
            sleep(Duration::from_micros(dice.u64(..8_000))).await;
        }
        way => {
            while Instant::now() < moment && process.ended().is_none() {
                sleep(Duration::from_millis(1)).await;
            }
            while way == 1 && cfg!(target_os = "linux") && !is_writing(process) && process.ended().is_none() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// One collection, begun again after each kill until one comes to its end; answers with how many kills there were.
async fn collect_with_kills(
    simulator: &Simulator,
    expected: &[String],
    longest: Duration,
    dice: &mut fastrand::Rng,
    hits: &mut Hits,
) -> usize {
    let program = Program::new(simulator);
    let (mut kills, mut interrupted) = (0, BTreeSet::new());
    loop {
        simulator.clear_requests();
        simulator.options(|options| options.latency = Duration::from_millis(dice.u64(5..30)));
        let mut process = program.start(&["collect"]);
        wait_for_a_moment(&mut process, longest, dice).await;
        if let Some(status) = process.ended() {
            assert_eq!(status.code(), Some(0), "{}", process.stderr());
            break;
        }
        process.signal("STOP");
        let was_writing = is_writing(&process);
        process.kill();
        kills += 1;
        let copy = copy(&program.database);
        let has_tables = has_tables(&copy).await;
        hits.note(simulator, was_writing, has_tables);
        if has_tables {
            assert_whole(&copy).await;
            let on: Vec<i64> = sqlx::query_scalar("SELECT run_id FROM run_log WHERE outcome = 'running'")
                .fetch_all(&mut open(&copy).await)
                .await
                .unwrap();
            assert!(on.len() <= 1, "{on:?} are on at once");
            interrupted.extend(on);
        }
    }
    let logged: Vec<i64> =
        sqlx::query_scalar("SELECT run_id FROM run_log WHERE outcome = 'interrupted' ORDER BY run_id")
            .fetch_all(&mut open(&program.database).await)
            .await
            .unwrap();
    assert!(
        interrupted.iter().eq(&logged),
        "{interrupted:?} were killed, {logged:?} are logged as interrupted"
    );
    assert_eq!(count(&program.database, "SELECT count(*) FROM run_log WHERE outcome = 'running'").await, 0);
    assert_whole(&program.database).await;
    assert_equal(&dump(&program.database).await, expected, &format!("after {kills} kills"));
    kills
}

async fn kill_so_often(wanted: usize, seed: u64) -> String {
    let simulator = simulator().await;
    let undisturbed = Program::new(&simulator);
    let begun = Instant::now();
    let finished = undisturbed.run(&["collect"]).await;
    let longest = begun.elapsed();
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert_whole(&undisturbed.database).await;
    let expected = dump(&undisturbed.database).await;
    let rows = expected.iter().filter(|line| line.starts_with("participants ")).count();
    assert!(rows > 500, "{rows} rows");

    println!("seed {seed}; an undisturbed run took {longest:?} for {rows} rows");
    let mut dice = fastrand::Rng::with_seed(seed);
    let (mut kills, mut collections, mut hits) = (0, 0, Hits::default());
    while kills < wanted {
        kills += collect_with_kills(&simulator, &expected, longest, &mut dice, &mut hits).await;
        collections += 1;
    }
    format!("{kills} kills in {collections} collections of {rows} rows; where they hit: {:#?}", hits.0)
}

/// Another one each time; a failure prints it.
fn seed() -> u64 {
    std::env::var("CRASH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_collection_ends_where_an_undisturbed_one_does() {
    println!("{}", kill_so_often(6, seed()).await);
}

/// `cargo test --test integration -- --ignored --nocapture crash`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_hundred_kills_lose_nothing() {
    println!("{}", kill_so_often(120, seed()).await);
}

async fn schema(path: &Path) -> Vec<String> {
    sqlx::query_scalar("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1")
        .fetch_all(&mut open(path).await)
        .await
        .unwrap()
}

async fn kill_migrations(wanted: usize, seed: u64) -> usize {
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let simulator = simulator().await;
    let clean = Program::new(&simulator);
    let mut process = clean.start(&["collect"]);
    let begun = Instant::now();
    while simulator.requests().is_empty() {
        assert!(process.ended().is_none(), "{}", process.stderr());
        sleep(Duration::from_millis(1)).await;
    }
    let longest = begun.elapsed();
    process.kill();
    let expected = schema(&clean.database).await;
    let mut unfinished = 0;
    for _ in 0..wanted {
        let program = Program::new(&simulator);
        let mut process = program.start(&["collect"]);
        sleep(longest.mul_f64(dice.f64())).await;
        process.kill();
        let copy = copy(&program.database);
        unfinished += usize::from(!copy.exists() || schema(&copy).await != expected);
        let store = Store::open(&program.database).await.unwrap();
        store.close().await;
        assert_eq!(schema(&program.database).await, expected);
        assert_whole(&program.database).await;
    }
    println!(
        "{wanted} kills within {longest:?} of the start, {unfinished} of them before the tables were complete"
    );
    unfinished
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_migration_is_completed_by_the_next_start() {
    kill_migrations(10, seed()).await;
}

/// `cargo test --test integration -- --ignored --nocapture crash`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_hundred_killed_migrations_are_completed() {
    assert!(kill_migrations(150, seed()).await > 20, "the kills came too late");
}

/// A signal while answers take longer than the time that the program has.
async fn stop_by(signal: &str, lines: usize) -> (Option<i32>, Duration) {
    let simulator = simulator().await;
    let program = Program::new(&simulator);
    let mut process = program.start(&["collect"]);
    if lines == 0 {
        simulator.options(|options| options.latency = MINUTE);
        while simulator.requests().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    } else {
        process.wait_for_lines(lines).await;
        simulator.options(|options| options.latency = MINUTE);
    }
    process.signal(signal);
    let (code, took) = process.wait(Duration::from_secs(5)).await;
    for end in ["-wal", "-shm"] {
        let beside = PathBuf::from(format!("{}{end}", program.database.display()));
        assert!(!beside.exists(), "{} is left", beside.display());
    }
    assert_whole(&program.database).await;
    assert_eq!(
        count(&program.database, "SELECT count(*) FROM run_log WHERE outcome = 'interrupted'").await,
        1
    );
    let read = count(&program.database, "SELECT count(*) FROM instances WHERE fetched_at IS NOT NULL").await;
    assert!(read >= i64::try_from(lines).unwrap(), "{read} instances were read");

    // The next run ends what this one began.
    simulator.options(|options| options.latency = Duration::ZERO);
    let finished = program.run(&["collect"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let undisturbed = Program::new(&simulator);
    assert_eq!(undisturbed.run(&["collect"]).await.status, Some(0));
    assert_equal(&dump(&program.database).await, &dump(&undisturbed.database).await, "after a stop");
    (code, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_while_listings_are_read_ends_the_run_cleanly() {
    let (code, took) = stop_by("TERM", 5).await;
    println!("gone after {took:?}");
    assert_eq!(code, Some(143));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigint_during_discovery_ends_the_run_cleanly() {
    let (code, took) = stop_by("INT", 0).await;
    println!("gone after {took:?}");
    assert_eq!(code, Some(130));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_that_nobody_reads_holds_up_no_end() {
    let simulator = simulator().await;
    let program = Program::new(&simulator);
    let (reader, mut full) = std::io::pipe().unwrap();
    let output = full.try_clone().unwrap();
    // It fills the pipe, and goes on as soon as the reader is gone.
    let filler = std::thread::spawn(move || while full.write_all(b"x").is_ok() {});
    let mut running = program.spawn_into(output, program.command(&["collect"]));
    while simulator.requests().iter().all(|request| request.label != Some(RateLabel::Heavy)) {
        sleep(Duration::from_millis(5)).await;
    }
    // By then the first line waits for the pipe.
    sleep(Duration::from_secs(1)).await;
    running.signal("TERM");
    let (code, took) = running.wait(Duration::from_secs(20)).await;
    assert_eq!(code, Some(143));
    assert!(took < Duration::from_secs(10), "gone after {took:?}");
    drop(reader);
    filler.join().unwrap();
}
