//! The exit codes of the real program, and what it says where a person has to act.

use std::process::Stdio;
use std::time::Duration;

use insta::assert_snapshot;
use rollcall::clock::Clock;
use rollcall::simulator::{Fault, FaultKind, Options, SimulatedEndpoint, Simulator, World};
use rollcall::store::RunLock;

use crate::harness::{Desk, HOUR, guests, lecture, rows};

const MEETINGS: &str = "meetings = [\"857 4606 5432\"]";

/// What `collect` says of a config, which must end with 78 and leave nothing behind.
async fn refused(config: &str) -> String {
    let desk = Desk::new();
    desk.write("config.toml", config);
    let finished = desk.run(&["collect"]).await;
    assert_eq!((finished.status, finished.stdout.as_str()), (Some(78), ""), "{finished:?}");
    assert!(!desk.path("rollcall.db").exists());
    finished.stderr
}

#[tokio::test]
async fn an_unknown_key_ends_with_78() {
    assert_snapshot!(refused("[zoom]\naccount = \"x\"\nclient_secret_fil = \"secret\"\n").await, @"
rollcall: the configuration has 2 problems:
  config.toml:2: zoom.account: unknown key; did you mean `zoom.account_id`?
  config.toml:3: zoom.client_secret_fil: unknown key; did you mean `zoom.client_secret_file`?
");
}

#[tokio::test]
async fn a_wrong_type_ends_with_78() {
    assert_snapshot!(refused("[zoom]\npage_size = \"many\"\n[schedule]\non_start = 1\n").await, @"
rollcall: the configuration has 2 problems:
  config.toml:2: zoom.page_size: found text, wanted a whole number; write it as `page_size = 300`
  config.toml:4: schedule.on_start: found a whole number, wanted true or false; write it as `on_start = true`
");
}

#[tokio::test]
async fn a_missing_secret_ends_with_78() {
    assert_snapshot!(refused("meetings = [1]\n[zoom]\naccount_id = \"a\"\nclient_id = \"c\"\n").await, @"rollcall: config.toml: zoom.client_secret: required, but not set; put it in a file and name that as `client_secret_file` under [zoom], or give the systemd credential `zoom-client-secret`, or ROLLCALL_ZOOM__CLIENT_SECRET");
    let file =
        "meetings = [1]\n[zoom]\naccount_id = \"a\"\nclient_id = \"c\"\nclient_secret_file = \"nowhere\"\n";
    assert_snapshot!(refused(file).await, @"rollcall: config.toml:5: zoom.client_secret_file: the secret file nowhere cannot be read (No such file or directory (os error 2)); check the path and that the user rollcall runs as may read it");
}

#[tokio::test]
async fn a_bad_cron_expression_ends_with_78() {
    assert_snapshot!(refused("[schedule]\ncron = \"*/15 * * * *\"\n").await, @r#"rollcall: config.toml:2: schedule.cron: `*/15 * * * *` has five fields, as a crontab does, and here the seconds come first: `0 */15 * * * *`; write six fields, seconds first, such as "0 */15 * * * *""#);
}

#[tokio::test]
async fn a_bad_meeting_id_ends_with_78() {
    assert_snapshot!(refused("meetings = [\"857 4606 543x\"]\n").await, @r#"rollcall: config.toml:1: meetings[0]: `857 4606 543x` is no meeting ID: digits are wanted, as Zoom shows them, such as 85746065432 or `857 4606 5432`; write it as "857 4606 5432", or as { id = 85746065432, label = "CS101" }"#);
}

#[tokio::test]
async fn a_host_without_https_ends_with_78() {
    assert_snapshot!(refused("[zoom]\napi_url = \"http://api.zoom.us/v2\"\n").await, @"rollcall: config.toml:2: zoom.api_url: plain http to api.zoom.us would show the access token to the network; use https:// (http:// is for localhost only)");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_ends_with_78() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("config.toml")).unwrap();
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(78));
    assert_snapshot!(finished.stderr, @"rollcall: config.toml: the file cannot be read (Is a directory (os error 21)); check its permissions, or name another with --config");
    let finished = desk.run(&["collect", "--config", "elsewhere.toml"]).await;
    assert_eq!(finished.status, Some(78));
    assert_snapshot!(finished.stderr, @"rollcall: elsewhere.toml: there is no such file; `rollcall init` writes one");
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2() {
    let finished = Desk::new().run(&["collect", "--meeting", "857x"]).await;
    assert_eq!(finished.status, Some(2));
    assert_snapshot!(finished.stderr, @"
error: invalid value '857x' for '--meeting <ID>': `857x` is no meeting ID: digits are wanted, as Zoom shows them, such as 85746065432 or `857 4606 5432`

For more information, try '--help'.
");
}

#[tokio::test]
async fn what_makes_no_sense_ends_with_2() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["init"]).await.status, Some(0));
    let again = desk.run(&["init"]).await;
    assert_eq!(again.status, Some(2), "{again:?}");
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    assert_eq!(desk.run(&["collect"]).await.status, Some(0));
    let span = desk.run(&["report", "meetings", "--from", "2026-03-02", "--to", "2026-03-01"]).await;
    assert_eq!(span.status, Some(2), "{span:?}");
    assert!(span.stderr.contains("`--from` must be before `--to`"), "{span:?}");
}

#[tokio::test]
async fn an_instance_that_zoom_does_not_know_ends_a_backfill_with_1() {
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["backfill", "--from", "2026-01-01", "--meeting", "nowhere=="]).await;
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("instance nowhere== could not be found"), "{finished:?}");
}

#[tokio::test]
async fn a_machine_without_certificates_ends_with_78_unless_it_speaks_to_itself() {
    let zoom = zoom().await;
    let without = |desk: &Desk, arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.env("SSL_CERT_FILE", desk.path("nowhere.pem")).env("SSL_CERT_DIR", desk.path("nowhere"));
        command
    };
    let desk = Desk::at_zoom("https://127.0.0.1:1/v2", "https://127.0.0.1:1/oauth/token", MEETINGS);
    let daemon = desk.finish(without(&desk, &["run"])).await;
    assert_eq!(daemon.status, Some(78), "{daemon:?}");
    let finished = desk.finish(without(&desk, &["collect"])).await;
    assert_eq!(finished.status, Some(78), "{finished:?}");
    assert_snapshot!(finished.stderr, @"rollcall: the certificates of this machine cannot be used (No CA certificates were loaded from the system); install the package ca-certificates, or name a file of certificates in the environment variable SSL_CERT_FILE");
    let checked = desk.finish(without(&desk, &["check"])).await;
    assert_eq!(checked.status, Some(78), "{checked:?}");
    assert!(checked.stdout.contains("✗ zoom: the certificates of this machine"), "{checked:?}");
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.finish(without(&desk, &["collect"])).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
}

#[tokio::test]
async fn a_signal_hides_that_the_database_was_locked_meanwhile() {
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    assert_eq!(desk.run(&["collect"]).await.status, Some(0));
    for (command, status) in [("collect", 143), ("run", 0)] {
        let mut theirs = crate::crash::open(&desk.path("rollcall.db")).await;
        sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE settings SET value = value")
            .execute(&mut theirs)
            .await
            .unwrap();
        let mut running =
            desk.command(&[command]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        while !RunLock::is_held(&desk.path("rollcall.db")) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let kill = std::process::Command::new("kill").arg(running.id().to_string()).status();
        assert!(kill.unwrap().success());
        let code = tokio::task::spawn_blocking(move || running.wait()).await.unwrap().unwrap().code();
        assert_eq!(code, Some(status), "{command}");
    }
}

/// A simulated Zoom in the present, with one instance of two guests.
async fn zoom() -> Simulator {
    let now = Clock::system().now();
    let world = World::new().with(guests(lecture("abc==", now, HOUR), 2));
    Simulator::start(Options::default(), world).await.unwrap()
}

#[tokio::test]
async fn a_run_that_reads_everything_ends_with_0_and_says_what_it_did() {
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let [line, summary] = finished.stdout.lines().collect::<Vec<_>>()[..] else { panic!("{finished:?}") };
    assert!(line.contains("85746065432  abc==") && line.ends_with("2 rows, 2 new (dashboard)"), "{line}");
    assert!(summary.starts_with("run 1: ok. 1 of 1 instances read; 2 rows: 2 new, 0 updated"), "{summary}");
    let secret = zoom.credentials().client_secret;
    assert!(!finished.stderr.contains(&secret) && !finished.stdout.contains(&secret));
}

#[tokio::test]
async fn some_failed_ends_with_1_and_the_others_are_read() {
    let zoom = zoom().await;
    let now = Clock::system().now();
    zoom.world(|world| world.add_instance(guests(lecture("blocked==", now, 3 * HOUR), 2)));
    zoom.fault(Fault::new(FaultKind::Blocked).of_instance("blocked==".parse().unwrap()));
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("2 rows, 2 new") && finished.stdout.contains("parked: "),
        "{finished:?}"
    );
}

#[tokio::test]
async fn an_unreachable_zoom_ends_with_69() {
    // A port that was free a moment ago, and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let desk = Desk::at_zoom(&format!("{url}/v2"), &format!("{url}/oauth/token"), MEETINGS);
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(69), "{finished:?}");
    assert!(finished.stderr.contains("check network"), "{finished:?}");
    assert_eq!(rows(&desk.database().await, "SELECT outcome FROM runs").await, ["failed"]);
}

#[tokio::test]
async fn wrong_credentials_end_with_77() {
    let zoom = zoom().await;
    zoom.options(|options| options.credentials.client_secret = "another".to_owned());
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(77), "{finished:?}");
    assert!(finished.stderr.contains("zoom.client_id"), "{finished:?}");
}

#[tokio::test]
async fn missing_scopes_end_with_77_and_are_named() {
    let zoom = zoom().await;
    zoom.options(|options| options.scopes = vec!["user:read:admin".to_owned()]);
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(77), "{finished:?}");
    assert!(finished.stderr.contains("meeting:read:list_past_instances:admin"), "{finished:?}");
}

#[tokio::test]
async fn a_used_up_quota_ends_with_75_and_keeps_the_backlog() {
    let zoom = zoom().await;
    let quota = FaultKind::TooManyPerDay { retry_after: None, headers: true };
    zoom.fault(Fault::new(quota).at(SimulatedEndpoint::MetricsParticipants));
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(75), "{finished:?}");
    // It is remembered by the next process, which does not even ask.
    zoom.clear_faults();
    zoom.clear_requests();
    assert_eq!(desk.run(&["collect"]).await.status, Some(75));
    assert_eq!(zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0);
    let database = desk.database().await;
    assert_eq!(rows(&database, "SELECT outcome FROM runs").await, ["quota", "quota"]);
    assert_eq!(rows(&database, "SELECT state FROM meetings_held").await, ["pending"]);
}

#[tokio::test]
async fn a_database_that_is_none_ends_with_74() {
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    desk.write("rollcall.db", "this is no database at all, and long enough to be looked at by SQLite as one");
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(74), "{finished:?}");
    let finished = desk.run(&["collect", "--database", "nowhere/rollcall.db"]).await;
    assert_eq!(finished.status, Some(74), "{finished:?}");
}

#[tokio::test]
async fn a_second_run_ends_with_75_and_waits_where_it_is_told_to() {
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let lock = RunLock::try_acquire(&desk.path("rollcall.db")).unwrap().unwrap();
    let finished = desk.run(&["collect"]).await;
    assert_eq!((finished.status, finished.stdout.as_str()), (Some(75), ""));
    assert_snapshot!(finished.stderr, @"rollcall: another run holds the database rollcall.db; try again when it has ended, or pass --wait");

    let mut command = desk.command(&["collect", "--wait"]);
    let mut waiting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    assert_eq!(zoom.requests().len(), 0);
    drop(lock);
    let output = tokio::task::spawn_blocking(move || waiting.wait_with_output()).await.unwrap().unwrap();
    let finished = desk.finished(&output);
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("2 rows, 2 new"), "{finished:?}");
}

#[tokio::test]
async fn a_meeting_named_on_the_command_line_need_not_be_listed() {
    let zoom = zoom().await;
    let desk = Desk::at_simulator(&zoom, "meetings = [\"938 1234 5678\"]");
    let finished = desk.run(&["collect", "--meeting", "857-4606-5432", "--database", "other.db"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("2 rows, 2 new"), "{finished:?}");
    assert!(desk.path("other.db").exists() && !desk.path("rollcall.db").exists());
    assert!(zoom.requests().iter().all(|request| !request.target.contains("93812345678")));
}

#[tokio::test]
async fn the_api_is_where_the_token_says_and_a_secret_may_be_all_digits() {
    let zoom = zoom().await;
    zoom.options(|options| options.credentials.client_secret = "0123456789".to_owned());
    let desk = Desk::at_zoom("", &zoom.token_url(), MEETINGS);
    let mut command = desk.command(&["collect"]);
    command.env("ROLLCALL_ZOOM__CLIENT_SECRET", "0123456789");
    let finished = desk.finish(command).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("2 rows, 2 new"), "{finished:?}");
}
