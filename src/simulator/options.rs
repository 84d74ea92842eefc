//! How the simulated Zoom behaves: plan, scopes, limits, and the habits of Zoom that nobody is sure of.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::endpoint::SimulatedEndpoint;
use crate::clock::Clock;
use crate::model::DAY;

/// What the server's clients must know to get a token. Nothing real opens with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedCredentials {
    pub account_id: String,
    pub client_id: String,
    pub client_secret: String,
}

impl Default for SimulatedCredentials {
    fn default() -> Self {
        Self {
            account_id: "SimulatedAccountId0001".to_owned(),
            client_id: "SimulatedClientId01".to_owned(),
            client_secret: "SimulatedClientSecretThatOpensNothing".to_owned(),
        }
    }
}

/// What `type=past` says of an instance that one person attended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnePersonAnswer {
    /// 404 with code 3001.
    #[default]
    NotFound,
    /// 400, as users have reported.
    BadRequest,
    /// A listing without rows.
    EmptyListing,
}

/// What is told of the end of an instance that Zoom has not worked out yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UntoldEnd {
    /// There is no `end_time`.
    #[default]
    Absent,
    /// `end_time` is the start, and `duration` 0.
    Start,
}

/// Requests that the account may make, per rate-limit label; `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub light_per_second: Option<u32>,
    pub medium_per_second: Option<u32>,
    pub heavy_per_second: Option<u32>,
    pub resource_intensive_per_minute: Option<u32>,
    pub light_per_day: Option<u32>,
    pub medium_per_day: Option<u32>,
    /// Heavy and Resource-intensive requests together a UTC day.
    pub heavy_per_day: Option<u32>,
}

impl Limits {
    pub const NONE: Self = Self {
        light_per_second: None,
        medium_per_second: None,
        heavy_per_second: None,
        resource_intensive_per_minute: None,
        light_per_day: None,
        medium_per_day: None,
        heavy_per_day: None,
    };

    /// The limits of a Business account and above, as Zoom documents them.
    pub(crate) const BUSINESS: Self = Self {
        light_per_second: Some(80),
        medium_per_second: Some(60),
        heavy_per_second: Some(40),
        resource_intensive_per_minute: Some(20),
        light_per_day: None,
        medium_per_day: None,
        heavy_per_day: Some(60_000),
    };
}

/// How the simulated Zoom behaves. Everything but `listen`, `seed` and `clock` can be changed while it runs.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, set by name")]
pub struct Options {
    /// The loopback address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What tokens and tracking ids are drawn from.
    pub seed: u64,
    /// What time it is: ages, token lifetimes and the day's quota go by it.
    pub clock: Clock,
    /// What the token endpoint accepts.
    pub credentials: SimulatedCredentials,
    /// The scopes that a token is granted.
    pub scopes: Vec<String>,
    /// How long an access token lives.
    pub token_seconds: u64,
    /// Whether the plan has the Dashboard; without it its endpoints answer code 200.
    pub dashboard: bool,
    /// Whether the account is paid; without it nearly every endpoint answers code 200.
    pub paid: bool,
    /// How long each answer takes.
    pub latency: Duration,
    /// Requests per label; more are answered with 429.
    pub limits: Limits,
    /// Whether answers carry the `X-RateLimit-…` headers.
    pub rate_headers: bool,
    /// How long a page token lives.
    pub page_token_seconds: u64,
    /// How many rows a page has at most, however many are asked for.
    pub largest_page: usize,
    /// What `type=past` says of an instance of one person.
    pub one_person_on_past: OnePersonAnswer,
    /// Whether reports and past meetings list instances of one person.
    pub one_person_in_reports: bool,
    /// Whether a UUID with a `/` inside, but no need of it, is also found when encoded twice.
    pub inner_slash_either_way: bool,
    /// Whether a UUID with a `/` inside, but no need of it, is found *only* when encoded twice.
    pub inner_slash_twice: bool,
    /// Whether the account may list meetings by `end_time`; without it code 12700.
    pub end_time_queries: bool,
    /// How far back the Dashboard tells of one instance, at most a year.
    pub dashboard_reach: Duration,
    /// How long after its end an instance is still "not ended".
    pub data_delay: Duration,
    /// How long after it an end is told.
    pub end_delay: Duration,
    /// What is told of an end until then.
    pub untold_end: UntoldEnd,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
            clock: Clock::system(),
            credentials: SimulatedCredentials::default(),
            scopes: SimulatedEndpoint::ALL
                .iter()
                .filter_map(|endpoint| endpoint.scope())
                .map(str::to_owned)
                .collect(),
            token_seconds: 3_600,
            dashboard: true,
            paid: true,
            latency: Duration::ZERO,
            limits: Limits::NONE,
            rate_headers: true,
            page_token_seconds: 900,
            largest_page: 300,
            one_person_on_past: OnePersonAnswer::NotFound,
            one_person_in_reports: false,
            inner_slash_either_way: true,
            inner_slash_twice: false,
            end_time_queries: true,
            dashboard_reach: 365 * DAY,
            data_delay: Duration::ZERO,
            end_delay: Duration::ZERO,
            untold_end: UntoldEnd::Absent,
        }
    }
}
