use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::*;
use crate::store::sample::at;
use crate::store::testing::{MEETING, OTHER, TestStore, row, settings};

const FIRST: &str = "FirstInstanceOfAlgebra==";
const SECOND: &str = "SecondInstanceOfAlgebra==";
const ELSEWHERE: &str = "AnInstanceOfAnother==";

async fn bench() -> TestStore {
    let bench = TestStore::new(&settings(Vec::new()), at("2026-03-20T12:00:00Z")).await;
    for (uuid, meeting, start) in [
        (FIRST, MEETING, "2026-03-02T08:00:00Z"),
        (SECOND, MEETING, "2026-03-09T08:00:00Z"),
        (ELSEWHERE, OTHER, "2026-03-10T08:00:00Z"),
    ] {
        let start = at(start);
        bench.learn(uuid, meeting, start, Some(start.plus(std::time::Duration::from_hours(2)))).await;
    }
    bench
}

fn whom(text: &str) -> PersonSelector {
    text.parse().unwrap()
}

/// Sam with an address, and Sam from another device without.
fn sams() -> Vec<Json> {
    vec![
        row("1", 0, &json!({ "user_name": "Sam Lee", "email": "sam.lee@example.com" })),
        row("2", 1, &json!({ "user_name": "Sam Lee" })),
        row("3", 2, &json!({ "user_name": "Ada", "email": "ada@example.com", "id": "adas-account" })),
    ]
}

/// Who is who, without numbers: sets of (instance, `user_id`).
async fn partition(bench: &TestStore) -> BTreeSet<BTreeSet<(String, String)>> {
    let rows: Vec<(i64, String, String)> = bench
        .ask("SELECT person_id, instance_uuid, user_id FROM participants WHERE withdrawn_at IS NULL")
        .await;
    let mut people: BTreeMap<i64, BTreeSet<(String, String)>> = BTreeMap::new();
    for (person_id, uuid, user_id) in rows {
        people.entry(person_id).or_default().insert((uuid, user_id));
    }
    people.into_values().collect()
}

fn set(rows: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    rows.iter().map(|(uuid, user_id)| ((*uuid).to_owned(), (*user_id).to_owned())).collect()
}

async fn guest(bench: &TestStore) -> i64 {
    let found: Vec<(i64,)> =
        bench.ask("SELECT person_id FROM attendance WHERE email IS NULL ORDER BY person_id LIMIT 1").await;
    found[0].0
}

#[tokio::test]
async fn a_merged_guest_stays_merged_over_every_reading_and_so_do_later_guests_of_the_name() {
    let bench = bench().await;
    bench.read(FIRST, &sams()).await;
    let before = partition(&bench).await;
    let guest = guest(&bench).await;
    let made = bench
        .store
        .merge_people(&PersonSelector::Person(guest), &whom("SAM.lee@example.com"), bench.now)
        .await
        .unwrap();
    assert_eq!(made.sides, ["guest \"sam lee\"", "sam.lee@example.com"]);
    assert_eq!(made.people[0], made.people[1]);
    let sam = set(&[(FIRST, "1"), (FIRST, "2")]);
    assert!(partition(&bench).await.contains(&sam));
    let lines: Vec<(i64, i64)> =
        bench.ask("SELECT joins, seconds_present FROM attendance WHERE email = 'sam.lee@example.com'").await;
    assert_eq!(lines, [(1, 31 * 60)], "the two devices overlap and count once");

    // Withdrawn and back again, and a later guest.
    bench.read(FIRST, &sams()[..1]).await;
    bench.read(FIRST, &sams()).await;
    bench.read(SECOND, &[row("9", 0, &json!({ "user_name": " SAM LEE " }))]).await;
    bench.read(ELSEWHERE, &[row("5", 0, &json!({ "user_name": "Sam Lee" }))]).await;
    let now = partition(&bench).await;
    assert!(now.contains(&set(&[(FIRST, "1"), (FIRST, "2"), (SECOND, "9")])), "{now:?}");
    assert!(now.contains(&set(&[(ELSEWHERE, "5")])), "a name reaches no other meeting");

    let undone = bench.store.undo_decision(bench.now).await.unwrap();
    assert_eq!((undone.decision_id, undone.sides), (made.decision_id, made.sides));
    assert_ne!(undone.people[0], undone.people[1]);
    let mut expected = before;
    expected.remove(&set(&[(FIRST, "2")]));
    expected.insert(set(&[(FIRST, "2"), (SECOND, "9")]));
    expected.insert(set(&[(ELSEWHERE, "5")]));
    assert_eq!(partition(&bench).await, expected);
    let error = bench.store.undo_decision(bench.now).await.unwrap_err();
    assert!(matches!(error, DecisionError::NothingToUndo));
}

#[tokio::test]
async fn decisions_and_readings_in_any_order_make_the_same_people() {
    let second = [
        row("4", 0, &json!({ "user_name": "Sam Lee" })),
        row("5", 0, &json!({ "user_name": "Samuel", "email": "sam.lee@example.com", "id": "sams-account" })),
        row("6", 0, &json!({ "user_name": "Bob", "id": "adas-account" })),
    ];
    let mut found = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2]] {
        let bench = bench().await;
        for step in order {
            match step {
                0 => drop(bench.read(FIRST, &sams()).await),
                1 => drop(bench.read(SECOND, &second).await),
                _ => {
                    let guest = PersonSelector::Person(guest(&bench).await);
                    bench.store.merge_people(&guest, &whom("sam.lee@example.com"), bench.now).await.unwrap();
                    let sides = (whom("ada@example.com"), whom("adas-account"));
                    let made = bench.store.split_people(&sides.0, &sides.1, bench.now).await;
                    // Only once Bob has used the account there is someone on its side.
                    match made {
                        Ok(_) => {}
                        Err(error) => assert!(matches!(error, DecisionError::PartsNobody), "{error}"),
                    }
                }
            }
        }
        found.push(partition(&bench).await);
    }
    let sam = set(&[(FIRST, "1"), (FIRST, "2"), (SECOND, "4"), (SECOND, "5")]);
    assert!(found.iter().all(|people| people.contains(&sam)), "{found:?}");
    assert_eq!(found[0], found[2]);
}

#[tokio::test]
async fn a_split_parts_a_shared_account_and_holds_over_readings() {
    let bench = bench().await;
    let rows = [
        row("1", 0, &json!({ "user_name": "Ada", "email": "ada@example.com", "id": "shared" })),
        row("2", 0, &json!({ "user_name": "Bob", "email": "bob@example.com", "id": "shared" })),
        row("3", 40, &json!({ "user_name": "Bob", "email": "bob@example.com" })),
    ];
    bench.read(FIRST, &rows).await;
    assert_eq!(partition(&bench).await.len(), 1);
    let sessions: Vec<(i64,)> = bench.ask("SELECT session_id FROM participants ORDER BY user_id").await;
    let sides = (PersonSelector::Session(sessions[0].0), PersonSelector::Session(sessions[1].0));
    let made = bench.store.split_people(&sides.0, &sides.1, bench.now).await.unwrap();
    assert_ne!(made.people[0], made.people[1]);
    let parted = BTreeSet::from([set(&[(FIRST, "1")]), set(&[(FIRST, "2"), (FIRST, "3")])]);
    assert_eq!(partition(&bench).await, parted);

    bench.read(FIRST, &rows[..1]).await;
    bench.read(FIRST, &rows).await;
    assert_eq!(partition(&bench).await, parted);
    // The account is Ada's, since hers is the oldest session with it.
    bench.read(SECOND, &[row("7", 0, &json!({ "id": "shared" }))]).await;
    assert!(partition(&bench).await.contains(&set(&[(FIRST, "1"), (SECOND, "7")])));

    // A merge of the two overrules the split for as long as it is in force.
    bench.store.merge_people(&whom("ada@example.com"), &whom("bob@example.com"), bench.now).await.unwrap();
    assert_eq!(partition(&bench).await.len(), 1);
    bench.store.undo_decision(bench.now).await.unwrap();
    assert_eq!(partition(&bench).await.len(), 2);
    bench.store.undo_decision(bench.now).await.unwrap();
    assert_eq!(partition(&bench).await.len(), 1);
}

#[tokio::test]
async fn a_split_rests_once_the_session_that_it_holds_on_to_is_gone() {
    let bench = bench().await;
    bench.read(FIRST, &[row("3", 3, &json!({ "email": "ada@example.com" }))]).await;
    let others = [
        row("1", 1, &json!({ "email": "ada@example.com" })),
        row("4", 4, &json!({ "email": "ada@example.com", "id": "account" })),
    ];
    bench.read(SECOND, &others).await;
    let session: Vec<(i64,)> =
        bench.ask(&format!("SELECT session_id FROM participants WHERE instance_uuid = '{FIRST}'")).await;
    bench
        .store
        .split_people(&whom("account"), &PersonSelector::Session(session[0].0), bench.now)
        .await
        .unwrap();
    assert_eq!(partition(&bench).await.len(), 2);
    bench.read(FIRST, &[row("9", 3, &json!({ "email": "carl@example.com" }))]).await;
    let left = [set(&[(FIRST, "9")]), set(&[(SECOND, "1"), (SECOND, "4")])];
    assert_eq!(partition(&bench).await, BTreeSet::from(left));
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let bench = bench().await;
    bench.read(FIRST, &sams()).await;
    let before = partition(&bench).await;
    let refused = async |split: bool, left: &str, right: &str| {
        let (left, right) = (whom(left), whom(right));
        let made = if split {
            bench.store.split_people(&left, &right, bench.now).await
        } else {
            bench.store.merge_people(&left, &right, bench.now).await
        };
        made.unwrap_err()
    };
    assert!(
        matches!(refused(false, "ada@example.com", "nobody@example.com").await, DecisionError::Unknown(text) if text == "nobody@example.com")
    );
    assert!(matches!(refused(true, "9999", "ada@example.com").await, DecisionError::Unknown(_)));
    assert!(matches!(refused(false, "ada@example.com", "adas-account").await, DecisionError::OneAlready(_)));
    assert!(matches!(refused(true, "ada@example.com", "ADA@example.com").await, DecisionError::OneSide));
    // Ada's only session carries both.
    assert!(matches!(refused(true, "ada@example.com", "adas-account").await, DecisionError::PartsNobody));
    assert_eq!(partition(&bench).await, before);
    assert_eq!(bench.ask::<(i64,)>("SELECT count(*) FROM identity_decisions").await, [(0,)]);
}

#[tokio::test]
async fn the_list_tells_names_identifiers_and_whom_a_guest_may_be() {
    let bench = bench().await;
    bench.read(FIRST, &sams()).await;
    bench.read(ELSEWHERE, &[row("5", 0, &json!({ "user_name": "Sam Lee" })), row("6", 0, &json!({}))]).await;
    let table = bench.store.people(None, &[crate::store::testing::meeting(MEETING)]).await.unwrap();
    let lines: Vec<_> = table
        .lines()
        .map(|line| {
            let text = |column| line.text(column).unwrap_or_default().to_owned();
            (text("names"), text("identifiers"), line.flag("guest"), text("may_be"))
        })
        .collect();
    let sam: Vec<(i64,)> =
        bench.ask("SELECT person_id FROM attendance WHERE email = 'sam.lee@example.com'").await;
    let list = |text: &str| text.to_owned();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[0],
        (list("[\"Ada\"]"), list("[\"ada@example.com\",\"adas-account\"]"), false, list("[]"))
    );
    assert!(lines.contains(&(list("[\"Sam Lee\"]"), list("[\"sam.lee@example.com\"]"), false, list("[]"))));
    let guest = lines.iter().find(|line| line.2).unwrap();
    assert!(guest.1.starts_with("[\"session:"), "{guest:?}");
    assert_eq!(guest.3, format!("[{}]", sam[0].0));
    let all = bench.store.people(None, &[]).await.unwrap();
    assert_eq!(all.rows.len(), 5);
    // The guest of the other meeting may be nobody.
    assert_eq!(all.lines().filter(|line| line.text("may_be") != Some("[]")).count(), 1);
}

#[test]
fn people_are_meant_by_number_identifier_or_session() {
    assert_eq!(whom(" 17 "), PersonSelector::Person(17));
    assert_eq!(whom("session:5"), PersonSelector::Session(5));
    let registrant = PersonSelector::Registrant(crate::store::testing::meeting(MEETING), "a:b".to_owned());
    assert_eq!(whom("registrant:857 4606 5432:a:b"), registrant);
    assert_eq!(registrant.to_string(), "registrant:85746065432:a:b");
    assert_eq!(whom("ada@example.com"), PersonSelector::Text("ada@example.com".to_owned()));
    for text in ["", "session:x", "registrant:abc"] {
        assert!(text.parse::<PersonSelector>().is_err(), "{text}");
    }
}
