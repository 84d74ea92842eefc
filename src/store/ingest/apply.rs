//! What a listing changes in the sessions of its instance.

use std::collections::{BTreeSet, HashSet};

use sqlx::{FromRow, SqliteConnection};

use super::known::{KnownInstance, KnownNames};
use super::prepared::ListedRow;
use super::reconcile::{Identity, RowStatus, reconcile};
use crate::attendance::Stay;
use crate::decode::{Digest, Field, Row, RowHashes, StorageTable};
use crate::identity::{
    AssignedSession, Assignment, Evidence, IdentityFields, InstanceContext, KnownPeople, assign,
};
use crate::model::{InstanceId, Timestamp};
use crate::plan::Progress;
use crate::store::lists::json_list;
use crate::store::people::{self, Reworked};
use crate::store::script::Script;
use crate::store::session::rows::{self, NewSession};
use crate::store::session::shared::{KnownFacts, insert_shared};

/// What decides about withdrawing.
pub(super) struct WithdrawalPolicy<'a> {
    /// The listing is complete, and one of past instances.
    pub withdraws: bool,
    /// It comes from another source than what is stored.
    pub replaces: bool,
    /// Of its content; one that equals the last one should change nothing.
    pub digest: i64,
    pub before: &'a Progress,
    pub now: Timestamp,
}

impl WithdrawalPolicy<'_> {
    /// A listing that would withdraw more than ten rows and more than a fifth must be confirmed by another one.
    ///
    /// Another source may name its rows differently; what it withdraws is credible where it brings as many.
    fn needs_confirmation(&self, withdrawn: usize, stored: usize, listed: usize) -> bool {
        withdrawn > 10 && withdrawn * 5 > stored && !(self.replaces && listed * 5 >= stored * 4)
    }
}

/// What has changed.
#[derive(Default)]
pub(super) struct AppliedChanges {
    pub inserted: u64,
    pub updated: u64,
    pub withdrawn: u64,
    pub suspect: Option<i64>,
    pub last_leave_at: Option<i64>,
    /// What became of people.
    pub reworked: Reworked,
    /// Every stay of the instance, where all of its sessions are new and it is known whose they are; none of them is
    /// closed yet.
    pub stays: Option<Vec<Stay>>,
}

impl AppliedChanges {
    pub(super) fn is_none(&self) -> bool {
        self.inserted + self.updated + self.withdrawn == 0 && self.reworked.instance_ids.is_empty()
    }
}

/// What the rows of a listing are compared with, and how they are written.
pub(super) struct Target<'t> {
    pub instance: &'t InstanceContext<'t>,
    pub known: &'t KnownInstance,
    pub policy: &'t WithdrawalPolicy<'t>,
}

/// Compares the rows of a listing with those that are stored, and writes what is new, changed or gone, or adds it to
/// what is to be written.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    script: &mut Script,
    target: &Target<'_>,
    listed: &[ListedRow<'_, '_>],
    facts: &mut KnownFacts,
) -> Result<AppliedChanges, sqlx::Error> {
    let last_leave_at = listed.iter().filter_map(|row| row.identity().leave_at).max();
    let mut changes = AppliedChanges { last_leave_at, ..AppliedChanges::default() };
    // Beside a surrogate key, equal hashes do not make equal rows.
    let have_keys = listed.iter().all(|row| row.row.surrogate_key().is_none());
    if have_keys && target.known.holds(listed.iter().map(|row| row.hashes.row).collect()) {
        return Ok(changes);
    }
    let instance_id = target.instance.instance_id;
    let stored =
        if target.known.has_sessions { stored_rows(connection, instance_id).await? } else { Vec::new() };
    let old: Vec<Identity<'_>> = stored.iter().map(identity_of).collect();
    let new: Vec<Identity<'_>> = listed.iter().map(ListedRow::identity).collect();
    let matches = reconcile(&old, &new);
    let missing = match missing(&stored, &matches, listed.len(), target.policy) {
        Missing::Confirmed(missing) => missing,
        Missing::Doubted(digest) if target.policy.replaces => {
            // The sessions that count come from one source: all of its rows, or none.
            return Ok(AppliedChanges { suspect: Some(digest), ..AppliedChanges::default() });
        }
        Missing::Doubted(digest) => {
            changes.suspect = Some(digest);
            Vec::new()
        }
    };
    let mut affected = Affected::default();
    changes.updated = update_matched(connection, &stored, listed, &matches, &mut affected, facts).await?;
    changes.withdrawn = missing.len() as u64;
    affected.people.extend(missing.iter().filter_map(|row| row.person_id));
    withdraw(connection, &missing, target.policy.now).await?;
    let fresh = matches.iter().zip(listed).filter(|(old_at, _)| old_at.is_none());
    let fresh: Vec<&ListedRow<'_, '_>> = fresh.map(|(_, listed)| listed).collect();
    changes.inserted = fresh.len() as u64;
    insert_new(connection, script, target, (&stored, &fresh), affected, facts, &mut changes).await?;
    Ok(changes)
}

/// Whose sessions have to be looked at anew: of people, and of sessions that belong to nobody.
#[derive(Default)]
struct Affected {
    people: BTreeSet<i64>,
    session_ids: Vec<i64>,
}

/// Writes those of the stored rows anew that the listing tells otherwise, and says how many have changed by it.
async fn update_matched(
    connection: &mut SqliteConnection,
    stored: &[StoredRow],
    listed: &[ListedRow<'_, '_>],
    matches: &[Option<usize>],
    affected: &mut Affected,
    facts: &mut KnownFacts,
) -> Result<u64, sqlx::Error> {
    /// A script of so many updates at most: their texts are kept.
    const TOGETHER: usize = 8;
    let differing: Vec<(&ListedRow<'_, '_>, &StoredRow)> = matches
        .iter()
        .zip(listed)
        .filter_map(|(old_at, listed)| Some((listed, &stored[(*old_at)?])))
        .filter(|(listed, stored)| listed.hashes.row != stored.row_hash || stored.withdrawn_at.is_some())
        .collect();
    if differing.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = differing.iter().map(|(_, stored)| stored.session_id).collect();
    let mut loaded = rows::load_sessions(connection, &ids).await?;
    let mut updated = 0;
    let mut merged: Vec<(i64, Row<'_>, RowHashes)> = Vec::new();
    for (listed, stored) in differing {
        let session_id = stored.session_id;
        let Some(before) = loaded.remove(&session_id) else { continue };
        let after = listed.row.over(&before);
        let returned = stored.withdrawn_at.is_some();
        updated += u64::from(after != before || returned);
        if IdentityFields::of(&after) != IdentityFields::of(&before) || returned {
            affected.people.extend(stored.person_id);
            affected.session_ids.push(session_id);
        }
        let hashes = RowHashes { row: listed.hashes.row, ..after.hashes() };
        merged.push((session_id, after, hashes));
    }
    insert_shared(connection, merged.iter().map(|(_, row, hashes)| (row, hashes)), facts).await?;
    for some in merged.chunks(TOGETHER) {
        let mut script = Script::default();
        for (session_id, row, hashes) in some {
            rows::update_session(&mut script, *session_id, row, hashes, facts);
        }
        script.run(connection).await?;
    }
    Ok(updated)
}

/// Adds new sessions with all that they rest on. Where it is not plain whose they are, they are written without, and
/// worked out together with everyone whom they touch.
async fn insert_new(
    connection: &mut SqliteConnection,
    script: &mut Script,
    target: &Target<'_>,
    (stored, fresh): (&[StoredRow], &[&ListedRow<'_, '_>]),
    mut affected: Affected,
    facts: &mut KnownFacts,
    changes: &mut AppliedChanges,
) -> Result<(), sqlx::Error> {
    let instance = target.instance;
    if fresh.is_empty() {
        if !affected.people.is_empty() || !affected.session_ids.is_empty() {
            changes.reworked = people::recompute_people(
                connection,
                instance.context,
                &affected.people,
                &affected.session_ids,
            )
            .await?;
        }
        return Ok(());
    }
    let evidence: Vec<Evidence> =
        fresh.iter().map(|listed| instance.evidence(&IdentityFields::of(listed.row))).collect();
    let unknown = facts.unknown(&fresh.iter().map(|listed| (listed.row, &listed.hashes)));
    let names = KnownNames::load(connection, &evidence, instance, &unknown).await?;
    unknown.write(connection, script, names.facts, facts).await?;
    let assignment = if affected.people.is_empty() && affected.session_ids.is_empty() {
        let peers: Vec<AssignedSession<'_>> = stored.iter().filter_map(StoredRow::assigned).collect();
        let peer_ids: Vec<i64> = peers.iter().map(|peer| peer.person_id).collect();
        let guests = if peers.is_empty() {
            HashSet::new()
        } else {
            people::guests_among(connection, &peer_ids).await?
        };
        let known = KnownPeople {
            owners: &names.owners,
            peers: &peers,
            guests: &guests,
            next_person: names.next_person,
        };
        assign(&evidence, instance.context, &known)
    } else {
        Assignment::declined(evidence.len())
    };
    people::insert(connection, script, &assignment.new_people, &assignment.new_identifiers).await?;
    // What varies from listing to listing is apart from what hardly does: of each text the statements are kept.
    std::mem::take(script).run(connection).await?;
    let sessions: Vec<NewSession<'_, '_>> = fresh
        .iter()
        .zip(names.next_session..)
        .enumerate()
        .map(|(at, (listed, session_id))| NewSession {
            session_id,
            person_id: assignment.people[at],
            row: listed.row,
            hashes: &listed.hashes,
        })
        .collect();
    rows::insert_sessions(connection, script, instance.instance_id, &sessions, facts).await?;
    let unassigned = sessions.iter().filter(|session| session.person_id.is_none());
    affected.session_ids.extend(unassigned.map(|session| session.session_id));
    if affected.people.is_empty() && affected.session_ids.is_empty() {
        if stored.is_empty() {
            let shared = &instance.context.shared;
            changes.stays = sessions.iter().map(|session| stay(session, facts, shared)).collect();
        }
    } else {
        std::mem::take(script).run(connection).await?;
        changes.reworked =
            people::recompute_people(connection, instance.context, &affected.people, &affected.session_ids)
                .await?;
    }
    changes.reworked.people.extend(assignment.new_emails);
    Ok(())
}

/// The stay that a new session is; none while it is not known whose.
fn stay(session: &NewSession<'_, '_>, facts: &KnownFacts, shared: &HashSet<String>) -> Option<Stay> {
    let row = session.row;
    let fields = IdentityFields::of(row);
    Some(Stay {
        person_id: session.person_id?,
        session_id: session.session_id,
        join_at: row.number(Field::JoinTime),
        leave_at: row.number(Field::LeaveTime),
        is_waiting: row.is_waiting(),
        is_open: false,
        is_host: row.text(Field::Role) == Some("host"),
        head_count: row.number(Field::InRoomParticipants),
        match_rank: fields.match_rank(shared),
        profile_id: facts.id(StorageTable::Profile, session.hashes),
        tells_name: fields.user_name.is_some(),
        tells_email: fields.email.is_some(),
    })
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
    policy: &WithdrawalPolicy<'_>,
) -> Missing<'s> {
    if !policy.withdraws {
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
    if policy.needs_confirmation(missing.len(), counting, listed) {
        let mut digest = Digest::new();
        for row in &missing {
            digest.number(row.session_id);
        }
        // Of another source's rows all are missing, whatever it tells instead: then that has to agree.
        if policy.replaces {
            digest.number(policy.digest);
        }
        let digest = digest.finish();
        if !policy.before.confirms_withdrawal(digest, policy.now) {
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

impl ListedRow<'_, '_> {
    fn identity(&self) -> Identity<'_> {
        Identity::of(self.row, &self.hashes)
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

impl StoredRow {
    fn assigned(&self) -> Option<AssignedSession<'_>> {
        Some(AssignedSession {
            participant_uuid: self.participant_uuid.as_deref()?,
            person_id: self.person_id?,
        })
    }
}

async fn stored_rows(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
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
        status: RowStatus::of(row.status.as_deref()),
        participant_uuid: row.participant_uuid.as_deref(),
        leave_at: row.leave_at,
        row_hash: row.row_hash,
        withdrawn: row.withdrawn_at.is_some(),
    }
}
