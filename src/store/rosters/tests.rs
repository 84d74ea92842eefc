use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::store::sample::at;
use crate::store::testing::{MEETING, OTHER, TestStore, meeting, row, settings};

const FEBRUARY: &str = "InstanceInFebruary==";
const MARCH: &str = "InstanceInMarch==";
const ELSEWHERE: &str = "AnInstanceOfAnother==";

async fn bench() -> TestStore {
    let bench = TestStore::new(&settings(Vec::new()), at("2026-03-20T12:00:00Z")).await;
    for (uuid, number, start) in [
        (FEBRUARY, MEETING, "2026-02-02T08:00:00Z"),
        (MARCH, MEETING, "2026-03-02T08:00:00Z"),
        (ELSEWHERE, OTHER, "2026-03-03T08:00:00Z"),
    ] {
        let start = at(start);
        bench.learn(uuid, number, start, Some(start.plus(Duration::from_hours(1)))).await;
    }
    bench
}

/// Someone who was there for the half hour in the middle.
fn came(user_id: &str, uuid: &str, told: &Json) -> Json {
    let start = at(if uuid == FEBRUARY { "2026-02-02T08:10:00Z" } else { "2026-03-02T08:10:00Z" });
    let mut row = row(user_id, 0, told);
    row["join_time"] = json!(start.to_string());
    row["leave_time"] = json!(start.plus(Duration::from_mins(30)).to_string());
    row
}

fn member(email: &str, name: &str, group: &str) -> Member {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Member { email: some(email), name: some(name), group: some(group), from: None, to: None }
}

async fn apply(bench: &TestStore, members: &[Member], now: &str) {
    bench.store.apply_roster(meeting(MEETING), members, Some(1), at(now)).await.unwrap();
}

async fn lines(bench: &TestStore, uuid: &str) -> Vec<(String, Option<i64>, Option<String>)> {
    bench
        .ask(&format!(
            "SELECT name, on_roster, roster_group FROM attendance WHERE instance_uuid = '{uuid}' ORDER BY name"
        ))
        .await
}

async fn absent(bench: &TestStore) -> Vec<(String, String, Option<String>)> {
    bench
        .ask("SELECT local_date, coalesce(name, email), roster_group FROM absences ORDER BY local_date, name, email")
        .await
}

fn line(name: &str, on_roster: Option<i64>, group: Option<&str>) -> (String, Option<i64>, Option<String>) {
    (name.to_owned(), on_roster, group.map(str::to_owned))
}

fn missed(date: &str, name: &str, group: Option<&str>) -> (String, String, Option<String>) {
    (date.to_owned(), name.to_owned(), group.map(str::to_owned))
}

#[tokio::test]
async fn members_are_known_by_email_first_then_by_a_name_that_one_of_them_has() {
    let bench = bench().await;
    let rows = [
        came("1", MARCH, &json!({ "user_name": "Ada's phone", "email": "ADA@example.com" })),
        came("2", MARCH, &json!({ "user_name": " émile  borel" })),
        came("3", MARCH, &json!({ "user_name": "ÉMILE BOREL" })),
        came("4", MARCH, &json!({ "user_name": "Sam Lee" })),
        came("5", MARCH, &json!({ "user_name": "Nobody" })),
    ];
    bench.read(MARCH, &rows).await;
    assert!(lines(&bench, MARCH).await.iter().all(|line| line.1.is_none()), "there is no roster yet");
    let roster = [
        member("ada@Example.com", "Ada Lovelace", "1a"),
        member("", "Émile Borel", "1b"),
        member("sam1@example.com", "Sam Lee", "1a"),
        member("sam2@example.com", "Sam Lee", "1b"),
    ];
    apply(&bench, &roster, "2026-03-03T00:00:00Z").await;
    let expected = [
        line("Ada's phone", Some(1), Some("1a")),
        line("Nobody", Some(0), None),
        line("Sam Lee", Some(0), None),
        line(" émile  borel", Some(0), None),
        line("ÉMILE BOREL", Some(1), Some("1b")),
    ];
    let mut found = lines(&bench, MARCH).await;
    found.sort();
    let mut sorted = expected.to_vec();
    sorted.sort();
    assert_eq!(found, sorted);
    // The same comes of a reading after the roster.
    bench.read(MARCH, &rows[..4]).await;
    bench.read(MARCH, &rows).await;
    let mut found = lines(&bench, MARCH).await;
    found.sort();
    assert_eq!(found, sorted);
    let missing = absent(&bench).await;
    assert_eq!(
        missing,
        [missed("2026-03-02", "Sam Lee", Some("1a")), missed("2026-03-02", "Sam Lee", Some("1b"))]
    );
}

#[tokio::test]
async fn an_email_that_becomes_known_elsewhere_is_a_members_everywhere() {
    let bench = bench().await;
    apply(&bench, &[member("ada@example.com", "", "")], "2026-01-01T00:00:00Z").await;
    bench
        .read(
            MARCH,
            &[
                came("1", MARCH, &json!({ "user_name": "A.", "id": "account" })),
                came("2", MARCH, &json!({ "user_name": "B." })),
            ],
        )
        .await;
    assert_eq!(lines(&bench, MARCH).await[0], line("A.", Some(0), None));
    let mail = came("9", MARCH, &json!({ "user_name": "A.", "id": "account", "email": "ada@example.com" }));
    bench.read(ELSEWHERE, std::slice::from_ref(&mail)).await;
    assert_eq!(lines(&bench, MARCH).await[0], line("A.", Some(1), None));
    // And it is not any more once the only row that told of it is gone.
    bench.read(ELSEWHERE, &[came("8", MARCH, &json!({ "user_name": "C." }))]).await;
    assert_eq!(lines(&bench, MARCH).await[0], line("A.", Some(0), None));
}

#[tokio::test]
async fn a_roster_changed_in_march_does_not_rewrite_february() {
    let bench = bench().await;
    for uuid in [FEBRUARY, MARCH] {
        let rows = ["Ada", "Bob"].map(|name| came(name, uuid, &json!({ "user_name": name })));
        bench.read(uuid, &rows).await;
    }
    apply(
        &bench,
        &[member("", "Ada", "1a"), member("", "Bob", "1a"), member("", "Cleo", "1a")],
        "2026-02-10T00:00:00Z",
    )
    .await;
    // The first reading reaches back.
    assert_eq!(
        absent(&bench).await,
        [missed("2026-02-02", "Cleo", Some("1a")), missed("2026-03-02", "Cleo", Some("1a"))]
    );
    // Cleo leaves, Bob changes to another group, Dan comes: from the first of March on.
    let changed = [member("", "Ada", "1a"), member("", "Bob", "1b"), member("", "Dan", "1b")];
    apply(&bench, &changed, "2026-03-01T00:00:00Z").await;
    assert_eq!(
        absent(&bench).await,
        [missed("2026-02-02", "Cleo", Some("1a")), missed("2026-03-02", "Dan", Some("1b"))]
    );
    assert_eq!(lines(&bench, FEBRUARY).await[1], line("Bob", Some(1), Some("1a")));
    assert_eq!(lines(&bench, MARCH).await[1], line("Bob", Some(1), Some("1b")));
    // Reading the same again changes nothing; who comes back is a member from then on.
    apply(&bench, &changed, "2026-03-05T00:00:00Z").await;
    let back: Vec<Member> = changed.iter().cloned().chain([member("", "Cleo", "1a")]).collect();
    apply(&bench, &back, "2026-03-10T00:00:00Z").await;
    assert_eq!(
        absent(&bench).await,
        [missed("2026-02-02", "Cleo", Some("1a")), missed("2026-03-02", "Dan", Some("1b"))]
    );
    // Without a roster nobody is a member any more, and what was stays.
    bench.store.apply_roster(meeting(MEETING), &[], None, at("2026-03-11T00:00:00Z")).await.unwrap();
    assert_eq!(absent(&bench).await.len(), 2);
    let open: Vec<(i64,)> = bench.ask("SELECT count(*) FROM roster_members WHERE to_at IS NULL").await;
    assert_eq!(open, [(0,)]);
}

#[tokio::test]
async fn dates_of_the_file_are_the_memberships() {
    let bench = bench().await;
    for uuid in [FEBRUARY, MARCH] {
        bench.read(uuid, &["Ada", "Bob"].map(|name| came(name, uuid, &json!({ "user_name": name })))).await;
    }
    let dated = |from: Option<&str>, to: Option<&str>| Member {
        from: from.map(at),
        to: to.map(at),
        ..member("", "Cleo", "")
    };
    let february = dated(None, Some("2026-02-03T00:00:00Z"));
    let march = dated(Some("2026-03-01T00:00:00Z"), None);
    for (members, expected) in [
        (vec![march.clone()], vec!["2026-03-02"]),
        // A corrected date is no new membership.
        (vec![dated(Some("2026-03-03T00:00:00Z"), None)], vec![]),
        (vec![february.clone(), march.clone()], vec!["2026-02-02", "2026-03-02"]),
        (vec![february.clone(), march.clone()], vec!["2026-02-02", "2026-03-02"]),
        (
            vec![february, dated(Some("2026-03-01T00:00:00Z"), Some("2026-03-02T00:00:00Z"))],
            vec!["2026-02-02"],
        ),
    ] {
        apply(&bench, &members, "2026-03-15T00:00:00Z").await;
        let missed_on: Vec<String> = absent(&bench).await.into_iter().map(|line| line.0).collect();
        assert_eq!(missed_on, expected, "{members:?}");
        let stored: Vec<(i64,)> = bench.ask("SELECT count(*) FROM roster_members").await;
        assert_eq!(stored, [(i64::try_from(members.len()).unwrap(),)], "{members:?}");
    }
}

#[tokio::test]
async fn a_sitting_that_hardly_was_one_makes_nobody_absent() {
    let bench = bench().await;
    apply(&bench, &[member("", "Cleo", "")], "2026-01-01T00:00:00Z").await;
    bench.read(MARCH, &[came("1", MARCH, &json!({ "user_name": "Ada" }))]).await;
    assert_eq!(absent(&bench).await, [], "one person is no sitting");
    let waiting = json!({ "user_name": "Bob", "status": "in_waiting_room" });
    bench.read(MARCH, &[came("1", MARCH, &json!({ "user_name": "Ada" })), came("2", MARCH, &waiting)]).await;
    assert_eq!(absent(&bench).await, [], "who only waits makes no second one");
    let cleo = json!({ "user_name": "Cleo", "status": "in_waiting_room" });
    let rows = [
        came("1", MARCH, &json!({ "user_name": "Ada" })),
        came("2", MARCH, &json!({ "user_name": "Bob", "status": "in_meeting" })),
        came("3", MARCH, &cleo),
    ];
    bench.read(MARCH, &rows).await;
    assert_eq!(absent(&bench).await, [missed("2026-03-02", "Cleo", None)], "who only waits is absent");
    let longer = crate::store::Settings { counts_from: Duration::from_mins(61), ..settings(Vec::new()) };
    bench.store.apply_settings(&longer).await.unwrap();
    assert_eq!(absent(&bench).await, [], "an hour is too short now");
}
