//! Zoom: whether it can be reached, gives a token, and answers each endpoint that runs will use.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use chrono::Days;
use futures_util::StreamExt as _;

use super::Findings;
use crate::clock::Clock;
use crate::collect::{EndpointRequirement, clock_warning, required_endpoints};
use crate::commands::support::errors::code_of_zoom;
use crate::commands::support::settings;
use crate::config::{Config, Credentials, Discovery};
use crate::exit::ExitCode;
use crate::model::{InstanceUuid, RateLabel, Source};
use crate::store::{Store, StoreError};
use crate::zoom::{
    DashboardListingRequest, Disposition, Encoding, Endpoint, ListingRequest, ListingType, MeetingKey,
    ParticipantsEndpoint, Unlimited, ZoomClient, ZoomError,
};

/// Rows asked for: enough to see that they come.
const PAGE_SIZE: u16 = 10;

/// Asks for a token, looks at its scopes, and asks each endpoint once.
pub(super) async fn check(
    config: &Config,
    credentials: Credentials,
    clock: &Clock,
    findings: &mut Findings<'_>,
) {
    let mut small = config.clone();
    small.zoom.page_size = PAGE_SIZE;
    // A handful of requests: the day's pool is nothing to them, and the ledger is in a file that is not written here.
    let client = match settings::zoom_with(&small, credentials, clock, Arc::new(Unlimited)) {
        Ok(client) => client,
        Err(error) => {
            return findings.bad("zoom", error.to_string(), code_of_zoom(&error));
        }
    };
    let granted = match client.scopes().await {
        Ok(granted) => granted,
        Err(error) => return findings.bad("token", error.to_string(), code_of_zoom(&error)),
    };
    let host = config.zoom.token_url.host_str().unwrap_or_default();
    let scopes = match granted.len() {
        0 => "which names no scopes; what the app may do is seen from the answers below".to_owned(),
        count => format!("with {count} scopes"),
    };
    findings.good("token", format!("{host} can be reached and gives one, {scopes}"));
    let account_wide = config.collection.discovery == Discovery::Account;
    let needs = required_endpoints(
        settings::collect_settings(config).source,
        account_wide,
        config.collection.include_live,
    );
    let mut probe = Probe { config, zoom: &client, clock, instance: None, granted: &granted };
    let (mut sources_lost, mut any_refused, mut serving) = (0, false, Vec::new());
    for need in &needs {
        let verdict = probe.endpoint(need, findings).await;
        any_refused |= verdict == EndpointStatus::Refused;
        serving.extend(need.source.filter(|_| verdict == EndpointStatus::Works));
        // What could not be asked for because of a refusal is no better than refused.
        let lost = verdict == EndpointStatus::Refused || (verdict == EndpointStatus::NotAsked && any_refused);
        sources_lost += usize::from(lost && need.source.is_some());
    }
    if sources_lost == needs.iter().filter(|need| need.source.is_some()).count() {
        findings.bad(
            "participants",
            "no source of participants can be read; mend one of the above".to_owned(),
            ExitCode::Refused,
        );
    }
    if let Some(clocks) = clock.take_comparison().filter(|clocks| !clocks.agrees()) {
        findings.warn("clock", clock_warning(clocks.ahead_ms()));
    }
    if !serving.is_empty() {
        open_sources(&serving, &config.database.path, clock).await;
    }
}

/// The one thing that a check writes: what runs found closed, for a day, is tried again with the next one, and what waits
/// for a source that serves is due. Where the database cannot be opened, that is told elsewhere.
async fn open_sources(serving: &[Source], path: &Path, clock: &Clock) {
    let Ok(store) = Store::open_as_it_is(path).await else { return };
    let now = clock.now();
    let opened = async {
        store.open_sources(true, now).await?;
        for source in serving {
            store.source_serves(*source, now).await?;
        }
        Ok::<(), StoreError>(())
    };
    if let Err(error) = opened.await {
        tracing::debug!(%error, "closed sources were not opened");
    }
    store.close().await;
}

/// What is asked with.
struct Probe<'a> {
    config: &'a Config,
    zoom: &'a ZoomClient,
    clock: &'a Clock,
    /// An instance of the listed meetings, as soon as one is known.
    instance: Option<InstanceUuid>,
    granted: &'a [String],
}

/// How an endpoint answered.
enum Answered {
    With(String),
    /// There was nothing that it could be asked about.
    NotAsked,
}

/// Whether an endpoint can be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndpointStatus {
    /// As far as that can be found out.
    Works,
    /// Nobody knows.
    NotAsked,
    /// Not by this app or account.
    Refused,
}

impl Probe<'_> {
    /// Whether the endpoint can be used, as far as that can be found out.
    async fn endpoint(&mut self, need: &EndpointRequirement, findings: &mut Findings<'_>) -> EndpointStatus {
        let what = need.endpoint.name();
        let scope = need.endpoint.missing_scope(self.granted);
        if let Some(scope) = scope.filter(|_| !self.granted.is_empty()) {
            let words = format!(
                "the app lacks the scope {scope}; without it, {}. Add it on the app's page on marketplace.zoom.us",
                need.without
            );
            return refused(words, need, findings);
        }
        match self.ask(need.endpoint).await {
            Ok(Answered::With(words)) => findings.good(what, words),
            Ok(Answered::NotAsked) => {
                let scope = if self.granted.is_empty() { "" } else { "; the scope is there, at least" };
                findings.warn(
                    what,
                    format!(
                        "no meeting is known that it could be asked for, so that it was not tried{scope}. List a \
                         meeting in the config, or check again after one was held"
                    ),
                );
                return EndpointStatus::NotAsked;
            }
            Err(error) => match error.disposition() {
                // Of this one instance; the endpoint itself answers.
                Disposition::NotFound | Disposition::RetryAsPastOne | Disposition::Parked(_) => {
                    findings.good(what, format!("it answers, though not for what was asked ({error})"));
                }
                Disposition::TryNextSource(_) => {
                    let words = format!("{error}; without it, {}", need.without);
                    return refused(words, need, findings);
                }
                _ => findings.bad(what, error.to_string(), code_of_zoom(&error)),
            },
        }
        EndpointStatus::Works
    }

    async fn ask(&mut self, endpoint: Endpoint) -> Result<Answered, ZoomError> {
        match endpoint {
            Endpoint::Instances => self.instances().await,
            Endpoint::PastMeeting => {
                let Some(key) = self.key().await else { return Ok(Answered::NotAsked) };
                self.zoom.past_meeting(&key, Encoding::Documented).await?;
                Ok(answers(endpoint.label()))
            }
            Endpoint::DashboardMeetings => self.account_list().await,
            Endpoint::DashboardMeeting => self.live().await,
            Endpoint::DashboardParticipants => {
                self.participants(ParticipantsEndpoint::Dashboard(ListingType::Past)).await
            }
            Endpoint::ReportParticipants => self.participants(ParticipantsEndpoint::Report).await,
            Endpoint::PastParticipants => self.participants(ParticipantsEndpoint::PastMeetings).await,
            Endpoint::Token => Ok(Answered::NotAsked),
        }
    }

    /// What to ask for: an instance that Zoom told of, else the latest in the database, else whatever the first
    /// listed meeting held last.
    async fn key(&self) -> Option<MeetingKey> {
        let instance = match &self.instance {
            Some(instance) => Some(instance.clone()),
            None => stored_instance(&self.config.database.path).await,
        };
        let latest = || self.config.meetings.first().map(|meeting| MeetingKey::Latest(meeting.id));
        instance.map(MeetingKey::Uuid).or_else(latest)
    }

    /// The instances of the first listed meeting that has any, of the first few.
    async fn instances(&mut self) -> Result<Answered, ZoomError> {
        let mut answered = Ok(Answered::NotAsked);
        for meeting in self.config.meetings.iter().take(3) {
            answered = self.zoom.instances(meeting.id).await.map(|instances| {
                self.instance =
                    instances.iter().max_by_key(|told| told.start_time).map(|told| told.uuid.clone());
                Answered::With(format!("meeting {} has {} ended instances", meeting.id, instances.len()))
            });
            let goes_on = match &answered {
                Ok(_) => self.instance.is_none(),
                Err(error) => matches!(error.disposition(), Disposition::NotFound),
            };
            if !goes_on {
                break;
            }
        }
        answered
    }

    /// The account's meetings of yesterday and today, which shows the plan, too.
    async fn account_list(&mut self) -> Result<Answered, ZoomError> {
        let to = self.clock.now().utc().date_naive();
        let from = to.checked_sub_days(Days::new(1)).unwrap_or(to);
        let request = DashboardListingRequest { listing: ListingType::Past, from, to };
        let mut pages = pin!(self.zoom.dashboard_meetings(request));
        if let Some(page) = pages.next().await {
            self.instance = page?.meetings.into_iter().find_map(|told| told.uuid);
        }
        Ok(answers(RateLabel::ResourceIntensive))
    }

    async fn live(&self) -> Result<Answered, ZoomError> {
        let Some(meeting) = self.config.meetings.first() else { return Ok(Answered::NotAsked) };
        self.zoom
            .dashboard_meeting(&MeetingKey::Latest(meeting.id), ListingType::Live, Encoding::Documented)
            .await?;
        Ok(Answered::With(format!("meeting {} is on right now", meeting.id)))
    }

    async fn participants(&self, from: ParticipantsEndpoint) -> Result<Answered, ZoomError> {
        let Some(key) = self.key().await else { return Ok(Answered::NotAsked) };
        let request = ListingRequest { from, key, encoding: Encoding::Documented };
        let mut pages = pin!(self.zoom.participants(&request));
        if let Some(page) = pages.next().await {
            page?;
        }
        Ok(answers(from.endpoint().label()))
    }
}

/// The latest instance that was read; what is wrong with the database is told elsewhere.
async fn stored_instance(path: &Path) -> Option<InstanceUuid> {
    let store = Store::open_to_read(path).await.ok()?;
    let instance = store.latest_instance().await.ok().flatten();
    store.close().await;
    instance
}

/// What a run cannot do without is an error; the rest costs something.
fn refused(words: String, need: &EndpointRequirement, findings: &mut Findings<'_>) -> EndpointStatus {
    if need.is_required {
        findings.bad(need.endpoint.name(), words, ExitCode::Refused);
    } else {
        findings.warn(need.endpoint.name(), words);
    }
    EndpointStatus::Refused
}

fn answers(label: RateLabel) -> Answered {
    Answered::With(format!("it answers; its requests count as {label}"))
}
