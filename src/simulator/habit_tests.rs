//! What an account may be like: hosts without a licence, data that comes late and goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{Client, NOW, instance, uuid};
use super::*;

const DESCRIPTIONS: [&str; 2] = ["/past_meetings/two==", "/metrics/meetings/two==?type=past"];

async fn client(options: Options) -> Client {
    Client::start(options, World::new().with(instance("two==", 2))).await
}

fn later(client: &Client, minutes: u64) {
    client.simulator.options(|options| options.clock.set(NOW.plus(Duration::from_mins(minutes))));
}

#[tokio::test]
async fn a_host_without_a_licence_is_refused_wherever_a_meeting_is_asked_for() {
    let other = Host { id: "otherHost".to_owned(), ..Host::default() };
    let world = World::new().with(instance("two==", 2).with_host(other)).with(instance("three==", 3));
    let client = Client::of(world).await;
    let paths = |name: &str| {
        [
            format!("/metrics/meetings/{name}/participants?type=past"),
            format!("/metrics/meetings/{name}?type=past"),
            format!("/report/meetings/{name}/participants"),
            format!("/past_meetings/{name}/participants"),
            format!("/past_meetings/{name}"),
        ]
    };
    client.simulator.world(|world| world.unlicense("otherHost"));
    for (refused, served) in paths("two==").iter().zip(paths("three==")) {
        assert_eq!(client.refusal(refused).await, (400, 200), "{refused}");
        assert_eq!(client.get(&served).await.0, 200, "{served}");
    }
    let (_, listed) = client.get("/past_meetings/85746065432/instances").await;
    assert_eq!(listed["meetings"].as_array().unwrap().len(), 2);
    client.simulator.world(|world| world.license("otherHost"));
    assert_eq!(client.get(&paths("two==")[0]).await.0, 200);
}

#[tokio::test]
async fn an_end_is_told_late() {
    let end_delay = Duration::from_mins(70);
    let absent = client(Options { end_delay, ..Options::default() }).await;
    let blank = client(Options { end_delay, untold_end: UntoldEnd::Start, ..Options::default() }).await;
    for path in DESCRIPTIONS {
        let (_, body) = absent.get(path).await;
        assert_eq!(body.get("end_time"), None, "{path}");
        let (_, body) = blank.get(path).await;
        assert_eq!(body["end_time"], body["start_time"], "{path}");
        assert!(body["duration"] == 0 || body["duration"] == "00:00", "{path}: {body}");
    }
    let rows = "/metrics/meetings/two==/participants?type=past";
    assert_eq!(absent.get(rows).await.1["total_records"], 2);
    for client in [absent, blank] {
        later(&client, 10);
        for path in DESCRIPTIONS {
            assert_eq!(client.get(path).await.1["end_time"], "2026-09-21T11:53:20Z", "{path}");
        }
    }
}

#[tokio::test]
async fn descriptions_tell_how_many_joined() {
    let told = async |of: Instance| -> [Value; 2] {
        let client = Client::of(World::new().with(of)).await;
        let past = client.get("/past_meetings/two==").await.1["participants_count"].clone();
        let listed = client.get("/metrics/meetings?type=past&from=2026-09-21&to=2026-09-21").await.1;
        [past, listed["meetings"][0]["participants"].clone()]
    };
    assert_eq!(told(instance("two==", 4)).await, [json!(4), json!(4)]);
    assert_eq!(told(instance("two==", 0).telling_joins(5)).await, [json!(5), json!(5)]);
}

#[tokio::test]
async fn what_is_gone_is_gone_everywhere() {
    let gone_at = NOW.plus(Duration::from_mins(5));
    let client = Client::of(World::new().with(instance("two==", 2).gone_at(gone_at))).await;
    let rows = "/metrics/meetings/two==/participants?type=past";
    assert_eq!(client.get(rows).await.0, 200);
    later(&client, 5);
    for path in [rows, DESCRIPTIONS[0], DESCRIPTIONS[1], "/past_meetings/85746065432/instances"] {
        assert_eq!(client.refusal(path).await, (404, 3_001), "{path}");
    }
    let (_, list) = client.get("/metrics/meetings?type=past&from=2026-09-21&to=2026-09-21").await;
    assert_eq!(list["meetings"], json!([]));
}

#[tokio::test]
async fn a_start_may_be_blank_where_instances_are_listed() {
    let client = Client::of(World::new().with(instance("two==", 2).listed_without_start())).await;
    for path in
        ["/past_meetings/85746065432/instances", "/metrics/meetings?type=past&from=2026-09-21&to=2026-09-21"]
    {
        assert_eq!(client.get(path).await.1["meetings"][0]["start_time"], "", "{path}");
    }
    for path in DESCRIPTIONS {
        assert_eq!(client.get(path).await.1["start_time"], "2026-09-21T10:53:20Z", "{path}");
    }
}

#[tokio::test]
async fn an_inner_slash_may_want_two_encodings() {
    let client = Client::start(
        Options { inner_slash_twice: true, ..Options::default() },
        World::new().with(instance("a/b==", 2)),
    )
    .await;
    assert_eq!(client.refusal("/past_meetings/a%2Fb%3D%3D").await, (404, 3_001));
    assert_eq!(client.get("/past_meetings/a%252Fb%253D%253D").await.1["uuid"], uuid("a/b==").as_str());
}
