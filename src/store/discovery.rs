//! How far discovery has come: what each meeting, and the account's list of meetings, has told, and what is refused.
//!
//! A mark that says "it told all its instances" is set in the transaction that stores them, for the subject that told
//! them, and by nothing else. So whatever stops a run, or is not asked in it, moves no window.

use std::time::Duration;

use sqlx::SqliteConnection;

use crate::model::{MeetingId, Timestamp, Window};
use crate::plan::scheduled_window;
use crate::store::instances::{DiscoveredInstance, Want, upsert_instances};
use crate::store::{Store, StoreError};

/// Who is asked for instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One meeting.
    Meeting(MeetingId),
    /// The list of the account's meetings.
    Account,
}

impl Subject {
    /// Its key in the table. No meeting has the number 0.
    fn key(self) -> i64 {
        match self {
            Self::Meeting(meeting_id) => meeting_id.get(),
            Self::Account => 0,
        }
    }
}

/// What a subject told.
#[derive(Clone, Copy, Debug)]
pub struct InstancesListing<'a> {
    pub subject: Subject,
    pub found: &'a [DiscoveredInstance],
    /// Whether it was read to its end, over the whole window of a scheduled run at least.
    pub complete: bool,
}

/// Why a subject tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryRefusal {
    pub words: String,
    /// Zoom says that it is not there: it never was, or its ID expired.
    pub not_found: bool,
    /// It is left alone for a while, each time longer, up to a day.
    pub rests: bool,
}

/// How a subject stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The first run for which the config named it.
    pub(crate) first_listed_at: Option<Timestamp>,
    /// The last listing that was read to its end and stored.
    pub told_at: Option<Timestamp>,
    /// The first refusal after that.
    pub refused_since: Option<Timestamp>,
    /// The refusal says that it is not there.
    pub(crate) not_found: bool,
    /// After a refusal: not asked before.
    pub next_at: Option<Timestamp>,
}

/// The longest that a subject rests.
const LONGEST_REST: Duration = Duration::from_hours(24);

impl Standing {
    /// Whether it is left alone; a rest that ends later than any rest can was set by a clock that was wrong.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.next_at.is_some_and(|next| now < next && next <= now.plus(LONGEST_REST))
    }

    /// The window of a scheduled run over it.
    pub fn window(&self, lookback: Duration, now: Timestamp) -> Window {
        scheduled_window(self.told_at, self.first_listed_at, lookback, now)
    }
}

impl Store {
    /// Notes that the config names these: what they held before they are asked for the first time is not lost to a
    /// late first answer.
    pub(crate) async fn note_listed(&self, subjects: &[Subject], now: Timestamp) -> Result<(), StoreError> {
        let keys: Vec<i64> = subjects.iter().map(|subject| subject.key()).collect();
        // The condition keeps a run without news from writing.
        self.execute(
            sqlx::query(
                "INSERT INTO discoveries (subject, first_listed_at) SELECT value, ?2 FROM json_each(?1) \
              WHERE value NOT IN (SELECT subject FROM discoveries WHERE first_listed_at IS NOT NULL) \
             ON CONFLICT (subject) DO UPDATE SET first_listed_at = excluded.first_listed_at",
            )
            .bind(crate::store::lists::json_list(&keys))
            .bind(now.millis()),
        )
        .await?;
        Ok(())
    }

    /// Forgets the refusals of everyone but these: who is not asked any more refuses nothing. What the others have told
    /// stays told.
    pub(crate) async fn forget_refusals_but_of(&self, subjects: &[Subject]) -> Result<(), StoreError> {
        let keys: Vec<i64> = subjects.iter().map(|subject| subject.key()).collect();
        self.execute(sqlx::query(
            "UPDATE discoveries SET refused_since = NULL, refusal = NULL, not_found = 0, failures = 0, next_at = NULL \
              WHERE refusal IS NOT NULL AND subject NOT IN (SELECT value FROM json_each(?))",
        )
        .bind(crate::store::lists::json_list(&keys))).await?;
        Ok(())
    }

    /// How a subject stands; one that was never asked has told and refused nothing.
    pub async fn standing(&self, subject: Subject) -> Result<Standing, StoreError> {
        self.read(async |connection| standing(connection, subject).await).await
    }

    /// Takes in what a subject told, and marks it as told where that was everything.
    ///
    /// What began in the window of a scheduled run becomes due, whatever the run: otherwise a backfill could mark as
    /// told what no later run looks at again. So does what began in `also`, the run's own window. Answers with the
    /// number of instances not known before.
    pub(crate) async fn upsert_listing(
        &self,
        listing: &InstancesListing<'_>,
        lookback: Duration,
        also: Option<Window>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(async |tx| {
            let scheduled = standing(tx, listing.subject).await?.window(lookback, now);
            let want = |at| match also {
                _ if scheduled.contains(at) => Want::Run,
                Some(window) if window.contains(at) => Want::Backfill,
                _ => Want::Not,
            };
            let new = upsert_instances(tx, listing.found, &want, now, &self.dropped).await?;
            if listing.complete {
                mark_told(tx, listing.subject, now).await?;
            }
            Ok(new)
        })
        .await
    }

    /// Notes why a subject tells nothing.
    pub(crate) async fn note_refusal(
        &self,
        subject: Subject,
        refusal: &DiscoveryRefusal,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // An hour, then twice as long each time.
        self.execute(sqlx::query(
            "INSERT INTO discoveries (subject, refused_since, refusal, not_found, failures, next_at) \
             VALUES (?1, ?2, ?3, ?4, 1, iif(?5, ?2 + 3600000, NULL)) \
             ON CONFLICT (subject) DO UPDATE SET refused_since = coalesce(refused_since, ?2), refusal = ?3, not_found = ?4, \
                 failures = failures + 1, next_at = iif(?5, ?2 + min(3600000 << min(failures, 5), ?6), NULL)",
        )
        .bind(subject.key())
        .bind(now.millis())
        .bind(&refusal.words)
        .bind(refusal.not_found)
        .bind(refusal.rests)
        .bind(i64::try_from(LONGEST_REST.as_millis()).unwrap_or(i64::MAX))).await?;
        Ok(())
    }
}

async fn standing(connection: &mut SqliteConnection, subject: Subject) -> Result<Standing, sqlx::Error> {
    type Row = (Option<i64>, Option<i64>, Option<i64>, bool, Option<i64>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT first_listed_at, told_at, refused_since, not_found, next_at FROM discoveries WHERE subject = ?",
    )
    .bind(subject.key())
    .fetch_optional(connection)
    .await?;
    let at = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    Ok(row.map_or_else(Standing::default, |(listed, told, refused, not_found, next)| Standing {
        first_listed_at: at(listed),
        told_at: at(told),
        refused_since: at(refused),
        not_found,
        next_at: at(next),
    }))
}

async fn mark_told(
    connection: &mut SqliteConnection,
    subject: Subject,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO discoveries (subject, told_at) VALUES (?1, ?2) \
         ON CONFLICT (subject) DO UPDATE SET told_at = ?2, refused_since = NULL, refusal = NULL, not_found = 0, \
             failures = 0, next_at = NULL",
    )
    .bind(subject.key())
    .bind(now.millis())
    .execute(connection)
    .await?;
    Ok(())
}
