//! Whose the new rows of a listing are, as far as that joins and parts nobody.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::components::{Component, components};
use super::evidence::{Anchor, Evidence, Identifier, IdentifierKind, IdentityContext};

/// A session of the same instance that is stored, counts, and has a `participant_uuid`.
pub(crate) struct AssignedSession<'a> {
    pub participant_uuid: &'a str,
    pub person_id: i64,
}

/// What is known of people before the rows are.
pub(crate) struct KnownPeople<'k> {
    /// Who owns the identifiers of the rows, where somebody does.
    pub owners: &'k HashMap<&'k Identifier, i64>,
    /// The sessions of the instance that are stored.
    pub peers: &'k [AssignedSession<'k>],
    /// Those of the peers of whom nothing but a name is known.
    pub guests: &'k HashSet<i64>,
    /// The number that the next new person gets.
    pub next_person: i64,
}

/// Whose the rows are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignment<'e> {
    /// The person of each row; none where people would have to be joined or parted.
    pub people: Vec<Option<i64>>,
    /// Those who were not known before, and whether each is a guest.
    pub new_people: Vec<(i64, bool)>,
    /// What will lead to each of them, in the order of the identifiers.
    pub new_identifiers: Vec<(&'e Identifier, i64)>,
    /// Those known before of whom an email has become known: a roster may know them by it.
    pub new_emails: BTreeSet<i64>,
}

impl Assignment<'_> {
    /// It is not said of any of so many rows whose they are.
    pub(crate) fn declined(rows: usize) -> Self {
        Self { people: vec![None; rows], ..Self::default() }
    }
}

/// The people of new rows, where a set of them belongs to one known person or to nobody yet. It declines for those by which
/// people would have to be joined or parted, and for those that a decision made by hand may concern.
pub(crate) fn assign<'e>(
    evidence: &'e [Evidence],
    context: &IdentityContext,
    known: &KnownPeople<'_>,
) -> Assignment<'e> {
    let mut assignment = Assignment::declined(evidence.len());
    if context.has_splits() {
        return assignment;
    }
    let mut peers_of: HashMap<&str, BTreeSet<i64>> = HashMap::new();
    for peer in known.peers {
        peers_of.entry(peer.participant_uuid).or_default().insert(peer.person_id);
    }
    let mut next_person = known.next_person;
    for component in components(evidence, &[]) {
        let peers = |at: &usize| peers_of.get(evidence[*at].participant_uuid.as_deref()?);
        let peering: BTreeSet<i64> = component.members.iter().filter_map(peers).flatten().copied().collect();
        let Some(Holder { person_id, by_identifiers }) = holder(&component, &peering, context, known) else {
            continue;
        };
        // A name alone joins these rows; it joins nobody to those who turn out to be known by more.
        if !by_identifiers && !component.members.iter().all(|at| peers(at).is_some()) {
            continue;
        }
        let is_new = person_id.is_none();
        let person_id = person_id.unwrap_or_else(|| {
            next_person += 1;
            next_person - 1
        });
        if is_new {
            assignment.new_people.push((person_id, component.is_guest));
        }
        component.members.iter().for_each(|at| assignment.people[*at] = Some(person_id));
        if by_identifiers {
            let fresh = component.identifiers.iter().filter(|it| !known.owners.contains_key(**it));
            for identifier in fresh.copied() {
                if !is_new && identifier.0 == IdentifierKind::Email {
                    assignment.new_emails.insert(person_id);
                }
                assignment.new_identifiers.push((identifier, person_id));
            }
        }
    }
    // In the table's own order, in which they are written with the fewest pages.
    assignment.new_identifiers.sort_unstable();
    assignment
}

/// Who goes on in a set of rows.
struct Holder {
    /// None: somebody new.
    person_id: Option<i64>,
    /// Whether their identifiers lead to that person from now on.
    by_identifiers: bool,
}

/// None where more than one person would, or a guest would become known by more.
fn holder(
    component: &Component<'_>,
    peering: &BTreeSet<i64>,
    context: &IdentityContext,
    known: &KnownPeople<'_>,
) -> Option<Holder> {
    let has_strong_peer = peering.iter().any(|person_id| !known.guests.contains(person_id));
    // A guest's name leads nowhere once the rows turn out to be someone's who is known by more.
    let by_identifiers = !component.is_guest || !has_strong_peer;
    let mut all = peering.clone();
    if by_identifiers {
        all.extend(component.identifiers.iter().filter_map(|identifier| known.owners.get(*identifier)));
    }
    let turns_strong =
        !component.is_guest && peering.iter().any(|person_id| known.guests.contains(person_id));
    // Of someone merged by hand a peer may be the part that only has a name; and who was merged before anybody led to it
    // is merged now.
    let concerns_decision = context.has_merges()
        && (!peering.is_empty()
            || component.identifiers.iter().any(|identifier| {
                !known.owners.contains_key(*identifier)
                    && context.mentions(&Anchor::Identifier((*identifier).clone()))
            }));
    if all.len() > 1 || turns_strong || concerns_decision {
        return None;
    }
    Some(Holder { person_id: all.pop_first(), by_identifiers })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMAIL: &str = "ada@example.com";

    fn row(email: Option<&str>, uuid: Option<&str>, name: &str) -> Evidence {
        Evidence {
            strong: email.iter().map(|email| (IdentifierKind::Email, 0, (*email).to_owned())).collect(),
            participant_uuid: uuid.map(str::to_owned),
            name: Some((IdentifierKind::Name, 7, name.to_owned())),
            ..Evidence::default()
        }
    }

    /// The people of the rows where this is known: who owns what, who stayed here, and who is a guest.
    fn people(
        rows: &[Evidence],
        owners: &[(&Identifier, i64)],
        peers: &[(&'static str, i64)],
        guests: &[i64],
    ) -> Vec<Option<i64>> {
        let owners: HashMap<&Identifier, i64> = owners.iter().copied().collect();
        let peers: Vec<AssignedSession<'_>> = peers
            .iter()
            .map(|(participant_uuid, person_id)| AssignedSession { participant_uuid, person_id: *person_id })
            .collect();
        let guests = guests.iter().copied().collect();
        let known = KnownPeople { owners: &owners, peers: &peers, guests: &guests, next_person: 100 };
        assign(rows, &IdentityContext::default(), &known).people
    }

    #[test]
    fn rows_belong_to_whom_their_identifiers_lead_to_or_to_somebody_new() {
        let email = (IdentifierKind::Email, 0, EMAIL.to_owned());
        let rows = [row(Some(EMAIL), None, "ada"), row(None, None, "bo"), row(None, None, "bo")];
        assert_eq!(people(&rows, &[(&email, 3)], &[], &[]), [Some(3), Some(100), Some(100)]);
        let name = (IdentifierKind::Name, 7, "bo".to_owned());
        assert_eq!(people(&rows, &[(&name, 5)], &[], &[]), [Some(100), Some(5), Some(5)]);
    }

    #[test]
    fn it_declines_where_people_would_be_joined_or_a_guest_become_known_by_more() {
        let email = (IdentifierKind::Email, 0, EMAIL.to_owned());
        let rows = [row(Some(EMAIL), Some("u"), "ada")];
        assert_eq!(people(&rows, &[(&email, 3)], &[("u", 3)], &[]), [Some(3)]);
        assert_eq!(people(&rows, &[(&email, 3)], &[("u", 4)], &[]), [None], "two people");
        let rows = [row(Some(EMAIL), Some("u"), "ada"), row(None, None, "bo")];
        assert_eq!(people(&rows, &[(&email, 3)], &[("u", 4)], &[]), [None, Some(100)], "and nobody else");
        let rows = [row(None, Some("u"), "ada"), row(None, Some("v"), "ada")];
        assert_eq!(people(&rows, &[], &[("u", 4)], &[]), [None; 2], "a namesake of somebody known by more");
        assert_eq!(people(&rows[..1], &[], &[("u", 4)], &[]), [Some(4)]);
        let rows = [row(Some(EMAIL), Some("u"), "ada")];
        assert_eq!(people(&rows, &[], &[("u", 4)], &[4]), [None], "a guest who turns out to have an email");
    }

    #[test]
    fn the_name_of_a_guest_leads_nowhere_beside_a_peer_who_is_known_by_more() {
        let name = (IdentifierKind::Name, 7, "ada".to_owned());
        let rows = [row(None, Some("u"), "ada")];
        assert_eq!(people(&rows, &[(&name, 9)], &[("u", 4)], &[]), [Some(4)]);
        assert_eq!(people(&rows, &[(&name, 9)], &[("u", 4)], &[4]), [None], "a guest of another name before");
    }
}
