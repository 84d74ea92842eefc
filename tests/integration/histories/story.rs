//! What may have come before: meetings and their instances, runs of all kinds, what Zoom refuses and when, stops,
//! crashes and downtimes; and how proptest makes it up and a person reads it.

use std::fmt;
use std::time::Duration;

use proptest::prelude::*;
use rollcall::model::{InstanceUuid, MeetingId, Timestamp};
use rollcall::simulator::{
    FIRST_USER_ID, Fault, FaultKind, Host, Instance, Session, SimulatedEndpoint, Target, USER_ID_STEP,
    UntoldEnd,
};

use crate::harness::{DAY, HOUR, MINUTE, NOW, at, meeting, uuid};

/// A history, from [`NOW`] on.
#[derive(Clone)]
pub struct History {
    /// How many rows a page has.
    pub page_size: u32,
    /// How long after it Zoom tells an end, and what until then.
    pub end_delay: Span,
    pub untold_end: UntoldEnd,
    pub meetings: Vec<Held>,
    pub steps: Vec<Step>,
}

/// A listed meeting.
#[derive(Clone, Debug)]
pub struct Held {
    pub licence: Licence,
    pub instances: Vec<Holding>,
}

/// What the plan of a meeting's host lets be read, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Licence {
    Full,
    /// The Dashboard is refused with code 200.
    NoDashboard,
    /// Everything that asks for one instance is refused with code 200.
    None,
}

/// An instance, an hour long.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Its start, so many hours after [`NOW`].
    pub hour: i32,
    pub people: u8,
    pub kind: Kind,
    /// How long after its start Zoom forgets it.
    pub gone_after: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Listed with a blank start.
    BlankStart,
    /// Its UUID begins with a slash.
    FirstSlash,
    /// Its UUID has a slash inside.
    InnerSlash,
}

/// One thing that happens, so long after the one before.
#[derive(Clone, Debug)]
pub struct Step {
    pub after: Span,
    pub act: Act,
}

#[derive(Clone, Debug)]
pub enum Act {
    /// Scheduled runs, so long apart.
    Scheduled { runs: u8, apart: Span, end: End },
    /// `collect --meeting`, of one listed meeting.
    Collect { meeting: usize, end: End },
    /// `backfill` of what began between so many days ago and so many days ago.
    Backfill { from: u16, to: u16, force: bool, meeting: Option<usize>, end: End },
    /// A backfill that lets scheduled runs through, each time after so many instances.
    HandedOver { from: u16, force: bool, after: u8 },
    /// Zoom misbehaves from now on.
    Trouble(Trouble),
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// When its work is done.
    Done,
    /// By a signal, at this event.
    StopAtEvent(u8),
    /// By a signal.
    Stop(Moment),
    /// By a crash.
    Crash(Moment),
    /// It goes on, but another program holds the database from then on until its end.
    Locked(Moment),
}

/// An instant within a run: when so many requests have come, and so many steps later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub requests: u8,
    pub polls: u8,
}

#[derive(Clone, Debug)]
pub struct Trouble {
    pub what: What,
    pub whom: Whom,
    pub place: Place,
    pub lasts: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// 400 with code 200.
    Plan,
    /// 200 with code 200 where a list should be.
    PlanUnder200,
    /// 400 with code 4711.
    Scope,
    /// 400 with code 1010.
    Stranger,
    /// 403 with a page of HTML.
    Blocked,
    /// 404 with code 3001.
    NotThere,
    /// 502.
    Broken,
    /// The connection is lost.
    Lost,
    /// 429 for the day.
    Daily,
    /// Participants: 200 with no rows.
    Empty,
    /// 200 with neither list nor code.
    NoList,
    /// Each page token is refused.
    PageToken,
    /// `total_records` is 1.
    TotalTooLow,
}

impl What {
    fn kind(self) -> FaultKind {
        match self {
            Self::Plan => FaultKind::Refused { status: 400, code: 200 },
            Self::PlanUnder200 => FaultKind::Refused { status: 200, code: 200 },
            Self::Scope => FaultKind::MissingScope,
            Self::Stranger => FaultKind::Refused { status: 400, code: 1010 },
            Self::Blocked => FaultKind::Blocked,
            Self::NotThere => FaultKind::NotFound,
            Self::Broken => FaultKind::Html { status: 502 },
            Self::Lost => FaultKind::Dropped,
            Self::Daily => FaultKind::TooManyPerDay { retry_after: None, headers: true },
            Self::Empty => FaultKind::Empty,
            Self::NoList => FaultKind::NoRows,
            Self::PageToken => FaultKind::PageTokenExpired,
            Self::TotalTooLow => FaultKind::Total(Some(1)),
        }
    }

    /// Whether it says something of what was asked for, so that asking again at once is in vain.
    pub fn is_word_on_the_instance(self) -> bool {
        !matches!(self, Self::Scope | Self::Broken | Self::Lost | Self::Daily | Self::NoList)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    All,
    Meeting(usize),
    Instance(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Everywhere,
    EverywhereAndTokens,
    Tokens,
    /// A meeting's list of instances.
    Instances,
    /// The account-wide list.
    AccountList,
    Descriptions,
    Participants,
    Dashboard,
    Report,
    PastMeetings,
}

impl Place {
    /// `None` stands for all but tokens.
    fn endpoints(self) -> &'static [Option<SimulatedEndpoint>] {
        match self {
            Self::Everywhere => &[None],
            Self::EverywhereAndTokens => &[None, Some(SimulatedEndpoint::Token)],
            Self::Tokens => &[Some(SimulatedEndpoint::Token)],
            Self::Instances => &[Some(SimulatedEndpoint::PastInstances)],
            Self::AccountList => &[Some(SimulatedEndpoint::MetricsMeetings)],
            Self::Descriptions => {
                &[Some(SimulatedEndpoint::PastMeeting), Some(SimulatedEndpoint::MetricsMeeting)]
            }
            Self::Participants => &[
                Some(SimulatedEndpoint::MetricsParticipants),
                Some(SimulatedEndpoint::ReportParticipants),
                Some(SimulatedEndpoint::PastParticipants),
            ],
            Self::Dashboard => &[Some(SimulatedEndpoint::MetricsParticipants)],
            Self::Report => &[Some(SimulatedEndpoint::ReportParticipants)],
            Self::PastMeetings => &[Some(SimulatedEndpoint::PastParticipants)],
        }
    }

    /// Whether participants are asked for there.
    pub fn has_participants(self) -> bool {
        !matches!(self, Self::Tokens | Self::Instances | Self::AccountList | Self::Descriptions)
    }
}

impl Trouble {
    /// Whether it strikes this instance.
    pub fn strikes(&self, (of, number): (usize, usize)) -> bool {
        match self.whom {
            Whom::All => true,
            Whom::Meeting(meeting) => meeting == of,
            Whom::Instance(meeting, instance) => (meeting, instance) == (of, number),
        }
    }

    /// What the simulated Zoom does of it, from now on.
    pub fn faults(&self, history: &History, now: Timestamp) -> Vec<Fault> {
        let target = match self.whom {
            Whom::All => Target::Everything,
            Whom::Meeting(of) => Target::Meeting(meeting_id(of)),
            Whom::Instance(of, number) => Target::Instance(history.uuid(of, number)),
        };
        let fault =
            Fault { target, ..Fault::new(self.what.kind()) }.from(now).until(now.plus(self.lasts.duration()));
        let at = |endpoint: &Option<SimulatedEndpoint>| Fault { endpoint: *endpoint, ..fault.clone() };
        self.place.endpoints().iter().map(at).collect()
    }
}

/// The number of a listed meeting.
pub fn meeting_id(of: usize) -> MeetingId {
    meeting(85_746_065_430 + i64::try_from(of).unwrap())
}

impl History {
    pub fn uuid(&self, of: usize, number: usize) -> InstanceUuid {
        let name = match self.meetings[of].instances[number].kind {
            Kind::Plain | Kind::BlankStart => format!("m{of}i{number}=="),
            Kind::FirstSlash => format!("/m{of}i{number}=="),
            Kind::InnerSlash => format!("m{of}/i{number}=="),
        };
        uuid(&name)
    }

    /// Every instance, by meeting and number.
    pub fn all(&self) -> impl Iterator<Item = ((usize, usize), &Holding)> {
        self.meetings.iter().enumerate().flat_map(|(of, held)| {
            held.instances.iter().enumerate().map(move |(number, holding)| ((of, number), holding))
        })
    }

    /// The instance as Zoom has it.
    pub fn instance(&self, of: usize, number: usize) -> Instance {
        let holding = &self.meetings[of].instances[number];
        let start = holding.start();
        let host = Host { id: format!("host{of}"), ..Host::default() };
        let mut instance = held(of, self.uuid(of, number), start, holding.people).with_host(host);
        instance.listed_without_start = holding.kind == Kind::BlankStart;
        instance.gone_at = holding.gone_after.map(|span| start.plus(span.duration()));
        instance
    }

    /// What is refused for ever.
    pub fn refused_always(&self) -> Vec<Fault> {
        let of_dashboard = [SimulatedEndpoint::MetricsParticipants, SimulatedEndpoint::MetricsMeeting];
        let refused =
            self.meetings.iter().enumerate().filter(|(_, held)| held.licence == Licence::NoDashboard);
        refused
            .flat_map(|(of, _)| {
                of_dashboard
                    .map(|endpoint| Fault::new(What::Plan.kind()).of_meeting(meeting_id(of)).at(endpoint))
            })
            .collect()
    }
}

/// An instance of so many people, an hour long.
pub fn held(of: usize, uuid: InstanceUuid, start: Timestamp, people: u8) -> Instance {
    let end = start.plus(HOUR);
    let stay = |number: u64| {
        let name = format!("Guest {number}");
        Session::new(FIRST_USER_ID + number * USER_ID_STEP, &name, start.plus(MINUTE), end)
            .with("device", "Windows")
    };
    Instance::new(meeting_id(of), uuid, "Algebra", start, Some(end))
        .with_sessions((0..u64::from(people)).map(stay))
}

impl Holding {
    pub fn start(&self) -> Timestamp {
        let hours = i64::from(self.hour) * 3_600_000;
        Timestamp::from_millis(at(NOW).millis() + hours)
    }
}

/// So many minutes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub u32);

impl Span {
    pub fn duration(self) -> Duration {
        self.0 * MINUTE
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, hours, minutes) = (self.0 / 1_440, self.0 / 60 % 24, self.0 % 60);
        let parts = [(days, "d"), (hours, "h"), (minutes, "min")];
        let words: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count} {unit}"))
            .collect();
        formatter.write_str(&if words.is_empty() { "at once".to_owned() } else { words.join(" ") })
    }
}

impl fmt::Debug for History {
    /// As a person reads it: meetings, then a line a step, with its instant.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "pages of {}, ends told after: {:?}{}",
            self.page_size,
            self.end_delay,
            if self.untold_end == UntoldEnd::Start { ", the start until then" } else { "" }
        )?;
        for (of, held) in self.meetings.iter().enumerate() {
            writeln!(formatter, "meeting {of}, licence {:?}", held.licence)?;
            for (number, holding) in held.instances.iter().enumerate() {
                let gone =
                    holding.gone_after.map_or_else(String::new, |span| format!(", gone after {span:?}"));
                writeln!(
                    formatter,
                    "  {}: {}, {} people, {:?}{gone}",
                    self.uuid(of, number),
                    holding.start(),
                    holding.people,
                    holding.kind
                )?;
            }
        }
        let mut now = at(NOW);
        for (number, step) in self.steps.iter().enumerate() {
            now = now.plus(step.after.duration());
            writeln!(formatter, "{number}. {now} (after {:?}): {:?}", step.after, step.act)?;
            if let Act::Scheduled { runs, apart, .. } = &step.act {
                now = now.plus(u32::from(runs.saturating_sub(1)) * apart.duration());
            }
        }
        Ok(())
    }
}

/// So many meetings, and so many instances of each, at most.
const MEETINGS: usize = 3;
const INSTANCES: usize = 5;

const HOURS: u32 = 60;
const DAYS: u32 = 24 * HOURS;

fn span(of: &'static [u32]) -> impl Strategy<Value = Span> {
    prop::sample::select(of).prop_map(Span)
}

fn gap() -> impl Strategy<Value = Span> {
    span(&[0, 0, 15, 15, 60, 5 * HOURS, 25 * HOURS, 3 * DAYS, 8 * DAYS, 12 * DAYS, 25 * DAYS, 90 * DAYS])
}

fn moment() -> impl Strategy<Value = Moment> {
    (0..12_u8, 0..40_u8).prop_map(|(requests, polls)| Moment { requests, polls })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        8 => Just(End::Done),
        2 => (1..4_u8).prop_map(End::StopAtEvent),
        2 => moment().prop_map(End::Stop),
        2 => moment().prop_map(End::Crash),
        1 => moment().prop_map(End::Locked),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let what = prop::sample::select(vec![
        What::Plan,
        What::Plan,
        What::PlanUnder200,
        What::Scope,
        What::Stranger,
        What::Blocked,
        What::Blocked,
        What::NotThere,
        What::Broken,
        What::Lost,
        What::Daily,
        What::Empty,
        What::Empty,
        What::NoList,
        What::PageToken,
        What::TotalTooLow,
    ]);
    let whom = prop_oneof![
        Just(Whom::All),
        (0..MEETINGS).prop_map(Whom::Meeting),
        (0..MEETINGS, 0..INSTANCES).prop_map(|(of, number)| Whom::Instance(of, number)),
    ];
    let place = prop::sample::select(vec![
        Place::Everywhere,
        Place::EverywhereAndTokens,
        Place::Tokens,
        Place::Instances,
        Place::Instances,
        Place::AccountList,
        Place::Descriptions,
        Place::Participants,
        Place::Participants,
        Place::Dashboard,
        Place::Dashboard,
        Place::Report,
        Place::PastMeetings,
    ]);
    let lasts = span(&[20, 2 * HOURS, 10 * HOURS, 30 * HOURS, 4 * DAYS, 12 * DAYS, 25 * DAYS]);
    (what, whom, place, lasts).prop_map(|(what, whom, place, lasts)| {
        // A meeting without instances is one that was never held.
        let place = match what {
            What::Empty if !place.has_participants() => Place::Participants,
            What::Empty if matches!(place, Place::Everywhere | Place::EverywhereAndTokens) => {
                Place::Participants
            }
            _ => place,
        };
        Trouble { what, whom, place, lasts }
    })
}

fn act() -> impl Strategy<Value = Act> {
    let apart = span(&[0, 0, 15, 15, 60, 25 * HOURS]);
    prop_oneof![
        5 => (1..5_u8, apart, end()).prop_map(|(runs, apart, end)| Act::Scheduled { runs, apart, end }),
        2 => (0..MEETINGS, end()).prop_map(|(meeting, end)| Act::Collect { meeting, end }),
        2 => (1..60_u16, 0..20_u16, any::<bool>(), prop::option::of(0..MEETINGS), end()).prop_map(
            |(days, to, force, meeting, end)| Act::Backfill { from: to + days, to, force, meeting, end }
        ),
        1 => (1..60_u16, any::<bool>(), 1..4_u8)
            .prop_map(|(from, force, after)| Act::HandedOver { from, force, after }),
        5 => trouble().prop_map(Act::Trouble),
    ]
}

fn holding() -> impl Strategy<Value = Holding> {
    let kind = prop_oneof![
        6 => Just(Kind::Plain),
        1 => Just(Kind::BlankStart),
        1 => Just(Kind::FirstSlash),
        1 => Just(Kind::InnerSlash),
    ];
    let people = prop_oneof![1 => Just(1_u8), 5 => 2..6_u8, 1 => Just(15_u8)];
    let gone_after =
        prop_oneof![8 => Just(None), 1 => span(&[3 * HOURS, 3 * DAYS, 20 * DAYS]).prop_map(Some)];
    (-10 * 24..60 * 24_i32, people, kind, gone_after).prop_map(|(hour, people, kind, gone_after)| Holding {
        hour,
        people,
        kind,
        gone_after,
    })
}

fn held_meeting() -> impl Strategy<Value = Held> {
    let licence = prop_oneof![
        8 => Just(Licence::Full),
        1 => Just(Licence::NoDashboard),
        1 => Just(Licence::None),
    ];
    (licence, prop::collection::vec(holding(), 1..=INSTANCES))
        .prop_map(|(licence, instances)| Held { licence, instances })
}

/// Any history.
pub fn history() -> impl Strategy<Value = History> {
    let page_size = prop::sample::select(vec![300, 300, 2, 1]);
    let end_delay = span(&[0, 0, 0, 45, 20 * HOURS]);
    let untold_end = prop::sample::select(vec![UntoldEnd::Absent, UntoldEnd::Start]);
    let meetings = prop::collection::vec(held_meeting(), 1..=MEETINGS);
    let step = (gap(), act()).prop_map(|(after, act)| Step { after, act });
    (page_size, end_delay, untold_end, meetings, prop::collection::vec(step, 1..11)).prop_map(
        |(page_size, end_delay, untold_end, meetings, steps)| {
            let steps = steps.into_iter().map(|step| step.among(&meetings)).collect();
            History { page_size, end_delay, untold_end, meetings, steps }
        },
    )
}

impl Step {
    /// The same step, of meetings and instances that there are.
    fn among(mut self, meetings: &[Held]) -> Self {
        let within = |of: &mut usize| *of %= meetings.len();
        match &mut self.act {
            Act::Collect { meeting, .. } | Act::Backfill { meeting: Some(meeting), .. } => within(meeting),
            Act::Trouble(Trouble { whom: Whom::Meeting(of), .. }) => within(of),
            Act::Trouble(Trouble { whom: Whom::Instance(of, number), .. }) => {
                within(of);
                *number %= meetings[*of].instances.len();
            }
            _ => {}
        }
        self
    }
}

/// No history reaches further than this, so that every instance stays within the reach of every source.
pub const LONGEST: Duration = Duration::from_hours(24 * 140);

/// The days that refusals may go on doing harm after they have ended.
pub const WEEK: Duration = Duration::from_hours(24 * 7);

/// How long an instance stays empty before it may be given up: a week of daily readings and eight weekly ones.
pub const EMPTY_WEEKS: Duration = Duration::from_hours(24 * 63);

const _: () = assert!(LONGEST.as_secs() < 183 * DAY.as_secs());
