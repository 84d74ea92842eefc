//! Numbers that mean what they say: what is shown, what is judged by it, and what is summed up.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::model::{Source, Timestamp};
use crate::store::Settings;
use crate::store::sample::at;
use crate::store::testing::{MEETING, OTHER, TestStore, meeting, row, settings};

const NOW: &str = "2026-03-03T08:00:00Z";
const START: &str = "2026-03-02T08:00:00Z";
const ONE: &str = "one==";
const TWO: &str = "two==";

fn minutes(after_start: u64) -> Timestamp {
    at(START).plus(Duration::from_mins(after_start))
}

/// A stay of this person from and to so many milliseconds after the start.
fn stay(person: &str, from_ms: u64, to_ms: u64) -> Json {
    json!({
        "user_id": person,
        "user_name": person,
        "join_time": at(START).plus(Duration::from_millis(from_ms)).to_string(),
        "leave_time": at(START).plus(Duration::from_millis(to_ms)).to_string(),
    })
}

#[tokio::test]
async fn a_verdict_rests_on_the_number_that_is_shown() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    bench.learn(ONE, MEETING, at(START), Some(at(START).plus(Duration::from_secs(10_000)))).await;
    let rows = [
        stay("a 74.96", 0, 7_496_000),
        stay("b 74.94", 0, 7_494_000),
        stay("c on time", 600_499, 10_000_000),
        stay("d late", 600_500, 10_000_000),
    ];
    bench.read(ONE, &rows).await;
    for view in ["attendance", "sitting_attendance"] {
        let lines: Vec<(String, f64, i64, i64, i64)> = bench
            .ask(&format!(
                "SELECT name, percent_present, present, seconds_late, late FROM {view} ORDER BY name"
            ))
            .await;
        let wanted = [
            ("a 74.96", 75.0, 1, 0, 0),
            ("b 74.94", 74.9, 0, 0, 0),
            ("c on time", 94.0, 1, 600, 0),
            ("d late", 94.0, 1, 601, 1),
        ];
        let found: Vec<_> = lines
            .iter()
            .map(|(name, percent, present, seconds, late)| {
                (name.as_str(), *percent, *present, *seconds, *late)
            })
            .collect();
        assert_eq!(found, wanted, "{view}");
    }
}

#[tokio::test]
async fn no_number_that_is_sent_makes_a_view_fail() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    for (uuid, start) in [(ONE, "0001-01-01T00:00:00Z"), (TWO, "0001-01-01T00:04:00Z")] {
        bench.learn(uuid, MEETING, at(start), Some(at("9999-12-31T23:59:59.999Z"))).await;
    }
    for (uuid, reported) in [(ONE, i64::MAX), (TWO, i64::MIN)] {
        let row = |person: i64, heads: i64| {
            json!({
                "user_id": person.to_string(), "user_name": format!("Room {person}"), "in_room_participants": heads,
                "join_time": "0001-01-01T00:00:00Z", "leave_time": "9999-12-31T23:59:59.999Z",
            })
        };
        let rows = [row(1, i64::MAX), row(2, i64::MAX), row(3, 1_000), row(4, i64::MIN), row(5, 0)];
        bench
            .read_page(Source::Dashboard, uuid, &json!({ "participants": rows }).to_string(), Some(reported))
            .await;
    }
    let held: Vec<(i64, i64, Option<i64>)> =
        bench.ask("SELECT heads, people, shortfall FROM meetings_held ORDER BY instance_uuid").await;
    assert_eq!(held, [(3_002, 5, None), (3_002, 5, None)], "a claim that cannot be right is none");
    assert_eq!(bench.ask::<(i64, i64)>("SELECT instances, heads FROM sittings").await, [(2, 3_002)]);
    for view in ["attendance", "sitting_attendance"] {
        let heads: Vec<(i64,)> = bench.ask(&format!("SELECT heads FROM {view} WHERE name = 'Room 1'")).await;
        assert!(heads.iter().all(|heads| *heads == (1_000,)), "{view}: {heads:?}");
    }
    // Every value of every view is worked out.
    for view in bench.ask::<(String,)>("SELECT name FROM sqlite_schema WHERE type = 'view'").await {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {}", view.0)))
            .fetch_all(bench.store.pool())
            .await;
        assert!(rows.is_ok(), "{}: {rows:?}", view.0);
    }
    // What was sent is there.
    assert_eq!(
        bench.ask::<(i64,)>("SELECT DISTINCT max(in_room_participants) FROM participants").await,
        [(i64::MAX,)]
    );
}

#[tokio::test]
async fn extra_keeps_the_digits_over_every_reading() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    bench.learn(ONE, MEETING, at(START), Some(minutes(60))).await;
    let page = |leave: &str| {
        format!(
            r#"{{"participants":[{{"user_id":"1","join_time":"{START}","leave_time":"{leave}","a":1.10,
                "b":12345678901234567890123,"c":{{"d":[1e3,0.1000000000000000055,true]}},"in_room_participants":2.0}}]}}"#
        )
    };
    let extra = r#"{"a":1.10,"b":12345678901234567890123,"c":{"d":[1e3,0.1000000000000000055,true]},"in_room_participants":2.0}"#;
    for (leave, changes) in
        [("2026-03-02T08:30:00Z", 1), ("2026-03-02T08:30:00Z", 0), ("2026-03-02T08:40:00Z", 1)]
    {
        let counts = bench.read_page(Source::Dashboard, ONE, &page(leave), None).await.counts;
        assert_eq!(counts.inserted + counts.updated, changes);
        assert_eq!(bench.ask::<(String,)>("SELECT extra FROM participants").await, [(extra.to_owned(),)]);
    }
}

async fn sittings(bench: &TestStore) -> Vec<(String, i64, i64)> {
    bench.ask("SELECT sitting_id, instances, person_seconds FROM sittings ORDER BY sitting_start").await
}

fn sitting(uuid: &str, instances: i64, person_minutes: i64) -> (String, i64, i64) {
    (uuid.to_owned(), instances, person_minutes * 60)
}

#[tokio::test]
async fn sittings_follow_whatever_changes_a_start_or_an_end() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    bench.learn(ONE, MEETING, minutes(0), None).await;
    bench.learn(TWO, MEETING, minutes(52), Some(minutes(90))).await;
    bench.read(ONE, &[row("1", 0, &json!({}))]).await;
    bench.read(TWO, &[row("2", 60, &json!({}))]).await;
    // The first one ended after 30 minutes, as far as is known.
    let apart = [sitting(ONE, 1, 30), sitting(TWO, 1, 30)];
    assert_eq!(sittings(&bench).await, apart);
    // The account-wide list tells its end.
    bench.learn(ONE, MEETING, minutes(0), Some(minutes(50))).await;
    assert_eq!(sittings(&bench).await, [sitting(ONE, 2, 60)]);
    // It corrects a start, and an end; who was there how long follows at once.
    bench.learn(TWO, MEETING, minutes(56), Some(minutes(90))).await;
    assert_eq!(sittings(&bench).await, apart);
    bench.learn(TWO, MEETING, minutes(54), Some(minutes(75))).await;
    assert_eq!(sittings(&bench).await, [sitting(ONE, 2, 45)]);
    bench.learn(ONE, MEETING, minutes(0), Some(minutes(20))).await;
    assert_eq!(sittings(&bench).await, [sitting(ONE, 1, 20), sitting(TWO, 1, 15)]);
    let percents: Vec<(f64,)> = bench.ask("SELECT percent_present FROM attendance ORDER BY start_time").await;
    assert_eq!(percents, [(100.0,), (71.4,)]);
}

#[tokio::test]
async fn an_estimated_end_stitches_and_moves_with_the_leaves() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    bench.learn(ONE, MEETING, minutes(0), None).await;
    bench.learn(TWO, MEETING, minutes(34), None).await;
    bench.read(TWO, &[row("2", 34, &json!({}))]).await;
    bench.read(ONE, &[row("1", 0, &json!({}))]).await;
    assert_eq!(sittings(&bench).await, [sitting(ONE, 2, 60)]);
    // A later listing corrects the leave, and with it the estimate.
    bench.read(ONE, &[row("1", 0, &json!({ "leave_time": minutes(20).to_string() }))]).await;
    assert_eq!(sittings(&bench).await, [sitting(ONE, 1, 20), sitting(TWO, 1, 30)]);
}

const ENDS: &str = "SELECT end_time, end_estimated, seconds FROM meetings_held";

#[tokio::test]
async fn an_end_that_is_the_start_is_unknown_and_the_estimate_is_shown() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    bench.learn(ONE, MEETING, minutes(0), Some(minutes(0))).await;
    let unknown: [(Option<String>, Option<i64>, Option<i64>); 1] = [(None, None, None)];
    assert_eq!(bench.ask::<(Option<String>, Option<i64>, Option<i64>)>(ENDS).await, unknown);
    bench.read(ONE, &[row("1", 0, &json!({}))]).await;
    let estimated = [("2026-03-02T08:30:00.000Z".to_owned(), 1, 1_800)];
    assert_eq!(bench.ask::<(String, i64, i64)>(ENDS).await, estimated);
    let due = bench
        .store
        .due(&crate::store::Selection { force: true, ..Default::default() }, at(NOW))
        .await
        .unwrap();
    assert!(!due[0].is_described, "it is asked for again");
    // What Zoom has told rightly is not taken back by that.
    let known = [("2026-03-02T08:50:00.000Z".to_owned(), 0, 3_000)];
    for end in [50, 0] {
        bench.learn(ONE, MEETING, minutes(0), Some(minutes(end))).await;
        assert_eq!(bench.ask::<(String, i64, i64)>(ENDS).await, known);
    }
    // But by a start that comes later.
    bench.learn(ONE, MEETING, minutes(55), None).await;
    assert_eq!(bench.ask::<(String, i64, i64)>(ENDS).await, [("2026-03-02T08:30:00.000Z".to_owned(), 1, 0)]);
}

fn with_guests(per_instance: bool, of_meeting: Option<bool>) -> Settings {
    let mut settings = settings(Vec::new());
    settings.guests_per_instance = per_instance;
    settings.meetings.retain(|listed| listed.meeting_id == meeting(MEETING));
    settings.meetings[0].guests_per_instance = of_meeting;
    settings
}

/// How many people the guests of each meeting are: those of the listed one, and of one that is not.
async fn people(bench: &TestStore) -> [i64; 2] {
    let mut counts = [0; 2];
    for (at, meeting) in [MEETING, OTHER].into_iter().enumerate() {
        let query = format!("SELECT count(DISTINCT person_id) FROM attendance WHERE meeting_id = {meeting}");
        counts[at] = bench.ask::<(i64,)>(&query).await[0].0;
        let query =
            format!("SELECT count(DISTINCT person_id) FROM participants WHERE meeting_id = {meeting}");
        assert_eq!(bench.ask::<(i64,)>(&query).await, [(counts[at],)]);
    }
    counts
}

#[tokio::test]
async fn the_general_reach_of_guests_names_is_that_of_every_meeting() {
    let bench = TestStore::new(&with_guests(true, None), at(NOW)).await;
    let guest = json!({ "user_name": "Guest" });
    for (meeting, uuids) in [(MEETING, ["a==", "b=="]), (OTHER, ["c==", "d=="])] {
        for uuid in uuids {
            bench.learn(uuid, meeting, minutes(0), Some(minutes(60))).await;
            bench.read(uuid, &[row("1", 0, &guest)]).await;
        }
    }
    assert_eq!(people(&bench).await, [2, 2]);
    let apply = async |settings: &Settings| {
        bench.store.apply_settings(settings).await.unwrap();
        people(&bench).await
    };
    assert_eq!(apply(&with_guests(false, None)).await, [1, 1], "the setting changes");
    assert_eq!(apply(&with_guests(false, Some(true))).await, [2, 1], "a meeting has its own");
    assert_eq!(apply(&with_guests(true, Some(false))).await, [1, 2]);
    // One that is taken off the list keeps what the config said of it alone,
    let unlisted = |per_instance| Settings { meetings: Vec::new(), ..with_guests(per_instance, None) };
    assert_eq!(apply(&unlisted(true)).await, [1, 2]);
    // and goes by the setting where it said nothing.
    assert_eq!(apply(&with_guests(true, None)).await, [2, 2]);
    assert_eq!(apply(&unlisted(true)).await, [2, 2]);
    assert_eq!(apply(&unlisted(false)).await, [1, 1]);
    // Who comes now goes by it, too.
    bench.learn("e==", OTHER, minutes(0), Some(minutes(60))).await;
    bench.read("e==", &[row("1", 0, &guest)]).await;
    assert_eq!(people(&bench).await, [1, 1]);
}

#[tokio::test]
async fn what_strangers_write_of_a_meeting_is_harmless_however_it_comes() {
    let bench = TestStore::new(&settings(Vec::new()), at(NOW)).await;
    let hostile = |text: &str| Some(format!("\u{1b}[2J{text}\u{202e}\u{7}"));
    let description = crate::store::InstanceDetails {
        topic: hostile("Algebra"),
        host_name: hostile("Ada"),
        host_email: hostile("ada@example.com"),
        start_at: Some(at(START)),
        ended_at: None,
        joins: None,
    };
    let found = crate::store::DiscoveredInstance {
        uuid: ONE.parse().unwrap(),
        meeting_id: meeting(MEETING),
        start_at: Some(at(START)),
        description: Some(description),
    };
    bench.store.upsert_live_instance(&found, at(NOW)).await.unwrap();
    let clean = |text: &str| format!("\u{fffd}[2J{text}\u{fffd}\u{fffd}");
    assert_eq!(
        bench.ask::<(String, String, String)>("SELECT topic, host_name, host_email FROM meetings_held").await,
        [(clean("Algebra"), clean("Ada"), clean("ada@example.com"))]
    );
    assert_eq!(
        bench.ask::<(String,)>("SELECT topic FROM meetings WHERE topic IS NOT NULL").await,
        [(clean("Algebra"),)]
    );
}
