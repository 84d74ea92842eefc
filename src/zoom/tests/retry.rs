//! What is repeated, what is told, what is counted and reserved.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};

use crate::clock::Clock;
use crate::model::{DailyQuota, MeetingId, RateLabel, Reservation, Throttle, Timestamp, parse_instant};
use crate::zoom::counters::RequestCounts;
use crate::zoom::error::ConnectionFault;
use crate::zoom::fake::{Fake, Reply, TOKEN, noon};
use crate::zoom::memory_ledger::InMemoryLedger;
use crate::zoom::*;

const INSTANCES: &str = r#"{"meetings":[{"uuid":"a==","start_time":"2026-02-01T10:00:00Z"}]}"#;

fn meeting() -> MeetingId {
    MeetingId::new(85_746_065_432).unwrap()
}

async fn instances(replies: Vec<Reply>) -> (Fake, ZoomClient, Result<Vec<PastInstance>, ZoomError>) {
    let fake = Fake::with(replies).await;
    let zoom = fake.zoom();
    let result = zoom.instances(meeting()).await;
    (fake, zoom, result)
}

#[tokio::test]
async fn what_may_pass_is_repeated() {
    for bad in [
        Reply::new(500, ""),
        Reply::new(503, "<html>").header("retry-after", "0"),
        Reply::new(408, ""),
        Reply::ok("<html>hello</html>"),
        Reply::ok(r#"{"meetings":[{"uuid":"a=="#),
        Reply::ok(r#"{"meetings":["#).cut(),
        Reply::new(0, ""),
    ] {
        let name = format!("{bad:?}");
        let (fake, zoom, result) = instances(vec![bad, Reply::ok(INSTANCES)]).await;
        assert_eq!(result.expect(&name)[0].uuid.as_str(), "a==");
        assert_eq!(fake.lines().len(), 2, "{name}");
        assert_eq!(
            zoom.counters().of(RateLabel::Medium),
            RequestCounts { requests: 2, retries: 1, throttled: 0 }
        );
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_after_a_few_tries() {
    let (fake, _, result) =
        instances(vec![Reply::new(502, "<html>Bad Gateway</html>").header("x-zm-trackingid", "WEB_9")]).await;
    let error = result.unwrap_err();
    assert_eq!((fake.lines().len(), error.status(), error.code()), (3, Some(502), None));
    assert_eq!(error.disposition(), Disposition::Retry);
    insta::assert_snapshot!(error, @"Zoom refused the instances of a meeting (/past_meetings/{id}/instances): HTTP 502: an HTML page, as a gateway or a block sends (tracking id WEB_9)");

    let (fake, _, result) = instances(vec![Reply::ok("not json")]).await;
    assert!(matches!(result.unwrap_err(), ZoomError::Malformed { .. }));
    assert_eq!(fake.lines().len(), 3);

    let (fake, _, result) = instances(vec![Reply::new(0, "")]).await;
    assert_eq!(result.unwrap_err().disposition(), Disposition::Unreachable);
    assert_eq!(fake.lines().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_repeated() {
    let elsewhere = Reply::new(302, "").header("location", "http://127.0.0.1:1/");
    let (fake, _, result) = instances(vec![elsewhere]).await;
    let error = result.unwrap_err();
    assert_eq!((fake.lines().len(), error.disposition()), (1, Disposition::Retry));
    let words = error.to_string();
    assert!(words.ends_with("; Zoom redirected to another host; check zoom.api_url"), "{words}");
}

#[tokio::test]
async fn what_is_refused_is_not_repeated() {
    let body = r#"{"code":4711,"message":"Invalid access token, does not contain scopes:[meeting:read:list_past_instances:admin]."}"#;
    let (fake, _, result) = instances(vec![Reply::new(400, body)]).await;
    let error = result.unwrap_err();
    assert_eq!(fake.lines().len(), 1);
    assert_eq!(error.code(), Some(4711));
    insta::assert_snapshot!(error, @"Zoom refused the instances of a meeting (/past_meetings/{id}/instances): HTTP 400, code 4711: Invalid access token, does not contain scopes:[meeting:read:list_past_instances:admin].; add one of these scopes to the app: meeting:read:list_past_instances:admin");
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_unreachable() {
    let fake = Fake::start(|_, request| {
        if request.starts_with("POST ") {
            Reply::ok(TOKEN)
        } else {
            Reply::ok(INSTANCES).after(Duration::from_secs(30))
        }
    })
    .await;
    let settings = ZoomSettings { request_timeout: Duration::from_millis(60), ..fake.settings() };
    let error = ZoomClient::new(settings, noon(), Arc::new(Unlimited))
        .unwrap()
        .instances(meeting())
        .await
        .unwrap_err();
    assert!(matches!(error, ZoomError::Connection { fault: ConnectionFault::TimeOut, .. }), "{error}");
    assert_eq!(fake.lines().len(), 3);
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_the_error_holds_no_url() {
    let settings = {
        let fake = Fake::with(vec![Reply::ok("{}")]).await;
        fake.settings()
    };
    tokio::task::yield_now().await;
    let error = ZoomClient::new(settings, noon(), Arc::new(Unlimited)).unwrap().scopes().await.unwrap_err();
    assert!(matches!(error, ZoomError::Connection { fault: ConnectionFault::Connect, .. }), "{error}");
    assert!(!error.to_string().contains("http://"), "{error}");
}

#[tokio::test]
async fn an_answer_beyond_all_measure_is_not_read() {
    let (fake, _, result) = instances(vec![Reply::ok("{}").announcing(65 * 1024 * 1024)]).await;
    let error = result.unwrap_err();
    assert!(matches!(error, ZoomError::TooLarge { .. }), "{error}");
    assert!(matches!(error.disposition(), Disposition::Parked(_)));
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn a_429_pauses_and_is_told_to_the_ledger() {
    let fake = Fake::with(vec![
        Reply::new(429, r#"{"code":429,"message":"maximum per-second rate limit"}"#)
            .header("Retry-After", "Sun, 01 Mar 2026 12:00:01 GMT"),
        Reply::ok(INSTANCES),
    ])
    .await;
    let (zoom, ledger) = fake.zoom_with_ledger();
    let began = tokio::time::Instant::now();
    zoom.instances(meeting()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(990), "{:?}", began.elapsed());
    assert_eq!(zoom.counters().total(), RequestCounts { requests: 2, retries: 1, throttled: 1 });
    zoom.return_unused().await.unwrap();
    assert_eq!(ledger.used(RateLabel::Medium), (2, 1));
}

#[tokio::test]
async fn a_daily_429_ends_in_the_quota_and_nothing_more_is_sent() {
    let fake = Fake::with(vec![
        Reply::new(429, r#"{"code":429,"message":"maximum daily rate limit"}"#)
            .header("retry-after", "rubbish"),
    ])
    .await;
    let (zoom, ledger) = fake.zoom_with_ledger();
    let midnight = Disposition::Quota { until: parse_instant("2026-03-02T00:00:00Z").unwrap() };
    for _ in 0..3 {
        assert_eq!(zoom.instances(meeting()).await.unwrap_err().disposition(), midnight);
    }
    assert_eq!(fake.lines().len(), 1);
    // Another process, or this one after a restart, is told by the ledger.
    let again = fake.zoom_with(noon(), ledger);
    assert_eq!(again.instances(meeting()).await.unwrap_err().disposition(), midnight);
    assert_eq!(fake.lines().len(), 1);
}

#[tokio::test]
async fn a_pause_longer_than_a_run_waits_ends_in_the_quota() {
    let fake = Fake::with(vec![Reply::new(429, "").header("retry-after", "3600")]).await;
    let error = fake.zoom().instances(meeting()).await.unwrap_err();
    let until = parse_instant("2026-03-01T13:00:00Z").unwrap();
    assert_eq!(error.disposition(), Disposition::Quota { until });
}

#[tokio::test]
async fn the_budget_is_never_exceeded_and_the_next_day_brings_another() {
    let fake = Fake::with(vec![Reply::ok(r#"{"uuid":"a=="}"#)]).await;
    let clock = noon();
    let quota = DailyQuota { labels: &[RateLabel::Light], requests: 30 };
    let ledger = Arc::new(InMemoryLedger::new(&[quota], clock.clone()));
    let zoom = fake.zoom_with(clock.clone(), Arc::clone(&ledger) as Arc<dyn Ledger>);
    let key = MeetingKey::Latest(meeting());
    let crowd = (0..40).map(|_| zoom.past_meeting(&key, Encoding::Documented));
    let results = futures_util::future::join_all(crowd).await;
    let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!((fake.lines().len(), refused.len()), (30, 10));
    assert!(matches!(refused[0], ZoomError::Quota { label: RateLabel::Light, .. }));
    clock.set(parse_instant("2026-03-02T00:00:00Z").unwrap());
    zoom.past_meeting(&key, Encoding::Documented).await.unwrap();
    zoom.return_unused().await.unwrap();
    assert_eq!(ledger.used(RateLabel::Light), (1, 0));
}

#[tokio::test]
async fn a_request_dropped_before_it_is_sent_is_given_back() {
    let fake = Fake::with(vec![Reply::ok(INSTANCES)]).await;
    let clock = noon();
    let ledger = Arc::new(InMemoryLedger::new(&[], clock.clone()));
    let slow =
        RateLimits { medium: Rate { requests: 1, per: Duration::from_hours(1) }, ..fake.settings().limits };
    let settings = ZoomSettings { limits: slow, ..fake.settings() };
    let zoom = ZoomClient::new(settings, clock, Arc::clone(&ledger) as Arc<dyn Ledger>).unwrap();
    zoom.instances(meeting()).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(50), zoom.instances(meeting())).await;
    assert!(waits.is_err());
    zoom.return_unused().await.unwrap();
    assert_eq!(ledger.used(RateLabel::Medium).0, 1);
}

#[test]
fn the_wait_before_a_repeat_doubles_within_bounds() {
    let policy = RetryPolicy::default();
    let now = Timestamp::from_millis(0);
    for (failures, least, most) in [(1, 250, 500), (2, 500, 1_000), (9, 10_000, 20_000), (90, 10_000, 20_000)]
    {
        let delay = policy.delay(failures, None, now).as_millis();
        assert!((least..=most).contains(&delay), "{failures}: {delay}");
    }
    let asked_for = |seconds: u64| policy.delay(1, Some(now.plus(Duration::from_secs(seconds))), now);
    assert_eq!(asked_for(7), Duration::from_secs(7));
    assert_eq!(asked_for(7_000), Duration::from_mins(1));
}

/// What the ledger says before it grants: a pause that another process was told of.
struct PausedOnce(Clock, std::sync::atomic::AtomicBool);

impl Ledger for PausedOnce {
    fn reserve(&self, _: RateLabel, want: u32) -> BoxFuture<'_, Result<Reservation, LedgerError>> {
        let until = self.0.now().plus(Duration::from_millis(30));
        let paused = !self.1.swap(true, std::sync::atomic::Ordering::SeqCst);
        Box::pin(ready(Ok(if paused {
            Reservation::Paused { until }
        } else {
            Reservation::Granted { count: want, valid_until: Timestamp::from_millis(i64::MAX) }
        })))
    }

    fn give_back(&self, _: RateLabel, _: u32) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(ready(Ok(())))
    }

    fn throttled(&self, _: RateLabel, _: Throttle) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(ready(Err(LedgerError::new("disk full"))))
    }
}

#[tokio::test]
async fn a_short_pause_of_another_process_is_waited_for() {
    let fake = Fake::with(vec![Reply::ok(INSTANCES), Reply::new(429, "")]).await;
    let ledger = PausedOnce(noon(), false.into());
    let zoom = fake.zoom_with(noon(), Arc::new(ledger));
    let began = tokio::time::Instant::now();
    zoom.instances(meeting()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(30));
    // A 429 that cannot be recorded is the ledger's error: going on would break the promise to the others.
    let error = zoom.instances(meeting()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ledger);
    assert_eq!(error.to_string(), "cannot update the quota ledger: disk full");
}
