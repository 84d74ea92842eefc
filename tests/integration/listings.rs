//! Listings that are not what they should be: short, endless, suspect, shifted; of one person; of a meeting that is on.

use rollcall::simulator::{Instance, OnePersonAnswer, SimulatedEndpoint, World};

use crate::harness::{DAY, HOUR, MINUTE, NOW, Stage, at, guests, lecture, stay, uuid};

const NAME: &str = "one==";

fn ended(ago: std::time::Duration) -> Instance {
    lecture(NAME, at(NOW), ago)
}

async fn stage(of: Instance) -> Stage {
    Stage::new(World::new().with(of)).await
}

const LAST: &str = "SELECT outcome, rows_received, rows_inserted, rows_unchanged, rows_withdrawn FROM fetches \
                     ORDER BY fetch_id DESC LIMIT 1";

const TALLY: &str = "SELECT state, rows_reported, rows_stored, shortfall FROM meetings_held";

#[tokio::test]
async fn a_listing_that_claims_more_than_it_gives_is_read_again_at_growing_distances_and_settles() {
    let stage = stage(guests(ended(3 * DAY), 5)).await;
    stage.fault("total-too-large=2");
    assert_eq!(stage.run().await.counts.inserted, 5);
    assert_eq!(stage.row(LAST).await, "incomplete|5|5|0|0");
    assert_eq!(stage.row(TALLY).await, "collected|7|5|2");
    // Not due before its time: a quarter of an hour, then an hour.
    assert_eq!(stage.run_after(14 * MINUTE).await.instances_due, 0);
    assert_eq!(stage.run_after(MINUTE).await.instances_due, 1);
    assert_eq!(stage.run_after(59 * MINUTE).await.instances_due, 0);
    assert_eq!(stage.run_after(MINUTE).await.instances_due, 1);
    // Three equal readings in a row are taken for all that there is.
    assert_eq!(stage.row(TALLY).await, "settled|7|5|2");
    stage.zoom.clear_requests();
    assert_eq!(stage.run_after(30 * DAY).await.instances_due, 0);
    assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 0);
}

#[tokio::test]
async fn a_short_listing_that_goes_on_changing_ends_after_a_week() {
    let stage = stage(guests(ended(3 * DAY), 5)).await;
    stage.fault("total-too-large=2");
    stage.run().await;
    let mut distances = Vec::new();
    while let Some(wait) = stage.until_due(NAME).await {
        distances.push(wait);
        let leave = at(NOW).minus(3 * DAY).plus(u32::try_from(distances.len()).unwrap() * MINUTE);
        stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions[0].set_leave(Some(leave)));
        assert_eq!(stage.run_after(wait.saturating_sub(MINUTE)).await.instances_due, 0);
        assert_eq!(stage.run_after(MINUTE).await.counts.updated, 1);
    }
    assert_eq!(distances[..5], [15 * MINUTE, HOUR, 6 * HOUR, DAY, DAY]);
    assert!(distances.iter().sum::<std::time::Duration>() <= 8 * DAY, "{distances:?}");
    assert_eq!(stage.row(TALLY).await, "settled|7|5|2");
}

#[tokio::test]
async fn a_short_listing_withdraws_nothing_and_the_complete_one_after_it_does() {
    let stage = stage(guests(ended(HOUR), 8)).await;
    stage.run().await;
    stage.fault("total-too-large=1");
    stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions.truncate(7));
    stage.run_after(DAY).await;
    assert_eq!(stage.row(LAST).await, "incomplete|7|0|7|0");
    assert_eq!(stage.row("SELECT rows_stored FROM meetings_held").await, "8");
    stage.zoom.clear_faults();
    stage.run_after(15 * MINUTE).await;
    assert_eq!(stage.row(LAST).await, "ok|7|0|7|1");
}

#[tokio::test]
async fn a_repeated_page_token_ends_the_listing_as_incomplete() {
    let mut stage = stage(guests(ended(HOUR), 5)).await;
    stage.page_size = 2;
    stage.fault("page-token-repeated");
    let summary = stage.run().await;
    // The same page came until its token was seen again.
    assert_eq!(summary.counts.inserted, 2);
    assert_eq!(
        stage.row("SELECT outcome, rows_reported, rows_inserted, error LIKE '%twice%' FROM fetches").await,
        "incomplete|5|2|1"
    );
    assert!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants) <= 3);
    stage.zoom.clear_faults();
    assert_eq!(stage.run_after(15 * MINUTE).await.counts.inserted, 3);
    assert_eq!(stage.row(LAST).await, "ok|5|3|2|0");
}

#[tokio::test]
async fn an_absent_page_token_is_the_end_as_a_blank_one_is() {
    let mut stage = stage(guests(ended(HOUR), 5)).await;
    stage.page_size = 2;
    stage.fault("page-token-absent");
    stage.run().await;
    assert_eq!(stage.row(LAST).await, "ok|5|5|0|0");
}

#[tokio::test]
async fn rows_that_come_twice_over_pages_cause_one_more_read() {
    let mut stage = stage(guests(ended(3 * DAY), 6)).await;
    stage.page_size = 2;
    stage.fault("repeated-rows");
    let counts = stage.run().await.counts;
    assert_eq!((counts.received, counts.inserted, counts.duplicate), (8, 6, 2));
    // Old enough to be settled by one complete read, were it not for the duplicates.
    assert_eq!(stage.row(TALLY).await, "collected|6|6|0");
    assert_eq!(stage.run_after(HOUR).await.instances_fetched, 1);
    assert_eq!(stage.row(TALLY).await, "settled|6|6|0");
}

/// Forty rows are stored, and thirty of them are gone from the next listing.
async fn vanished() -> Stage {
    let stage = stage(guests(ended(HOUR), 40)).await;
    stage.run().await;
    stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions.truncate(10));
    stage.run_after(DAY).await;
    assert_eq!(stage.row(LAST).await, "suspect|10|0|10|0");
    assert_eq!(stage.row("SELECT rows_stored FROM meetings_held").await, "40");
    stage
}

#[tokio::test]
async fn a_listing_that_would_wipe_an_instance_needs_a_second_one_an_hour_later() {
    let stage = vanished().await;
    // Within the hour nothing confirms it, however often a person asks.
    let mut request = stage.request();
    request.selection.force = true;
    stage.clock.set(stage.clock.now().plus(59 * MINUTE));
    stage.run_with(&request).await;
    assert_eq!(stage.row(LAST).await, "suspect|10|0|10|0");
    assert_eq!(stage.run_after(MINUTE).await.counts.withdrawn, 30);
    assert_eq!(stage.row(LAST).await, "ok|10|0|10|30");
    assert_eq!(stage.row("SELECT count(*), count(withdrawn_at) FROM participants").await, "40|30");
}

#[tokio::test]
async fn a_suspicion_that_is_not_confirmed_withdraws_nothing() {
    let stage = vanished().await;
    let all = guests(ended(HOUR), 40).sessions;
    stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions = all);
    stage.run_after(HOUR).await;
    assert_eq!(stage.row(LAST).await, "ok|40|0|40|0");
    assert_eq!(stage.row("SELECT state, rows_stored FROM meetings_held").await, "settled|40");
}

#[tokio::test]
async fn an_empty_listing_after_a_full_one_wipes_nothing_at_once() {
    let stage = stage(guests(ended(HOUR), 40)).await;
    stage.fault("emptied,endpoint=metrics-participants");
    stage.run().await;
    stage.run_after(DAY).await;
    assert_eq!(stage.row(LAST).await, "incomplete|0|0|0|0");
    assert_eq!(stage.row("SELECT state, rows_stored FROM meetings_held").await, "collected|40");
    assert_eq!(
        stage.zoom.count_at(SimulatedEndpoint::ReportParticipants),
        0,
        "nothing poorer can replace it"
    );
}

#[tokio::test]
async fn ten_rows_or_a_fifth_are_withdrawn_without_doubt() {
    for (stored, left, withdrawn) in [(12, 2, 10), (60, 48, 12), (12, 1, 0), (60, 47, 0)] {
        let stage = stage(guests(ended(HOUR), stored)).await;
        stage.run().await;
        let rest = usize::try_from(left).unwrap();
        stage.zoom.world(|world| {
            let sessions = &mut world.instance_mut(&uuid(NAME)).unwrap().sessions;
            sessions.truncate(rest.max(2));
            if rest < 2 {
                // One person alone would be of the other list of the Dashboard.
                sessions[1] = stay(&ended(HOUR), 99);
            }
        });
        let counts = stage.run_after(DAY).await.counts;
        assert_eq!(counts.withdrawn, withdrawn, "{stored} to {left}");
    }
}

#[tokio::test]
async fn a_meeting_of_one_person_is_found_by_past_one_and_remembered() {
    for answer in [OnePersonAnswer::NotFound, OnePersonAnswer::BadRequest, OnePersonAnswer::EmptyListing] {
        let world = World::new().with(guests(ended(HOUR), 1));
        let stage = Stage::with(world, |options| options.one_person_on_past = answer).await;
        let asked = |kind: &str| {
            let wanted = format!("type={kind}&");
            stage.zoom.requests().iter().filter(|request| request.target.contains(&wanted)).count()
        };
        assert_eq!(stage.run().await.counts.inserted, 1, "{answer:?}");
        assert_eq!(stage.row(LAST).await, "ok|1|1|0|0", "{answer:?}");
        assert_eq!((asked("past"), asked("pastOne")), (1, 1), "{answer:?}");
        assert_eq!(stage.row("SELECT source FROM fetches").await, "dashboard");
        stage.run_after(DAY).await;
        assert_eq!((asked("past"), asked("pastOne")), (1, 2), "{answer:?}");
        assert_eq!(stage.row(LAST).await, "ok|1|0|1|0", "{answer:?}");
    }
}

#[tokio::test]
async fn a_meeting_that_is_on_is_read_as_far_as_it_has_come_and_the_past_listing_is_the_authority() {
    let now = at(NOW);
    let mut on = ended(HOUR);
    (on.start, on.end) = (now.minus(HOUR), Some(now.plus(HOUR)));
    let on = guests(on, 3);
    let mut stage = stage(on).await;
    stage.run().await;
    assert_eq!(stage.rows(TALLY).await, Vec::<String>::new(), "nobody asked for live meetings");

    stage.settings.include_live = true;
    assert_eq!(stage.run().await.counts.inserted, 3);
    assert_eq!(stage.row("SELECT state, source, rows_stored FROM meetings_held").await, "live|live|3");
    assert_eq!(
        stage.row("SELECT DISTINCT still_in, seconds_present, last_leave FROM attendance").await,
        format!("1|{}|2026-03-10T12:00:00.000Z", 59 * 60)
    );
    // One is gone from the next listing, which withdraws nothing.
    let first = stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions.remove(0));
    let counts = stage.run_after(30 * MINUTE).await.counts;
    assert_eq!((counts.inserted, counts.withdrawn), (0, 0));
    assert_eq!(stage.row("SELECT rows_stored FROM meetings_held").await, "3");

    // It ends, with the first of them in the past listing again, and another one.
    stage.zoom.world(|world| {
        let instance = world.instance_mut(&uuid(NAME)).unwrap();
        instance.sessions.insert(0, first);
        instance.sessions.pop();
        let new = stay(instance, 7);
        instance.sessions.push(new);
    });
    let counts = stage.run_after(40 * MINUTE).await.counts;
    assert_eq!((counts.inserted, counts.updated, counts.withdrawn), (1, 2, 1));
    assert_eq!(
        stage.row("SELECT state, source, rows_stored, end_time FROM meetings_held").await,
        "collected|dashboard|3|2026-03-10T13:00:00.000Z"
    );
    assert_eq!(stage.row("SELECT DISTINCT still_in FROM attendance").await, "0");
}
