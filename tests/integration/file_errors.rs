//! A database that cannot be read or written: exit 74, one clear line, nothing half written; and one run at a time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rollcall::simulator::Simulator;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::{Instant, sleep};

use crate::child::Program;
use crate::crash::{assert_equal, assert_whole, count, dump, open, simulator};
use crate::harness::Finished;

const REPORT: &[&str] = &["report", "meetings", "--format", "csv"];

async fn quick_simulator() -> Simulator {
    let simulator = simulator().await;
    simulator.options(|options| options.latency = Duration::ZERO);
    simulator
}

/// A program with a database of one collection.
async fn collected(simulator: &Simulator) -> Program {
    let program = Program::new(simulator);
    let finished = program.run(&["collect"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    program
}

/// Exit 74, and one line that says all of this.
fn assert_refused(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.status, Some(74), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    assert!(finished.stderr.starts_with("rollcall: "), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    for word in words {
        assert!(finished.stderr.contains(word), "no {word:?} in {}", finished.stderr);
    }
}

/// Every file of a directory with its bytes, but for locks.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let kept =
        entries.filter(|path| path.is_file() && path.extension().is_none_or(|ending| ending != "lock"));
    kept.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Whether one collects, reports or asks for the status: it fails so, and no file is touched.
async fn assert_left_alone(program: &Program, words: &[&str]) {
    let before = files(program.directory());
    for arguments in [&["collect"], REPORT, &["status"]] {
        assert_refused(&program.run(arguments).await, words);
        let after = files(program.directory());
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        assert!(after == before, "`{}` changed a file", arguments.join(" "));
    }
}

#[tokio::test]
async fn a_directory_that_does_not_exist() {
    let mut program = Program::new(&quick_simulator().await);
    program.database = program.directory().join("nowhere/data.db");
    let finished = program.run(&["collect"]).await;
    assert_refused(&finished, &["nowhere/data.db", "there is no directory", "make it, or name another file"]);
    assert!(!program.directory().join("nowhere").exists());
    assert_refused(&program.run(REPORT).await, &["there is no database at", "rollcall collect"]);
}

#[tokio::test]
async fn a_directory_in_the_place_of_the_file() {
    let program = Program::new(&quick_simulator().await);
    fs::create_dir(&program.database).unwrap();
    assert_left_alone(&program, &["is a directory", "data.db/rollcall.db"]).await;
    assert!(!program.directory().join("data.db.lock").exists());
}

#[tokio::test]
async fn a_report_without_a_database_makes_none() {
    let program = Program::new(&quick_simulator().await);
    let before = files(program.directory());
    assert_refused(&program.run(REPORT).await, &["there is no database at"]);
    assert_refused(&program.run(&["status"]).await, &["there is no database at"]);
    assert_eq!(files(program.directory()), before);
}

#[tokio::test]
async fn a_report_changes_no_file() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let before = files(program.directory());
    let finished = program.run(REPORT).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.lines().count() > 30, "{}", finished.stdout);
    let finished = program.run(&["status"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(files(program.directory()) == before);
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let program = Program::new(&quick_simulator().await);
    fs::write(&program.database, "Dear diary, today everybody came. ".repeat(400)).unwrap();
    assert_left_alone(&program, &["is damaged or is no SQLite database", "restore a backup"]).await;
}

#[tokio::test]
async fn a_database_of_another_program() {
    let program = Program::new(&quick_simulator().await);
    let mut theirs = open_new(&program.database).await;
    sqlx::raw_sql("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('Daisy Bell')")
        .execute(&mut theirs)
        .await
        .unwrap();
    drop(theirs);
    assert_left_alone(&program, &["database of another program", "stays as it is"]).await;
}

async fn open_new(path: &Path) -> sqlx::SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

#[tokio::test]
async fn a_database_of_a_newer_rollcall() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let mut later = open(&program.database).await;
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&mut later)
        .await
        .unwrap();
    sqlx::Connection::close(later).await.unwrap();
    assert_left_alone(&program, &["was made by a newer rollcall", "install that version"]).await;
}

#[tokio::test]
async fn a_database_of_an_unreleased_build() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let mut earlier = open(&program.database).await;
    sqlx::raw_sql(
        "UPDATE _sqlx_migrations SET checksum = x'00'; \
         INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9, 'more', 1, x'00', 0)",
    )
    .execute(&mut earlier)
    .await
    .unwrap();
    sqlx::Connection::close(earlier).await.unwrap();
    let words = ["was made by an unreleased build", "move it aside", "`rollcall backfill --from`"];
    assert_left_alone(&program, &words).await;
}

#[tokio::test]
async fn a_damaged_database() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let mut bytes = fs::read(&program.database).unwrap();
    let (from, to) = (bytes.len() / 8, bytes.len() - bytes.len() / 8);
    let mut dice = fastrand::Rng::with_seed(7);
    dice.fill(&mut bytes[from..to]);
    fs::write(&program.database, bytes).unwrap();
    assert_refused(
        &program.run(&["collect"]).await,
        &["is damaged or is no SQLite database", "restore a backup"],
    );
    assert_refused(&program.run(REPORT).await, &["is damaged or is no SQLite database"]);
}

/// A file or directory that cannot be written, for root neither.
struct Unwritable(PathBuf);

impl Unwritable {
    /// None where this machine does not allow it; a word about it is printed.
    fn make(path: &Path) -> Option<Self> {
        let made = Command::new("chattr").arg("+i").arg(path).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Self(path.to_owned()));
        }
        println!("skipped: `chattr +i` is not possible here");
        None
    }
}

impl Drop for Unwritable {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_read_only_file() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let before = fs::read(&program.database).unwrap();
    let Some(_guard) = Unwritable::make(&program.database) else { return };
    assert_refused(
        &program.run(&["collect"]).await,
        &["is read-only", "make the file and its directory writable"],
    );
    assert!(fs::read(&program.database).unwrap() == before);
    assert_eq!(program.run(REPORT).await.status, Some(0));
}

#[tokio::test]
async fn a_read_only_directory() {
    let mut program = Program::new(&quick_simulator().await);
    let directory = program.directory().join("kept");
    fs::create_dir(&directory).unwrap();
    program.database = directory.join("data.db");
    let Some(guard) = Unwritable::make(&directory) else { return };
    let finished = program.run(&["collect"]).await;
    assert_refused(&finished, &["data.db.lock", "the database's directory must be writable"]);
    drop(guard);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

/// A small disk in memory.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this machine does not allow it; a word about it is printed.
    pub fn mount(at: &Path, kibibytes: u32) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o"]).arg(format!("size={kibibytes}k")).arg("rollcall-test").arg(at);
        if command.output().is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: no file system can be mounted here");
        None
    }

    /// Makes it so small that no more than this is left beside what it holds.
    pub fn leave(&self, kibibytes: u64) {
        let files = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let size = files.map(|bytes| bytes.div_ceil(4096) * 4).sum::<u64>() + kibibytes;
        let smaller =
            Command::new("mount").args(["-o", &format!("remount,size={size}k")]).arg(&self.0).status();
        assert!(smaller.unwrap().success());
    }

    pub fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&self.0).status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_run_and_the_next_one_ends_it() {
    let simulator = quick_simulator().await;
    let undisturbed = collected(&simulator).await;
    let expected = dump(&undisturbed.database).await;
    // Full at the first page, while the tables are made, with the tables just made, and while listings are stored.
    for kibibytes in [4, 64, 300, 700, 1_100] {
        let mut program = Program::new(&simulator);
        let directory = program.directory().join("disk");
        let Some(disk) = SmallDisk::mount(&directory, kibibytes) else { return };
        program.database = directory.join("data.db");
        let finished = program.run(&["collect"]).await;
        assert_eq!(finished.status, Some(74), "{kibibytes} KiB: {finished:?}");
        let lines: Vec<&str> = finished.stderr.lines().collect();
        assert!(matches!(lines[..], [line] if line.contains("full")), "{kibibytes} KiB: {finished:?}");
        disk.grow();
        let finished = program.run(&["collect"]).await;
        assert_eq!(finished.status, Some(0), "{finished:?}");
        assert_whole(&program.database).await;
        assert_equal(
            &dump(&program.database).await,
            &expected,
            &format!("after a full disk of {kibibytes} KiB"),
        );
        assert_eq!(
            count(&program.database, "SELECT count(*) FROM run_log WHERE outcome = 'running'").await,
            0
        );
    }
}

/// Someone else's write, which begins now and ends when this is dropped.
async fn held(database: &Path) -> sqlx::SqliteConnection {
    let mut theirs = open(database).await;
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE settings SET value = value").execute(&mut theirs).await.unwrap();
    theirs
}

#[tokio::test]
async fn another_program_that_writes_is_waited_for() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let theirs = held(&program.database).await;
    let mut process = program.start(&["collect"]);
    sleep(Duration::from_secs(1)).await;
    assert!(process.ended().is_none(), "{}", process.stderr());
    drop(theirs);
    let (code, _) = process.wait(Duration::from_secs(30)).await;
    assert_eq!(code, Some(0), "{}", process.stderr());
}

#[tokio::test]
async fn another_program_that_does_not_stop_writing_is_named() {
    let simulator = quick_simulator().await;
    let program = collected(&simulator).await;
    let _theirs = held(&program.database).await;
    assert_eq!(program.run(REPORT).await.status, Some(0), "who only reads does not wait");
    let begun = Instant::now();
    assert_refused(&program.run(&["collect"]).await, &["is locked by another program", "close it there"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_first_fetch_that_meets_a_lock_ends_the_others() {
    let simulator = simulator().await;
    let program = Program::new(&simulator);
    let mut process = program.start(&["collect"]);
    process.wait_for_lines(3).await;
    let _theirs = held(&program.database).await;
    let (code, took) = process.wait(Duration::from_mins(1)).await;
    let log = process.stderr();
    assert_eq!(code, Some(74), "{log}");
    // One wait of a fetch, perhaps one of the ledger before it, and one to log the end; two dozen fetches were under way.
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(log.contains("is locked by another program"), "{log}");
}

#[tokio::test]
async fn a_signal_is_obeyed_while_another_program_writes() {
    let simulator = simulator().await;
    let program = Program::new(&simulator);
    let mut process = program.start(&["collect"]);
    process.wait_for_lines(3).await;
    let theirs = held(&program.database).await;
    process.signal("TERM");
    let (code, _) = process.wait(Duration::from_secs(5)).await;
    assert_eq!(code, Some(143), "{}", process.stderr());
    drop(theirs);
    assert_whole(&program.database).await;
    assert_eq!(program.run(&["collect"]).await.status, Some(0));
    assert_eq!(
        count(&program.database, "SELECT count(*) FROM run_log WHERE outcome = 'interrupted'").await,
        1
    );
}

#[tokio::test]
async fn a_second_run_goes_or_waits() {
    let simulator = simulator().await;
    let program = Program::new(&simulator);
    let mut first = program.start(&["collect"]);
    first.wait_for_lines(1).await;
    let begun = Instant::now();
    let second = program.run(&["collect"]).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!((second.status, second.stdout.as_str()), (Some(75), ""));
    assert_eq!(second.stderr.lines().count(), 1, "{}", second.stderr);
    assert!(second.stderr.contains("another run holds the database"), "{}", second.stderr);
    assert!(first.ended().is_none(), "the first run was over too soon to say anything");

    let third = program.run(&["collect", "--wait"]).await;
    assert_eq!(third.status, Some(0), "{third:?}");
    assert_eq!(first.ended().and_then(|status| status.code()), Some(0));
    let apart = "SELECT count(*) FROM run_log a JOIN run_log b ON b.run_id > a.run_id WHERE b.started_at < a.finished_at";
    assert_eq!(count(&program.database, apart).await, 0);
    assert_eq!(count(&program.database, "SELECT count(*) FROM run_log WHERE outcome = 'ok'").await, 2);
}
