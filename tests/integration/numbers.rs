//! Numbers that mean what they say, over whole runs: one source counts.

use rollcall::simulator::{Session, World};

use crate::harness::{DAY, HOUR, MINUTE, NOW, Stage, at, lecture, stay, uuid};

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
    let mut job = stage.job();
    job.selection.force = true;
    stage.clock.set(stage.clock.now().plus(59 * MINUTE));
    stage.run_with(&job).await;
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
        "settled|listings of a week disagreed about rows to withdraw; none was"
    );
}
