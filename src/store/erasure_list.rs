//! Who has been forgotten: keyed digests of what identified them, so that no later reading brings them back.
//!
//! The digests are worth nothing without the key, and say nothing of anyone who is not asked for by name: they
//! answer whether something belonged to a forgotten person, and not what there was.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::SqliteConnection;

use crate::decode::{Field, Json, Reject, Row};
use crate::identity::{Evidence, GuestScope, Identifier, IdentifierKind, components};
use crate::identity::{IdentityFields, InstanceContext, normalized};
use crate::model::{InstanceId, Timestamp};

/// How the `participant_uuid` of an anonymous row begins; Zoom's hold no colon.
pub(super) const PSEUDONYM: &str = "forgotten:";

/// Something that may identify a forgotten person, with the place where it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ErasureKey {
    /// It leads to a person by itself: everywhere, or a registration in its meeting.
    Strong(Identifier),
    /// A participant in one instance.
    Participant { instance: String, uuid: String },
    /// A name of somebody in one instance of whom nothing strong is told.
    NameInInstance { instance: String, name: String },
    /// The name of a guest in a meeting.
    NameInMeeting { meeting_id: i64, name: String },
    /// A member of a meeting's roster of whom it tells a name only.
    Member { meeting_id: i64, name: String },
    /// A member of a meeting's roster whose email many use.
    SharedMember { meeting_id: i64, email: String, name: String },
    /// Something that could not be decoded, in one instance.
    Reject { instance: String, content: String },
}

/// The digests of everyone who has been forgotten.
pub(super) struct ErasureList {
    key: Vec<u8>,
    subjects: HashMap<Vec<u8>, i64>,
}

type Digest = [u8; 32];

impl ErasureList {
    /// None where nobody has been forgotten.
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Option<Self>, sqlx::Error> {
        let known: Vec<(Vec<u8>, i64)> =
            sqlx::query_as("SELECT digest, subject FROM erasures").fetch_all(&mut *connection).await?;
        if known.is_empty() {
            return Ok(None);
        }
        let key = key(connection).await?;
        Ok(Some(Self { key, subjects: known.into_iter().collect() }))
    }

    /// As [`ErasureList::load`], ready for the first of them.
    pub(super) async fn load_or_begin(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        if let Some(forgotten) = Self::load(connection).await? {
            return Ok(forgotten);
        }
        sqlx::query(
            "INSERT INTO settings (name, value) VALUES ('erasure_key', randomblob(32)) ON CONFLICT (name) DO NOTHING",
        )
        .execute(&mut *connection)
        .await?;
        Ok(Self { key: key(connection).await?, subjects: HashMap::new() })
    }

    /// Whom of the forgotten a mark leads to.
    pub(super) fn subject(&self, mark: &ErasureKey) -> Option<i64> {
        self.subjects.get(self.digest_of(mark).as_slice()).copied()
    }

    /// Notes that these marks lead to a forgotten person.
    pub(super) async fn learn(
        &mut self,
        connection: &mut SqliteConnection,
        marks: &BTreeSet<ErasureKey>,
        subject: i64,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        for mark in marks {
            let digest = self.digest_of(mark).to_vec();
            if self.subjects.contains_key(&digest) {
                continue;
            }
            sqlx::query("INSERT INTO erasures (digest, subject, erased_at) VALUES (?, ?, ?)")
                .bind(&digest)
                .bind(subject)
                .bind(now.millis())
                .execute(&mut *connection)
                .await?;
            self.subjects.insert(digest, subject);
        }
        Ok(())
    }

    /// What takes the place of a forgotten person's `participant_uuid` in one instance: the same in each of its
    /// readings, another one in each instance.
    pub(super) fn pseudonym(&self, subject: i64, instance: &str) -> String {
        let digest = self.digest(&["pseudonym", &subject.to_string(), instance]);
        digest[..12].iter().fold(PSEUDONYM.to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// A row without everything that tells whose it is.
    pub(super) fn anonymize(&self, row: &mut Row<'_>, pseudonym: &str) {
        // The digest that stands in for a missing key is one of names and emails, and not a keyed one.
        let surrogate_key =
            row.surrogate_key().filter(|_| row.text(Field::ParticipantUuid) != Some(pseudonym));
        if let Some(surrogate_key) = surrogate_key {
            let digest = self.digest(&["stand-in", &surrogate_key.to_string()]);
            let mut first = [0; 8];
            first.copy_from_slice(&digest[..8]);
            row.restore_surrogate_key(Some(i64::from_le_bytes(first)));
        }
        row.anonymize(pseudonym.to_owned());
    }

    fn digest_of(&self, mark: &ErasureKey) -> Digest {
        match mark {
            ErasureKey::Strong((kind, scope, value)) => {
                self.digest(&[kind.as_str(), &scope.to_string(), value])
            }
            ErasureKey::Participant { instance, uuid } => self.digest(&["participant", instance, uuid]),
            ErasureKey::NameInInstance { instance, name } => {
                self.digest(&["name in instance", instance, name])
            }
            ErasureKey::NameInMeeting { meeting_id, name } => {
                self.digest(&["name in meeting", &meeting_id.to_string(), name])
            }
            ErasureKey::Member { meeting_id, name } => {
                self.digest(&["member", &meeting_id.to_string(), name])
            }
            ErasureKey::SharedMember { meeting_id, email, name } => {
                self.digest(&["shared member", &meeting_id.to_string(), email, name])
            }
            ErasureKey::Reject { instance, content } => self.digest(&["reject", instance, content]),
        }
    }

    /// Every part is preceded by its length, so that no two lists of parts are one text.
    fn digest(&self, parts: &[&str]) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key may have any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

async fn key(connection: &mut SqliteConnection) -> Result<Vec<u8>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM settings WHERE name = 'erasure_key'").fetch_one(connection).await
}

/// A keyed digest of how somebody was named at the command line. Somebody has been forgotten before.
pub(super) async fn name_of(connection: &mut SqliteConnection, said: &str) -> Result<String, sqlx::Error> {
    let forgotten = ErasureList { key: key(connection).await?, subjects: HashMap::new() };
    let digest = forgotten.digest(&["said", &normalized(said)]);
    Ok(digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// What evidence in an instance may lead to a forgotten person by.
pub(super) fn marks_of(
    evidence: &Evidence,
    instance: &str,
    place: &InstanceContext<'_>,
) -> BTreeSet<ErasureKey> {
    let mut marks: BTreeSet<ErasureKey> = evidence.strong.iter().cloned().map(ErasureKey::Strong).collect();
    if let Some(uuid) = evidence.participant_uuid.clone().filter(|uuid| !uuid.starts_with(PSEUDONYM)) {
        marks.insert(ErasureKey::Participant { instance: instance.to_owned(), uuid });
    }
    if let Some((_, _, name)) = &evidence.name {
        marks.insert(ErasureKey::NameInInstance { instance: instance.to_owned(), name: name.clone() });
        if evidence.strong.is_empty() && place.guests == GuestScope::Meeting {
            marks.insert(ErasureKey::NameInMeeting { meeting_id: place.meeting_id, name: name.clone() });
        }
    }
    marks
}

/// For each of the sessions of one instance the pseudonym that it gets, if it is a forgotten person's: by one of
/// its own marks, or through any chain of what its rows share.
///
/// A name counts for rows only of which nothing strong is told. `known` holds pseudonyms that are known otherwise.
pub(super) fn pseudonyms(
    forgotten: &ErasureList,
    sessions: &[Evidence],
    known: &[Option<String>],
    instance: &str,
    place: &InstanceContext<'_>,
) -> Vec<Option<String>> {
    let own = |at: usize| {
        let evidence = &sessions[at];
        let is_name = |mark: &ErasureKey| {
            matches!(mark, ErasureKey::NameInInstance { .. } | ErasureKey::NameInMeeting { .. })
        };
        known[at].clone().or_else(|| {
            marks_of(evidence, instance, place)
                .iter()
                .filter(|mark| evidence.strong.is_empty() || !is_name(mark))
                .filter_map(|mark| forgotten.subject(mark))
                .min()
                .map(|subject| forgotten.pseudonym(subject, instance))
        })
    };
    let mut found = vec![None; sessions.len()];
    for component in components(sessions, &[]) {
        if let Some(pseudonym) = component.members.iter().find_map(|at| own(*at)) {
            component.members.iter().for_each(|at| found[*at] = Some(pseudonym.clone()));
        }
    }
    found
}

/// The rows of a listing with those of forgotten people made anonymous; none where nobody in it was forgotten.
///
/// What the rows tell beside what was known is learnt, so that it does not lead back to them either.
pub(super) async fn without_forgotten<'a>(
    connection: &mut SqliteConnection,
    place: &InstanceContext<'_>,
    rows: &[Row<'a>],
    now: Timestamp,
) -> Result<Option<Vec<Row<'a>>>, sqlx::Error> {
    let Some(mut forgotten) = ErasureList::load(connection).await? else { return Ok(None) };
    let instance = uuid_of(connection, place.instance_id).await?;
    let stored = anonymous_sessions(connection, place.instance_id).await?;
    let known: Vec<Option<String>> = rows
        .iter()
        .map(|row| {
            let user_id = row.text(Field::UserId)?;
            let join_at = row.number(Field::JoinTime)?;
            stored.get(&(user_id.to_owned(), join_at.div_euclid(1000))).cloned()
        })
        .collect();
    let evidence: Vec<Evidence> = rows.iter().map(|row| place.evidence(&IdentityFields::of(row))).collect();
    let found = pseudonyms(&forgotten, &evidence, &known, &instance, place);
    if found.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut rows = rows.to_vec();
    let mut marks: BTreeMap<&str, BTreeSet<ErasureKey>> = BTreeMap::new();
    for ((row, evidence), pseudonym) in rows.iter_mut().zip(&evidence).zip(&found) {
        if let Some(pseudonym) = pseudonym {
            marks.entry(pseudonym).or_default().extend(marks_of(evidence, &instance, place));
            forgotten.anonymize(row, pseudonym);
        }
    }
    for marks in marks.into_values() {
        let marks = not_owned(connection, marks).await?;
        let subject = match marks.iter().find_map(|mark| forgotten.subject(mark)) {
            Some(subject) => subject,
            None => random(connection).await?,
        };
        forgotten.learn(connection, &marks, subject, now).await?;
    }
    Ok(Some(rows))
}

/// A number that nobody can guess.
pub(super) async fn random(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT random()").fetch_one(connection).await
}

/// Zoom's name of an instance.
pub(super) async fn uuid_of(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT uuid FROM instances WHERE instance_id = ?")
        .bind(instance_id)
        .fetch_one(connection)
        .await
}

/// The pseudonyms of an instance's anonymous sessions, by `user_id` and the second of joining.
async fn anonymous_sessions(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
) -> Result<HashMap<(String, i64), String>, sqlx::Error> {
    let sessions: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT user_id, join_at, participant_uuid FROM sessions \
          WHERE instance_id = ? AND participant_uuid GLOB 'forgotten:*' AND user_id IS NOT NULL AND join_at IS NOT NULL",
    )
    .bind(instance_id)
    .fetch_all(connection)
    .await?;
    Ok(sessions
        .into_iter()
        .map(|(user_id, join_at, pseudonym)| ((user_id, join_at.div_euclid(1000)), pseudonym))
        .collect())
}

/// The marks without identifiers of people who are in the database: they are not theirs to lose.
async fn not_owned(
    connection: &mut SqliteConnection,
    marks: BTreeSet<ErasureKey>,
) -> Result<BTreeSet<ErasureKey>, sqlx::Error> {
    let mut kept = BTreeSet::new();
    for mark in marks {
        if let ErasureKey::Strong((kind, scope, value)) = &mark {
            let owned: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM identifiers WHERE kind = ? AND scope = ? AND value = ?",
            )
            .bind(kind.as_str())
            .bind(scope)
            .bind(value)
            .fetch_one(&mut *connection)
            .await?;
            if owned > 0 {
                continue;
            }
        }
        kept.insert(mark);
    }
    Ok(kept)
}

/// What may lead to somebody in a text that stands alone: an email, a Zoom user id, a registration, a name.
pub(super) fn marks_of_text(text: &str, instance: &str, meeting_id: i64) -> Vec<ErasureKey> {
    let text = text.trim();
    let name = normalized(text);
    let mut marks = vec![
        ErasureKey::Strong((IdentifierKind::Email, 0, name.clone())),
        ErasureKey::Strong((IdentifierKind::ZoomUser, 0, text.to_owned())),
        ErasureKey::Strong((IdentifierKind::Registrant, meeting_id, text.to_owned())),
        ErasureKey::Participant { instance: instance.to_owned(), uuid: text.to_owned() },
        ErasureKey::NameInInstance { instance: instance.to_owned(), name: name.clone() },
    ];
    marks.push(ErasureKey::NameInMeeting { meeting_id, name });
    marks
}

/// The digests of the rejects of a listing that mention a forgotten person, and must not be kept.
pub(super) async fn mentioning_rejects(
    connection: &mut SqliteConnection,
    rejects: &[Reject],
    instance_id: InstanceId,
    meeting_id: i64,
) -> Result<HashSet<usize>, sqlx::Error> {
    if rejects.is_empty() {
        return Ok(HashSet::new());
    }
    let Some(forgotten) = ErasureList::load(connection).await? else { return Ok(HashSet::new()) };
    let instance = uuid_of(connection, instance_id).await?;
    let mentions = |reject: &Reject| {
        let whole = ErasureKey::Reject { instance: instance.clone(), content: reject.content.clone() };
        forgotten.subject(&whole).is_some()
            || texts_in(&reject.content)
                .iter()
                .flat_map(|text| phrases(text))
                .flat_map(|text| marks_of_text(&text, &instance, meeting_id))
                .any(|mark| forgotten.subject(&mark).is_some())
    };
    Ok(rejects.iter().enumerate().filter(|(_, reject)| mentions(reject)).map(|(at, _)| at).collect())
}

/// Every text in JSON, however deep; of what is no JSON, what stands between quotation marks.
pub(super) fn texts_in(content: &str) -> Vec<String> {
    let mut texts = Vec::new();
    match Json::parse(content) {
        Ok(value) => value.texts(&mut texts),
        Err(_) => texts.extend(content.split('"').map(str::to_owned)),
    }
    texts
}

/// Whether a member of a roster is a forgotten person: by the email, or where there is none by the name.
pub(super) async fn is_forgotten_member(
    connection: &mut SqliteConnection,
    meeting_id: i64,
    email_key: Option<&str>,
    name_key: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let Some(forgotten) = ErasureList::load(connection).await? else { return Ok(false) };
    let marks = match (email_key, name_key) {
        (Some(email), name) => vec![
            ErasureKey::Strong((IdentifierKind::Email, 0, email.to_owned())),
            ErasureKey::SharedMember {
                meeting_id,
                email: email.to_owned(),
                name: name.unwrap_or_default().to_owned(),
            },
        ],
        (None, Some(name)) => vec![
            ErasureKey::Member { meeting_id, name: name.to_owned() },
            ErasureKey::NameInMeeting { meeting_id, name: name.to_owned() },
        ],
        (None, None) => Vec::new(),
    };
    Ok(marks.iter().any(|mark| forgotten.subject(mark).is_some()))
}

/// A text, its words, and what few words in a row make: a name within a sentence is found, too.
fn phrases(text: &str) -> Vec<String> {
    const LONGEST: usize = 5;
    let words: Vec<&str> = text
        .split(|letter: char| letter.is_whitespace() || "<>()[]{},;:\"'".contains(letter))
        .filter(|word| !word.is_empty())
        .collect();
    let mut phrases = vec![text.to_owned()];
    for at in 0..words.len() {
        for end in at + 1..=words.len().min(at + LONGEST) {
            phrases.push(words[at..end].join(" "));
        }
    }
    phrases
}

/// Whether the host of an instance, as he is described, is a forgotten person.
pub(super) async fn is_forgotten_host(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
    host_name: Option<&str>,
    host_email: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let Some(forgotten) = ErasureList::load(connection).await? else { return Ok(false) };
    let instance = uuid_of(connection, instance_id).await?;
    // Of two people with one name, the email says which it is.
    let mark = match (host_email, host_name) {
        (Some(email), _) => ErasureKey::Strong((IdentifierKind::Email, 0, normalized(email))),
        (None, Some(name)) => ErasureKey::NameInInstance { instance, name: normalized(name) },
        (None, None) => return Ok(false),
    };
    Ok(forgotten.subject(&mark).is_some())
}
