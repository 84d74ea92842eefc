//! Sessions and the people they belong to, in the tables.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use crate::identity::{
    Anchor, Component, Evidence, GuestScope, Identifier, IdentifierKind, IdentityContext, IdentityFields,
    InstanceContext, components,
};
use crate::model::InstanceId;
use crate::store::lists::{json_list, numbers};
use crate::store::script::{Script, Values};
use crate::store::sql::guests_of_meeting;

/// What recomputing people changed.
#[derive(Default)]
pub(crate) struct Reworked {
    /// Instances of which a session changed hands; who was there has to be worked out anew.
    pub instance_ids: BTreeSet<InstanceId>,
    /// People whose identifiers may have changed.
    pub people: BTreeSet<i64>,
    /// People without a session left; they go once nothing refers to them.
    pub gone: Vec<i64>,
}

#[derive(Clone, FromRow)]
struct Known {
    session_id: i64,
    instance_id: InstanceId,
    meeting_id: i64,
    guests: String,
    person_id: Option<i64>,
    join_at: Option<i64>,
    zoom_id: Option<String>,
    participant_user_id: Option<String>,
    email: Option<String>,
    registrant_id: Option<String>,
    participant_uuid: Option<String>,
    user_name: Option<String>,
}

/// Works out anew whose these sessions are, together with all of these people and everyone whom they touch.
///
/// A person keeps the number on the side of the oldest session.
pub(crate) async fn recompute_people(
    connection: &mut SqliteConnection,
    context: &IdentityContext,
    people: &BTreeSet<i64>,
    session_ids: &[i64],
) -> Result<Reworked, sqlx::Error> {
    let mut sessions: HashMap<i64, Known> = HashMap::new();
    for session in load(connection, "s.session_id", session_ids).await? {
        sessions.insert(session.session_id, session);
    }
    let mut involved: BTreeSet<i64> = people.clone();
    involved.extend(sessions.values().filter_map(|session| session.person_id));
    involved.extend(peers_of(connection, sessions.values()).await?);
    let mut loaded: BTreeSet<i64> = BTreeSet::new();
    // Whoever owns an identifier of a session at hand is involved, and so are all sessions of theirs.
    loop {
        let fresh: Vec<i64> = involved.difference(&loaded).copied().collect();
        for session in load(connection, "s.person_id", &fresh).await? {
            sessions.insert(session.session_id, session);
        }
        loaded.extend(&fresh);
        if context.has_splits() {
            // Rows of one participant may be on the two sides of a split, and be one again when it rests.
            involved.extend(peers_of(connection, sessions.values()).await?);
        }
        let identifiers: HashSet<Identifier> =
            sessions.values().flat_map(|session| all_identifiers(session, context)).collect();
        involved.extend(owners(connection, identifiers.iter()).await?.into_values());
        involved.extend(decided_with(connection, context, &involved, &identifiers, &sessions).await?);
        if involved == loaded {
            break;
        }
    }
    let mut sessions: Vec<Known> = sessions.into_values().collect();
    sessions.sort_by_key(|session| (session.join_at.unwrap_or(i64::MAX), session.session_id));
    let evidence: Vec<Evidence> = sessions.iter().map(|session| evidence_of(session, context)).collect();
    let found = components(&evidence, &context.decisions);
    let holders = holders(&sessions, &found);
    replace(connection, &sessions, &found, &holders, &involved).await
}

/// For each component the person that goes on in it: the one with the oldest session, each in one component only.
fn holders(sessions: &[Known], found: &[Component<'_>]) -> Vec<Option<i64>> {
    let mut component_of = vec![0; sessions.len()];
    for (number, component) in found.iter().enumerate() {
        component.members.iter().for_each(|at| component_of[*at] = number);
    }
    let mut placed: HashSet<i64> = HashSet::new();
    let mut holders = vec![None; found.len()];
    // The sessions are in order of age.
    for (at, session) in sessions.iter().enumerate() {
        if let Some(person_id) = session.person_id
            && placed.insert(person_id)
        {
            holders[component_of[at]].get_or_insert(person_id);
        }
    }
    holders
}

async fn replace(
    connection: &mut SqliteConnection,
    sessions: &[Known],
    found: &[Component<'_>],
    holders: &[Option<i64>],
    involved: &BTreeSet<i64>,
) -> Result<Reworked, sqlx::Error> {
    let list = json_list(&involved.iter().copied().collect::<Vec<_>>());
    sqlx::query("DELETE FROM identifiers WHERE person_id IN (SELECT value FROM json_each(?))")
        .bind(&list)
        .execute(&mut *connection)
        .await?;
    let mut next_person = next_id(connection, "SELECT coalesce(max(person_id), 0) + 1 FROM people").await?;
    let mut new_people = Vec::new();
    let mut identifiers = Vec::new();
    let mut moves = Vec::new();
    let mut instance_ids = BTreeSet::new();
    let mut kinds = Vec::new();
    for (component, holder) in found.iter().zip(holders) {
        let person_id = holder.unwrap_or_else(|| {
            new_people.push((next_person, component.is_guest));
            next_person += 1;
            next_person - 1
        });
        kinds.push(json!([person_id, i64::from(component.is_guest)]));
        identifiers.extend(component.identifiers.iter().map(|identifier| (*identifier, person_id)));
        for session in component.members.iter().map(|at| &sessions[*at]) {
            if session.person_id != Some(person_id) {
                moves.push(json!([session.session_id, person_id]));
                instance_ids.insert(session.instance_id);
            }
        }
    }
    let mut script = Script::default();
    insert(connection, &mut script, &new_people, &identifiers).await?;
    script.run(connection).await?;
    sqlx::query(
        "UPDATE people SET is_guest = j.value ->> 1 FROM json_each(?) j \
          WHERE person_id = j.value ->> 0 AND is_guest <> j.value ->> 1",
    )
    .bind(serde_json::Value::from(kinds).to_string())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE sessions SET person_id = j.value ->> 1 FROM json_each(?) j WHERE session_id = j.value ->> 0",
    )
    .bind(serde_json::Value::from(moves).to_string())
    .execute(&mut *connection)
    .await?;
    let people: BTreeSet<i64> = holders.iter().flatten().copied().collect();
    let gone = involved.difference(&people).copied().collect();
    Ok(Reworked { instance_ids, people, gone })
}

/// Whoever is on either side of a decision of which one side is at hand.
async fn decided_with(
    connection: &mut SqliteConnection,
    context: &IdentityContext,
    involved: &BTreeSet<i64>,
    identifiers: &HashSet<Identifier>,
    sessions: &HashMap<i64, Known>,
) -> Result<BTreeSet<i64>, sqlx::Error> {
    let mut people = BTreeSet::new();
    for decision in &context.decisions {
        let sides = [&decision.left, &decision.right];
        let mut at_hand = sides.iter().any(|side| match side {
            Anchor::Identifier(identifier) => identifiers.contains(identifier),
            Anchor::Session(session_id) => sessions.contains_key(session_id),
        });
        let mut holders = Vec::new();
        for side in sides {
            let holder = holder(connection, side).await?;
            // A session that was withdrawn just now no longer tells whose it was, and its split may rest from now on.
            let is_withdrawn = holder.is_none() && matches!(side, Anchor::Session(_));
            at_hand |= is_withdrawn || holder.is_some_and(|person_id| involved.contains(&person_id));
            holders.extend(holder);
        }
        if at_hand {
            people.extend(holders);
        }
    }
    Ok(people)
}

/// Whom an anchor leads to, as the tables have it.
pub(crate) async fn holder(
    connection: &mut SqliteConnection,
    anchor: &Anchor,
) -> Result<Option<i64>, sqlx::Error> {
    match anchor {
        Anchor::Identifier(identifier) => {
            let owners = owners(connection, std::iter::once(identifier)).await?;
            Ok(owners.get(identifier).copied())
        }
        Anchor::Session(session_id) => {
            let person: Option<Option<i64>> =
                sqlx::query_scalar("SELECT person_id FROM sessions WHERE session_id = ?")
                    .bind(session_id)
                    .fetch_optional(connection)
                    .await?;
            Ok(person.flatten())
        }
    }
}

/// Removes people whom nothing refers to any more.
pub(crate) async fn remove(connection: &mut SqliteConnection, gone: &[i64]) -> Result<(), sqlx::Error> {
    if gone.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM people WHERE person_id IN (SELECT value FROM json_each(?))")
        .bind(json_list(gone))
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds new people, and what leads to people, to what is to be written.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    script: &mut Script,
    people: &[(i64, bool)],
    identifiers: &[(&Identifier, i64)],
) -> Result<(), sqlx::Error> {
    let bind = |values: &mut Values, (person_id, is_guest): &(i64, bool)| {
        values.add(*person_id).add(*is_guest);
    };
    script.insert(connection, "people", &["person_id", "is_guest"], people, bind).await?;
    let columns = ["kind", "scope", "value", "person_id"];
    let bind = |values: &mut Values, ((kind, scope, value), person_id): &(&Identifier, i64)| {
        values.add(kind.as_str()).add(*scope).add(value.as_str()).add(*person_id);
    };
    script.insert(connection, "identifiers", &columns, identifiers, bind).await
}

/// Who owns these identifiers, where somebody does.
async fn owners<'i>(
    connection: &mut SqliteConnection,
    identifiers: impl Iterator<Item = &'i Identifier>,
) -> Result<HashMap<&'i Identifier, i64>, sqlx::Error> {
    let mut groups: BTreeMap<(IdentifierKind, i64), Vec<&Identifier>> = BTreeMap::new();
    for identifier in identifiers {
        groups.entry((identifier.0, identifier.1)).or_default().push(identifier);
    }
    let mut found = HashMap::new();
    for ((kind, scope), group) in groups {
        let values: Vec<&str> = group.iter().map(|(_, _, value)| value.as_str()).collect();
        // Pairs of a place in the list and a person, in one row: a row for each would cost more than finding it.
        let pairs: Option<String> = sqlx::query_scalar(
            "SELECT group_concat(j.key || ' ' || i.person_id, ' ') FROM json_each(?) j \
              CROSS JOIN identifiers i ON i.kind = ? AND i.scope = ? AND i.value = j.value",
        )
        .bind(serde_json::Value::from(values).to_string())
        .bind(kind.as_str())
        .bind(scope)
        .fetch_one(&mut *connection)
        .await?;
        for pair in numbers(pairs.as_deref()).chunks_exact(2) {
            let place = usize::try_from(pair[0]).expect("places in a list begin with nought");
            found.insert(group[place], pair[1]);
        }
    }
    Ok(found)
}

pub(crate) async fn guests_among(
    connection: &mut SqliteConnection,
    people: &[i64],
) -> Result<HashSet<i64>, sqlx::Error> {
    let guests: Vec<i64> = sqlx::query_scalar(
        "SELECT person_id FROM people WHERE is_guest AND person_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(people))
    .fetch_all(connection)
    .await?;
    Ok(guests.into_iter().collect())
}

/// Sessions that count, by one of their columns.
async fn load(
    connection: &mut SqliteConnection,
    column: &'static str,
    values: &[i64],
) -> Result<Vec<Known>, sqlx::Error> {
    let guests = guests_of_meeting!();
    let text = format!(
        "SELECT s.session_id, s.instance_id, i.meeting_id, {guests} AS guests, s.person_id, s.join_at, f.zoom_id, \
                f.participant_user_id, f.email, f.registrant_id, s.participant_uuid, f.user_name \
           FROM sessions s JOIN instances i ON i.instance_id = s.instance_id JOIN meetings m ON m.meeting_id = i.meeting_id \
           LEFT JOIN profiles f ON f.profile_id = s.profile_id \
          WHERE s.withdrawn_at IS NULL AND {column} IN (SELECT value FROM json_each(?))"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(json_list(values)).fetch_all(connection).await
}

/// People who have a session with the same `participant_uuid` in the same instance.
async fn peers_of(
    connection: &mut SqliteConnection,
    sessions: impl Iterator<Item = &Known>,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut by_instance: HashMap<InstanceId, Vec<&str>> = HashMap::new();
    for session in sessions {
        if let Some(uuid) = &session.participant_uuid {
            by_instance.entry(session.instance_id).or_default().push(uuid);
        }
    }
    let mut people = Vec::new();
    for (instance_id, uuids) in by_instance {
        let peers: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT person_id FROM sessions WHERE instance_id = ? AND person_id IS NOT NULL \
                AND participant_uuid IN (SELECT value FROM json_each(?))",
        )
        .bind(instance_id)
        .bind(serde_json::Value::from(uuids).to_string())
        .fetch_all(&mut *connection)
        .await?;
        people.extend(peers);
    }
    Ok(people)
}

fn evidence_of(session: &Known, context: &IdentityContext) -> Evidence {
    let place = InstanceContext {
        instance_id: session.instance_id,
        meeting_id: session.meeting_id,
        guests: GuestScope::of(&session.guests),
        context,
    };
    let evidence = place.evidence(&IdentityFields {
        zoom_id: session.zoom_id.as_deref(),
        participant_user_id: session.participant_user_id.as_deref(),
        email: session.email.as_deref(),
        registrant_id: session.registrant_id.as_deref(),
        participant_uuid: session.participant_uuid.as_deref(),
        user_name: session.user_name.as_deref(),
    });
    Evidence { session_id: Some(session.session_id), join_at: session.join_at, ..evidence }
}

fn all_identifiers(session: &Known, context: &IdentityContext) -> Vec<Identifier> {
    evidence_of(session, context).identifiers().cloned().collect()
}

async fn next_id(connection: &mut SqliteConnection, query: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(query).fetch_one(connection).await
}

/// Everyone at once, worked out from nothing but the rows and the decisions: what the tables must hold, whatever
/// steps have led to them. Sets of session numbers.
#[cfg(test)]
pub(crate) async fn from_scratch(connection: &mut SqliteConnection) -> BTreeSet<BTreeSet<i64>> {
    let context = IdentityContext::load(connection).await.unwrap();
    let all: Vec<i64> =
        sqlx::query_scalar("SELECT session_id FROM sessions").fetch_all(&mut *connection).await.unwrap();
    let sessions = load(connection, "s.session_id", &all).await.unwrap();
    let evidence: Vec<Evidence> = sessions.iter().map(|session| evidence_of(session, &context)).collect();
    let number = |at: &usize| sessions[*at].session_id;
    components(&evidence, &context.decisions)
        .iter()
        .map(|component| component.members.iter().map(number).collect())
        .collect()
}
