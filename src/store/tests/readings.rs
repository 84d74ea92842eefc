//! Rules that hold for any listings: the database is a function of each instance's own sequence of listings, and every
//! row that came is accounted for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use sqlx::Row as _;
use tempfile::TempDir;

use crate::decode::{Decoded, page};
use crate::model::{MeetingId, RunId, Source, Timestamp, Trigger, Window};
use crate::plan::Policy;
use crate::store::ingest::listing::Stored;
use crate::store::{DiscoveredInstance, Listing, Selection, Store};

/// Two instances of one meeting, and one of another.
const INSTANCES: [(&str, i64); 3] =
    [("first/of/two==", 85_746_065_432), ("secondoftwo==", 85_746_065_432), ("alone+==", 93_812_345_678)];

/// 2026-03-02T08:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_772_438_400_000);

/// One listing: where it comes from, its elements, whether it was read to its end, and whether a crowd of guests is in
/// it, too.
#[derive(Clone)]
struct Reading {
    source: Source,
    elements: Vec<Value>,
    ended: bool,
    crowd: bool,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = self.elements.iter().map(|element| {
            let mut element = element.clone();
            if let Some(row) = element.as_object_mut() {
                row.retain(|_, value| value != "");
            }
            element.to_string()
        });
        let said: Vec<String> = said.collect();
        write!(formatter, "{} [{}] ended {} crowd {}", self.source, said.join(", "), self.ended, self.crowd)
    }
}

/// Each instance's readings, and an order in which they are made: numbers of instances.
#[derive(Clone, Debug)]
struct Story {
    readings: Vec<Vec<Reading>>,
    order: Vec<usize>,
}

/// Elements from small pools, so that keys collide and people are joined and parted.
fn element() -> impl Strategy<Value = Value> {
    let row = (
        select(vec!["", "1", "2", "3"]),
        select(vec!["", "2026-03-02T08:00:00Z", "2026-03-02T08:00:00.400Z", "2026-03-02T08:10:00Z"]),
        select(vec!["", "2026-03-02T08:30:00Z", "2026-03-02T09:00:00Z"]),
        select(vec!["", "in_meeting", "in_waiting_room"]),
        select(vec!["", "Ada", " ada ", "Bo"]),
        select(vec!["", "", "ada@example.com", "Bo@example.org"]),
        select(vec!["", "", "z1", "z2"]),
        select(vec!["", "p1", "p2"]),
        select(vec!["", "", "r1"]),
        select(vec!["", "198.51.100.7"]),
    )
        .prop_map(|(user_id, join, leave, status, name, email, id, uuid, registrant, address)| {
            json!({
                "user_id": user_id, "join_time": join, "leave_time": leave, "status": status, "user_name": name,
                "email": email, "id": id, "participant_uuid": uuid, "registrant_id": registrant, "ip_address": address,
            })
        });
    prop_oneof![12 => row, 1 => select(vec![json!(7), json!(null), json!(["x"])])]
}

fn reading() -> impl Strategy<Value = Reading> {
    let elements = proptest::collection::vec(element(), 0..6);
    let source = select(vec![Source::Dashboard, Source::Dashboard, Source::Report]);
    (source, elements, proptest::bool::weighted(0.8), proptest::bool::weighted(0.3))
        .prop_map(|(source, elements, ended, crowd)| Reading { source, elements, ended, crowd })
}

fn story() -> impl Strategy<Value = Story> {
    let readings = proptest::collection::vec(reading(), 1..5);
    proptest::collection::vec(readings, INSTANCES.len()).prop_flat_map(|readings| {
        let order: Vec<usize> =
            readings.iter().enumerate().flat_map(|(instance, of_it)| vec![instance; of_it.len()]).collect();
        Just(order).prop_shuffle().prop_map(move |order| Story { readings: readings.clone(), order })
    })
}

/// What may be done to a step of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Once,
    /// The same listing comes again at the same instant.
    Twice,
    /// It is broken off where it has waited for the database so many times, and begun again.
    BrokenOff(usize),
}

struct Base {
    _directory: TempDir,
    store: Store,
    run_id: RunId,
}

/// A database that knows the instances, copied from one that was made once.
async fn base() -> Base {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    if let Some(bytes) = TEMPLATE.get() {
        std::fs::write(&path, bytes).unwrap();
    } else {
        let store = Store::open(&path).await.unwrap();
        let found = INSTANCES.map(|(uuid, meeting_id)| DiscoveredInstance {
            uuid: uuid.parse().unwrap(),
            meeting_id: MeetingId::new(meeting_id).unwrap(),
            start_at: Some(START),
            description: None,
        });
        let window = Window { from: START, to: START.plus(Duration::from_hours(1)) };
        store.learn(&found, &window, START).await;
        store.close().await;
        TEMPLATE.set(std::fs::read(&path).unwrap()).ok();
    }
    let store = Store::open(&path).await.unwrap();
    let run_id = store.begin_run(Trigger::Manual, None, START).await.unwrap();
    Base { _directory: directory, store, run_id }
}

impl Base {
    /// Stores the reading with this number of an instance, at the instant that belongs to it.
    async fn store(&self, instance: usize, number: usize, reading: &Reading) -> Stored {
        let (uuid, _) = INSTANCES[instance];
        let selection =
            Selection { instances: vec![uuid.parse().unwrap()], force: true, ..Selection::default() };
        let now = START.plus(Duration::from_hours(2 + 5 * u64::try_from(number).unwrap()));
        let due = self.store.due(&selection, now).await.unwrap();
        let mut elements = reading.elements.clone();
        if reading.crowd {
            let guest = |number: u32| {
                json!({"user_id": (100 + number).to_string(), "user_name": format!("Guest {number}"),
                       "join_time": "2026-03-02T08:05:00Z", "leave_time": "2026-03-02T08:55:00Z"})
            };
            elements.extend((0..12).map(guest));
        }
        let text = json!({ "participants": elements }).to_string();
        let mut decoded = Decoded::default();
        page(&text, &mut decoded);
        let listing = Listing {
            source: reading.source,
            ended: reading.ended,
            rows_reported: None,
            pages: 1,
            rows: decoded.rows,
            rejects: decoded.rejects,
        };
        let record = crate::store::testing::record(self.run_id, due[0].instance_id, reading.source, now);
        let policy = Policy { rereads: vec![Duration::from_mins(30), Duration::from_hours(12)] };
        let stored = self.store.store_listing(&listing, &record, &policy).await.unwrap();
        let counts = stored.counts;
        assert_eq!(counts.received, elements.len() as u64, "a row was lost before it was counted");
        assert_eq!(
            counts.received,
            counts.inserted + counts.updated + counts.unchanged + counts.duplicate + counts.rejected,
            "{counts:?}"
        );
        stored
    }

    async fn tell(&self, story: &Story, order: &[usize], how: impl Fn(usize) -> Step) {
        let mut next = [0; INSTANCES.len()];
        for (at, instance) in order.iter().enumerate() {
            let number = next[*instance];
            next[*instance] += 1;
            let reading = &story.readings[*instance][number];
            let step = how(at);
            if let Step::BrokenOff(waits) = step {
                let step = Box::pin(self.store(*instance, number, reading));
                let ended = CutAfter { step, waits }.await.is_some();
                // It may have been broken off between its commit and the answer to that; then it is not due again.
                if ended || self.readings_of(*instance).await == number + 1 {
                    continue;
                }
            }
            self.store(*instance, number, reading).await;
            if step == Step::Twice {
                let again = self.store(*instance, number, reading).await.counts;
                let changed = again.inserted + again.updated + again.withdrawn;
                assert_eq!(changed, 0, "the same listing changed something: {again:?}");
            }
        }
    }

    async fn readings_of(&self, instance: usize) -> usize {
        let text = "SELECT count(*) FROM fetch_log JOIN instances USING (instance_id) WHERE uuid = ?";
        let count: i64 =
            sqlx::query_scalar(text).bind(INSTANCES[instance].0).fetch_one(self.store.pool()).await.unwrap();
        usize::try_from(count).unwrap()
    }

    /// What the database says, ids of rows and the log aside; without the place in the queue where a repetition,
    /// which is a reading like any other, moves it.
    async fn contents(&self, with_queue: bool) -> Vec<String> {
        const OWN: [&str; 4] = ["session_id", "person_id", "run_id", "last_fetched_at"];
        const QUEUE: [&str; 2] = ["state", "reason"];
        let mut lines = self.people().await;
        for view in
            ["participants", "attendance", "meetings_held", "sittings", "sitting_attendance", "rejects"]
        {
            let columns: Vec<String> = self.all("SELECT name FROM pragma_table_info(?)", view).await;
            let kept = columns.iter().map(String::as_str).filter(|column| !OWN.contains(column));
            let kept = kept.filter(|column| with_queue || !QUEUE.contains(column));
            let pairs: Vec<String> = kept.map(|column| format!("'{column}', {column}")).collect();
            let text = format!("SELECT ? || json_object({}) FROM {view} ORDER BY 1", pairs.join(", "));
            lines.extend(self.all(sqlx::AssertSqlSafe(text), view).await);
        }
        if with_queue {
            let queue = "SELECT ? || json_object('uuid', uuid, 'due_at', due_at, 'complete', complete, 'incomplete', \
                                incomplete_reads, 'equal', identical_reads, 'changing', changing_since, 'suspect', \
                                suspect_at, 'digest', content_hash) FROM instances ORDER BY uuid";
            lines.extend(self.all(queue, "queue").await);
        }
        lines
    }

    async fn all(&self, text: impl sqlx::SqlSafeStr, name: &str) -> Vec<String> {
        sqlx::query_scalar(text).bind(name.to_owned()).fetch_all(self.store.pool()).await.unwrap()
    }

    /// Each person as the set of their sessions.
    async fn people(&self) -> Vec<String> {
        let rows = sqlx::query(
            "SELECT person_id, json_object('row', instance_uuid, 'user', user_id, 'join', join_time, 'leave', leave_time, \
                    'status', status, 'name', user_name, 'email', email, 'id', id, 'uuid', participant_uuid) \
               FROM participants ORDER BY 2",
        )
        .fetch_all(self.store.pool())
        .await
        .unwrap();
        let mut people: BTreeMap<Option<i64>, String> = BTreeMap::new();
        for row in rows {
            let _ = write!(people.entry(row.get(0)).or_default(), " {}", row.get::<String, _>(1));
        }
        let mut lines: Vec<String> = people.into_values().collect();
        lines.sort();
        lines
    }
}

/// A step that is dropped where it has waited so many times; none if it was.
struct CutAfter<F> {
    step: Pin<Box<F>>,
    waits: usize,
}

impl<F: Future> Future for CutAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.step.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.waits == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.waits -= 1;
                Poll::Pending
            }
        }
    }
}

async fn told(story: &Story, order: &[usize], with_queue: bool, how: impl Fn(usize) -> Step) -> Vec<String> {
    let base = base().await;
    base.tell(story, order, how).await;
    let contents = base.contents(with_queue).await;
    assert!(is_whole(base.store.path(), &base.store).await);
    contents
}

async fn is_whole(path: &Path, store: &Store) -> bool {
    let broken = sqlx::query("PRAGMA foreign_key_check").fetch_all(store.pool()).await.unwrap();
    assert!(broken.is_empty(), "{}", path.display());
    broken.is_empty()
}

/// The lines that only the first of the two holds.
fn only_in<'a>(left: &'a [String], right: &[String]) -> Vec<&'a String> {
    left.iter().filter(|line| !right.contains(line)).collect()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn instances_may_come_in_any_order(story in story()) {
        let mut in_order = story.order.clone();
        in_order.sort_unstable();
        let (clean, mixed) = run(async {
            (told(&story, &in_order, true, |_| Step::Once).await, told(&story, &story.order, true, |_| Step::Once).await)
        });
        prop_assert_eq!(only_in(&clean, &mixed), only_in(&mixed, &clean));
    }

    #[test]
    fn a_listing_may_come_twice(story in story(), twice in any::<u32>()) {
        let how = |at: usize| if twice >> (at % 32) & 1 == 1 { Step::Twice } else { Step::Once };
        let (clean, repeated) = run(async {
            (told(&story, &story.order, false, |_| Step::Once).await, told(&story, &story.order, false, how).await)
        });
        prop_assert_eq!(only_in(&clean, &repeated), only_in(&repeated, &clean));
    }

    #[test]
    fn a_step_may_be_broken_off_and_begun_again(story in story(), waits in proptest::collection::vec(0_usize..60, 16)) {
        let how = |at: usize| Step::BrokenOff(waits[at % waits.len()]);
        let (clean, begun_again) = run(async {
            (told(&story, &story.order, true, |_| Step::Once).await, told(&story, &story.order, true, how).await)
        });
        prop_assert_eq!(only_in(&clean, &begun_again), only_in(&begun_again, &clean));
    }
}
