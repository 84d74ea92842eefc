//! Listings that are stored in one transaction: each whole, and none for another's sake lost.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use serde_json::json;

use crate::decode::{Decoded, page};
use crate::model::{InstanceId, RunId, Source, Trigger};
use crate::plan::Policy;
use crate::store::ingest::listing::Stored;
use crate::store::sample::at;
use crate::store::testing::{MEETING, TestStore, record, row, settings};
use crate::store::{Listing, Store, StoreError};

async fn filled(instances: usize) -> (TestStore, RunId) {
    let test = TestStore::new(&settings(Vec::new()), at("2026-03-02T20:00:00Z")).await;
    for number in 0..instances {
        let start = at("2026-03-02T08:00:00Z").plus(Duration::from_hours(number as u64));
        test.learn(&format!("Together{number}=="), MEETING, start, None).await;
    }
    let run_id = test.store.begin_run(Trigger::Manual, None, test.now).await.unwrap();
    (test, run_id)
}

/// Stores a listing of three people, two of whom are in every instance.
async fn store(test: &TestStore, run_id: RunId, instance: i64) -> Result<Stored, StoreError> {
    let rows = [
        row("1", 0, &json!({ "user_name": "Ada", "email": "ada@example.com" })),
        row("2", 1, &json!({ "user_name": "Bo", "email": "bo@example.com" })),
        row("3", 2, &json!({ "user_name": format!("Guest {instance}") })),
    ];
    let listed = json!({ "participants": rows }).to_string();
    let mut decoded = Decoded::default();
    page(&listed, &mut decoded);
    let listing = Listing {
        source: Source::Dashboard,
        ended: true,
        rows_reported: Some(3),
        pages: 1,
        rows: decoded.rows,
        rejects: Vec::new(),
    };
    let record = record(run_id, InstanceId::new(instance), Source::Dashboard, test.now);
    test.store.store_listing(&listing, &record, &Policy { rereads: Vec::new() }).await
}

/// Instances that are stored, sessions, people, log rows.
async fn counts(store: &Store) -> (i64, i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(DISTINCT instance_id) FROM attendance_facts), (SELECT count(*) FROM sessions), \
                (SELECT count(*) FROM people), (SELECT count(*) FROM fetch_log)",
    )
    .fetch_one(store.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn those_that_come_at_once_are_all_stored() {
    let (test, run_id) = filled(8).await;
    let stored = join_all((1..=8).map(|instance_id| store(&test, run_id, instance_id))).await;
    assert!(stored.iter().all(|stored| stored.as_ref().is_ok_and(|stored| stored.counts.inserted == 3)));
    assert_eq!(counts(&test.store).await, (8, 24, 10, 8));
}

#[tokio::test]
async fn one_that_fails_takes_no_other_along() {
    for failing in 0..5 {
        let (test, run_id) = filled(4).await;
        let mut ids = vec![1, 2, 3, 4];
        // There is no such instance.
        ids.insert(failing, 99);
        let stored = join_all(ids.iter().map(|instance_id| store(&test, run_id, *instance_id))).await;
        let failed: Vec<usize> = (0..5).filter(|place| stored[*place].is_err()).collect();
        assert_eq!(failed, [failing]);
        assert_eq!(counts(&test.store).await, (4, 12, 6, 4));
    }
}

#[tokio::test]
async fn one_that_nobody_waits_for_any_more_stops_no_other() {
    let (test, run_id) = filled(3).await;
    for polls in 0..60 {
        let mut dropped = Box::pin(store(&test, run_id, 1));
        for _ in 0..polls {
            if poll!(&mut dropped).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(dropped);
        store(&test, run_id, 2).await.unwrap();
    }
    let (instances, sessions, ..) = counts(&test.store).await;
    assert_eq!(sessions, 3 * instances);
}
