//! Who is who, decided by hand: kept over every reading, with a log of its own, and undone in the reverse order.

#[cfg(test)]
mod sequences;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::str::FromStr;

use sqlx::{FromRow, SqliteConnection};

use crate::identity::{
    Anchor, Decision, DecisionKind, Identifier, IdentifierKind, IdentityContext, normalized,
};
use crate::model::{MeetingId, Timestamp};
use crate::store::attendance::refresh::refresh_after_change;
use crate::store::people;
use crate::store::{Store, StoreError};

impl IdentityContext {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let shared: Vec<String> =
            sqlx::query_scalar("SELECT value FROM shared_identifiers").fetch_all(&mut *connection).await?;
        let stored: Vec<StoredDecision> = sqlx::query_as(
            "SELECT decision_id, kind, left_kind, left_scope, left_value, right_kind, right_scope, right_value \
               FROM identity_decisions WHERE undone_at IS NULL AND overruled_by IS NULL ORDER BY decision_id",
        )
        .fetch_all(connection)
        .await?;
        let decisions: Vec<Decision> = stored.iter().filter_map(StoredDecision::decision).collect();
        Ok(Self::new(shared.into_iter().collect(), decisions))
    }
}

/// Takes decisions out of the log that hold on to identifiers of these kinds, or to these values.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    kinds: &[&str],
    values: &[String],
) -> Result<(), sqlx::Error> {
    let (kinds, values) = (serde_json::Value::from(kinds), serde_json::Value::from(values));
    for statement in [
        // A decision that was overruled by one that goes is no longer overruled by anything.
        "UPDATE identity_decisions SET overruled_by = NULL WHERE overruled_by IN (SELECT decision_id FROM identity_decisions \
          WHERE left_kind IN (SELECT value FROM json_each(?1)) OR right_kind IN (SELECT value FROM json_each(?1)) \
             OR left_value IN (SELECT value FROM json_each(?2)) OR right_value IN (SELECT value FROM json_each(?2)))",
        "DELETE FROM identity_decisions \
          WHERE left_kind IN (SELECT value FROM json_each(?1)) OR right_kind IN (SELECT value FROM json_each(?1)) \
             OR left_value IN (SELECT value FROM json_each(?2)) OR right_value IN (SELECT value FROM json_each(?2))",
    ] {
        sqlx::query(statement)
            .bind(kinds.to_string())
            .bind(values.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct StoredDecision {
    decision_id: i64,
    kind: String,
    left_kind: String,
    left_scope: i64,
    left_value: String,
    right_kind: String,
    right_scope: i64,
    right_value: String,
}

impl StoredDecision {
    fn decision(&self) -> Option<Decision> {
        Some(Decision {
            verdict: if self.kind == "split" { DecisionKind::Split } else { DecisionKind::Merge },
            left: anchor(&self.left_kind, self.left_scope, &self.left_value)?,
            right: anchor(&self.right_kind, self.right_scope, &self.right_value)?,
        })
    }
}

fn anchor(kind: &str, scope: i64, value: &str) -> Option<Anchor> {
    if kind == "session" {
        return value.parse().ok().map(Anchor::Session);
    }
    Some(Anchor::Identifier((IdentifierKind::from_text(kind)?, scope, value.to_owned())))
}

fn columns(anchor: &Anchor) -> (&'static str, i64, String) {
    match anchor {
        Anchor::Identifier((kind, scope, value)) => (kind.as_str(), *scope, value.clone()),
        Anchor::Session(session_id) => ("session", 0, session_id.to_string()),
    }
}

/// Whom a person at the command line means: by number, by an identifier, or by one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonSelector {
    /// `17`: the person with this number.
    Person(i64),
    /// `session:123`: whoever stayed there.
    Session(i64),
    /// `registrant:85746065432:abc`: whoever registered so.
    Registrant(MeetingId, String),
    /// An email or a Zoom user id, as it is.
    Text(String),
}

impl FromStr for PersonSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err("a person's number, an email, a Zoom user id or `session:123` is wanted".to_owned());
        }
        if let Ok(number) = text.parse() {
            return Ok(Self::Person(number));
        }
        if let Some(number) = text.strip_prefix("session:") {
            return number
                .parse()
                .map(Self::Session)
                .map_err(|_| "`session:` wants a number, such as session:123".to_owned());
        }
        if let Some(rest) = text.strip_prefix("registrant:") {
            let (meeting, id) =
                rest.split_once(':').ok_or("a registrant is written registrant:MEETING:ID".to_owned())?;
            return Ok(Self::Registrant(meeting.parse().map_err(|error| format!("{error}"))?, id.to_owned()));
        }
        Ok(Self::Text(text.to_owned()))
    }
}

impl fmt::Display for PersonSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(number) => write!(formatter, "{number}"),
            Self::Session(number) => write!(formatter, "session:{number}"),
            Self::Registrant(meeting, id) => write!(formatter, "registrant:{meeting}:{id}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// Why a decision could not be made. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// The text means nobody.
    #[error("nobody is known by `{0}`; `rollcall people list` shows who is there")]
    Unknown(String),
    /// Merging one person.
    #[error("both are person {0} already; there is nothing to merge")]
    OneAlready(i64),
    /// Splitting what has only one side.
    #[error(
        "both sides mean the same; name an email, a Zoom user id or a session (`session:123`) of each side"
    )]
    OneSide,
    /// Every session of one side belongs to the other, too.
    #[error(
        "this parts nobody, since all sessions of one side carry what the other is known by; name sessions \
         (`session:123`, by `session_id` of the view `participants`)"
    )]
    PartsNobody,
    /// No decision is left.
    #[error("there is no decision to undo")]
    NothingToUndo,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A decision that was made, or undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Its number in the log.
    pub decision_id: i64,
    /// `merge` or `split`.
    pub kind: String,
    /// What its two sides hold on to, as [`PersonSelector`] reads them; of a guest the name.
    pub sides: [String; 2],
    /// The people on the two sides afterwards; none where no session leads to a side.
    pub people: [Option<i64>; 2],
}

impl Store {
    /// Decides that two are one person, from now on and over every reading. What an earlier split had parted is
    /// one again; undoing this brings that split back.
    pub(crate) async fn merge_people(
        &self,
        left: &PersonSelector,
        right: &PersonSelector,
        now: Timestamp,
    ) -> Result<DecisionRecord, DecisionError> {
        self.decide(async |connection| {
            let [left_side, right_side] = match resolve_both(connection, left, right).await? {
                Ok(sides) => sides,
                Err(unknown) => return Ok(Err(unknown)),
            };
            if left_side.person_id == right_side.person_id {
                return Ok(Err(DecisionError::OneAlready(left_side.person_id)));
            }
            let parting = splits_between(connection, left_side.person_id, right_side.person_id).await?;
            let anchors = [left_side.strongest(), right_side.strongest()];
            let decision_id = insert(connection, DecisionKind::Merge, &anchors, now).await?;
            for split in parting {
                sqlx::query("UPDATE identity_decisions SET overruled_by = ? WHERE decision_id = ?")
                    .bind(decision_id)
                    .bind(split)
                    .execute(&mut *connection)
                    .await?;
            }
            let people = BTreeSet::from([left_side.person_id, right_side.person_id]);
            refresh_after_change(connection, &people, BTreeSet::new()).await?;
            made(connection, decision_id, DecisionKind::Merge, &anchors).await.map(Ok)
        })
        .await
    }

    /// Decides that two are not one person, whatever joins them.
    pub(crate) async fn split_people(
        &self,
        left: &PersonSelector,
        right: &PersonSelector,
        now: Timestamp,
    ) -> Result<DecisionRecord, DecisionError> {
        self.decide(async |connection| {
            let [left_side, right_side] = match resolve_both(connection, left, right).await? {
                Ok(sides) => sides,
                Err(unknown) => return Ok(Err(unknown)),
            };
            let Some(anchors) = apart(&left_side, &right_side) else {
                return Ok(Err(DecisionError::OneSide));
            };
            let decision_id = insert(connection, DecisionKind::Split, &anchors, now).await?;
            let people = BTreeSet::from([left_side.person_id, right_side.person_id]);
            refresh_after_change(connection, &people, BTreeSet::new()).await?;
            let made = made(connection, decision_id, DecisionKind::Split, &anchors).await?;
            // One person is left where an identifier found no session of its own.
            Ok(if made.people.contains(&None) { Err(DecisionError::PartsNobody) } else { Ok(made) })
        })
        .await
    }

    /// Takes back the last decision that is still in force.
    pub(crate) async fn undo_decision(&self, now: Timestamp) -> Result<DecisionRecord, DecisionError> {
        self.decide(async |connection| {
            let last: Option<StoredDecision> = sqlx::query_as(
                "SELECT decision_id, kind, left_kind, left_scope, left_value, right_kind, right_scope, right_value \
                   FROM identity_decisions WHERE undone_at IS NULL ORDER BY decision_id DESC LIMIT 1",
            )
            .fetch_optional(&mut *connection)
            .await?;
            let Some((decision_id, decision)) =
                last.and_then(|stored| Some((stored.decision_id, stored.decision()?)))
            else {
                return Ok(Err(DecisionError::NothingToUndo));
            };
            let mut people = Vec::new();
            for side in [&decision.left, &decision.right] {
                people.extend(people::holder(connection, side).await?);
            }
            sqlx::query("UPDATE identity_decisions SET undone_at = ? WHERE decision_id = ?")
                .bind(now.millis())
                .bind(decision_id)
                .execute(&mut *connection)
                .await?;
            sqlx::query("UPDATE identity_decisions SET overruled_by = NULL WHERE overruled_by = ?")
                .bind(decision_id)
                .execute(&mut *connection)
                .await?;
            refresh_after_change(connection, &people.into_iter().collect(), BTreeSet::new()).await?;
            made(connection, decision_id, decision.verdict, &[decision.left, decision.right]).await.map(Ok)
        })
        .await
    }

    /// The pairs of people whom a split parts, in both orders.
    pub(super) async fn parted_people(&self) -> Result<HashSet<(i64, i64)>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.error(error))?;
        let parted = parted_people(&mut connection).await.map_err(|error| self.error(error))?;
        Ok(parted.into_iter().flat_map(|(_, one, other)| [(one, other), (other, one)]).collect())
    }

    /// Runs a decision in a transaction of its own; one that is refused leaves everything as it was.
    async fn decide(
        &self,
        decision: impl AsyncFnOnce(
            &mut SqliteConnection,
        ) -> Result<Result<DecisionRecord, DecisionError>, sqlx::Error>,
    ) -> Result<DecisionRecord, DecisionError> {
        let mut transaction = self.begin().await?;
        let made = decision(&mut transaction).await.map_err(|error| self.error(error))??;
        transaction.commit().await.map_err(|error| self.error(error))?;
        Ok(made)
    }
}

/// Someone who was meant, and what they may be known by.
struct Side {
    person_id: i64,
    /// What was named, if not the person; else everything that leads to the person, the strongest first.
    anchors: Vec<Anchor>,
    is_whole_person: bool,
}

impl Side {
    fn strongest(&self) -> Anchor {
        self.anchors[0].clone()
    }
}

/// What the two sides of a split hold on to: what was named, and of whole people the strongest that differs.
fn apart(left: &Side, right: &Side) -> Option<[Anchor; 2]> {
    let lefts = left.anchors.iter().take(if left.is_whole_person { usize::MAX } else { 1 });
    for one in lefts {
        let found = right.anchors.iter().find(|other| *other != one);
        if let Some(other) = found {
            if left.is_whole_person && right.is_whole_person && left.person_id == right.person_id {
                return None;
            }
            return Some([one.clone(), other.clone()]);
        }
    }
    None
}

/// Both sides of a decision, or which of them nothing leads to.
async fn resolve_both(
    connection: &mut SqliteConnection,
    left: &PersonSelector,
    right: &PersonSelector,
) -> Result<Result<[Side; 2], DecisionError>, sqlx::Error> {
    let Some(left_side) = resolve(connection, left).await? else {
        return Ok(Err(DecisionError::Unknown(left.to_string())));
    };
    let Some(right_side) = resolve(connection, right).await? else {
        return Ok(Err(DecisionError::Unknown(right.to_string())));
    };
    Ok(Ok([left_side, right_side]))
}

async fn resolve(
    connection: &mut SqliteConnection,
    whom: &PersonSelector,
) -> Result<Option<Side>, sqlx::Error> {
    let named: Vec<Anchor> = match whom {
        PersonSelector::Person(person_id) => {
            let anchors = anchors_of(connection, *person_id).await?;
            return Ok((!anchors.is_empty()).then_some(Side {
                person_id: *person_id,
                anchors,
                is_whole_person: true,
            }));
        }
        PersonSelector::Session(session_id) => vec![Anchor::Session(*session_id)],
        PersonSelector::Registrant(meeting, id) => {
            vec![Anchor::Identifier((IdentifierKind::Registrant, meeting.get(), id.clone()))]
        }
        PersonSelector::Text(text) => {
            [(IdentifierKind::Email, normalized(text)), (IdentifierKind::ZoomUser, text.clone())]
                .map(|(kind, value)| Anchor::Identifier((kind, 0, value)))
                .to_vec()
        }
    };
    for anchor in named {
        if let Some(person_id) = people::holder(connection, &anchor).await? {
            return Ok(Some(Side { person_id, anchors: vec![anchor], is_whole_person: false }));
        }
    }
    Ok(None)
}

/// Everything that leads to a person: identifiers by strength, then the sessions, the oldest first.
async fn anchors_of(connection: &mut SqliteConnection, person_id: i64) -> Result<Vec<Anchor>, sqlx::Error> {
    let identifiers: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT kind, scope, value FROM identifiers WHERE person_id = ?")
            .bind(person_id)
            .fetch_all(&mut *connection)
            .await?;
    let mut identifiers: Vec<Identifier> = identifiers
        .into_iter()
        .filter_map(|(kind, scope, value)| Some((IdentifierKind::from_text(&kind)?, scope, value)))
        .collect();
    identifiers.sort();
    let sessions: Vec<i64> = sqlx::query_scalar(
        "SELECT session_id FROM sessions WHERE person_id = ? ORDER BY join_at IS NULL, join_at, session_id",
    )
    .bind(person_id)
    .fetch_all(connection)
    .await?;
    let identifiers = identifiers.into_iter().map(Anchor::Identifier);
    Ok(identifiers.chain(sessions.into_iter().map(Anchor::Session)).collect())
}

/// The splits in force that part these two.
async fn splits_between(
    connection: &mut SqliteConnection,
    left: i64,
    right: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    let parted = parted_people(connection).await?;
    Ok(parted
        .into_iter()
        .filter(|(_, one, other)| (*one, *other) == (left, right) || (*one, *other) == (right, left))
        .map(|(decision_id, _, _)| decision_id)
        .collect())
}

/// Each split in force with the people on its two sides.
async fn parted_people(connection: &mut SqliteConnection) -> Result<Vec<(i64, i64, i64)>, sqlx::Error> {
    let splits: Vec<StoredDecision> = sqlx::query_as(
        "SELECT decision_id, kind, left_kind, left_scope, left_value, right_kind, right_scope, right_value \
           FROM identity_decisions WHERE kind = 'split' AND undone_at IS NULL AND overruled_by IS NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut parting = Vec::new();
    for split in splits {
        let Some(decision) = split.decision() else { continue };
        let one = people::holder(connection, &decision.left).await?;
        let other = people::holder(connection, &decision.right).await?;
        if let (Some(one), Some(other)) = (one, other) {
            parting.push((split.decision_id, one, other));
        }
    }
    Ok(parting)
}

async fn insert(
    connection: &mut SqliteConnection,
    verdict: DecisionKind,
    [left, right]: &[Anchor; 2],
    now: Timestamp,
) -> Result<i64, sqlx::Error> {
    let (left_kind, left_scope, left_value) = columns(left);
    let (right_kind, right_scope, right_value) = columns(right);
    sqlx::query_scalar(
        "INSERT INTO identity_decisions (kind, left_kind, left_scope, left_value, right_kind, right_scope, right_value, made_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING decision_id",
    )
    .bind(kind(verdict))
    .bind(left_kind)
    .bind(left_scope)
    .bind(left_value)
    .bind(right_kind)
    .bind(right_scope)
    .bind(right_value)
    .bind(now.millis())
    .fetch_one(connection)
    .await
}

fn kind(verdict: DecisionKind) -> &'static str {
    match verdict {
        DecisionKind::Merge => "merge",
        DecisionKind::Split => "split",
    }
}

async fn made(
    connection: &mut SqliteConnection,
    decision_id: i64,
    verdict: DecisionKind,
    sides: &[Anchor; 2],
) -> Result<DecisionRecord, sqlx::Error> {
    let people = [people::holder(connection, &sides[0]).await?, people::holder(connection, &sides[1]).await?];
    Ok(DecisionRecord {
        decision_id,
        kind: kind(verdict).to_owned(),
        sides: sides.each_ref().map(shown),
        people,
    })
}

/// The expression that writes one side of a stored decision as [`shown`] does.
pub(super) fn shown_sql(side: &str) -> String {
    format!(
        "CASE {side}_kind WHEN 'session' THEN 'session:' || {side}_value \
              WHEN 'registrant' THEN printf('registrant:%d:%s', {side}_scope, {side}_value) \
              WHEN 'name' THEN printf('guest \"%s\"', {side}_value) ELSE {side}_value END"
    )
}

/// An anchor as people write it.
fn shown(anchor: &Anchor) -> String {
    match anchor {
        Anchor::Session(session_id) => format!("session:{session_id}"),
        Anchor::Identifier((IdentifierKind::Registrant, meeting, id)) => format!("registrant:{meeting}:{id}"),
        Anchor::Identifier((IdentifierKind::ZoomUser | IdentifierKind::Email, _, value)) => value.clone(),
        Anchor::Identifier((IdentifierKind::Name, _, name)) => format!("guest \"{name}\""),
    }
}
