//! What is repeated, what is told, what is counted and reserved.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};

use crate::clock::Clock;
use crate::model::{DailyQuota, RateLabel, Reservation, Throttle, Timestamp, parse_instant};
use crate::simulator::{Fault, FaultKind};
use crate::zoom::counters::RequestCounts;
use crate::zoom::error::ConnectionFault;
use crate::zoom::memory_ledger::InMemoryLedger;
use crate::zoom::tests::server::{Server, answer, answer_with, meeting, noon};
use crate::zoom::*;

const INSTANCES: &str = r#"{"meetings":[{"uuid":"a==","start_time":"2026-02-01T10:00:00Z"}]}"#;

async fn instances(replies: Vec<FaultKind>) -> (Server, ZoomClient, Result<Vec<PastInstance>, ZoomError>) {
    let server = Server::with(replies).await;
    let zoom = server.zoom();
    let result = zoom.instances(meeting()).await;
    (server, zoom, result)
}

#[tokio::test]
async fn what_may_pass_is_repeated() {
    for bad in [
        answer(500, ""),
        answer_with(503, &[("retry-after", "0")], "<html>"),
        answer(408, ""),
        answer(200, "<html>hello</html>"),
        answer(200, r#"{"meetings":[{"uuid":"a=="#),
        FaultKind::Cut(13),
        FaultKind::Dropped,
    ] {
        let name = format!("{bad:?}");
        let (server, zoom, result) = instances(vec![bad, answer(200, INSTANCES)]).await;
        assert_eq!(result.expect(&name)[0].uuid.as_str(), "a==");
        assert_eq!(server.lines().len(), 2, "{name}");
        assert_eq!(
            zoom.counters().of(RateLabel::Medium),
            RequestCounts { requests: 2, retries: 1, throttled: 0 }
        );
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_after_a_few_tries() {
    let (server, _, result) =
        instances(vec![answer_with(502, &[("x-zm-trackingid", "WEB_9")], "<html>Bad Gateway</html>")]).await;
    let error = result.unwrap_err();
    assert_eq!((server.lines().len(), error.status(), error.code()), (3, Some(502), None));
    assert_eq!(error.disposition(), Disposition::Retry);
    insta::assert_snapshot!(error, @"Zoom refused the instances of a meeting (/past_meetings/{id}/instances): HTTP 502: an HTML page, as a gateway or a block sends (tracking id WEB_9)");

    let (server, _, result) = instances(vec![answer(200, "not json")]).await;
    assert!(matches!(result.unwrap_err(), ZoomError::Malformed { .. }));
    assert_eq!(server.lines().len(), 3);

    let (server, _, result) = instances(vec![FaultKind::Dropped]).await;
    assert_eq!(result.unwrap_err().disposition(), Disposition::Unreachable);
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_repeated() {
    let elsewhere = FaultKind::Redirect("http://127.0.0.1:1/".to_owned());
    let (server, _, result) = instances(vec![elsewhere]).await;
    let error = result.unwrap_err();
    assert_eq!((server.lines().len(), error.disposition()), (1, Disposition::Retry));
    let words = error.to_string();
    assert!(words.contains("; Zoom redirected to another host; check zoom.api_url (tracking id"), "{words}");
}

#[tokio::test]
async fn what_is_refused_is_not_repeated() {
    let body = r#"{"code":4711,"message":"Invalid access token, does not contain scopes:[meeting:read:list_past_instances:admin]."}"#;
    let (server, _, result) = instances(vec![answer_with(400, &[("x-zm-trackingid", "WEB_4")], body)]).await;
    let error = result.unwrap_err();
    assert_eq!(server.lines().len(), 1);
    assert_eq!(error.code(), Some(4711));
    insta::assert_snapshot!(error, @"Zoom refused the instances of a meeting (/past_meetings/{id}/instances): HTTP 400, code 4711: Invalid access token, does not contain scopes:[meeting:read:list_past_instances:admin].; add one of these scopes to the app: meeting:read:list_past_instances:admin (tracking id WEB_4)");
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_unreachable() {
    let server = Server::with(vec![answer(200, INSTANCES)]).await;
    server.simulator.fault(Fault::new(FaultKind::Delay(Duration::from_secs(30))));
    let settings = ZoomSettings { request_timeout: Duration::from_millis(60), ..server.settings() };
    let error = ZoomClient::new(settings, noon(), Arc::new(Unlimited))
        .unwrap()
        .instances(meeting())
        .await
        .unwrap_err();
    assert!(matches!(error, ZoomError::Connection { fault: ConnectionFault::TimeOut, .. }), "{error}");
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_the_error_holds_no_url() {
    let server = Server::of(0).await;
    let settings = server.settings();
    server.simulator.shutdown().await;
    let error = ZoomClient::new(settings, noon(), Arc::new(Unlimited)).unwrap().scopes().await.unwrap_err();
    assert!(matches!(error, ZoomError::Connection { fault: ConnectionFault::Connect, .. }), "{error}");
    assert!(!error.to_string().contains("http://"), "{error}");
}

#[tokio::test]
async fn an_answer_beyond_all_measure_is_not_read() {
    let (server, _, result) = instances(vec![FaultKind::Huge(65 * 1024 * 1024)]).await;
    let error = result.unwrap_err();
    assert!(matches!(error, ZoomError::TooLarge { .. }), "{error}");
    assert!(matches!(error.disposition(), Disposition::Parked(_)));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_429_pauses_and_is_told_to_the_ledger() {
    let server = Server::with(vec![
        FaultKind::TooManyPerSecond {
            retry_after: Some("Sun, 01 Mar 2026 12:00:01 GMT".to_owned()),
            headers: false,
        },
        answer(200, INSTANCES),
    ])
    .await;
    let (zoom, ledger) = server.zoom_with_ledger();
    let began = tokio::time::Instant::now();
    zoom.instances(meeting()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(990), "{:?}", began.elapsed());
    assert_eq!(zoom.counters().total(), RequestCounts { requests: 2, retries: 1, throttled: 1 });
    zoom.return_unused().await.unwrap();
    assert_eq!(ledger.used(RateLabel::Medium), (2, 1));
}

#[tokio::test]
async fn a_daily_429_ends_in_the_quota_and_nothing_more_is_sent() {
    let server = Server::with(vec![FaultKind::TooManyPerDay {
        retry_after: Some("rubbish".to_owned()),
        headers: false,
    }])
    .await;
    let (zoom, ledger) = server.zoom_with_ledger();
    let midnight = Disposition::Quota { until: parse_instant("2026-03-02T00:00:00Z").unwrap() };
    for _ in 0..3 {
        assert_eq!(zoom.instances(meeting()).await.unwrap_err().disposition(), midnight);
    }
    assert_eq!(server.lines().len(), 1);
    // Another process, or this one after a restart, is told by the ledger.
    let again = server.zoom_with(ledger);
    assert_eq!(again.instances(meeting()).await.unwrap_err().disposition(), midnight);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_pause_longer_than_a_run_waits_ends_in_the_quota() {
    let server = Server::with(vec![answer_with(429, &[("retry-after", "3600")], "")]).await;
    let error = server.zoom().instances(meeting()).await.unwrap_err();
    let until = parse_instant("2026-03-01T13:00:00Z").unwrap();
    assert_eq!(error.disposition(), Disposition::Quota { until });
}

#[tokio::test]
async fn the_budget_is_never_exceeded_and_the_next_day_brings_another() {
    let server = Server::with(vec![answer(200, r#"{"uuid":"a=="}"#)]).await;
    let clock = &server.clock;
    let quota = DailyQuota { labels: &[RateLabel::Light], requests: 30 };
    let ledger = Arc::new(InMemoryLedger::new(&[quota], clock.clone()));
    let zoom = server.zoom_with(Arc::clone(&ledger) as Arc<dyn Ledger>);
    let key = MeetingKey::Latest(meeting());
    let crowd = (0..40).map(|_| zoom.past_meeting(&key, Encoding::Documented));
    let results = futures_util::future::join_all(crowd).await;
    let refused: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!((server.lines().len(), refused.len()), (30, 10));
    assert!(matches!(refused[0], ZoomError::Quota { label: RateLabel::Light, .. }));
    clock.set(parse_instant("2026-03-02T00:00:00Z").unwrap());
    zoom.past_meeting(&key, Encoding::Documented).await.unwrap();
    zoom.return_unused().await.unwrap();
    assert_eq!(ledger.used(RateLabel::Light), (1, 0));
}

#[tokio::test]
async fn a_request_dropped_before_it_is_sent_is_given_back() {
    let server = Server::with(vec![answer(200, INSTANCES)]).await;
    let clock = server.clock.clone();
    let ledger = Arc::new(InMemoryLedger::new(&[], clock.clone()));
    let slow =
        RateLimits { medium: Rate { requests: 1, per: Duration::from_hours(1) }, ..server.settings().limits };
    let settings = ZoomSettings { limits: slow, ..server.settings() };
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
    let server = Server::with(vec![answer(200, INSTANCES), answer(429, "")]).await;
    let ledger = PausedOnce(server.clock.clone(), false.into());
    let zoom = server.zoom_with(Arc::new(ledger));
    let began = tokio::time::Instant::now();
    zoom.instances(meeting()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(30));
    // A 429 that cannot be recorded is the ledger's error: going on would break the promise to the others.
    let error = zoom.instances(meeting()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Ledger);
    assert_eq!(error.to_string(), "cannot update the quota ledger: disk full");
}
