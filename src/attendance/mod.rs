//! Who was there, and for how long: from stays to a line a person. Pure.
//!
//! The rules are the contract's "Attendance": the union of a person's stays, clipped to what they are measured against;
//! the waiting room apart; a gap of ten seconds or less joins two stays.

#[cfg(test)]
mod tests;

/// A gap of this or less between two stays makes one join of them, in milliseconds.
const GAP_MS: i64 = 10_000;

/// Behind a line are at most so many heads, whatever is sent, so that sums of them hold.
const MOST_HEADS: i64 = 1_000;

/// One stay of one person. Instants are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Stay {
    pub person_id: i64,
    pub session_id: i64,
    pub join_at: Option<i64>,
    /// As it was told, or what stands in for that: see [`Stay::closed_at`].
    pub leave_at: Option<i64>,
    pub is_waiting: bool,
    /// It has not ended yet.
    pub is_open: bool,
    pub is_host: bool,
    pub head_count: Option<i64>,
    /// What it was recognized by: the lower, the stronger.
    pub match_rank: i64,
    pub profile_id: Option<i64>,
    pub tells_name: bool,
    pub tells_email: bool,
}

impl Stay {
    /// The stay with an end: no earlier than its beginning, and `open_end_at` where no end was told.
    pub(crate) fn closed_at(self, open_end_at: Option<i64>) -> Self {
        let leave_at = match self.join_at {
            Some(join_at) => Some(self.leave_at.or(open_end_at).unwrap_or(join_at).max(join_at)),
            None => self.leave_at,
        };
        Self { leave_at, ..self }
    }

    /// From when to when it was; none where one of them is not known.
    fn span(&self) -> Option<(i64, i64)> {
        self.join_at.zip(self.leave_at)
    }
}

/// A person's stays, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub person_id: i64,
    /// Tells the email, or else the name: those told last.
    pub profile_id: Option<i64>,
    /// Tells the name, where that is another one.
    pub name_profile_id: Option<i64>,
    pub match_rank: i64,
    pub is_host: bool,
    pub head_count: i64,
    pub first_join_at: Option<i64>,
    pub last_leave_at: Option<i64>,
    pub still_in: bool,
    pub joins: i64,
    pub present_ms: i64,
    pub waiting_ms: i64,
}

/// A line for each person, in the order of their numbers; `within` is what presence is measured against.
pub(crate) fn lines(mut stays: Vec<Stay>, within: Option<(i64, i64)>) -> Vec<Line> {
    let within = within.filter(|(from, to)| from < to).unwrap_or((i64::MIN, i64::MAX));
    stays.sort_unstable_by_key(|stay| (stay.person_id, stay.join_at, stay.leave_at, stay.session_id));
    stays.chunk_by(|one, other| one.person_id == other.person_id).map(|stays| line(stays, within)).collect()
}

/// The line of one person, whose stays are in the order of their beginnings.
fn line(stays: &[Stay], within: (i64, i64)) -> Line {
    let told_last = |tells: fn(&Stay) -> bool| {
        let telling = stays.iter().filter(|stay| tells(stay));
        telling
            .max_by_key(|stay| (stay.join_at.unwrap_or(0), stay.session_id))
            .and_then(|stay| stay.profile_id)
    };
    let name_profile_id = told_last(|stay| stay.tells_name);
    let profile_id = told_last(|stay| stay.tells_email).or(name_profile_id);
    let counted = || stays.iter().filter(|stay| !stay.is_waiting);
    let presence = union(counted().filter_map(Stay::span), within);
    let everywhere = (i64::MIN, i64::MAX);
    let in_either = union(stays.iter().filter_map(Stay::span), everywhere).length_ms;
    let in_meeting = union(counted().filter_map(Stay::span), everywhere).length_ms;
    Line {
        person_id: stays[0].person_id,
        profile_id,
        name_profile_id: name_profile_id.filter(|name| Some(*name) != profile_id),
        match_rank: stays.iter().map(|stay| stay.match_rank).min().unwrap_or_default(),
        is_host: stays.iter().any(|stay| stay.is_host),
        head_count: stays.iter().filter_map(|stay| stay.head_count).max().unwrap_or(1).clamp(1, MOST_HEADS),
        first_join_at: counted().filter_map(|stay| stay.join_at).min(),
        last_leave_at: counted().filter_map(|stay| stay.leave_at).max(),
        still_in: counted().any(|stay| stay.is_open),
        // Who was there for an unknown time joined once.
        joins: presence.parts.max(i64::from(counted().next().is_some())),
        present_ms: presence.length_ms,
        waiting_ms: in_either - in_meeting,
    }
}

/// Spans laid over one another.
#[derive(Default)]
struct Union {
    /// How long it is within the clip.
    length_ms: i64,
    /// How many parts it has, with gaps of more than [`GAP_MS`] between them; the clip has no effect on this.
    parts: i64,
}

fn union(spans: impl Iterator<Item = (i64, i64)>, (from, to): (i64, i64)) -> Union {
    let mut union = Union::default();
    let mut reached: Option<i64> = None;
    for (begin, end) in spans {
        union.parts += i64::from(reached.is_none_or(|reached| begin > reached + GAP_MS));
        let begin = begin.max(reached.unwrap_or(begin)).max(from);
        union.length_ms += (end.min(to) - begin).max(0);
        reached = reached.max(Some(end));
    }
    union
}
