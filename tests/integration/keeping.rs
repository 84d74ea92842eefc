//! Backing up, pruning and forgetting, with a simulated Zoom that goes on telling everything.

use std::time::Duration;

use rollcall::model::{Trigger, Window};
use rollcall::roster::Member;
use rollcall::simulator::{FIRST_USER_ID, Host, Instance, Session, Simulator, USER_ID_STEP, World};
use rollcall::store::{ForgetResult, Store};
use serde_json::json;

use crate::harness::{
    DAY, Desk, HOUR, MEETING, MINUTE, NEW_BY_SOURCE, NOW, Stage, at, guests, lecture, meeting, open, rows,
    uuid,
};

/// In everything that is told of the person who will be forgotten.
const MARKER: &str = "marker";

/// An hour with three others, and someone on two devices of whom everything is told.
fn with_marker(name: &str, ended_ago: Duration) -> Instance {
    let of = guests(lecture(name, at(NOW), ended_ago), 3);
    let session = |number: u64, name: &str, from: Duration| {
        let end = of.end.unwrap();
        Session::new(FIRST_USER_ID + number * USER_ID_STEP, name, of.start.plus(from), end)
            .with("participant_uuid", "MARKER-0001-2ABB")
            .with_all(json!({
                "ip_address": "203.0.113.9", "mac_addr": "marker-mac", "pc_name": "Marker's computer",
                "device_name": "Marker's phone", "microphone": "Marker's headset", "harddisk_id": "marker-disk",
                "leave_reason": "Marker Mustermann left the meeting.", "customer_key": "marker-key",
                "sip_uri": "sip:marker@example.org", "marker_note": "unknown to the program",
            }))
    };
    let signed_in = session(10, "Marker Mustermann", MINUTE)
        .signed_in("MarkerZoomId", "Marker@example.com")
        .with("registrant_id", "marker-registrant")
        .host();
    let host = Host {
        id: "MarkerZoomId".to_owned(),
        name: "Marker Mustermann".to_owned(),
        email: "marker@example.com".to_owned(),
        department: String::new(),
    };
    of.clone()
        .with_host(host)
        .with_session(signed_in)
        .with_session(session(11, "Marker's phone", 2 * MINUTE))
        .with_session(session(12, "marker waits", MINUTE).waiting())
        .with_session(Session::from_json(json!("Marker Mustermann")))
        .with_session(Session::from_json(json!(["seen beside marker@example.com"])))
}

/// Forgets the one person whom this means.
pub async fn forget(stage: &Stage, said: &str) -> ForgetResult {
    let meant = stage.store.meant_by(said).await.unwrap();
    let [whom] = meant.as_slice() else { panic!("{said}: {meant:?}") };
    stage.store.forget(whom, said, stage.clock.now()).await.unwrap()
}

/// Where the marker can be found: in which tables, and in which of the files.
pub async fn traces(store: &Store) -> Vec<String> {
    let mut found = Vec::new();
    for table in rows(store, "SELECT name FROM sqlite_schema WHERE type = 'table'").await {
        let columns = rows(store, &format!("SELECT name FROM pragma_table_xinfo('{table}')")).await;
        let cells: Vec<String> = columns.iter().map(|column| format!("coalesce({column}, '')")).collect();
        let text = format!(
            "SELECT '{table}: ' || all_of_it FROM (SELECT {} AS all_of_it FROM {table}) WHERE all_of_it LIKE '%{MARKER}%'",
            cells.join(" || '|' || ")
        );
        found.extend(rows(store, &text).await);
    }
    for ending in ["", "-wal"] {
        let mut path = store.path().as_os_str().to_owned();
        path.push(ending);
        let bytes = std::fs::read(&path).unwrap_or_default().to_ascii_lowercase();
        if bytes.windows(MARKER.len()).any(|part| part == MARKER.as_bytes()) {
            found.push(format!("the bytes of rollcall.db{ending}"));
        }
    }
    found
}

const MINUTES: &str =
    "SELECT instance_uuid, sum(seconds_present), count(*) FROM attendance GROUP BY 1 ORDER BY 1";

#[tokio::test]
async fn a_forgotten_person_is_nowhere_and_does_not_come_back() {
    let world = World::new()
        .with(with_marker("First", 2 * HOUR))
        .with(with_marker("Second+/==", 26 * HOUR))
        .with(guests(lecture("Without", at(NOW), 5 * HOUR), 3));
    let mut stage = Stage::new(world).await;
    stage.run().await;
    assert!(traces(&stage.store).await.len() > 8, "the person is there before");
    let before = stage.rows(MINUTES).await;
    let others = "SELECT user_name, join_time, leave_time FROM participants WHERE user_name LIKE 'Guest%' ORDER BY 1, 2";
    let others_before = stage.rows(others).await;
    let roster =
        [("Marker M.", Some("MARKER@example.com")), ("Marker Mustermann", None), ("Guest 0001", None)].map(
            |(name, email)| Member {
                name: Some(name.to_owned()),
                email: email.map(str::to_owned),
                ..Member::default()
            },
        );
    stage.store.apply_roster(meeting(MEETING), &roster, Some(1), stage.clock.now()).await.unwrap();

    let forgotten = forget(&stage, "MARKER@example.com").await;
    assert_eq!((forgotten.sessions, forgotten.instances, forgotten.members), (6, 2, 2));
    assert_eq!(forgotten.elsewhere, []);
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
    assert_eq!(stage.rows(MINUTES).await, before, "the minutes stay, and one person an instance");
    assert_eq!(stage.rows(others).await, others_before);
    assert_eq!(stage.store.find_people("mustermann").await.unwrap(), Vec::<i64>::new());
    assert_eq!(stage.row("SELECT count(*) FROM people WHERE person_id NOT IN (SELECT person_id FROM sessions WHERE person_id IS NOT NULL)").await, "0");

    // The file of the roster is read again where it changes, and still holds the person.
    stage.store.apply_roster(meeting(MEETING), &roster, Some(2), stage.clock.now()).await.unwrap();
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
    assert_eq!(stage.rows("SELECT name FROM roster_members").await, ["Guest 0001"]);

    // The same instances again, from every source, and new ones that were never read before.
    stage.clock.set(stage.clock.now().plus(HOUR));
    for (name, source) in NEW_BY_SOURCE {
        stage.zoom.world(|world| world.add_instance(with_marker(name, 30 * MINUTE)));
        stage.reread_from(source).await;
        assert_eq!(traces(&stage.store).await, Vec::<String>::new(), "after {source}");
        let now = stage.rows(MINUTES).await;
        assert!(before.iter().all(|line| now.contains(line)), "{source}: {now:?}, before {before:?}");
        assert!(now.iter().any(|line| line.starts_with(name)), "{source}: {now:?}");
    }
    assert_eq!(stage.rows(others).await.len(), others_before.len() + 9);

    // And one that is on, which is read while it is, and once it has ended.
    let mut on = with_marker("Live", HOUR);
    let now = stage.clock.now();
    let lasts = now.plus(HOUR);
    (on.start, on.end) = (now.minus(HOUR), Some(lasts));
    stage.zoom.world(|world| world.add_instance(on));
    stage.settings.source = None;
    stage.settings.include_live = true;
    for state in ["live", "collected"] {
        stage.run_after(MINUTE).await;
        assert_eq!(stage.row("SELECT state FROM meetings_held WHERE instance_uuid = 'Live'").await, state);
        assert_eq!(traces(&stage.store).await, Vec::<String>::new(), "{state}");
        stage.clock.set(lasts.plus(HOUR));
    }
}

#[tokio::test]
async fn a_forgotten_guest_is_known_again_by_nothing_that_is_told_later() {
    let session = |of: &Instance| {
        let number = FIRST_USER_ID + 20 * USER_ID_STEP;
        Session::new(number, "Marker Guest", of.start.plus(MINUTE), of.end.unwrap())
    };
    let of = guests(lecture("First", at(NOW), 2 * HOUR), 2);
    let world = World::new().with(of.clone().with_session(session(&of)));
    let stage = Stage::new(world).await;
    stage.run().await;
    forget(&stage, "marker guest").await;
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());

    // Zoom tells an email for the same stay, which then leads nowhere in another instance either.
    stage.zoom.world(|world| {
        let first = world.instance_mut(&uuid("First")).unwrap();
        let session = first.session_of("Marker Guest").unwrap();
        session.set("email", "later.marker@example.org");
        session.set("user_name", "M. G. Marker");
    });
    stage.run_after(DAY).await;
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
    let next = lecture("Next", stage.clock.now(), HOUR);
    let session =
        session(&next).with("email", "LATER.marker@example.org").with("user_name", "Somebody Marker");
    stage.zoom.world(|world| world.add_instance(guests(next, 2).with_session(session)));
    stage.run_after(MINUTE).await;
    assert_eq!(stage.row("SELECT count(*) FROM attendance WHERE instance_uuid = 'Next'").await, "3");
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_pruned_instance_that_is_named_is_brought_back() {
    let now = at(NOW);
    let stage = Stage::new(World::new().with(guests(lecture("old==", now, 5 * DAY), 3))).await;
    stage.run().await;
    stage.store.prune(Some(now.minus(3 * DAY)), now).await.unwrap();
    let mut request = stage.request();
    (request.trigger, request.ignore_backoff, request.meetings) = (Trigger::Backfill, true, Vec::new());
    request.window = Some(Window { from: now.minus(DAY), to: now });
    request.selection.instances = vec![uuid("old==")];
    let (summary, warnings) = stage.run_with(&request).await;
    assert_eq!((summary.instances_fetched, warnings.len()), (0, 1), "{warnings:?}");
    assert!(warnings[0].contains("--force"), "{warnings:?}");
    request.selection.force = true;
    assert_eq!(stage.run_with(&request).await.0.counts.inserted, 3);
}

#[tokio::test]
async fn pruned_instances_are_not_discovered_again() {
    let world = World::new()
        .with(guests(lecture("Old", at(NOW), 6 * DAY), 3))
        .with(guests(lecture("New", at(NOW), 2 * HOUR), 3));
    let stage = Stage::new(world).await;
    assert_eq!(stage.run().await.instances_fetched, 2);
    let now = stage.clock.now();
    let pruned = stage.store.prune(Some(now.minus(3 * DAY)), now).await.unwrap();
    assert_eq!((pruned.instances, pruned.sessions), (1, 3));
    let summary = stage.run_after(DAY).await;
    assert_eq!(summary.instances_fetched, 1);
    assert_eq!(stage.rows("SELECT instance_uuid FROM meetings_held").await, ["New"]);
    assert_eq!(stage.rows("SELECT uuid FROM tombstones").await, ["Old"]);
}

#[tokio::test]
async fn the_commands_do_what_they_say() {
    let zoom = Simulator::start(rollcall::simulator::Options::default(), {
        let now = rollcall::clock::Clock::system().now();
        let of = lecture("First", now, 2 * HOUR);
        let session =
            Session::new(FIRST_USER_ID + 30 * USER_ID_STEP, "Marker Mustermann", of.start, of.end.unwrap());
        World::new().with(guests(of, 2).with_session(session))
    })
    .await
    .unwrap();
    let desk = Desk::at_simulator(&zoom, "meetings = [85746065432]\n[privacy]\ndrop = []");
    assert_eq!(desk.run(&["collect"]).await.status, Some(0));

    let backup = desk.run(&["db", "backup", "copy.db"]).await;
    assert_eq!(backup.status, Some(0), "{backup:?}");
    assert_eq!(rows(&open(&desk.path("copy.db")).await, "SELECT count(*) FROM attendance").await, ["3"]);
    let again = desk.run(&["db", "backup", "copy.db"]).await;
    assert!(again.status == Some(2) && again.stderr.contains("is there already"), "{again:?}");

    let pruned = desk.run(&["db", "prune"]).await;
    assert!(pruned.status == Some(2) && pruned.stderr.contains("--keep"), "{pruned:?}");
    let pruned = desk.run(&["db", "prune", "--keep", "3d"]).await;
    assert!(pruned.status == Some(2) && pruned.stderr.contains("at least"), "{pruned:?}");
    let pruned = desk.run(&["db", "prune", "--keep", "730d"]).await;
    assert!(pruned.status == Some(0) && pruned.stdout.starts_with("Pruned 0 instances"), "{pruned:?}");

    let unsure = desk.run(&["db", "forget", "guest"]).await;
    assert!(unsure.status == Some(2) && unsure.stderr.contains("means 2 people"), "{unsure:?}");
    let asked = desk.run(&["db", "forget", "mustermann"]).await;
    assert!(asked.status == Some(2) && asked.stderr.contains("--yes"), "{asked:?}");
    let lock = rollcall::store::RunLock::try_acquire(&desk.path("rollcall.db")).unwrap().unwrap();
    for command in [
        &["db", "forget", "mustermann", "--yes"][..],
        &["db", "apply-privacy"],
        &["db", "prune", "--keep", "99d"],
    ] {
        assert_eq!(desk.run(command).await.status, Some(75), "{command:?}");
    }
    // A backup waits for nobody.
    assert_eq!(desk.run(&["db", "backup", "during.db"]).await.status, Some(0));
    drop(lock);
    let done = desk.run(&["db", "forget", "mustermann", "--yes"]).await;
    assert!(
        done.status == Some(0) && done.stdout.contains("Backups and replicas are not covered"),
        "{done:?}"
    );
    assert_eq!(traces(&desk.database().await).await, Vec::<String>::new());
    let done = desk.run(&["db", "apply-privacy"]).await;
    assert!(done.status == Some(0) && done.stdout.contains("0 sessions"), "{done:?}");
}
