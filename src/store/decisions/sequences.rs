//! Whatever readings and decisions come one after the other, the people in the tables are those that the rows and
//! the decisions in force make when they are looked at all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{DecisionError, PersonSelector};
use crate::store::people::from_scratch;
use crate::store::sample::at;
use crate::store::testing::{MEETING, TestStore, row, settings};

const INSTANCES: [&str; 3] = ["InstanceOneOfThree==", "InstanceTwoOfThree==", "InstanceThreeOfThree=="];

#[derive(Clone, Debug)]
enum Step {
    /// This instance is read, and has these rows.
    Read(usize, Vec<Json>),
    Merge(PersonSelector, PersonSelector),
    Split(PersonSelector, PersonSelector),
    Undo,
}

fn any_row() -> impl Strategy<Value = Json> {
    (1..8_u32, "[xy]?", "[ab]?", "[pq]?", "[NM]?").prop_map(|(user_id, account, email, participant, name)| {
        let mut told = json!({ "id": account, "participant_uuid": participant, "user_name": name });
        if !email.is_empty() {
            told["email"] = json!(format!("{email}@example.com"));
        }
        row(&user_id.to_string(), u64::from(user_id), &told)
    })
}

fn any_whom() -> impl Strategy<Value = PersonSelector> {
    prop_oneof![
        (1..6_i64).prop_map(PersonSelector::Person),
        (1..12_i64).prop_map(PersonSelector::Session),
        "[xy]".prop_map(PersonSelector::Text),
        "[ab]".prop_map(|email| PersonSelector::Text(format!("{email}@example.com"))),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let rows = prop::collection::btree_map(1..8_u32, any_row(), 0..6);
    prop_oneof![
        4 => (0..INSTANCES.len(), rows).prop_map(|(instance, rows)| {
            Step::Read(instance, rows.into_values().collect())
        }),
        1 => (any_whom(), any_whom()).prop_map(|(left, right)| Step::Merge(left, right)),
        1 => (any_whom(), any_whom()).prop_map(|(left, right)| Step::Split(left, right)),
        1 => Just(Step::Undo),
    ]
}

/// The people in the tables after a step, and those that they should be.
async fn people(bench: &TestStore) -> (BTreeSet<BTreeSet<i64>>, BTreeSet<BTreeSet<i64>>) {
    let sessions: Vec<(i64, i64)> =
        bench.ask("SELECT person_id, session_id FROM sessions WHERE withdrawn_at IS NULL").await;
    let mut stored: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (person_id, session_id) in sessions {
        stored.entry(person_id).or_default().insert(session_id);
    }
    let mut connection = bench.store.pool().acquire().await.unwrap();
    (stored.into_values().collect(), from_scratch(&mut connection).await)
}

async fn take(bench: &TestStore, step: &Step) -> Result<(), DecisionError> {
    match step {
        Step::Read(instance, rows) => drop(bench.read(INSTANCES[*instance], rows).await),
        Step::Merge(left, right) => drop(bench.store.merge_people(left, right, bench.now).await?),
        Step::Split(left, right) => drop(bench.store.split_people(left, right, bench.now).await?),
        Step::Undo => drop(bench.store.undo_decision(bench.now).await?),
    }
    Ok(())
}

async fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    let bench = TestStore::new(&settings(Vec::new()), at("2026-03-20T12:00:00Z")).await;
    let start = at("2026-03-02T08:00:00Z");
    for uuid in INSTANCES {
        bench.learn(uuid, MEETING, start, Some(start.plus(Duration::from_hours(2)))).await;
    }
    for (number, step) in steps.iter().enumerate() {
        let taken = take(&bench, step).await;
        prop_assert!(!matches!(taken, Err(DecisionError::Store(_))), "{taken:?}");
        let (stored, wanted) = people(&bench).await;
        prop_assert_eq!(stored, wanted, "after step {} ({:?})", number, step);
    }
    let strays: Vec<(i64,)> = bench
        .ask(
            "SELECT person_id FROM people WHERE person_id NOT IN (SELECT person_id FROM sessions WHERE person_id IS NOT NULL) \
             UNION ALL SELECT person_id FROM attendance_facts p WHERE NOT EXISTS (SELECT 1 FROM sessions s \
              WHERE s.person_id = p.person_id AND s.instance_id = p.instance_id)",
        )
        .await;
    prop_assert_eq!(strays, []);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: crate::store::testing::cases(),
        max_shrink_iters: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn people_are_a_function_of_rows_and_decisions(steps in prop::collection::vec(any_step(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(&steps))?;
    }
}
