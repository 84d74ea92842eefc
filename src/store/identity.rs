//! Who is who: which sessions belong to one person. Pure, and a function of the set of sessions alone.

use std::collections::{HashMap, HashSet};

/// How far a name that is all that is known of a guest reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestScope {
    Meeting,
    Instance,
}

impl GuestScope {
    pub(super) fn of(text: &str) -> Self {
        if text == "instance" { Self::Instance } else { Self::Meeting }
    }

    /// The scope of a guest's name in the table of identifiers: the meeting, or the instance as a negative number.
    pub(super) fn scope(self, meeting_id: i64, instance_id: i64) -> i64 {
        match self {
            Self::Meeting => meeting_id,
            Self::Instance => -instance_id,
        }
    }
}

/// What an identifier is, and where it joins. Ordered by strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    ZoomUser,
    Email,
    Registrant,
    Name,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ZoomUser => "zoom_user",
            Self::Email => "email",
            Self::Registrant => "registrant",
            Self::Name => "name",
        }
    }
}

/// One identifier: kind, scope (0 everywhere), normalized value.
pub(super) type Identifier = (Kind, i64, String);

/// What a session tells of whose it is; normalized, and without what many people share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub instance_id: i64,
    /// Identifiers that each join sessions by themselves.
    pub strong: Vec<Identifier>,
    /// Joins the rows of one instance, and makes nobody strong.
    pub participant_uuid: Option<String>,
    /// The guest's name within its scope; it joins only where nothing strong is known.
    pub name: Option<(i64, String)>,
}

/// A set of sessions that belong to one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    /// The numbers of the sessions.
    pub members: Vec<usize>,
    /// Whether only a name is known.
    pub is_guest: bool,
    /// What will join further sessions to it.
    pub identifiers: HashSet<Identifier>,
}

/// The people behind a set of sessions: through any chain of strong identifiers, then guests by exact name.
pub(super) fn components(sessions: &[Evidence]) -> Vec<Component> {
    let mut sets = DisjointSets::new(sessions.len());
    let mut by_strong: HashMap<&Identifier, usize> = HashMap::new();
    let mut by_participant: HashMap<(i64, &str), usize> = HashMap::new();
    for (at, session) in sessions.iter().enumerate() {
        for identifier in &session.strong {
            let first = *by_strong.entry(identifier).or_insert(at);
            sets.join(first, at);
        }
        if let Some(uuid) = &session.participant_uuid {
            let first = *by_participant.entry((session.instance_id, uuid)).or_insert(at);
            sets.join(first, at);
        }
    }
    let strong: HashSet<usize> =
        (0..sessions.len()).filter(|at| !sessions[*at].strong.is_empty()).map(|at| sets.root(at)).collect();
    let mut by_name: HashMap<&(i64, String), usize> = HashMap::new();
    for (at, session) in sessions.iter().enumerate() {
        if strong.contains(&sets.root(at)) {
            continue;
        }
        if let Some(name) = &session.name {
            let first = *by_name.entry(name).or_insert(at);
            sets.join(first, at);
        }
    }
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let mut found: Vec<Component> = Vec::new();
    for (at, session) in sessions.iter().enumerate() {
        let root = sets.root(at);
        let number = *numbers.entry(root).or_insert_with(|| {
            found.push(Component { is_guest: true, ..Component::default() });
            found.len() - 1
        });
        found[number].members.push(at);
        found[number].is_guest &= session.strong.is_empty();
    }
    for component in &mut found {
        for session in component.members.iter().map(|at| &sessions[*at]) {
            component.identifiers.extend(session.strong.iter().cloned());
            if let (true, Some((scope, name))) = (component.is_guest, &session.name) {
                component.identifiers.insert((Kind::Name, *scope, name.clone()));
            }
        }
    }
    found
}

struct DisjointSets(Vec<usize>);

impl DisjointSets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            // Halving the path keeps later look-ups short.
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.root(left), self.root(right));
        // The lower number stays the root, so the outcome does not depend on the order of joining.
        self.0[left.max(right)] = left.min(right);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session(instance_id: i64, zoom: &str, email: &str, uuid: &str, name: &str) -> Evidence {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut strong = Vec::new();
        strong.extend(some(zoom).map(|value| (Kind::ZoomUser, 0, value)));
        strong.extend(some(email).map(|value| (Kind::Email, 0, value)));
        Evidence { instance_id, strong, participant_uuid: some(uuid), name: some(name).map(|name| (7, name)) }
    }

    fn groups(sessions: &[Evidence]) -> Vec<Vec<usize>> {
        components(sessions).into_iter().map(|component| component.members).collect()
    }

    #[test]
    fn a_chain_of_strong_identifiers_is_one_person() {
        let sessions = [
            session(1, "z", "", "", "Ada"),
            session(2, "z", "ada@example.com", "", "A. L."),
            session(3, "", "ada@example.com", "", ""),
            session(3, "", "bob@example.com", "", "Ada"),
        ];
        assert_eq!(groups(&sessions), [vec![0, 1, 2], vec![3]]);
    }

    #[test]
    fn a_participant_passes_identifiers_within_its_instance_only() {
        let sessions =
            [session(1, "z", "", "p", "Ada"), session(1, "", "", "p", "Ada"), session(2, "", "", "p", "Ada")];
        assert_eq!(groups(&sessions), [vec![0, 1], vec![2]]);
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
        assert_eq!(groups(&sessions), [vec![0, 1], vec![2], vec![3], vec![4]]);
        let found = components(&sessions);
        assert!(found[0].is_guest && !found[1].is_guest);
        assert!(found[1].identifiers.iter().all(|(kind, _, _)| *kind != Kind::Name));
    }

    proptest! {
        #[test]
        fn the_order_of_sessions_is_without_effect(
            mut sessions in prop::collection::vec(
                (0..3_i64, "[xyz]?", "[ab]?", "[pq]?", "[nm]?")
                    .prop_map(|(instance, zoom, email, uuid, name)| session(instance, &zoom, &email, &uuid, &name)),
                0..12,
            ),
            seed in any::<u64>(),
        ) {
            let describe = |sessions: &[Evidence]| {
                let mut found: Vec<Vec<String>> = components(sessions).into_iter().map(|component| {
                    let mut members: Vec<_> =
                        component.members.iter().map(|at| format!("{:?}", sessions[*at])).collect();
                    members.sort();
                    members
                }).collect();
                found.sort();
                found
            };
            let before = describe(&sessions);
            fastrand::Rng::with_seed(seed).shuffle(&mut sessions);
            prop_assert_eq!(before, describe(&sessions));
        }
    }
}
