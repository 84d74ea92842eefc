//! Which sessions belong to one person: a function of the set of sessions and of the decisions made by hand alone.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::evidence::{Anchor, Decision, DecisionKind, Evidence, Identifier};
use super::union_find::DisjointSets;
use crate::model::InstanceId;

/// A set of sessions that belong to one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Component<'s> {
    /// The numbers of the sessions.
    pub members: Vec<usize>,
    /// Whether only a name is known.
    pub is_guest: bool,
    /// What will join further sessions to it: each once.
    pub identifiers: Vec<&'s Identifier>,
}

/// The people behind a set of sessions: through any chain of strong identifiers, then guests by exact name, then
/// whom someone has merged, the oldest decision first. What would connect the two sides of a split does not join.
///
/// With a split in force the order of joining matters: stronger kinds come first, then values in their order, and
/// for each of them the oldest session, so an identifier that both sides carry stays with the side of that one.
pub(crate) fn components<'s>(sessions: &'s [Evidence], decisions: &[Decision]) -> Vec<Component<'s>> {
    let mut graph = Graph::new(sessions);
    for decision in decisions.iter().filter(|decision| decision.verdict == DecisionKind::Split) {
        if let (Some(left), Some(right)) = (graph.node(&decision.left), graph.node(&decision.right)) {
            graph.sets.keep_apart(left, right);
        }
    }
    let by_age = graph.by_age();
    graph.join_strong(&by_age);
    graph.join_participants(&by_age);
    graph.join_guests(&by_age);
    for decision in decisions.iter().filter(|decision| decision.verdict == DecisionKind::Merge) {
        if let (Some(left), Some(right)) = (graph.node(&decision.left), graph.node(&decision.right))
            && graph.has_session(left)
            && graph.has_session(right)
        {
            graph.sets.join(left, right);
        }
    }
    graph.components()
}

/// Sessions and identifiers as the nodes of a graph; the sessions come first.
struct Graph<'s> {
    sessions: &'s [Evidence],
    identifiers: HashMap<&'s Identifier, usize>,
    /// For each session the nodes of its identifiers: those that are strong, then the name.
    nodes: Vec<Vec<usize>>,
    numbers: HashMap<i64, usize>,
    sets: DisjointSets,
}

impl<'s> Graph<'s> {
    fn new(sessions: &'s [Evidence]) -> Self {
        let mut identifiers = HashMap::new();
        let mut node = |identifier: &'s Identifier| {
            let next = sessions.len() + identifiers.len();
            *identifiers.entry(identifier).or_insert(next)
        };
        let nodes = sessions.iter().map(|session| session.identifiers().map(&mut node).collect()).collect();
        let numbers =
            sessions.iter().enumerate().filter_map(|(at, session)| Some((session.session_id?, at))).collect();
        let sets = DisjointSets::new(sessions.len() + identifiers.len());
        Self { sessions, identifiers, nodes, numbers, sets }
    }

    fn node(&self, anchor: &Anchor) -> Option<usize> {
        match anchor {
            Anchor::Identifier(identifier) => self.identifiers.get(identifier).copied(),
            Anchor::Session(session_id) => self.numbers.get(session_id).copied(),
        }
    }

    /// Whether a session is part of what this node belongs to: the lowest number of a set names it.
    fn has_session(&mut self, node: usize) -> bool {
        self.sets.root(node) < self.sessions.len()
    }

    /// The sessions, the oldest first where the order matters.
    fn by_age(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sessions.len()).collect();
        if self.sets.are_parted() {
            order.sort_by(|left, right| self.sessions[*left].age().cmp(&self.sessions[*right].age()));
        }
        order
    }

    fn join_strong(&mut self, by_age: &[usize]) {
        let strong = |at: usize| self.sessions[at].strong.iter().zip(&self.nodes[at]);
        let mut edges: Vec<(&Identifier, usize, usize)> = by_age
            .iter()
            .flat_map(|at| strong(*at).map(move |(identifier, node)| (identifier, *node, *at)))
            .collect();
        self.join_edges(&mut edges);
    }

    fn join_participants(&mut self, by_age: &[usize]) {
        let mut edges: Vec<((InstanceId, &str), usize)> = by_age
            .iter()
            .filter_map(|at| {
                let session = &self.sessions[*at];
                Some(((session.instance_id, session.participant_uuid.as_deref()?), *at))
            })
            .collect();
        if self.sets.are_parted() {
            edges.sort_by_key(|(participant, _)| *participant);
        }
        // Of one participant's rows on the two sides of a split each joins the oldest that it may.
        let mut joined: HashMap<(InstanceId, &str), Vec<usize>> = HashMap::new();
        for (participant, at) in edges {
            let others = joined.entry(participant).or_default();
            if !others.iter().any(|other| self.sets.join(*other, at)) {
                others.push(at);
            }
        }
    }

    fn join_guests(&mut self, by_age: &[usize]) {
        let strong: HashSet<usize> = by_age
            .iter()
            .filter(|at| !self.sessions[**at].strong.is_empty())
            .map(|at| self.sets.root(*at))
            .collect();
        let mut edges: Vec<(&Identifier, usize, usize)> = Vec::new();
        for at in by_age {
            if let (Some(name), Some(node)) = (&self.sessions[*at].name, self.nodes[*at].last())
                && !strong.contains(&self.sets.root(*at))
            {
                edges.push((name, *node, *at));
            }
        }
        self.join_edges(&mut edges);
    }

    /// Joins identifiers, given with their nodes, and sessions.
    fn join_edges(&mut self, edges: &mut [(&Identifier, usize, usize)]) {
        if self.sets.are_parted() {
            // Stable: for one identifier the sessions stay in order of age.
            edges.sort_by_key(|(identifier, ..)| *identifier);
        }
        for (_, node, at) in edges {
            self.sets.join(*node, *at);
        }
    }

    fn components(mut self) -> Vec<Component<'s>> {
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let mut found: Vec<Component<'s>> = Vec::new();
        for (at, session) in self.sessions.iter().enumerate() {
            let number = *numbers.entry(self.sets.root(at)).or_insert_with(|| {
                found.push(Component { is_guest: true, ..Component::default() });
                found.len() - 1
            });
            found[number].members.push(at);
            found[number].is_guest &= session.strong.is_empty();
        }
        for (identifier, node) in self.identifiers {
            // An identifier that no session could take belongs to nobody.
            if let Some(number) = numbers.get(&self.sets.root(node)) {
                found[*number].identifiers.push(identifier);
            }
        }
        found
    }
}
