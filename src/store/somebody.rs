//! Of whom the database holds something, whoever that is: who was there, and who was only expected or hosted.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use crate::identity::{Anchor, IdentifierKind, normalized};
use crate::store::decisions::PersonSelector;
use crate::store::lists::json_list;
use crate::store::people;
use crate::store::{Store, StoreError};

/// Somebody of whom the database holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Somebody {
    /// Who was there.
    Person(PersonSummary),
    /// Of whom no session counts.
    Other(OtherSummary),
}

/// Who somebody is, to be shown before something is done to him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSummary {
    pub person_id: i64,
    /// The names, in order.
    pub names: Vec<String>,
    /// The emails, case-folded, in order.
    pub emails: Vec<String>,
    /// Sessions that count.
    pub sessions: u64,
    /// Instances that they are of.
    pub instances: u64,
}

/// Who is on a roster and never came, or is known by an email only that hosts, or that withdrawn sessions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherSummary {
    /// The email, case-folded, where one is known.
    pub email: Option<String>,
    /// The names on rosters, in order.
    pub names: Vec<String>,
    /// The lines of rosters, by their numbers.
    pub member_ids: Vec<i64>,
    /// The meetings of those rosters.
    pub meetings: Vec<i64>,
}

/// A line of a roster: number, meeting, email, name, name case-folded, whether many use the email, and whether the line
/// is known to be somebody's who was there.
type Line = (i64, i64, Option<String>, Option<String>, Option<String>, bool, bool);

/// What is one member: an email, or within one meeting a name, with the email that many use.
type MemberKey = (Option<String>, Option<(i64, String)>);

impl Store {
    /// Whom a text means: the one with this number (`17`), this session (`session:123`), this registration
    /// (`registrant:MEETING:ID`), this Zoom user id or this line of a roster (`member:12`); else all with this email;
    /// else all whose name holds the text, whatever the case of its letters.
    pub async fn meant_by(&self, text: &str) -> Result<Vec<Somebody>, StoreError> {
        self.read(async |connection| meant_by(connection, text.trim()).await).await
    }
}

async fn meant_by(connection: &mut SqliteConnection, text: &str) -> Result<Vec<Somebody>, sqlx::Error> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = normalized(text);
    if let Some(member_id) = text.strip_prefix("member:").and_then(|number| number.parse::<i64>().ok()) {
        let has = |member: &OtherSummary| member.member_ids.contains(&member_id);
        return Ok(others(connection).await?.into_iter().filter(has).map(Somebody::Other).collect());
    }
    let exact = holders(connection, text).await?;
    if !exact.is_empty() {
        return persons(connection, &exact).await;
    }
    let by_email: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT s.person_id FROM profiles f JOIN sessions s ON s.profile_id = f.profile_id \
          WHERE f.email = ? COLLATE NOCASE AND s.person_id IS NOT NULL ORDER BY 1",
    )
    .bind(text)
    .fetch_all(&mut *connection)
    .await?;
    let others = others(connection).await?;
    let members = others.iter().filter(|other| other.email.as_ref() == Some(&wanted));
    let members: Vec<Somebody> = members.cloned().map(Somebody::Other).collect();
    // A line that a roster compares by name with somebody who has another email may be that person's, or not.
    if !by_email.is_empty() || !members.is_empty() {
        let mut found = persons(connection, &by_email).await?;
        found.extend(members);
        return Ok(found);
    }
    if is_anywhere(connection, text).await? {
        let email = Some(wanted);
        return Ok(vec![Somebody::Other(OtherSummary { email, ..OtherSummary::default() })]);
    }
    let names: Vec<(i64, String)> = sqlx::query_as(
        "SELECT DISTINCT s.person_id, f.user_name FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id \
          WHERE s.person_id IS NOT NULL AND f.user_name IS NOT NULL ORDER BY 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    let by_name: BTreeSet<i64> = names
        .into_iter()
        .filter(|(_, name)| normalized(name).contains(&wanted))
        .map(|(person_id, _)| person_id)
        .collect();
    let mut found = persons(connection, &by_name.into_iter().collect::<Vec<_>>()).await?;
    let is_named = |other: &OtherSummary| other.names.iter().any(|name| normalized(name).contains(&wanted));
    found.extend(others.into_iter().filter(is_named).map(Somebody::Other));
    Ok(found)
}

/// The person whom a text names as decisions do, but for an email.
async fn holders(connection: &mut SqliteConnection, text: &str) -> Result<Vec<i64>, sqlx::Error> {
    let anchor = match text.parse::<PersonSelector>() {
        Ok(PersonSelector::Person(person_id)) => {
            return sqlx::query_scalar("SELECT DISTINCT person_id FROM sessions WHERE person_id = ?")
                .bind(person_id)
                .fetch_all(connection)
                .await;
        }
        Ok(PersonSelector::Session(session_id)) => Anchor::Session(session_id),
        Ok(PersonSelector::Registrant(meeting, id)) => {
            Anchor::Identifier((IdentifierKind::Registrant, meeting.get(), id))
        }
        Ok(PersonSelector::Text(text)) => Anchor::Identifier((IdentifierKind::ZoomUser, 0, text)),
        Err(_) => return Ok(Vec::new()),
    };
    Ok(people::holder(connection, &anchor).await?.into_iter().collect())
}

/// Whether this is the email of a host, or of a session that was withdrawn.
async fn is_anywhere(connection: &mut SqliteConnection, email: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM instances WHERE host_email = ?1 COLLATE NOCASE) \
             OR EXISTS (SELECT 1 FROM profiles f JOIN sessions s ON s.profile_id = f.profile_id WHERE f.email = ?1 COLLATE NOCASE)",
    )
    .bind(email)
    .fetch_one(connection)
    .await
}

/// Who is on a roster, and is not known by that to have been there.
async fn others(connection: &mut SqliteConnection) -> Result<Vec<OtherSummary>, sqlx::Error> {
    let lines: Vec<Line> = sqlx::query_as(
        "SELECT r.roster_member_id, r.meeting_id, r.email_key, r.name, r.name_key, \
                EXISTS (SELECT 1 FROM shared_identifiers m WHERE m.value = r.email_key), \
                CASE WHEN r.email_key IS NULL OR r.email_key IN (SELECT value FROM shared_identifiers) \
                     THEN EXISTS (SELECT 1 FROM attendance_facts p WHERE p.roster_member_id = r.roster_member_id) \
                     ELSE EXISTS (SELECT 1 FROM identifiers n WHERE n.kind = 'email' AND n.scope = 0 AND n.value = r.email_key) END \
           FROM roster_members r ORDER BY r.roster_member_id",
    )
    .fetch_all(connection)
    .await?;
    let mut members: BTreeMap<MemberKey, OtherSummary> = BTreeMap::new();
    for (member_id, meeting_id, email, name, name_key, is_shared, came) in lines {
        if came {
            continue;
        }
        // Of whom only a name is known, that is known within one meeting.
        let is_by_name = email.is_none() || is_shared;
        let key = (email.clone(), name_key.filter(|_| is_by_name).map(|name| (meeting_id, name)));
        let member = members.entry(key).or_default();
        member.email = email;
        member.member_ids.push(member_id);
        if let Some(name) = name.filter(|name| !member.names.contains(name)) {
            member.names.push(name);
            member.names.sort();
        }
        if !member.meetings.contains(&meeting_id) {
            member.meetings.push(meeting_id);
        }
    }
    let mut members: Vec<OtherSummary> = members.into_values().collect();
    members.sort_by(|one, other| one.member_ids.cmp(&other.member_ids));
    Ok(members)
}

/// Who these people are, in the order of their numbers; whoever is not there is left out.
async fn persons(connection: &mut SqliteConnection, people: &[i64]) -> Result<Vec<Somebody>, sqlx::Error> {
    let rows: Vec<(i64, String, String, i64, i64)> = sqlx::query_as(
        "SELECT person_id, json_group_array(DISTINCT user_name) FILTER (WHERE user_name IS NOT NULL), \
                json_group_array(DISTINCT lower(email)) FILTER (WHERE email IS NOT NULL), \
                count(*), count(DISTINCT instance_id) \
           FROM sessions LEFT JOIN profiles USING (profile_id) \
          WHERE person_id IN (SELECT value FROM json_each(?)) GROUP BY person_id ORDER BY person_id",
    )
    .bind(json_list(people))
    .fetch_all(connection)
    .await?;
    let list = |json: &str| {
        let mut texts: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        texts.sort();
        texts
    };
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let person = |(person_id, names, emails, sessions, instances): (i64, String, String, i64, i64)| {
        Somebody::Person(PersonSummary {
            person_id,
            names: list(&names),
            emails: list(&emails),
            sessions: count(sessions),
            instances: count(instances),
        })
    };
    Ok(rows.into_iter().map(person).collect())
}
