//! Making a person unrecognizable.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqliteConnection};

use crate::decode::Row;
use crate::identity::IdentityContext;
use crate::identity::{Evidence, GuestScope, IdentifierKind};
use crate::identity::{IdentityFields, InstanceContext, normalized};
use crate::model::{InstanceId, Timestamp};
use crate::store::attendance::refresh::refresh_after_change;
use crate::store::decisions;
use crate::store::erasure_list::{self, ErasureKey, ErasureList, marks_of, pseudonyms};
use crate::store::lists::json_list;
use crate::store::maintenance::mentions::{self, Mention, SearchTerms};
use crate::store::session::rows;
use crate::store::session::shared::remove_unused_facts;
use crate::store::settings::guests_of_meeting;
use crate::store::somebody::Somebody;
use crate::store::{Store, StoreError};

/// What was made anonymous, and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetResult {
    /// Sessions that keep their times, and nothing of the person.
    pub sessions: u64,
    /// Instances that they are of.
    pub instances: u64,
    /// Lines of rosters that are gone.
    pub members: u64,
    /// Where the same name or email stands for somebody who may be another, and was kept.
    pub elsewhere: Vec<Mention>,
}

/// A person who is out of the tables, and not yet out of the file: kept until that is done.
#[derive(Serialize, Deserialize)]
struct Unfinished {
    /// A keyed digest of how the person was named.
    said: String,
    result: ForgetResult,
}

impl Store {
    /// Takes everything that tells who somebody is out of the database and its files, and keeps when someone was
    /// there. Keyed digests stay, so that later readings do not bring the person back.
    ///
    /// What is anonymous is one person in each instance, and nothing leads from one instance to another. `said` is how
    /// the person was named: where there is no room to write the file anew, [`Store::finish_forgetting`] goes on by it.
    /// The caller holds the run lock.
    pub async fn forget(
        &self,
        whom: &Somebody,
        said: &str,
        now: Timestamp,
    ) -> Result<ForgetResult, StoreError> {
        self.enable_secure_delete().await?;
        let forgotten = self.write(async |tx| {
            let result = forget(tx, whom, now).await?;
            note_unfinished(tx, said, &result).await?;
            Ok(result)
        });
        let result = forgotten.await?;
        self.vacuum_and_truncate_wal().await?;
        Ok(result)
    }

    /// What became of somebody who was named so, and of whom the file itself may still hold something, because there
    /// was no room to write it anew; none where nothing is left to do.
    pub(crate) async fn unfinished_forgetting(&self, said: &str) -> Result<Option<ForgetResult>, StoreError> {
        self.read(async |connection| {
            let noted: Option<String> =
                sqlx::query_scalar("SELECT value FROM settings WHERE name = 'unfinished_forgetting'")
                    .fetch_optional(&mut *connection)
                    .await?;
            let Some(unfinished) = noted.and_then(|text| serde_json::from_str::<Unfinished>(&text).ok())
            else {
                return Ok(None);
            };
            let said = erasure_list::name_of(connection, said).await?;
            Ok((said == unfinished.said).then_some(unfinished.result))
        })
        .await
    }

    /// Whether somebody who was forgotten may still be found in the bytes of the file, whoever that was.
    pub(crate) async fn has_unfinished_forgetting(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM settings WHERE name = 'unfinished_forgetting')")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Does what was left to do of [`Store::forget`]. The caller holds the run lock.
    pub(crate) async fn finish_forgetting(&self) -> Result<(), StoreError> {
        self.vacuum_and_truncate_wal().await
    }
}

async fn note_unfinished(
    connection: &mut SqliteConnection,
    said: &str,
    result: &ForgetResult,
) -> Result<(), sqlx::Error> {
    let said = erasure_list::name_of(connection, said).await?;
    let unfinished = Unfinished { said, result: result.clone() };
    sqlx::query("INSERT INTO settings (name, value) VALUES ('unfinished_forgetting', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(serde_json::to_string(&unfinished).unwrap_or_default())
        .execute(connection)
        .await?;
    Ok(())
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
    whom: &Somebody,
    now: Timestamp,
) -> Result<ForgetResult, sqlx::Error> {
    let context = IdentityContext::load(connection).await?;
    let mut forgotten = ErasureList::load_or_begin(connection).await?;
    let subject = erasure_list::random(connection).await?;
    let mut texts = SearchTerms::default();
    let mut member_ids: &[i64] = &[];
    let person_id = match whom {
        Somebody::Person(person) => Some(person.person_id),
        Somebody::Other(other) => {
            let email = other.email.iter().filter(|email| !context.shared.contains(*email));
            texts.emails.extend(email.cloned());
            texts.names.extend(other.names.iter().map(|name| normalized(name)));
            member_ids = &other.member_ids;
            let marks = texts
                .emails
                .iter()
                .map(|email| ErasureKey::Strong((IdentifierKind::Email, 0, email.clone())))
                .collect();
            forgotten.learn(connection, &marks, subject, now).await?;
            None
        }
    };
    let whose = (person_id, subject);
    let anonymous =
        sessions_to_anonymize(connection, &mut forgotten, &mut texts, whose, &context, now).await?;
    let mut people: BTreeSet<i64> = person_id.into_iter().collect();
    let mut result = ForgetResult::default();
    for (instance_id, sessions) in &anonymous {
        result.instances += 1;
        result.sessions += sessions.len() as u64;
        people.extend(sessions.iter().filter_map(|session| session.person_id));
        let uuid = erasure_list::uuid_of(connection, *instance_id).await?;
        let pseudonym = forgotten.pseudonym(subject, &uuid);
        for session in sessions {
            let mut row = session.row.clone();
            forgotten.anonymize(&mut row, &pseudonym);
            rows::rewrite_session(connection, session.id, &row).await?;
        }
    }
    let of_instances: Vec<InstanceId> = anonymous.keys().copied().collect();
    let rosters = (of_instances.as_slice(), member_ids);
    let known = (&texts, &context.shared);
    result.members = remove_from_rosters(connection, &mut forgotten, known, rosters, (subject, now)).await?;
    remove_from_decisions(connection, &texts, &anonymous).await?;
    let affected = refresh_after_change(connection, &people, anonymous.keys().copied().collect()).await?;

    remove_hosts(connection, &mut forgotten, &texts, subject, now).await?;
    remove_rejects(connection, &mut forgotten, &texts, subject, now).await?;
    remove_unused_facts(connection).await?;
    // They are digests of listings that held the person.
    sqlx::query(
        "UPDATE instances SET content_hash = NULL WHERE instance_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(&affected))
    .execute(&mut *connection)
    .await?;
    result.elsewhere = mentions::elsewhere(connection, &texts, &[]).await?;
    Ok(result)
}

/// The sessions of a person, withdrawn or not, by instance; learns what they tell of them.
async fn sessions_to_anonymize(
    connection: &mut SqliteConnection,
    forgotten: &mut ErasureList,
    texts: &mut SearchTerms,
    (person_id, subject): (Option<i64>, i64),
    context: &IdentityContext,
    now: Timestamp,
) -> Result<BTreeMap<InstanceId, Vec<Session>>, sqlx::Error> {
    // Where the person was, and where a withdrawn session may have been theirs.
    let instance_ids: Vec<InstanceId> = sqlx::query_scalar(
        "SELECT DISTINCT instance_id FROM sessions WHERE person_id = ? OR withdrawn_at IS NOT NULL ORDER BY 1",
    )
    .bind(person_id)
    .fetch_all(&mut *connection)
    .await?;
    let mut anonymous: BTreeMap<InstanceId, Vec<Session>> = BTreeMap::new();
    // A withdrawn session may tell something that leads to another one, so it goes on until nothing is learnt.
    loop {
        let mut learnt = false;
        for instance_id in &instance_ids {
            let found =
                in_instance(connection, forgotten, (person_id, subject), *instance_id, context, now).await?;
            for session in &found {
                texts.add(&session.row, &context.shared);
            }
            learnt |= anonymous.get(instance_id).map_or(0, Vec::len) < found.len();
            anonymous.insert(*instance_id, found);
        }
        if !learnt {
            anonymous.retain(|_, sessions| !sessions.is_empty());
            return Ok(anonymous);
        }
    }
}

/// The sessions of an instance that are to be anonymous; what they tell beside what was known is learnt.
async fn in_instance(
    connection: &mut SqliteConnection,
    forgotten: &mut ErasureList,
    (person_id, subject): (Option<i64>, i64),
    instance_id: InstanceId,
    context: &IdentityContext,
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
    let place = InstanceContext { instance_id, meeting_id: instance.meeting_id, guests, context };
    let sessions = sessions_of(connection, instance_id).await?;
    let evidence: Vec<Evidence> =
        sessions.iter().map(|session| place.evidence(&IdentityFields::of(&session.row))).collect();
    let pseudonym = forgotten.pseudonym(subject, &instance.uuid);
    let theirs: Vec<Option<String>> = sessions
        .iter()
        .map(|session| (person_id.is_some() && session.person_id == person_id).then(|| pseudonym.clone()))
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
    instance_id: InstanceId,
) -> Result<Vec<Session>, sqlx::Error> {
    let ids = rows::session_ids_of(connection, instance_id).await?;
    let list: Vec<i64> = ids.iter().map(|(session_id, _)| *session_id).collect();
    let mut loaded = rows::load_sessions(connection, &list).await?;
    let session = |(session_id, person_id)| {
        loaded.remove(&session_id).map(|row| Session { id: session_id, person_id, row })
    };
    Ok(ids.into_iter().filter_map(session).collect())
}

async fn remove_hosts(
    connection: &mut SqliteConnection,
    forgotten: &mut ErasureList,
    texts: &SearchTerms,
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
            let marks =
                name.map(|name| ErasureKey::NameInInstance { instance: uuid, name }).into_iter().collect();
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
    forgotten: &mut ErasureList,
    texts: &SearchTerms,
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
            texts.are_in(&content) || erasure_list::texts_in(&content).iter().any(|text| texts.are_in(text));
        if !mentions {
            continue;
        }
        let marks = BTreeSet::from([ErasureKey::Reject { instance, content }]);
        forgotten.learn(connection, &marks, subject, now).await?;
        sqlx::query("DELETE FROM reject_log WHERE reject_id = ?")
            .bind(reject_id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Removes lines of rosters: these, those with one of the emails, and of the meetings of these instances those that
/// tell nothing but one of the names. Elsewhere a name may be another's.
async fn remove_from_rosters(
    connection: &mut SqliteConnection,
    forgotten: &mut ErasureList,
    (texts, shared): (&SearchTerms, &HashSet<String>),
    (instance_ids, member_ids): (&[InstanceId], &[i64]),
    (subject, now): (i64, Timestamp),
) -> Result<u64, sqlx::Error> {
    let json = |texts: &BTreeSet<String>| {
        serde_json::Value::from(texts.iter().map(String::as_str).collect::<Vec<_>>()).to_string()
    };
    let members: Vec<(i64, i64, Option<String>, Option<String>)> = sqlx::query_as(
        "DELETE FROM roster_members WHERE email_key IN (SELECT value FROM json_each(?1)) \
             OR roster_member_id IN (SELECT value FROM json_each(?4)) \
             OR (email_key IS NULL AND name_key IN (SELECT value FROM json_each(?2)) \
                 AND meeting_id IN (SELECT meeting_id FROM instances WHERE instance_id IN (SELECT value FROM json_each(?3)))) \
         RETURNING roster_member_id, meeting_id, email_key, name_key",
    )
    .bind(json(&texts.emails))
    .bind(json(&texts.names))
    .bind(json_list(instance_ids))
    .bind(json_list(member_ids))
    .fetch_all(&mut *connection)
    .await?;
    let removed: Vec<i64> = members.iter().map(|(member_id, ..)| *member_id).collect();
    sqlx::query(
        "UPDATE attendance_facts SET roster_member_id = NULL WHERE roster_member_id IN (SELECT value FROM json_each(?))",
    )
    .bind(json_list(&removed))
    .execute(&mut *connection)
    .await?;
    // The file that they came from is read again.
    let marks = members.into_iter().filter_map(|(_, meeting_id, email, name)| match (email, name) {
        // An email that many use does not tell which of them it is.
        (Some(email), name) if shared.contains(&email) => {
            Some(ErasureKey::SharedMember { meeting_id, email, name: name.unwrap_or_default() })
        }
        (Some(email), _) => Some(ErasureKey::Strong((IdentifierKind::Email, 0, email))),
        (None, Some(name)) => Some(ErasureKey::Member { meeting_id, name }),
        (None, None) => None,
    });
    forgotten.learn(connection, &marks.collect(), subject, now).await?;
    Ok(removed.len() as u64)
}

/// What was decided by hand about the person names it, and has nobody to be about any more.
async fn remove_from_decisions(
    connection: &mut SqliteConnection,
    texts: &SearchTerms,
    anonymous: &BTreeMap<InstanceId, Vec<Session>>,
) -> Result<(), sqlx::Error> {
    let mut held: Vec<String> = texts.emails.iter().chain(&texts.names).chain(&texts.ids).cloned().collect();
    held.extend(anonymous.values().flatten().map(|session| session.id.to_string()));
    decisions::remove(connection, &[], &held).await
}
