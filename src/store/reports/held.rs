//! All that is held on one person, for whoever asks what it is.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::identity::IdentityContext;
use crate::identity::{Evidence, GuestScope, Identifier, IdentifierKind, components};
use crate::identity::{IdentityFields, InstanceContext, normalized};
use crate::model::{InstanceId, Table, Value};
use crate::store::decisions::shown_sql;
use crate::store::lists::json_list;
use crate::store::maintenance::mentions::{Mention, SearchTerms, elsewhere};
use crate::store::session::rows::{load_sessions, session_ids_of};
use crate::store::{Somebody, Store, StoreError};

/// All that is held on one person.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The names, and in how many sessions each stands.
    pub names: Table,
    /// What the person is known by: `kind`, `value`, `sessions`.
    pub identifiers: Table,
    /// The rows of `participants`, those that were withdrawn among them.
    pub sessions: Table,
    /// The programs, computers and devices, each once.
    pub machines: Table,
    /// The networks and places, each once.
    pub networks: Table,
    /// The lines of rosters that are the person's, or bear the name in a meeting where the person was.
    pub rosters: Table,
    /// The instances that the person hosted.
    pub(crate) hosted: Table,
    /// The decisions made by hand about who the person is.
    pub decisions: Table,
    /// What could not be decoded, and mentions the person.
    pub rejects: Table,
    /// Where the same name, email or identifier stands for somebody who may be another.
    pub elsewhere: Vec<Mention>,
}

const MACHINES: &str = "device, client, version, os, os_version, browser_name, browser_version, device_name, pc_name, \
                        domain, mac_addr, harddisk_id, microphone, camera, speaker";
const NETWORKS: &str = "ip_address, internal_ip_addresses, location, network_type, connection_type, data_center, \
                        full_data_center, sip_uri, from_sip_uri";
impl Store {
    /// All that is held on somebody.
    pub(crate) async fn held_on(&self, whom: &Somebody) -> Result<Held, StoreError> {
        let (texts, session_ids) = self.told_of(whom).await?;
        let list = json_list(&session_ids);
        let mut held = Held {
            names: self.counted("user_name", &list).await?,
            identifiers: self.identifiers_of(&list).await?,
            machines: self.counted(MACHINES, &list).await?,
            networks: self.counted(NETWORKS, &list).await?,
            ..Held::default()
        };
        let query = "SELECT * FROM participants WHERE session_id IN (SELECT value FROM json_each(?)) \
                      ORDER BY join_time IS NULL, join_time, session_id";
        held.sessions = self.table(sqlx::query(query).bind(&list)).await?;
        held.rosters = self.rosters_of(whom, &texts, &list).await?;
        held.decisions = self.decisions_about(&texts, &session_ids).await?;

        let query = "SELECT meeting_id, topic, instance_uuid, start_time, host_name, host_email FROM meetings_held \
                      WHERE host_name IS NOT NULL OR host_email IS NOT NULL ORDER BY start_time";
        held.hosted = self.table(sqlx::query(query)).await?;
        held.hosted.rows.retain(|row| match (&row[5], &row[4]) {
            (Value::Text(email), _) => texts.emails.contains(&normalized(email)),
            (_, Value::Text(name)) => texts.names.contains(&normalized(name)),
            _ => false,
        });
        let query = "SELECT run_id, instance_uuid, reason, content FROM rejects";
        held.rejects = self.table(sqlx::query(query)).await?;
        held.rejects.rows.retain(|row| matches!(&row[3], Value::Text(content) if texts.are_in(content)));
        held.elsewhere =
            self.read(async |connection| elsewhere(connection, &texts, &session_ids).await).await?;
        Ok(held)
    }

    async fn told_of(&self, whom: &Somebody) -> Result<(SearchTerms, Vec<i64>), StoreError> {
        self.read(async |connection| told_of(connection, whom).await).await
    }

    /// These columns of sessions, each combination once, with how often it stands there and from when to when.
    async fn counted(&self, columns: &str, sessions: &str) -> Result<Table, StoreError> {
        let query = format!(
            "SELECT {columns}, count(*) AS sessions, min(join_time) AS first_join, max(join_time) AS last_join FROM participants \
              WHERE session_id IN (SELECT value FROM json_each(?)) AND coalesce(NULL, {columns}) IS NOT NULL \
              GROUP BY {columns} ORDER BY min(join_time)"
        );
        self.table(sqlx::query(AssertSqlSafe(query)).bind(sessions)).await
    }

    async fn identifiers_of(&self, sessions: &str) -> Result<Table, StoreError> {
        let query = sqlx::query(
            "WITH held AS MATERIALIZED (SELECT * FROM participants WHERE session_id IN (SELECT value FROM json_each(?))) \
             SELECT kind, value, count(*) AS sessions FROM ( \
                 SELECT 'email' AS kind, email AS value FROM held \
                 UNION ALL SELECT 'id', id FROM held \
                 UNION ALL SELECT 'participant_user_id', participant_user_id FROM held \
                 UNION ALL SELECT 'registrant_id', registrant_id FROM held \
                 UNION ALL SELECT 'customer_key', customer_key FROM held \
                 UNION ALL SELECT 'participant_uuid', participant_uuid FROM held) \
              WHERE value IS NOT NULL GROUP BY kind, value ORDER BY kind, value",
        );
        self.table(query.bind(sessions)).await
    }

    async fn rosters_of(
        &self,
        whom: &Somebody,
        texts: &SearchTerms,
        sessions: &str,
    ) -> Result<Table, StoreError> {
        let (person_id, member_ids) = match whom {
            Somebody::Person(person) => (Some(person.person_id), Vec::new()),
            Somebody::Other(other) => (None, other.member_ids.clone()),
        };
        let query = sqlx::query(
            "SELECT * FROM roster_members WHERE roster_member_id IN (SELECT value FROM json_each(?)) \
                 OR roster_member_id IN (SELECT roster_member_id FROM attendance_facts WHERE person_id = ?) \
                 OR email_key IN (SELECT value FROM json_each(?)) \
                 OR (name_key IN (SELECT value FROM json_each(?)) AND email_key IS NULL \
                     AND meeting_id IN (SELECT i.meeting_id FROM sessions s JOIN instances i ON i.instance_id = s.instance_id \
                                         WHERE s.session_id IN (SELECT value FROM json_each(?)))) \
              ORDER BY meeting_id, roster_member_id",
        );
        let query = query
            .bind(json_list(&member_ids))
            .bind(person_id)
            .bind(json_texts(texts.emails.iter()))
            .bind(json_texts(texts.names.iter()))
            .bind(sessions);
        self.table(query).await
    }

    async fn decisions_about(&self, texts: &SearchTerms, session_ids: &[i64]) -> Result<Table, StoreError> {
        let numbers: Vec<String> = session_ids.iter().map(i64::to_string).collect();
        let held = json_texts(texts.emails.iter().chain(&texts.names).chain(&texts.ids).chain(&numbers));
        let (left, right) = (shown_sql("left"), shown_sql("right"));
        let query = format!(
            "SELECT decision_id, kind, {left} AS left, {right} AS right, \
                    strftime('%Y-%m-%dT%H:%M:%fZ', made_at / 1000.0, 'unixepoch') AS made_at, \
                    strftime('%Y-%m-%dT%H:%M:%fZ', undone_at / 1000.0, 'unixepoch') AS undone_at FROM identity_decisions \
              WHERE left_value IN (SELECT value FROM json_each(?1)) OR right_value IN (SELECT value FROM json_each(?1)) \
              ORDER BY decision_id"
        );
        self.table(sqlx::query(AssertSqlSafe(query)).bind(held)).await
    }
}

fn json_texts<'t>(texts: impl Iterator<Item = &'t String>) -> String {
    serde_json::Value::from(texts.map(String::as_str).collect::<Vec<_>>()).to_string()
}

/// What tells of somebody, and the sessions that do: those that count, and those that were withdrawn and lead to the
/// same by an identifier, or within their instance.
async fn told_of(
    connection: &mut SqliteConnection,
    whom: &Somebody,
) -> Result<(SearchTerms, Vec<i64>), sqlx::Error> {
    let context = IdentityContext::load(connection).await?;
    let mut texts = SearchTerms::default();
    let mut known: BTreeSet<Identifier> = BTreeSet::new();
    let person_id = match whom {
        Somebody::Person(person) => {
            let identifiers: Vec<(String, i64, String)> =
                sqlx::query_as("SELECT kind, scope, value FROM identifiers WHERE person_id = ?")
                    .bind(person.person_id)
                    .fetch_all(&mut *connection)
                    .await?;
            let identifier = |(kind, scope, value): (String, i64, String)| {
                Some((IdentifierKind::from_text(&kind)?, scope, value))
            };
            known.extend(identifiers.into_iter().filter_map(identifier));
            Some(person.person_id)
        }
        Somebody::Other(other) => {
            texts.names.extend(other.names.iter().map(|name| normalized(name)));
            texts.emails.extend(other.email.clone());
            known.extend(other.email.iter().map(|email| (IdentifierKind::Email, 0, email.clone())));
            None
        }
    };
    let instances: Vec<(InstanceId, i64, String)> = sqlx::query_as(
        "SELECT i.instance_id, i.meeting_id, m.guests FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id \
          WHERE i.instance_id IN (SELECT instance_id FROM sessions WHERE person_id = ? OR withdrawn_at IS NOT NULL) ORDER BY 1",
    )
    .bind(person_id)
    .fetch_all(&mut *connection)
    .await?;
    let mut found: BTreeSet<i64> = BTreeSet::new();
    // A withdrawn session may tell something that leads to another one, so it goes on until nothing is learnt.
    loop {
        let before = (found.len(), known.len());
        for (instance_id, meeting_id, guests) in &instances {
            let place = InstanceContext {
                instance_id: *instance_id,
                meeting_id: *meeting_id,
                guests: GuestScope::of(guests),
                context: &context,
            };
            let sessions = session_ids_of(connection, *instance_id).await?;
            let ids: Vec<i64> = sessions.iter().map(|(session_id, _)| *session_id).collect();
            let rows = load_sessions(connection, &ids).await?;
            let evidence: Vec<Evidence> =
                ids.iter().map(|session_id| place.evidence(&IdentityFields::of(&rows[session_id]))).collect();
            for component in components(&evidence, &[]) {
                let leads = component.members.iter().any(|at| {
                    (person_id.is_some() && sessions[*at].1 == person_id)
                        || evidence[*at].strong.iter().any(|identifier| known.contains(identifier))
                        || (component.is_guest && evidence[*at].name.iter().any(|name| known.contains(name)))
                });
                // Those of others stay theirs.
                let own = component.members.iter().filter(|at| {
                    let holder = sessions[**at].1;
                    leads && (holder.is_none() || holder == person_id)
                });
                for at in own {
                    found.insert(sessions[*at].0);
                    known.extend(evidence[*at].strong.iter().cloned());
                    texts.add(&rows[&sessions[*at].0], &context.shared);
                }
            }
        }
        if before == (found.len(), known.len()) {
            break;
        }
    }
    Ok((texts, found.into_iter().collect()))
}
