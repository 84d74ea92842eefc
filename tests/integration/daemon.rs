//! The real daemon, as a service manager starts it: against a simulated Zoom, with a notify socket of the test's own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::model::Timestamp;
use rollcall::simulator::{Options, SimulatedEndpoint, Simulator, World};
use rollcall::store::{RunLock, Store};
use tokio::net::UnixDatagram;
use tokio::time::{sleep, timeout};

use crate::child::{Program, Running};
use crate::harness::{HOUR, guests, lecture, open, rows};

/// Longer than anything that is waited for takes, however busy the machine is.
pub const LONGEST: Duration = Duration::from_secs(30);

/// A simulated Zoom, a config with a slot every second, and a socket on which the daemon says how it does.
pub struct Service {
    pub zoom: Simulator,
    pub program: Program,
    socket: UnixDatagram,
}

impl Service {
    pub async fn new() -> Self {
        let now = Clock::system().now();
        let mut world = World::new();
        world.add_instance(guests(lecture("daemonA==", now, HOUR), 3));
        let zoom = Simulator::start(Options::default(), world).await.unwrap();
        let program = Program::new(&zoom);
        let socket = UnixDatagram::bind(program.directory().join("notify")).unwrap();
        let service = Self { zoom, program, socket };
        service.configure("[schedule]\ncron = \"* * * * * *\"\n");
        service
    }

    /// Puts these lines at the end of the config.
    pub fn configure(&self, lines: &str) {
        let path = self.config();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{lines}")).unwrap();
    }

    fn config(&self) -> std::path::PathBuf {
        self.program.directory().join("config.toml")
    }

    pub fn start(&self) -> Running {
        self.program.spawn(self.command())
    }

    /// What starts the daemon, with the socket of this test.
    pub fn command(&self) -> Command {
        let mut command = self.program.command(&["run"]);
        command.env("NOTIFY_SOCKET", self.program.directory().join("notify")).env("WATCHDOG_USEC", "400000");
        command
    }

    /// The next message that says this; those before it are passed over.
    pub async fn hears(&self, what: &str) -> String {
        let mut heard = Vec::new();
        let wait = timeout(LONGEST, async {
            loop {
                let mut buffer = [0; 4096];
                let length = self.socket.recv(&mut buffer).await.unwrap();
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if message.contains(what) {
                    return message;
                }
                heard.push(message);
            }
        });
        let Ok(message) = wait.await else { panic!("`{what}` was never said; only {heard:?}") };
        message
    }

    pub async fn database(&self) -> Store {
        open(&self.program.database).await
    }
}

/// Ends the daemon, which takes less than five seconds and leaves one file.
pub async fn ends_well(daemon: &mut Running, database: &Path) {
    ends_in_time(daemon).await;
    let name = database.file_name().unwrap().to_string_lossy().into_owned();
    for ending in ["-wal", "-shm"] {
        assert!(!database.with_file_name(format!("{name}{ending}")).exists(), "{ending} was left");
    }
}

/// Ends the daemon, which takes less than five seconds and is success.
pub async fn ends_in_time(daemon: &mut Running) {
    daemon.signal("TERM");
    let (code, took) = daemon.wait(LONGEST).await;
    assert_eq!(code, Some(0), "{}", daemon.stderr());
    assert!(took < Duration::from_secs(5), "it took {took:?} to stop");
}

#[tokio::test]
async fn a_life_under_a_service_manager() {
    let service = Service::new().await;
    let mut daemon = service.start();

    let ready = service.hears("READY=1").await;
    assert!(ready.contains("STATUS=") && ready.contains("next slot 20"), "{ready}");
    service.hears("WATCHDOG=1").await;
    service.hears("last run ok").await;

    service.configure("on_start = false\n[log]\nlevel = \"warn\"\n[monitoring]\nlisten = \"127.0.0.1:1\"\n");
    daemon.signal("HUP");
    let reloading = service.hears("RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    service.hears("READY=1").await;

    let good = std::fs::read_to_string(service.config()).unwrap();
    service.configure("[schedule]\n");
    daemon.signal("HUP");
    service.hears("RELOADING=1").await;
    let ready = service.hears("READY=1").await;
    assert!(ready.contains("the new configuration is wrong, and the old one stays"), "{ready}");
    service.hears("STATUS=collecting since").await;
    std::fs::write(service.config(), good.replace("* * * * * *", "0 0 5 1 1 *")).unwrap();
    daemon.signal("HUP");
    service.hears("-01-01 05:00:00 UTC").await;

    ends_well(&mut daemon, &service.program.database).await;
    service.hears("STOPPING=1").await;

    let store = service.database().await;
    assert_eq!(rows(&store, "SELECT count(*) FROM participants").await, ["3"]);
    let outcomes = rows(&store, "SELECT DISTINCT outcome FROM runs WHERE outcome NOT IN ('skipped')").await;
    assert!(outcomes.contains(&"ok".to_owned()), "{outcomes:?}");
    let twice = "SELECT slot FROM runs WHERE slot IS NOT NULL GROUP BY slot HAVING count(*) > 1";
    assert_eq!(rows(&store, twice).await, [""; 0]);

    let log = daemon.stderr();
    for line in [
        "rollcall started",
        "3 rows of instance daemonA== of meeting 85746065432 were read from dashboard: ok",
        " (scheduled) ended ok: 1 of 1 instances read, 3 rows,",
        "the configuration was read again",
        "the daemon has to be started again for what has changed of schedule.on_start, monitoring.listen, log.level",
        "the new configuration is wrong, and the old one stays",
        "rollcall has stopped",
    ] {
        assert!(log.contains(line), "{line} is not in\n{log}");
    }
    let credentials = service.zoom.credentials();
    for secret in [&credentials.client_secret[..], "Guest 00", "@example"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_fetch_interrupts_the_run() {
    let service = Service::new().await;
    service.zoom.fault("delay=60000,endpoint=metrics-participants".parse().unwrap());
    let mut daemon = service.start();
    while service.zoom.count_at(SimulatedEndpoint::MetricsParticipants) == 0 {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    ends_well(&mut daemon, &service.program.database).await;
    let store = service.database().await;
    let runs = rows(&store, "SELECT outcome FROM runs WHERE outcome <> 'skipped'").await;
    assert_eq!(runs, ["interrupted"]);
}

/// The daemon is told to stop while it waits for an answer of this endpoint: it ends at once, and says of the run that it
/// was interrupted.
async fn stops_while_it_asks(service: Service, endpoint: SimulatedEndpoint) {
    service.zoom.fault(format!("delay=60000,endpoint={endpoint}").parse().unwrap());
    let mut daemon = service.start();
    while service.zoom.count_at(endpoint) == 0 {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    daemon.signal("TERM");
    let (code, took) = daemon.wait(LONGEST).await;
    assert_eq!(code, Some(0), "{}", daemon.stderr());
    assert!(took < Duration::from_secs(3), "{endpoint}: it took {took:?} to stop");
    let runs = rows(&service.database().await, "SELECT outcome FROM runs WHERE outcome <> 'skipped'").await;
    assert_eq!(runs, ["interrupted"], "{endpoint}");
}

#[tokio::test]
async fn a_stop_while_instances_are_asked_for_interrupts_the_run() {
    stops_while_it_asks(Service::new().await, SimulatedEndpoint::PastInstances).await;
}

#[tokio::test]
async fn a_stop_while_live_meetings_are_asked_for_interrupts_the_run() {
    let service = Service::new().await;
    service.configure("[collection]\ninclude_live = true\n");
    let config = service.config();
    let text =
        std::fs::read_to_string(&config).unwrap().replacen("[collection]\nlookback = \"120d\"\n", "", 1);
    std::fs::write(config, text).unwrap();
    stops_while_it_asks(service, SimulatedEndpoint::MetricsMeeting).await;
}

#[tokio::test]
async fn a_stop_while_the_latest_instances_are_asked_for_interrupts_the_run() {
    let service = Service::new().await;
    // Neither the listing of instances nor the account-wide list is allowed.
    for endpoint in [SimulatedEndpoint::PastInstances, SimulatedEndpoint::MetricsMeetings] {
        service.zoom.fault(format!("scope-4711,endpoint={endpoint}").parse().unwrap());
    }
    stops_while_it_asks(service, SimulatedEndpoint::PastMeeting).await;
}

#[tokio::test]
async fn a_killed_daemon_catches_up_when_it_is_started_again() {
    let service = Service::new().await;
    service.zoom.fault("delay=60000,endpoint=metrics-participants".parse().unwrap());
    let mut daemon = service.start();
    // A slot has been stored once one has been skipped.
    while !daemon.stderr().contains("is skipped") {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    daemon.kill();
    let killed_at: Timestamp = Clock::system().now();
    while Clock::system().now().since(killed_at) < Duration::from_millis(1_100) {
        sleep(Duration::from_millis(10)).await;
    }
    service.zoom.clear_faults();

    let mut daemon = service.start();
    service.hears("(catch_up)").await;
    service.hears("last run ok").await;
    ends_well(&mut daemon, &service.program.database).await;
    let store = service.database().await;
    let catch_up = "SELECT outcome, instances_fetched FROM runs WHERE trigger = 'catch_up'";
    assert_eq!(rows(&store, catch_up).await, ["ok|1"]);
    let killed = "SELECT outcome, error FROM runs WHERE run_id = 1";
    assert_eq!(rows(&store, killed).await, ["interrupted|the program was killed or crashed"]);
    assert_eq!(rows(&store, "SELECT count(*) FROM participants").await, ["3"]);
    assert!(daemon.stderr().contains("(catch_up) ended ok"), "{}", daemon.stderr());
}

#[tokio::test]
async fn a_start_waits_for_whoever_holds_the_database() {
    let service = Service::new().await;
    let lock = RunLock::try_acquire(&service.program.database).unwrap().unwrap();
    let mut daemon = service.start();
    let waiting = service.hears("STATUS=waiting for the run or command").await;
    assert!(waiting.contains("EXTEND_TIMEOUT_USEC="), "{waiting}");
    drop(lock);
    service.hears("READY=1").await;
    ends_well(&mut daemon, &service.program.database).await;
}

#[tokio::test]
async fn without_a_service_manager_it_works_all_the_same() {
    let service = Service::new().await;
    let mut daemon = service.program.start(&["run"]);
    while !daemon.stderr().contains("ended ok") {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    ends_well(&mut daemon, &service.program.database).await;
}

/// What an HTTP server on this machine answers to a GET.
pub async fn get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_answers_monitoring_and_keeps_what_the_config_says() {
    let service = Service::new().await;
    let old = Clock::system().now().minus(160 * 24 * HOUR);
    service.zoom.world(|world| world.add_instance(guests(lecture("old==", old, HOUR), 3)));
    let from = old.minus(48 * HOUR).utc().format("%Y-%m-%d").to_string();
    let backfilled = service.program.run(&["backfill", "--from", &from]).await;
    assert_eq!(backfilled.status, Some(0), "{}", backfilled.stderr);
    // The config looks back for 120 days, and keeps no less than that and a week.
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    service.configure(&format!("[retention]\nkeep = \"140d\"\n[monitoring]\nlisten = \"{address}\"\n"));
    let mut daemon = service.start();
    service.hears("READY=1").await;
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
    service.hears("last run ok").await;
    let metrics = get(&address, "/metrics").await;
    assert!(metrics.contains("rollcall_runs_total{outcome=\"ok\"}"), "{metrics}");
    assert!(metrics.contains("rollcall_http_responses_total{label=\"Heavy\",code=\"200\"}"), "{metrics}");
    assert!(!metrics.contains("@example"), "{metrics}");
    ends_well(&mut daemon, &service.program.database).await;
    let store = service.database().await;
    assert_eq!(rows(&store, "SELECT instance_uuid FROM meetings_held").await, ["daemonA=="]);
    assert_eq!(rows(&store, "SELECT uuid FROM tombstones").await, ["old=="]);
}

/// A socket of the abstract namespace, which `systemd` uses for a service manager of its own.
#[tokio::test]
async fn a_service_manager_may_listen_at_an_abstract_name() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
    let mut service = Service::new().await;
    let name = format!("rollcall-test-{}", std::process::id());
    let socket = StdDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    service.socket = UnixDatagram::from_std(socket).unwrap();
    let mut command = service.command();
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let mut daemon = service.program.spawn(command);
    service.hears("READY=1").await;
    ends_in_time(&mut daemon).await;
    service.hears("STOPPING=1").await;
}

#[tokio::test]
async fn a_service_manager_that_does_not_read_holds_nothing_up_and_hears_later() {
    let service = Service::new().await;
    let mut command = service.command();
    // The socket is full after a fraction of a second.
    command.env("WATCHDOG_USEC", "2000");
    let mut daemon = service.program.spawn(command);
    while daemon.stderr().matches(" ended ok").count() < 3 {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    daemon.signal("HUP");
    while !daemon.stderr().contains("was read again") {
        sleep(Duration::from_millis(5)).await;
    }
    service.hears("RELOADING=1").await;
    service.hears("READY=1").await;
    ends_in_time(&mut daemon).await;
}

/// Waits for the end of a daemon that has lost its file: it says why, and writes nothing more.
async fn ends_with_74(daemon: &mut Running, words: &str) {
    let (code, _) = daemon.wait(LONGEST).await;
    assert_eq!(code, Some(74), "{}", daemon.stderr());
    let log = daemon.stderr();
    assert!(log.lines().last().is_some_and(|line| line.contains(words)), "{log}");
}

#[tokio::test]
async fn a_daemon_whose_database_is_taken_away_or_replaced_ends_with_74() {
    let service = Service::new().await;
    let path = &service.program.database;
    let elsewhere = path.with_file_name("elsewhere.db");
    for is_replaced in [false, true] {
        let mut daemon = service.start();
        service.hears("last run ok").await;
        if is_replaced {
            std::fs::copy(path, &elsewhere).unwrap();
            std::fs::remove_file(path.with_file_name("data.db-wal")).unwrap();
            std::fs::rename(&elsewhere, path).unwrap();
            // The other file's own log, which must stay.
            std::fs::write(path.with_file_name("data.db-wal"), "theirs").unwrap();
        } else {
            std::fs::rename(path, &elsewhere).unwrap();
        }
        ends_with_74(&mut daemon, "was moved, deleted or replaced while it was open").await;
        assert_eq!(path.exists(), is_replaced);
        if is_replaced {
            assert_eq!(std::fs::read(path.with_file_name("data.db-wal")).unwrap(), b"theirs");
        } else {
            for ending in ["data.db-wal", "data.db-shm"] {
                std::fs::remove_file(path.with_file_name(ending)).unwrap();
            }
            std::fs::remove_file(&elsewhere).unwrap();
        }
    }
}

#[tokio::test]
async fn a_daemon_whose_database_a_newer_version_has_changed_ends_with_74() {
    let service = Service::new().await;
    let mut daemon = service.start();
    service.hears("last run ok").await;
    let mut theirs = crate::crash::open(&service.program.database).await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(later).execute(&mut theirs).await.unwrap();
    ends_with_74(&mut daemon, "was made by a newer rollcall").await;
}

#[tokio::test]
async fn a_second_signal_ends_the_daemon_at_once_and_is_success_all_the_same() {
    let service = Service::new().await;
    service.zoom.fault("delay=60000,endpoint=metrics-participants".parse().unwrap());
    let mut daemon = service.start();
    while service.zoom.count_at(SimulatedEndpoint::MetricsParticipants) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    // The end of the run cannot be written while somebody else writes.
    let mut theirs = crate::crash::open(&service.program.database).await;
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE settings SET value = value").execute(&mut theirs).await.unwrap();
    daemon.signal("TERM");
    service.hears("STOPPING=1").await;
    assert_eq!(daemon.ended(), None);
    daemon.signal("TERM");
    let (code, took) = daemon.wait(LONGEST).await;
    assert_eq!(code, Some(0), "{}", daemon.stderr());
    assert!(took < Duration::from_secs(3), "it took {took:?} to stop");
}
