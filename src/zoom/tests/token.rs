//! The token: asked for once, renewed early, replaced once where Zoom refuses it, never shown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;

use crate::simulator::{Fault, FaultKind, SimulatedEndpoint};
use crate::zoom::tests::server::{Server, TOKEN, answer, answer_with, meeting, noon};
use crate::zoom::*;

const NOTHING: &str = r#"{"meetings":[]}"#;

#[tokio::test]
async fn a_token_is_asked_for_with_a_form_and_once_for_all() {
    let slow = FaultKind::Delay(Duration::from_millis(20));
    let server = Server::with(vec![answer(200, NOTHING)]).await.at_token(slow).at_token(answer(200, TOKEN));
    let zoom = server.zoom();
    assert!(join_all((0..20).map(|_| zoom.instances(meeting()))).await.iter().all(Result::is_ok));
    assert_eq!(zoom.scopes().await.unwrap(), ["a:b", "c:d"]);
    assert_eq!(server.tokens_asked(), 1);
    let requests = server.simulator.requests();
    let (token, first) = (&requests[0], &requests[1]);
    assert_eq!((token.method.as_str(), token.target.as_str()), ("POST", "/oauth/token"));
    assert_eq!(token.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(token.headers["authorization"], "Basic Y2xpZW50OnMzY3JldC1zM2NyZXQ=");
    assert_eq!(token.body, "grant_type=account_credentials&account_id=account");
    assert_eq!(first.headers["authorization"], "Bearer first-token");
    let agent = first.headers["user-agent"].to_str().unwrap();
    assert!(agent.starts_with(concat!("rollcall/", env!("CARGO_PKG_VERSION"))), "{agent}");
    assert_eq!(first.headers["accept-encoding"], "gzip");
}

#[tokio::test]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    for (expires_in, lifetime) in [("3600", 60), (r#""7200""#, 120)] {
        let token = format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#);
        let server = Server::with(vec![answer(200, NOTHING)]).await.at_token(answer(200, &token));
        let (zoom, clock) = (server.zoom(), &server.clock);
        let began = clock.now();
        let renewals =
            [(0, 1), (lifetime - 6, 1), (lifetime - 5, 2), (2 * lifetime - 11, 2), (2 * lifetime - 10, 3)];
        for (minutes, tokens) in renewals {
            clock.set(began.plus(Duration::from_mins(minutes)));
            zoom.instances(meeting()).await.unwrap();
            assert_eq!(server.tokens_asked(), tokens, "{expires_in}: after {minutes} minutes");
        }
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_request_repeated() {
    // The simulated Zoom knows nothing of the first token.
    let server = Server::of(2).await;
    let first = Fault::new(answer(200, TOKEN)).at(SimulatedEndpoint::Token).attempts(1..=1);
    server.simulator.fault(first);
    let zoom = server.zoom();
    assert!(join_all((0..10).map(|_| zoom.instances(meeting()))).await.iter().all(Result::is_ok));
    assert_eq!(server.tokens_asked(), 2);
}

#[tokio::test]
async fn a_token_refused_again_means_the_credentials() {
    let refusal = r#"{"code":124,"message":"Invalid access token."}"#;
    let server = Server::with(vec![answer_with(401, &[("x-zm-trackingid", "WEB_2")], refusal)]).await;
    let error = server.zoom().instances(meeting()).await.unwrap_err();
    assert_eq!((server.tokens_asked(), server.lines().len()), (2, 2));
    assert_eq!((error.code(), error.disposition()), (Some(124), Disposition::Credentials));
    insta::assert_snapshot!(error, @"Zoom refused the instances of a meeting (/past_meetings/{id}/instances): HTTP 401, code 124: Invalid access token.; check zoom.account_id, zoom.client_id and the client secret, and that the app is activated (tracking id WEB_2)");
}

#[tokio::test]
async fn refused_credentials_are_asked_about_once_by_a_crowd() {
    let refusal = r#"{"reason":"Invalid client_id or client_secret","error":"invalid_client"}"#;
    let slow = FaultKind::Delay(Duration::from_millis(20));
    let server = Server::of(2).await.at_token(slow).at_token(answer(400, refusal));
    let zoom = server.zoom();
    for result in join_all((0..20).map(|_| zoom.instances(meeting()))).await {
        assert_eq!(result.unwrap_err().disposition(), Disposition::Credentials);
    }
    assert_eq!(server.simulator.request_count(), 1);
    // Later it may be different: the app may have been activated meanwhile.
    zoom.scopes().await.unwrap_err();
    assert_eq!(server.simulator.request_count(), 2);
}

#[tokio::test]
async fn a_failing_token_endpoint_is_asked_again() {
    let server = Server::of(2).await;
    for (number, kind) in [(1, answer(503, "<html>")), (2, answer(200, NOTHING))] {
        server.simulator.fault(Fault::new(kind).at(SimulatedEndpoint::Token).attempts(number..=number));
    }
    server.zoom().instances(meeting()).await.unwrap();
    assert_eq!(server.tokens_asked(), 3);
}

#[tokio::test]
async fn the_api_is_where_the_token_answer_says() {
    let api = Server::with(vec![answer(200, NOTHING)]).await;
    let address = api.simulator.url();
    let named = async |url: &str| {
        let token = format!(r#"{{"access_token":"t","api_url":"{url}"}}"#);
        Server::of(2).await.at_token(answer(200, &token))
    };
    for url in [address.clone(), format!("{address}/"), format!("{address}/v2")] {
        let server = named(&url).await;
        let settings = ZoomSettings { api_url: None, ..server.settings() };
        ZoomClient::new(settings, noon(), Arc::new(Unlimited)).unwrap().instances(meeting()).await.unwrap();
    }
    assert_eq!(api.lines(), ["GET /v2/past_meetings/85746065432/instances"; 3]);
    for url in ["http://api.example.com", "ftp://127.0.0.1", "nonsense"] {
        let server = named(url).await;
        let settings = ZoomSettings { api_url: None, ..server.settings() };
        let error =
            ZoomClient::new(settings, noon(), Arc::new(Unlimited)).unwrap().scopes().await.unwrap_err();
        assert!(matches!(error, ZoomError::Setup(_)), "{error}");
    }
}

#[tokio::test]
async fn neither_secret_nor_token_is_ever_shown() {
    let token = "eyJ-token".repeat(20);
    let refusal = format!(r#"{{"code":1,"message":"bad token {token}"}}"#);
    let grant = format!(r#"{{"access_token":"{token}"}}"#);
    let server = Server::with(vec![answer(400, &refusal)]).await.at_token(answer(200, &grant));
    let zoom = server.zoom();
    let error = zoom.instances(meeting()).await.unwrap_err();
    for shown in [format!("{zoom:?}"), format!("{error} {error:?}"), format!("{:?}", server.settings())] {
        assert!(!shown.contains("eyJ") && !shown.contains("s3cret"), "{shown}");
    }
    let server = Server::of(2).await.at_token(answer(200, r#"["eyJ-token-in-an-array"]"#));
    let error = server.zoom().scopes().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("eyJ"), "{error}");
}

#[tokio::test]
async fn credentials_that_zoom_repeats_are_taken_out_of_what_it_says() {
    // Short ones, which no look at a word would take for a token.
    let refusal = r#"{"reason":"Invalid client s3cret-s3cret","error":"invalid_client"}"#;
    let server = Server::of(2).await.at_token(answer(400, refusal));
    let error = server.zoom().instances(meeting()).await.unwrap_err();
    assert!(error.to_string().contains("Invalid client (left out)"), "{error}");
    let refusal = r#"{"code":1,"message":"bad Bearer short-token"}"#;
    let server = Server::with(vec![answer_with(400, &[("x-zm-trackingid", "short-token")], refusal)])
        .await
        .at_token(answer(200, r#"{"access_token":"short-token"}"#));
    let error = server.zoom().instances(meeting()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("short-token"), "{error}");
    // A refusal under status 200 is not known for one until it is read.
    let refusal = r#"{"code":1,"message":"bad Bearer sh0rt of \u00733cret-s3cret"}"#;
    let server =
        Server::with(vec![answer(200, refusal)]).await.at_token(answer(200, r#"{"access_token":"sh0rt"}"#));
    let error = server.zoom().instances(meeting()).await.unwrap_err();
    assert_eq!(error.code(), Some(1), "{error}");
    assert!(error.to_string().contains("bad Bearer (left out) of (left out)"), "{error}");
    assert!(!format!("{error:?}").contains("sh0rt"), "{error:?}");
}

#[tokio::test]
async fn a_client_secret_that_the_api_repeats_is_neither_shown_nor_kept() {
    let server = Server::with(vec![
        answer_with(400, &[("x-zm-trackingid", "s3cret-s3cret")], r#"{"code":1,"message":"client:s3cret-s3cret, or \u00733cret-s3cret, or Y2xpZW50OnMzY3JldC1zM2NyZXQ=, is odd"}"#),
        answer(200, r#"{"participants":["s3cret-s3cret",{"user_name":"s3cret-s3cret and first-token"}]}"#),
    ])
    .await
    .at_token(answer(200, TOKEN));
    let zoom = server.zoom();
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
