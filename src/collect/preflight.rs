//! Before a run: a token, and whether its scopes let the run do what it is asked for.

use std::sync::Mutex;

use super::Collector;
use super::context::RunContext;
use super::summary::AbortReason;
use crate::model::Source;
use crate::store::ClosedSource;
use crate::zoom::{Disposition, Endpoint, ListingType, ParticipantsEndpoint, ZoomError};

/// An endpoint that runs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointRequirement {
    /// What is asked.
    pub endpoint: Endpoint,
    /// The source of participants that it is, if it is one.
    pub source: Option<Source>,
    /// Nothing can be done without it.
    pub is_required: bool,
    /// What becomes of a run without it.
    pub without: &'static str,
}

/// The endpoints that runs use: from this source (none: the richest that answers), over the listed meetings or all
/// of the account, with or without meetings that are still on.
pub fn required_endpoints(
    source: Option<Source>,
    account_wide: bool,
    include_live: bool,
) -> Vec<EndpointRequirement> {
    let mut required = Vec::new();
    let mut add = |endpoint, source, is_required, without| {
        required.push(EndpointRequirement { endpoint, source, is_required, without });
    };
    if account_wide {
        add(
            Endpoint::DashboardMeetings,
            None,
            true,
            "the meetings of the account cannot be found, which collection.discovery = \"account\" asks for",
        );
    } else {
        add(
            Endpoint::Instances,
            None,
            false,
            "instances are looked for in the account-wide list of the Dashboard, which reaches back six months only",
        );
    }
    add(
        Endpoint::PastMeeting,
        None,
        false,
        "topic and host of an instance stay unknown, and its end is estimated from the last leave",
    );
    let sources = match source {
        Some(source) => vec![source],
        None => vec![Source::Dashboard, Source::Report, Source::PastMeetings],
    };
    for one in sources {
        let (endpoint, without) = match one {
            Source::Report => (
                ParticipantsEndpoint::Report,
                "participants are not read from reports, the source for what the Dashboard no longer holds",
            ),
            Source::PastMeetings => (
                ParticipantsEndpoint::PastMeetings,
                "participants are not read from past meetings, the last source where the others refuse",
            ),
            _ => (
                ParticipantsEndpoint::Dashboard(ListingType::Past),
                "participants are not read from the Dashboard: devices, networks, waiting rooms stay unknown",
            ),
        };
        add(endpoint.endpoint(), Some(one), source.is_some(), without);
    }
    if include_live {
        add(Endpoint::DashboardMeeting, None, false, "meetings that are still on are not read");
    }
    required
}

/// The last warning about scopes, so that a daemon says it once and not every quarter of an hour.
#[derive(Debug, Default)]
pub(super) struct WarningDeduplicator(Mutex<String>);

impl WarningDeduplicator {
    fn is_news(&self, words: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_news = *told != words;
        words.clone_into(&mut told);
        is_news
    }
}

impl Collector {
    /// Whether the run can go on. Where it cannot, the summary says why; participants have not been asked for then.
    pub(super) async fn preflight(&self, run: &RunContext<'_>) -> bool {
        let Some(granted) = run.until_stopped(self.zoom.scopes()).await else { return false };
        let granted = match granted {
            Ok(granted) => granted,
            Err(error) => {
                if let Some(reason) = abort_reason(&error) {
                    run.abort(reason);
                } else {
                    run.summary().unreachable = true;
                    run.fail(format!("nothing can be read without a token: {error}"));
                }
                return false;
            }
        };
        let settings = &self.settings;
        let required = required_endpoints(settings.source, run.request.account_wide, settings.include_live);
        match check_scopes(&required, &granted) {
            PreflightResult::GoesOn { warning, closed } => {
                let until = self.clock.now();
                for (source, reason) in closed {
                    self.closed_sources.close(ClosedSource { source, until, reason });
                }
                if let Some(warning) = warning.filter(|warning| self.scope_warnings.is_news(warning)) {
                    run.warn(warning);
                }
                true
            }
            PreflightResult::Refused(words) => {
                run.abort(AbortReason::Refused(words));
                false
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum PreflightResult {
    /// The run goes on.
    GoesOn {
        /// What it has to do without, in words.
        warning: Option<String>,
        /// Sources whose scope is missing, and why they are not asked.
        closed: Vec<(Source, String)>,
    },
    Refused(String),
}

fn check_scopes(required: &[EndpointRequirement], granted: &[String]) -> PreflightResult {
    // An answer that tells no scopes at all says nothing about them.
    if granted.is_empty() {
        return PreflightResult::GoesOn { warning: None, closed: Vec::new() };
    }
    let missing: Vec<(&EndpointRequirement, &str)> =
        required.iter().filter_map(|need| Some((need, need.endpoint.missing_scope(granted)?))).collect();
    if let Some((need, scope)) = missing.iter().find(|(need, _)| need.is_required) {
        let wanted_by = need.source.map_or_else(String::new, |source| {
            format!("; zoom.source = \"{source}\" rules out any other source")
        });
        return PreflightResult::Refused(format!(
            "the app lacks the scope {scope}, without which {}{wanted_by}; add it on the app's page on \
             marketplace.zoom.us, under Scopes",
            need.without
        ));
    }
    let scopes = |of_source: bool| -> Vec<&str> {
        let which = missing.iter().filter(|(need, _)| need.source.is_some() == of_source);
        which.map(|(_, scope)| *scope).collect()
    };
    let (refused, others) = (scopes(true), scopes(false));
    if refused.len() == required.iter().filter(|need| need.source.is_some()).count() {
        let too = match others.as_slice() {
            [] => String::new(),
            others => format!("; and these, which it lacks, too: {}", others.join(", ")),
        };
        return PreflightResult::Refused(format!(
            "the app has no scope that allows reading participants; add one of these scopes on the app's page on \
             marketplace.zoom.us, the richest source first: {}{too}",
            refused.join(", ")
        ));
    }
    let words: Vec<String> =
        missing.iter().map(|(need, scope)| format!("without {scope}, {}", need.without)).collect();
    let closed = missing
        .iter()
        .filter_map(|(need, scope)| Some((need.source?, format!("the app lacks the scope {scope}"))));
    PreflightResult::GoesOn {
        closed: closed.collect(),
        warning: (!words.is_empty()).then(|| format!("the app lacks scopes: {}", words.join("; "))),
    }
}

/// Why a run without a token is over; none where a later one may get it.
fn abort_reason(error: &ZoomError) -> Option<AbortReason> {
    AbortReason::after(error).or_else(|| match error.disposition() {
        Disposition::NotFound
        | Disposition::RetryAsPastOne
        | Disposition::TryNextSource(_)
        | Disposition::Parked(_) => Some(AbortReason::Refused(error.to_string())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(but: &[&str]) -> Vec<String> {
        let all = required_endpoints(None, false, true);
        all.iter()
            .filter_map(|need| need.endpoint.scopes().first())
            .filter(|scope| !but.contains(scope))
            .map(|scope| (*scope).to_owned())
            .collect()
    }

    const ALL_GRANTED: PreflightResult = PreflightResult::GoesOn { warning: None, closed: Vec::new() };

    const DASHBOARD: &str = "dashboard:read:list_meeting_participants:admin";
    const REPORT: &str = "report:read:list_meeting_participants:admin";
    const PAST: &str = "meeting:read:list_past_participants:admin";

    #[test]
    fn with_every_scope_nothing_is_said() {
        assert_eq!(check_scopes(&required_endpoints(None, false, true), &granted(&[])), ALL_GRANTED);
        assert_eq!(check_scopes(&required_endpoints(None, false, true), &[]), ALL_GRANTED);
    }

    #[test]
    fn a_missing_scope_is_named_with_what_it_costs() {
        let PreflightResult::GoesOn { warning: Some(words), .. } =
            check_scopes(&required_endpoints(None, false, false), &granted(&[DASHBOARD]))
        else {
            panic!("refused, or silent");
        };
        assert!(words.contains(DASHBOARD) && words.contains("devices"), "{words}");
        assert!(!words.contains(REPORT), "{words}");
    }

    #[test]
    fn a_source_that_is_named_needs_its_scope() {
        for (source, scope) in
            [(Source::Dashboard, DASHBOARD), (Source::Report, REPORT), (Source::PastMeetings, PAST)]
        {
            let required = required_endpoints(Some(source), false, false);
            let PreflightResult::Refused(words) = check_scopes(&required, &granted(&[scope])) else {
                panic!("it goes on")
            };
            assert!(words.contains(scope) && words.contains(source.as_str()), "{words}");
            let others: Vec<&str> =
                [DASHBOARD, REPORT, PAST].into_iter().filter(|other| *other != scope).collect();
            assert_eq!(check_scopes(&required, &granted(&others)), ALL_GRANTED);
        }
    }

    #[test]
    fn an_app_that_may_read_no_participants_is_refused() {
        let PreflightResult::Refused(words) =
            check_scopes(&required_endpoints(None, false, false), &granted(&[DASHBOARD, REPORT, PAST]))
        else {
            panic!("it goes on");
        };
        assert!([DASHBOARD, REPORT, PAST].iter().all(|scope| words.contains(scope)), "{words}");
    }

    #[test]
    fn the_whole_account_needs_the_list_of_it() {
        let PreflightResult::Refused(words) =
            check_scopes(&required_endpoints(None, true, false), &granted(&[]))
        else {
            panic!("it goes on");
        };
        assert!(words.contains("dashboard:read:list_meetings:admin"), "{words}");
    }

    #[test]
    fn the_same_warning_is_told_once() {
        let told = WarningDeduplicator::default();
        assert!(told.is_news("a") && !told.is_news("a") && told.is_news("b") && told.is_news("a"));
    }
}
