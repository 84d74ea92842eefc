//! One listing into the tables: sessions, people, counts, the fetch's log row and the instance's new state land
//! together or not at all.

use std::collections::{BTreeSet, HashSet};

use sqlx::{FromRow, SqliteConnection};

use crate::decode::{Digest, Dropped, Reject, Row, Stripper};
use crate::model::{FetchOutcome, InstanceState, Source, Timestamp, harmless};
use crate::plan::{self, Failure, ListingFacts, Policy, Progress, Richer};
use crate::store::attendance::presence;
use crate::store::calendar::stitch;
use crate::store::decisions::Grounds;
use crate::store::erasure_list;
use crate::store::identity::components::GuestScope;
use crate::store::identity::people::{self, Place};
use crate::store::ingest::apply::{Change, Guard, Listed, apply};
use crate::store::instances::{Description, describe, save_progress};
use crate::store::session::shared::KnownFacts;
use crate::store::settings::guests_of_meeting;
use crate::store::{Store, StoreError};

/// All pages of one reading of one instance.
#[derive(Debug)]
pub struct Listing<'a> {
    /// Where it comes from.
    pub source: Source,
    /// Whether the last page was reached.
    pub ended: bool,
    /// `total_records`, where it was given.
    pub rows_reported: Option<i64>,
    /// How many pages there were.
    pub pages: u32,
    /// The rows.
    pub rows: Vec<Row<'a>>,
    /// What is no row.
    pub rejects: Vec<Reject>,
}

/// What the log keeps of a fetch beside its counts.
#[derive(Clone, Debug)]
pub struct FetchRecord {
    /// The run that it belongs to.
    pub run_id: i64,
    /// The instance that was read.
    pub instance_id: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When its last answer came.
    pub finished_at: Timestamp,
    /// Requests sent for it, retries included.
    pub requests: u32,
    /// Where it was read from, or where it was tried last.
    pub source: Option<Source>,
    /// The Dashboard knows it as a meeting of one person.
    pub is_past_one: bool,
    /// Its UUID is found by the other encoding.
    pub alternate_encoding: bool,
    /// What richer sources did than the one that it was read from.
    pub richer: Richer,
    /// A richer source was closed, and this is due again once it serves.
    pub awaits_source: Option<Source>,
    /// Zoom's name for the last call, for its support.
    pub tracking_id: Option<String>,
    /// Zoom's error code, where it gave one.
    pub error_code: Option<i64>,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// What was learnt about the instance itself.
    pub description: Option<Description>,
}

/// What became of the rows of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows and rejects that came.
    pub received: u64,
    /// Rows of sessions not known before.
    pub inserted: u64,
    /// Rows that changed what was known.
    pub updated: u64,
    /// Rows that told nothing new.
    pub unchanged: u64,
    /// Stored rows that the listing no longer holds.
    pub withdrawn: u64,
    /// Elements that are no rows.
    pub rejected: u64,
    /// Rows that another one of the listing equals.
    pub duplicate: u64,
}

impl Counts {
    /// Adds those of another listing.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.withdrawn += other.withdrawn;
        self.rejected += other.rejected;
        self.duplicate += other.duplicate;
    }
}

/// How a listing ended in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What became of its rows.
    pub counts: Counts,
    /// How the fetch is logged.
    pub outcome: FetchOutcome,
    /// Where the instance stands now.
    pub progress: Progress,
}

#[derive(FromRow)]
struct InstanceRow {
    meeting_id: i64,
    guests: String,
    source: Option<String>,
    ended_at: Option<i64>,
    last_leave_at: Option<i64>,
    start_at: Option<i64>,
    joins_told: Option<i64>,
}

impl Store {
    /// Stores a listing, and the log row of its fetch, in one transaction.
    ///
    /// Whatever stops it half-way leaves the database as it was.
    pub async fn store_listing(
        &self,
        listing: &Listing<'_>,
        record: &FetchRecord,
        policy: &Policy,
    ) -> Result<Stored, StoreError> {
        let mut transaction = self.begin().await?;
        // Taken until the transaction has ended well: what is rolled back is not known any more.
        let mut known = std::mem::take(&mut *self.known());
        let stored = ingest(&mut transaction, listing, record, policy, (&mut known, &self.dropped)).await;
        let stored = stored.map_err(|error| self.error(error))?;
        transaction.commit().await.map_err(|error| self.error(error))?;
        *self.known() = known;
        Ok(stored)
    }

    /// Logs a fetch that read nothing, and puts the instance where the failure leads.
    pub async fn store_failure(
        &self,
        failure: &Failure,
        record: &FetchRecord,
    ) -> Result<Progress, StoreError> {
        let mut transaction = self.begin().await?;
        let progress = fail(&mut transaction, failure, record, &self.dropped)
            .await
            .map_err(|error| self.error(error))?;
        transaction.commit().await.map_err(|error| self.error(error))?;
        Ok(progress)
    }
}

async fn fail(
    connection: &mut SqliteConnection,
    failure: &Failure,
    record: &FetchRecord,
    dropped: &Dropped,
) -> Result<Progress, sqlx::Error> {
    if let Some(description) = &record.description {
        describe(connection, record.instance_id, description, record.finished_at, dropped).await?;
    }
    let before = crate::store::instances::load_progress(connection, record.instance_id).await?;
    let after = plan::after_failure(&before, failure, record.finished_at);
    save_progress(connection, record.instance_id, &after).await?;
    sqlx::query(
        "UPDATE instances SET tried_at = ?, awaits_source = coalesce(?, awaits_source) WHERE instance_id = ?",
    )
    .bind(record.finished_at.millis())
    .bind(record.awaits_source.map(Source::as_str))
    .bind(record.instance_id)
    .execute(&mut *connection)
    .await?;
    log_fetch(connection, record, None, Counts::default(), FetchOutcome::Failed).await?;
    Ok(after)
}

async fn ingest(
    connection: &mut SqliteConnection,
    listing: &Listing<'_>,
    record: &FetchRecord,
    policy: &Policy,
    (known, dropped): (&mut KnownFacts, &Dropped),
) -> Result<Stored, sqlx::Error> {
    let instance_id = record.instance_id;
    if let Some(description) = &record.description {
        describe(connection, instance_id, description, record.finished_at, dropped).await?;
    }
    let instance = load_instance(connection, instance_id).await?;
    let before = crate::store::instances::load_progress(connection, instance_id).await?;
    let received = listing.rows.len() as u64 + listing.rejects.len() as u64;
    // Somebody was in every instance that ended: a listing without rows says nothing of it.
    let empty = received == 0;
    let complete = listing.ended && !empty && received >= plausible(listing.rows_reported);

    let guests = GuestScope::of(&instance.guests);
    let grounds = Grounds::load(connection).await?;
    let place = Place { instance_id, meeting_id: instance.meeting_id, guests, grounds: &grounds };
    // Before anything is taken from them: not even a digest of what told who it was.
    let anonymous =
        erasure_list::without_forgotten(connection, &place, &listing.rows, record.finished_at).await?;
    let mentioning =
        erasure_list::mentioning_rejects(connection, &listing.rejects, instance_id, instance.meeting_id)
            .await?;
    let private = without_dropped(listing, anonymous.as_ref(), record.description.as_ref(), dropped);
    let rows = private.as_ref().map(|(rows, _)| rows).or(anonymous.as_ref()).unwrap_or(&listing.rows);
    let rejects = private.as_ref().map_or(&listing.rejects, |(_, rejects)| rejects);
    let (unique, duplicate) = distinct(rows);
    let digest = digest_of(&unique, rejects);
    let mut counts =
        Counts { received, duplicate, rejected: listing.rejects.len() as u64, ..Counts::default() };
    let stored_source = instance.source.as_deref().and_then(Source::from_text);
    let mut change = Change::default();
    let replaces = stored_source.is_some_and(|stored| stored != listing.source);
    let may_count = !empty && takes_over(stored_source, listing.source, complete);
    if may_count {
        let guard = Guard {
            withdraws: complete && listing.source != Source::Live,
            replaces,
            digest,
            before: &before,
            now: record.finished_at,
        };
        change = apply(connection, &place, &unique, &guard, known).await?;
        (counts.inserted, counts.updated, counts.withdrawn) =
            (change.inserted, change.updated, change.withdrawn);
    }
    // Until it is confirmed, what would replace another source's rows is stored nowhere, and neither is its source.
    let awaits_confirmation = replaces && change.suspect.is_some();
    let counts_now = may_count && !awaits_confirmation;
    // Rows that yield to another source's change nothing; the log says that they did.
    counts.unchanged = unique.len() as u64 - counts.inserted - counts.updated;
    log_rejects(connection, record, rejects, &mentioning, instance.meeting_id).await?;

    let ended_at =
        instance.ended_at.or(change.last_leave_at).or(instance.last_leave_at).or(instance.start_at);
    let reading = ListingFacts {
        at: record.finished_at,
        ended_at: ended_at.map(Timestamp::from_millis),
        live: listing.source == Source::Live,
        ended: listing.ended,
        complete,
        empty,
        leaves_out_one: listing.source != Source::Dashboard
            && instance.joins_told.is_some_and(|joins| joins <= 1),
        richer: record.richer,
        first_rows: !empty && stored_source.is_none(),
        changed: counts.inserted + counts.updated + counts.withdrawn > 0,
        digest,
        suspect: change.suspect,
        shifted: duplicate > 0 && listing.pages > 1,
    };
    let is_authority =
        listing.source != Source::Live || stored_source.is_none_or(|stored| stored == Source::Live);
    let progress = if may_count || (empty && is_authority) {
        let after = plan::after_reading(&before, &reading, policy);
        Progress { complete: if counts_now { after.complete } else { before.complete }, ..after }
    } else if listing.source == Source::Live {
        // A past listing has come in between, and that is the authority.
        before
    } else {
        // It settles nothing of what another source told, and confirms nothing.
        let out_of_reach =
            reading.ended_at.is_some_and(|ended_at| reading.at.since(ended_at) > plan::DASHBOARD_REACH);
        plan::after_failure(&before, &Failure::LowerPrioritySource { out_of_reach }, reading.at)
    };
    save_progress(connection, instance_id, &progress).await?;
    let told_now = counts_now || (empty && stored_source.is_none());
    save_reading(connection, record, listing, received, counts_now, told_now).await?;
    if counts_now && stored_source.is_none() {
        stitch(connection, instance_id).await?;
    }
    let was_live = stored_source == Some(Source::Live);
    finish(connection, instance_id, &change, was_live || progress.state == InstanceState::Live).await?;
    let outcome = match (complete, change.suspect) {
        (false, _) => FetchOutcome::Incomplete,
        (true, Some(_)) => FetchOutcome::Suspect,
        (true, None) => FetchOutcome::Ok,
    };
    let mut record = record.clone();
    if awaits_confirmation {
        record.error.get_or_insert_with(|| unconfirmed(stored_source, listing.source));
    } else if !counts_now && !empty {
        record.error.get_or_insert_with(|| yielded(stored_source, listing.source));
    }
    log_fetch(connection, &record, Some(listing), counts, outcome).await?;
    Ok(Stored { counts, outcome, progress })
}

async fn load_instance(
    connection: &mut SqliteConnection,
    instance_id: i64,
) -> Result<InstanceRow, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT i.meeting_id, ",
        guests_of_meeting!(),
        " AS guests, i.source, i.ended_at, i.last_leave_at, i.start_at, i.joins_told \
           FROM instances i JOIN meetings m ON m.meeting_id = i.meeting_id WHERE i.instance_id = ?",
    ))
    .bind(instance_id)
    .fetch_one(connection)
    .await
}

/// Rows and rejects without the fields that must not be kept, and without what those hold in other texts; none where
/// everything is kept.
fn without_dropped<'a>(
    listing: &Listing<'a>,
    anonymous: Option<&Vec<Row<'a>>>,
    description: Option<&Description>,
    dropped: &Dropped,
) -> Option<(Vec<Row<'a>>, Vec<Reject>)> {
    if dropped.is_empty() {
        return None;
    }
    let mut stripper = Stripper::new(dropped);
    for row in &listing.rows {
        stripper.learn(row);
    }
    for reject in &listing.rejects {
        stripper.learn_reject(&reject.content);
    }
    if let Some(description) = description {
        stripper.learn_text("host_name", description.host_name.as_deref());
        stripper.learn_text("host_email", description.host_email.as_deref());
    }
    let mut rows = anonymous.unwrap_or(&listing.rows).clone();
    for row in &mut rows {
        stripper.strip(row);
    }
    let strip = |reject: &Reject| Reject {
        reason: reject.reason.clone(),
        content: stripper.strip_reject(&reject.content),
    };
    Some((rows, listing.rejects.iter().map(strip).collect()))
}

/// Whether the rows of a listing may count beside, or instead of, those that are stored.
///
/// The sessions that count come from one source. Only a complete listing of a richer one replaces a poorer one's;
/// what was read of a meeting that was still on yields to any listing of past ones.
fn takes_over(stored: Option<Source>, listed: Source, complete: bool) -> bool {
    match stored {
        None | Some(Source::Live) => true,
        Some(stored) => stored == listed || (listed > stored && complete),
    }
}

/// Why the rows of a listing are not stored.
fn yielded(stored: Option<Source>, listed: Source) -> String {
    let stored = stored.map_or("another source", Source::as_str);
    format!(
        "its rows were not stored: the sessions of this instance come from {stored}, which {listed} cannot replace"
    )
}

/// Why the rows of a suspect listing are not stored.
fn unconfirmed(stored: Option<Source>, listed: Source) -> String {
    let stored = stored.map_or("another source", Source::as_str);
    format!(
        "its rows were not stored: many that {stored} told are not among them; a second listing of {listed} that is \
         equal, an hour later or more, replaces them"
    )
}

/// Rows that must have come for the listing to be complete; a number that cannot be right asks for none.
fn plausible(rows_reported: Option<i64>) -> u64 {
    rows_reported
        .and_then(|reported| u64::try_from(reported).ok())
        .filter(|reported| *reported <= 1_000_000)
        .unwrap_or(0)
}

/// The rows without those that another one equals in every field, and how many those were.
fn distinct<'r, 'a>(rows: &'r [Row<'a>]) -> (Vec<Listed<'r, 'a>>, u64) {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut unique = Vec::with_capacity(rows.len());
    for row in rows {
        let keys = row.keys();
        if seen.insert((keys.row_hash, row.surrogate_key())) {
            unique.push(Listed { row, keys });
        }
    }
    let duplicate = (rows.len() - unique.len()) as u64;
    (unique, duplicate)
}

/// A digest of a listing's content, whatever the order of its rows.
fn digest_of(rows: &[Listed<'_, '_>], rejects: &[Reject]) -> i64 {
    let mut parts: Vec<i64> = rows.iter().map(|listed| listed.keys.row_hash).collect();
    parts.extend(rejects.iter().map(reject_digest));
    parts.sort_unstable();
    let mut digest = Digest::new();
    for part in parts {
        digest.number(part);
    }
    digest.finish()
}

/// What tells rejects apart.
pub(crate) fn reject_digest(reject: &Reject) -> i64 {
    let mut digest = Digest::new();
    digest.text(&reject.content);
    digest.finish()
}

/// What follows from a change: who was there, who is nobody any more.
async fn finish(
    connection: &mut SqliteConnection,
    instance_id: i64,
    change: &Change,
    live: bool,
) -> Result<(), sqlx::Error> {
    let mut instance_ids: BTreeSet<i64> = change.reworked.instance_ids.clone();
    let described: bool = sqlx::query_scalar("SELECT attendance_dirty FROM instances WHERE instance_id = ?")
        .bind(instance_id)
        .fetch_one(&mut *connection)
        .await?;
    if live || described || !change.is_none() {
        instance_ids.insert(instance_id);
    }
    let instance_ids: Vec<i64> = instance_ids.into_iter().collect();
    presence::refresh(connection, &instance_ids, &change.reworked.people).await?;
    people::remove(connection, &change.reworked.gone).await
}

async fn save_reading(
    connection: &mut SqliteConnection,
    record: &FetchRecord,
    listing: &Listing<'_>,
    received: u64,
    counts_now: bool,
    told_now: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE instances SET fetched_at = ?1, tried_at = ?1, rows_reported = iif(?9, ?2, rows_reported), \
                rows_received = iif(?9, ?8, rows_received), source = iif(?5, ?3, source), \
                is_past_one = ?4, alternate_encoding = ?6, awaits_source = ?10, for_backfill = 0 \
          WHERE instance_id = ?7",
    )
    .bind(record.finished_at.millis())
    .bind(listing.rows_reported)
    .bind(listing.source.as_str())
    .bind(record.is_past_one)
    .bind(counts_now)
    .bind(record.alternate_encoding)
    .bind(record.instance_id)
    .bind(i64::try_from(received).unwrap_or(i64::MAX))
    .bind(told_now)
    .bind(record.awaits_source.map(Source::as_str))
    .execute(connection)
    .await?;
    Ok(())
}

async fn log_rejects(
    connection: &mut SqliteConnection,
    record: &FetchRecord,
    rejects: &[Reject],
    mentioning: &HashSet<usize>,
    meeting_id: i64,
) -> Result<(), sqlx::Error> {
    // Of one that was stored, and then taken out with a person, the digest is that of what was stored.
    let gone = erasure_list::mentioning_rejects(connection, rejects, record.instance_id, meeting_id).await?;
    let is_kept = |at: &usize| !mentioning.contains(at) && !gone.contains(at);
    for (_, reject) in rejects.iter().enumerate().filter(|(at, _)| is_kept(at)) {
        sqlx::query(
            "INSERT OR IGNORE INTO reject_log (run_id, instance_id, digest, reason, content) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(record.run_id)
        .bind(record.instance_id)
        .bind(reject_digest(reject))
        .bind(&reject.reason)
        .bind(&reject.content)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn log_fetch(
    connection: &mut SqliteConnection,
    record: &FetchRecord,
    listing: Option<&Listing<'_>>,
    counts: Counts,
    outcome: FetchOutcome,
) -> Result<(), sqlx::Error> {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO fetch_log (run_id, instance_id, started_at, finished_at, source, pages, requests, rows_reported, \
             rows_received, rows_inserted, rows_updated, rows_unchanged, rows_withdrawn, rows_rejected, rows_duplicate, \
             outcome, error_code, error, tracking_id) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.run_id)
    .bind(record.instance_id)
    .bind(record.started_at.millis())
    .bind(record.finished_at.millis())
    .bind(listing.map(|listing| listing.source).or(record.source).map(Source::as_str))
    .bind(listing.map_or(0, |listing| i64::from(listing.pages)))
    .bind(i64::from(record.requests))
    .bind(listing.and_then(|listing| listing.rows_reported))
    .bind(signed(counts.received))
    .bind(signed(counts.inserted))
    .bind(signed(counts.updated))
    .bind(signed(counts.unchanged))
    .bind(signed(counts.withdrawn))
    .bind(signed(counts.rejected))
    .bind(signed(counts.duplicate))
    .bind(outcome.as_str())
    .bind(record.error_code)
    .bind(record.error.as_deref().map(harmless))
    .bind(record.tracking_id.as_deref().map(harmless))
    .execute(connection)
    .await?;
    Ok(())
}
