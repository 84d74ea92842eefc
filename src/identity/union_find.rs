//! Disjoint sets, some pairs of which must never become one.

use std::collections::HashMap;

/// Sets of the numbers below a count; each is named by its lowest number, its root.
pub(super) struct DisjointSets {
    parents: Vec<usize>,
    /// For a root, the pairs that it holds a side of: the number of the pair, and which side.
    sides: HashMap<usize, Vec<(usize, bool)>>,
    pairs: usize,
}

impl DisjointSets {
    pub(super) fn new(count: usize) -> Self {
        Self { parents: (0..count).collect(), sides: HashMap::new(), pairs: 0 }
    }

    /// From now on no join makes one set of these two, which are still alone.
    pub(super) fn keep_apart(&mut self, left: usize, right: usize) {
        if left != right {
            self.sides.entry(left).or_default().push((self.pairs, false));
            self.sides.entry(right).or_default().push((self.pairs, true));
            self.pairs += 1;
        }
    }

    /// Whether some pair must stay apart.
    pub(super) fn are_parted(&self) -> bool {
        self.pairs > 0
    }

    pub(super) fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            // Halving the path keeps later look-ups short.
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    /// Makes one set of two, unless a pair forbids it; answers whether they are one now.
    pub(super) fn join(&mut self, left: usize, right: usize) -> bool {
        let (left, right) = (self.root(left), self.root(right));
        if left == right {
            return true;
        }
        if self.is_forbidden(left, right) {
            return false;
        }
        let (low, high) = (left.min(right), left.max(right));
        // The lower number stays the root, so the outcome does not depend on the order of joining.
        self.parents[high] = low;
        if let Some(sides) = self.sides.remove(&high) {
            self.sides.entry(low).or_default().extend(sides);
        }
        true
    }

    fn is_forbidden(&self, left: usize, right: usize) -> bool {
        let (Some(left), Some(right)) = (self.sides.get(&left), self.sides.get(&right)) else { return false };
        left.iter().any(|(pair, side)| right.contains(&(*pair, !side)))
    }
}
