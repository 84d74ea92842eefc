//! A clock that was wrong harms nothing once it is right.

use std::time::Duration;

use rollcall::model::{RunOutcome, Timestamp};
use rollcall::simulator::World;

use crate::harness::{DAY, HOUR, MEETING, MINUTE, NOW, Stage, at, guests, lecture};

const YEAR: Duration = Duration::from_hours(365 * 24);

/// Makes a run by a clock that shows this, while Zoom's goes on.
async fn run_at(stage: &Stage, own: Timestamp) -> (rollcall::collect::Summary, Vec<String>) {
    let zooms = stage.zoom.options(|options| options.clock.now());
    stage.zoom.options(|options| options.clock = rollcall::clock::Clock::fixed(zooms));
    let before = stage.clock.now();
    stage.clock.set(own);
    let run = stage.run_with(&stage.request()).await;
    stage.clock.set(before);
    stage.zoom.options(|options| options.clock = stage.clock.clone());
    run
}

async fn stage() -> Stage {
    let world = World::new()
        .with(guests(lecture("first==", at(NOW), HOUR), 3))
        .with(guests(lecture("late==", at(NOW).plus(DAY), HOUR), 3));
    Stage::new(world).await
}

#[tokio::test]
async fn zooms_clock_is_compared_with_this_machines() {
    let stage = stage().await;
    let (summary, warnings) = stage.run_with(&stage.request()).await;
    assert!(summary.clocks.unwrap().agrees() && warnings.is_empty(), "{warnings:?}");
    assert_eq!(stage.store.clock_ahead_ms().await.unwrap(), None);
    for (own, words) in
        [(at(NOW).plus(11 * MINUTE), "11 min ahead of"), (at(NOW).minus(3 * HOUR), "180 min behind")]
    {
        let (summary, warnings) = run_at(&stage, own).await;
        assert!(!summary.clocks.unwrap().agrees());
        assert!(warnings.iter().any(|warning| warning.contains(words)), "{warnings:?}");
        assert!(stage.store.clock_ahead_ms().await.unwrap().is_some());
    }
    stage.run().await;
    assert_eq!(stage.store.clock_ahead_ms().await.unwrap(), None);
}

#[tokio::test]
async fn what_a_clock_two_years_ahead_has_noted_blocks_nothing() {
    let stage = stage().await;
    // Everything fails in its own way while the clock is wrong, so that every kind of instant is noted.
    stage.fault("html-403,endpoint=metrics-participants");
    stage.fault("429-daily,endpoint=report-participants");
    run_at(&stage, at(NOW).plus(2 * YEAR)).await;
    stage.fault(&format!("html-403,endpoint=past-instances,target={MEETING}"));
    run_at(&stage, at(NOW).plus(2 * YEAR)).await;
    stage.zoom.clear_faults();
    let (summary, warnings) = stage.run_with(&stage.request()).await;
    assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 3), "{warnings:?}");
    assert!(warnings.iter().any(|words| words.contains("further ahead than they can be")), "{warnings:?}");
    assert!(stage.store.last_run_outcomes(stage.clock.now()).await.unwrap().good_at.is_some());
    let summary = stage.run_after(DAY + HOUR).await;
    assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 3), "the late one is there");
    assert_eq!(stage.store.data_troubles(stage.clock.now()).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_clock_two_years_behind_has_noted_blocks_nothing() {
    let stage = stage().await;
    stage.run().await;
    run_at(&stage, at(NOW).minus(2 * YEAR)).await;
    let summary = stage.run_after(DAY + HOUR).await;
    assert_eq!((summary.outcome, summary.counts.inserted), (RunOutcome::Ok, 3));
    stage.run_after(2 * DAY).await;
    assert_eq!(stage.rows("SELECT DISTINCT state FROM meetings_held").await, ["settled"]);
}
