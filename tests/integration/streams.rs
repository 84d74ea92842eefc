//! Readers that do not read, and readers that have gone: they hold nothing up, and make nothing panic.

use std::io::{PipeReader, PipeWriter, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::simulator::{Options, Simulator, World};
use rollcall::store::RunLock;
use tokio::time::sleep;

use crate::child::{Program, Running};
use crate::daemon::{LONGEST, Service, ends_in_time};
use crate::harness::{Desk, HOUR, guests, lecture, open, rows};

/// A stream that is full from the beginning, and its reader, which does not read.
fn full() -> (Stdio, UnixStream) {
    let (mut writer, reader) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
    while writer.write(&[0]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    (OwnedFd::from(writer).into(), reader)
}

/// A stream whose reader has gone.
fn gone() -> Stdio {
    let (_, writer): (PipeReader, PipeWriter) = std::io::pipe().unwrap();
    writer.into()
}

async fn simulator() -> Simulator {
    let now = Clock::system().now();
    let world = World::new().with(guests(lecture("streams==", now, HOUR), 2));
    Simulator::start(Options::default(), world).await.unwrap()
}

#[tokio::test]
async fn runs_go_on_beside_a_log_that_nobody_reads_and_a_signal_ends_them_in_time() {
    let service = Service::new().await;
    let (stderr, _unread) = full();
    let mut command = service.command();
    // More than there is room for, soon.
    command.env("ROLLCALL_LOG", "trace").stdout(Stdio::null()).stderr(stderr);
    let mut daemon = Running::of(command.spawn().unwrap());
    service.hears("READY=1").await;
    for _ in 0..3 {
        service.hears("last run ok").await;
        service.hears("STATUS=collecting since").await;
    }
    ends_in_time(&mut daemon).await;
    service.hears("STOPPING=1").await;
}

#[tokio::test]
async fn a_run_ends_whether_or_not_its_output_is_read_and_a_signal_ends_the_waiting() {
    let zoom = simulator().await;
    let program = Program::new(&zoom);
    let ((stdout, _one), (stderr, _other)) = (full(), full());
    let mut command = program.command(&["collect"]);
    command.env("ROLLCALL_LOG", "trace").stdout(stdout).stderr(stderr);
    let mut collect = Running::of(command.spawn().unwrap());
    // The run is over, and its lock is free, before anybody has read a word of it.
    let finished = async {
        loop {
            if program.database.exists()
                && let Ok(store) = rollcall::store::Store::open_to_read(&program.database).await
                && rows(&store, "SELECT outcome FROM runs").await == ["ok"]
                && !RunLock::is_held(&program.database)
            {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONGEST, finished).await.unwrap();
    assert_eq!(collect.ended(), None, "its output was not read");
    collect.signal("TERM");
    let (code, took) = collect.wait(LONGEST).await;
    assert_eq!(code, Some(143));
    assert!(took < Duration::from_secs(5), "it took {took:?} to stop");
}

#[tokio::test]
async fn a_reader_that_comes_late_gets_everything() {
    let zoom = simulator().await;
    let program = Program::new(&zoom);
    let (stdout, mut reader) = full();
    let mut command = program.command(&["collect"]);
    command.stdout(stdout).stderr(Stdio::null());
    let mut collect = command.spawn().unwrap();
    // The command still holds an end of the stream, which would never end.
    drop(command);
    let read = tokio::task::spawn_blocking(move || {
        let mut read = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut read).unwrap();
        read
    });
    let read = String::from_utf8(read.await.unwrap()).unwrap();
    assert!(read.contains("2 rows, 2 new") && read.trim_end().ends_with(" s"), "{read}");
    assert_eq!(collect.wait().unwrap().code(), Some(0));
}

/// The status that a command ends with where nobody reads a word of it.
async fn unread(mut command: Command) -> Option<i32> {
    command.stdin(Stdio::null()).stdout(gone()).stderr(gone());
    tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap().code()
}

#[tokio::test]
async fn commands_end_as_documented_where_nobody_reads_a_word() {
    let zoom = simulator().await;
    let desk = Desk::at_simulator(&zoom, "meetings = [\"857 4606 5432\"]");
    let _lock = RunLock::try_acquire(&desk.path("locked.db")).unwrap();
    for (arguments, status) in [
        (&["--help"][..], 0),
        (&["collect", "--nonsense"], 2),
        (&["completions", "bash"], 0),
        (&["collect", "--config", "nowhere.toml"], 78),
        (&["run", "--config", "nowhere.toml"], 78),
        (&["status"], 74),
        (&["collect", "--database", "locked.db"], 75),
        (&["collect", "-vvvv"], 0),
        (&["backfill", "--from", "2026-01-01"], 0),
        (&["backfill", "--from", "2026-01-01", "--dry-run"], 0),
        (&["backfill", "--from", "2026-01-01", "--meeting", "nowhere=="], 1),
        (&["check", "-vvvv"], 0),
        (&["status"], 0),
        (&["status", "--json"], 0),
        (&["report", "attendance"], 0),
        (&["report", "absences"], 0),
        (&["people", "list"], 0),
        (&["people", "undo"], 2),
        (&["people", "merge", "nobody@example.com", "1"], 2),
        (&["db", "prune"], 2),
        (&["db", "prune", "--keep", "1d"], 2),
        (&["db", "forget", "nobody"], 2),
        (&["db", "forget", "Guest 0000"], 2),
        (&["db", "backup", "rollcall.db"], 2),
        (&["init", "new"], 0),
        (&["demo"], 0),
        (&["demo", "--fault", "list"], 0),
    ] {
        assert_eq!(unread(desk.command(arguments)).await, Some(status), "{arguments:?}");
    }
    let store = open(&desk.path("rollcall.db")).await;
    assert_eq!(rows(&store, "SELECT count(*) FROM participants").await, ["2"]);
}

#[tokio::test]
async fn a_full_disk_behind_stdout_is_an_error_and_behind_stderr_none() {
    let zoom = simulator().await;
    let desk = Desk::at_simulator(&zoom, "meetings = [\"857 4606 5432\"]");
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = desk.command(&["collect", "-vv"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full());
    let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    let mut command = desk.command(&["status"]);
    command.stdin(Stdio::null()).stdout(full());
    let finished = desk.finished(&command.output().unwrap());
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(finished.stderr.starts_with("rollcall: cannot write to stdout"), "{finished:?}");
}
