//! What each refusal means.

use std::fmt::Write;

use crate::model::{RateLabel, drives_a_terminal, is_unseen, parse_instant};
use crate::zoom::classify::{Classification, ResponseParts, classify};
use crate::zoom::disposition::{Disposition, RequestPhase};
use crate::zoom::sanitize::{Hidden, MESSAGE_CHARS};

const FIRST_PAST: RequestPhase = RequestPhase::FirstPage { past: true };
const FIRST: RequestPhase = RequestPhase::FirstPage { past: false };

fn meaning(phase: RequestPhase, status: u16, body: &str) -> Classification {
    classify(&ResponseParts {
        phase,
        label: RateLabel::Heavy,
        status,
        limit_type: None,
        retry_after: None,
        is_html: false,
        body,
        hidden: &Hidden::default(),
        now: parse_instant("2026-03-01T12:00:00Z").unwrap(),
    })
}

fn kind(meaning: &Classification) -> String {
    let text = format!("{:?}", meaning.disposition);
    match &meaning.disposition {
        Disposition::TryNextSource(refusal) => format!("{refusal:?}"),
        _ => text.split(['(', ' ']).next().unwrap_or_default().to_owned(),
    }
}

/// Every status, without a body that says more, in runs of the same disposition.
#[test]
fn every_status_has_its_disposition() {
    let mut table = String::new();
    for phase in [RequestPhase::Token, RequestPhase::Lookup, FIRST_PAST, FIRST, RequestPhase::FollowUpPage] {
        writeln!(table, "{phase:?}").unwrap();
        let mut start = 100;
        for status in 100..600_u16 {
            let now = kind(&meaning(phase, status, ""));
            if status == 599 || kind(&meaning(phase, status + 1, "")) != now {
                writeln!(table, "  {start}-{status} {now}").unwrap();
                start = status + 1;
            }
        }
    }
    insta::assert_snapshot!(table, @r#"
    Token
      100-399 Retry
      400-406 Credentials
      407-408 Retry
      409-424 Credentials
      425-425 Retry
      426-428 Credentials
      429-429 Throttled
      430-499 Credentials
      500-599 Retry
    Lookup
      100-399 Retry
      400-400 Parked
      401-401 RenewToken
      402-403 Parked
      404-404 NotFound
      405-406 Parked
      407-408 Retry
      409-424 Parked
      425-425 Retry
      426-428 Parked
      429-429 Throttled
      430-499 Parked
      500-599 Retry
    FirstPage { past: true }
      100-399 Retry
      400-400 RetryAsPastOne
      401-401 RenewToken
      402-403 Parked
      404-404 RetryAsPastOne
      405-406 Parked
      407-408 Retry
      409-424 Parked
      425-425 Retry
      426-428 Parked
      429-429 Throttled
      430-499 Parked
      500-599 Retry
    FirstPage { past: false }
      100-399 Retry
      400-400 Parked
      401-401 RenewToken
      402-403 Parked
      404-404 NotFound
      405-406 Parked
      407-408 Retry
      409-424 Parked
      425-425 Retry
      426-428 Parked
      429-429 Throttled
      430-499 Parked
      500-599 Retry
    FollowUpPage
      100-399 Retry
      400-400 Parked
      401-401 RenewToken
      402-403 Parked
      404-404 NotFound
      405-406 Parked
      407-408 Retry
      409-424 Parked
      425-425 Retry
      426-428 Parked
      429-429 Throttled
      430-499 Parked
      500-599 Retry
    "#);
}

/// Every code of Zoom that is known, as it comes.
#[test]
fn every_code_has_its_disposition() {
    let answers = [
        (401, r#"{"code":124,"message":"Invalid access token."}"#),
        (400, r#"{"code":124,"message":"Access token is expired."}"#),
        (401, r#"{"code":4700,"message":"Invalid access token."}"#),
        (400, r#"{"code":4700,"message":"Invalid access token, does not contain scopes:[a:read]."}"#),
        (
            400,
            r#"{"code":4711,"message":"Invalid access token, does not contain scopes:[dashboard:read:list_meeting_participants:admin, dashboard_meetings:read:admin]."}"#,
        ),
        (
            400,
            r#"{"code":104,"message":"Invalid access token, does not contain scopes:["meeting:read:admin","meeting:read"]."}"#,
        ),
        (
            400,
            r#"{"code":200,"message":"This API is only available for ZMP and Business or higher accounts that have enabled the Dashboard feature."}"#,
        ),
        (400, r#"{"code":300,"message":"The next page token is invalid or expired."}"#),
        (300, r#"{"code":300,"message":"Cannot access webinar info."}"#),
        (404, r#"{"code":1001,"message":"User does not exist: someone@example.com."}"#),
        (400, r#"{"code":1010,"message":"User not found on this account."}"#),
        (404, r#"{"code":2001,"message":"Account does not exist."}"#),
        (404, r#"{"code":3001,"message":"Meeting does not exist: pfVh==."}"#),
        (400, r#"{"code":3001,"message":"Meeting does not exist."}"#),
        (400, r#"{"code":12702,"message":"Can not access a meeting a year ago."}"#),
        (403, r#"{"code":12703,"message":"No permission for this group."}"#),
        (
            400,
            r#"{"code":"9999","message":"Something new","errors":[{"field":"page_size","message":"too large"}]}"#,
        ),
        (403, "<!DOCTYPE html><title>Sorry, you have been blocked</title>"),
        (404, "<html>nginx</html>"),
        (502, "<html>Bad Gateway</html>"),
        (400, "{\"code\":30"),
    ];
    let mut table = String::new();
    for (status, body) in answers {
        let first = meaning(FIRST_PAST, status, body);
        let kinds: Vec<String> = [FIRST_PAST, FIRST, RequestPhase::FollowUpPage]
            .iter()
            .map(|phase| kind(&meaning(*phase, status, body)))
            .collect();
        let code = first.code.map_or("-".to_owned(), |code| code.to_string());
        writeln!(table, "{status} {code} {}\n    {}", first.message, kinds.join(" | ")).unwrap();
    }
    insta::assert_snapshot!(table, @r#"
    401 124 Invalid access token.
        RenewToken | RenewToken | RenewToken
    400 124 Access token is expired.
        RenewToken | RenewToken | RenewToken
    401 4700 Invalid access token.
        RenewToken | RenewToken | RenewToken
    400 4700 Invalid access token, does not contain scopes:[a:read].
        MissingScopes(["a:read"]) | MissingScopes(["a:read"]) | MissingScopes(["a:read"])
    400 4711 Invalid access token, does not contain scopes:[dashboard:read:list_meeting_participants:admin, dashboard_meetings:read:admin].
        MissingScopes(["dashboard:read:list_meeting_participants:admin", "dashboard_meetings:read:admin"]) | MissingScopes(["dashboard:read:list_meeting_participants:admin", "dashboard_meetings:read:admin"]) | MissingScopes(["dashboard:read:list_meeting_participants:admin", "dashboard_meetings:read:admin"])
    400 104 Invalid access token, does not contain scopes:["meeting:read:admin","meeting:read"].
        MissingScopes(["meeting:read:admin", "meeting:read"]) | MissingScopes(["meeting:read:admin", "meeting:read"]) | MissingScopes(["meeting:read:admin", "meeting:read"])
    400 200 This API is only available for ZMP and Business or higher accounts that have enabled the Dashboard feature.
        Plan("This API is only available for ZMP and Business or higher accounts that have enabled the Dashboard feature.") | Plan("This API is only available for ZMP and Business or higher accounts that have enabled the Dashboard feature.") | Plan("This API is only available for ZMP and Business or higher accounts that have enabled the Dashboard feature.")
    400 300 The next page token is invalid or expired.
        RetryAsPastOne | Parked | RestartListing
    300 300 Cannot access webinar info.
        Parked | Parked | RestartListing
    404 1001 User does not exist: (email)
        RetryAsPastOne | Parked | Parked
    400 1010 User not found on this account.
        RetryAsPastOne | Parked | Parked
    404 2001 Account does not exist.
        Credentials | Credentials | Credentials
    404 3001 Meeting does not exist: pfVh==.
        RetryAsPastOne | NotFound | NotFound
    400 3001 Meeting does not exist.
        RetryAsPastOne | NotFound | NotFound
    400 12702 Can not access a meeting a year ago.
        Parked | Parked | Parked
    403 12703 No permission for this group.
        Parked | Parked | Parked
    400 9999 Something new; page_size: too large
        RetryAsPastOne | Parked | Parked
    403 - an HTML page, as a gateway or a block sends
        Parked | Parked | Parked
    404 - an HTML page, as a gateway or a block sends
        RetryAsPastOne | NotFound | NotFound
    502 - an HTML page, as a gateway or a block sends
        Retry | Retry | Retry
    400 30 {"code":30
        RetryAsPastOne | Parked | Parked
    "#);
}

#[test]
fn a_reason_to_park_says_what_it_is() {
    let reason = |status, body| match meaning(FIRST, status, body).disposition {
        Disposition::Parked(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(400, r#"{"code":300,"message":"Cannot access webinar info"}"#).contains("webinar"));
    assert!(reason(403, "<html>").contains("proxy or WAF"));
    assert!(reason(400, r#"{"code":12702,"message":"x"}"#).contains("a year old"));
    assert_eq!(reason(409, r#"{"code":7,"message":"Conflict"}"#), "HTTP 409, code 7: Conflict");
}

#[test]
fn the_token_endpoint_speaks_another_language() {
    let body = r#"{"reason":"Invalid client_id or client_secret","error":"invalid_client"}"#;
    let refused = meaning(RequestPhase::Token, 400, body);
    assert_eq!(refused.disposition, Disposition::Credentials);
    assert_eq!(refused.message, "Invalid client_id or client_secret; invalid_client");
}

proptest::proptest! {
    #[test]
    fn no_body_is_too_strange(status in 100_u16..600, body in "\\PC*|\\{\"(code|message)\":.*|\"code\" ?:.*") {
        for phase in [RequestPhase::Token, RequestPhase::Lookup, FIRST_PAST, FIRST, RequestPhase::FollowUpPage] {
            let meaning = meaning(phase, status, &body);
            proptest::prop_assert!(meaning.message.chars().count() <= MESSAGE_CHARS + 1);
            proptest::prop_assert!(meaning.message.chars().all(|c| !drives_a_terminal(c) && !is_unseen(c)));
        }
    }
}
