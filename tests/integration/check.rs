//! `rollcall check`: what is right gets a tick, what is wrong a cross and its exit code, and nothing is written.

use rollcall::clock::Clock;
use rollcall::simulator::{SimulatedEndpoint, Simulator, World};

use crate::harness::{Desk, Finished, HOUR, guests, lecture};

const DASHBOARD_SCOPE: &str = "dashboard:read:list_meeting_participants:admin";

async fn simulator() -> Simulator {
    let now = Clock::system().now();
    let mut world = World::new();
    world.add_instance(guests(lecture("checkA==", now, HOUR), 3));
    Simulator::start(rollcall::simulator::Options::default(), world).await.unwrap()
}

fn desk(zoom: &Simulator) -> Desk {
    Desk::at_simulator(zoom, "meetings = [85746065432]\n")
}

/// Puts these lines at the end of the config.
fn append(desk: &Desk, lines: &str) {
    let before = std::fs::read_to_string(desk.path("config.toml")).unwrap();
    desk.write("config.toml", &format!("{before}{lines}"));
}

/// The lines that begin with this mark.
fn marked(finished: &Finished, mark: char) -> Vec<&str> {
    finished.stdout.lines().filter(|line| line.starts_with(mark)).collect()
}

#[tokio::test]
async fn a_good_setup_has_ticks_only_and_leaves_nothing_behind() {
    let zoom = simulator().await;
    let desk = desk(&zoom);
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(0), "{checked:?}");
    assert_eq!((marked(&checked, '✗'), marked(&checked, '!')), (vec![], vec![]), "{checked:?}");
    for what in [
        "✓ config: ",
        "✓ database: there is none at rollcall.db yet",
        "✓ schedule: next slots in UTC: ",
        "✓ token: ",
        "meeting 85746065432 has 1 ended instances",
        "✓ the Dashboard's participants",
        "✓ the report's participants",
        "✓ a past meeting's participants",
        "Webinars are not collected yet",
    ] {
        assert!(checked.stdout.contains(what), "{what} is not in {}", checked.stdout);
    }
    assert!(!checked.stdout.contains(&zoom.credentials().client_secret));
    let left: Vec<_> =
        std::fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["config.toml"]);
    // One small request an endpoint.
    for endpoint in [
        SimulatedEndpoint::PastInstances,
        SimulatedEndpoint::MetricsParticipants,
        SimulatedEndpoint::ReportParticipants,
    ] {
        assert_eq!(zoom.count_at(endpoint), 1, "{endpoint}");
    }
}

#[tokio::test]
async fn a_database_is_looked_at_and_its_permissions_are_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let zoom = simulator().await;
    let desk = desk(&zoom);
    assert_eq!(desk.run(&["collect"]).await.status, Some(0));
    let checked = desk.run(&["check", "--offline"]).await;
    assert!(
        checked.stdout.contains("its tables are up to date") && marked(&checked, '!').is_empty(),
        "{checked:?}"
    );
    std::fs::set_permissions(desk.path("rollcall.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let checked = desk.run(&["check", "--offline"]).await;
    assert_eq!(checked.status, Some(0));
    assert!(marked(&checked, '!')[0].contains("chmod 600 rollcall.db"), "{checked:?}");
    desk.write(
        "rollcall.db",
        "this is no database, whatever its name says, and it is long enough to be read as one",
    );
    let checked = desk.run(&["check", "--offline"]).await;
    assert_eq!(checked.status, Some(74), "{checked:?}");
}

#[tokio::test]
async fn offline_asks_nothing() {
    let zoom = simulator().await;
    let checked = desk(&zoom).run(&["check", "--offline"]).await;
    assert_eq!(checked.status, Some(0), "{checked:?}");
    assert!(zoom.requests().is_empty());
}

#[tokio::test]
async fn a_wrong_config_is_78_and_a_missing_directory_74() {
    let desk = Desk::new();
    desk.write("config.toml", "meetings = [1]\nmeetigns = [2]\n");
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(78), "{checked:?}");
    assert!(marked(&checked, '✗')[0].contains("meetigns"), "{checked:?}");
    let zoom = simulator().await;
    let desk = Desk::at_simulator(&zoom, "meetings = [85746065432]\ndatabase.path = \"nowhere/a.db\"\n");
    let checked = desk.run(&["check", "--offline"]).await;
    assert_eq!(checked.status, Some(74), "{checked:?}");
}

#[tokio::test]
async fn zoom_that_is_not_there_is_69_and_wrong_credentials_are_77() {
    let zoom = simulator().await;
    let desk = desk(&zoom);
    zoom.options(|options| options.credentials.client_secret = "another".to_owned());
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(77), "{checked:?}");
    assert!(marked(&checked, '✗')[0].starts_with("✗ token: "), "{checked:?}");
    zoom.shutdown().await;
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(69), "{checked:?}");
}

#[tokio::test]
async fn a_missing_scope_costs_something_or_everything() {
    let zoom = simulator().await;
    zoom.options(|options| options.scopes.retain(|scope| scope != DASHBOARD_SCOPE));
    let desk = desk(&zoom);
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(0), "{checked:?}");
    assert!(marked(&checked, '!')[0].contains(DASHBOARD_SCOPE), "{checked:?}");
    let collected = desk.run(&["collect"]).await;
    assert_eq!(collected.status, Some(0), "{collected:?}");
    assert_eq!(
        collected
            .stderr
            .matches("the app lacks scopes: without dashboard:read:list_meeting_participants:admin")
            .count(),
        1
    );

    append(&desk, "source = \"dashboard\"\n");
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(77), "{checked:?}");
    zoom.clear_requests();
    let collected = desk.run(&["collect"]).await;
    assert_eq!(collected.status, Some(77), "{collected:?}");
    assert!(collected.stderr.contains(DASHBOARD_SCOPE), "{collected:?}");
    assert_eq!(zoom.requests().len(), 1, "only a token was asked for");
}

#[tokio::test]
async fn a_token_that_names_no_scopes_hides_no_refusal() {
    let zoom = simulator().await;
    let desk = desk(&zoom);
    zoom.fault("scope-4711".parse().unwrap());
    zoom.options(|options| options.scopes.clear());
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(77), "{checked:?}");
    assert!(!checked.stdout.contains("the scope is there"), "{checked:?}");
    assert!(checked.stdout.contains("no source of participants can be read"), "{checked:?}");
    for endpoint in [
        SimulatedEndpoint::MetricsParticipants,
        SimulatedEndpoint::ReportParticipants,
        SimulatedEndpoint::PastParticipants,
    ] {
        assert_eq!(zoom.count_at(endpoint), 1, "{endpoint}");
    }
    assert_eq!(desk.run(&["collect"]).await.status, Some(77));
}

#[tokio::test]
async fn a_plan_without_the_dashboard_is_told() {
    let zoom = simulator().await;
    zoom.options(|options| options.dashboard = false);
    let desk = desk(&zoom);
    let checked = desk.run(&["check"]).await;
    assert_eq!(checked.status, Some(0), "{checked:?}");
    assert!(marked(&checked, '!')[0].contains("Business plan"), "{checked:?}");
    append(&desk, "source = \"dashboard\"\n");
    assert_eq!(desk.run(&["check"]).await.status, Some(77));
    let collected = desk.run(&["collect"]).await;
    assert_eq!(collected.status, Some(77), "{collected:?}");
    assert!(collected.stdout.contains("refused: Zoom refused the Dashboard's participants"), "{collected:?}");
}

#[tokio::test]
async fn a_check_opens_what_runs_found_closed() {
    let zoom = simulator().await;
    let desk = desk(&zoom);
    assert_eq!(desk.run(&["collect"]).await.status, Some(0));
    let store = rollcall::store::Store::open(&desk.path("rollcall.db")).await.unwrap();
    let close = "INSERT INTO source_closures (source, until_at, reason) VALUES ('dashboard', 4102444800000, 'no licence')";
    sqlx::query(close).execute(store.pool()).await.unwrap();
    let wait = "UPDATE instances SET awaits_source = 'dashboard', state = 'settled', due_at = NULL";
    sqlx::query(wait).execute(store.pool()).await.unwrap();
    store.close().await;
    let told = async |sql| crate::harness::rows(&desk.database().await, sql).await;
    let closed = async || told("SELECT source FROM source_closures").await;
    assert_eq!(closed().await, ["dashboard"]);
    assert_eq!(desk.run(&["check"]).await.status, Some(0));
    assert_eq!(closed().await, Vec::<String>::new());
    // What waits for it would otherwise wait until something new is held.
    let waiting = "SELECT count(*) FROM instances WHERE awaits_source IS NOT NULL OR due_at IS NULL";
    assert_eq!(told(waiting).await, ["0"]);
}

#[tokio::test]
async fn what_privacy_costs_is_told() {
    let zoom = simulator().await;
    let desk = desk(&zoom);
    append(&desk, "[privacy]\ndrop = [\"email\", \"ip_address\"]\n");
    let checked = desk.run(&["check", "--offline"]).await;
    assert_eq!(marked(&checked, '!').len(), 1, "{checked:?}");
    assert!(marked(&checked, '!')[0].starts_with("! privacy: without `email`"), "{checked:?}");
}
