//! Backfill: which instances a window makes due, what is skipped, and who is let through.

use std::process::Stdio;
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::model::{RateLabel, RunOutcome};
use rollcall::simulator::{Instance, Options, Simulator, World};

use crate::harness::{DAY, Desk, HOUR, Stage, at, guests, lecture, meeting, rows, uuid};

const NOW: &str = crate::harness::NOW;

/// Instances that ended so many days ago, of three guests each.
fn world(ages: &[u32]) -> World {
    let of =
        |world: World, age: &u32| world.with(guests(lecture(&format!("age{age}=="), at(NOW), *age * DAY), 3));
    ages.iter().fold(World::new(), of)
}

async fn sources(stage: &Stage) -> Vec<String> {
    stage.rows("SELECT instance_uuid, state, source FROM meetings_held ORDER BY start_time DESC").await
}

#[tokio::test]
async fn a_window_is_read_as_far_back_as_each_source_reaches() {
    let stage = Stage::new(world(&[3, 40, 100, 200, 300])).await;
    stage.run().await;
    assert_eq!(
        sources(&stage).await,
        [
            "age3==|settled|dashboard",
            "age40==|known|",
            "age100==|known|",
            "age200==|known|",
            "age300==|known|"
        ]
    );
    stage.zoom.clear_requests();
    let (summary, _) = stage.run_with(&stage.backfill(120)).await;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Ok, 2));
    // What is settled costs no request: two listings, two descriptions, and the instances of the one meeting.
    assert_eq!(stage.zoom.count(RateLabel::Heavy), 2);
    assert_eq!(stage.zoom.count(RateLabel::Light), 2);
    assert_eq!(stage.zoom.count(RateLabel::Medium), 1);
    let (summary, _) = stage.run_with(&stage.backfill(330)).await;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Ok, 2));
    assert_eq!(
        sources(&stage).await,
        [
            "age3==|settled|dashboard",
            "age40==|settled|dashboard",
            "age100==|settled|dashboard",
            "age200==|settled|report",
            "age300==|settled|report",
        ]
    );
}

#[tokio::test]
async fn settled_instances_are_read_again_only_by_force() {
    let stage = Stage::new(world(&[3, 40])).await;
    stage.run_with(&stage.backfill(60)).await;
    let (again, _) = stage.run_with(&stage.backfill(60)).await;
    assert_eq!((again.instances_due, again.instances_fetched), (0, 0));
    let mut request = stage.backfill(60);
    request.selection.force = true;
    let (forced, _) = stage.run_with(&request).await;
    assert_eq!((forced.instances_fetched, forced.counts.unchanged, forced.counts.inserted), (2, 6, 0));
}

#[tokio::test]
async fn an_instance_can_be_named_whenever_it_was_and_whatever_its_meeting() {
    let elsewhere = Instance::new(
        meeting(93_812_345_678),
        uuid("/else//where=="),
        "Chess club",
        at(NOW).minus(90 * DAY),
        Some(at(NOW).minus(90 * DAY).plus(HOUR)),
    );
    let mut stage = Stage::new(world(&[40]).with(guests(elsewhere, 3))).await;
    stage.meetings.retain(|listed| *listed != meeting(93_812_345_678));
    let mut request = stage.backfill(10);
    request.meetings = Vec::new();
    request.selection.meetings = Vec::new();
    request.selection.instances = vec![uuid("/else//where=="), uuid("nowhere==")];
    let (summary, warnings) = stage.run_with(&request).await;
    assert_eq!(summary.instances_fetched, 1);
    assert_eq!(sources(&stage).await, ["/else//where==|settled|dashboard"]);
    assert!(warnings.iter().any(|words| words.contains("nowhere==")), "{warnings:?}");
}

#[tokio::test]
async fn the_whole_account_is_read_without_a_list_of_meetings() {
    let other = Instance::new(
        meeting(93_812_345_678),
        uuid("other=="),
        "Chess club",
        at(NOW).minus(70 * DAY),
        Some(at(NOW).minus(70 * DAY).plus(HOUR)),
    );
    let stage = Stage::new(world(&[3, 40, 100]).with(guests(other, 1))).await;
    let mut request = stage.backfill(120);
    request.account_wide = true;
    request.selection.meetings = Vec::new();
    let (summary, _) = stage.run_with(&request).await;
    assert_eq!((summary.outcome, summary.instances_fetched), (RunOutcome::Ok, 4));
    // The meeting of one person is found in the list of those.
    assert_eq!(
        stage.row("SELECT topic, people FROM meetings_held WHERE instance_uuid = 'other=='").await,
        "Chess club|1"
    );
    assert_eq!(stage.zoom.count(RateLabel::Medium), 0);
    // The list told topic, host and end: nothing was asked for them.
    assert_eq!(stage.zoom.count(RateLabel::Light), 0);
}

#[tokio::test]
async fn the_budget_ends_a_backfill_and_the_next_day_goes_on() {
    let ages: Vec<u32> = (1..=30).collect();
    let stage = Stage::with(world(&ages), |options| options.limits.heavy_per_day = Some(20)).await;
    let (first, _) = stage.run_with(&stage.backfill(60)).await;
    assert_eq!(first.outcome, RunOutcome::Quota);
    assert!((1..30).contains(&first.instances_fetched), "{first:?}");
    let (at_once, _) = stage.run_with(&stage.backfill(60)).await;
    assert_eq!((at_once.outcome, at_once.instances_fetched), (RunOutcome::Quota, 0));
    stage.clock.set(at("2026-03-11T00:00:01Z"));
    stage.zoom.options(|options| options.limits.heavy_per_day = None);
    let (next, _) = stage.run_with(&stage.backfill(60)).await;
    assert_eq!((next.outcome, next.instances_fetched + first.instances_fetched), (RunOutcome::Ok, 30));
}

/// A Zoom in the present, with thirty instances of the last thirty days.
async fn zoom(latency: Duration) -> Simulator {
    let now = Clock::system().now();
    let of = |world: World, age: u32| world.with(guests(lecture(&format!("age{age}=="), now, age * DAY), 3));
    let world = (1..=30).fold(World::new(), of);
    Simulator::start(Options { latency, ..Options::default() }, world).await.unwrap()
}

fn days_ago(days: u32) -> String {
    Clock::system().now().minus(days * DAY).utc().format("%Y-%m-%d").to_string()
}

const MEETINGS: &str = "meetings = [85746065432]";

#[tokio::test]
async fn a_dry_run_says_what_it_would_cost_and_does_nothing() {
    let zoom = zoom(Duration::ZERO).await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["backfill", "--from", &days_ago(40), "--dry-run"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("30 instances to read"), "{finished:?}");
    assert!(finished.stdout.contains("at least 30 Heavy and 30 Light requests, about 1 s"), "{finished:?}");
    assert!(!desk.path("rollcall.db").exists());
    assert_eq!((zoom.count(RateLabel::Heavy), zoom.count(RateLabel::Medium)), (0, 1));

    // After it is read, a look says that there is nothing left.
    assert_eq!(desk.run(&["backfill", "--from", &days_ago(40)]).await.status, Some(0));
    let finished = desk.run(&["backfill", "--from", &days_ago(40), "--dry-run"]).await;
    let young =
        rows(&desk.database().await, "SELECT count(*) FROM meetings_held WHERE state <> 'settled'").await;
    let settled = 30 - young[0].parse::<u32>().unwrap();
    assert!(finished.stdout.contains(&format!("{settled} settled ones skipped (--force")), "{finished:?}");
}

#[tokio::test]
async fn a_span_that_is_none_is_a_clear_error() {
    let zoom = zoom(Duration::ZERO).await;
    let desk = Desk::at_simulator(&zoom, MEETINGS);
    let finished = desk.run(&["backfill", "--from", "2100-01-01"]).await;
    assert_eq!(finished.status, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("`--from` must be before `--to` and in the past"), "{finished:?}");
}

#[tokio::test]
async fn a_run_that_waits_is_let_through_between_two_instances() {
    let zoom = zoom(Duration::from_millis(120)).await;
    let desk =
        Desk::at_simulator(&zoom, &format!("{MEETINGS}\n[zoom.rate]\nheavy_per_second = 10\n[collection]\n"));
    let mut backfill = desk.command(&["backfill", "--from", &days_ago(40)]);
    let backfill = backfill.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while zoom.count(RateLabel::Heavy) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let collect = desk.run(&["collect", "--wait"]).await;
    assert_eq!(collect.status, Some(0), "{collect:?}");
    let output = tokio::task::spawn_blocking(|| backfill.wait_with_output()).await.unwrap().unwrap();
    let backfilled = desk.finished(&output);
    assert_eq!(backfilled.status, Some(0), "{backfilled:?}");
    let store = desk.database().await;
    assert_eq!(
        rows(&store, "SELECT trigger, outcome FROM runs ORDER BY run_id").await,
        ["backfill|ok", "manual|ok", "backfill|ok"]
    );
    assert_eq!(
        rows(&store, "SELECT count(*), sum(people) FROM meetings_held WHERE source IS NOT NULL").await,
        ["30|90"]
    );
}

#[tokio::test]
async fn a_look_before_a_backfill_ends_as_the_backfill_would() {
    let now = Clock::system().now();
    let of = |number: i64, name: &str| {
        let mut lecture = guests(lecture(name, now, 2 * DAY), 3);
        lecture.meeting_id = meeting(number);
        lecture
    };
    let world = World::new().with(of(85_000_000_001, "one==")).with(of(85_000_000_002, "two=="));
    let zoom = Simulator::start(Options::default(), world).await.unwrap();
    let desk = Desk::at_simulator(&zoom, "meetings = [85000000001, 85000000002]");
    let looks = async || desk.run(&["backfill", "--from", "2020-01-01", "--dry-run"]).await.status;
    assert_eq!(looks().await, Some(0));
    for (fault, status) in [("html-403,target=85000000001", 1), ("html-403", 77), ("html-503", 69)] {
        zoom.fault(format!("{fault},endpoint=past-instances").parse().unwrap());
        assert_eq!(looks().await, Some(status), "{fault}");
        zoom.clear_faults();
    }
}
