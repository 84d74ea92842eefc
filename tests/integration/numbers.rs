//! Numbers that mean what they say, over whole runs: one source counts, names reach as far as the config says, an end
//! that is none is asked for again, and nothing that strangers write does harm.

use rollcall::clock::Clock;
use rollcall::model::RunOutcome;
use rollcall::simulator::{Instance, Options, Session, SimulatedEndpoint, Simulator, World};
use serde_json::json;

use crate::harness::{DAY, Desk, HOUR, MINUTE, NOW, Stage, at, guests, lecture, rows, stay, uuid};

const NAME: &str = "one==";

const LAST: &str = "SELECT outcome, source, rows_received, rows_inserted, rows_updated, rows_unchanged, rows_withdrawn \
                      FROM fetches ORDER BY fetch_id DESC LIMIT 1";

/// What is stored, and from where; and who was there by that.
async fn stored(stage: &Stage) -> [String; 3] {
    [
        stage.row("SELECT count(*), count(device), count(withdrawn_at) FROM participants").await,
        stage.row("SELECT source, rows_reported, rows_stored, people, complete FROM meetings_held JOIN (SELECT complete FROM instances)").await,
        stage.row("SELECT count(*), count(DISTINCT name), sum(seconds_present) FROM attendance").await,
    ]
}

/// So many of the lecture's guests from this one on, as the Dashboard knows them.
fn listed(numbers: std::ops::Range<u64>) -> Vec<Session> {
    let of = lecture(NAME, at(NOW), HOUR);
    numbers.map(|number| stay(&of, number).with("device", "Mac")).collect()
}

fn list(stage: &Stage, sessions: Vec<Session>) {
    stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions = sessions);
}

/// The report told of forty; then the Dashboard opens, which lacks thirty of them and has two others.
async fn upgraded() -> (Stage, [String; 3]) {
    let of = lecture(NAME, at(NOW), HOUR).with_sessions(listed(0..40));
    let stage = Stage::new(World::new().with(of)).await;
    stage.zoom.options(|options| options.dashboard = false);
    stage.run().await;
    let before = stored(&stage).await;
    assert_eq!(before[..2], ["40|0|0", "report|40|40|40|1"]);
    stage.zoom.options(|options| options.dashboard = true);
    list(&stage, listed(30..42));
    stage.run_after(DAY).await;
    assert_eq!(stage.row(LAST).await, "suspect|dashboard|12|0|0|12|0");
    (stage, before)
}

#[tokio::test]
async fn a_suspect_listing_of_a_richer_source_changes_nothing_until_an_equal_one_confirms_it() {
    let (stage, before) = upgraded().await;
    assert_eq!(stored(&stage).await, before);
    let error = stage.row("SELECT error FROM fetches ORDER BY fetch_id DESC LIMIT 1").await;
    assert!(error.starts_with("its rows were not stored: many that report told"), "{error}");
    // Within the hour nothing confirms it, nor does another listing after it.
    let mut request = stage.request();
    request.selection.force = true;
    stage.clock.set(stage.clock.now().plus(59 * MINUTE));
    stage.run_with(&request).await;
    assert_eq!(stored(&stage).await, before);
    list(&stage, listed(30..43));
    stage.run_after(MINUTE).await;
    assert_eq!(stage.row(LAST).await, "suspect|dashboard|13|0|0|13|0");
    assert_eq!(stored(&stage).await, before);
    // An equal one an hour later replaces all at once.
    assert_eq!(stage.until_due(NAME).await, Some(HOUR));
    stage.run_after(HOUR).await;
    assert_eq!(stage.row(LAST).await, "ok|dashboard|13|3|10|0|30");
    assert_eq!(
        stored(&stage).await,
        ["43|13|30".to_owned(), "dashboard|13|13|13|1".to_owned(), format!("13|13|{}", 13 * 59 * 60)]
    );
    assert_eq!(stage.row("SELECT error FROM fetches ORDER BY fetch_id DESC LIMIT 1").await, "");
}

#[tokio::test]
async fn a_suspicion_against_another_source_that_passes_replaces_it_by_what_is_right() {
    let (stage, _) = upgraded().await;
    list(&stage, listed(0..39));
    stage.run_after(HOUR).await;
    assert_eq!(stage.row(LAST).await, "ok|dashboard|39|0|39|0|1");
    assert_eq!(stored(&stage).await[..2], ["40|39|1", "dashboard|39|39|39|1"]);
}

#[tokio::test]
async fn a_suspicion_that_is_never_confirmed_settles_on_the_source_that_is_stored() {
    let (stage, before) = upgraded().await;
    for number in 0..8 {
        list(&stage, listed(30..(43 + number)));
        stage.run_after(DAY).await;
        assert_eq!(stored(&stage).await, before);
    }
    assert_eq!(
        stage.state(NAME).await,
        "settled|for a week each listing lacked different rows; none was withdrawn"
    );
}

/// Two lectures of a meeting that the config does not list, each with the same guest's name in it.
fn unlisted(now: rollcall::model::Timestamp) -> World {
    World::new()
        .with(guests(lecture("first==", now, 2 * HOUR), 2))
        .with(guests(lecture("second==", now, 20 * HOUR), 2))
}

#[tokio::test]
async fn guests_names_reach_as_far_as_the_config_says_in_meetings_that_it_does_not_list() {
    let zoom = Simulator::start(Options::default(), unlisted(Clock::system().now())).await.unwrap();
    let ways: [(&str, &[&str]); 2] = [
        ("", &["collect", "--meeting", "85746065432"]),
        ("[collection]\ndiscovery = \"account\"\n", &["collect"]),
    ];
    for (discovery, command) in ways {
        for (guests, people) in [("instance", "4|4"), ("meeting", "2|4")] {
            let head = format!("meetings = [93812345678]\n{discovery}[identity]\nguests = \"{guests}\"\n");
            let desk = Desk::at_simulator(&zoom, &head);
            let finished = desk.run(command).await;
            let store = desk.database().await;
            let found = rows(&store, "SELECT count(DISTINCT person_id), count(*) FROM attendance").await;
            assert_eq!(found, [people], "{command:?} {guests}: {finished:?}");
        }
    }
}

#[tokio::test]
async fn an_end_that_zoom_has_not_worked_out_is_asked_for_again() {
    let mut of = guests(lecture(NAME, at(NOW), 5 * MINUTE), 3);
    let end = of.end;
    of.end = Some(of.start);
    let stage = Stage::new(World::new().with(of)).await;
    assert_eq!(stage.run().await.outcome, RunOutcome::Ok);
    let told = "SELECT end_time, end_estimated, seconds, person_seconds FROM meetings_held";
    let estimated = "2026-03-10T11:55:00.000Z|1|3600|10620";
    assert_eq!(stage.row(told).await, estimated);
    stage
        .zoom
        .world(|world| world.instance_mut(&uuid(NAME)).unwrap().end = Some(end.unwrap().minus(10 * MINUTE)));
    stage.zoom.clear_requests();
    stage.run_after(DAY).await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::PastMeeting), 1);
    assert_eq!(stage.row(told).await, "2026-03-10T11:45:00.000Z|0|3000|8820");
}

/// The account's list tells its end, and no start; then its description is asked for.
#[tokio::test]
async fn an_instance_that_a_list_tells_no_start_of_is_described() {
    for account_wide in [false, true] {
        let mut of = guests(lecture(NAME, at(NOW), HOUR), 3);
        of.listed_without_start = true;
        let stage = Stage::new(World::new().with(of)).await;
        let mut request = stage.request();
        request.account_wide = account_wide;
        stage.run_with(&request).await;
        assert_eq!(
            stage.row("SELECT start_time, local_date, seconds FROM meetings_held").await,
            "2026-03-10T10:00:00.000Z|2026-03-10|3600"
        );
    }
}

#[tokio::test]
async fn nothing_that_strangers_write_does_harm_in_a_column() {
    let mut of: Instance = lecture(NAME, at(NOW), HOUR);
    of.topic = "Algebra\u{202e}\u{1b}[2J".to_owned();
    of.host.name = "Ada\u{7}".to_owned();
    let row = stay(&of, 0).with_all(json!({ "leave_reason": "left\u{1b}[31m", "user_name": "Eve\u{2066}" }));
    let of = of.with_sessions([row, stay(&lecture(NAME, at(NOW), HOUR), 1)]);
    for account_wide in [false, true] {
        let stage = Stage::new(World::new().with(of.clone())).await;
        let mut request = stage.request();
        request.account_wide = account_wide;
        stage.run_with(&request).await;
        assert_eq!(
            stage.row("SELECT topic, host_name FROM meetings_held").await,
            "Algebra\u{fffd}\u{fffd}[2J|Ada\u{fffd}"
        );
        assert_eq!(
            stage
                .row("SELECT topic, user_name, leave_reason FROM participants WHERE user_name LIKE 'Eve%'")
                .await,
            "Algebra\u{fffd}\u{fffd}[2J|Eve\u{fffd}|left\u{fffd}[31m"
        );
    }
}
