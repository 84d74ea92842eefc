//! What discovery has earned, what refusals cost, and what an empty answer leaves open: each in the examples in which it
//! was lost. The histories hold the rule.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rollcall::collect::RunRequest;
use rollcall::commands::support::errors::code_of_run;
use rollcall::model::{MeetingId, RunOutcome, Timestamp, Trigger};
use rollcall::simulator::{Host, Instance, SimulatedEndpoint, Simulator, World};
use rollcall::store::Selection;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    DAY, Desk, HOUR, MEETING, MINUTE, NOW, Stage, at, guests, lecture, meeting, stay, uuid,
};

const OTHER: i64 = 93_812_345_678;
const THIRD: i64 = 84_512_345_678;

/// An instance of a meeting, an hour long, of three guests, that ended so long ago.
fn held(of: i64, name: &str, now: Timestamp, ended_ago: Duration) -> Instance {
    let mut instance = guests(lecture(name, now, ended_ago), 3);
    instance.meeting_id = meeting(of);
    instance.host = Host { id: format!("host{of}"), ..Host::default() };
    instance
}

fn add(stage: &Stage, instance: Instance) {
    stage.zoom.world(|world| world.add_instance(instance));
}

fn by_hand(stage: &Stage, of: &[MeetingId]) -> RunRequest {
    RunRequest {
        trigger: Trigger::Manual,
        ignore_backoff: true,
        meetings: of.to_vec(),
        selection: Selection { meetings: of.to_vec(), ..Selection::default() },
        ..stage.request()
    }
}

/// From now on no source lists anybody.
fn lists_nobody(stage: &Stage) {
    for endpoint in ["metrics-participants", "report-participants", "past-participants"] {
        stage.fault(&format!("empty,endpoint={endpoint}"));
    }
}

async fn stored(stage: &Stage, name: &str) -> String {
    stage.row(&format!("SELECT count(*) FROM participants WHERE instance_uuid = '{name}'")).await
}

// No gap that nobody sees.

#[tokio::test]
async fn a_run_for_one_meeting_says_nothing_of_the_others() {
    let now = at(NOW);
    let stage =
        Stage::new(World::new().with(held(MEETING, "a==", now, HOUR)).with(held(OTHER, "b==", now, HOUR)))
            .await;
    stage.run().await;
    // 25 days without a run; an instance of the day after the last one.
    add(&stage, held(OTHER, "missed==", now.plus(DAY), HOUR));
    stage.clock.set(now.plus(25 * DAY));
    stage.run_with(&by_hand(&stage, &[meeting(MEETING)])).await;
    assert_eq!(stored(&stage, "missed==").await, "0");
    stage.run_with(&stage.backfill(1)).await;
    assert_eq!(stage.run_after(HOUR).await.outcome, RunOutcome::Ok);
    assert_eq!(stored(&stage, "missed==").await, "3");
}

#[tokio::test]
async fn a_meeting_refused_for_long_tells_what_it_held_meanwhile() {
    let now = at(NOW);
    let stage =
        Stage::new(World::new().with(held(MEETING, "a==", now, HOUR)).with(held(OTHER, "b==", now, HOUR)))
            .await;
    stage.run().await;
    stage.fault(&format!("html-403,endpoint=past-instances,target={OTHER}"));
    add(&stage, held(OTHER, "missed==", now.plus(DAY), HOUR));
    for _ in 0..12 {
        let summary = stage.run_after(DAY).await;
        // Whether it was asked or rests: the refusal is no good run.
        assert_eq!(summary.outcome, RunOutcome::Partial);
        assert_eq!(code_of_run(&summary).status(), 1);
    }
    let told = format!(
        "SELECT refused_since, refusal LIKE '%403%', last_told_at FROM meetings_listed WHERE meeting_id = {OTHER}"
    );
    assert_eq!(stage.row(&told).await, "2026-03-11T12:00:00.000Z|1|2026-03-10T12:00:00.000Z");
    stage.zoom.clear_faults();
    stage.run_after(DAY + HOUR).await;
    assert_eq!(stored(&stage, "missed==").await, "3");
    assert_eq!(stage.row(&told).await, "||2026-03-23T13:00:00.000Z");
}

#[tokio::test]
async fn what_stops_the_account_wide_list_leaves_no_gap() {
    let now = at(NOW);
    let mut stage = Stage::new(World::new().with(held(MEETING, "a==", now, HOUR))).await;
    let account = RunRequest { meetings: Vec::new(), account_wide: true, ..stage.request() };
    stage.meetings.clear();
    stage.run_with(&account).await;
    add(&stage, held(OTHER, "missed==", now.plus(DAY), HOUR));
    stage.clock.set(now.plus(25 * DAY));
    // Its second page is not waited for.
    stage.page_size = 1;
    let stop = CancellationToken::new();
    stage.fault("delay=60000,endpoint=metrics-meetings,page=later");
    let collector = stage.collector();
    let run = Box::pin(collector.run(&account, &|_| {}, &stop));
    let asked = async {
        while stage.zoom.count_at(SimulatedEndpoint::MetricsMeetings) < 3 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (summary, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(run, asked) }).await.unwrap();
    assert_eq!(summary.unwrap().outcome, RunOutcome::Interrupted);
    stage.zoom.clear_faults();
    stage.clock.set(stage.clock.now().plus(HOUR));
    stage.run_with(&account).await;
    assert_eq!(stored(&stage, "missed==").await, "3");
}

#[tokio::test]
async fn a_part_of_the_account_wide_list_that_is_refused_costs_no_other_part() {
    let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), HOUR))).await;
    let account = RunRequest { meetings: Vec::new(), account_wide: true, ..stage.request() };
    // The list of meetings of one.
    stage.fault("html-403,endpoint=metrics-meetings,attempts=2-");
    let summary = stage.run_with(&account).await.0;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Partial, 1));
    let troubles = stage.store.data_troubles(stage.clock.now().plus(2 * DAY)).await.unwrap();
    assert!(troubles.iter().any(|words| words.contains("has been refused since")), "{troubles:?}");
    // It counts as told only once all of it was.
    assert_eq!(stage.rows("SELECT told_at FROM discoveries WHERE subject = 0").await, [""]);
    stage.zoom.clear_faults();
    stage.run_with(&account).await;
    assert_eq!(
        stage.rows("SELECT told_at FROM discoveries WHERE subject = 0 AND refusal IS NULL").await.len(),
        1
    );
}

#[tokio::test]
async fn a_page_token_that_is_refused_in_the_account_wide_list_begins_it_again() {
    let now = at(NOW);
    let mut stage = Stage::new(World::new()).await;
    stage.page_size = 2;
    for number in 0..5 {
        add(&stage, held(MEETING, &format!("a{number}=="), now, HOUR + number * DAY / 2));
    }
    let account = RunRequest { account_wide: true, ..stage.request() };
    stage.fault("page-token-expired,endpoint=metrics-meetings,attempts=1-2");
    let (summary, _) = stage.run_with(&account).await;
    assert_eq!((summary.outcome, summary.instances_found), (RunOutcome::Ok, 5));

    // Always refused: what came is taken in, and the list does not count as told.
    let mut stage = Stage::new(World::new()).await;
    stage.page_size = 2;
    for number in 0..5 {
        add(&stage, held(MEETING, &format!("a{number}=="), now, HOUR + number * DAY / 2));
    }
    stage.fault("page-token-expired,endpoint=metrics-meetings");
    let (summary, _) = stage.run_with(&account).await;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Partial, 2));
    assert_eq!(stage.row("SELECT told_at FROM discoveries WHERE subject = 0").await, "");
}

#[tokio::test]
async fn a_late_first_answer_loses_nothing_of_the_time_since_the_meeting_was_listed() {
    let now = at(NOW);
    let stage = Stage::new(World::new().with(held(MEETING, "a==", now, 5 * DAY))).await;
    stage.fault("html-502");
    for _ in 0..20 {
        stage.run_after(DAY).await;
    }
    stage.zoom.clear_faults();
    stage.run_after(DAY).await;
    assert_eq!(stored(&stage, "a==").await, "3");
}

#[tokio::test]
async fn what_a_source_cannot_reach_is_said() {
    let now = at(NOW);
    let stage = Stage::new(World::new().with(held(MEETING, "a==", now, HOUR))).await;
    let (_, warnings) = stage.run_with(&stage.backfill(500)).await;
    assert!(warnings.iter().any(|words| words.contains("15 months only")), "{warnings:?}");
    let account = RunRequest { account_wide: true, ..stage.backfill(200) };
    let (_, warnings) = stage.run_with(&account).await;
    assert!(warnings.iter().any(|words| words.contains("six months back only")), "{warnings:?}");
    let (_, warnings) = stage.run_with(&stage.request()).await;
    assert_eq!(warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_failing_server_makes_no_meeting_rest() {
    let now = at(NOW);
    let stage = Stage::new(World::new().with(held(MEETING, "a==", now, HOUR))).await;
    for endpoint in ["past-instances", "metrics-meetings"] {
        stage.fault(&format!("scope-4711,endpoint={endpoint}"));
    }
    stage.fault("html-502,endpoint=past-meeting");
    stage.run().await;
    assert_eq!(stage.rows("SELECT 1 FROM discoveries WHERE next_at IS NOT NULL").await.len(), 0);
    stage.zoom.clear_faults();
    assert_eq!(stage.run_after(15 * MINUTE).await.counts.inserted, 3);
}

#[tokio::test]
async fn a_listing_that_is_longer_than_it_says_is_not_cut() {
    let mut stage = Stage::new(World::new().with(guests(lecture("a==", at(NOW), 3 * DAY), 1_000))).await;
    stage.page_size = 30;
    stage.fault("total=100,endpoint=metrics-participants");
    assert_eq!(stage.run().await.counts.inserted, 1_000);
}

// An empty answer is no attendance.

#[tokio::test]
async fn where_one_source_lists_nobody_the_next_is_asked_in_the_same_run() {
    for faults in [
        &["empty,endpoint=metrics-participants"][..],
        // `past` does not have it, and `pastOne` lists nobody.
        &["missing-3001,endpoint=metrics-participants,attempts=1", "empty,endpoint=metrics-participants"],
        &["missing-3001,endpoint=metrics-participants"],
        &["refuse=200/200,endpoint=metrics-participants"],
        &["refuse=200/3001,endpoint=metrics-participants"],
    ] {
        let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), HOUR))).await;
        for fault in faults {
            stage.fault(fault);
        }
        let summary = stage.run().await;
        assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 3), "{faults:?}");
        assert_eq!(
            stage.row("SELECT source, state FROM meetings_held").await,
            "report|collected",
            "{faults:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_its_list_is_no_empty_list() {
    for endpoint in ["past-instances", "metrics-meetings"] {
        let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), HOUR))).await;
        stage.fault(&format!("no-rows,endpoint={endpoint}"));
        let request = RunRequest { account_wide: endpoint == "metrics-meetings", ..stage.request() };
        let (summary, _) = stage.run_with(&request).await;
        assert_eq!(summary.outcome, RunOutcome::Failed, "{endpoint}");
        assert_eq!(stage.rows("SELECT 1 FROM discoveries WHERE told_at IS NOT NULL").await.len(), 0);
    }
}

#[tokio::test]
async fn one_that_stays_empty_is_read_for_nine_weeks_and_then_settled_with_its_reason() {
    let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), 3 * DAY))).await;
    lists_nobody(&stage);
    stage.run().await;
    assert_eq!(stage.row("SELECT outcome, rows_received FROM fetches").await, "incomplete|0");
    let mut waits = Vec::new();
    while let Some(wait) = stage.until_due("a==").await {
        waits.push(wait);
        assert!(waits.len() < 40, "{waits:?}");
        stage.run_after(wait).await;
    }
    assert_eq!(waits[..5], [15 * MINUTE, HOUR, 6 * HOUR, DAY, DAY]);
    assert!(waits[waits.len() - 8..].iter().all(|wait| *wait == 7 * DAY), "{waits:?}");
    assert_eq!(stage.state("a==").await, "settled|Zoom lists nobody in it, and has not for nine weeks");
    assert_eq!(stage.row("SELECT incomplete FROM meetings_listed").await, "1");
}

#[tokio::test]
async fn a_meeting_of_one_that_the_dashboard_cannot_tell_alarms_nobody() {
    let mut alone = lecture("a==", at(NOW), HOUR);
    alone.sessions = vec![stay(&alone, 0)];
    let stage = Stage::new(World::new().with(alone)).await;
    stage.fault("plan-200,endpoint=metrics-participants");
    stage.fault("empty,endpoint=report-participants");
    stage.fault("empty,endpoint=past-participants");
    stage.zoom.options(|options| options.one_person_in_reports = true);
    stage.run().await;
    stage.run_after(DAY).await;
    assert!(
        stage.state("a==").await.starts_with("settled|at most one person"),
        "{}",
        stage.state("a==").await
    );
    assert_eq!(
        stage.store.data_troubles(stage.clock.now().plus(30 * DAY)).await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn empty_instances_come_last_and_take_a_tenth_of_the_day() {
    let now = at(NOW);
    let world = (0..30).fold(World::new(), |world, number| {
        world.with(held(MEETING, &format!("empty{number}=="), now, HOUR + number * MINUTE))
    });
    let stage = Stage::new(world).await;
    lists_nobody(&stage);
    stage.run().await;
    stage.zoom.clear_faults();
    // Of the account's day little is left to them.
    let spent = "UPDATE fetch_log SET requests = 150";
    sqlx::query(spent).execute(stage.store.pool()).await.unwrap();
    add(&stage, held(MEETING, "new==", now.plus(15 * MINUTE), MINUTE));
    stage.zoom.clear_requests();
    // 4,800 of 48,000, of which 4,500 are spent: 300 requests, four for each.
    assert_eq!(stage.run_after(15 * MINUTE).await.instances_due, 31);
    let first = stage.zoom.requests().into_iter().find(|one| one.target.contains("%3D%3D"));
    assert!(first.unwrap().target.contains("new"));
    sqlx::query("UPDATE fetch_log SET requests = 160 WHERE rows_received = 0")
        .execute(stage.store.pool())
        .await
        .unwrap();
    sqlx::query("UPDATE instances SET source = NULL, rows_received = 0, due_at = 0 WHERE uuid <> 'new=='")
        .execute(stage.store.pool())
        .await
        .unwrap();
    assert_eq!(stage.run().await.instances_due, 0);
    assert_eq!(stage.run_after(DAY).await.instances_due, 31);
}

// One refusal is one refusal.

#[tokio::test]
async fn an_unlicensed_host_parks_what_is_its_own_and_nothing_else() {
    let now = at(NOW);
    let world = [MEETING, OTHER, THIRD].into_iter().fold(World::new(), |world, of| {
        (0..4).fold(world, |world, number| {
            world.with(held(of, &format!("m{of}n{number}=="), now, HOUR + number * DAY))
        })
    });
    let stage = Stage::new(world).await;
    stage.zoom.world(|world| world.unlicense(&format!("host{OTHER}")));
    let summary = stage.run().await;
    assert_eq!(
        (summary.outcome, summary.instances_fetched, summary.instances_failed),
        (RunOutcome::Partial, 8, 4)
    );
    assert_eq!(code_of_run(&summary).status(), 1);
    let states = "SELECT meeting_id, state <> 'parked' AND rows_stored = 3, count(*) FROM meetings_held GROUP BY 1, 2 ORDER BY 1";
    assert_eq!(
        stage.rows(states).await,
        [format!("{THIRD}|1|4"), format!("{MEETING}|1|4"), format!("{OTHER}|0|4")]
    );
    assert_eq!(
        stage.rows("SELECT DISTINCT source FROM meetings_held WHERE state <> 'parked'").await,
        ["dashboard"]
    );
    // Runs by hand, as from a crontab, ask nobody in vain; one for the meeting itself asks again.
    stage.zoom.clear_requests();
    let asked = || stage.zoom.count(rollcall::model::RateLabel::Heavy);
    stage.run_with(&RunRequest { trigger: Trigger::Manual, ..stage.request() }).await;
    assert_eq!(asked(), 0);
    stage.run_with(&by_hand(&stage, &[meeting(OTHER)])).await;
    assert!(asked() > 0);
    // The licence comes back.
    stage.zoom.world(|world| world.license(&format!("host{OTHER}")));
    stage.run_after(7 * HOUR).await;
    assert_eq!(stage.rows("SELECT 1 FROM meetings_held WHERE rows_stored = 3").await.len(), 12);
}

#[tokio::test]
async fn one_instance_that_is_refused_leaves_the_others_to_the_richest_source() {
    let now = at(NOW);
    for fault in ["refuse=400/200", "refuse=400/4711", "html-403", "refuse=200/200"] {
        let world = (0..100).fold(World::new(), |world, number| {
            world.with(held(MEETING, &format!("a{number}=="), now, 30 * DAY + number * HOUR))
        });
        let stage = Stage::new(world).await;
        stage.fault(&format!("{fault},endpoint=metrics-participants,target=a0=="));
        stage.run_with(&stage.backfill(60)).await;
        let from_dashboard =
            stage.rows("SELECT 1 FROM meetings_held WHERE source = 'dashboard' AND state = 'settled'").await;
        assert_eq!(from_dashboard.len(), 99, "{fault}");
        // What was read from a poorer source for that reason is lifted later.
        stage.zoom.clear_faults();
        stage.run_after(DAY).await;
        assert_eq!(
            stage
                .row("SELECT source, rows_stored, state FROM meetings_held WHERE instance_uuid = 'a0=='")
                .await,
            if fault == "html-403" { "dashboard|3|settled" } else { "dashboard|3|collected" },
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_source_that_was_closed_is_lifted_once_it_serves() {
    let now = at(NOW);
    let world = (0..20).fold(World::new(), |world, number| {
        world.with(held(MEETING, &format!("a{number}=="), now, 30 * DAY + number * HOUR))
    });
    let stage = Stage::new(world).await;
    stage.zoom.options(|options| options.dashboard = false);
    stage.run_with(&stage.backfill(60)).await;
    let sources = "SELECT source, count(*) FROM meetings_held GROUP BY 1 ORDER BY 1";
    assert_eq!(stage.rows(sources).await, ["report|20"]);
    stage.zoom.clear_requests();
    add(&stage, held(MEETING, "b==", now.plus(HOUR), HOUR));
    stage.run_after(HOUR).await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0, "closed for a day");
    // Zoom's support enables the feature.
    stage.zoom.options(|options| options.dashboard = true);
    stage.run_after(DAY).await;
    stage.run_after(HOUR).await;
    assert_eq!(stage.rows(sources).await, ["dashboard|21"]);
    stage.run_after(DAY).await;
    assert_eq!(stage.rows("SELECT DISTINCT state FROM meetings_held").await, ["settled"]);
    stage.zoom.clear_requests();
    stage.run_after(DAY).await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0);
}

#[tokio::test]
async fn a_source_that_was_closed_is_found_out_to_serve_where_nothing_new_is_held() {
    let now = at(NOW);
    let world = (0..60).fold(World::new(), |world, number| {
        world.with(held(MEETING, &format!("a{number}=="), now, 30 * DAY + number * HOUR))
    });
    let stage = Stage::new(world).await;
    stage.zoom.options(|options| options.dashboard = false);
    stage.run_with(&stage.backfill(60)).await;
    let sources = "SELECT source, count(*) FROM meetings_held GROUP BY 1 ORDER BY 1";
    assert_eq!(stage.rows(sources).await, ["report|60"]);
    // It goes on refusing for two days, at the price of a few requests.
    stage.zoom.clear_requests();
    for _ in 0..8 {
        stage.run_after(6 * HOUR).await;
    }
    assert!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants) <= 26);
    stage.zoom.options(|options| options.dashboard = true);
    for _ in 0..8 {
        stage.run_after(6 * HOUR).await;
    }
    assert_eq!(stage.rows(sources).await, ["dashboard|60"]);
}

#[tokio::test]
async fn a_refusal_of_live_listings_closes_nothing_else() {
    let now = at(NOW);
    let mut on = lecture("on==", now, HOUR);
    (on.start, on.end) = (now.minus(HOUR), Some(now.plus(HOUR)));
    on.meeting_id = meeting(OTHER);
    let on = guests(on, 3);
    let mut stage = Stage::new(World::new().with(held(MEETING, "a==", now, HOUR)).with(on)).await;
    stage.settings.include_live = true;
    assert_eq!(stage.run().await.counts.inserted, 6);
    stage.zoom.clear_faults();
    for fault in ["scope-4711,endpoint=metrics-meeting", "plan-200,endpoint=metrics-meeting"] {
        stage.fault(fault);
        add(&stage, held(MEETING, &format!("{}==", &fault[..4]), stage.clock.now(), HOUR));
        let summary = stage.run_after(61 * MINUTE).await;
        assert_eq!((summary.counts.inserted, summary.aborted), (3, None), "{fault}");
        stage.zoom.clear_faults();
    }
    stage.run_after(3 * HOUR).await;
    assert_eq!(stage.row("SELECT source FROM meetings_held WHERE instance_uuid = 'on=='").await, "dashboard");
}

#[tokio::test]
async fn what_is_on_is_found_over_the_whole_account_too() {
    let now = at(NOW);
    let mut on = lecture("on==", now, HOUR);
    (on.start, on.end) = (now.minus(HOUR), Some(now.plus(HOUR)));
    let mut stage = Stage::new(World::new().with(guests(on, 3))).await;
    stage.settings.include_live = true;
    let request = RunRequest { meetings: Vec::new(), account_wide: true, ..stage.request() };
    assert_eq!(stage.run_with(&request).await.0.counts.inserted, 3);
    assert_eq!(stage.row("SELECT source, state FROM meetings_held").await, "live|live");
    // A refusal of it is said, and costs nothing else.
    add(&stage, held(OTHER, "a==", now, HOUR));
    stage.fault("plan-200,endpoint=metrics-meetings,attempts=3-3");
    let (summary, warnings) = stage.run_with(&request).await;
    assert_eq!((summary.outcome, summary.instances_found), (RunOutcome::Ok, 1));
    assert!(warnings.iter().any(|words| words.contains("are on could not be asked")), "{warnings:?}");
    stage.clock.set(now.plus(3 * HOUR));
    stage.run_with(&request).await;
    assert_eq!(stage.row("SELECT source FROM meetings_held WHERE instance_uuid = 'on=='").await, "dashboard");
}

#[tokio::test]
async fn a_refusal_of_the_account_wide_list_leaves_what_is_known_to_be_read() {
    let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), MINUTE))).await;
    let account = RunRequest { meetings: Vec::new(), account_wide: true, ..stage.request() };
    stage.run_with(&account).await;
    for (wait, fault) in [(HOUR, "plan-200"), (DAY, "html-403")] {
        stage.zoom.clear_faults();
        stage.fault(&format!("{fault},endpoint=metrics-meetings"));
        stage.clock.set(stage.clock.now().plus(wait));
        let summary = stage.run_with(&account).await.0;
        assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Partial, 1), "{fault}");
        assert_eq!(code_of_run(&summary).status(), 1);
    }
    let summary = stage.run_with(&account).await.0;
    assert_eq!((summary.outcome, code_of_run(&summary).status()), (RunOutcome::Failed, 77));
}

// Everything refused is not "ok".

#[tokio::test]
async fn a_gateway_that_refuses_everything_is_seen_everywhere() {
    let zoom = Simulator::start(rollcall::simulator::Options::default(), World::new()).await.unwrap();
    zoom.fault("html-403".parse().unwrap());
    let desk = Desk::at_simulator(&zoom, &format!("meetings = [{MEETING}, {OTHER}]"));
    for _ in 0..2 {
        // The second time both meetings rest.
        let collected = desk.run(&["collect"]).await;
        assert_eq!(collected.status, Some(77), "{collected:?}");
        assert!(collected.stdout.contains("failed"), "{collected:?}");
    }
    let checked = desk.run(&["status", "--check"]).await;
    assert_eq!(checked.status, Some(1), "{checked:?}");
    let status = desk.run(&["status"]).await;
    assert!(status.stdout.contains("Meetings that tell no instances:"), "{status:?}");
    let store = desk.database().await;
    assert_eq!(
        crate::harness::rows(&store, "SELECT count(*), count(refused_since) FROM meetings_listed").await,
        ["2|2"]
    );
}

#[tokio::test]
async fn a_check_names_what_is_wrong_with_the_data() {
    let now = at(NOW);
    let stage =
        Stage::new(World::new().with(held(MEETING, "a==", now, HOUR)).with(held(OTHER, "b==", now, HOUR)))
            .await;
    let troubles = async || stage.store.data_troubles(stage.clock.now()).await.unwrap();
    stage.run().await;
    assert_eq!(troubles().await, Vec::<String>::new());
    stage.list().await;

    stage.fault(&format!("html-403,endpoint=past-instances,target={OTHER}"));
    stage.fault("html-500,endpoint=metrics-participants");
    add(&stage, held(MEETING, "c==", now.plus(HOUR), HOUR));
    stage.run_after(HOUR).await;
    assert_eq!(troubles().await, Vec::<String>::new(), "not before a day is over");
    stage.run_after(DAY).await;
    stage.run_after(HOUR).await;
    let told = troubles().await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(&OTHER.to_string()) && told[0].contains("403"), "{told:?}");
    assert!(told[1].contains("were not read"), "{told:?}");

    stage.zoom.clear_faults();
    stage.run_after(DAY).await;
    assert_eq!(troubles().await, Vec::<String>::new());

    // An ID that Zoom never knew, beside one that expired.
    let mut stage = stage;
    stage.zoom.world(|world| world.expire_meeting(meeting(OTHER)));
    stage.meetings.push(meeting(THIRD));
    stage.list().await;
    for _ in 0..8 {
        assert_eq!(stage.run_after(DAY).await.outcome, RunOutcome::Ok);
    }
    let told = stage.store.data_troubles(stage.clock.now()).await.unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&THIRD.to_string()) && told[0].contains("mistyped"), "{told:?}");
}

// No circle, no cut, no burnt quota.

#[tokio::test]
async fn who_is_not_asked_any_more_refuses_nothing() {
    let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), HOUR))).await;
    stage.list().await;
    let troubles = async || {
        let all = stage.store.data_troubles(stage.clock.now().plus(2 * DAY)).await.unwrap();
        all.iter().filter(|words| words.contains("has been refused since")).count()
    };
    let refused = async || stage.store.refused_meetings(9).await.unwrap().rows.len();
    // The account's list is refused; then the config names meetings instead.
    let account = RunRequest { account_wide: true, ..stage.request() };
    stage.fault("plan-200,endpoint=metrics-meetings");
    stage.run_with(&account).await;
    assert_eq!(troubles().await, 1);
    // A run for one meeting says nothing of how the others are found.
    stage.run_with(&by_hand(&stage, &stage.meetings)).await;
    assert_eq!(troubles().await, 1);
    stage.run_with(&stage.request()).await;
    assert_eq!(troubles().await, 0);
    // And the other way round.
    stage.zoom.clear_faults();
    stage.fault("html-403,endpoint=past-instances");
    stage.run_after(HOUR).await;
    assert_eq!((troubles().await, refused().await), (1, 1));
    stage.zoom.clear_faults();
    stage.run_with(&account).await;
    assert_eq!((troubles().await, refused().await), (0, 0));
    // So for a meeting that is taken off the list; put back, it is asked at once.
    stage.fault("html-403,endpoint=past-instances");
    stage.run_after(2 * HOUR).await;
    assert_eq!(refused().await, 1);
    stage.run_with(&RunRequest { meetings: Vec::new(), ..stage.request() }).await;
    assert_eq!(refused().await, 0);
    stage.zoom.clear_requests();
    stage.run().await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::PastInstances), 1);
}

#[tokio::test]
async fn a_forced_backfill_that_is_handed_over_goes_on_where_it_was() {
    let now = at(NOW);
    let world = (0..60).fold(World::new(), |world, number| {
        world.with(held(MEETING, &format!("a{number}=="), now, 3 * DAY + number * HOUR))
    });
    let stage = Stage::new(world).await;
    stage.run_with(&stage.backfill(30)).await;
    // One of them is no more: it is tried once, and stays what it was.
    stage.zoom.world(|world| world.instance_mut(&uuid("a7==")).unwrap().gone_at = Some(now));
    stage.zoom.clear_requests();
    stage.clock.set(now.plus(HOUR));
    let mut request = stage.backfill(30);
    request.selection.force = true;
    let mut slices = 0;
    loop {
        let begun = AtomicUsize::new(0);
        let collector = stage.collector().yield_when(move || begun.fetch_add(1, Ordering::Relaxed) >= 9);
        let summary = collector.run(&request, &|_| {}, &CancellationToken::new()).await.unwrap();
        slices += 1;
        if !summary.yielded {
            break;
        }
        request.selection.begun_before.get_or_insert(summary.started_at);
        stage.run_after(MINUTE).await;
        assert!(slices < 20, "it begins its first slice for ever");
    }
    assert!(slices > 3, "{slices}");
    // Each once, and the one that is gone in both lists of the Dashboard.
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 61);
    assert_eq!(stage.rows("SELECT DISTINCT state FROM meetings_held").await, ["settled"]);
    assert_eq!(stored(&stage, "a7==").await, "3");
}

#[tokio::test]
async fn force_leaves_settled_instances_settled_whatever_zoom_says() {
    for fault in ["missing-3001", "html-403", "plan-200", "empty", "html-502"] {
        let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), 3 * DAY))).await;
        stage.run().await;
        stage.fault(fault);
        let mut request = stage.backfill(30);
        (request.selection.force, request.meetings) = (true, Vec::new());
        stage.run_with(&request).await;
        let line = stage.row("SELECT state, rows_stored FROM meetings_held").await;
        assert_eq!(line, "settled|3", "{fault}");
    }
}

// Numbers that mean what they say.

#[tokio::test]
async fn a_parked_instance_is_given_up_for_a_week_of_404_and_not_at_the_first() {
    let stage = Stage::new(World::new().with(held(MEETING, "a==", at(NOW), HOUR))).await;
    stage.fault("html-403,endpoint=metrics-participants");
    for _ in 0..10 {
        stage.run_after(DAY).await;
    }
    assert!(stage.state("a==").await.starts_with("parked|"));
    stage.zoom.clear_faults();
    stage.fault("missing-3001");
    stage.run_after(8 * DAY).await;
    assert!(!stage.state("a==").await.starts_with("unavailable"), "{}", stage.state("a==").await);
}

#[tokio::test]
async fn a_uuid_with_a_slash_is_described_by_whichever_encoding_is_right() {
    let stage = Stage::with(World::new().with(held(MEETING, "a/b==", at(NOW), HOUR)), |options| {
        options.inner_slash_either_way = false;
        options.inner_slash_twice = true;
    })
    .await;
    stage.run().await;
    assert_eq!(
        stage.row("SELECT topic, end_estimated, rows_stored FROM meetings_held").await,
        "Algebra I|0|3"
    );
    // And where a person names it.
    let stage = Stage::with(World::new().with(held(MEETING, "a/b==", at(NOW), 40 * DAY)), |options| {
        options.inner_slash_either_way = false;
        options.inner_slash_twice = true;
    })
    .await;
    let mut request = stage.backfill(1);
    request.meetings.clear();
    (request.selection.meetings, request.selection.instances) = (Vec::new(), vec![uuid("a/b==")]);
    assert_eq!(stage.run_with(&request).await.0.counts.inserted, 3);
}

#[tokio::test]
async fn an_instance_listed_without_a_start_is_not_passed_over_by_a_backfill() {
    let stage =
        Stage::new(World::new().with(held(MEETING, "a==", at(NOW), 40 * DAY).listed_without_start())).await;
    assert_eq!(stage.run_with(&stage.backfill(60)).await.0.counts.inserted, 3);
    assert_eq!(stage.row("SELECT start_time FROM meetings_held").await, "2026-01-29T11:00:00.000Z");
}
