//! Making a person unrecognizable.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::{FromRow, SqliteConnection};

use super::decisions::{self, Grounds};
use super::facts::remove_unused_facts;
use super::forgotten::{self, Forgotten, Mark, PSEUDONYM, marks_of, pseudonyms};
use super::identity::{Evidence, GuestScope, Kind};
use super::people::{Place, Told, normalized};
use super::rows::{self, json_list};
use super::settings::guests_of_meeting;
use super::{Store, StoreError, people, presence};
use crate::decode::{Field, Row};
use crate::model::Timestamp;

/// What was made anonymous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForgetResult {
    /// Sessions that keep their times, and nothing of the person.
    pub sessions: u64,
    /// Instances that they are of.
    pub instances: u64,
    /// Topics that hold one of the names, and were kept: they are the meeting's.
    pub topics: u64,
}

/// Who somebody is, to be shown before something is done to him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSummary {
    /// The number of the person.
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

impl Store {
    /// Who these people are, in the order of their numbers; whoever is not there is left out.
    pub async fn person_summaries(&self, people: &[i64]) -> Result<Vec<PersonSummary>, StoreError> {
        let rows: Vec<(i64, String, String, i64, i64)> = sqlx::query_as(
            "SELECT person_id, json_group_array(DISTINCT user_name) FILTER (WHERE user_name IS NOT NULL), \
                    json_group_array(DISTINCT lower(email)) FILTER (WHERE email IS NOT NULL), \
                    count(*), count(DISTINCT instance_id) \
               FROM sessions LEFT JOIN profiles USING (profile_id) \
              WHERE person_id IN (SELECT value FROM json_each(?)) GROUP BY person_id ORDER BY person_id",
        )
        .bind(json_list(people))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        let list = |json: &str| {
            let mut texts: Vec<String> = serde_json::from_str(json).unwrap_or_default();
            texts.sort();
            texts
        };
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(rows
            .into_iter()
            .map(|(person_id, names, emails, sessions, instances)| PersonSummary {
                person_id,
                names: list(&names),
                emails: list(&emails),
                sessions: count(sessions),
                instances: count(instances),
            })
            .collect())
    }

    /// Takes everything that tells who a person is out of the database and its files, and keeps when someone was
    /// there. Keyed digests stay, so that later readings do not bring the person back.
    ///
    /// What is anonymous is one person in each instance, and nothing leads from one instance to another. The
    /// caller holds the run lock.
    pub async fn forget(&self, person_id: i64, now: Timestamp) -> Result<ForgetResult, StoreError> {
        self.overwrite_what_is_deleted().await?;
        let mut transaction = self.begin().await?;
        let result = forget(&mut transaction, person_id, now).await.map_err(|error| self.error(error))?;
        transaction.commit().await.map_err(|error| self.error(error))?;
        self.leave_no_traces().await?;
        Ok(result)
    }
}

/// A session with what tells whose it is, withdrawn or not.
struct Session {
    id: i64,
    person_id: Option<i64>,
    row: Row<'static>,
}

#[derive(FromRow)]
struct Instance {
    uuid: String,
    meeting_id: i64,
    guests: String,
}

async fn forget(
    connection: &mut SqliteConnection,
    person_id: i64,
    now: Timestamp,
) -> Result<ForgetResult, sqlx::Error> {
    let grounds = Grounds::load(connection).await?;
    let mut forgotten = Forgotten::load_or_begin(connection).await?;
    let subject = forgotten::random(connection).await?;
    // Where the person was, and where a withdrawn session may have been theirs.
    let instance_ids: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT instance_id FROM sessions WHERE person_id = ? OR withdrawn_at IS NOT NULL ORDER BY 1",
    )
    .bind(person_id)
    .fetch_all(&mut *connection)
    .await?;

    let mut texts = Texts::default();
    let mut anonymous: BTreeMap<i64, Vec<Session>> = BTreeMap::new();
    // A withdrawn session may tell something that leads to another one, so it goes on until nothing is learnt.
    loop {
        let mut learnt = false;
        for instance_id in &instance_ids {
            let found =
                in_instance(connection, &mut forgotten, (person_id, subject), *instance_id, &grounds, now)
                    .await?;
            texts.add(&found, &grounds.shared);
            learnt |= anonymous.get(instance_id).map_or(0, Vec::len) < found.len();
            anonymous.insert(*instance_id, found);
        }
        if !learnt {
            break;
        }
    }
    anonymous.retain(|_, sessions| !sessions.is_empty());

    let mut people = BTreeSet::from([person_id]);
    let mut result = ForgetResult::default();
    for (instance_id, sessions) in &anonymous {
        result.instances += 1;
        result.sessions += sessions.len() as u64;
        people.extend(sessions.iter().filter_map(|session| session.person_id));
        let uuid = forgotten::uuid_of(connection, *instance_id).await?;
        let pseudonym = forgotten.pseudonym(subject, &uuid);
        for session in sessions {
            let mut row = session.row.clone();
            forgotten.anonymize(&mut row, &pseudonym);
            rows::rewrite_session(connection, session.id, &row).await?;
        }
    }
    remove_from_rosters(connection, &mut forgotten, &texts, subject, now).await?;
    remove_from_decisions(connection, &texts, &anonymous).await?;
    let grounds = Grounds::load(connection).await?;
    let reworked = people::rework(connection, &grounds, &people, &[]).await?;
    let mut affected: BTreeSet<i64> = anonymous.keys().copied().collect();
    affected.extend(reworked.instance_ids);
    let affected: Vec<i64> = affected.into_iter().collect();
    presence::refresh(connection, &affected, &reworked.people).await?;
    people::remove(connection, &reworked.gone).await?;

    remove_hosts(connection, &mut forgotten, &texts, subject, now).await?;
    remove_rejects(connection, &mut forgotten, &texts, subject, now).await?;
    remove_unused_facts(connection).await?;
    // They are digests of listings that held the person.
    sqlx::query(
        "UPDATE instances SET listing_digest = NULL WHERE instance_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(&affected))
    .execute(&mut *connection)
    .await?;
    result.topics = topics_with(connection, &texts).await?;
    Ok(result)
}

/// The sessions of an instance that are to be anonymous; what they tell beside what was known is learnt.
async fn in_instance(
    connection: &mut SqliteConnection,
    forgotten: &mut Forgotten,
    (person_id, subject): (i64, i64),
    instance_id: i64,
    grounds: &Grounds,
    now: Timestamp,
) -> Result<Vec<Session>, sqlx::Error> {
    let instance: Instance = sqlx::query_as(concat!(
        "SELECT i.uuid, i.meeting_id, ",
        guests_of_meeting!(),
        " AS guests FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id WHERE i.instance_id = ?",
    ))
    .bind(instance_id)
    .fetch_one(&mut *connection)
    .await?;
    let guests = GuestScope::of(&instance.guests);
    let place = Place { instance_id, meeting_id: instance.meeting_id, guests, grounds };
    let sessions = sessions_of(connection, instance_id).await?;
    let evidence: Vec<Evidence> =
        sessions.iter().map(|session| place.evidence(&Told::by(&session.row))).collect();
    let pseudonym = forgotten.pseudonym(subject, &instance.uuid);
    let theirs: Vec<Option<String>> = sessions
        .iter()
        .map(|session| (session.person_id == Some(person_id)).then(|| pseudonym.clone()))
        .collect();
    let found = pseudonyms(forgotten, &evidence, &theirs, &instance.uuid, &place);
    let mut anonymous = Vec::new();
    let mut marks = BTreeSet::new();
    for ((session, evidence), found) in sessions.into_iter().zip(&evidence).zip(found) {
        // Somebody else who was forgotten before keeps the other pseudonym.
        if found.as_ref() != Some(&pseudonym) {
            continue;
        }
        marks.extend(marks_of(evidence, &instance.uuid, &place));
        anonymous.push(session);
    }
    forgotten.learn(connection, &marks, subject, now).await?;
    Ok(anonymous)
}

async fn sessions_of(
    connection: &mut SqliteConnection,
    instance_id: i64,
) -> Result<Vec<Session>, sqlx::Error> {
    let ids: Vec<(i64, Option<i64>)> = sqlx::query_as(
        "SELECT session_id, person_id FROM sessions WHERE instance_id = ? ORDER BY session_id",
    )
    .bind(instance_id)
    .fetch_all(&mut *connection)
    .await?;
    let list: Vec<i64> = ids.iter().map(|(session_id, _)| *session_id).collect();
    let mut loaded = rows::load_sessions(connection, &list).await?;
    let session = |(session_id, person_id)| {
        loaded.remove(&session_id).map(|row| Session { id: session_id, person_id, row })
    };
    Ok(ids.into_iter().filter_map(session).collect())
}

/// What the person's sessions told, to look for elsewhere.
#[derive(Default)]
struct Texts {
    emails: BTreeSet<String>,
    names: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl Texts {
    fn add(&mut self, sessions: &[Session], shared: &HashSet<String>) {
        for session in sessions.iter().map(|session| &session.row) {
            // What many people use is not the person's.
            self.emails
                .extend(session.text(Field::Email).map(normalized).filter(|email| !shared.contains(email)));
            self.names.extend(session.text(Field::UserName).map(normalized).filter(|name| !name.is_empty()));
            let ids = [Field::Id, Field::ParticipantUserId, Field::RegistrantId, Field::ParticipantUuid];
            let ids = ids.into_iter().filter_map(|field| session.text(field));
            let ids = ids.filter(|id| !id.starts_with(PSEUDONYM) && !shared.contains(&normalized(id)));
            self.ids.extend(ids.map(str::to_owned));
        }
    }

    /// Whether a text mentions the person: an id, an email or a name as a part of it, whatever the case of letters.
    fn are_in(&self, text: &str) -> bool {
        let folded = normalized(text);
        // A name of a letter or two is in every text.
        let is_in = |part: &String| {
            if part.chars().count() < 3 { folded == *part } else { folded.contains(part.as_str()) }
        };
        self.emails.iter().any(is_in)
            || self.names.iter().any(is_in)
            || self.ids.iter().any(|id| text.contains(id.as_str()))
    }
}

async fn remove_hosts(
    connection: &mut SqliteConnection,
    forgotten: &mut Forgotten,
    texts: &Texts,
    subject: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let hosts: Vec<(i64, String, Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT instance_id, uuid, host_name, host_email FROM instances WHERE host_name IS NOT NULL OR host_email IS NOT NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut hidden = Vec::new();
    for (instance_id, uuid, name, email) in hosts {
        let name = name.as_deref().map(normalized);
        let is_theirs = match (email.as_deref().map(normalized), &name) {
            (Some(email), _) => texts.emails.contains(&email),
            (None, Some(name)) => texts.names.contains(name),
            (None, None) => false,
        };
        if is_theirs {
            hidden.push(instance_id);
            let marks = name.map(|name| Mark::NameInInstance { instance: uuid, name }).into_iter().collect();
            forgotten.learn(connection, &marks, subject, now).await?;
        }
    }
    sqlx::query(
        "UPDATE instances SET host_name = NULL, host_email = NULL WHERE instance_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(&hidden))
    .execute(connection)
    .await?;
    Ok(())
}

async fn remove_rejects(
    connection: &mut SqliteConnection,
    forgotten: &mut Forgotten,
    texts: &Texts,
    subject: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let rejects: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT r.reject_id, i.uuid, r.content FROM reject_log r JOIN instances i ON i.instance_id = r.instance_id",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (reject_id, instance, content) in rejects {
        // Letters may be written as escapes.
        let mentions =
            texts.are_in(&content) || forgotten::texts_in(&content).iter().any(|text| texts.are_in(text));
        if !mentions {
            continue;
        }
        let marks = BTreeSet::from([Mark::Reject { instance, content }]);
        forgotten.learn(connection, &marks, subject, now).await?;
        sqlx::query("DELETE FROM reject_log WHERE reject_id = ?")
            .bind(reject_id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn remove_from_rosters(
    connection: &mut SqliteConnection,
    forgotten: &mut Forgotten,
    texts: &Texts,
    subject: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let json = |texts: &BTreeSet<String>| {
        serde_json::Value::from(texts.iter().map(String::as_str).collect::<Vec<_>>()).to_string()
    };
    let members: Vec<(i64, Option<String>, Option<String>)> = sqlx::query_as(
        "DELETE FROM roster_members WHERE email_key IN (SELECT value FROM json_each(?1)) \
             OR (email_key IS NULL AND name_key IN (SELECT value FROM json_each(?2))) \
         RETURNING meeting_id, email_key, name_key",
    )
    .bind(json(&texts.emails))
    .bind(json(&texts.names))
    .fetch_all(&mut *connection)
    .await?;
    // The file that they came from is read again.
    let marks = members.into_iter().filter_map(|(meeting_id, email, name)| match (email, name) {
        (Some(email), _) => Some(Mark::Strong((Kind::Email, 0, email))),
        (None, Some(name)) => Some(Mark::Member { meeting_id, name }),
        (None, None) => None,
    });
    forgotten.learn(connection, &marks.collect(), subject, now).await
}

/// What was decided by hand about the person names it, and has nobody to be about any more.
async fn remove_from_decisions(
    connection: &mut SqliteConnection,
    texts: &Texts,
    anonymous: &BTreeMap<i64, Vec<Session>>,
) -> Result<(), sqlx::Error> {
    let mut held: Vec<String> = texts.emails.iter().chain(&texts.names).chain(&texts.ids).cloned().collect();
    held.extend(anonymous.values().flatten().map(|session| session.id.to_string()));
    decisions::remove(connection, &[], &held).await
}

async fn topics_with(connection: &mut SqliteConnection, texts: &Texts) -> Result<u64, sqlx::Error> {
    let topics: Vec<String> = sqlx::query_scalar(
        "SELECT topic FROM meetings WHERE topic IS NOT NULL UNION SELECT topic FROM instances WHERE topic IS NOT NULL",
    )
    .fetch_all(connection)
    .await?;
    Ok(topics.iter().filter(|topic| texts.are_in(topic)).count() as u64)
}
