//! One listing into the tables: sessions, people, counts, the fetch's log row and the instance's new state land
//! together or not at all.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Value as Json, json};
use sqlx::SqliteConnection;

use super::apply::{AppliedChanges, Target, WithdrawalPolicy, apply};
use super::known::KnownInstance;
use super::listing::{FetchRecord, Listing, RowCounts, Stored};
use super::prepared::{PreparedListing, reject_digest};
use crate::attendance::{Line, Stay, lines};
use crate::decode::{Dropped, Reject, Row};
use crate::identity::{GuestScope, InstanceContext};
use crate::model::{FetchOutcome, InstanceId, InstanceState, Source, Timestamp, harmless};
use crate::plan::{self, Failure, ListingFacts, Policy, Progress};
use crate::store::attendance::presence;
use crate::store::calendar::{self, Placement, STITCH};
use crate::store::instances::{DetailsUpdate, InstanceDetails, load_progress, save_progress, update_details};
use crate::store::script::Script;
use crate::store::session::shared::KnownFacts;
use crate::store::{Store, StoreError, erasure_list, people, rosters};

impl Store {
    /// Logs a fetch that read nothing, and puts the instance where the failure leads.
    pub(crate) async fn store_failure(
        &self,
        failure: &Failure,
        record: &FetchRecord,
    ) -> Result<Progress, StoreError> {
        self.write(async |connection| record_failure(connection, failure, record, &self.dropped).await).await
    }
}

async fn record_failure(
    connection: &mut SqliteConnection,
    failure: &Failure,
    record: &FetchRecord,
    dropped: &Dropped,
) -> Result<Progress, sqlx::Error> {
    if let Some(description) = &record.description {
        update_details(connection, record.instance_id, description, record.finished_at, dropped).await?;
    }
    let before = load_progress(connection, record.instance_id).await?;
    let after = plan::after_failure(&before, failure, record.finished_at);
    let mut script = Script::default();
    save_progress(&mut script, record.instance_id, &after);
    let statement =
        "UPDATE instances SET tried_at = ?, awaits_source = coalesce(?, awaits_source) WHERE instance_id = ?";
    script.add(statement, |values| {
        values
            .add(record.finished_at.millis())
            .add(record.awaits_source.map(Source::as_str))
            .add(record.instance_id);
    });
    log_fetch(&mut script, record, None, RowCounts::default(), FetchOutcome::Failed, None);
    script.run(connection).await?;
    Ok(after)
}

/// What a listing is taken in with.
pub(super) struct Ingest<'i, 'a> {
    pub listing: &'i Listing<'a>,
    pub record: &'i FetchRecord,
    pub policy: &'i Policy,
    pub dropped: &'i Dropped,
}

impl<'i, 'a> Ingest<'i, 'a> {
    /// The listing made ready; it needs no database, unless somebody has been forgotten.
    pub(super) fn prepare(&self) -> PreparedListing<'i, 'a> {
        self.prepare_with(None)
    }

    fn prepare_with(&self, anonymous: Option<Vec<Row<'a>>>) -> PreparedListing<'i, 'a> {
        PreparedListing::of(self.listing, anonymous, self.record.description.as_ref(), self.dropped)
    }

    /// Takes the listing in, within the transaction that the connection is in.
    pub(super) async fn run(
        &self,
        connection: &mut SqliteConnection,
        prepared: &PreparedListing<'_, 'a>,
        facts: &mut KnownFacts,
    ) -> Result<Stored, sqlx::Error> {
        let Self { listing, record, .. } = *self;
        let (known, nature) = self.load(connection, prepared.digest).await?;
        let context = known.identity_context(connection).await?;
        let instance = InstanceContext {
            instance_id: record.instance_id,
            meeting_id: known.meeting_id,
            guests: GuestScope::of(&known.guests),
            context: &context,
        };
        let anonymized =
            if known.has_erasures { self.without_forgotten(connection, &instance).await? } else { None };
        let prepared = anonymized.as_ref().unwrap_or(prepared);
        let listed = prepared.listed();
        let mut script = Script::default();
        let before = known.progress()?;
        let mut changes = AppliedChanges::default();
        if nature.may_count {
            let withdrawal = WithdrawalPolicy {
                withdraws: nature.is_complete && listing.source != Source::Live,
                replaces: nature.replaces,
                digest: prepared.digest,
                before: &before,
                now: record.finished_at,
            };
            let target = Target { instance: &instance, known: &known, policy: &withdrawal };
            changes = apply(connection, &mut script, &target, &listed, facts).await?;
        }
        let counts = RowCounts {
            received: nature.received,
            duplicate: prepared.duplicates(),
            rejected: listing.rejects.len() as u64,
            inserted: changes.inserted,
            updated: changes.updated,
            withdrawn: changes.withdrawn,
            // Rows that yield to another source's change nothing; the log says that they did.
            unchanged: listed.len() as u64 - changes.inserted - changes.updated,
        };
        let mentioning = if known.has_erasures {
            self.mentioning_rejects(connection, prepared, known.meeting_id).await?
        } else {
            HashSet::new()
        };
        log_rejects(&mut script, record, &prepared.rejects, &mentioning);
        let applied = Applied { known, nature, before, changes, counts, digest: prepared.digest };
        self.conclude(connection, script, applied).await
    }

    /// What is known of the instance, with what was learnt about it beside the listing. What is described and read for
    /// the first time is written at once, in the end.
    async fn load(
        &self,
        connection: &mut SqliteConnection,
        digest: i64,
    ) -> Result<(KnownInstance, Nature), sqlx::Error> {
        let instance_id = self.record.instance_id;
        let known = KnownInstance::load(connection, instance_id, digest).await?;
        let nature = Nature::of(self.listing, &known);
        match &self.record.description {
            Some(description) if !nature.is_first => {
                update_details(connection, instance_id, description, self.record.finished_at, self.dropped)
                    .await?;
                Ok((KnownInstance::load(connection, instance_id, digest).await?, nature))
            }
            _ => Ok((known, nature)),
        }
    }

    /// The listing with the rows of those who were forgotten made anonymous, before anything is taken from them: not even
    /// a digest of what told who it was. None where nobody in it was forgotten.
    async fn without_forgotten(
        &self,
        connection: &mut SqliteConnection,
        instance: &InstanceContext<'_>,
    ) -> Result<Option<PreparedListing<'i, 'a>>, sqlx::Error> {
        let now = self.record.finished_at;
        let anonymous =
            erasure_list::without_forgotten(connection, instance, &self.listing.rows, now).await?;
        Ok(anonymous.map(|rows| self.prepare_with(Some(rows))))
    }

    /// Places of the rejects that must not be kept; of one that was stored, and then taken out with a person, the digest
    /// is that of what was stored.
    async fn mentioning_rejects(
        &self,
        connection: &mut SqliteConnection,
        prepared: &PreparedListing<'_, '_>,
        meeting_id: i64,
    ) -> Result<HashSet<usize>, sqlx::Error> {
        let mut mentioning = HashSet::new();
        for rejects in [&self.listing.rejects, &*prepared.rejects] {
            mentioning.extend(
                erasure_list::mentioning_rejects(connection, rejects, self.record.instance_id, meeting_id)
                    .await?,
            );
        }
        Ok(mentioning)
    }

    /// Writes what was added to the script, with all that follows for the instance.
    async fn conclude(
        &self,
        connection: &mut SqliteConnection,
        mut script: Script,
        mut applied: Applied,
    ) -> Result<Stored, sqlx::Error> {
        let Self { listing, record, policy, .. } = *self;
        let instance_id = record.instance_id;
        let description = record.description.as_ref().filter(|_| applied.nature.is_first);
        let details = match description {
            None => None,
            Some(description) => Some(self.details(connection, description, &applied.known).await?),
        };
        let known = &applied.known;
        let span = details.as_ref().map_or((known.start_at, known.ended_at), |it| (it.start_at, it.ended_at));
        let joins_told = details.as_ref().and_then(DetailsUpdate::joins).or(known.joins_told);
        let reading = applied.reading(listing, record, span, joins_told);
        let counts_now = applied.counts_now();
        let progress = next_progress(&applied.before, &reading, policy, &applied.nature, counts_now);
        save_progress(&mut script, instance_id, &progress);
        save_reading(&mut script, record, listing, &applied.nature, counts_now);
        let outcome = applied.outcome();
        let words = applied.not_stored_reason(listing.source);
        log_fetch(&mut script, record, Some(listing), applied.counts, outcome, words.as_deref());
        if let Some(details) = &details {
            details.write(&mut script, instance_id, known.meeting_id, record.finished_at);
        }
        let is_live = progress.state == InstanceState::Live;
        let stays = applied.changes.stays.take();
        let (known, nature, changes) = (&applied.known, &applied.nature, &applied.changes);
        let lines = stays.map(|stays| first_lines(&mut script, stays, span, is_live, (known, record)));
        if counts_now && (nature.stored_source.is_none() || lines.is_some()) {
            script.add(STITCH, |values| {
                values.add(instance_id);
            });
        }
        if let Some(lines) = lines {
            presence::insert_lines(connection, &mut script, instance_id, &lines).await?;
            script.run(connection).await?;
            if known.has_rosters {
                rosters::match_members(connection, &[instance_id], &changes.reworked.people).await?;
            }
        } else {
            script.run(connection).await?;
            if details.is_some() {
                calendar::moved(connection, instance_id, true).await?;
            }
            let is_moved = known.attendance_dirty || details.is_some();
            let was_live = nature.stored_source == Some(Source::Live);
            refresh_derived(connection, instance_id, changes, is_moved || was_live || is_live).await?;
        }
        Ok(Stored { counts: applied.counts, outcome, progress })
    }

    async fn details(
        &self,
        connection: &mut SqliteConnection,
        description: &InstanceDetails,
        known: &KnownInstance,
    ) -> Result<DetailsUpdate, sqlx::Error> {
        let description = description.harmless();
        let host = (description.host_name.as_deref(), description.host_email.as_deref());
        let is_hidden = known.has_erasures
            && erasure_list::is_forgotten_host(connection, self.record.instance_id, host.0, host.1).await?;
        Ok(description.details((known.start_at, known.ended_at), is_hidden, self.dropped))
    }
}

/// What a listing is, beside what is stored.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Nature {
    received: u64,
    is_empty: bool,
    is_complete: bool,
    stored_source: Option<Source>,
    replaces: bool,
    may_count: bool,
    /// Nothing of the instance was stored before, and this is.
    is_first: bool,
}

impl Nature {
    fn of(listing: &Listing<'_>, known: &KnownInstance) -> Self {
        let stored_source = known.source();
        let received = listing.rows.len() as u64 + listing.rejects.len() as u64;
        // Somebody was in every instance that ended: a listing without rows says nothing of it.
        let is_empty = received == 0;
        let is_complete =
            listing.ended && !is_empty && received >= min_rows_for_complete(listing.rows_reported);
        let may_count = !is_empty && may_replace_source(stored_source, listing.source, is_complete);
        Self {
            received,
            is_empty,
            is_complete,
            stored_source,
            replaces: stored_source.is_some_and(|stored| stored != listing.source),
            may_count,
            is_first: may_count && stored_source.is_none() && !known.has_sessions,
        }
    }
}

/// A listing whose rows are applied, or added to what is to be written.
struct Applied {
    known: KnownInstance,
    nature: Nature,
    before: Progress,
    changes: AppliedChanges,
    counts: RowCounts,
    digest: i64,
}

impl Applied {
    /// Until it is confirmed, what would replace another source's rows is stored nowhere, and neither is its source.
    fn awaits_confirmation(&self) -> bool {
        self.nature.replaces && self.changes.suspect.is_some()
    }

    fn counts_now(&self) -> bool {
        self.nature.may_count && !self.awaits_confirmation()
    }

    fn outcome(&self) -> FetchOutcome {
        match (self.nature.is_complete, self.changes.suspect) {
            (false, _) => FetchOutcome::Incomplete,
            (true, Some(_)) => FetchOutcome::Suspect,
            (true, None) => FetchOutcome::Ok,
        }
    }

    /// What the listing was like, of an instance that began and ended then.
    fn reading(
        &self,
        listing: &Listing<'_>,
        record: &FetchRecord,
        (start_at, ended_at): (Option<i64>, Option<i64>),
        joins_told: Option<i64>,
    ) -> ListingFacts {
        let Self { known, nature, changes, counts, .. } = self;
        let ended_at = ended_at.or(changes.last_leave_at).or(known.last_leave_at).or(start_at);
        ListingFacts {
            at: record.finished_at,
            ended_at: ended_at.map(Timestamp::from_millis),
            live: listing.source == Source::Live,
            ended: listing.ended,
            complete: nature.is_complete,
            empty: nature.is_empty,
            leaves_out_one: listing.source != Source::Dashboard && joins_told.is_some_and(|joins| joins <= 1),
            richer: record.richer,
            first_rows: !nature.is_empty && nature.stored_source.is_none(),
            changed: counts.inserted + counts.updated + counts.withdrawn > 0,
            digest: self.digest,
            suspect: changes.suspect,
            shifted: counts.duplicate > 0 && listing.pages > 1,
        }
    }

    /// Why its rows are not stored, where they are not.
    fn not_stored_reason(&self, listed: Source) -> Option<String> {
        let stored = self.nature.stored_source.map_or("another source", Source::as_str);
        if self.awaits_confirmation() {
            Some(format!(
                "its rows were not stored: many that {stored} told are not among them; a second listing of {listed} that is \
                 equal, an hour later or more, replaces them"
            ))
        } else if !self.counts_now() && !self.nature.is_empty {
            Some(format!(
                "its rows were not stored: the sessions of this instance come from {stored}, which {listed} cannot replace"
            ))
        } else {
            None
        }
    }
}

/// Where the instance stands after the reading.
fn next_progress(
    before: &Progress,
    reading: &ListingFacts,
    policy: &Policy,
    nature: &Nature,
    counts_now: bool,
) -> Progress {
    let is_authority = !reading.live || nature.stored_source.is_none_or(|stored| stored == Source::Live);
    if nature.may_count || (nature.is_empty && is_authority) {
        let after = plan::after_reading(before, reading, policy);
        Progress { complete: if counts_now { after.complete } else { before.complete }, ..after }
    } else if reading.live {
        // A past listing has come in between, and that is the authority.
        before.clone()
    } else {
        // It settles nothing of what another source told, and confirms nothing.
        let out_of_reach =
            reading.ended_at.is_some_and(|ended_at| reading.at.since(ended_at) > plan::DASHBOARD_REACH);
        plan::after_failure(before, &Failure::LowerPrioritySource { out_of_reach }, reading.at)
    }
}

/// Who was in an instance of which nothing was stored before; adds where it is in the calendar to what is to be written.
fn first_lines(
    script: &mut Script,
    stays: Vec<Stay>,
    (start_at, ended_at): (Option<i64>, Option<i64>),
    is_live: bool,
    (known, record): (&KnownInstance, &FetchRecord),
) -> Vec<Line> {
    // The latest leave of a stay that counts stands in for the end that Zoom does not tell.
    let leaves = stays.iter().filter(|stay| !stay.is_waiting);
    let leaves = leaves.filter_map(|stay| Some(stay.leave_at?.max(stay.join_at.or(stay.leave_at)?)));
    let last_leave_at = leaves.max().filter(|_| !is_live);
    let end_at = ended_at.or(last_leave_at);
    let zone = calendar::zone_of(known.timezone.as_deref());
    let place =
        start_at.map(|start_at| calendar::placement(start_at, end_at, known.planned.as_deref(), zone));
    let planned =
        (place.as_ref().and_then(Placement::planned_from), place.as_ref().and_then(Placement::planned_to));
    let statement = "UPDATE instances SET last_leave_at = ?, local_date = ?, local_start = ?, planned_from = ?, planned_to = ?, \
                attendance_dirty = 0 WHERE instance_id = ?";
    script.add(statement, |values| {
        values
            .add(last_leave_at)
            .add(place.as_ref().map(|place| place.local_date.as_str()))
            .add(place.as_ref().map(|place| place.local_start.as_str()))
            .add(planned.0)
            .add(planned.1)
            .add(record.instance_id);
    });
    let open_end_at = if is_live { Some(record.finished_at.millis()) } else { end_at };
    let closed = stays.into_iter().map(|stay| {
        let is_open = is_live && stay.leave_at.is_none();
        Stay { is_open, ..stay }.closed_at(open_end_at)
    });
    lines(closed.collect(), planned.0.or(start_at).zip(planned.1.or(end_at)))
}

/// Whether the rows of a listing may count beside, or instead of, those that are stored.
///
/// The sessions that count come from one source. Only a complete listing of a richer one replaces a poorer one's;
/// what was read of a meeting that was still on yields to any listing of past ones.
fn may_replace_source(stored: Option<Source>, listed: Source, complete: bool) -> bool {
    match stored {
        None | Some(Source::Live) => true,
        Some(stored) => stored == listed || (listed > stored && complete),
    }
}

/// Rows that must have come for the listing to be complete; a number that cannot be right asks for none.
fn min_rows_for_complete(rows_reported: Option<i64>) -> u64 {
    rows_reported
        .and_then(|reported| u64::try_from(reported).ok())
        .filter(|reported| *reported <= 1_000_000)
        .unwrap_or(0)
}

/// What follows from a change: who was there, who is nobody any more.
async fn refresh_derived(
    connection: &mut SqliteConnection,
    instance_id: InstanceId,
    changes: &AppliedChanges,
    is_moved: bool,
) -> Result<(), sqlx::Error> {
    let mut instance_ids: BTreeSet<InstanceId> = changes.reworked.instance_ids.clone();
    if is_moved || !changes.is_none() {
        instance_ids.insert(instance_id);
    }
    if !instance_ids.is_empty() || !changes.reworked.people.is_empty() {
        let instance_ids: Vec<InstanceId> = instance_ids.into_iter().collect();
        presence::refresh(connection, &instance_ids, &changes.reworked.people).await?;
    }
    people::remove(connection, &changes.reworked.gone).await
}

fn save_reading(
    script: &mut Script,
    record: &FetchRecord,
    listing: &Listing<'_>,
    nature: &Nature,
    counts_now: bool,
) {
    let told_now = counts_now || (nature.is_empty && nature.stored_source.is_none());
    let statement = "UPDATE instances SET fetched_at = ?, tried_at = ?, source = coalesce(?, source), \
                rows_reported = iif(?, ?, rows_reported), rows_received = iif(?, ?, rows_received), \
                is_past_one = ?, alternate_encoding = ?, awaits_source = ?, for_backfill = 0 \
          WHERE instance_id = ?";
    script.add(statement, |values| {
        values
            .add(record.finished_at.millis())
            .add(record.finished_at.millis())
            .add(counts_now.then_some(listing.source.as_str()))
            .add(told_now)
            .add(listing.rows_reported)
            .add(told_now)
            .add(i64::try_from(nature.received).unwrap_or(i64::MAX))
            .add(record.is_past_one)
            .add(record.alternate_encoding)
            .add(record.awaits_source.map(Source::as_str))
            .add(record.instance_id);
    });
}

fn log_rejects(script: &mut Script, record: &FetchRecord, rejects: &[Reject], mentioning: &HashSet<usize>) {
    let kept: Vec<Json> = rejects
        .iter()
        .enumerate()
        .filter(|(at, _)| !mentioning.contains(at))
        .map(|(_, reject)| json!([reject_digest(reject), reject.reason, reject.content]))
        .collect();
    if kept.is_empty() {
        return;
    }
    let statement = "INSERT OR IGNORE INTO reject_log (run_id, instance_id, digest, reason, content) \
         SELECT ?, ?, j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM json_each(?) j";
    script.add(statement, |values| {
        values.add(record.run_id).add(record.instance_id).add(Json::from(kept).to_string());
    });
}

/// `words` say what went wrong where the record does not.
fn log_fetch(
    script: &mut Script,
    record: &FetchRecord,
    listing: Option<&Listing<'_>>,
    counts: RowCounts,
    outcome: FetchOutcome,
    words: Option<&str>,
) {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let statement = "INSERT INTO fetch_log (run_id, instance_id, started_at, finished_at, source, pages, requests, rows_reported, \
             rows_received, rows_inserted, rows_updated, rows_unchanged, rows_withdrawn, rows_rejected, rows_duplicate, \
             outcome, error_code, error, tracking_id) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    script.add(statement, |values| {
        values
            .add(record.run_id)
            .add(record.instance_id)
            .add(record.started_at.millis())
            .add(record.finished_at.millis())
            .add(listing.map(|listing| listing.source).or(record.source).map(Source::as_str))
            .add(listing.map_or(0, |listing| i64::from(listing.pages)))
            .add(i64::from(record.requests))
            .add(listing.and_then(|listing| listing.rows_reported));
        let counts = [
            counts.received,
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.withdrawn,
            counts.rejected,
            counts.duplicate,
        ];
        for count in counts {
            values.add(signed(count));
        }
        let error = record.error.as_deref().or(words);
        values
            .add(outcome.as_str())
            .add(record.error_code)
            .add(error.map(|error| harmless(error).into_owned()))
            .add(record.tracking_id.as_deref().map(|id| harmless(id).into_owned()));
    });
}
