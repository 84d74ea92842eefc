//! Many rows, many pages, many instances, and UUIDs of every shape: exactly what Zoom has is stored.

use rollcall::simulator::{SimulatedEndpoint, World};

use crate::harness::{DAY, HOUR, NOW, Stage, at, guests, lecture};

#[tokio::test]
async fn five_thousand_participants_are_stored_exactly_whatever_the_page_size() {
    for page_size in [300_u32, 100, 30] {
        let world = World::sized(7, at(NOW), 1, 5_000);
        let mut wanted: Vec<String> = world
            .instances()
            .flat_map(|instance| &instance.sessions)
            .map(|session| session.get("user_id").unwrap().as_str().unwrap().to_owned())
            .collect();
        let mut stage = Stage::new(world).await;
        stage.page_size = page_size;
        let summary = stage.run().await;
        assert_eq!((summary.counts.received, summary.counts.inserted), (5_000, 5_000));

        let mut stored = stage.rows("SELECT user_id FROM participants").await;
        wanted.sort_unstable();
        stored.sort_unstable();
        assert_eq!(stored, wanted);
        let pages = 5_000_u32.div_ceil(page_size);
        assert_eq!(
            stage.row("SELECT pages, rows_reported, rows_received, outcome FROM fetches").await,
            format!("{pages}|5000|5000|ok")
        );
        assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), pages as usize);
    }
}

#[tokio::test]
async fn pages_may_be_smaller_than_asked_for() {
    let stage = Stage::with(World::sized(7, at(NOW), 1, 500), |options| options.largest_page = 30).await;
    assert_eq!(stage.run().await.counts.inserted, 500);
    assert_eq!(stage.row("SELECT pages, outcome FROM fetches").await, "17|ok");
}

#[tokio::test]
async fn a_meeting_held_twelve_times_is_collected_twelve_times_whatever_its_uuids_look_like() {
    let names = [
        "/abc==",
        "a//b==",
        "a/b+c==",
        "//==",
        "abc/",
        "abc//",
        "+abc+==",
        "Dkgwu8nm/ExG1vM+GhLRhA==",
        "/ajXp112QmuoKj4854875==",
        "4444AAAiAAAAAiAiAiiAii==",
        "abc-_d",
        "0123456789012345678901==",
    ];
    for either_way in [true, false] {
        let mut world = World::new();
        for (number, name) in (1_u32..).zip(names) {
            let held = lecture(name, at(NOW), number * DAY / 2);
            world.add_instance(guests(held, u64::from(number) + 1));
        }
        let stage = Stage::with(world, |options| options.inner_slash_either_way = either_way).await;
        let summary = stage.run().await;
        assert_eq!(
            (summary.instances_found, summary.instances_fetched, summary.instances_failed),
            (12, 12, 0)
        );
        for (number, name) in (1_u32..).zip(names) {
            let stored = stage
                .row(&format!(
                    "SELECT count(*), (SELECT rows_stored FROM meetings_held h WHERE h.instance_uuid = '{name}') \
                       FROM participants WHERE instance_uuid = '{name}'"
                ))
                .await;
            assert_eq!(stored, format!("{0}|{0}", number + 1), "{name}");
        }
        // Every UUID was found at the first try: no listing was asked for in two encodings.
        assert_eq!(stage.zoom.count_at(SimulatedEndpoint::MetricsParticipants), 12);
    }
}

#[tokio::test]
async fn instances_of_all_listed_meetings_are_read_side_by_side() {
    let stage = Stage::new(World::sized(3, at(NOW), 60, 5)).await;
    let summary = stage.run().await;
    assert_eq!((summary.instances_found, summary.instances_fetched), (60, 60));
    assert_eq!(stage.row("SELECT count(*), count(DISTINCT instance_uuid) FROM participants").await, "300|60");
    assert_eq!(stage.row("SELECT count(DISTINCT meeting_id) FROM meetings_held").await, "20");
    assert_eq!(stage.run_after(HOUR).await.instances_found, 0);
}
