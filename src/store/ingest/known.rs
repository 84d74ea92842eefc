//! All that is read before it is decided what becomes of a listing: of the instance, and of whom and what its rows name.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, FromRow, Row as _, SqliteConnection};

use crate::identity::{Evidence, Identifier, IdentifierKind, IdentityContext, InstanceContext};
use crate::model::{InstanceId, Source};
use crate::plan::Progress;
use crate::store::instances::{ProgressRow, progress_columns};
use crate::store::lists::numbers;
use crate::store::session::shared::{StoredFacts, UnknownFacts, look_up, stored_facts};
use crate::store::sql::guests_of_meeting;

/// What is known of the instance that was read, and of what holds for all.
#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct KnownInstance {
    #[sqlx(flatten)]
    progress: ProgressRow,
    pub meeting_id: i64,
    pub guests: String,
    source: Option<String>,
    pub start_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub last_leave_at: Option<i64>,
    pub joins_told: Option<i64>,
    pub attendance_dirty: bool,
    /// The meeting's planned times, as they are kept.
    pub planned: Option<String>,
    /// The zone of reports.
    pub timezone: Option<String>,
    pub has_sessions: bool,
    /// The hashes of the rows that count, where the last listing had the digest that was asked with.
    row_hashes: Option<String>,
    /// What many people use, as a JSON list.
    shared: String,
    has_decisions: bool,
    pub has_erasures: bool,
    pub has_rosters: bool,
}

impl KnownInstance {
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        instance_id: InstanceId,
        digest: i64,
    ) -> Result<Self, sqlx::Error> {
        sqlx::query_as(concat!(
            "SELECT ",
            progress_columns!(),
            ", i.meeting_id, ",
            guests_of_meeting!(),
            " AS guests, i.source, i.start_at, i.ended_at, i.last_leave_at, i.joins_told, i.attendance_dirty, m.planned, \
              (SELECT value FROM settings WHERE name = 'timezone') AS timezone, \
              EXISTS (SELECT 1 FROM sessions s WHERE s.instance_id = i.instance_id) AS has_sessions, \
              CASE WHEN i.content_hash = ?2 THEN \
                  (SELECT group_concat(s.row_hash, ' ') FROM sessions s \
                    WHERE s.instance_id = i.instance_id AND s.withdrawn_at IS NULL) END AS row_hashes, \
              (SELECT json_group_array(value) FROM shared_identifiers) AS shared, \
              EXISTS (SELECT 1 FROM identity_decisions) AS has_decisions, \
              EXISTS (SELECT 1 FROM erasures) AS has_erasures, \
              EXISTS (SELECT 1 FROM roster_members) AS has_rosters \
            FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id WHERE i.instance_id = ?1",
        ))
        .bind(instance_id)
        .bind(digest)
        .fetch_one(connection)
        .await
    }

    pub(super) fn progress(&self) -> Result<Progress, sqlx::Error> {
        self.progress.progress()
    }

    pub(super) fn source(&self) -> Option<Source> {
        self.source.as_deref().and_then(Source::from_text)
    }

    /// What who is who rests on beside the rows.
    pub(super) async fn identity_context(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<IdentityContext, sqlx::Error> {
        if self.has_decisions {
            return IdentityContext::load(connection).await;
        }
        let shared = serde_json::from_str(&self.shared).unwrap_or_default();
        Ok(IdentityContext::new(shared, Vec::new()))
    }

    /// Whether the stored rows that count are exactly these, as far as their hashes were asked for.
    pub(super) fn holds(&self, mut row_hashes: Vec<i64>) -> bool {
        let Some(stored) = &self.row_hashes else { return false };
        let mut stored = numbers(Some(stored));
        stored.sort_unstable();
        row_hashes.sort_unstable();
        stored == row_hashes
    }
}

/// What is in the file of whom and what new rows name.
pub(super) struct KnownNames<'e> {
    /// Who owns the identifiers of the rows, where somebody does.
    pub owners: HashMap<&'e Identifier, i64>,
    pub facts: StoredFacts,
    pub next_person: i64,
    pub next_session: i64,
}

impl<'e> KnownNames<'e> {
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        evidence: &'e [Evidence],
        instance: &InstanceContext<'_>,
        facts: &UnknownFacts<'_, '_>,
    ) -> Result<Self, sqlx::Error> {
        let lists = by_kind(evidence);
        let mut query = sqlx::query(AssertSqlSafe(NAMES.as_str()));
        for list in &lists {
            let values: Vec<&str> = list.iter().map(|(_, _, value)| value.as_str()).collect();
            query = query
                .bind(serde_json::to_string(&values).map_err(|error| sqlx::Error::Encode(error.into()))?);
        }
        query = query.bind(instance.meeting_id);
        query = query.bind(instance.guests.scope(instance.meeting_id, instance.instance_id));
        for digests in facts.digests() {
            query = query.bind(digests);
        }
        let row = query.fetch_one(connection).await?;
        let mut owners = HashMap::with_capacity(evidence.len() * 2);
        for (at, list) in lists.iter().enumerate() {
            for pair in numbers(row.try_get::<Option<&str>, _>(at)?).chunks_exact(2) {
                let place = usize::try_from(pair[0]).expect("places in a list begin with nought");
                owners.insert(list[place], pair[1]);
            }
        }
        let (next_person, next_session) = (row.try_get(lists.len())?, row.try_get(lists.len() + 1)?);
        Ok(Self { owners, facts: stored_facts(&row, lists.len() + 2)?, next_person, next_session })
    }
}

/// The statement of [`KnownNames::load`].
static NAMES: LazyLock<String> = LazyLock::new(|| {
    // Pairs of a place in the list and a person, in one row: a row for each would cost more than finding it.
    let owners = IdentifierKind::ALL.iter().zip(1..).map(|(kind, argument)| {
        let scope = scope_argument(*kind);
        format!(
            "(SELECT group_concat(j.key || ' ' || i.person_id, ' ') FROM json_each(?{argument}) j \
               CROSS JOIN identifiers i ON i.kind = '{kind}' AND i.scope = {scope} AND i.value = j.value)"
        )
    });
    format!(
        "SELECT {}, (SELECT coalesce(max(person_id), 0) + 1 FROM people), \
                (SELECT coalesce(max(session_id), 0) + 1 FROM sessions), {}",
        owners.collect::<Vec<_>>().join(", "),
        look_up(7)
    )
});

/// Where identifiers of a kind join, within one listing: everywhere, in its meeting, or as far as a guest's name goes.
fn scope_argument(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::ZoomUser | IdentifierKind::Email => "0",
        IdentifierKind::Registrant => "?5",
        IdentifierKind::Name => "?6",
    }
}

/// The identifiers of rows, each once, a list for each kind.
fn by_kind(evidence: &[Evidence]) -> [Vec<&Identifier>; 4] {
    let mut lists: [Vec<&Identifier>; 4] = Default::default();
    let mut seen = HashSet::with_capacity(evidence.len() * 2);
    for identifier in evidence.iter().flat_map(Evidence::identifiers) {
        if seen.insert(identifier) {
            lists[identifier.0 as usize].push(identifier);
        }
    }
    lists
}
