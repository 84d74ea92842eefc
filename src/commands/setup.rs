//! From the config to the values that the parts take.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::collect::{CollectSettings, Collector, RunRequest, StoreLedger};
use crate::config::{Config, Credentials, Discovery, GuestScope, Plan as ConfigPlan, SourceChoice};
use crate::decode::Dropped;
use crate::exit::ExitCode;
use crate::model::{Source, Timestamp, Trigger};
use crate::plan::Policy;
use crate::store::{
    MeetingSettings, PlannedTime, Selection, Settings as StoreSettings, Store, StoreError,
    make_shared_directory,
};
use crate::zoom::{Ledger, Plan, Rate, RateLimits, RetryPolicy, ZoomClient, ZoomError, ZoomSettings};

/// What makes runs on an open database, as the config says.
pub fn collector(
    config: &Config,
    credentials: Credentials,
    store: &Store,
    clock: &Clock,
) -> Result<Collector, ZoomError> {
    let zoom = zoom(config, credentials, store, clock)?;
    Ok(Collector::new(zoom, store.clone(), clock.clone(), collect_settings(config)))
}

/// What every run begins with: the file is still the one that was opened, and the settings and the rosters that the
/// views need are those of the config; what is wrong with a roster is logged. The caller holds the run lock.
pub async fn prepare(config: &Config, store: &Store, clock: &Clock) -> Result<(), StoreError> {
    store.check_file().await?;
    store.apply_settings(&store_settings(config)).await?;
    for warning in super::rosters::apply(config, store, clock.now()).await? {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// A run over the listed meetings, or the whole account, with the window of a scheduled one.
#[must_use]
pub fn run_request(config: &Config, trigger: Trigger, slot_at: Option<Timestamp>) -> RunRequest {
    RunRequest {
        trigger,
        slot_at,
        meetings: config.meetings.iter().map(|meeting| meeting.id).collect(),
        account_wide: config.collection.discovery == Discovery::Account,
        ignore_backoff: false,
        window: None,
        selection: Selection::default(),
    }
}

/// Says where a run would have nothing to do.
pub fn warn_of_nothing_listed(config: &Config) {
    if config.meetings.is_empty() && config.collection.discovery == Discovery::Listed {
        tracing::warn!(
            "no meetings are listed; name some in `meetings`, or set collection.discovery = \"account\""
        );
    }
}

/// Makes the directory of the database where it is missing and shared with a group. It comes before the lock.
pub fn make_place(config: &Config) -> Result<(), StoreError> {
    let database = &config.database;
    database.group.as_deref().map_or(Ok(()), |group| make_shared_directory(&database.path, group))
}

/// Opens the database for writing, shared with the group that the config names. The caller holds the run lock.
pub async fn open_store(config: &Config) -> Result<Store, StoreError> {
    let database = &config.database;
    let store = Store::open(&database.path).await?.dropping(dropped(config));
    match &database.group {
        Some(group) => store.shared_with(group),
        None => Ok(store),
    }
}

/// The fields that never reach the file.
#[must_use]
pub fn dropped(config: &Config) -> Dropped {
    Dropped::new(config.privacy_drop.iter().cloned())
}

/// The client of Zoom's API, with its quota kept in the database.
pub fn zoom(
    config: &Config,
    credentials: Credentials,
    store: &Store,
    clock: &Clock,
) -> Result<ZoomClient, ZoomError> {
    let pools = limits(config).daily_pools();
    let ledger = StoreLedger::new(store.clone(), clock.clone(), pools, config.zoom.daily_share);
    zoom_with(config, credentials, clock, Arc::new(ledger))
}

/// The client of Zoom's API, with its quota kept by this ledger.
pub fn zoom_with(
    config: &Config,
    credentials: Credentials,
    clock: &Clock,
    ledger: Arc<dyn Ledger>,
) -> Result<ZoomClient, ZoomError> {
    let settings = ZoomSettings {
        account_id: credentials.account_id,
        client_id: credentials.client_id,
        client_secret: credentials.client_secret,
        token_url: config.zoom.token_url.clone(),
        api_url: config.zoom.api_url.clone(),
        page_size: u32::from(config.zoom.page_size),
        request_timeout: config.zoom.request_timeout,
        limits: limits(config),
        retry: RetryPolicy::default(),
    };
    ZoomClient::new(settings, clock.clone(), ledger)
}

/// The account's rate limits: the plan's, unless the config says otherwise.
#[must_use]
pub fn limits(config: &Config) -> RateLimits {
    let mut limits = RateLimits::of(match config.zoom.plan {
        ConfigPlan::Free => Plan::Free,
        ConfigPlan::Pro => Plan::Pro,
        ConfigPlan::Business => Plan::Business,
    });
    let rate = &config.zoom.rate;
    let second = Duration::from_secs(1);
    for (wanted, per, limit) in [
        (rate.light_per_second, second, &mut limits.light),
        (rate.medium_per_second, second, &mut limits.medium),
        (rate.heavy_per_second, second, &mut limits.heavy),
        (rate.resource_intensive_per_minute, Duration::from_mins(1), &mut limits.resource_intensive),
    ] {
        if let Some(wanted) = wanted {
            *limit = as_rate(wanted, per);
        }
    }
    limits
}

/// So many in so long, as whole requests: 0.5 a second is one in two seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, positive and small")]
fn as_rate(wanted: f64, per: Duration) -> Rate {
    if wanted.fract() == 0.0 && wanted >= 1.0 && wanted <= f64::from(u32::MAX) {
        Rate { requests: wanted as u32, per }
    } else {
        Rate { requests: 1, per: per.div_f64(wanted) }
    }
}

/// How a run works.
#[must_use]
pub fn collect_settings(config: &Config) -> CollectSettings {
    CollectSettings {
        source: match config.zoom.source {
            SourceChoice::Auto => None,
            SourceChoice::Dashboard => Some(Source::Dashboard),
            SourceChoice::Report => Some(Source::Report),
            SourceChoice::PastMeetings => Some(Source::PastMeetings),
        },
        policy: Policy { rereads: config.collection.rereads.clone() },
        lookback: config.collection.lookback,
        include_live: config.collection.include_live,
        dropped: dropped(config),
        access: access(config),
    }
}

/// What decides which sources answer, in one text; no secret is in it.
fn access(config: &Config) -> String {
    let zoom = &config.zoom;
    format!(
        "{} {} {} {} {} {}",
        zoom.account_id,
        zoom.client_id,
        zoom.token_url,
        zoom.api_url.as_ref().map_or("", |url| url.as_str()),
        zoom.plan,
        zoom.source,
    )
}

/// What the database needs of the config.
#[must_use]
pub fn store_settings(config: &Config) -> StoreSettings {
    let general = &config.attendance;
    StoreSettings {
        timezone: config.report_timezone,
        present_percent: general.present_percent,
        late_after: general.late_after,
        stitch_gap: general.stitch_gap,
        counts_from: general.counts_from,
        guests_per_instance: config.identity.guests == GuestScope::Instance,
        shared: config.identity.shared.clone(),
        meetings: config
            .meetings
            .iter()
            .map(|meeting| MeetingSettings {
                meeting_id: meeting.id,
                label: meeting.label.clone(),
                personal: meeting.personal,
                // What is the general setting's stays so: one that is taken off the list goes on with it.
                guests_per_instance: own(&meeting.guests, &config.identity.guests)
                    .map(|guests| *guests == GuestScope::Instance),
                present_percent: own(&meeting.present_percent, &general.present_percent).copied(),
                late_after: own(&meeting.late_after, &general.late_after).copied(),
                planned: meeting.planned.iter().map(planned_time).collect(),
            })
            .collect(),
    }
}

/// What a meeting has instead of the general setting.
fn own<'a, T: PartialEq>(of_meeting: &'a T, general: &T) -> Option<&'a T> {
    Some(of_meeting).filter(|of_meeting| *of_meeting != general)
}

fn planned_time(planned: &crate::config::Planned) -> PlannedTime {
    use chrono::Timelike as _;
    PlannedTime {
        days: planned.days.iter().map(chrono::Weekday::num_days_from_monday).collect(),
        hour: planned.start.hour(),
        minute: planned.start.minute(),
        minutes: planned.minutes,
    }
}

/// How long the end of a run may take. It takes longer only where another program keeps the database locked; then the
/// next run says in the log that this one was interrupted.
const GRACE: Duration = Duration::from_millis(4_500);

/// Cancelled by the first SIGINT or SIGTERM; the second ends the program at once, with the same status.
#[derive(Clone, Debug, Default)]
pub struct Stopper {
    token: CancellationToken,
}

/// The exit code of the first signal that came while one was listened to: a process has one.
static SIGNAL: OnceLock<ExitCode> = OnceLock::new();

/// The exit code of the signal that came, if one did: it hides whatever else went wrong.
#[must_use]
pub fn signal_code() -> Option<ExitCode> {
    SIGNAL.get().copied()
}

impl Stopper {
    /// Listens to signals from now on, in a thread of its own: one that waits for a full pipe or a long computation
    /// ends all the same.
    pub fn listen() -> std::io::Result<Self> {
        Self::ending_with(|signal| signal)
    }

    /// The same for the daemon, which does what it is there for where it stops: that is success, however it ends.
    pub fn listen_for_daemon() -> std::io::Result<Self> {
        Self::ending_with(|_| ExitCode::Success)
    }

    fn ending_with(code: fn(ExitCode) -> ExitCode) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let stopper = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _within = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let token = stopper.token.clone();
        let wait = async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => code(ExitCode::Interrupted),
                    _ = terminate.recv() => code(ExitCode::Terminated),
                }
            };
            let first = next().await;
            SIGNAL.set(first).ok();
            token.cancel();
            tokio::time::timeout(GRACE, next()).await.unwrap_or(first)
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "who asks twice, or would wait too long, wants it at once"
        )]
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let code = runtime.block_on(wait);
            std::process::exit(i32::from(code.status()));
        })?;
        Ok(stopper)
    }

    /// What is cancelled.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The exit code of the signal that came, if one did.
    #[must_use]
    pub fn code(&self) -> Option<ExitCode> {
        signal_code()
    }
}
