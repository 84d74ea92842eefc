//! Discovery: which instances there are.
//!
//! The listing of a meeting's instances is the first way (one Medium request, 15 months). Where the app or the plan
//! has no right to it, the account-wide list is the next, and after that the latest instance by numeric ID. What a
//! meeting answered is noted for that meeting alone, and only a listing that was read to its end counts as told.

mod account;
mod answer;
mod latest;
mod listed;
mod live;
mod named;

use futures_util::{StreamExt as _, stream};

pub(super) use self::answer::details_of;
use self::answer::{Unanswered, unanswered};
pub(super) use self::named::past_instance;
use super::Collector;
use super::context::RunContext;
use super::summary::AbortReason;
use crate::store::{DiscoveredInstance, DiscoveryRefusal, InstancesListing, StoreError, Subject};
use crate::zoom::ZoomError;

/// Listings asked for at the same time.
const DISCOVERIES_AT_ONCE: usize = 8;

impl Collector {
    pub(super) async fn discover(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        self.discover_named(run).await?;
        if run.is_over() {
            return Ok(());
        }
        if run.request.account_wide {
            self.discover_account(run).await?;
        } else {
            let not_allowed = self.discover_listed(run).await?;
            if !not_allowed.is_empty() && !run.is_over() {
                self.discover_in_account_list(&not_allowed, run).await?;
            }
        }
        if self.settings.include_live && !run.is_over() {
            self.discover_live(run).await?;
        }
        Ok(())
    }

    /// Takes in what a subject told.
    async fn record_listing(
        &self,
        subject: Subject,
        found: &[DiscoveredInstance],
        complete: bool,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        let listing = InstancesListing { subject, found, complete };
        let (lookback, window) = (self.settings.lookback, run.request.window);
        let new = self.store.upsert_listing(&listing, lookback, window, self.clock.now()).await?;
        let mut summary = run.summary();
        summary.answered = true;
        summary.instances_found += new;
        Ok(())
    }

    /// Notes why a meeting, or the account's list, told nothing.
    async fn record_unanswered(
        &self,
        subject: Subject,
        why: Unanswered,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        let whose = match subject {
            Subject::Meeting(meeting) => format!("the instances of meeting {meeting}"),
            Subject::Account => "the meetings of the account".to_owned(),
        };
        let (words, not_found) = match (why, subject) {
            (Unanswered::NotFound(error), Subject::Meeting(meeting)) => {
                run.summary().answered = true;
                let words = format!(
                    "Zoom lists no past instances of meeting {meeting}: none has ended yet, its ID has expired or is \
                     mistyped, or it belongs to another account ({error})"
                );
                run.warn(words.clone());
                (words, true)
            }
            (Unanswered::NotFound(error) | Unanswered::NotAllowed(error) | Unanswered::Refused(error), _) => {
                let words = format!("{whose} cannot be listed: {error}");
                run.summary().meetings_refused += 1;
                run.fail(words.clone());
                (words, false)
            }
            (Unanswered::Transient(error), _) => {
                run.fail_with(&error, format!("{whose} could not be listed: {error}"));
                return Ok(());
            }
        };
        // The account's list is all that there is to go by: it is asked for each time.
        let rests = subject != Subject::Account;
        let refusal = DiscoveryRefusal { words, not_found, rests };
        self.store.note_refusal(subject, &refusal, self.clock.now()).await
    }
}

/// Asks Zoom; none where the run is over, by this answer or otherwise.
async fn ask<T>(
    asked: impl Future<Output = Result<T, ZoomError>>,
    run: &RunContext<'_>,
) -> Option<Result<T, Unanswered>> {
    let answer = run.until_stopped(asked).await?;
    if let Some(reason) = answer.as_ref().err().and_then(AbortReason::after) {
        run.abort(reason);
        return None;
    }
    Some(answer.map_err(unanswered))
}

/// Asks for all of these, some at a time; what the run ends for is left out.
///
/// The answers come back together: whoever wrote one down while others were still under way would wait for the
/// database that one of those holds, and it is not polled meanwhile.
async fn ask_all<K: Copy, T, F: Future<Output = Result<T, ZoomError>>>(
    keys: impl IntoIterator<Item = K>,
    run: &RunContext<'_>,
    question: impl Fn(K) -> F,
) -> Vec<(K, Result<T, Unanswered>)> {
    let question = &question;
    stream::iter(keys)
        .map(|key| async move { Some((key, ask(question(key), run).await?)) })
        .buffer_unordered(DISCOVERIES_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}
