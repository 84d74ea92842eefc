//! What happens to the people of a sized world, for `benches/compare-builds`: all that makes two rows one person, or
//! one person two.

use std::time::Duration;

use rollcall::model::{Timestamp, parse_instant};
use rollcall::simulator::{FIRST_USER_ID, Instance, Session, USER_ID_STEP, World};
use serde_json::json;

/// Renames, second joins, second devices, the waiting room, breakout rooms, guests of one name, registrants, emails in
/// capitals, rows without an email, without an end, twice, and rows that are none.
pub fn happen(world: &mut World, seed: u64) {
    each_instance(world, seed, |instance, dice| {
        let mut rows = Vec::new();
        for session in std::mem::take(&mut instance.sessions) {
            let number =
                FIRST_USER_ID + 500_000 * USER_ID_STEP + u64::try_from(rows.len()).unwrap_or_default();
            let name = text(&session, "user_name");
            match dice.u8(..16) {
                0 => rows.push(session.with("user_name", format!("{name} (she/her)"))),
                1 => rows.extend([again(&session, number, 700), session]),
                2 => rows.extend([
                    session.clone(),
                    again(&session, number, 5).with("device", "iOS").with("user_name", "iPhone"),
                ]),
                3 => {
                    let waiting = session.clone().waiting().with("user_id", number.to_string());
                    rows.extend([waiting, moved(session, "join_time", 20)]);
                }
                4 => rows.extend([session.clone(), again(&session, number, 30).breakout("room one")]),
                5 => rows.push(session.signed_in("", "").with("user_name", "guest")),
                6 => rows.push(session.signed_in("", "").with("user_name", "").with("registrant_id", "")),
                7 => {
                    let email = text(&session, "email").to_uppercase();
                    rows.push(session.with("email", email));
                }
                8 => rows.push(session.with("email", "")),
                9 => rows.push(session.without("leave_time")),
                10 => rows.extend([session.clone(), session]),
                11 => rows.push(session.with("registrant_id", format!("registrant of {name}"))),
                12 => rows
                    .push(session.with("id", "").with("participant_user_id", "").with("customer_key", name)),
                _ => rows.push(session),
            }
        }
        if dice.u8(..4) == 0 {
            rows.push(Session::from_json(json!({ "user_id": "no join" })));
            rows.push(Session::from_json(json!(7)));
        }
        instance.sessions = rows;
    });
}

/// Some rows are no longer there, some are new, some tell another end, name or machine.
pub fn change(world: &mut World, seed: u64) {
    each_instance(world, seed, |instance, dice| {
        let lost = if dice.u8(..5) == 0 { 2 } else { 30 };
        instance.sessions.retain(|_| dice.u8(..lost) != 0);
        for row in &mut instance.sessions {
            if row.get("join_time").is_none() {
                continue;
            }
            match dice.u8(..20) {
                0 => *row = moved(row.clone(), "leave_time", 61),
                1 => row.set("user_name", "Another Name"),
                2 => row.set("ip_address", "203.0.113.7"),
                3 => row.set("email", "another@example.com"),
                _ => {}
            }
        }
        let late =
            instance.sessions.iter().find(|row| row.get("leave_time").is_some()).map(|row| again(row, 7, 90));
        instance.sessions.extend(late);
    });
}

/// One row alters, which a comparison must find: somebody's `leave_time`, or the `user_name` of somebody who has
/// nothing else.
pub fn spoil(world: &mut World, field: &str) {
    let mut instances: Vec<Instance> = world.instances().cloned().collect();
    let mut rows = instances.iter_mut().flat_map(|instance| &mut instance.sessions);
    let blank = |row: &Session, field| text(row, field).is_empty();
    if field == "leave_time" {
        if let Some(row) = rows.find(|row| !blank(row, "join_time") && !blank(row, "leave_time")) {
            *row = moved(row.clone(), field, 1);
        }
    } else if let Some(row) =
        rows.find(|row| !blank(row, "user_name") && blank(row, "email") && blank(row, "id"))
    {
        row.set(field, "Somebody Else");
    }
    for instance in instances {
        world.add_instance(instance);
    }
}

fn each_instance(world: &mut World, seed: u64, mut happens: impl FnMut(&mut Instance, &mut fastrand::Rng)) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let uuids: Vec<_> = world.instances().map(|instance| instance.uuid.clone()).collect();
    for uuid in uuids {
        if let Some(instance) = world.instance_mut(&uuid) {
            happens(instance, &mut dice);
        }
    }
}

fn text(session: &Session, field: &str) -> String {
    session.get(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The same person again, under another number, so many seconds later.
fn again(session: &Session, user_id: u64, seconds: u64) -> Session {
    let later = moved(moved(session.clone(), "join_time", seconds), "leave_time", seconds);
    later.with("user_id", user_id.to_string())
}

fn moved(session: Session, field: &str, seconds: u64) -> Session {
    let moved: Option<Timestamp> = parse_instant(&text(&session, field));
    match moved {
        Some(at) => session.with(field, at.plus(Duration::from_secs(seconds)).to_string()),
        None => session,
    }
}
