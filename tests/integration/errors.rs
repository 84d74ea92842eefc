//! Each row of the contract's table of errors: what is stored, where the instance stands, what the log says.

use rollcall::model::RunOutcome;
use rollcall::simulator::{SimulatedEndpoint, World};

use crate::harness::{DAY, HOUR, NOW, Stage, at, guests, lecture};

/// Three instances of three guests; faults strike `bad/one==`, the middle one.
async fn stage() -> Stage {
    let now = at(NOW);
    let world = World::new()
        .with(guests(lecture("first==", now, HOUR), 3))
        .with(guests(lecture("bad/one==", now, DAY), 3))
        .with(guests(lecture("last==", now, 2 * DAY), 3));
    Stage::new(world).await
}

const BAD: &str = "bad/one==";

/// What the log says of the last reading of the bad instance.
const FETCH: &str = "SELECT outcome, error_code, tracking_id LIKE 'v=2.0;%', rows_received FROM fetches \
                      WHERE instance_uuid = 'bad/one==' ORDER BY fetch_id DESC LIMIT 1";

/// Runs with a fault of the bad instance's participants; the other two are read whatever happens to it.
async fn struck(fault: &str) -> (Stage, RunOutcome, u64) {
    let stage = stage().await;
    stage.fault(&format!("{fault},endpoint=metrics-participants,target={BAD}"));
    let summary = stage.run().await;
    for name in ["first==", "last=="] {
        let count =
            stage.row(&format!("SELECT count(*) FROM participants WHERE instance_uuid = '{name}'")).await;
        assert_eq!(count, "3", "{fault}: {name}");
    }
    (stage, summary.outcome, summary.instances_failed)
}

#[tokio::test]
async fn what_passes_is_tried_again_and_then_left_to_a_later_run() {
    for (fault, code, tracked) in [
        ("html-500", "500", "1"),
        ("html-502", "502", "1"),
        ("html-503", "503", "1"),
        ("answer=408:{}", "408", "1"),
        ("answer=504:", "504", "1"),
        ("truncated-json", "", "1"),
        ("empty-body", "", "1"),
        ("not-json", "", "1"),
        ("answer=200:[]", "", "1"),
        ("redirect=https://example.com/", "302", "1"),
        ("cut=40", "", ""),
        ("drop", "", ""),
    ] {
        let (stage, outcome, failed) = struck(fault).await;
        assert_eq!((outcome, failed), (RunOutcome::Partial, 1), "{fault}");
        assert_eq!(stage.row(FETCH).await, format!("failed|{code}|{tracked}|0"), "{fault}");
        assert_eq!(stage.state(BAD).await, "pending|", "{fault}");
        assert_eq!(stage.row("SELECT count(*) FROM participants").await, "6", "{fault}");
        // Three tries were made, as this client is told to; the log counts them all.
        let tried =
            stage.zoom.requests().iter().filter(|request| request.target.contains("bad%2Fone")).count();
        // A redirect leads to the same place each time.
        let retries = if fault.starts_with("redirect") { 0 } else { 2 };
        assert_eq!(tried, 2 + retries, "{fault}: readings and a description");
        assert_eq!(
            stage.row("SELECT requests, retries, outcome FROM runs").await,
            format!("{}|{retries}|partial", 7 + retries),
            "{fault}"
        );

        // The very next run reads it.
        stage.zoom.clear_faults();
        let summary = stage.run().await;
        assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 3), "{fault}");
    }
}

#[tokio::test]
async fn what_passes_within_the_tries_leaves_no_trace() {
    for fault in ["html-502", "empty-body", "cut=40", "drop", "truncated-json"] {
        let (stage, outcome, failed) = struck(&format!("{fault},attempts=1-2")).await;
        assert_eq!((outcome, failed), (RunOutcome::Ok, 0), "{fault}");
        assert_eq!(stage.row("SELECT count(*) FROM participants").await, "9", "{fault}");
        assert_eq!(stage.row("SELECT retries, outcome FROM runs").await, "2|ok", "{fault}");
    }
}

#[tokio::test]
async fn a_break_on_a_later_page_stores_nothing_of_it() {
    for fault in ["html-502,page=later", "cut=100,page=later", "not-json,page=later"] {
        let mut stage = stage().await;
        stage.page_size = 2;
        stage.fault(&format!("{fault},endpoint=metrics-participants,target={BAD}"));
        stage.run().await;
        assert_eq!(
            stage.row(&format!("SELECT count(*) FROM participants WHERE instance_uuid = '{BAD}'")).await,
            "0"
        );
        assert_eq!(stage.state(BAD).await, "pending|");
    }
}

#[tokio::test]
async fn a_refusal_of_one_instance_parks_it_with_its_reason_and_tracking_id() {
    for (fault, code, reason) in [
        ("old-12702", "12702", "more than a year old"),
        ("webinar-300", "300", "it is a webinar, which rollcall cannot read"),
        ("html-403", "403", "blocked by a proxy"),
        (
            "answer=403:{\"code\":12703,\"message\":\"No permission for the group.\"}",
            "12703",
            "No permission",
        ),
        (
            "answer=400:{\"code\":1010,\"message\":\"User does not belong to this account.\"}",
            "1010",
            "account",
        ),
        ("answer=400:{\"code\":3000,\"message\":\"Cannot access meeting info.\"}", "3000", "Cannot access"),
        ("answer=404:{\"code\":1001,\"message\":\"User does not exist.\"}", "1001", "User does not exist"),
    ] {
        let (stage, outcome, failed) = struck(fault).await;
        assert_eq!((outcome, failed), (RunOutcome::Partial, 1), "{fault}");
        assert_eq!(stage.row(FETCH).await, format!("failed|{code}|1|0"), "{fault}");
        let told = stage.row("SELECT error FROM fetches WHERE outcome = 'failed'").await;
        assert!(told.contains(reason), "{fault}: {told}");
        let standing = stage.state(BAD).await;
        assert!(standing.starts_with("parked|") && standing.contains(reason), "{fault}: {standing}");

        // It is left alone for a while, then tried again, each time later; then it may be read.
        stage.zoom.clear_requests();
        assert_eq!(stage.run().await.instances_due, 0, "{fault}");
        assert_eq!(stage.run_after(HOUR).await.instances_failed, 1, "{fault}");
        assert_eq!(stage.run_after(HOUR).await.instances_failed, 0, "{fault}");
        stage.zoom.clear_faults();
        stage.run_after(6 * HOUR).await;
        assert!(!stage.state(BAD).await.starts_with("parked"), "{fault}");
        assert_eq!(stage.row("SELECT count(*) FROM participants").await, "9", "{fault}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_tried_for_a_week_each_time_later_and_is_no_failure() {
    let stage = stage().await;
    for endpoint in ["metrics-participants", "report-participants", "past-participants"] {
        stage.fault(&format!("missing-3001,endpoint={endpoint},target={BAD}"));
    }
    let summary = stage.run().await;
    assert_eq!((summary.outcome, summary.instances_failed), (RunOutcome::Ok, 0));
    assert_eq!(stage.state(BAD).await, "pending|");
    assert_eq!(stage.row(FETCH).await, "failed|3001|1|0");
    // `past` and, for it gave nothing, `pastOne`: each in both encodings, since the UUID holds a slash. Then the other
    // sources.
    let asked: Vec<String> = stage
        .zoom
        .requests()
        .into_iter()
        .map(|request| request.target)
        .filter(|target| target.contains("/metrics/"))
        .filter(|target| {
            target.contains("one%3D%3D/participants") || target.contains("one%253D%253D/participants")
        })
        .collect();
    let kinds: Vec<(bool, bool)> =
        asked.iter().map(|target| (target.contains("type=pastOne"), target.contains("%25"))).collect();
    assert_eq!(kinds, [(false, false), (false, true), (true, false), (true, true)], "{asked:?}");

    let mut waits = Vec::new();
    while let Some(wait) = stage.until_due(BAD).await {
        let last = waits.last().copied().unwrap_or_default();
        assert!(wait > last || wait == DAY, "{wait:?} after {waits:?}");
        waits.push(wait);
        assert_eq!(stage.run_after(wait).await.instances_not_found, 1);
    }
    assert!((7 * DAY..=8 * DAY).contains(&waits.iter().sum()), "{waits:?}");
    assert_eq!(stage.state(BAD).await, "unavailable|Zoom has had no data of it for a week");
    // It is never asked for again.
    stage.zoom.clear_requests();
    stage.run_after(30 * DAY).await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let (stage, outcome, _) = struck("token-401,attempts=1").await;
    assert_eq!(outcome, RunOutcome::Ok);
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::Token), 2);
    assert_eq!(stage.row("SELECT count(*) FROM participants").await, "9");

    let stage = self::stage().await;
    stage.fault("token-401");
    let summary = stage.run().await;
    assert_eq!(summary.outcome, RunOutcome::Failed);
    assert_eq!(rollcall::commands::support::errors::code_of_run(&summary).status(), 77);
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::Token), 2);
}

#[tokio::test]
async fn an_expired_page_token_begins_the_listing_again_twice_at_most() {
    let mut stage = stage().await;
    stage.page_size = 2;
    stage.fault(&format!("page-token-expired,attempts=1-2,target={BAD}"));
    assert_eq!(stage.run().await.outcome, RunOutcome::Ok);
    assert_eq!(stage.row(FETCH).await, "ok||1|3");
    assert_eq!(stage.row("SELECT count(*) FROM participants").await, "9");

    let mut stage = self::stage().await;
    stage.page_size = 2;
    stage.fault(&format!("page-token-expired,target={BAD}"));
    let summary = stage.run().await;
    // What came is kept, and the rest is asked for at growing distances.
    assert_eq!((summary.outcome, summary.instances_failed), (RunOutcome::Ok, 0));
    assert_eq!(stage.row(FETCH).await, "incomplete|300|1|2");
    assert_eq!(stage.state(BAD).await, "collected|");
    assert_eq!(stage.until_due(BAD).await, Some(DAY / 96));
    let firsts = stage
        .zoom
        .requests()
        .iter()
        .filter(|request| request.target.contains("one%3D%3D/participants"))
        .filter(|request| !request.target.contains("next_page_token"))
        .count();
    assert_eq!(firsts, 3);
}

#[tokio::test]
async fn a_short_pause_is_waited_for() {
    let stage = stage().await;
    stage.fault("429-second=1,endpoint=metrics-participants,attempts=1");
    let summary = stage.run().await;
    assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 9));
    assert_eq!(stage.row("SELECT throttled, retries FROM runs").await, "1|1");
    assert_eq!(stage.row("SELECT throttled FROM quota WHERE label = 'Heavy'").await, "1");
}

#[tokio::test]
async fn the_days_quota_ends_the_run_and_the_next_day_goes_on() {
    let stage = stage().await;
    stage.fault("429-daily,endpoint=metrics-participants");
    let summary = stage.run().await;
    assert_eq!(summary.outcome, RunOutcome::Quota);
    assert_eq!(rollcall::commands::support::errors::code_of_run(&summary).status(), 75);
    stage.zoom.clear_faults();
    stage.zoom.clear_requests();
    assert_eq!(stage.run_after(HOUR).await.outcome, RunOutcome::Quota);
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0);
    assert_eq!(stage.row("SELECT count(*) FROM meetings_held WHERE state = 'pending'").await, "3");
    let summary = stage.run_after(DAY / 2).await;
    assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 9));
}

#[tokio::test]
async fn a_meeting_that_tells_no_instances_is_a_warning_and_its_known_ones_are_still_read() {
    let stage = stage().await;
    stage.fault(&format!("html-502,attempts=1-3,endpoint=metrics-participants,target={BAD}"));
    stage.run().await;
    stage.zoom.world(|world| world.expire_meeting(crate::harness::meeting(crate::harness::MEETING)));
    let (summary, warnings) = stage.run_with(&stage.request()).await;
    assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 3));
    assert!(warnings.iter().any(|words| words.contains("its ID has expired")), "{warnings:?}");
    // It is asked again, but not each time.
    stage.zoom.clear_requests();
    stage.run().await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::PastInstances), 0);
    stage.run_after(HOUR).await;
    stage.run_after(HOUR).await;
    stage.run_after(HOUR).await;
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::PastInstances), 2);
}

#[tokio::test]
async fn a_discovery_that_fails_is_no_good_run() {
    let stage = stage().await;
    stage.fault("html-502,endpoint=past-instances");
    let summary = stage.run().await;
    assert_eq!(summary.outcome, RunOutcome::Failed);
    assert_eq!(stage.row("SELECT outcome, error LIKE '%could not be listed%' FROM runs").await, "failed|1");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_and_told_from_a_refusal() {
    let mut stage = stage().await;
    stage.request_timeout = std::time::Duration::from_millis(200);
    stage.fault(&format!("stall=40,endpoint=metrics-participants,target={BAD}"));
    let summary = stage.run().await;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Partial, 2));
    assert_eq!(stage.row(FETCH).await, "failed|||0");
    assert_eq!(
        stage.row("SELECT error LIKE 'no answer in time%' FROM fetches WHERE outcome = 'failed'").await,
        "1"
    );
}

#[tokio::test]
async fn an_instance_that_is_not_described_is_read_and_its_end_estimated() {
    for fault in ["scope-4711", "plan-200", "missing-3001", "html-502", "old-12702"] {
        let stage = stage().await;
        stage.fault(&format!("{fault},endpoint=past-meeting"));
        let summary = stage.run().await;
        assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 9), "{fault}");
        assert_eq!(
            stage
                .row("SELECT end_time, end_estimated FROM meetings_held WHERE instance_uuid = 'first=='")
                .await,
            "2026-03-10T11:00:00.000Z|1",
            "{fault}"
        );
    }
}
