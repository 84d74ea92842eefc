//! What a listing changes in the sessions of its instance.

use std::collections::{BTreeSet, HashSet};

use sqlx::{FromRow, SqliteConnection};

use crate::decode::{Digest, Keys, Row};
use crate::model::Timestamp;
use crate::plan::Progress;
use crate::store::identity::people::{self, Peer, Place, Reworked, Told};
use crate::store::ingest::reconcile::{Identity, Stay, reconcile};
use crate::store::session::rows::{self, NewSession, json_list, numbers};
use crate::store::session::shared::{KnownFacts, insert_shared};

/// What decides about withdrawing.
pub(crate) struct Guard<'a> {
    /// The listing is complete, and one of past instances.
    pub withdraws: bool,
    /// It comes from another source than what is stored.
    pub replaces: bool,
    /// Of its content; one that equals the last one should change nothing.
    pub digest: i64,
    pub before: &'a Progress,
    pub now: Timestamp,
}

impl Guard<'_> {
    /// A listing that would withdraw more than ten rows and more than a fifth must be confirmed by another one.
    ///
    /// Another source may name its rows differently; what it withdraws is credible where it brings as many.
    fn doubts(&self, withdrawn: usize, stored: usize, listed: usize) -> bool {
        withdrawn > 10 && withdrawn * 5 > stored && !(self.replaces && listed * 5 >= stored * 4)
    }
}

/// What has changed.
#[derive(Default)]
pub(crate) struct Change {
    pub inserted: u64,
    pub updated: u64,
    pub withdrawn: u64,
    pub suspect: Option<i64>,
    pub last_leave_at: Option<i64>,
    /// What became of people.
    pub reworked: Reworked,
}

impl Change {
    pub(crate) fn is_none(&self) -> bool {
        self.inserted + self.updated + self.withdrawn == 0 && self.reworked.instance_ids.is_empty()
    }
}

/// Compares the rows of a listing with those that are stored, and writes what is new, changed or gone.
pub(crate) async fn apply(
    connection: &mut SqliteConnection,
    place: &Place<'_>,
    listed: &[Listed<'_, '_>],
    guard: &Guard<'_>,
    known: &mut KnownFacts,
) -> Result<Change, sqlx::Error> {
    let last_leave_at = listed.iter().filter_map(|row| row.identity().leave_at).max();
    let mut change = Change { last_leave_at, ..Change::default() };
    if guard.before.content_hash == Some(guard.digest)
        && are_stored(connection, place.instance_id, listed).await?
    {
        return Ok(change);
    }
    let stored = stored_rows(connection, place.instance_id).await?;
    let old: Vec<Identity<'_>> = stored.iter().map(identity_of).collect();
    let new: Vec<Identity<'_>> = listed.iter().map(Listed::identity).collect();
    let matches = reconcile(&old, &new);

    let missing = match missing(&stored, &matches, listed.len(), guard) {
        Missing::Confirmed(missing) => missing,
        Missing::Doubted(digest) if guard.replaces => {
            // The sessions that count come from one source: all of its rows, or none.
            return Ok(Change { suspect: Some(digest), ..Change::default() });
        }
        Missing::Doubted(digest) => {
            change.suspect = Some(digest);
            Vec::new()
        }
    };

    // Whose sessions have to be looked at anew: of people, and of sessions that belong to nobody.
    let mut people_to_rework: BTreeSet<i64> = BTreeSet::new();
    let mut sessions_to_rework: Vec<i64> = Vec::new();

    let differing: Vec<(usize, usize)> = matches
        .iter()
        .enumerate()
        .filter_map(|(new_at, old_at)| old_at.map(|old_at| (new_at, old_at)))
        .filter(|(new_at, old_at)| new[*new_at].row_hash != old[*old_at].row_hash || old[*old_at].withdrawn)
        .collect();
    let ids: Vec<i64> = differing.iter().map(|(_, old_at)| stored[*old_at].session_id).collect();
    let mut loaded = rows::load_sessions(connection, &ids).await?;
    let mut merged: Vec<(usize, Row<'_>, Keys)> = Vec::new();
    for (new_at, old_at) in differing {
        let session_id = stored[old_at].session_id;
        let Some(before) = loaded.remove(&session_id) else { continue };
        let after = listed[new_at].row.over(&before);
        let returned = old[old_at].withdrawn;
        if after != before || returned {
            change.updated += 1;
        }
        if Told::by(&after) != Told::by(&before) || returned {
            people_to_rework.extend(stored[old_at].person_id);
            sessions_to_rework.push(session_id);
        }
        let keys = Keys { row_hash: new[new_at].row_hash, ..after.keys() };
        merged.push((old_at, after, keys));
    }
    let changed: Vec<_> = merged.iter().map(|(_, row, keys)| (row, keys)).collect();
    insert_shared(connection, &changed, known).await?;
    for (old_at, row, keys) in &merged {
        rows::update_session(connection, stored[*old_at].session_id, row, keys, known).await?;
    }

    people_to_rework.extend(missing.iter().filter_map(|row| row.person_id));
    change.withdrawn = missing.len() as u64;
    withdraw(connection, &missing, guard.now).await?;

    let fresh: Vec<(&Row<'_>, &Keys)> = matches
        .iter()
        .zip(listed)
        .filter(|(old_at, _)| old_at.is_none())
        .map(|(_, listed)| (listed.row, &listed.keys))
        .collect();
    change.inserted = fresh.len() as u64;
    insert_shared(connection, &fresh, known).await?;
    let peers: Vec<Peer<'_>> = stored
        .iter()
        .filter_map(|row| {
            Some(Peer { participant_uuid: row.participant_uuid.as_deref()?, person_id: row.person_id? })
        })
        .collect();
    let undisturbed = people_to_rework.is_empty() && sessions_to_rework.is_empty();
    let assigned = if undisturbed { people::assign(connection, place, &fresh, &peers).await? } else { None };
    let first_id = people::next_session_id(connection).await?;
    let sessions: Vec<NewSession<'_, '_>> = fresh
        .iter()
        .zip(first_id..)
        .enumerate()
        .map(|(at, ((row, keys), session_id))| NewSession {
            session_id,
            person_id: assigned.as_ref().map(|assigned| assigned.people[at]),
            row,
            keys,
        })
        .collect();
    rows::insert_sessions(connection, place.instance_id, &sessions, known).await?;
    if let Some(assigned) = assigned {
        change.reworked.people = assigned.new_emails;
    } else {
        sessions_to_rework.extend(sessions.iter().map(|session| session.session_id));
        change.reworked =
            people::rework(connection, place.grounds, &people_to_rework, &sessions_to_rework).await?;
    }
    Ok(change)
}

/// Stored rows that a listing lacks.
enum Missing<'s> {
    /// They are to be withdrawn.
    Confirmed(Vec<&'s StoredRow>),
    /// They are too many to be believed at once; a digest of what another listing has to agree in.
    Doubted(i64),
}

fn missing<'s>(
    stored: &'s [StoredRow],
    matches: &[Option<usize>],
    listed: usize,
    guard: &Guard<'_>,
) -> Missing<'s> {
    if !guard.withdraws {
        return Missing::Confirmed(Vec::new());
    }
    let listed_again: HashSet<usize> = matches.iter().flatten().copied().collect();
    let counting = stored.iter().filter(|row| row.withdrawn_at.is_none()).count();
    let missing: Vec<&StoredRow> = stored
        .iter()
        .enumerate()
        .filter(|(at, row)| row.withdrawn_at.is_none() && !listed_again.contains(at))
        .map(|(_, row)| row)
        .collect();
    if guard.doubts(missing.len(), counting, listed) {
        let mut digest = Digest::new();
        for row in &missing {
            digest.number(row.session_id);
        }
        // Of another source's rows all are missing, whatever it tells instead: then that has to agree.
        if guard.replaces {
            digest.number(guard.digest);
        }
        let digest = digest.finish();
        if !guard.before.confirms_withdrawal(digest, guard.now) {
            return Missing::Doubted(digest);
        }
    }
    Missing::Confirmed(missing)
}

async fn withdraw(
    connection: &mut SqliteConnection,
    missing: &[&StoredRow],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if missing.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = missing.iter().map(|row| row.session_id).collect();
    sqlx::query(
        "UPDATE sessions SET withdrawn_at = ?, person_id = NULL WHERE session_id IN (SELECT value FROM json_each(?))",
    )
    .bind(now.millis())
    .bind(json_list(&ids))
    .execute(connection)
    .await?;
    Ok(())
}

/// A row of the listing, and what it is known by.
pub(crate) struct Listed<'r, 'a> {
    pub row: &'r Row<'a>,
    pub keys: Keys,
}

impl Listed<'_, '_> {
    fn identity(&self) -> Identity<'_> {
        Identity::of(self.row, &self.keys)
    }
}

#[derive(FromRow)]
struct StoredRow {
    session_id: i64,
    person_id: Option<i64>,
    user_id: Option<String>,
    join_at: Option<i64>,
    status: Option<String>,
    participant_uuid: Option<String>,
    leave_at: Option<i64>,
    surrogate_key: Option<i64>,
    row_hash: i64,
    withdrawn_at: Option<i64>,
}

/// Whether the stored rows that count are exactly these: told by their fingerprints, in one row of the answer.
async fn are_stored(
    connection: &mut SqliteConnection,
    instance_id: i64,
    listed: &[Listed<'_, '_>],
) -> Result<bool, sqlx::Error> {
    // Beside a stand-in, equal fingerprints do not make equal rows.
    if listed.iter().any(|row| row.row.surrogate_key().is_some()) {
        return Ok(false);
    }
    let stored: Option<String> = sqlx::query_scalar(
        "SELECT group_concat(row_hash, ' ') FROM sessions WHERE instance_id = ? AND withdrawn_at IS NULL",
    )
    .bind(instance_id)
    .fetch_one(connection)
    .await?;
    let mut stored = numbers(stored.as_deref());
    let mut wanted: Vec<i64> = listed.iter().map(|row| row.keys.row_hash).collect();
    stored.sort_unstable();
    wanted.sort_unstable();
    Ok(stored == wanted)
}

async fn stored_rows(
    connection: &mut SqliteConnection,
    instance_id: i64,
) -> Result<Vec<StoredRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT session_id, person_id, user_id, join_at, status, participant_uuid, leave_at, surrogate_key, row_hash, withdrawn_at \
           FROM sessions WHERE instance_id = ? ORDER BY session_id",
    )
    .bind(instance_id)
    .fetch_all(connection)
    .await
}

fn identity_of(row: &StoredRow) -> Identity<'_> {
    Identity {
        user_id: row.user_id.as_deref(),
        join_at: row.join_at,
        surrogate_key: row.surrogate_key,
        stay: Stay::of(row.status.as_deref()),
        participant_uuid: row.participant_uuid.as_deref(),
        leave_at: row.leave_at,
        row_hash: row.row_hash,
        withdrawn: row.withdrawn_at.is_some(),
    }
}
