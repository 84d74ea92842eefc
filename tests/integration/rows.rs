//! Which listed row is which stored one, over readings of one instance at different times.

use rollcall::simulator::{Instance, Session, World};
use serde_json::{Value, json};

use crate::harness::{DAY, HOUR, NOW, Stage, at, guests, lecture, stay, uuid};

const NAME: &str = "one==";

fn empty() -> Instance {
    lecture(NAME, at(NOW), HOUR)
}

/// A stage that has read these rows once, and what a second reading of other rows makes of them.
struct Reread {
    stage: Stage,
}

impl Reread {
    async fn of(sessions: Vec<Session>) -> Self {
        let wanted = sessions.len() as u64;
        let stage = Stage::new(World::new().with(empty().with_sessions(sessions))).await;
        let counts = stage.run().await.counts;
        assert_eq!(counts.inserted + counts.duplicate, wanted);
        Self { stage }
    }

    /// Reads other rows a day later: inserted, updated, unchanged, withdrawn.
    async fn then(&self, sessions: Vec<Session>) -> [u64; 4] {
        self.stage.zoom.world(|world| world.instance_mut(&uuid(NAME)).unwrap().sessions = sessions);
        self.stage.clock.set(self.stage.clock.now().plus(DAY));
        let mut request = self.stage.request();
        // What was read unchanged is settled; here it is read all the same.
        request.selection.force = true;
        let summary = self.stage.run_with(&request).await.0;
        let counts = summary.counts;
        [counts.inserted, counts.updated, counts.unchanged, counts.withdrawn]
    }

    async fn rows(&self, columns: &str) -> Vec<String> {
        self.stage.rows(&format!("SELECT {columns} FROM participants ORDER BY session_id")).await
    }
}

/// A guest's row, with these changes.
fn guest(number: u64, changes: Value) -> Session {
    stay(&empty(), number).with_all(changes)
}

#[tokio::test]
async fn who_comes_again_has_a_row_each_time() {
    let first = guest(0, json!({ "leave_time": "2026-03-10T10:20:00Z" }));
    let again = guest(1, json!({ "user_name": "Guest 0000", "join_time": "2026-03-10T10:30:00Z" }));
    let read = Reread::of(vec![first.clone(), again.clone(), guest(2, json!({}))]).await;
    assert_eq!(read.rows("user_name").await, ["Guest 0000", "Guest 0000", "Guest 0002"]);
    assert_eq!(
        read.stage.rows("SELECT name, joins FROM attendance ORDER BY name").await,
        ["Guest 0000|2", "Guest 0002|1"]
    );
    assert_eq!(read.then(vec![again, guest(2, json!({})), first]).await, [0, 0, 3, 0]);
}

#[tokio::test]
async fn a_corrected_leave_time_updates_the_row() {
    let read = Reread::of(vec![guest(0, json!({})), guest(1, json!({}))]).await;
    let corrected = guest(0, json!({ "leave_time": "2026-03-10T10:45:00.500Z" }));
    assert_eq!(read.then(vec![corrected, guest(1, json!({}))]).await, [0, 1, 1, 0]);
    assert_eq!(read.rows("leave_time").await, ["2026-03-10T10:45:00.500Z", "2026-03-10T11:00:00.000Z"]);
    assert_eq!(
        read.stage.row("SELECT seconds_present FROM attendance WHERE name = 'Guest 0000'").await,
        "2641"
    );
}

#[tokio::test]
async fn a_join_time_is_one_to_the_second() {
    let read = Reread::of(vec![guest(0, json!({})), guest(1, json!({}))]).await;
    let finer = guest(0, json!({ "join_time": "2026-03-10T10:01:00.999Z" }));
    let another = guest(1, json!({ "join_time": "2026-03-10T10:01:01Z" }));
    // The second is another session, and the one before it is gone.
    assert_eq!(read.then(vec![finer, another]).await, [1, 1, 0, 1]);
}

#[tokio::test]
async fn a_blank_never_replaces_what_is_known_but_false_and_zero_do() {
    let told = json!({
        "email": "ada@example.com", "device": "Mac", "recording": true, "in_room_participants": 3,
        "health": "Good", "leave_reason": "Ada left the meeting.",
    });
    let read = Reread::of(vec![guest(0, told), guest(1, json!({}))]).await;
    let blank = guest(
        0,
        json!({
            "email": "", "device": " ", "recording": false, "in_room_participants": 0, "health": null,
            "leave_time": "", "user_name": "",
        }),
    )
    .without("leave_reason");
    assert_eq!(read.then(vec![blank, guest(1, json!({}))]).await, [0, 1, 1, 0]);
    assert_eq!(
        read.rows(
            "user_name, email, device, recording, in_room_participants, leave_reason, leave_time, extra"
        )
        .await[0],
        "Guest 0000|ada@example.com|Mac|0|0|Ada left the meeting.|2026-03-10T11:00:00.000Z|{\"health\":\"Good\"}"
    );
}

#[tokio::test]
async fn guests_without_a_number_are_told_apart_and_found_again() {
    let blank = |name: &str, leave: &str| {
        guest(0, json!({ "user_id": "", "participant_uuid": "", "user_name": name, "leave_time": leave }))
    };
    let one = blank("Ada", "2026-03-10T10:30:00Z");
    let two = blank("Bo", "2026-03-10T10:30:00Z");
    let read = Reread::of(vec![one.clone(), two.clone(), guest(3, json!({}))]).await;
    // A corrected leave time is no other guest; one that comes new is.
    let corrected = blank("Ada", "2026-03-10T10:50:00Z");
    let third = blank("Cy", "2026-03-10T10:30:00Z");
    assert_eq!(read.then(vec![third, two, corrected, guest(3, json!({}))]).await, [1, 1, 2, 0]);
    assert_eq!(read.rows("user_name").await, ["Ada", "Bo", "Guest 0003", "Cy"]);
}

#[tokio::test]
async fn rows_without_a_join_time_are_found_again() {
    let none = |number| guest(number, json!({ "join_time": "" }));
    let read = Reread::of(vec![none(0), none(1), guest(2, json!({}))]).await;
    let corrected = none(0).with("leave_time", "2026-03-10T10:50:00Z");
    assert_eq!(read.then(vec![none(1), corrected, guest(2, json!({}))]).await, [0, 1, 2, 0]);
    assert_eq!(read.rows("join_time IS NULL").await, ["1", "1", "0"]);
}

#[tokio::test]
async fn waiting_and_admitted_rows_with_equal_times_stay_two() {
    let admitted = guest(0, json!({}));
    let read = Reread::of(vec![admitted.clone().waiting(), admitted.clone(), guest(1, json!({}))]).await;
    assert_eq!(read.rows("user_id, status").await.len(), 3);
    assert_eq!(
        read.then(vec![admitted.clone(), guest(1, json!({})), admitted.clone().waiting()]).await,
        [0, 0, 3, 0]
    );
    // One of them without its status: it is the one that is not told otherwise.
    let untold = admitted.clone().without("status");
    assert_eq!(read.then(vec![untold, admitted.waiting(), guest(1, json!({}))]).await, [0, 0, 3, 0]);
    assert_eq!(read.rows("status").await, ["in_waiting_room", "in_meeting", "in_meeting"]);
}

#[tokio::test]
async fn a_row_without_status_leaves_that_of_the_one_stored_row() {
    let read = Reread::of(vec![guest(0, json!({})).waiting(), guest(1, json!({}))]).await;
    let untold =
        guest(0, json!({ "leave_time": "2026-03-10T10:02:00Z" })).without("status").without("leave_reason");
    assert_eq!(read.then(vec![untold, guest(1, json!({}))]).await, [0, 1, 1, 0]);
    assert_eq!(read.rows("status, leave_time").await[0], "in_waiting_room|2026-03-10T10:02:00.000Z");
}

#[tokio::test]
async fn equal_rows_are_one_and_counted() {
    let stage = Stage::new(World::new().with(empty().with_sessions([
        guest(0, json!({})),
        guest(1, json!({})),
        guest(0, json!({})),
        guest(0, json!({})),
    ])))
    .await;
    let counts = stage.run().await.counts;
    assert_eq!((counts.received, counts.inserted, counts.duplicate), (4, 2, 2));
    assert_eq!(stage.row("SELECT outcome, rows_received, rows_duplicate FROM fetches").await, "ok|4|2");
    assert_eq!(stage.row("SELECT rows_duplicate, rows_inserted FROM runs").await, "2|2");
    assert_eq!(stage.row("SELECT count(*) FROM participants").await, "2");
}

#[tokio::test]
async fn rows_that_share_a_key_and_differ_are_kept_apart() {
    let early = guest(0, json!({ "leave_time": "2026-03-10T10:10:00Z" }));
    let late = guest(0, json!({ "leave_time": "2026-03-10T10:50:00Z" }));
    let read = Reread::of(vec![late.clone(), early.clone(), guest(1, json!({}))]).await;
    assert_eq!(read.then(vec![early.clone(), guest(1, json!({})), late]).await, [0, 0, 3, 0]);
    // The one whose content is the same stays; the other one is the one that moved.
    let later = guest(0, json!({ "leave_time": "2026-03-10T10:55:00Z" }));
    assert_eq!(read.then(vec![later, early, guest(1, json!({}))]).await, [0, 1, 2, 0]);
    assert_eq!(read.rows("leave_time").await[..2], ["2026-03-10T10:55:00.000Z", "2026-03-10T10:10:00.000Z"]);
}

#[tokio::test]
async fn a_row_that_vanishes_is_withdrawn_and_comes_back() {
    let all: Vec<Session> = (0..4).map(|number| guest(number, json!({}))).collect();
    let read = Reread::of(all.clone()).await;
    assert_eq!(read.then(all[1..].to_vec()).await, [0, 0, 3, 1]);
    assert_eq!(read.rows("withdrawn_at").await, ["2026-03-11T12:00:00.000Z", "", "", ""]);
    assert_eq!(read.stage.row("SELECT count(*) FROM attendance WHERE name = 'Guest 0000'").await, "0");
    assert_eq!(read.stage.row("SELECT people, rows_stored FROM meetings_held").await, "3|3");
    let person = read.rows("person_id").await;
    assert_eq!(person[0], "");

    assert_eq!(read.then(all).await, [0, 1, 3, 0]);
    assert_eq!(read.rows("withdrawn_at").await, ["", "", "", ""]);
    assert_eq!(read.stage.row("SELECT people, rows_stored FROM meetings_held").await, "4|4");
}

#[tokio::test]
async fn what_is_no_row_is_kept_verbatim_and_once() {
    let rows = vec![Session::from_json(json!(7)), Session::from_json(json!(["a"])), guest(0, json!({}))];
    let instance = guests(empty(), 2).with_sessions(rows);
    let stage = Stage::new(World::new().with(instance)).await;
    for received in [5, 5] {
        let counts = stage.run().await.counts;
        assert_eq!((counts.received, counts.rejected), (received, 2));
        assert_eq!(counts.inserted + counts.unchanged + counts.duplicate, 3);
        stage.clock.set(stage.clock.now().plus(DAY));
    }
    assert_eq!(stage.rows("SELECT content FROM rejects ORDER BY content").await, ["7", "[\"a\"]"]);
    assert_eq!(stage.rows("SELECT rows_rejected, outcome FROM fetches").await, ["2|ok", "2|ok"]);
}
