//! Which sources of participants an instance is read from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Collector;
use crate::model::{Source, Timestamp};
use crate::plan::DASHBOARD_REACH;
use crate::store::{ClosedSource, DueInstance, SourceStanding};

/// Which sources are closed, as the database has it when a run begins, and as the run finds out.
#[derive(Debug, Default)]
pub(in super::super) struct ClosedSources(Mutex<SourceStanding>);

impl ClosedSources {
    fn standing(&self) -> MutexGuard<'_, SourceStanding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in super::super) fn set(&self, standing: SourceStanding) {
        *self.standing() = standing;
    }

    pub(in super::super) fn close(&self, closed: ClosedSource) {
        let mut standing = self.standing();
        standing.troubled.push(closed.source);
        standing.closed.push(closed);
    }

    /// Why a source is not asked; none where it is.
    pub(super) fn closed(&self, source: Source) -> Option<ClosedSource> {
        self.standing().closed.iter().find(|closed| closed.source == source).cloned()
    }

    pub(super) fn note_refusal(&self, source: Source) {
        self.standing().troubled.push(source);
    }

    /// Whether it is news that this source serves; it is asked once. It is open from then on.
    pub(super) fn is_news_that_it_serves(&self, source: Source) -> bool {
        let mut standing = self.standing();
        standing.closed.retain(|closed| closed.source != source);
        let is_news = standing.troubled.contains(&source);
        standing.troubled.retain(|troubled| *troubled != source);
        is_news
    }
}

impl Collector {
    /// Every source that a run may use, the richest first.
    pub(super) fn all_sources(&self) -> Vec<Source> {
        match self.settings.source {
            Some(source) => vec![source],
            None => vec![Source::Dashboard, Source::Report, Source::PastMeetings],
        }
    }

    /// The sources that reach this instance, the richest first. One that is named is used whatever its reach.
    pub(super) fn sources(&self, instance: &DueInstance, now: Timestamp) -> Vec<Source> {
        let is_old = instance.start_at.is_some_and(|start_at| now.since(start_at) > DASHBOARD_REACH);
        let mut sources = self.all_sources();
        if is_old && self.settings.source.is_none() {
            sources.retain(|source| *source != Source::Dashboard);
        }
        sources
    }

    /// Why none of these is asked; none where one is.
    pub(super) fn all_closed(&self, sources: &[Source]) -> Option<ClosedSource> {
        let closed: Vec<ClosedSource> =
            sources.iter().filter_map(|source| self.closed_sources.closed(*source)).collect();
        (closed.len() == sources.len()).then(|| closed.into_iter().next()).flatten()
    }
}
