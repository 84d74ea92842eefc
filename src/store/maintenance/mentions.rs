//! Where the names, emails and identifiers of somebody stand, beside what is known to be theirs.

use std::collections::{BTreeSet, HashSet};

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::decode::{Field, Row, is_word};
use crate::identity::normalized;
use crate::store::erasure_list::PSEUDONYM;
use crate::store::lists::json_list;

/// A place where a text stands that tells of somebody, or of another one who is called the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mention {
    /// What holds it; no name is in these words.
    pub place: String,
    /// How many of them.
    pub count: u64,
    /// Which people those are of, where they are of people; meetings, where they are of meetings.
    pub numbers: Vec<i64>,
}

/// What tells who somebody is, to look for elsewhere; names and emails are normalized.
#[derive(Default)]
pub(crate) struct SearchTerms {
    pub emails: BTreeSet<String>,
    pub names: BTreeSet<String>,
    pub ids: BTreeSet<String>,
}

impl SearchTerms {
    /// Adds what a session tells. What many people use is not the person's.
    pub(crate) fn add(&mut self, row: &Row<'_>, shared: &HashSet<String>) {
        self.emails.extend(row.text(Field::Email).map(normalized).filter(|email| !shared.contains(email)));
        self.names.extend(row.text(Field::UserName).map(normalized).filter(|name| !name.is_empty()));
        let ids = [Field::Id, Field::ParticipantUserId, Field::RegistrantId, Field::ParticipantUuid];
        let ids = ids.into_iter().filter_map(|field| row.text(field));
        let ids = ids.filter(|id| !id.starts_with(PSEUDONYM) && !shared.contains(&normalized(id)));
        self.ids.extend(ids.map(str::to_owned));
    }

    /// Whether a text mentions the person: an id, an email or a name as a part of it, whatever the case of letters.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let folded = normalized(text);
        // A name of a letter or two is in every text.
        let is_in = |part: &String| {
            if part.chars().count() < 3 { folded == *part } else { folded.contains(part.as_str()) }
        };
        self.emails.iter().any(is_in)
            || self.names.iter().any(is_in)
            || self.ids.iter().any(|id| text.contains(id.as_str()))
    }

    /// As [`SearchTerms::are_in`], but a name that is a part of a longer word is not the person's.
    fn are_words_of(&self, text: &str) -> bool {
        let folded = normalized(text);
        let is_in = |text: &str, part: &str| {
            !part.is_empty()
                && text.match_indices(part).any(|(at, part)| is_word(text, (at, at + part.len())))
        };
        self.emails.iter().chain(&self.names).any(|part| is_in(&folded, part))
            || self.ids.iter().any(|id| is_in(text, id))
    }
}

/// Places with what they are called: each row a text that may mention somebody, and whose it is, or of which meeting.
/// `?1` are the sessions that do not count. Row by row, without putting them in order: there may be millions.
const PLACES: [(&str, &str); 8] = [
    (
        "sessions of others, by their name",
        "SELECT f.user_name, s.person_id FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id \
          WHERE f.user_name IS NOT NULL AND s.session_id NOT IN (SELECT value FROM json_each(?1))",
    ),
    (
        "sessions of others, by their email or an identifier",
        "SELECT coalesce(f.email, '') || ' ' || coalesce(f.zoom_id, '') || ' ' || coalesce(f.participant_user_id, '') \
                || ' ' || coalesce(f.registrant_id, '') || ' ' || coalesce(f.customer_key, ''), s.person_id \
           FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id WHERE s.session_id NOT IN (SELECT value FROM json_each(?1))",
    ),
    (
        "leave reasons and phone addresses of others",
        "SELECT coalesce(leave_reason, '') || ' ' || coalesce(sip_uri, '') || ' ' || coalesce(from_sip_uri, ''), person_id \
           FROM sessions WHERE session_id NOT IN (SELECT value FROM json_each(?1))",
    ),
    (
        "names of devices and computers of others",
        "SELECT coalesce(c.device_name, '') || ' ' || coalesce(u.pc_name, '') || ' ' || coalesce(n.domain, '') || ' ' \
                || coalesce(a.microphone, '') || ' ' || coalesce(a.camera, '') || ' ' || coalesce(a.speaker, ''), s.person_id \
           FROM sessions s JOIN client_environments u ON u.environment_id = s.environment_id \
           LEFT JOIN clients c ON c.client_id = u.client_id LEFT JOIN networks n ON n.network_id = u.network_id \
           LEFT JOIN media_devices a ON a.media_id = u.media_id \
          WHERE s.session_id NOT IN (SELECT value FROM json_each(?1))",
    ),
    (
        "other facts of sessions of others",
        "SELECT e.content, s.person_id FROM sessions s JOIN extra_fields e ON e.extra_id = s.extra_id WHERE s.session_id NOT IN (SELECT value FROM json_each(?1))",
    ),
    (
        "hosts of instances",
        "SELECT coalesce(host_name, '') || ' ' || coalesce(host_email, ''), meeting_id FROM instances",
    ),
    (
        "topics and labels",
        "SELECT topic AS words, meeting_id FROM meetings WHERE topic IS NOT NULL \
          UNION SELECT label, meeting_id FROM meetings WHERE label IS NOT NULL \
          UNION SELECT topic, meeting_id FROM instances WHERE topic IS NOT NULL",
    ),
    (
        "lines of rosters",
        "SELECT coalesce(name, '') || ' ' || coalesce(email, ''), meeting_id FROM roster_members",
    ),
];

/// Tables that [`PLACES`] look into, that say again what those say, or that hold digests only.
const LOOKED_INTO: [&str; 16] = [
    "sessions",
    "profiles",
    "client_environments",
    "clients",
    "networks",
    "media_devices",
    "extra_fields",
    "instances",
    "meetings",
    "roster_members",
    "identifiers",
    "attendance_facts",
    "people",
    "erasures",
    "sqlite_sequence",
    "_sqlx_migrations",
];

/// Where these texts stand, as whole words, beside these sessions. What a later version keeps in tables of
/// its own is looked into as well.
pub(crate) async fn elsewhere(
    connection: &mut SqliteConnection,
    texts: &SearchTerms,
    except: &[i64],
) -> Result<Vec<Mention>, sqlx::Error> {
    let mut mentions = Vec::new();
    for (place, query) in PLACES {
        mentions.extend(mention(connection, place.to_owned(), query.to_owned(), except, texts).await?);
    }
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .fetch_all(&mut *connection)
            .await?;
    for table in tables.into_iter().filter(|table| !LOOKED_INTO.contains(&table.as_str())) {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info(?) WHERE type IN ('TEXT', 'ANY', '')")
                .bind(&table)
                .fetch_all(&mut *connection)
                .await?;
        if columns.is_empty() {
            continue;
        }
        let cells: Vec<String> = columns
            .iter()
            .map(|column| format!("iif(typeof(\"{column}\") = 'text', \"{column}\", '')"))
            .collect();
        let query = format!("SELECT {}, NULL FROM \"{table}\"", cells.join(" || ' ' || "));
        mentions
            .extend(mention(connection, format!("rows of the table {table}"), query, except, texts).await?);
    }
    Ok(mentions)
}

/// What is found in one place. The names in the query come from this file, or from the schema.
async fn mention(
    connection: &mut SqliteConnection,
    place: String,
    query: String,
    except: &[i64],
    texts: &SearchTerms,
) -> Result<Option<Mention>, sqlx::Error> {
    let mut count = 0;
    let mut numbers = BTreeSet::new();
    let mut told = sqlx::query_as::<_, (String, Option<i64>)>(sqlx::AssertSqlSafe(query))
        .bind(json_list(except))
        .fetch(&mut *connection);
    while let Some((text, number)) = told.try_next().await? {
        if texts.are_words_of(&text) {
            count += 1;
            numbers.extend(number);
        }
    }
    Ok((count > 0).then(|| Mention { place, count, numbers: numbers.into_iter().collect() }))
}
