//! The database is a function of each instance's own sequence of listings: whatever the order in which instances
//! come, however often a listing is repeated, wherever a step breaks off.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use proptest::prelude::*;
use rollcall::decode::{Decoded, Dropped, page};
use rollcall::model::{Source, Timestamp, Trigger, Window};
use rollcall::plan::Policy;
use rollcall::store::{FetchRecord, Found, Listing, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{DAY, HOUR, MEETING, MINUTE, NOW, at, meeting, rows, uuid};

/// One reading of an instance.
#[derive(Clone, Debug)]
struct Read {
    source: Source,
    complete: bool,
    rows: Vec<Value>,
}

/// A row of few possible values, so that keys, people and whole rows coincide.
fn any_row() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["Ada", "ada ", "Bo", ""]);
    let email = prop::sample::select(vec!["", "", "ada@example.com", "ADA@example.com", "bo@example.com"]);
    let id = prop::sample::select(vec!["", "", "idOfAda", "idOfBo"]);
    let registrant = prop::sample::select(vec!["", "", "r1", "r2"]);
    let participant = prop::sample::select(vec!["", "p1", "p2"]);
    let status = prop::sample::select(vec!["", "in_meeting", "in_waiting_room"]);
    let user = prop::sample::select(vec!["", "1", "2", "3"]);
    (user, 0..3_u32, 0..4_u32, status, name, email, id, registrant, participant).prop_map(
        |(user, join, leave, status, name, email, id, registrant, participant)| {
            let minute = |minute: u32| format!("2026-03-10T10:{minute:02}:00Z");
            json!({
                "user_id": user, "join_time": minute(join), "leave_time": minute(10 + leave), "status": status,
                "user_name": name, "email": email, "id": id, "registrant_id": registrant,
                "participant_uuid": participant,
            })
        },
    )
}

fn any_read() -> impl Strategy<Value = Read> {
    let source = prop::sample::select(vec![Source::Dashboard, Source::Dashboard, Source::Report]);
    (source, prop::bool::weighted(0.8), prop::collection::vec(any_row(), 0..6))
        .prop_map(|(source, complete, rows)| Read { source, complete, rows })
}

/// What happens next: which instance is read, how often, and after how many steps the first try breaks off.
type Step = (usize, usize, usize);

struct Book {
    store: Store,
    run_id: i64,
    _directory: TempDir,
}

impl Book {
    async fn open(instances: usize) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Store::open(&directory.path().join("rollcall.db")).await.unwrap();
        let now = at(NOW);
        let run_id = store.begin_run(Trigger::Manual, None, now).await.unwrap();
        let found: Vec<Found> = (0..instances)
            .map(|instance| Found {
                uuid: uuid(&name_of(instance)),
                meeting_id: meeting(MEETING + i64::try_from(instance % 2).unwrap()),
                start_at: Some(at("2026-03-10T10:00:00Z")),
                description: None,
            })
            .collect();
        store.learn(&found, &Window { from: now.minus(DAY), to: now }, now).await.unwrap();
        Self { store, run_id, _directory: directory }
    }

    /// Stores the reading of this number of an instance; breaks off after so many steps, where that is asked for.
    async fn take(&self, instance: usize, number: u32, read: &Read, breaks_after: Option<usize>) {
        let text = json!({ "participants": read.rows }).to_string();
        let mut decoded = Decoded::default();
        page(&text, &Dropped::default(), &mut decoded);
        let read_at: Timestamp = at(NOW).plus(number * 2 * HOUR);
        let record = FetchRecord {
            run_id: self.run_id,
            instance_id: i64::try_from(instance).unwrap() + 1,
            started_at: read_at,
            finished_at: read_at,
            requests: 1,
            source: Some(read.source),
            one_person: false,
            other_encoding: false,
            tracking_id: None,
            error_code: None,
            error: None,
            description: None,
        };
        let listing = Listing {
            source: read.source,
            ended: read.complete,
            rows_reported: None,
            pages: 1,
            rows: decoded.rows,
            rejects: decoded.rejects,
        };
        let policy = Policy { rereads: vec![30 * MINUTE, DAY] };
        let storing = self.store.store_listing(&listing, &record, &policy);
        match breaks_after {
            Some(steps) => drop(so_far(storing, steps).await),
            None => drop(storing.await.unwrap()),
        }
    }

    /// All that a reader can see, ids of rows aside.
    async fn content(&self) -> Vec<String> {
        const SESSION: &str = "instance_uuid || ' ' || coalesce(user_id, '-') || ' ' || join_time || ' ' || leave_time || ' ' \
             || coalesce(status, '-') || ' ' || coalesce(user_name, '-') || ' ' || coalesce(email, '-') || ' ' || coalesce(id, '-') \
             || ' ' || coalesce(registrant_id, '-') || ' ' || coalesce(participant_uuid, '-') || ' ' || coalesce(withdrawn_at, '-')";
        let mut content = rows(&self.store, &format!("SELECT {SESSION} FROM participants ORDER BY 1")).await;
        let people = format!(
            "SELECT group_concat(session, char(10)) FROM (SELECT person_id, {SESSION} AS session FROM participants \
              WHERE person_id IS NOT NULL ORDER BY 2) GROUP BY person_id ORDER BY 1"
        );
        content.extend(rows(&self.store, &people).await);
        let attendance = "SELECT instance_uuid, name, email, matched_by, role, first_join, last_leave, joins, \
             seconds_present, seconds_waiting, heads FROM attendance ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10";
        content.extend(rows(&self.store, attendance).await);
        content.extend(
            rows(
                &self.store,
                "SELECT instance_uuid, people, rows_stored, source FROM meetings_held ORDER BY 1",
            )
            .await,
        );
        content
    }
}

fn name_of(instance: usize) -> String {
    format!("instance{instance}==")
}

/// Runs a future for so many steps, and lets it go.
async fn so_far<T>(future: impl Future<Output = T>, steps: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = steps;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn one_clean_pass(reads: &[Vec<Read>]) -> Vec<String> {
    let book = Book::open(reads.len()).await;
    for (instance, reads) in reads.iter().enumerate() {
        for (number, read) in (0..).zip(reads) {
            book.take(instance, number, read, None).await;
        }
    }
    book.content().await
}

/// The same readings, as the steps say; what they leave out comes at the end.
async fn any_other_way(reads: &[Vec<Read>], steps: &[Step]) -> Vec<String> {
    let book = Book::open(reads.len()).await;
    let mut next = vec![0_usize; reads.len()];
    let rest = (0..reads.len()).rev().flat_map(|instance| [(instance, 1, 0); 4]);
    for (instance, times, breaks_after) in steps.iter().copied().chain(rest) {
        let instance = instance % reads.len();
        let Some(read) = reads[instance].get(next[instance]) else { continue };
        let number = u32::try_from(next[instance]).unwrap();
        if breaks_after > 0 {
            book.take(instance, number, read, Some(breaks_after)).await;
        }
        for _ in 0..times {
            book.take(instance, number, read, None).await;
        }
        next[instance] += 1;
    }
    book.content().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_database_is_a_function_of_each_instances_own_listings(
        reads in prop::collection::vec(prop::collection::vec(any_read(), 1..4), 1..4),
        steps in prop::collection::vec((0..3_usize, 1..3_usize, 0..30_usize), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (expected, found) = runtime.block_on(async {
            (one_clean_pass(&reads).await, any_other_way(&reads, &steps).await)
        });
        prop_assert_eq!(found, expected);
    }
}
