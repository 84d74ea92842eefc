//! What goes wrong, seen by a client over real HTTP.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::tests::{Client, NOW, algebra, instance, uuid};
use super::*;
use crate::model::RateLabel;

const PATH: &str = "/metrics/meetings/two==/participants?type=past&page_size=2";

async fn client() -> Client {
    Client::of(World::new().with(instance("two==", 5))).await
}

async fn client_with(fault: &str) -> Client {
    let client = client().await;
    client.simulator.fault(fault.parse().unwrap());
    client
}

#[tokio::test]
async fn answers_in_place_of_the_right_one() {
    for (fault, status, part) in [
        ("html-502", 502, "<!DOCTYPE html>"),
        ("html-403", 403, "Sorry, you have been blocked"),
        ("429-second", 429, "per-second rate limit"),
        ("429-daily", 429, "daily rate limit"),
        ("token-401", 401, r#""code":124"#),
        ("scope-4711", 400, "[dashboard:read:list_meeting_participants:admin]"),
        ("plan-200", 400, "enabled the Dashboard feature"),
        ("missing-3001", 404, r#""code":3001"#),
        ("old-12702", 400, r#""code":12702"#),
        ("webinar-300", 400, r#""code":300"#),
        ("not-json", 200, "upstream"),
        ("empty-body", 200, ""),
        ("answer=418:teapot", 418, "teapot"),
        ("refuse=400/1010", 400, r#""code":1010"#),
        ("refuse=400/4711", 400, "[dashboard:read:list_meeting_participants:admin]"),
        ("refuse=200/200", 200, r#"{"code":200,"message":"#),
    ] {
        let answer = client_with(fault).await.send(PATH).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{fault}");
        let body = answer.text().await.unwrap();
        assert!(body.contains(part), "{fault}: {body}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    for fault in ["scope-104", "truncated-json"] {
        let body = client_with(fault).await.send(PATH).await.unwrap().text().await.unwrap();
        assert!(body.starts_with('{'));
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_err(), "{fault}: {body}");
    }
}

#[tokio::test]
async fn connections_that_break() {
    let client = client_with("cut=50").await;
    let answer = client.send(PATH).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.content_length().unwrap() > 50);
    assert!(answer.text().await.is_err(), "the body breaks off");

    client.simulator.clear_faults();
    client.simulator.fault("drop,attempts=1".parse().unwrap());
    assert!(client.send(PATH).await.is_err());
    assert_eq!(client.get(PATH).await.0, 200);
    let statuses: Vec<_> = client.simulator.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(200), None, Some(200)]);
}

#[tokio::test]
async fn a_body_that_never_ends() {
    let client = client_with("stall=50").await;
    let mut answer = client.send(PATH).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap().len(), 50);
    let rest = tokio::spawn(async move { answer.chunk().await });
    client.simulator.shutdown().await;
    assert!(rest.await.unwrap().is_err());
}

#[tokio::test]
async fn bodies_too_large_and_answers_that_lead_away() {
    let body = client_with("huge=100000").await.send(PATH).await.unwrap().text().await.unwrap();
    assert_eq!(body.len(), 100_000);
    assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());

    let client = client().await;
    let url = format!("{}/elsewhere", client.simulator.url());
    client.simulator.fault(format!("redirect={url},attempts=1").parse().unwrap());
    assert_eq!(client.refusal(PATH).await, (404, 2_300));
    assert_eq!(client.simulator.requests()[1].target, "/elsewhere");
}

#[tokio::test]
async fn a_delay_holds_the_answer_back() {
    let client = client_with("delay=30").await;
    let begin = Instant::now();
    assert_eq!(client.get(PATH).await.0, 200);
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_shutdown_waits_for_no_delay() {
    let client = client_with("delay=600000").await;
    let (path, simulator) = (format!("{}{PATH}", client.simulator.api_url()), client.simulator);
    let request = tokio::spawn(client.http.get(path).bearer_auth(&client.token).send());
    while simulator.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    let url = simulator.url();
    simulator.shutdown().await;
    assert_eq!(request.await.unwrap().unwrap().status().as_u16(), 200);
    assert!(client.http.get(url).send().await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_fault_strikes_whom_it_names_and_when() {
    let client = Client::of(World::new().with(instance("two==", 5)).with(instance("/no==", 2))).await;
    let poisoned = "/past_meetings/%252Fno%253D%253D";
    client.simulator.fault(Fault::new(FaultKind::Blocked).of_instance(uuid("/no==")));
    for spelling in [poisoned, "/past_meetings/%2Fno%3D%3D"] {
        assert_eq!(client.send(spelling).await.unwrap().status().as_u16(), 403);
    }
    assert_eq!(client.get("/past_meetings/two==").await.0, 200);

    client.simulator.clear_faults();
    client.simulator.fault("token-401,endpoint=token,attempts=1".parse().unwrap());
    assert_eq!(client.grant().await["code"], 124);
    assert!(client.grant().await["access_token"].is_string());
    assert_eq!(client.simulator.count_at(SimulatedEndpoint::Token), 2);

    client.simulator.clear_faults();
    let meeting = Fault::new(FaultKind::NotFound).of_meeting(algebra()).at(SimulatedEndpoint::PastMeeting);
    client.simulator.fault(meeting.attempts(2..=2));
    for (path, status) in
        [(poisoned, 200), (PATH, 200), ("/past_meetings/85746065432", 404), ("/past_meetings/two==", 200)]
    {
        assert_eq!(client.get(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn a_fault_lasts_from_an_instant_until_another() {
    let client = client_with("missing-3001,from=2026-09-21T13:00:00Z,until=2026-09-21T13:10:00Z").await;
    let mut statuses = Vec::new();
    for minutes in [0, 10, 20] {
        client.simulator.options(|options| options.clock.set(NOW.plus(Duration::from_mins(minutes))));
        statuses.push(client.get(PATH).await.0);
    }
    assert_eq!(statuses, [200, 404, 200]);
}

#[tokio::test]
async fn a_gateway_blocks_everything_one_meeting_or_the_tokens() {
    let path = "/past_meetings/two==";
    let client = client_with("html-403").await;
    assert_eq!(client.send(path).await.unwrap().status().as_u16(), 403);
    assert!(client.grant().await["access_token"].is_string());
    client.simulator.fault("refuse=403/1,endpoint=token".parse().unwrap());
    assert_eq!(client.grant().await["code"], 1);

    client.simulator.clear_faults();
    client.simulator.fault("html-403,target=93812345678".parse().unwrap());
    assert_eq!(client.get(path).await.0, 200);
    client.simulator.fault("html-403,target=85746065432".parse().unwrap());
    for path in [path, "/past_meetings/85746065432/instances"] {
        assert_eq!(client.send(path).await.unwrap().status().as_u16(), 403, "{path}");
    }
}

#[tokio::test]
async fn lists_that_are_empty_or_not_there() {
    let lists = [
        ("/metrics/meetings/two==/participants?type=past", "participants"),
        ("/report/meetings/two==/participants", "participants"),
        ("/past_meetings/85746065432/instances", "meetings"),
        ("/metrics/meetings?type=past&from=2026-09-21&to=2026-09-21", "meetings"),
    ];
    let client = client_with("empty").await;
    for (path, key) in lists {
        assert_eq!(client.get(path).await.1[key], json!([]), "{path}");
    }
    assert_eq!(client.get("/past_meetings/two==").await.1["participants_count"], 5);
    let client = client_with("no-rows").await;
    for (path, key) in lists {
        let (status, body) = client.get(path).await;
        assert_eq!((status, body.get(key)), (200, None), "{path}");
    }
}

#[tokio::test]
async fn a_page_token_that_expires_and_one_that_never_ends() {
    let client = client_with("page-token-expired,attempts=1").await;
    let (_, body) = client.get(PATH).await;
    let next = format!("{PATH}&next_page_token={}", body["next_page_token"].as_str().unwrap());
    assert_eq!(client.refusal(&next).await, (400, 300));
    assert_eq!(client.get(&next).await.0, 200);

    let client = client_with("page-token-repeated").await;
    let (_, first) = client.get(PATH).await;
    let token = first["next_page_token"].as_str().unwrap();
    for _ in 0..3 {
        let (_, again) = client.get(&format!("{PATH}&next_page_token={token}")).await;
        assert_eq!(again, first);
    }
}

#[tokio::test]
async fn listings_that_change_between_readings() {
    let path = "/metrics/meetings/two==/participants?type=past";
    for (fault, expected) in
        [("growing", [5, 6, 7]), ("emptied", [5, 0, 0]), ("growing,attempts=2", [5, 6, 5])]
    {
        let client = client_with(fault).await;
        for rows in expected {
            let (_, body) = client.get(path).await;
            assert_eq!(body["participants"].as_array().unwrap().len(), rows, "{fault}");
        }
        // Another listing has readings of its own.
        let (_, body) = client.get("/report/meetings/two==/participants").await;
        assert_eq!(body["participants"].as_array().unwrap().len(), 5, "{fault}");
    }
}

#[tokio::test]
async fn listings_whose_pages_do_not_fit() {
    let client = client_with("repeated-rows").await;
    let (_, first) = client.get(PATH).await;
    let token = first["next_page_token"].as_str().unwrap();
    let (_, second) = client.get(&format!("{PATH}&next_page_token={token}")).await;
    assert_eq!(first["participants"][1], second["participants"][0]);
    assert_eq!(second["participants"].as_array().unwrap().len(), 3);

    let whole = "/metrics/meetings/two==/participants?type=past";
    let (_, body) = client_with("total-too-large=4").await.get(whole).await;
    assert_eq!((&body["total_records"], body["participants"].as_array().unwrap().len()), (&json!(9), 5));
    let (_, body) = client_with("total=3").await.get(PATH).await;
    assert_eq!((&body["total_records"], body["participants"].as_array().unwrap().len()), (&json!(3), 2));
    assert_ne!(body["next_page_token"], "");
    let (_, body) = client_with("page-token-absent").await.get(whole).await;
    assert_eq!(body.get("next_page_token"), None);
    let (_, body) = client_with("no-rows").await.get(whole).await;
    assert_eq!(body.get("participants"), None);
}

#[tokio::test]
async fn limits_are_enforced_with_zooms_words() {
    let client = client().await;
    client.simulator.options(|options| {
        options.limits = Limits { heavy_per_day: Some(2), light_per_second: Some(1), ..Limits::NONE };
    });
    assert_eq!(client.get(PATH).await.0, 200);
    assert_eq!(client.get(PATH).await.0, 200);
    let refused = client.send(PATH).await.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert_eq!(refused.headers()["retry-after"], "2026-09-22T00:00:00Z");
    assert_eq!(refused.headers()["x-ratelimit-type"], "Daily-limit");
    assert_eq!(refused.headers()["x-ratelimit-category"], "Heavy");

    client.simulator.options(|options| {
        options.clock.set(NOW.plus(Duration::from_hours(12)));
        options.rate_headers = false;
    });
    // The token is dead by then, but the day is a new one.
    assert_eq!(client.get(PATH).await.0, 401);
    assert_eq!(client.simulator.count(RateLabel::Heavy), 4);
}

#[tokio::test]
async fn a_world_can_be_changed_while_it_is_served() {
    let client = client().await;
    let path = "/metrics/meetings/two==/participants?type=past";
    let joined = client.get(path).await.1["participants"][2]["join_time"].clone();
    client.simulator.world(|world| {
        let instance = world.instance_mut(&uuid("two==")).unwrap();
        instance.session_of("Person 2").unwrap().set_leave(Some(NOW.minus(Duration::from_mins(90))));
        instance.sessions.remove(0);
    });
    let (_, body) = client.get(path).await;
    assert_eq!(body["total_records"], 4);
    assert_eq!(body["participants"][1]["join_time"], joined);
    assert_eq!(body["participants"][1]["leave_time"], "2026-09-21T11:23:20Z");
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = Options { listen: "0.0.0.0:0".parse().unwrap(), ..Options::default() };
    let error = Simulator::start(options, World::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
