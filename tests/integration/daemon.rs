//! The real daemon, as a service manager starts it: against a simulated Zoom, with a notify socket of the test's own.

use std::path::Path;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::model::Timestamp;
use rollcall::simulator::{Options, Simulator, World};
use rollcall::store::{RunLock, Store};
use tokio::net::UnixDatagram;
use tokio::time::{sleep, timeout};

use crate::child::{Program, Running};
use crate::harness::{HOUR, guests, lecture, open, rows};

/// Longer than anything that is waited for takes, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(30);

/// A simulated Zoom, a config with a slot every second, and a socket on which the daemon says how it does.
struct Service {
    zoom: Simulator,
    program: Program,
    socket: UnixDatagram,
}

impl Service {
    async fn new() -> Self {
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
    fn configure(&self, lines: &str) {
        let path = self.config();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{lines}")).unwrap();
    }

    fn config(&self) -> std::path::PathBuf {
        self.program.directory().join("config.toml")
    }

    fn start(&self) -> Running {
        let mut command = self.program.command(&["run"]);
        command.env("NOTIFY_SOCKET", self.program.directory().join("notify")).env("WATCHDOG_USEC", "400000");
        self.program.spawn(command)
    }

    /// The next message that says this; those before it are passed over.
    async fn hears(&self, what: &str) -> String {
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

    async fn database(&self) -> Store {
        open(&self.program.database).await
    }
}

async fn ends_well(daemon: &mut Running, database: &Path) {
    daemon.signal("TERM");
    let (code, took) = daemon.wait(LONGEST).await;
    assert_eq!(code, Some(0), "{}", daemon.stderr());
    assert!(took < Duration::from_secs(5), "it took {took:?} to stop");
    let name = database.file_name().unwrap().to_string_lossy().into_owned();
    for ending in ["-wal", "-shm"] {
        assert!(!database.with_file_name(format!("{name}{ending}")).exists(), "{ending} was left");
    }
}

#[tokio::test]
async fn a_life_under_a_service_manager() {
    let service = Service::new().await;
    let mut daemon = service.start();

    let ready = service.hears("READY=1").await;
    assert!(ready.contains("STATUS=") && ready.contains("next slot 20"), "{ready}");
    service.hears("WATCHDOG=1").await;
    service.hears("last run ok").await;

    daemon.signal("HUP");
    let reloading = service.hears("RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    service.hears("READY=1").await;

    let good = std::fs::read_to_string(service.config()).unwrap();
    service.configure("cron = \"never\"\n");
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
        "rollcall is up",
        "3 rows of instance daemonA== of meeting 85746065432 were read from dashboard: ok",
        " (scheduled) ended ok: 1 of 1 instances read, 3 rows,",
        "the configuration was read again",
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
    while service.zoom.count_at(rollcall::simulator::Endpoint::MetricsParticipants) == 0 {
        assert_eq!(daemon.ended(), None, "{}", daemon.stderr());
        sleep(Duration::from_millis(5)).await;
    }
    ends_well(&mut daemon, &service.program.database).await;
    let store = service.database().await;
    let runs = rows(&store, "SELECT outcome FROM runs WHERE outcome <> 'skipped'").await;
    assert_eq!(runs, ["interrupted"]);
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
async fn get(address: &str, path: &str) -> String {
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
    assert!(metrics.contains("rollcall_answers_total{label=\"Heavy\",status=\"200\"}"), "{metrics}");
    assert!(!metrics.contains("@example"), "{metrics}");
    ends_well(&mut daemon, &service.program.database).await;
    let store = service.database().await;
    assert_eq!(rows(&store, "SELECT instance_uuid FROM meetings_held").await, ["daemonA=="]);
    assert_eq!(rows(&store, "SELECT uuid FROM tombstones").await, ["old=="]);
}
