//! What sessions tell of whose they are, and what was decided of it by hand.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization as _;

use crate::decode::{Field, Row};
pub(crate) use crate::model::GuestScope;
use crate::model::InstanceId;

/// A name or an email as it is compared: trimmed, NFKC, and without regard to case.
#[must_use]
pub fn normalized(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    caseless::default_case_fold_str(&text.nfkc().collect::<String>()).nfkc().collect()
}

impl GuestScope {
    pub(crate) fn of(text: &str) -> Self {
        if text == "instance" { Self::Instance } else { Self::Meeting }
    }

    /// The scope of a guest's name in the table of identifiers: the meeting, or the instance as a negative number.
    pub(crate) fn scope(self, meeting_id: i64, instance_id: InstanceId) -> i64 {
        match self {
            Self::Meeting => meeting_id,
            Self::Instance => -instance_id.get(),
        }
    }
}

text_enum! {
    /// What an identifier is, and where it joins. Ordered by strength.
    IdentifierKind {
        /// Zoom's `id` or `participant_user_id`.
        ZoomUser = "zoom_user",
        /// An email.
        Email = "email",
        /// A registration, within its meeting.
        Registrant = "registrant",
        /// A guest's name, within the scope of guests.
        Name = "name",
    }
}

/// One identifier: kind, scope (0 everywhere), normalized value.
pub(crate) type Identifier = (IdentifierKind, i64, String);

/// What a session tells of whose it is; normalized, and without what many people share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Its number; none while it has not been stored.
    pub session_id: Option<i64>,
    pub instance_id: InstanceId,
    pub join_at: Option<i64>,
    /// Identifiers that each join sessions by themselves.
    pub strong: Vec<Identifier>,
    /// Joins the rows of one instance, and makes nobody strong.
    pub participant_uuid: Option<String>,
    /// The guest's name within its scope; it joins only where nothing strong is known.
    pub name: Option<Identifier>,
}

impl Evidence {
    /// Everything that could join it to others, but for the rows of its own instance.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = &Identifier> {
        self.strong.iter().chain(&self.name)
    }

    /// Older sessions first; those of one moment in an order that does not depend on when they were read.
    pub(super) fn age(&self) -> impl Ord + '_ {
        (
            self.join_at.unwrap_or(i64::MAX),
            &self.strong,
            &self.participant_uuid,
            &self.name,
            self.instance_id,
            self.session_id,
        )
    }
}

/// What one side of a decision holds on to, so that it survives every reading.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Anchor {
    /// Whoever this identifier leads to.
    Identifier(Identifier),
    /// Whoever has the session with this number.
    Session(i64),
}

/// What was decided of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecisionKind {
    /// They must be one person.
    Merge,
    /// They must not be one person.
    Split,
}

/// A decision made by hand that is in force. An anchor that no session leads to makes it rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub verdict: DecisionKind,
    pub left: Anchor,
    pub right: Anchor,
}

/// What who is who rests on beside the rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentityContext {
    /// What many people use; it joins nothing. Case-folded.
    pub shared: HashSet<String>,
    /// The decisions that are in force, the oldest first.
    pub decisions: Vec<Decision>,
    /// What they hold on to.
    anchors: HashSet<Anchor>,
}

impl IdentityContext {
    pub(crate) fn new(shared: HashSet<String>, decisions: Vec<Decision>) -> Self {
        let anchors = decisions.iter().flat_map(|it| [it.left.clone(), it.right.clone()]).collect();
        Self { shared, decisions, anchors }
    }

    /// Whether some people must not be one.
    pub(crate) fn has_splits(&self) -> bool {
        self.decisions.iter().any(|decision| decision.verdict == DecisionKind::Split)
    }

    /// Whether some people must be one.
    pub(crate) fn has_merges(&self) -> bool {
        self.decisions.iter().any(|decision| decision.verdict == DecisionKind::Merge)
    }

    /// Whether a decision holds on to this.
    pub(crate) fn mentions(&self, anchor: &Anchor) -> bool {
        self.anchors.contains(anchor)
    }
}

/// What is the same for all sessions of one instance.
pub(crate) struct InstanceContext<'a> {
    pub instance_id: InstanceId,
    pub meeting_id: i64,
    pub guests: GuestScope,
    pub context: &'a IdentityContext,
}

impl InstanceContext<'_> {
    /// What a session tells of whose it is, without what many people share.
    pub(crate) fn evidence(&self, told: &IdentityFields<'_>) -> Evidence {
        let mut strong: Vec<Identifier> = Vec::new();
        // Most rows tell one id by both names.
        let other_id = told.zoom_id.filter(|id| told.participant_user_id != Some(id));
        let zoom_users = [told.participant_user_id, other_id].into_iter().flatten();
        strong.extend(
            zoom_users
                .filter(|id| !self.is_shared(id))
                .map(|id| (IdentifierKind::ZoomUser, 0, id.to_owned())),
        );
        let email = told.email.map(normalized).filter(|email| !self.context.shared.contains(email));
        strong.extend(email.map(|email| (IdentifierKind::Email, 0, email)));
        strong.extend(
            told.registrant_id.map(|id| (IdentifierKind::Registrant, self.meeting_id, id.to_owned())),
        );
        strong.dedup();
        let scope = self.guests.scope(self.meeting_id, self.instance_id);
        let name = told.user_name.map(normalized).filter(|name| !name.is_empty());
        Evidence {
            session_id: None,
            instance_id: self.instance_id,
            join_at: None,
            strong,
            participant_uuid: told.participant_uuid.map(str::to_owned),
            name: name.map(|name| (IdentifierKind::Name, scope, name)),
        }
    }

    fn is_shared(&self, id: &str) -> bool {
        !self.context.shared.is_empty() && self.context.shared.contains(&normalized(id))
    }
}

/// What a session tells of whose it is, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdentityFields<'a> {
    pub zoom_id: Option<&'a str>,
    pub participant_user_id: Option<&'a str>,
    pub email: Option<&'a str>,
    pub registrant_id: Option<&'a str>,
    pub participant_uuid: Option<&'a str>,
    pub user_name: Option<&'a str>,
}

impl<'a> IdentityFields<'a> {
    pub(crate) fn of(row: &'a Row<'_>) -> Self {
        Self {
            zoom_id: row.text(Field::Id),
            participant_user_id: row.text(Field::ParticipantUserId),
            email: row.text(Field::Email),
            registrant_id: row.text(Field::RegistrantId),
            participant_uuid: row.text(Field::ParticipantUuid),
            user_name: row.text(Field::UserName),
        }
    }

    /// What the session is recognized by: 1 an email, 2 a Zoom user id, 3 a registration, 4 the participant of the
    /// instance, 5 a name, 6 nothing. `shared` is what many people use.
    pub(crate) fn match_rank(&self, shared: &HashSet<String>) -> i64 {
        let is_own = |value: &&str| shared.is_empty() || !shared.contains(&normalized(value));
        let ranks = [
            self.email.filter(is_own),
            self.participant_user_id.or(self.zoom_id).filter(is_own),
            self.registrant_id,
            self.participant_uuid,
            self.user_name,
        ];
        (1..).zip(ranks).find(|(_, told)| told.is_some()).map_or(6, |(rank, _)| rank)
    }
}
