//! What the config says, as the settings of the parts.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use crate::clock::Clock;
use crate::collect::{CollectSettings, Collector, StoreLedger};
use crate::config::{Config, Credentials, SourceChoice};
use crate::decode::Dropped;
use crate::model::{GuestScope, Source};
use crate::plan::Policy;
use crate::store::{MeetingSettings, PlannedTime, Settings as StoreSettings, Store, StoreError};
use crate::zoom::{Ledger, Rate, RateLimits, RetryPolicy, ZoomClient, ZoomError, ZoomSettings};

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

/// The fields that never reach the file.
pub(in crate::commands) fn dropped(config: &Config) -> Dropped {
    Dropped::new(config.privacy_drop.iter().cloned())
}

/// The client of Zoom's API, with its quota kept in the database.
pub(in crate::commands) fn zoom(
    config: &Config,
    credentials: Credentials,
    store: &Store,
    clock: &Clock,
) -> Result<ZoomClient, ZoomError> {
    let quotas = limits(config).daily_quotas();
    let ledger = StoreLedger::new(store.clone(), clock.clone(), quotas, config.zoom.daily_share);
    zoom_with(config, credentials, clock, Arc::new(ledger))
}

/// The client of Zoom's API, with its quota kept by this ledger.
pub(in crate::commands) fn zoom_with(
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
pub(in crate::commands) fn limits(config: &Config) -> RateLimits {
    let mut limits = RateLimits::of(config.zoom.plan);
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

pub(in crate::commands) fn collect_settings(config: &Config) -> CollectSettings {
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
pub(in crate::commands) fn store_settings(config: &Config) -> StoreSettings {
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

/// The zone of the config; where there is no file that could name one, that of the runs that filled the database.
pub(in crate::commands) async fn report_timezone(store: &Store, config: &Config) -> Result<Tz, StoreError> {
    if config.file.is_some() || config.report_timezone != Tz::UTC {
        return Ok(config.report_timezone);
    }
    Ok(store.stored_timezone().await?.unwrap_or(config.report_timezone))
}
