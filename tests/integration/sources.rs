//! The three sources: which is asked, which one's rows count, and what is said of a richer one that is closed.

use rollcall::collect::RunRequest;
use rollcall::commands::support::errors::code_of_run;
use rollcall::model::{RateLabel, RunOutcome, Source, Trigger, Window};
use rollcall::simulator::{Instance, Session, SimulatedEndpoint, World};

use crate::harness::{DAY, HOUR, MEETING, MINUTE, NOW, Stage, at, guests, lecture, meeting, stay};

/// What the app of an account may ask for that has not been given everything.
fn scopes_without(stage: &Stage, endpoints: &[SimulatedEndpoint]) {
    stage.zoom.options(|options| {
        options.scopes.retain(|scope| endpoints.iter().all(|endpoint| endpoint.scope() != Some(scope)));
    });
}

const DASHBOARD: &[SimulatedEndpoint] = &[
    SimulatedEndpoint::MetricsParticipants,
    SimulatedEndpoint::MetricsMeeting,
    SimulatedEndpoint::MetricsMeetings,
];

fn world() -> World {
    let now = at(NOW);
    World::new()
        .with(guests(lecture("one==", now, HOUR), 3))
        .with(guests(lecture("two==", now, DAY), 3))
        .with(guests(lecture("three==", now, 2 * DAY), 3))
}

async fn sources_of(stage: &Stage) -> Vec<String> {
    stage.rows("SELECT DISTINCT source FROM meetings_held").await
}

#[tokio::test]
async fn auto_falls_to_the_report_and_then_to_past_meetings() {
    for (missing, source) in [
        (&[][..], "dashboard"),
        (DASHBOARD, "report"),
        (&[DASHBOARD, &[SimulatedEndpoint::ReportParticipants]].concat()[..], "past_meetings"),
    ] {
        let stage = Stage::new(world()).await;
        scopes_without(&stage, missing);
        let summary = stage.run().await;
        assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 9), "{source}");
        assert_eq!(sources_of(&stage).await, [source]);
        assert_eq!(
            stage.rows("SELECT DISTINCT source, outcome FROM fetches").await,
            [format!("{source}|ok")]
        );
        // All decode into the same sessions.
        assert_eq!(
            stage
                .row(
                    "SELECT count(user_id), count(user_name), count(join_time), count(leave_time) FROM participants"
                )
                .await,
            "9|9|9|9",
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_closed_source_is_asked_for_by_few_of_many_instances() {
    let stage = Stage::new(World::sized(3, at(NOW), 200, 2)).await;
    stage.zoom.options(|options| options.dashboard = false);
    let summary = stage.run().await;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Ok, 200));
    // Those that were under way when the third refusal came may have asked, and nobody else.
    assert!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants) <= 24 + 2);
}

#[tokio::test]
async fn every_way_of_closing_the_dashboard_leads_to_the_report() {
    for fault in ["plan-200", "scope-4711", "scope-104"] {
        let stage = Stage::new(world()).await;
        stage.fault(&format!("{fault},endpoint=metrics-participants"));
        let summary = stage.run().await;
        assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 9), "{fault}");
        assert_eq!(sources_of(&stage).await, ["report"], "{fault}");
    }
}

#[tokio::test]
async fn where_every_source_is_closed_the_run_ends_with_77_and_says_what_to_enable() {
    for (fault, words) in [
        ("scope-4711", "dashboard:read:list_meeting_participants:admin"),
        ("scope-104", "dashboard:read:list_meeting_participants:admin"),
        ("plan-200", "Business plan with the Dashboard feature on"),
    ] {
        let stage = Stage::new(world()).await;
        for endpoint in ["metrics-participants", "report-participants", "past-participants"] {
            stage.fault(&format!("{fault},endpoint={endpoint}"));
        }
        let summary = stage.run().await;
        assert_eq!(summary.outcome, RunOutcome::Failed, "{fault}");
        assert_eq!(code_of_run(&summary).status(), 77, "{fault}");
        let error = summary.error.unwrap();
        assert!(error.contains(words), "{fault}: {error}");
        // Each source was asked for three of them; none of it is asked again for a day.
        let asked =
            || stage.zoom.count(RateLabel::Heavy) + stage.zoom.count_at(SimulatedEndpoint::PastParticipants);
        assert_eq!(asked(), 9, "{fault}");
        stage.zoom.clear_requests();
        let summary = stage.run_after(2 * HOUR).await;
        assert_eq!((summary.outcome, code_of_run(&summary).status()), (RunOutcome::Failed, 77), "{fault}");
        assert_eq!(asked(), 0, "{fault}");
        // A person who has mended it has everything tried again at once.
        stage.zoom.clear_faults();
        let by_hand = RunRequest { trigger: Trigger::Manual, ..stage.request() };
        let summary = stage.run_with(&by_hand).await.0;
        assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 9), "{fault}");
    }
}

#[tokio::test]
async fn a_named_source_is_the_only_one() {
    for (source, endpoint) in [
        (Source::Dashboard, SimulatedEndpoint::MetricsParticipants),
        (Source::Report, SimulatedEndpoint::ReportParticipants),
        (Source::PastMeetings, SimulatedEndpoint::PastParticipants),
    ] {
        let mut stage = Stage::new(world()).await;
        stage.settings.source = Some(source);
        assert_eq!(stage.run().await.counts.inserted, 9);
        assert_eq!(sources_of(&stage).await, [source.as_str()]);

        let mut stage = Stage::new(world()).await;
        stage.settings.source = Some(source);
        scopes_without(&stage, &[endpoint]);
        let summary = stage.run().await;
        assert_eq!(code_of_run(&summary).status(), 77, "{source}");
        assert!(summary.error.unwrap().contains(endpoint.scope().unwrap()), "{source}");
        assert_eq!(stage.row("SELECT count(*) FROM participants").await, "0");
    }
}

/// Six meetings, the Dashboard refuses the hosts of three; a lecture a day in each.
#[tokio::test]
async fn hosts_without_a_licence_close_no_source_that_serves_others() {
    const DAYS: u32 = 6;
    let now = at(NOW);
    let mut world = World::new();
    for (number, day) in (0..6_u32).flat_map(|number| (0..DAYS).map(move |day| (number, day))) {
        let mut lecture = lecture(&format!("{number}on{day}=="), now.plus(day * DAY), HOUR + number * MINUTE);
        lecture.meeting_id = meeting(MEETING + i64::from(number));
        world = world.with(guests(lecture, 3));
    }
    let stage = Stage::new(world).await;
    // Those that are refused are asked first.
    for number in 0..3 {
        stage.fault(&format!("plan-200,endpoint=metrics-participants,target={}", MEETING + number));
    }
    stage.run().await;
    for _ in 0..DAYS * 12 {
        stage.run_after(2 * HOUR).await;
        assert_eq!(stage.rows("SELECT source FROM source_closures").await, Vec::<String>::new());
    }
    assert_eq!(
        stage.rows("SELECT source, count(*) FROM meetings_held GROUP BY source").await,
        ["dashboard|18", "report|18"]
    );
    // Nothing is read for more than its re-reads, and what the Dashboard may yet give.
    let most =
        stage.row("SELECT max(count) FROM (SELECT count(*) AS count FROM fetches GROUP BY instance_uuid)");
    assert!(most.await.parse::<u32>().unwrap() <= 5);
}

/// One instance, ten months ago.
fn long_ago() -> Instance {
    guests(lecture("old==", at(NOW), 300 * DAY), 3)
}

async fn backfill(stage: &Stage) -> RunOutcome {
    let now = at(NOW);
    let mut request = stage.request();
    request.window = Some(Window { from: now.minus(360 * DAY), to: now });
    stage.run_with(&request).await.0.outcome
}

#[tokio::test]
async fn what_is_older_than_six_months_comes_from_the_report_unless_the_dashboard_is_named() {
    let stage =
        Stage::with(World::new().with(long_ago()), |options| options.dashboard_reach = 183 * DAY).await;
    assert_eq!(backfill(&stage).await, RunOutcome::Ok);
    assert_eq!(stage.row("SELECT source, state, rows_stored FROM meetings_held").await, "report|settled|3");
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0);

    let mut stage = Stage::new(World::new().with(long_ago())).await;
    stage.settings.source = Some(Source::Dashboard);
    assert_eq!(backfill(&stage).await, RunOutcome::Ok);
    assert_eq!(
        stage.row("SELECT source, state, rows_stored FROM meetings_held").await,
        "dashboard|settled|3"
    );
}

/// A lecture whose participants have more than the poorer sources tell.
fn rich() -> Instance {
    let of = lecture("one==", at(NOW), HOUR);
    let sessions: Vec<Session> = (0..3)
        .map(|number| stay(&of, number).with("device", "Mac").with("ip_address", "192.0.2.1"))
        .collect();
    of.with_sessions(sessions)
}

const RICH: &str = "SELECT count(*), count(device), count(withdrawn_at) FROM participants";

#[tokio::test]
async fn a_poorer_source_never_overwrites_a_richer_one() {
    let stage = Stage::new(World::new().with(rich())).await;
    stage.run().await;
    assert_eq!(stage.row(RICH).await, "3|3|0");
    // The Dashboard is closed, and the report tells of one person less and of another name.
    stage.zoom.options(|options| options.dashboard = false);
    stage.zoom.world(|world| {
        let instance = world.instance_mut(&crate::harness::uuid("one==")).unwrap();
        instance.sessions.remove(0);
        instance.sessions[0].set("user_name", "Somebody else");
    });
    let summary = stage.run_after(DAY).await;
    assert_eq!(summary.outcome, RunOutcome::Ok);
    let counts = summary.counts;
    assert_eq!((counts.received, counts.inserted, counts.updated, counts.withdrawn), (2, 0, 0, 0));
    assert_eq!(stage.row(RICH).await, "3|3|0");
    assert_eq!(stage.row("SELECT count(*) FROM participants WHERE user_name LIKE 'Guest%'").await, "3");
    assert_eq!(
        stage.row("SELECT source, rows_reported, shortfall FROM meetings_held").await,
        "dashboard|3|0"
    );
}

#[tokio::test]
async fn a_complete_listing_of_a_richer_source_replaces_a_poorer_ones() {
    let stage = Stage::new(World::new().with(rich())).await;
    stage.zoom.options(|options| options.dashboard = false);
    stage.run().await;
    assert_eq!(stage.row(RICH).await, "3|0|0");
    assert_eq!(sources_of(&stage).await, ["report"]);
    // The Dashboard is opened, and does not know the first of them.
    stage.zoom.options(|options| options.dashboard = true);
    stage.zoom.world(|world| {
        world.instance_mut(&crate::harness::uuid("one==")).unwrap().sessions.remove(0);
    });
    // A listing that stops short replaces nothing.
    stage.fault("total-too-large=2,endpoint=metrics-participants");
    let summary = stage.run_after(DAY).await;
    assert_eq!((summary.counts.updated, summary.counts.withdrawn), (0, 0));
    assert_eq!(
        (stage.row(RICH).await.as_str(), &sources_of(&stage).await[..]),
        ("3|0|0", &["report".to_owned()][..])
    );

    stage.zoom.clear_faults();
    let summary = stage.run_after(HOUR).await;
    assert_eq!((summary.counts.inserted, summary.counts.updated, summary.counts.withdrawn), (0, 2, 1));
    assert_eq!(stage.row(RICH).await, "3|2|1");
    assert_eq!(sources_of(&stage).await, ["dashboard"]);
}

#[tokio::test]
async fn discovery_goes_other_ways_where_the_list_of_instances_is_closed() {
    let stage = Stage::new(world()).await;
    stage.fault("scope-4711,endpoint=past-instances");
    let summary = stage.run().await;
    assert_eq!((summary.outcome, summary.instances_found), (RunOutcome::Ok, 3));
    assert!(stage.zoom.count_at(SimulatedEndpoint::MetricsMeetings) > 0);

    // The account-wide list is closed, too: the latest by its number, and what is missed is said.
    let stage = Stage::new(world()).await;
    stage.fault("scope-4711,endpoint=past-instances");
    stage.fault("scope-4711,endpoint=metrics-meetings");
    let (summary, warnings) = stage.run_with(&stage.request()).await;
    assert_eq!((summary.instances_found, summary.instances_fetched), (1, 1));
    assert_eq!(stage.row("SELECT instance_uuid, rows_stored FROM meetings_held").await, "one==|3");
    assert!(warnings.iter().any(|words| words.contains("earlier ones are missed")), "{warnings:?}");
}

#[tokio::test]
async fn account_wide_discovery_finds_what_is_not_listed() {
    let stage = Stage::new(World::sized(3, at(NOW), 40, 2)).await;
    let mut request = stage.request();
    (request.meetings, request.account_wide) = (Vec::new(), true);
    let summary = stage.run_with(&request).await.0;
    assert_eq!(
        (summary.outcome, summary.instances_found, summary.instances_fetched),
        (RunOutcome::Ok, 40, 40)
    );
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::PastInstances), 0);
}

#[tokio::test]
async fn a_poorer_source_settles_nothing_that_the_richer_one_has_not_told_yet() {
    let world = World::new().with(guests(lecture("one==", at(NOW), 3 * DAY), 20));
    let stage = Stage::new(world).await;
    stage.fault("total-too-large=50,endpoint=metrics-participants,attempts=1-1");
    stage.run().await;
    assert_eq!(stage.state("one==").await, "collected|");
    // The Dashboard is closed for once; what the report tells is not stored, and is the last word about nothing.
    stage.fault("plan-200,endpoint=metrics-participants,attempts=1-1");
    let summary = stage.run_after(HOUR).await;
    assert_eq!((summary.instances_fetched, summary.counts.inserted), (1, 0));
    assert_eq!(stage.state("one==").await, "collected|");
    assert_eq!(
        stage
            .row("SELECT error LIKE '%come from dashboard%' FROM fetches ORDER BY fetch_id DESC LIMIT 1")
            .await,
        "1"
    );
    stage.run_after(DAY).await;
    assert_eq!(stage.state("one==").await, "settled|");
    assert_eq!(stage.row("SELECT source, rows_stored, shortfall FROM meetings_held").await, "dashboard|20|0");
}
