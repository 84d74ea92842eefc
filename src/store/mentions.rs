//! Where the names, emails and identifiers of somebody stand, beside what is known to be theirs.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::forgotten::PSEUDONYM;
use super::people::normalized;
use crate::decode::{Field, Row, is_word};

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
pub(super) struct Texts {
    pub emails: BTreeSet<String>,
    pub names: BTreeSet<String>,
    pub ids: BTreeSet<String>,
}

impl Texts {
    /// Adds what a session tells. What many people use is not the person's.
    pub(super) fn add(&mut self, row: &Row<'_>, shared: &HashSet<String>) {
        self.emails.extend(row.text(Field::Email).map(normalized).filter(|email| !shared.contains(email)));
        self.names.extend(row.text(Field::UserName).map(normalized).filter(|name| !name.is_empty()));
        let ids = [Field::Id, Field::ParticipantUserId, Field::RegistrantId, Field::ParticipantUuid];
        let ids = ids.into_iter().filter_map(|field| row.text(field));
        let ids = ids.filter(|id| !id.starts_with(PSEUDONYM) && !shared.contains(&normalized(id)));
        self.ids.extend(ids.map(str::to_owned));
    }

    /// Whether a text mentions the person: an id, an email or a name as a part of it, whatever the case of letters.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let folded = normalized(text);
        // A name of a letter or two is in every text.
        let is_in = |part: &String| {
            if part.chars().count() < 3 { folded == *part } else { folded.contains(part.as_str()) }
        };
        self.emails.iter().any(is_in)
            || self.names.iter().any(is_in)
            || self.ids.iter().any(|id| text.contains(id.as_str()))
    }

    /// As [`Texts::are_in`], but a name that is a part of a longer word is not the person's.
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

/// A text that may mention somebody, how often it stands there, and a JSON list of whose it is, or null.
type Told = (String, i64, Option<String>);

/// Places with what they are called; `?1` is a person whose own do not count, or NULL.
const PLACES: [(&str, &str); 8] = [
    (
        "sessions of others, by their name",
        "SELECT f.user_name, count(*), json_group_array(DISTINCT s.person_id) FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id \
          WHERE f.user_name IS NOT NULL AND s.person_id IS NOT ?1 GROUP BY 1",
    ),
    (
        "sessions of others, by their email or an identifier",
        "SELECT concat, count(*), json_group_array(DISTINCT person_id) FROM ( \
             SELECT s.person_id, coalesce(f.email, '') || ' ' || coalesce(f.zoom_id, '') || ' ' || coalesce(f.participant_user_id, '') \
                    || ' ' || coalesce(f.registrant_id, '') || ' ' || coalesce(f.customer_key, '') AS concat \
               FROM sessions s JOIN profiles f ON f.profile_id = s.profile_id WHERE s.person_id IS NOT ?1) GROUP BY 1",
    ),
    (
        "leave reasons and phone addresses of others",
        "SELECT concat, count(*), json_group_array(DISTINCT person_id) FROM ( \
             SELECT person_id, coalesce(leave_reason, '') || ' ' || coalesce(sip_uri, '') || ' ' || coalesce(from_sip_uri, '') AS concat \
               FROM sessions WHERE person_id IS NOT ?1) GROUP BY 1",
    ),
    (
        "names of devices and computers of others",
        "SELECT concat, count(*), json_group_array(DISTINCT person_id) FROM ( \
             SELECT s.person_id, coalesce(c.device_name, '') || ' ' || coalesce(p.pc_name, '') || ' ' || coalesce(p.domain, '') \
                    || ' ' || coalesce(a.microphone, '') || ' ' || coalesce(a.camera, '') || ' ' || coalesce(a.speaker, '') AS concat \
               FROM sessions s JOIN setups u ON u.setup_id = s.setup_id LEFT JOIN clients c ON c.client_id = u.client_id \
               LEFT JOIN machines p ON p.machine_id = u.machine_id LEFT JOIN media a ON a.media_id = u.media_id \
              WHERE s.person_id IS NOT ?1) GROUP BY 1",
    ),
    (
        "other facts of sessions of others",
        "SELECT e.content, count(*), json_group_array(DISTINCT s.person_id) FROM sessions s JOIN extras e ON e.extra_id = s.extra_id \
          WHERE s.person_id IS NOT ?1 GROUP BY 1",
    ),
    (
        "hosts of instances",
        "SELECT coalesce(host_name, '') || ' ' || coalesce(host_email, ''), count(*), json_group_array(DISTINCT meeting_id) FROM instances \
          WHERE host_name IS NOT NULL OR host_email IS NOT NULL GROUP BY 1",
    ),
    (
        "topics and labels",
        "SELECT words, count(*), json_group_array(DISTINCT meeting_id) FROM ( \
             SELECT topic AS words, meeting_id FROM meetings UNION SELECT label, meeting_id FROM meetings \
             UNION SELECT topic, meeting_id FROM instances) WHERE words IS NOT NULL GROUP BY 1",
    ),
    (
        "lines of rosters",
        "SELECT coalesce(name, '') || ' ' || coalesce(email, ''), count(*), json_group_array(DISTINCT meeting_id) FROM roster_members GROUP BY 1",
    ),
];

/// Tables that [`PLACES`] look into, that say again what those say, or that hold digests only.
const LOOKED_INTO: [&str; 17] = [
    "sessions",
    "profiles",
    "setups",
    "clients",
    "machines",
    "networks",
    "media",
    "extras",
    "instances",
    "meetings",
    "roster_members",
    "identifiers",
    "presences",
    "people",
    "forgotten",
    "sqlite_sequence",
    "_sqlx_migrations",
];

/// Where these texts stand, as whole words, beside the sessions of this person. What a later version keeps in tables of
/// its own is looked into as well.
pub(super) async fn elsewhere(
    connection: &mut SqliteConnection,
    texts: &Texts,
    except: Option<i64>,
) -> Result<Vec<Mention>, sqlx::Error> {
    let mut mentions = Vec::new();
    for (place, query) in PLACES {
        let told: Vec<Told> = sqlx::query_as(query).bind(except).fetch_all(&mut *connection).await?;
        mentions.extend(mention(place.to_owned(), &told, texts));
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
        // The names come from the schema.
        let query =
            format!("SELECT {}, count(*), NULL FROM \"{table}\" GROUP BY 1", cells.join(" || ' ' || "));
        let told: Vec<Told> = sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&mut *connection).await?;
        mentions.extend(mention(format!("rows of the table {table}"), &told, texts));
    }
    Ok(mentions)
}

fn mention(place: String, told: &[Told], texts: &Texts) -> Option<Mention> {
    let mut count = 0;
    let mut numbers = BTreeSet::new();
    for (_, times, list) in told.iter().filter(|(text, ..)| texts.are_words_of(text)) {
        count += u64::try_from(*times).unwrap_or(0);
        let list: Vec<Option<i64>> =
            list.as_deref().and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
        numbers.extend(list.into_iter().flatten());
    }
    (count > 0).then(|| Mention { place, count, numbers: numbers.into_iter().collect() })
}
