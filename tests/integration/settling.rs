//! Re-reads with an end, and no request more than is needed.

use rollcall::model::{RateLabel, RunOutcome};
use rollcall::simulator::{SimulatedEndpoint, World};

use crate::harness::{DAY, HOUR, MINUTE, NOW, Stage, at, guests, lecture, meeting, uuid};

const NAME: &str = "one==";

/// Requests per label since the last count: Light, Medium, Heavy, Resource-intensive.
fn requests(stage: &Stage) -> [usize; 4] {
    let counts = RateLabel::ALL.iter().map(|label| stage.zoom.count(*label)).collect::<Vec<_>>();
    stage.zoom.clear_requests();
    counts.try_into().unwrap()
}

async fn state(stage: &Stage) -> String {
    stage.row("SELECT state FROM meetings_held").await
}

#[tokio::test]
async fn an_instance_is_read_at_each_age_and_settled_by_an_unchanged_read() {
    let stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), 5 * MINUTE), 3))).await;
    assert_eq!(stage.run().await.counts.inserted, 3);
    assert_eq!(state(&stage).await, "collected");
    assert_eq!(stage.run_after(24 * MINUTE).await.instances_due, 0);
    assert_eq!(stage.run_after(MINUTE).await.instances_due, 1);
    assert_eq!(state(&stage).await, "collected");
    assert_eq!(stage.run_after(23 * HOUR).await.instances_due, 0);
    assert_eq!(stage.run_after(HOUR).await.instances_due, 1);
    assert_eq!(state(&stage).await, "settled");
    assert_eq!(stage.rows("SELECT outcome FROM fetches").await, ["ok", "ok", "ok"]);
}

#[tokio::test]
async fn one_read_satisfies_every_age_already_past() {
    let stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), HOUR), 3))).await;
    stage.run().await;
    // The machine is off for a week.
    assert_eq!(stage.run_after(7 * DAY).await.instances_due, 1);
    assert_eq!(state(&stage).await, "settled");
}

#[tokio::test]
async fn an_instance_older_than_the_last_age_is_settled_by_one_read() {
    let stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), 3 * DAY), 3))).await;
    stage.run().await;
    assert_eq!(state(&stage).await, "settled");
}

#[tokio::test]
async fn one_that_still_changes_at_the_last_age_is_read_daily_until_it_does_not() {
    let stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), HOUR), 3))).await;
    stage.run().await;
    let grow = || {
        stage.zoom.world(|world| {
            let instance = world.instance_mut(&uuid(NAME)).unwrap();
            let new = crate::harness::stay(instance, instance.sessions.len() as u64);
            instance.sessions.push(new);
        });
    };
    grow();
    stage.run_after(DAY).await;
    assert_eq!(state(&stage).await, "collected");
    grow();
    assert_eq!(stage.run_after(23 * HOUR).await.instances_due, 0);
    assert_eq!(stage.run_after(HOUR).await.counts.inserted, 1);
    assert_eq!(stage.run_after(DAY).await.counts.unchanged, 5);
    assert_eq!(state(&stage).await, "settled");
}

#[tokio::test]
async fn one_that_never_stops_changing_is_settled_after_seven_days() {
    let stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), HOUR), 3))).await;
    stage.fault("growing,endpoint=metrics-participants");
    stage.run().await;
    let mut reads = 0;
    for _ in 0..20 {
        reads += stage.run_after(DAY).await.instances_fetched;
    }
    // The one past the last age, and one on each of the seven days after it.
    assert_eq!(reads, 8);
    assert_eq!(state(&stage).await, "settled");
}

#[tokio::test]
async fn a_first_read_that_stopped_short_is_followed_until_nothing_changes() {
    let stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), 5 * MINUTE), 3))).await;
    stage.fault("total-too-large=1");
    stage.run().await;
    stage.zoom.clear_faults();
    // The next one is complete, past the last age, and brings news: it may still be changing.
    stage.zoom.world(|world| {
        let instance = world.instance_mut(&uuid(NAME)).unwrap();
        let new = crate::harness::stay(instance, 3);
        instance.sessions.push(new);
    });
    assert_eq!(stage.run_after(2 * DAY).await.counts.inserted, 1);
    assert_eq!(state(&stage).await, "collected");
    assert_eq!(stage.run_after(DAY).await.counts.unchanged, 4);
    assert_eq!(state(&stage).await, "settled");
}

#[tokio::test]
async fn settled_instances_cost_no_request_ever_again() {
    let stage = Stage::new(World::sized(5, at(NOW).minus(3 * DAY), 40, 4)).await;
    assert_eq!(stage.run().await.instances_fetched, 40);
    assert_eq!(stage.row("SELECT count(*) FROM meetings_held WHERE state = 'settled'").await, "40");
    requests(&stage);
    for _ in 0..3 {
        let summary = stage.run_after(DAY).await;
        assert_eq!((summary.outcome, summary.instances_due), (RunOutcome::Ok, 0));
        // One Medium request a listed meeting, and nothing else but a token.
        assert_eq!(requests(&stage), [0, 20, 0, 0]);
    }
}

#[tokio::test]
async fn a_new_instance_costs_its_pages_and_one_light_request() {
    let mut stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), HOUR), 10))).await;
    stage.page_size = 3;
    stage.run().await;
    assert_eq!(requests(&stage), [1, 1, 4, 0]);
    assert_eq!(stage.row("SELECT requests, pages FROM fetches").await, "5|4");
    assert_eq!(stage.row("SELECT requests FROM runs").await, "6");
    // The re-read knows its end already.
    stage.run_after(DAY).await;
    assert_eq!(requests(&stage), [0, 1, 4, 0]);
    // The ledger holds what was sent, no more and no less.
    assert_eq!(
        stage.rows("SELECT label, sum(requests) FROM quota GROUP BY label ORDER BY label").await,
        ["Heavy|8", "Light|1", "Medium|2"]
    );
}

#[tokio::test]
async fn what_is_older_than_the_window_is_known_and_not_asked_for() {
    let world = World::new()
        .with(guests(lecture("new==", at(NOW), HOUR), 2))
        .with(guests(lecture("old==", at(NOW), 8 * DAY), 2));
    let stage = Stage::new(world).await;
    let summary = stage.run().await;
    assert_eq!((summary.instances_found, summary.instances_due), (2, 1));
    assert_eq!(stage.state("old==").await, "known|");
    // A window that reaches further makes it due, and once it is due it stays so.
    let mut request = stage.request();
    request.window = Some(rollcall::model::Window { from: at(NOW).minus(30 * DAY), to: at(NOW) });
    stage.fault("html-502,target=old==");
    stage.run_with(&request).await;
    assert_eq!(stage.state("old==").await, "pending|");
    stage.zoom.clear_faults();
    assert_eq!(stage.run().await.instances_fetched, 1);
    assert_eq!(stage.state("old==").await, "settled|");
}

#[tokio::test]
async fn no_downtime_leaves_a_gap() {
    let stage = Stage::new(World::new().with(guests(lecture("new==", at(NOW), HOUR), 2))).await;
    stage.run().await;
    // A month without a run; an instance of the day after its last one is older than the lookback by then.
    stage.zoom.world(|world| {
        world.add_instance(guests(lecture("missed==", at(NOW).plus(DAY), HOUR), 2));
    });
    let summary = stage.run_after(30 * DAY).await;
    assert_eq!((summary.instances_found, summary.counts.inserted), (1, 2));
}

#[tokio::test]
async fn a_meeting_taken_off_the_list_keeps_its_due_re_reads() {
    let mut stage = Stage::new(World::new().with(guests(lecture(NAME, at(NOW), HOUR), 2))).await;
    stage.run().await;
    stage.meetings = vec![];
    requests(&stage);
    assert_eq!(stage.run_after(DAY).await.instances_fetched, 1);
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::PastInstances), 0);
    stage.meetings = vec![meeting(crate::harness::MEETING)];
    assert_eq!(stage.run().await.instances_found, 0);
}
