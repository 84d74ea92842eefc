use std::collections::BTreeSet;

use super::*;
use crate::simulator::courses::QUIET;

/// 2026-09-21T12:53:20Z, a Monday.
const NOW: Timestamp = Timestamp::from_millis(1_789_995_200_000);

fn sessions(world: &World) -> impl Iterator<Item = &Session> {
    world.instances().flat_map(|instance| &instance.sessions)
}

#[test]
fn a_term_is_the_same_for_one_seed() {
    let text = |seed| format!("{:?}", World::term(seed, NOW));
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn a_term_is_twelve_weeks_of_three_meetings() {
    let world = World::term(1, NOW);
    assert_eq!(world.meetings().len(), 3);
    assert_eq!(world.instances().count(), 3 * 12 + 1);
    for instance in world.instances() {
        assert!(instance.has_ended(NOW) && NOW.since(instance.start) < Duration::from_hours(24 * 92));
        let people: BTreeSet<_> = instance.sessions.iter().map(|row| row.text("user_name")).collect();
        assert!(instance.is_of_one() || (8..=32).contains(&people.len()), "{} people", people.len());
    }
    let alone: Vec<_> = world.instances().filter(|instance| instance.is_of_one()).collect();
    assert_eq!(alone.len(), 1);
}

#[test]
fn a_term_has_the_uuids_that_are_hard_to_encode() {
    let world = World::term(1, NOW);
    let some = |test: fn(&str) -> bool| world.instances().any(|instance| test(instance.uuid.as_str()));
    assert!(some(|uuid| uuid.starts_with('/')));
    assert!(some(|uuid| uuid.contains("//")));
    assert!(some(|uuid| uuid.contains('/') && !uuid.contains("//") && !uuid.starts_with('/')));
    assert!(some(|uuid| uuid.contains('+')));
    assert!(some(|uuid| !uuid.contains(['/', '+'])));
}

#[test]
fn a_term_has_one_of_everything_that_happens() {
    let world = World::term(1, NOW);
    let some = |test: fn(&Session) -> bool| sessions(&world).any(test);
    assert!(some(Session::is_waiting));
    assert!(some(|row| row.get("bo_mtg_id").is_some() && row.text("id").is_empty()));
    assert!(some(|row| row.get("bo_mtg_id").is_some() && !row.text("id").is_empty()));
    assert!(some(|row| row.text("email").is_empty() && row.text("device").is_empty()));
    assert!(some(|row| row.get("in_room_participants").is_some()));
    assert!(some(|row| row.text("device") == "Phone"));
    assert!(some(|row| row.get("registrant_id").is_some() && row.text("email").is_empty()));
    let overlap = world.instances().any(|instance| {
        let rows = &instance.sessions;
        rows.iter().any(|one| {
            rows.iter().any(|other| {
                !one.text("email").is_empty()
                    && one.text("email") == other.text("email")
                    && one.text("device") != other.text("device")
                    && one.join() < other.join()
                    && other.join() < one.leave()
            })
        })
    });
    assert!(overlap, "nobody is on two devices at once");
}

#[test]
fn one_registrant_is_one_person() {
    let world = World::term(1, NOW);
    let mut names = std::collections::BTreeMap::<String, BTreeSet<String>>::new();
    for row in sessions(&world) {
        assert!(row.text("device") != "Phone" || row.get("registrant_id").is_none());
        if row.get("registrant_id").is_some() && row.text("email").is_empty() {
            names.entry(row.text("registrant_id")).or_default().insert(row.text("user_name"));
        }
    }
    assert!(names.len() > 3 && names.values().all(|names| names.len() == 1), "{names:?}");
}

#[test]
fn a_host_who_drops_out_starts_a_second_instance_a_minute_later() {
    let world = World::term(1, NOW);
    let starts: Vec<_> = world.instances().map(|instance| instance.start).collect();
    let followed = world
        .instances()
        .filter(|instance| starts.contains(&instance.end.unwrap().plus(Duration::from_mins(1))))
        .count();
    assert_eq!(followed, 1);
}

#[test]
fn numbers_go_up_in_the_order_of_joining() {
    for instance in World::term(3, NOW).instances() {
        let mut expected = FIRST_USER_ID;
        for row in &instance.sessions {
            assert_eq!(row.text("user_id"), expected.to_string());
            assert!(row.join() <= row.leave());
            expected += USER_ID_STEP;
        }
        assert!(instance.sessions.is_sorted_by_key(Session::join));
    }
}

#[test]
fn any_now_makes_a_whole_term() {
    for day in 0..14 {
        let now = NOW.plus(Duration::from_hours(24 * day + day));
        let world = World::term(1, now);
        assert_eq!(world.instances().count(), 37);
        assert!(
            world
                .instances()
                .all(|instance| instance.has_ended(now.minus(QUIET.saturating_sub(Duration::from_mins(5)))))
        );
    }
}
