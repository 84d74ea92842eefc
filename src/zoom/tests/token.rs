//! The token: asked for once, renewed early, replaced once where Zoom refuses it, never shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;

use crate::model::MeetingId;
use crate::zoom::fake::{Fake, Reply, TOKEN, noon};
use crate::zoom::*;

fn meeting() -> MeetingId {
    MeetingId::new(85_746_065_432).unwrap()
}

fn is_token(request: &str) -> bool {
    request.starts_with("POST ")
}

fn tokens_asked(fake: &Fake) -> usize {
    fake.asked().iter().filter(|request| is_token(request)).count()
}

#[tokio::test]
async fn a_token_is_asked_for_with_a_form_and_once_for_all() {
    let fake = Fake::start(|_, request| {
        if is_token(request) {
            Reply::ok(TOKEN).after(Duration::from_millis(20))
        } else {
            Reply::ok(r#"{"meetings":[]}"#)
        }
    })
    .await;
    let zoom = fake.zoom();
    assert!(join_all((0..20).map(|_| zoom.instances(meeting()))).await.iter().all(Result::is_ok));
    assert_eq!(zoom.scopes().await.unwrap(), ["a:b", "c:d"]);
    let asked = fake.asked();
    assert_eq!(tokens_asked(&fake), 1);
    assert!(asked[0].starts_with("POST /oauth/token HTTP/1.1\r\n"));
    let head = asked[0].to_ascii_lowercase();
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(asked[0].contains("Basic Y2xpZW50OnMzY3JldC1zM2NyZXQ=\r\n"));
    assert!(asked[0].ends_with("\r\n\r\ngrant_type=account_credentials&account_id=account"));
    let request = asked[1].to_ascii_lowercase();
    assert!(request.contains("authorization: bearer first-token\r\n"));
    assert!(request.contains(concat!("user-agent: rollcall/", env!("CARGO_PKG_VERSION"))));
    assert!(request.contains("accept-encoding: gzip\r\n"));
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let fake = Fake::with(vec![Reply::ok(r#"{"meetings":[]}"#)]).await;
    let clock = noon();
    let zoom = fake.zoom_with(clock.clone(), Arc::new(Unlimited));
    let began = clock.now();
    for (minutes, tokens) in [(0, 1), (54, 1), (55, 2), (109, 2), (110, 3)] {
        clock.set(began.plus(Duration::from_secs(minutes * 60)));
        zoom.instances(meeting()).await.unwrap();
        assert_eq!(tokens_asked(&fake), tokens, "after {minutes} minutes");
    }
}

/// A fake whose tokens are `token-1`, `token-2`; the first `bad` of them are refused.
async fn refusing(bad: usize) -> Fake {
    let given = AtomicUsize::new(0);
    Fake::start(move |_, request| {
        if is_token(request) {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            return Reply::ok(&format!(r#"{{"access_token":"token-{number}","expires_in":"3599"}}"#));
        }
        if (1..=bad).any(|number| request.contains(&format!("Bearer token-{number}\r\n"))) {
            return Reply::new(401, r#"{"code":124,"message":"Invalid access token."}"#);
        }
        Reply::ok(r#"{"meetings":[]}"#)
    })
    .await
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_request_repeated() {
    let fake = refusing(1).await;
    let zoom = fake.zoom();
    assert!(join_all((0..10).map(|_| zoom.instances(meeting()))).await.iter().all(Result::is_ok));
    assert_eq!(tokens_asked(&fake), 2);
}

#[tokio::test]
async fn a_token_refused_again_means_the_credentials() {
    let fake = refusing(9).await;
    let error = fake.zoom().instances(meeting()).await.unwrap_err();
    assert_eq!((tokens_asked(&fake), fake.lines().len()), (2, 2));
    assert_eq!((error.code(), error.disposition()), (Some(124), Disposition::Credentials));
    insta::assert_snapshot!(error, @"Zoom refused the instances of a meeting (/past_meetings/{id}/instances): HTTP 401, code 124: Invalid access token.; check zoom.account_id, zoom.client_id and the client secret, and that the app is activated");
}

#[tokio::test]
async fn refused_credentials_are_asked_about_once_by_a_crowd() {
    let fake = Fake::start(|_, _| {
        Reply::new(400, r#"{"reason":"Invalid client_id or client_secret","error":"invalid_client"}"#)
            .after(Duration::from_millis(20))
    })
    .await;
    let zoom = fake.zoom();
    for result in join_all((0..20).map(|_| zoom.instances(meeting()))).await {
        assert_eq!(result.unwrap_err().disposition(), Disposition::Credentials);
    }
    assert_eq!(fake.asked().len(), 1);
    // Later it may be different: the app may have been activated meanwhile.
    zoom.scopes().await.unwrap_err();
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn a_failing_token_endpoint_is_asked_again() {
    let fake = Fake::start(|number, request| match (number, is_token(request)) {
        (0, _) => Reply::new(503, "<html>"),
        (1, _) => Reply::ok(r#"{"meetings":[]}"#),
        (_, true) => Reply::ok(TOKEN),
        _ => Reply::ok(r#"{"meetings":[]}"#),
    })
    .await;
    fake.zoom().instances(meeting()).await.unwrap();
    assert_eq!(tokens_asked(&fake), 3);
}

#[tokio::test]
async fn the_api_is_where_the_token_answer_says() {
    let api = Fake::with(vec![Reply::ok(r#"{"meetings":[]}"#)]).await;
    let address = api.settings().token_url.origin().ascii_serialization();
    let named = move |url: &str| {
        let answer = format!(r#"{{"access_token":"t","api_url":"{url}"}}"#);
        Fake::start(move |_, _| Reply::ok(&answer))
    };
    for url in [address.clone(), format!("{address}/"), format!("{address}/v2")] {
        let fake = named(&url).await;
        let settings = ZoomSettings { api_url: None, ..fake.settings() };
        ZoomClient::new(settings, noon(), Arc::new(Unlimited)).unwrap().instances(meeting()).await.unwrap();
    }
    assert_eq!(api.lines(), ["GET /v2/past_meetings/85746065432/instances HTTP/1.1"; 3]);
    for url in ["http://api.example.com", "ftp://127.0.0.1", "nonsense"] {
        let fake = named(url).await;
        let settings = ZoomSettings { api_url: None, ..fake.settings() };
        let error =
            ZoomClient::new(settings, noon(), Arc::new(Unlimited)).unwrap().scopes().await.unwrap_err();
        assert!(matches!(error, ZoomError::Setup(_)), "{error}");
    }
}

#[tokio::test]
async fn neither_secret_nor_token_is_ever_shown() {
    let fake = Fake::start(|_, request| {
        if is_token(request) {
            return Reply::ok(&format!(r#"{{"access_token":"{}"}}"#, "eyJ-token".repeat(20)));
        }
        Reply::new(400, &format!(r#"{{"code":1,"message":"bad token {}"}}"#, "eyJ-token".repeat(20)))
    })
    .await;
    let zoom = fake.zoom();
    let error = zoom.instances(meeting()).await.unwrap_err();
    for shown in [format!("{zoom:?}"), format!("{error} {error:?}"), format!("{:?}", fake.settings())] {
        assert!(!shown.contains("eyJ") && !shown.contains("s3cret"), "{shown}");
    }
    let fake = Fake::start(|_, _| Reply::ok(r#"["eyJ-token-in-an-array"]"#)).await;
    let error = fake.zoom().scopes().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("eyJ"), "{error}");
}

#[tokio::test]
async fn credentials_that_zoom_repeats_are_taken_out_of_what_it_says() {
    // Short ones, which no look at a word would take for a token.
    let fake = Fake::start(|_, request| {
        if is_token(request) {
            return Reply::new(400, r#"{"reason":"Invalid client s3cret-s3cret","error":"invalid_client"}"#);
        }
        Reply::ok(r#"{"meetings":[]}"#)
    })
    .await;
    let error = fake.zoom().instances(meeting()).await.unwrap_err();
    assert!(error.to_string().contains("Invalid client (left out)"), "{error}");
    let fake = Fake::start(|_, request| {
        if is_token(request) {
            return Reply::ok(r#"{"access_token":"short-token"}"#);
        }
        Reply::new(400, r#"{"code":1,"message":"bad Bearer short-token"}"#)
            .header("x-zm-trackingid", "short-token")
    })
    .await;
    let error = fake.zoom().instances(meeting()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("short-token"), "{error}");
    // A refusal under status 200 is not known for one until it is read.
    let fake = Fake::start(|_, request| {
        if is_token(request) {
            return Reply::ok(r#"{"access_token":"sh0rt"}"#);
        }
        Reply::ok(r#"{"code":1,"message":"bad Bearer sh0rt of \u00733cret-s3cret"}"#)
    })
    .await;
    let error = fake.zoom().instances(meeting()).await.unwrap_err();
    assert_eq!(error.code(), Some(1), "{error}");
    assert!(error.to_string().contains("bad Bearer (left out) of (left out)"), "{error}");
    assert!(!format!("{error:?}").contains("sh0rt"), "{error:?}");
}

#[tokio::test]
async fn a_client_secret_that_the_api_repeats_is_neither_shown_nor_kept() {
    let fake = Fake::with(vec![
        Reply::new(400, r#"{"code":1,"message":"client:s3cret-s3cret, or \u00733cret-s3cret, or Y2xpZW50OnMzY3JldC1zM2NyZXQ=, is odd"}"#)
            .header("x-zm-trackingid", "s3cret-s3cret"),
        Reply::ok(r#"{"participants":["s3cret-s3cret",{"user_name":"s3cret-s3cret and first-token"}]}"#),
    ])
    .await;
    let zoom = fake.zoom();
    let error = zoom.instances(meeting()).await.unwrap_err();
    assert!(
        error.to_string().contains("client:(left out), or (left out), or (left out)=, is odd"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    let request = ListingRequest {
        from: ParticipantsEndpoint::Report,
        key: MeetingKey::Latest(meeting()),
        encoding: Encoding::Documented,
    };
    let pages: Vec<_> = zoom.participants(&request).collect().await;
    let body = &pages[0].as_ref().unwrap().body;
    assert_eq!(body, r#"{"participants":["(left out)",{"user_name":"(left out) and (left out)"}]}"#);
}
