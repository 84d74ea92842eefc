//! Promises of privacy, kept to the letter: a dropped field, a forgotten person or a secret is in no byte of file, log
//! or output, whatever Zoom tells again and from wherever.

use std::time::Duration;

use rollcall::decode::Dropped;
use rollcall::model::Timestamp;
use rollcall::roster::Member;
use rollcall::simulator::{FIRST_USER_ID, Host, Instance, Options, Session, Simulator, USER_ID_STEP, World};
use serde_json::json;

use crate::file_errors::SmallDisk;
use crate::harness::{
    DAY, Desk, HOUR, MEETING, MINUTE, NEW_BY_SOURCE, NOW, Stage, at, guests, lecture, meeting, rows,
    store_settings, uuid,
};
use crate::keeping::{forget, traces};

/// Everything in it that is of a person holds the word "marker", and much of that in words of others.
fn telling(name: &str, now: Timestamp, ended_ago: Duration) -> Instance {
    let of = guests(lecture(name, now, ended_ago), 2);
    let session = |number: u64, name: &str| {
        Session::new(FIRST_USER_ID + number * USER_ID_STEP, name, of.start.plus(MINUTE), of.end.unwrap())
    };
    let known = session(10, "Marker Mustermann").with_all(json!({
        "leave_reason": "Marker Mustermann left the meeting.<br>Reason: Removed by Marker Host.",
        "device_name": "Marker Mustermann's phone", "pc_name": "MARKER MUSTERMANN-PC",
        "email": "marker@example.com", "of_next_year": { "deep": ["Marker Deep"] },
        "note": "seen: Marker Deep with marker@example.com",
    }));
    let other = session(11, "Guest 0011").with("leave_reason", "Removed by Marker Mustermann.");
    let renamed = session(12, "Marker Now").with("leave_reason", "Marker Before left the meeting.");
    let host = Host {
        id: "hostZoomId".to_owned(),
        name: "Marker Host".to_owned(),
        email: "host.marker@example.com".to_owned(),
        department: String::new(),
    };
    let mut of = of.clone().with_host(host);
    "Marker Host's Zoom Meeting".clone_into(&mut of.topic);
    of.with_sessions([known, other, renamed])
        .with_session(Session::from_json(json!("Marker Mustermann")))
        .with_session(Session::from_json(json!(["seen beside marker@example.com", 7])))
        .with_session(Session::from_json(json!([{ "user_name": "Marker Nested", "os": "Linux" }])))
}

const DROPPED: [&str; 4] = ["user_name", "email", "host_name", "of_next_year"];

fn dropped() -> Dropped {
    Dropped::new(DROPPED.map(str::to_owned))
}

const MINUTES: &str = "SELECT instance_uuid, sum(seconds_present) FROM attendance GROUP BY 1 ORDER BY 1";

#[tokio::test]
async fn what_is_dropped_never_reaches_the_file_from_any_source() {
    let mut stage = Stage::new(World::new().with(telling("First", at(NOW), 2 * HOUR))).await;
    stage.settings.dropped = dropped();
    stage.run().await;
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
    assert_eq!(stage.row("SELECT count(*) FROM participants").await, "5");
    assert_eq!(
        stage.row("SELECT topic, host_name, host_email FROM meetings_held").await,
        "(left out)'s Zoom Meeting||"
    );
    assert_eq!(
        stage
            .row("SELECT count(*) FROM participants WHERE leave_reason LIKE '(left out) left the meeting.%'")
            .await,
        "2"
    );
    for (name, source) in NEW_BY_SOURCE {
        stage.zoom.world(|world| world.add_instance(telling(name, at(NOW), 30 * MINUTE)));
        stage.clock.set(stage.clock.now().plus(HOUR));
        stage.reread_from(source).await;
        assert_eq!(traces(&stage.store).await, Vec::<String>::new(), "after {source}");
    }
    // And while it is on.
    let mut now_on = telling("Live", at(NOW), HOUR);
    let now = stage.clock.now();
    (now_on.start, now_on.end) = (now.minus(HOUR), None);
    for session in &mut now_on.sessions {
        session.set_leave(None);
    }
    stage.zoom.world(|world| world.add_instance(now_on));
    stage.settings.source = None;
    stage.settings.include_live = true;
    stage.run_after(MINUTE).await;
    assert_eq!(stage.row("SELECT count(*) > 0 FROM participants WHERE instance_uuid = 'Live'").await, "1");
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_stored_already_is_made_what_it_would_have_been() {
    let stage = Stage::new(World::new().with(telling("First", at(NOW), 2 * HOUR))).await;
    stage.run().await;
    assert!(traces(&stage.store).await.len() > 8, "everything is there before");
    let before = stage.rows(MINUTES).await;
    let stored =
        "SELECT user_id, leave_reason, device_name, pc_name, extra, topic FROM participants ORDER BY user_id";
    let cleansed = stage.store.apply_privacy(&dropped()).await.unwrap();
    assert_eq!((cleansed.rejects, cleansed.instances), (3, 1));
    assert_eq!(traces(&stage.store).await, Vec::<String>::new());
    assert_eq!(stage.rows(MINUTES).await, before);
    let mut fresh = Stage::new(World::new().with(telling("First", at(NOW), 2 * HOUR))).await;
    fresh.settings.dropped = dropped();
    fresh.run().await;
    assert_eq!(stage.rows(stored).await, fresh.rows(stored).await);
    let again = stage.store.apply_privacy(&dropped()).await.unwrap();
    assert_eq!((again.sessions, again.rejects, again.instances), (0, 0, 0));
}

fn member(name: &str, email: Option<&str>) -> Member {
    Member { name: Some(name.to_owned()), email: email.map(str::to_owned), ..Member::default() }
}

/// Two who are called the same: one with an email, who is forgotten, and others who may be the same or not.
#[tokio::test]
async fn who_may_be_another_is_told_of_and_kept() {
    let mut first = lecture("First", at(NOW), 2 * HOUR);
    first.topic = "Marker Mustermann's seminar".to_owned();
    let session = |of: &Instance, number: u64, name: &str| {
        Session::new(FIRST_USER_ID + number * USER_ID_STEP, name, of.start.plus(MINUTE), of.end.unwrap())
    };
    let known = session(&first, 10, "Marker Mustermann").signed_in("MarkerZoomId", "marker@example.com");
    let alias = session(&first, 12, "marker mustermann (phone)");
    let other = session(&first, 13, "Eve").with_all(
        json!({ "leave_reason": "Removed by Marker Mustermann.", "pc_name": "Marker Mustermann's PC" }),
    );
    let longer = session(&first, 14, "Marker Mustermannsson");
    let second = lecture("Second", at(NOW), 4 * HOUR);
    let guest = session(&second, 11, "Marker Mustermann");
    let third = lecture("Third", at(NOW), 6 * HOUR);
    let gone = session(&third, 11, "Marker Mustermann").signed_in("AnotherZoomId", "another@example.org");
    let world = World::new()
        .with(guests(first, 2).with_sessions([known, alias, other, longer]))
        .with(guests(second, 2).with_session(guest))
        .with(guests(third, 2).with_session(gone));
    let stage = Stage::new(world).await;
    stage.run().await;
    let roster = [member("Marker Mustermann", Some("m.other@example.org")), member("Guest 0000", None)];
    stage.store.apply_roster(meeting(MEETING), &roster, Some(1), stage.clock.now()).await.unwrap();

    // Of somebody called the same, of whom no session counts any more.
    stage.zoom.world(|world| {
        let sessions = &mut world.instance_mut(&uuid("Third")).unwrap().sessions;
        sessions.retain(|session| session.get("user_name") != Some("Marker Mustermann".into()));
    });
    stage.run_after(DAY).await;
    let withdrawn = "SELECT count(*) FROM participants WHERE withdrawn_at IS NOT NULL AND person_id IS NULL";
    assert_eq!(stage.row(withdrawn).await, "1");

    let forgotten = forget(&stage, "marker@example.com").await;
    assert_eq!((forgotten.sessions, forgotten.members), (1, 0));
    let told: Vec<(&str, u64, usize)> = forgotten
        .elsewhere
        .iter()
        .map(|mention| (mention.place.as_str(), mention.count, mention.numbers.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("sessions of others, by their name", 3, 2),
            ("leave reasons and phone addresses of others", 1, 1),
            ("names of devices and computers of others", 1, 1),
            ("topics and labels", 1, 1),
            ("lines of rosters", 1, 1),
        ]
    );
    // Whoever they are, they can be forgotten one by one.
    let guests = forgotten.elsewhere[0].numbers.clone();
    for person_id in guests {
        forget(&stage, &person_id.to_string()).await;
    }
    let rest = forget(&stage, "m.other@example.org").await;
    assert_eq!((rest.sessions, rest.members), (0, 1));
    assert_eq!(stage.rows("SELECT name FROM roster_members").await, ["Guest 0000"]);
    stage.store.apply_roster(meeting(MEETING), &roster, Some(2), stage.clock.now()).await.unwrap();
    assert_eq!(stage.rows("SELECT name FROM roster_members").await, ["Guest 0000"]);
}

#[tokio::test]
async fn one_of_many_who_use_an_email_is_forgotten_alone() {
    let stage = Stage::new(World::new().with(guests(lecture("First", at(NOW), 2 * HOUR), 2))).await;
    let mut settings = store_settings();
    settings.shared = vec!["class@example.org".to_owned()];
    stage.store.apply_settings(&settings).await.unwrap();
    stage.run().await;
    let roster = [
        member("Marker M.", Some("class@example.org")),
        member("Ada", Some("class@example.org")),
        member("Guest 0000", Some("class@example.org")),
    ];
    let names = "SELECT name FROM roster_members ORDER BY name";
    for digest in [1, 2] {
        stage.store.apply_roster(meeting(MEETING), &roster, Some(digest), stage.clock.now()).await.unwrap();
        if digest == 1 {
            assert_eq!(stage.store.meant_by("class@example.org").await.unwrap().len(), 2);
            assert_eq!(forget(&stage, "marker").await.members, 1);
        }
        assert_eq!(stage.rows(names).await, ["Ada", "Guest 0000"]);
    }
}

/// A simulated Zoom on this machine's time.
async fn simulator(world: impl FnOnce(Timestamp) -> World) -> Simulator {
    let now = rollcall::clock::Clock::system().now();
    Simulator::start(Options::default(), world(now)).await.unwrap()
}

#[tokio::test]
async fn all_that_is_held_is_shown_and_then_forgotten_by_the_same_words() {
    let zoom = simulator(|now| {
        let of = lecture("First", now, 2 * HOUR);
        let known = FIRST_USER_ID + 30 * USER_ID_STEP;
        let known = Session::new(known, "Marker Mustermann", of.start, of.end.unwrap()).signed_in("MarkerZoomId", "marker@example.com").with_all(json!({
            "pc_name": "marker-pc", "ip_address": "203.0.113.9", "mac_addr": "marker-mac", "leave_reason": "marker left",
            "note": "marker note",
        }));
        let first = guests(of.clone(), 2)
            .with_session(known)
            .with_session(Session::from_json(json!(["marker@example.com was here"])));
        let second = lecture("Second", now, 5 * HOUR);
        let namesake = FIRST_USER_ID + 31 * USER_ID_STEP;
        let namesake = Session::new(namesake, "Marker Mustermann", second.start, second.end.unwrap());
        World::new().with(first).with(guests(second, 2).with_session(namesake))
    })
    .await;
    let desk = Desk::at_simulator(&zoom, "meetings = [{ id = 85746065432, roster = \"roster.csv\" }]");
    desk.write(
        "roster.csv",
        "name,email,group\nMarker M.,marker@example.com,1a\nAda Absent,absent.marker@example.com,1a\n",
    );
    assert_eq!(desk.run(&["collect"]).await.status, Some(0));

    let shown = desk.run(&["people", "show", "marker@example.com"]).await;
    assert_eq!(shown.status, Some(0), "{shown:?}");
    for part in [
        "Marker Mustermann",
        "MarkerZoomId",
        "marker-pc",
        "203.0.113.9",
        "marker-mac",
        "marker left",
        "Marker M.",
        "1a",
        "was here",
        "sessions of others, by their name",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let json = desk.run(&["people", "show", "MarkerZoomId", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(json["sessions"][0]["extra"], r#"{"note":"marker note"}"#);
    assert_eq!(json["machines"][0]["mac_addr"], "marker-mac");
    assert_eq!(json["networks"][0]["ip_address"], "203.0.113.9");
    assert_eq!(json["rosters"][0]["email"], "marker@example.com");
    assert_eq!(json["rejects"][0]["content"], r#"["marker@example.com was here"]"#);
    assert_eq!(json["elsewhere"][0]["count"], 1);

    // Two are called so; an id tells which is meant. A member who never came is one of them as well.
    let several = desk.run(&["people", "show", "mar"]).await;
    assert!(several.status == Some(2) && several.stderr.contains("means 2 people"), "{several:?}");
    let absent = desk.run(&["people", "show", "ada absent"]).await;
    assert!(absent.stdout.contains("absent.marker@example.com"), "{absent:?}");
    let gone = desk.run(&["db", "forget", "absent.marker@example.com", "--yes"]).await;
    assert!(gone.status == Some(0) && gone.stdout.contains("1 lines of rosters"), "{gone:?}");
    assert!(gone.stdout.contains("Nothing of the names"), "{gone:?}");

    let gone = desk.run(&["db", "forget", "marker@example.com", "--yes"]).await;
    assert_eq!(gone.status, Some(0), "{gone:?}");
    assert!(!gone.stdout.contains("Nothing of the names"), "{gone:?}");
    assert!(gone.stdout.contains("sessions of others, by their name: 1 (people "), "{gone:?}");
    let gone = desk.run(&["db", "forget", "mustermann", "--yes"]).await;
    assert!(gone.status == Some(0) && gone.stdout.contains("Nothing of the names"), "{gone:?}");
    assert_eq!(traces(&desk.database().await).await, Vec::<String>::new());
    // Nor in what the program says of itself, over a new reading, nor in what it reports.
    desk.write("roster.csv", "name,email,group\nGuest 0001,,1a\n");
    let said = everything_said(&desk).await;
    assert!(said.contains("Guest 0001") && !said.to_lowercase().contains("marker"), "{said}");
    assert_eq!(traces(&desk.database().await).await, Vec::<String>::new());
}

/// Reads everything again, and answers with all that this and the reports say.
async fn everything_said(desk: &Desk) -> String {
    let mut said = String::new();
    for arguments in [
        &["backfill", "--from", "2020-01-01", "--force", "-vvvv"][..],
        &["report", "attendance", "--from", "2020-01-01", "--format", "json"],
        &["report", "meetings", "--format", "json"],
        &["report", "absences", "--format", "json"],
        &["people", "list", "--format", "json"],
        &["status", "-vvvv"],
        &["check", "-vvvv"],
    ] {
        let finished = desk.run(arguments).await;
        said += &finished.stdout;
        said += &finished.stderr;
    }
    said
}

#[tokio::test]
async fn what_is_dropped_is_in_no_output() {
    let zoom = simulator(|now| World::new().with(telling("First", now, 2 * HOUR))).await;
    let names = DROPPED.map(|name| format!("\"{name}\"")).join(", ");
    let desk = Desk::at_simulator(&zoom, "meetings = [85746065432]");
    let config = std::fs::read_to_string(desk.path("config.toml")).unwrap();
    desk.write("config.toml", &format!("{config}\n[privacy]\ndrop = [{names}]\n"));
    let said = everything_said(&desk).await;
    assert!(said.contains("`of_next_year`, which Zoom has not sent so far"), "{said}");
    assert!(said.contains("85746065432") && !said.to_lowercase().contains("marker"), "{said}");
    assert_eq!(traces(&desk.database().await).await, Vec::<String>::new());
    assert_eq!(rows(&desk.database().await, "SELECT count(*) FROM participants").await, ["5"]);
}

#[tokio::test]
async fn what_a_full_disk_interrupted_a_second_call_finishes() {
    let zoom = simulator(|now| {
        let of = lecture("First", now, 2 * HOUR);
        let session =
            Session::new(FIRST_USER_ID + 90 * USER_ID_STEP, "Marker Mustermann", of.start, of.end.unwrap());
        let large = guests(lecture("Large", now, 5 * HOUR), 6_000);
        World::new().with(guests(of, 2).with_session(session)).with(large)
    })
    .await;
    let desk = Desk::at_simulator(&zoom, "meetings = [85746065432]");
    let place = desk.path("disk");
    let Some(small) = SmallDisk::mount(&place, 64 * 1024) else { return };
    let database = place.join("rollcall.db");
    let arguments = |more: &[&str]| -> Vec<String> {
        ["--database", database.to_str().unwrap()].iter().chain(more).map(|text| (*text).to_owned()).collect()
    };
    let run = async |more: &[&str]| {
        let arguments = arguments(more);
        desk.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    assert_eq!(run(&["collect"]).await.status, Some(0));
    // Room for the erasure, and not for a second copy of the file.
    small.leave(600);
    let full = run(&["db", "forget", "mustermann", "--yes"]).await;
    assert!(full.status == Some(74) && full.stderr.contains("call the same command again"), "{full:?}");
    let other = run(&["db", "forget", "somebody else", "--yes"]).await;
    assert_eq!(other.status, Some(2), "{other:?}");
    small.grow();
    let checked = run(&["check", "--offline"]).await;
    assert!(checked.stdout.contains("may still be found in the bytes"), "{checked:?}");
    let done = run(&["db", "forget", "mustermann"]).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(done.stdout.starts_with("Forgot the person: 1 sessions in 1 instances"), "{done:?}");
    assert_eq!(traces(&crate::harness::open(&database).await).await, Vec::<String>::new());
    let again = run(&["db", "forget", "mustermann", "--yes"]).await;
    assert!(again.status == Some(2) && again.stderr.contains("no person matches"), "{again:?}");
}

#[tokio::test]
async fn a_secret_that_zoom_repeats_is_neither_said_nor_stored() {
    const SECRET: &str = "SimulatedClientSecretThatOpensNothing";
    let zoom = simulator(|now| {
        let of = lecture("First", now, 2 * HOUR);
        let session = Session::new(FIRST_USER_ID + 30 * USER_ID_STEP, SECRET, of.start, of.end.unwrap());
        World::new()
            .with(guests(of, 2).with_session(session).with_session(Session::from_json(json!([SECRET]))))
    })
    .await;
    let desk = Desk::at_simulator(&zoom, "meetings = [85746065432]");
    let mut said = String::new();
    for arguments in [&["collect", "-vvvv"][..], &["report", "attendance", "--format", "json"], &["check"]] {
        let finished = desk.run(arguments).await;
        said += &finished.stdout;
        said += &finished.stderr;
    }
    assert!(said.contains("(left out)") && !said.contains(SECRET), "{said}");
    let stored = rows(&desk.database().await, "SELECT content FROM rejects").await;
    assert_eq!(stored, [r#"["(left out)"]"#]);
    let bytes = std::fs::read(desk.path("rollcall.db")).unwrap();
    assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
}
