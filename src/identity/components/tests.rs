use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::identity::IdentifierKind;

fn session(instance: i64, zoom: &str, email: &str, uuid: &str, name: &str) -> Evidence {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut strong = Vec::new();
    strong.extend(some(zoom).map(|value| (IdentifierKind::ZoomUser, 0, value)));
    strong.extend(some(email).map(|value| (IdentifierKind::Email, 0, value)));
    let name = some(name).map(|name| (IdentifierKind::Name, 7, name));
    let instance_id = InstanceId::new(instance);
    Evidence { instance_id, strong, participant_uuid: some(uuid), name, ..Evidence::default() }
}

/// Numbers the sessions in the order in which they were begun.
fn numbered(sessions: impl IntoIterator<Item = Evidence>) -> Vec<Evidence> {
    (1..)
        .zip(sessions)
        .map(|(number, session)| Evidence { session_id: Some(number), join_at: Some(number), ..session })
        .collect()
}

fn zoom(value: &str) -> Anchor {
    Anchor::Identifier((IdentifierKind::ZoomUser, 0, value.to_owned()))
}

fn email(value: &str) -> Anchor {
    Anchor::Identifier((IdentifierKind::Email, 0, value.to_owned()))
}

fn name(value: &str) -> Anchor {
    Anchor::Identifier((IdentifierKind::Name, 7, value.to_owned()))
}

fn merge(left: Anchor, right: Anchor) -> Decision {
    Decision { verdict: DecisionKind::Merge, left, right }
}

fn split(left: Anchor, right: Anchor) -> Decision {
    Decision { verdict: DecisionKind::Split, left, right }
}

fn groups(sessions: &[Evidence], decisions: &[Decision]) -> Vec<Vec<usize>> {
    components(sessions, decisions).into_iter().map(|component| component.members).collect()
}

#[test]
fn a_chain_of_strong_identifiers_is_one_person() {
    let sessions = [
        session(1, "z", "", "", "Ada"),
        session(2, "z", "ada@example.com", "", "A. L."),
        session(3, "", "ada@example.com", "", ""),
        session(3, "", "bob@example.com", "", "Ada"),
    ];
    assert_eq!(groups(&sessions, &[]), [vec![0, 1, 2], vec![3]]);
}

#[test]
fn a_participant_passes_identifiers_within_its_instance_only() {
    let sessions =
        [session(1, "z", "", "p", "Ada"), session(1, "", "", "p", "Ada"), session(2, "", "", "p", "Ada")];
    assert_eq!(groups(&sessions, &[]), [vec![0, 1], vec![2]]);
}

#[test]
fn a_name_joins_guests_and_never_a_guest_to_someone_strong() {
    let sessions = [
        session(1, "", "", "", "Sam"),
        session(2, "", "", "", "Sam"),
        session(2, "z", "", "", "Sam"),
        session(2, "", "", "", ""),
        session(2, "", "", "", ""),
    ];
    assert_eq!(groups(&sessions, &[]), [vec![0, 1], vec![2], vec![3], vec![4]]);
    let found = components(&sessions, &[]);
    assert!(found[0].is_guest && !found[1].is_guest);
    assert!(found[1].identifiers.iter().all(|(kind, _, _)| *kind != IdentifierKind::Name));
}

#[test]
fn a_merged_guest_keeps_the_name_for_later_guests() {
    let sessions = numbered([
        session(1, "", "", "", "sam"),
        session(1, "z", "", "", "Samuel"),
        session(2, "", "", "", "sam"),
        session(2, "y", "", "", "sam"),
    ]);
    let decisions = [merge(name("sam"), zoom("z"))];
    assert_eq!(groups(&sessions, &decisions), [vec![0, 1, 2], vec![3]]);
    let found = components(&sessions, &decisions);
    assert!(!found[0].is_guest);
    assert!(found[0].identifiers.contains(&&(IdentifierKind::Name, 7, "sam".to_owned())));
    assert!(!found[1].identifiers.contains(&&(IdentifierKind::Name, 7, "sam".to_owned())));
}

#[test]
fn a_merge_rests_while_nobody_leads_to_one_of_its_sides() {
    let sessions = numbered([session(1, "z", "", "", "sam")]);
    let found = components(&sessions, &[merge(name("sam"), zoom("z"))]);
    assert!(
        !found[0].identifiers.contains(&&(IdentifierKind::Name, 7, "sam".to_owned())),
        "no guest has that name"
    );
}

#[test]
fn a_split_parts_a_chain_and_what_both_carry_stays_with_the_oldest() {
    // One account that two people use, each with an address of their own.
    let sessions = numbered([
        session(1, "shared", "ada@example.com", "", ""),
        session(1, "shared", "bob@example.com", "", ""),
        session(2, "", "bob@example.com", "", ""),
        session(2, "", "ada@example.com", "", ""),
        session(3, "shared", "", "", ""),
    ]);
    assert_eq!(groups(&sessions, &[]).len(), 1);
    let decisions = [split(email("ada@example.com"), email("bob@example.com"))];
    // The account is stronger than the addresses, and so both sessions that carry it stay with it.
    assert_eq!(groups(&sessions, &decisions), [vec![0, 1, 3, 4], vec![2]]);
    let decisions = [split(Anchor::Session(1), Anchor::Session(2))];
    assert_eq!(groups(&sessions, &decisions), [vec![0, 3, 4], vec![1, 2]]);
    let found = components(&sessions, &decisions);
    assert!(found[0].identifiers.contains(&&(IdentifierKind::ZoomUser, 0, "shared".to_owned())));
}

#[test]
fn a_session_that_is_split_off_its_only_identifier_stands_alone() {
    let sessions = numbered([
        session(1, "z", "", "", "Ada"),
        session(2, "z", "", "", "Bob"),
        session(3, "z", "", "", "Ada"),
        session(3, "", "", "", "Bob"),
    ]);
    let decisions = [split(Anchor::Session(2), zoom("z"))];
    // It still carries an account, so it is no guest, and no guest's name leads to it.
    assert_eq!(groups(&sessions, &decisions), [vec![0, 2], vec![1], vec![3]]);
}

#[test]
fn a_split_holds_against_a_merge_and_a_chain_around_it() {
    let sessions =
        numbered([session(1, "a", "", "", ""), session(1, "b", "", "", ""), session(1, "c", "", "", "")]);
    let decisions = [merge(zoom("a"), zoom("b")), merge(zoom("b"), zoom("c")), split(zoom("a"), zoom("c"))];
    assert_eq!(groups(&sessions, &decisions), [vec![0, 1], vec![2]]);
}

/// The sets as texts, whatever their order.
fn described(
    sessions: &[Evidence],
    decisions: &[Decision],
) -> BTreeSet<(BTreeSet<String>, BTreeSet<Identifier>)> {
    components(sessions, decisions)
        .into_iter()
        .map(|component| {
            let members = component.members.iter().map(|at| format!("{:?}", sessions[*at])).collect();
            (members, component.identifiers.into_iter().cloned().collect())
        })
        .collect()
}

fn any_sessions() -> impl Strategy<Value = Vec<Evidence>> {
    let one = (0..3_i64, "[xyz]?", "[ab]?", "[pq]?", "[nm]?")
        .prop_map(|(instance, zoom, email, uuid, name)| session(instance, &zoom, &email, &uuid, &name));
    prop::collection::vec(one, 0..14).prop_map(numbered)
}

fn any_anchor() -> impl Strategy<Value = Anchor> {
    prop_oneof![
        "[xyz]".prop_map(|value| zoom(&value)),
        "[ab]".prop_map(|value| email(&value)),
        "[nm]".prop_map(|value| name(&value)),
        (1..15_i64).prop_map(Anchor::Session),
    ]
}

fn any_decision() -> impl Strategy<Value = Decision> {
    (any::<bool>(), any_anchor(), any_anchor())
        .prop_map(|(is_merge, left, right)| if is_merge { merge(left, right) } else { split(left, right) })
}

/// The components that an anchor leads to: of one whose identifier no session could take, none.
fn held(sessions: &[Evidence], found: &[Component<'_>], anchor: &Anchor) -> Option<usize> {
    found.iter().position(|component| match anchor {
        Anchor::Identifier(identifier) => component.identifiers.contains(&identifier),
        Anchor::Session(number) => {
            component.members.iter().any(|at| sessions[*at].session_id == Some(*number))
        }
    })
}

proptest! {
    #[test]
    fn the_order_of_sessions_is_without_effect(
        mut sessions in any_sessions(),
        decisions in prop::collection::vec(any_decision(), 0..4),
        seed in any::<u64>(),
    ) {
        let before = described(&sessions, &decisions);
        fastrand::Rng::with_seed(seed).shuffle(&mut sessions);
        prop_assert_eq!(before, described(&sessions, &decisions));
    }

    #[test]
    fn what_joins_two_people_joins_no_more_than_those(
        sessions in any_sessions(),
        left in any_anchor(),
        right in any_anchor(),
    ) {
        let before = components(&sessions, &[]);
        let after = components(&sessions, &[merge(left.clone(), right.clone())]);
        let sides = (held(&sessions, &before, &left), held(&sessions, &before, &right));
        let joined = matches!(sides, (Some(left), Some(right)) if left != right);
        prop_assert_eq!(after.len(), before.len() - usize::from(joined));
        if let (Some(_), Some(_)) = sides {
            prop_assert_eq!(held(&sessions, &after, &left), held(&sessions, &after, &right));
        }
    }

    #[test]
    fn a_split_pair_is_never_one(
        sessions in any_sessions(),
        decisions in prop::collection::vec(any_decision(), 1..5),
    ) {
        let found = components(&sessions, &decisions);
        for decision in decisions.iter().filter(|decision| decision.verdict == DecisionKind::Split && decision.left != decision.right) {
            let sides = (held(&sessions, &found, &decision.left), held(&sessions, &found, &decision.right));
            prop_assert!(sides.0.is_none() || sides.0 != sides.1, "{decision:?} in {found:?}");
        }
        let members: usize = found.iter().map(|component| component.members.len()).sum();
        prop_assert_eq!(members, sessions.len());
    }

    /// Without names: whoever is split off everyone strong is a guest, whom a name may join to others.
    #[test]
    fn a_split_only_parts(mut sessions in any_sessions(), left in any_anchor(), right in any_anchor()) {
        for session in &mut sessions {
            session.name = None;
        }
        let whole = groups(&sessions, &[]);
        for part in groups(&sessions, &[split(left, right)]) {
            prop_assert!(whole.iter().any(|group| part.iter().all(|at| group.contains(at))));
        }
    }
}

/// Every person is a chain: each session shares one identifier with the next one.
#[test]
fn a_hundred_thousand_people_with_chains_of_identifiers_are_found_in_any_order() {
    const PEOPLE: usize = 100_000;
    const LINKS: usize = 2;
    let mut sessions = Vec::with_capacity(PEOPLE * LINKS);
    for person in 0..PEOPLE {
        for link in 0..LINKS {
            let identifier = |number: usize| {
                let kind =
                    if number.is_multiple_of(2) { IdentifierKind::ZoomUser } else { IdentifierKind::Email };
                (kind, 0, format!("{person}-{number}"))
            };
            let number = i64::try_from(sessions.len()).unwrap();
            sessions.push(Evidence {
                session_id: Some(number),
                join_at: Some(number),
                strong: vec![identifier(link), identifier(link + 1)],
                ..Evidence::default()
            });
        }
    }
    let apart = [split(zoom("7-0"), zoom("7-2")), merge(zoom("8-0"), zoom("9-2"))];
    let sets = |sessions: &[Evidence]| -> BTreeSet<BTreeSet<i64>> {
        let number = |at: &usize| sessions[*at].session_id.unwrap();
        components(sessions, &apart)
            .iter()
            .map(|component| component.members.iter().map(number).collect())
            .collect()
    };
    let one_way = sets(&sessions);
    assert_eq!(one_way.len(), PEOPLE, "one is parted, two are merged");
    assert!(
        one_way.iter().filter(|members| members.len() == LINKS).count() == PEOPLE - 3,
        "all others are whole"
    );
    fastrand::Rng::with_seed(7).shuffle(&mut sessions);
    assert!(one_way == sets(&sessions), "another order, other people");
}

/// One chain through everyone: the worst that a search for sets can meet.
#[test]
fn a_chain_through_a_hundred_thousand_sessions_is_one_person() {
    let mut sessions: Vec<Evidence> = (0..100_000)
        .map(|at| Evidence {
            strong: vec![
                (IdentifierKind::Email, 0, at.to_string()),
                (IdentifierKind::Email, 0, (at + 1).to_string()),
            ],
            ..Evidence::default()
        })
        .collect();
    assert_eq!(components(&sessions, &[]).len(), 1);
    sessions.reverse();
    assert_eq!(components(&sessions, &[]).len(), 1);
}
