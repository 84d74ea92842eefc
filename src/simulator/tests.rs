//! The simulated Zoom over real HTTP.

use std::time::Duration;

use reqwest::header;
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::model::{InstanceUuid, MeetingId, RateLabel, Timestamp};

/// 2026-09-21T12:53:20Z.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_789_995_200_000);

fn before(minutes: u64) -> Timestamp {
    NOW.minus(Duration::from_mins(minutes))
}

pub(super) fn algebra() -> MeetingId {
    MeetingId::new(85_746_065_432).unwrap()
}

pub(super) fn uuid(text: &str) -> InstanceUuid {
    text.parse().unwrap()
}

/// An instance of this many people that ended an hour ago.
pub(super) fn instance(name: &str, people: u64) -> Instance {
    Instance::new(algebra(), uuid(name), "Algebra I", before(120), Some(before(60))).with_sessions(
        (0..people).map(|number| {
            Session::new(
                FIRST_USER_ID + number * USER_ID_STEP,
                &format!("Person {number}"),
                before(119),
                before(61),
            )
            .with("registrant_id", format!("registrant{number}"))
        }),
    )
}

pub(super) struct Client {
    pub(super) simulator: Simulator,
    pub(super) http: reqwest::Client,
    pub(super) token: String,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "a client that is not ours: it sees what was sent")]
    pub(super) async fn start(options: Options, world: World) -> Self {
        let options = Options { clock: Clock::fixed(NOW), ..options };
        let simulator = Simulator::start(options, world).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut client = Self { simulator, http, token: String::new() };
        client.token = client.grant().await["access_token"].as_str().unwrap().to_owned();
        client.simulator.clear_requests();
        client
    }

    pub(super) async fn of(world: World) -> Self {
        Self::start(Options::default(), world).await
    }

    pub(super) async fn grant(&self) -> Value {
        let credentials = self.simulator.credentials();
        let form = [("grant_type", "account_credentials"), ("account_id", credentials.account_id.as_str())];
        let answer = self
            .http
            .post(self.simulator.token_url())
            .basic_auth(&credentials.client_id, Some(&credentials.client_secret))
            .form(&form)
            .send()
            .await
            .unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    pub(super) async fn send(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}{path}", self.simulator.api_url());
        self.http.get(url).bearer_auth(&self.token).send().await
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.send(path).await.unwrap();
        assert!(answer.headers().contains_key("x-zm-trackingid"));
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// The status and Zoom's code.
    pub(super) async fn refusal(&self, path: &str) -> (u16, i64) {
        let (status, body) = self.get(path).await;
        (status, body["code"].as_i64().unwrap_or_default())
    }
}

#[tokio::test]
async fn a_listing_is_paged_to_its_end() {
    let client = Client::of(World::new().with(instance("abc==", 7))).await;
    let path = "/metrics/meetings/abc%3D%3D/participants?type=past&page_size=3";
    let mut names = Vec::new();
    let mut token = String::new();
    for page in 0..3 {
        let (status, body) = client.get(&format!("{path}&next_page_token={token}")).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            (&body["total_records"], &body["page_size"], &body["page_count"]),
            (&json!(7), &json!(3), &json!(3))
        );
        names.extend(body["participants"].as_array().unwrap().iter().map(|row| row["user_name"].to_string()));
        body["next_page_token"].as_str().unwrap().clone_into(&mut token);
        assert_eq!(token.is_empty(), page == 2);
    }
    names.dedup();
    assert_eq!(names.len(), 7);
    assert_eq!(client.simulator.count(RateLabel::Heavy), 3);
}

#[tokio::test]
async fn a_page_token_dies_young_and_serves_one_request_only() {
    let client = Client::of(World::new().with(instance("abc==", 7))).await;
    let path = "/metrics/meetings/abc==/participants?type=past";
    let (_, body) = client.get(&format!("{path}&page_size=3")).await;
    let token = body["next_page_token"].as_str().unwrap();
    let same = format!("{path}&page_size=3&next_page_token={token}");
    assert_eq!(client.refusal(&format!("{path}&page_size=4&next_page_token={token}")).await, (400, 300));
    assert_eq!(client.refusal(&format!("{path}&page_size=3&next_page_token=made-up")).await, (400, 300));
    assert_eq!(client.get(&same).await.0, 200);
    client.simulator.options(|options| options.clock.set(NOW.plus(Duration::from_secs(901))));
    assert_eq!(client.refusal(&same).await, (400, 300));
}

#[tokio::test]
async fn a_uuid_is_found_only_as_zoom_wants_it_encoded() {
    let world = ["/ab==", "a//b==", "a/b+c==", "ab=="].map(|name| instance(name, 2));
    let client = Client::of(world.into_iter().fold(World::new(), World::with)).await;
    for (segment, found) in [
        ("%2Fab%3D%3D", false),
        ("%252Fab%253D%253D", true),
        ("%25252Fab%25253D%25253D", false),
        ("a%2F%2Fb%3D%3D", false),
        ("a%252F%252Fb%253D%253D", true),
        ("a%2Fb%2Bc%3D%3D", true),
        ("a%252Fb%252Bc%253D%253D", true),
        ("ab%3D%3D", true),
        ("ab%253D%253D", false),
    ] {
        let (status, body) = client.get(&format!("/metrics/meetings/{segment}/participants?type=past")).await;
        assert_eq!(status, if found { 200 } else { 404 }, "{segment}: {body}");
        if !found {
            assert_eq!(body["code"], 3_001);
        }
    }
    let (_, body) = client.get("/past_meetings/%2Fab%3D%3D").await;
    assert_eq!(body["message"], "Meeting does not exist: ab==.");
    client.simulator.options(|options| options.inner_slash_either_way = false);
    assert_eq!(client.refusal("/past_meetings/a%252Fb%252Bc%253D%253D").await, (404, 3_001));
    assert_eq!(
        client.simulator.requests().last().unwrap().target,
        "/v2/past_meetings/a%252Fb%252Bc%253D%253D"
    );
}

#[tokio::test]
async fn one_person_is_listed_by_past_one_alone() {
    let client = Client::of(World::new().with(instance("one==", 1)).with(instance("two==", 2))).await;
    let of = |name: &str, kind: &str| format!("/metrics/meetings/{name}/participants?{kind}");
    assert_eq!(client.refusal(&of("one==", "type=past")).await, (404, 3_001));
    assert_eq!(client.get(&of("one==", "type=pastOne")).await.0, 200);
    assert_eq!(client.refusal(&of("two==", "type=pastOne")).await, (404, 3_001));
    assert_eq!(client.refusal(&of("two==", "")).await, (404, 3_001), "the default type is live");
    assert_eq!(client.refusal("/report/meetings/one==/participants").await, (404, 3_001));
    client.simulator.options(|options| options.one_person_on_past = OnePersonAnswer::BadRequest);
    assert_eq!(client.refusal(&of("one==", "type=past")).await, (400, 3_000));
    client.simulator.options(|options| options.one_person_on_past = OnePersonAnswer::EmptyListing);
    assert_eq!(client.get(&of("one==", "type=past")).await.1["participants"], json!([]));
}

#[tokio::test]
async fn the_registrant_is_there_only_where_it_is_asked_for() {
    let client = Client::of(World::new().with(instance("two==", 2))).await;
    for path in ["/metrics/meetings/two==/participants?type=past", "/report/meetings/two==/participants?a=b"]
    {
        let (_, body) = client.get(path).await;
        assert_eq!(body["participants"][0].get("registrant_id"), None);
        let (_, body) = client.get(&format!("{path}&include_fields=registrant_id")).await;
        assert_eq!(body["participants"][1]["registrant_id"], "registrant1");
    }
}

#[tokio::test]
async fn a_number_stands_for_the_latest_instance() {
    let mut world = World::new().with(instance("old==", 2));
    let mut latest = instance("new==", 3);
    (latest.start, latest.end) = (before(30), Some(before(10)));
    world.add_instance(latest);
    let client = Client::of(world).await;
    let (_, body) = client.get("/past_meetings/85746065432").await;
    assert_eq!(body["uuid"], "new==");
    let (_, body) = client.get("/past_meetings/85746065432/instances").await;
    assert_eq!(
        body,
        json!({ "meetings": [
            { "uuid": "new==", "start_time": "2026-09-21T12:23:20Z" },
            { "uuid": "old==", "start_time": "2026-09-21T10:53:20Z" },
        ] })
    );
    client.simulator.world(|world| world.expire_meeting(algebra()));
    assert_eq!(client.refusal("/past_meetings/85746065432/instances").await, (404, 3_001));
    assert_eq!(client.get("/past_meetings/old==/participants").await.0, 200);
}

#[tokio::test]
async fn ages_and_states_are_refused_as_zoom_does() {
    let day = 24 * 60;
    let mut old = instance("old==", 2);
    (old.start, old.end) = (before(370 * day), Some(before(369 * day)));
    let mut live = instance("live==", 2);
    live.end = None;
    let mut webinar = instance("web==", 2);
    webinar.webinar = true;
    let client = Client::of(World::new().with(old).with(live).with(webinar)).await;
    for path in [
        "/metrics/meetings/old==/participants?type=past",
        "/past_meetings/old==",
        "/report/meetings/old==/participants",
    ] {
        assert_eq!(client.refusal(path).await, (400, 12_702), "{path}");
    }
    assert_eq!(client.refusal("/past_meetings/live==/participants").await, (404, 3_001));
    assert_eq!(client.refusal("/metrics/meetings/live==/participants?type=past").await, (404, 3_001));
    assert_eq!(client.get("/metrics/meetings/live==/participants").await.0, 200);
    assert_eq!(client.refusal("/metrics/meetings/web==/participants?type=past").await, (400, 300));
    assert_eq!(client.refusal("/metrics/meetings/live==/participants?page_size=301").await, (400, 300));
    assert_eq!(client.refusal("/metrics/meetings/live==/participants?type=Past").await, (400, 300));
    assert_eq!(client.refusal("/nothing/here").await, (404, 2_300));
}

#[tokio::test]
async fn the_account_is_listed_by_utc_day_and_type() {
    let mut live = instance("live==", 2);
    live.end = None;
    let client =
        Client::of(World::new().with(instance("one==", 1)).with(instance("two==", 2)).with(live)).await;
    let list = |query: &str| format!("/metrics/meetings?{query}");
    let today = "from=2026-09-21&to=2026-09-21";
    for (kind, expected) in [("past", "two=="), ("pastOne", "one=="), ("live", "live==")] {
        let (_, body) = client.get(&list(&format!("type={kind}&{today}"))).await;
        assert_eq!(body["total_records"], 1, "{kind}");
        assert_eq!(body["meetings"][0]["uuid"], expected);
    }
    let (_, body) = client.get(&list("type=past&from=2026-09-01&to=2026-09-20")).await;
    assert_eq!(body["meetings"], json!([]));
    for wrong in ["", "from=2026-08-01&to=2026-09-21", "from=2026-03-01&to=2026-03-15", "from=x&to=y"] {
        assert_eq!(client.refusal(&list(&format!("type=past&{wrong}"))).await, (400, 300), "{wrong}");
    }
    assert_eq!(client.simulator.count(RateLabel::ResourceIntensive), 8);
}

#[tokio::test]
async fn tokens_scopes_and_plans_are_checked() {
    let mut client = Client::of(World::new().with(instance("two==", 2))).await;
    let path = "/metrics/meetings/two==/participants?type=past";
    client.simulator.options(|options| options.dashboard = false);
    assert_eq!(client.refusal(path).await, (400, 200));
    assert_eq!(client.get("/report/meetings/two==/participants").await.0, 200);

    client.simulator.options(|options| options.clock.set(NOW.plus(Duration::from_hours(1))));
    assert_eq!(client.refusal(path).await, (401, 124));
    client.simulator.options(|options| {
        options.dashboard = true;
        options.scopes = vec!["report:read:list_meeting_participants:admin".to_owned()];
    });
    let granted = client.grant().await;
    assert_eq!(granted["scope"], "report:read:list_meeting_participants:admin");
    assert_eq!(granted["api_url"], client.simulator.url());
    granted["access_token"].as_str().unwrap().clone_into(&mut client.token);
    let (status, body) = client.get(path).await;
    assert_eq!((status, &body["code"]), (400, &json!(4_711)));
    assert!(body["message"].as_str().unwrap().contains("[dashboard:read:list_meeting_participants:admin]"));
}

#[tokio::test]
async fn the_token_endpoint_is_strict() {
    let client = Client::of(World::new()).await;
    let credentials = client.simulator.credentials();
    let post = |body: &'static str, kind: &'static str, secret: String| {
        client
            .http
            .post(client.simulator.token_url())
            .basic_auth(&credentials.client_id, Some(secret))
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .send()
    };
    let good = "grant_type=account_credentials&account_id=SimulatedAccountId0001";
    let form = "application/x-www-form-urlencoded";
    for (body, kind, secret, status, error) in [
        (good, "text/plain", &credentials.client_secret, 400, "unsupported_grant_type"),
        ("grant_type=password", form, &credentials.client_secret, 400, "unsupported_grant_type"),
        (good, form, &"wrong".to_owned(), 401, "invalid_client"),
        (
            "grant_type=account_credentials&account_id=x",
            form,
            &credentials.client_secret,
            400,
            "invalid_request",
        ),
    ] {
        let answer = post(body, kind, secret.clone()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["error"], error);
    }
    assert_eq!(post(good, form, credentials.client_secret.clone()).await.unwrap().status().as_u16(), 200);
}
