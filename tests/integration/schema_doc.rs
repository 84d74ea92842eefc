//! The views are what the contract says, and `docs/schema.md` describes the database that the program makes.

use std::collections::BTreeSet;
use std::path::Path;

use rollcall::store::Store;
use sqlx::SqlitePool;

/// The public interface: every view with its columns in order. A change here is a change for everyone's SQL.
const VIEWS: &[(&str, &str)] = &[
    (
        "participants",
        "session_id, meeting_id, topic, instance_uuid, instance_start, person_id, id, user_id, participant_uuid, \
         participant_user_id, registrant_id, user_name, email, customer_key, join_time, leave_time, seconds, status, \
         role, leave_reason, device, client, version, os, os_version, browser_name, browser_version, device_name, \
         ip_address, internal_ip_addresses, location, network_type, connection_type, data_center, full_data_center, \
         microphone, camera, speaker, pc_name, domain, mac_addr, harddisk_id, share_application, share_desktop, \
         share_whiteboard, recording, sip_uri, from_sip_uri, bo_mtg_id, in_room_participants, extra, withdrawn_at",
    ),
    (
        "attendance",
        "meeting_id, topic, label, instance_uuid, start_time, end_time, local_date, local_start, person_id, name, \
         email, matched_by, role, first_join, last_leave, joins, seconds_present, percent_present, present, \
         seconds_waiting, seconds_late, late, seconds_early, still_in, heads, measured_against, on_roster, \
         roster_group",
    ),
    (
        "sitting_attendance",
        "meeting_id, topic, label, sitting_id, sitting_start, sitting_end, instances, local_date, local_start, \
         person_id, name, email, matched_by, role, first_join, last_leave, joins, seconds_present, percent_present, \
         present, seconds_waiting, seconds_late, late, seconds_early, still_in, heads, measured_against, on_roster, \
         roster_group",
    ),
    (
        "sittings",
        "sitting_id, meeting_id, topic, label, sitting_start, sitting_end, instances, local_date, local_start, \
         seconds, people, heads, joins, peak, person_seconds",
    ),
    (
        "meetings_held",
        "meeting_id, topic, label, instance_uuid, host_name, host_email, start_time, end_time, end_estimated, \
         local_date, local_start, seconds, people, heads, joins, peak, person_seconds, rows_reported, rows_stored, \
         shortfall, state, reason, source, last_fetched_at",
    ),
    (
        "absences",
        "meeting_id, topic, label, sitting_id, sitting_start, local_date, email, name, roster_group",
    ),
    (
        "runs",
        "run_id, trigger, slot, started_at, finished_at, seconds, outcome, instances_found, instances_due, \
         instances_fetched, instances_failed, requests, retries, throttled, rows_inserted, rows_updated, \
         rows_unchanged, rows_withdrawn, rows_rejected, rows_duplicate, error",
    ),
    (
        "fetches",
        "fetch_id, run_id, instance_uuid, meeting_id, started_at, seconds, source, pages, requests, rows_reported, \
         rows_received, rows_inserted, rows_updated, rows_unchanged, rows_withdrawn, rows_rejected, rows_duplicate, \
         outcome, error_code, error, tracking_id",
    ),
    (
        "meetings_listed",
        "meeting_id, kind, label, topic, listed, last_told_at, refused_since, refusal, next_asked_at, \
         last_instance_start, instances, due, incomplete, parked, unavailable",
    ),
    ("quota", "day, label, requests, throttled, budget"),
    ("rejects", "run_id, instance_uuid, reason, content"),
    ("identity_conflicts", "person_id, instance_uuid, names, emails, registrants"),
];

fn columns_of(list: &str) -> Vec<String> {
    list.split(", ").map(str::to_owned).collect()
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema.md");
    std::fs::read_to_string(path).expect("docs/schema.md is part of the project")
}

/// What is in back quotes in the first cell of each row of the tables between this heading and the next.
fn documented_below(page: &str, heading: &str) -> Vec<String> {
    let below = page.lines().skip_while(|line| *line != heading).skip(1);
    below
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|row| row.split(" |").next())
        .filter_map(|cell| cell.split('`').nth(1))
        .map(str::to_owned)
        .collect()
}

async fn names(pool: &SqlitePool, kind: &str) -> BTreeSet<String> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_sqlx_%' ESCAPE '\\'",
    )
    .bind(kind)
    .fetch_all(pool)
    .await
    .unwrap();
    names.into_iter().collect()
}

async fn with_fresh_database<F: AsyncFnOnce(&SqlitePool)>(look: F) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("rollcall.db")).await.unwrap();
    look(store.pool()).await;
    store.close().await;
}

#[tokio::test]
async fn the_views_have_the_columns_of_the_contract_in_its_order() {
    with_fresh_database(async |pool| {
        let promised: BTreeSet<String> = VIEWS.iter().map(|(view, _)| (*view).to_owned()).collect();
        assert_eq!(names(pool, "view").await, promised);
        for (view, columns) in VIEWS {
            let found: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?) ORDER BY cid")
                .bind(view)
                .fetch_all(pool)
                .await
                .unwrap();
            assert_eq!(found, columns_of(columns), "columns of the view {view}");
        }
    })
    .await;
}

#[test]
fn the_page_describes_every_column_of_every_view_in_order() {
    let page = page();
    for (view, columns) in VIEWS {
        assert_eq!(
            documented_below(&page, &format!("### `{view}`")),
            columns_of(columns),
            "docs/schema.md, {view}"
        );
    }
    let listed: BTreeSet<String> = documented_below(&page, "## The views").into_iter().collect();
    assert_eq!(listed, VIEWS.iter().map(|(view, _)| (*view).to_owned()).collect());
}

#[tokio::test]
async fn the_page_lists_every_table() {
    with_fresh_database(async |pool| {
        let listed: BTreeSet<String> = documented_below(&page(), "## The tables").into_iter().collect();
        assert_eq!(listed, names(pool, "table").await, "the table of tables in docs/schema.md");
    })
    .await;
}

#[tokio::test]
async fn the_diagram_draws_every_table_and_every_foreign_key() {
    let page = page();
    let diagram = page.split("```mermaid\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let lines = || diagram.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // `parent ||--o{ child : words` is a relation; dots in the place of hyphens mark one without a foreign key.
    let relations: Vec<_> = lines().filter(|words| words.len() > 3 && words[3] == ":").collect();
    let drawn: BTreeSet<(String, String)> = relations
        .iter()
        .filter(|words| words[1].contains("--"))
        .map(|words| (words[0].to_owned(), words[2].to_owned()))
        .collect();
    let mut tables: BTreeSet<String> =
        relations.iter().flat_map(|words| [words[0], words[2]]).map(str::to_owned).collect();
    tables
        .extend(lines().filter(|words| words.len() == 2 && words[1] == "{").map(|words| words[0].to_owned()));
    with_fresh_database(async |pool| {
        let keys: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT k.\"table\", t.name FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) k WHERE t.type = 'table'",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        assert!(!keys.is_empty());
        assert_eq!(drawn, keys.into_iter().collect(), "solid lines of the diagram in docs/schema.md");
        assert_eq!(tables, names(pool, "table").await, "tables in the diagram of docs/schema.md");
    })
    .await;
}
