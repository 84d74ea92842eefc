//! The simulated Zoom, with what it answers told beforehand.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::model::{MeetingId, Plan, Timestamp};
use crate::simulator::{
    FIRST_USER_ID, Fault, FaultKind, Instance, Options, Session, SimulatedCredentials, SimulatedEndpoint,
    Simulator, USER_ID_STEP, World,
};
use crate::zoom::memory_ledger::InMemoryLedger;
use crate::zoom::{Ledger, Rate, RateLimits, RetryPolicy, Unlimited, ZoomClient, ZoomSettings};

/// A token answer without an `api_url`.
pub(super) const TOKEN: &str =
    r#"{"access_token":"first-token","token_type":"bearer","expires_in":3600,"scope":"a:b c:d"}"#;

pub(super) fn meeting() -> MeetingId {
    MeetingId::new(85_746_065_432).unwrap()
}

pub(super) fn answer(status: u16, body: &str) -> FaultKind {
    answer_with(status, &[], body)
}

pub(super) fn answer_with(status: u16, headers: &[(&'static str, &str)], body: &str) -> FaultKind {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    FaultKind::Answer { status, headers, body: body.to_owned() }
}

/// The server and the one clock of both sides.
pub(super) struct Server {
    pub(super) simulator: Simulator,
    pub(super) clock: Clock,
}

impl Server {
    /// Knows an instance `a==` of so many people, who are listed one a page.
    pub(super) async fn of(people: u64) -> Self {
        let clock = noon();
        let (start, end) =
            (clock.now().minus(Duration::from_hours(2)), clock.now().minus(Duration::from_hours(1)));
        let sessions = (0..people).map(|number| {
            Session::new(FIRST_USER_ID + number * USER_ID_STEP, &format!("Person {number}"), start, end)
        });
        let instance = Instance::new(meeting(), "a==".parse().unwrap(), "Algebra I", start, Some(end));
        let credentials = SimulatedCredentials {
            account_id: "account".to_owned(),
            client_id: "client".to_owned(),
            client_secret: "s3cret-s3cret".to_owned(),
        };
        let options = Options { clock: clock.clone(), credentials, largest_page: 1, ..Options::default() };
        let world = World::new().with(instance.with_sessions(sessions));
        Self { simulator: Simulator::start(options, world).await.unwrap(), clock }
    }

    /// Treats the requests for anything but a token so, one after the other, and all later ones as the last.
    pub(super) async fn with(kinds: Vec<FaultKind>) -> Self {
        let server = Self::of(2).await;
        let last = u32::try_from(kinds.len()).unwrap();
        for (number, kind) in (1..).zip(kinds) {
            let to = if number == last { u32::MAX } else { number };
            server.simulator.fault(Fault::new(kind).attempts(number..=to));
        }
        server
    }

    /// Treats requests for a token so, too.
    pub(super) fn at_token(self, kind: FaultKind) -> Self {
        self.simulator.fault(Fault::new(kind).at(SimulatedEndpoint::Token));
        self
    }

    /// How many tokens were asked for so far.
    pub(super) fn tokens_asked(&self) -> usize {
        self.simulator.count_at(SimulatedEndpoint::Token)
    }

    /// The requests so far for anything but a token.
    pub(super) fn lines(&self) -> Vec<String> {
        let requests = self.simulator.requests().into_iter();
        let of_api = requests.filter(|request| request.endpoint != Some(SimulatedEndpoint::Token));
        of_api.map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    pub(super) fn settings(&self) -> ZoomSettings {
        // No test notices this limit.
        let rate = Rate::per_second(10_000);
        ZoomSettings {
            account_id: "account".to_owned(),
            client_id: "client".to_owned(),
            client_secret: "s3cret-s3cret".into(),
            token_url: self.simulator.token_url().parse().unwrap(),
            api_url: Some(format!("{}/", self.simulator.api_url()).parse().unwrap()),
            page_size: 300,
            request_timeout: Duration::from_secs(10),
            limits: RateLimits {
                plan: Plan::Business,
                light: rate,
                medium: rate,
                heavy: rate,
                resource_intensive: rate,
            },
            retry: RetryPolicy {
                attempts: 3,
                first_delay: Duration::from_millis(1),
                longest_delay: Duration::from_millis(2),
            },
        }
    }

    pub(super) fn zoom(&self) -> ZoomClient {
        self.zoom_with(Arc::new(Unlimited))
    }

    pub(super) fn zoom_with(&self, ledger: Arc<dyn Ledger>) -> ZoomClient {
        ZoomClient::new(self.settings(), self.clock.clone(), ledger).unwrap()
    }

    pub(super) fn zoom_with_ledger(&self) -> (ZoomClient, Arc<InMemoryLedger>) {
        let quotas = RateLimits::of(Plan::Business).daily_quotas();
        let ledger = Arc::new(InMemoryLedger::new(quotas, self.clock.clone()));
        (self.zoom_with(Arc::clone(&ledger) as Arc<dyn Ledger>), ledger)
    }
}

/// Noon of 2026-03-01, UTC.
pub(super) fn noon() -> Clock {
    Clock::fixed(Timestamp::from_millis(1_772_366_400_000))
}
