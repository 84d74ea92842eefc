//! The right answer of each endpoint, and Zoom's refusals where there is none.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{Days, Months, NaiveDate};
use serde_json::{Value, json};

use super::endpoint::SimulatedEndpoint;
use super::faults::FaultKind;
use super::listing::{self, ListingRows};
use super::options::{OnePersonAnswer, Options};
use super::session::{Session, Shape, USER_ID_STEP};
use super::tokens::PageTokens;
use super::wire::{ParsedRequest, SimulatedResponse, name_in_error, needs_double_encoding};
use super::world::{Instance, World};
use crate::model::{DAY, Timestamp};

/// What Zoom has to say, or how it refuses.
type ResponseOrRefusal = Result<SimulatedResponse, SimulatedResponse>;

/// How far back a single instance can be asked for; beyond it, code 12702.
const YEAR: Duration = DAY.saturating_mul(365);

/// How far back the instances of a meeting are listed: 15 months.
const INSTANCES_REACH: Duration = DAY.saturating_mul(456);

/// How far back the account-wide lists go, in months.
const LIST_REACH: Months = Months::new(6);

/// What one request sees of the account.
pub(super) struct RequestContext<'a> {
    pub(super) world: &'a World,
    pub(super) options: &'a Options,
    pub(super) call: &'a ParsedRequest,
    pub(super) faults: &'a [(FaultKind, u32)],
    pub(super) now: Timestamp,
}

/// The `type` of the Dashboard's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DashboardType {
    Past,
    PastOne,
    Live,
}

impl<'a> RequestContext<'a> {
    pub(super) fn answer(&self, pages: &mut PageTokens) -> ResponseOrRefusal {
        match self.call.endpoint {
            SimulatedEndpoint::Token => unreachable!("tokens are granted before anything is looked at"),
            SimulatedEndpoint::PastInstances => self.past_instances(),
            SimulatedEndpoint::PastMeeting => {
                let instance = self.ended_instance()?;
                Ok(SimulatedResponse::json(&instance.past_entry(self.options, self.now)))
            }
            SimulatedEndpoint::PastParticipants => self.poorer_participants(Shape::Past, pages),
            SimulatedEndpoint::ReportParticipants => self.poorer_participants(Shape::Report, pages),
            SimulatedEndpoint::HistoryMeetings => self.history_meetings(pages),
            SimulatedEndpoint::MetricsMeetings => self.metrics_meetings(pages),
            SimulatedEndpoint::MetricsMeeting => {
                let (instance, _) = self.dashboard_instance()?;
                let mut entry = instance.dashboard_entry(self.options, self.now);
                entry["in_room_participants"] = 0.into();
                Ok(SimulatedResponse::json(&entry))
            }
            SimulatedEndpoint::MetricsParticipants => self.metrics_participants(pages),
        }
    }

    fn past_instances(&self) -> ResponseOrRefusal {
        let Some(meeting_id) = self.call.meeting_id().filter(|id| self.world.knows_meeting(*id, self.now))
        else {
            return Err(does_not_exist(&self.call.target));
        };
        let ended: Vec<Value> = self
            .world
            .instances_of(meeting_id, self.now)
            .into_iter()
            .filter(|_| !self.is_struck_by(&FaultKind::Empty))
            .filter(|instance| !instance.webinar && self.is_over(instance))
            .filter(|instance| self.now.since(instance.start) <= INSTANCES_REACH)
            .map(|instance| json!({ "uuid": instance.uuid.as_str(), "start_time": instance.listed_start() }))
            .collect();
        let list =
            if self.is_struck_by(&FaultKind::NoRows) { json!({}) } else { json!({ "meetings": ended }) };
        Ok(SimulatedResponse::json(&list))
    }

    fn poorer_participants(&self, shape: Shape, pages: &mut PageTokens) -> ResponseOrRefusal {
        listing::page_size(self.call)?;
        let instance = self.ended_instance()?;
        if instance.is_of_one() && !self.options.one_person_in_reports {
            return Err(not_ended(self.call.endpoint, &self.call.target));
        }
        self.sessions_page(&instance.sessions, shape, Vec::new(), pages)
    }

    fn metrics_participants(&self, pages: &mut PageTokens) -> ResponseOrRefusal {
        listing::page_size(self.call)?;
        let (instance, kind) = self.dashboard_instance()?;
        let envelope = vec![("meeting_number", instance.meeting_id.to_string().into())];
        if kind == DashboardType::Live {
            return self.sessions_page(&instance.sessions_at(self.now), Shape::Dashboard, envelope, pages);
        }
        let hidden = kind == DashboardType::Past && instance.is_of_one();
        let sessions = if hidden { &[][..] } else { &instance.sessions };
        self.sessions_page(sessions, Shape::Dashboard, envelope, pages)
    }

    fn sessions_page(
        &self,
        sessions: &[Session],
        shape: Shape,
        envelope: Vec<(&'static str, Value)>,
        pages: &mut PageTokens,
    ) -> ResponseOrRefusal {
        let sessions = self.grown(sessions);
        let with_registrant = self.call.parameter("include_fields") == Some("registrant_id")
            && self.call.parameter("type").is_none_or(|kind| kind != "live");
        let write_row = |index: usize, page: &mut String| sessions[index].write(shape, with_registrant, page);
        let listing =
            ListingRows { key: "participants", rows: sessions.len(), envelope, write_row: &write_row };
        listing::page(&listing, self.call, self.options, pages, self.faults, self.now)
    }

    /// The sessions, with one more for each reading that a growing listing has seen.
    fn grown<'s>(&self, sessions: &'s [Session]) -> Cow<'s, [Session]> {
        let reading = self.faults.iter().find(|(kind, _)| *kind == FaultKind::Growing);
        let (Some((_, reading)), Some(last)) = (reading, sessions.last()) else {
            return Cow::Borrowed(sessions);
        };
        let mut sessions = sessions.to_vec();
        let last_user_id: u64 = last.text("user_id").parse().unwrap_or_default();
        for more in 1..u64::from(*reading) {
            let user_id = last_user_id + more * USER_ID_STEP;
            sessions.push(last.clone().with("user_id", user_id.to_string()));
        }
        Cow::Owned(sessions)
    }

    fn metrics_meetings(&self, pages: &mut PageTokens) -> ResponseOrRefusal {
        listing::page_size(self.call)?;
        let kind = self.kind()?;
        let (from, to) = self.dates()?;
        let by_end = match self.call.parameter("query_date_type") {
            None | Some("start_time") => false,
            Some("end_time") if kind == DashboardType::Past && !self.options.end_time_queries => {
                let message = "This account cannot query meetings by `end_time`.";
                return Err(SimulatedResponse::error(400, 12_700, message));
            }
            Some("end_time") => kind == DashboardType::Past,
            Some(_) => return Err(invalid("query_date_type")),
        };
        let mut found: Vec<&Instance> = self
            .world
            .kept(self.now)
            .filter(|instance| !instance.webinar)
            .filter(|instance| match kind {
                DashboardType::Live => instance.is_live(self.now),
                DashboardType::Past => self.is_over(instance) && !instance.is_of_one(),
                DashboardType::PastOne => self.is_over(instance) && instance.is_of_one(),
            })
            .filter(|instance| {
                let at = if by_end { instance.end.unwrap_or(instance.start) } else { instance.start };
                // Zoom matches whole UTC days, whatever the time of day that was given.
                kind == DashboardType::Live || (from..=to).contains(&at.utc().date_naive())
            })
            .collect();
        found.sort_by_key(|instance| std::cmp::Reverse(instance.start));
        let envelope = vec![("from", from.to_string().into()), ("to", to.to_string().into())];
        let write_row = |index: usize, page: &mut String| {
            let instance = found[index];
            let mut entry = instance.dashboard_entry(self.options, self.now);
            entry["start_time"] = instance.listed_start().into();
            page.push_str(&entry.to_string());
        };
        let listing = ListingRows { key: "meetings", rows: found.len(), envelope, write_row: &write_row };
        listing::page(&listing, self.call, self.options, pages, self.faults, self.now)
    }

    fn history_meetings(&self, pages: &mut PageTokens) -> ResponseOrRefusal {
        listing::page_size(self.call)?;
        let (from, to) = self.dates()?;
        let by_end = self.call.parameter("date_type") == Some("end_time");
        let mut found: Vec<&Instance> = self
            .world
            .kept(self.now)
            .filter(|instance| self.is_over(instance))
            .filter(|instance| {
                let at = if by_end { instance.end.unwrap_or(instance.start) } else { instance.start };
                (from..=to).contains(&at.utc().date_naive())
            })
            .collect();
        found.sort_by_key(|instance| std::cmp::Reverse(instance.start));
        let write_row = |index: usize, page: &mut String| {
            page.push_str(&found[index].history_entry(self.options, self.now).to_string());
        };
        let listing = ListingRows {
            key: "history_meetings",
            rows: found.len(),
            envelope: Vec::new(),
            write_row: &write_row,
        };
        listing::page(&listing, self.call, self.options, pages, self.faults, self.now)
    }

    /// The days that an account-wide list is asked for: a month at most, within the last six.
    fn dates(&self) -> Result<(NaiveDate, NaiveDate), SimulatedResponse> {
        let day = |name: &'static str| {
            let text = self.call.parameter(name).ok_or_else(|| invalid(name))?;
            let date = text.get(..10).unwrap_or(text);
            NaiveDate::parse_from_str(date, "%Y-%m-%d").map_err(|_| invalid(name))
        };
        let (from, to) = (day("from")?, day("to")?);
        let today = self.now.utc().date_naive();
        let oldest = today.checked_sub_months(LIST_REACH).unwrap_or(NaiveDate::MIN);
        let longest = from.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX);
        if from > to || to > longest {
            return Err(invalid("to"));
        }
        if from < oldest || from > today.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX) {
            return Err(invalid("from"));
        }
        Ok((from, to))
    }

    fn kind(&self) -> Result<DashboardType, SimulatedResponse> {
        match self.call.parameter("type") {
            None | Some("live") => Ok(DashboardType::Live),
            Some("past") => Ok(DashboardType::Past),
            Some("pastOne") => Ok(DashboardType::PastOne),
            Some(_) => Err(invalid("type")),
        }
    }

    /// The instance that a Dashboard request means, if it belongs to the `type` that was asked for.
    fn dashboard_instance(&self) -> Result<(&'a Instance, DashboardType), SimulatedResponse> {
        let kind = self.kind()?;
        let not_ended = || not_ended(self.call.endpoint, &self.call.target);
        if kind == DashboardType::Live {
            let instance = self.find(|instance| instance.is_live(self.now))?;
            return if instance.is_live(self.now) { Ok((instance, kind)) } else { Err(not_ended()) };
        }
        let instance = self.ended_instance()?;
        if self.age(instance) > self.options.dashboard_reach {
            return Err(too_old());
        }
        match (kind, instance.is_of_one()) {
            (DashboardType::PastOne, false) => Err(not_ended()),
            (DashboardType::Past, true) => match self.options.one_person_on_past {
                OnePersonAnswer::NotFound => Err(not_ended()),
                OnePersonAnswer::BadRequest => {
                    Err(SimulatedResponse::error(400, 3_000, "Cannot access meeting info."))
                }
                OnePersonAnswer::EmptyListing => Ok((instance, kind)),
            },
            _ => Ok((instance, kind)),
        }
    }

    /// The instance that the request means, if it is over and no older than a year.
    fn ended_instance(&self) -> Result<&'a Instance, SimulatedResponse> {
        let instance = self.find(|instance| self.is_over(instance))?;
        if !self.is_over(instance) {
            return Err(not_ended(self.call.endpoint, &self.call.target));
        }
        if self.age(instance) > YEAR {
            return Err(too_old());
        }
        Ok(instance)
    }

    /// The instance that the raw target names: a number stands for the latest that is `wanted`, a UUID is
    /// found only in the encoding that Zoom asks for.
    fn find(&self, wanted: impl Fn(&Instance) -> bool) -> Result<&'a Instance, SimulatedResponse> {
        let found = if let Some(meeting_id) = self.call.meeting_id() {
            if !self.world.knows_meeting(meeting_id, self.now) {
                return Err(does_not_exist(&self.call.target));
            }
            let mut instances = self.world.instances_of(meeting_id, self.now);
            instances.retain(|instance| instance.start <= self.now);
            let latest = instances.iter().find(|instance| wanted(instance)).or(instances.first());
            latest.copied()
        } else {
            self.call.spellings().into_iter().find_map(|(uuid, times)| {
                let instance = self.world.instance(&uuid)?;
                let double = needs_double_encoding(&uuid);
                let inner_slash = !double && uuid.as_str().contains('/');
                let twice = self.options.inner_slash_twice;
                let found = if times == 1 {
                    !(double || inner_slash && twice)
                } else {
                    double || inner_slash && (twice || self.options.inner_slash_either_way)
                };
                (found && instance.start <= self.now && instance.is_kept(self.now)).then_some(instance)
            })
        };
        let instance = found.ok_or_else(|| does_not_exist(&self.call.target))?;
        if instance.webinar {
            Err(webinar())
        } else if !self.world.is_licensed(&instance.host) {
            Err(unpaid(&instance.host.id))
        } else {
            Ok(instance)
        }
    }

    fn is_struck_by(&self, kind: &FaultKind) -> bool {
        self.faults.iter().any(|(struck, _)| struck == kind)
    }

    fn is_over(&self, instance: &Instance) -> bool {
        instance.has_ended(self.now.minus(self.options.data_delay))
    }

    fn age(&self, instance: &Instance) -> Duration {
        self.now.since(instance.end.unwrap_or(instance.start))
    }
}

fn invalid(field: &str) -> SimulatedResponse {
    SimulatedResponse::invalid_parameter(field, &format!("Invalid parameter: {field}."))
}

fn does_not_exist(target: &str) -> SimulatedResponse {
    SimulatedResponse::error(404, 3_001, &format!("Meeting does not exist: {}.", name_in_error(target)))
}

/// Zoom's answer where a meeting exists, but not so.
pub(super) fn not_ended(endpoint: SimulatedEndpoint, target: &str) -> SimulatedResponse {
    if endpoint.is_dashboard() {
        SimulatedResponse::error(404, 3_001, "Meeting ID is invalid or has not ended.")
    } else if endpoint == SimulatedEndpoint::ReportParticipants {
        let message = format!("Meeting {} not found or has expired.", name_in_error(target));
        SimulatedResponse::error(404, 3_001, &message)
    } else {
        does_not_exist(target)
    }
}

/// Zoom's answer for an instance older than a year.
pub(super) fn too_old() -> SimulatedResponse {
    SimulatedResponse::error(400, 12_702, "Can not access a meeting a year ago.")
}

/// Zoom's answer where an account, or the host of a meeting, pays for nothing.
pub(super) fn unpaid(whom: &str) -> SimulatedResponse {
    SimulatedResponse::error(400, 200, &format!("Only available for paid account: {whom}."))
}

/// Zoom's answer for a webinar.
pub(super) fn webinar() -> SimulatedResponse {
    SimulatedResponse::error(400, 300, "Cannot access webinar info.")
}
