//! A filter on any view reaches the tables by an index, however large they are.

use rollcall::store::Store;
use sqlx::{AssertSqlSafe, Row as _};

/// The views over what was collected, and their columns that people filter by.
const FILTERS: &[(&str, &[&str])] = &[
    ("participants", &["instance_uuid", "meeting_id", "instance_start", "person_id", "email"]),
    ("attendance", &["instance_uuid", "meeting_id", "start_time", "local_date", "person_id", "email"]),
    ("meetings_held", &["instance_uuid", "meeting_id", "start_time", "local_date"]),
    ("sittings", &["sitting_id", "meeting_id", "sitting_start", "local_date"]),
    (
        "sitting_attendance",
        &["sitting_id", "meeting_id", "sitting_start", "local_date", "person_id", "email"],
    ),
    ("absences", &["sitting_id", "meeting_id", "sitting_start", "local_date"]),
    ("identity_conflicts", &["instance_uuid", "person_id"]),
    ("fetches", &["instance_uuid", "meeting_id", "run_id"]),
    ("runs", &["run_id"]),
    ("rejects", &["instance_uuid"]),
    ("quota", &["day"]),
];

/// The lines of the plan that read a whole table, or a whole index, rather than look something up in it.
async fn scans(store: &Store, sql: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(store.pool())
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let details = rows.iter().map(|row| row.get::<String, _>("detail"));
    details.filter(|detail| detail.starts_with("SCAN ") && !is_of_a_few_rows(detail)).collect()
}

/// What a subquery has found already, or a list in the query itself.
fn is_of_a_few_rows(detail: &str) -> bool {
    detail.starts_with("SCAN (") || detail.starts_with("SCAN CONSTANT") || detail.contains("VIRTUAL TABLE")
}

async fn with_fresh_database<F: AsyncFnOnce(&Store)>(look: F) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("rollcall.db")).await.unwrap();
    look(&store).await;
    store.close().await;
}

#[tokio::test]
async fn a_filter_on_a_view_reaches_the_tables_by_an_index() {
    with_fresh_database(async |store| {
        let mut wrong = Vec::new();
        for (view, columns) in FILTERS {
            for column in *columns {
                let is_span =
                    column.ends_with("start") || column.ends_with("_time") || column.ends_with("_date");
                let condition = if is_span {
                    format!("{column} >= '2026-03-01' AND {column} < '2026-04-01'")
                } else {
                    format!("{column} = '1'")
                };
                let sql = format!("SELECT * FROM {view} WHERE {condition}");
                let found = scans(store, &sql).await;
                if !found.is_empty() {
                    wrong.push(format!("{sql}: {}", found.join(", ")));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    })
    .await;
}

#[tokio::test]
async fn without_a_filter_a_plan_does_scan() {
    with_fresh_database(async |store| {
        assert_eq!(scans(store, "SELECT * FROM participants WHERE leave_reason = 'x'").await.len(), 1);
        assert!(!scans(store, "SELECT * FROM attendance").await.is_empty());
    })
    .await;
}
