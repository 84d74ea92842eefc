//! What a file of an earlier version shows after it was brought up to date.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{Column as _, Row as _};

use super::{MIGRATIONS, Store, facts, presence};

/// Two instances that are one sitting, with whatever told people apart in the tables of version 4.
const SEED: &str = r#"
INSERT INTO meetings (meeting_id, topic, listed) VALUES (85746065432, 'Logic', 1);
INSERT INTO instances (instance_id, uuid, meeting_id, topic, start_at, ended_at, sitting_id, state, source)
VALUES (1, 'First==', 85746065432, 'Logic', 1772438400000, 1772442000000, 1, 'settled', 'dashboard'),
       (2, 'Second==', 85746065432, 'Logic', 1772442060000, 1772445600000, 1, 'settled', 'dashboard');
INSERT INTO people (person_id, is_guest) VALUES (1, 0), (2, 1), (3, 0), (4, 1);
INSERT INTO identifiers (kind, scope, value, person_id) VALUES ('email', 0, 'ada@example.com', 1);
INSERT INTO roster_members (roster_member_id, meeting_id, email, email_key) VALUES (5, 85746065432, 'Ada@example.com', 'ada@example.com');
INSERT INTO clients (client_id, device) VALUES (-7, 'Windows');
INSERT INTO setups (setup_id, client_id) VALUES (-9, -7);
INSERT INTO extras (extra_id, content) VALUES (11, '{"has_archiving":false}');
INSERT INTO sessions (session_id, instance_id, person_id, user_id, join_at, leave_at, status, role, participant_uuid, zoom_id,
                      participant_user_id, registrant_id, user_name, email, customer_key, leave_reason, recording, sip_uri,
                      from_sip_uri, bo_mtg_id, in_room_participants, setup_id, extra_id, stand_in, fingerprint, withdrawn_at)
VALUES
    -- One person, whose email comes in two writings and whose last stay tells another name and no email.
    (1, 1, 1, '16', 1772438400000, 1772439000000, 'in_meeting', 'host', 'P1', 'z1', 'z1', NULL, 'Ada', 'Ada@Example.com', 'k', 'left', 0, 's', 'f', 'b', 2, -9, 11, NULL, 101, NULL),
    (2, 1, 1, '17', 1772439600000, 1772440200000, 'in_meeting', 'host', 'P1', 'z1', 'z1', NULL, 'Ada', 'ada@example.com', NULL, NULL, 1, NULL, NULL, NULL, NULL, -9, NULL, NULL, 102, NULL),
    (3, 1, 1, '18', 1772440800000, 1772441400000, 'in_meeting', NULL, 'P1', NULL, NULL, NULL, 'Ada (phone)', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 103, NULL),
    -- A guest, who waited first, one of whom nothing is told, and one whose row was withdrawn.
    (4, 1, 2, '19', 1772438400000, 1772438700000, 'in_waiting_room', NULL, 'P2', NULL, NULL, NULL, 'Guest', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 104, NULL),
    (5, 1, 2, '19', 1772438700000, NULL, 'in_meeting', NULL, 'P2', NULL, NULL, NULL, 'Guest', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 105, NULL),
    (6, 1, 4, NULL, NULL, 1772440000000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 55, 106, NULL),
    (7, 1, NULL, '20', 1772438400000, 1772439000000, NULL, NULL, NULL, NULL, NULL, 'r9', 'Gone', 'gone@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 107, 1772500000000),
    -- Two devices of one person at once, under two names and registrations.
    (8, 2, 3, '21', 1772442060000, 1772445000000, NULL, NULL, 'P3', 'z3', NULL, 'r1', 'Emil', 'emil@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 108, NULL),
    (9, 2, 3, '22', 1772442060000, 1772445000000, NULL, NULL, 'P3', 'z3', NULL, 'r2', 'Émile', 'emil@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 109, NULL),
    (10, 2, 1, '23', 1772442120000, 1772445600000, 'in_meeting', NULL, NULL, 'z1', NULL, NULL, 'Ada L.', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 110, NULL);
INSERT INTO presences (instance_id, person_id, name, email, evidence, is_host, heads, first_join_at, last_leave_at,
                       still_in, joins, present_ms, waiting_ms, roster_member_id, name_key)
VALUES (1, 1, 'Ada (phone)', 'ada@example.com', 1, 1, 2, 1772438400000, 1772441400000, 0, 3, 1800000, 0, 5, 'ada (phone)'),
       (1, 2, 'Guest', NULL, 4, 0, 1, 1772438700000, 1772442000000, 0, 1, 3300000, 300000, NULL, NULL),
       (1, 4, NULL, NULL, 6, 0, 1, NULL, 1772440000000, 0, 1, 0, 0, NULL, NULL),
       (2, 1, 'Ada L.', NULL, 2, 0, 1, 1772442120000, 1772445600000, 0, 1, 3480000, 0, 5, 'ada l.'),
       (2, 3, 'Émile', 'emil@example.com', 1, 0, 1, 1772442060000, 1772445000000, 0, 1, 2940000, 0, NULL, NULL);
"#;

const VIEWS: [&str; 7] = [
    "SELECT * FROM participants ORDER BY session_id",
    "SELECT * FROM attendance ORDER BY instance_uuid, person_id",
    "SELECT * FROM sitting_attendance ORDER BY person_id",
    "SELECT * FROM meetings_held ORDER BY instance_uuid",
    "SELECT * FROM sittings",
    "SELECT * FROM identity_conflicts",
    "SELECT * FROM participants WHERE email = 'ADA@EXAMPLE.COM' ORDER BY session_id",
];

/// Every value of what the views show, with its column.
async fn shown(pool: &SqlitePool) -> Vec<String> {
    let mut shown = Vec::new();
    for view in VIEWS {
        for row in sqlx::query(view).fetch_all(pool).await.unwrap() {
            let value = |at: usize| {
                row.try_get_unchecked::<Option<String>, _>(at)
                    .or_else(|_| {
                        row.try_get_unchecked::<Option<i64>, _>(at).map(|n| n.map(|n| n.to_string()))
                    })
                    .or_else(|_| {
                        row.try_get_unchecked::<Option<f64>, _>(at).map(|n| n.map(|n| n.to_string()))
                    })
                    .unwrap()
            };
            let values =
                row.columns().iter().map(|column| format!("{}={:?}", column.name(), value(column.ordinal())));
            shown.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    shown
}

#[tokio::test]
async fn a_file_without_profiles_shows_the_same_with_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rollcall.db");
    let older = MIGRATIONS.iter().filter(|migration| migration.version < 5).cloned().collect::<Vec<_>>();
    let older = Migrator { migrations: Cow::Owned(older), ..Migrator::DEFAULT };
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    older.run(&pool).await.unwrap();
    sqlx::raw_sql(SEED).execute(&pool).await.unwrap();
    let before = shown(&pool).await;
    assert_eq!(before.len(), 10 + 5 + 4 + 2 + 1 + 1 + 2);
    pool.close().await;

    let store = Store::open(&path).await.unwrap();
    assert_eq!(shown(store.pool()).await, before);
    let mut transaction = store.begin().await.unwrap();
    presence::refresh(&mut transaction, &[1, 2], &BTreeSet::new()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(shown(store.pool()).await, before, "worked out anew from the sessions");
    // Sessions that are read again refer to rows of the same content under other numbers.
    let renumber = "INSERT INTO profiles SELECT profile_id + 100, digest, zoom_id, participant_user_id, registrant_id, user_name, email, customer_key FROM profiles; \
                    UPDATE sessions SET profile_id = profile_id + 100";
    sqlx::raw_sql(renumber).execute(store.pool()).await.unwrap();
    let mut transaction = store.begin().await.unwrap();
    facts::remove_unused_facts(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(shown(store.pool()).await, before, "after unused facts were removed");
    let violations: i64 = sqlx::query_scalar("SELECT count(*) FROM pragma_foreign_key_check")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!(violations, 0);
    // `Ada@Example.com` and `ada@example.com` stay two writings; the rows of the guest share a profile.
    let profiles: i64 = sqlx::query_scalar("SELECT count(DISTINCT profile_id) FROM sessions")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!(profiles, 8);
}
