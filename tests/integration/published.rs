//! Zoom's published example of the participants' endpoint, served as Zoom would, and read back field by field.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use chrono::{DateTime, SecondsFormat, Utc};
use rollcall::clock::Clock;
use serde_json::{Map, Value, json};

use crate::harness::{Desk, HOUR, rows};

/// The two rows of the example: the facts of Zoom's API reference for
/// `GET /metrics/meetings/{meetingId}/participants`.
fn example() -> Value {
    json!({
        "page_count": 1,
        "page_size": 30,
        "total_records": 2,
        "next_page_token": "",
        "participants": [waiting(), admitted()],
    })
}

fn waiting() -> Value {
    json!({
        "id": "d52f19c548b88490b5d16fcbd38",
        "user_id": "32dsfsd4g5gd",
        "user_name": "dojo",
        "device": "WIN",
        "ip_address": "127.0.0.1",
        "location": "New York",
        "network_type": "Wired",
        "microphone": "Plantronics BT600",
        "camera": "FaceTime HD Camera",
        "speaker": "Plantronics BT600",
        "data_center": "SC",
        "full_data_center": "United States;United States (US03_SC CRC)",
        "connection_type": "P2P",
        "join_time": "2019-09-07T13:15:02.837Z",
        "leave_time": "2019-09-07T13:15:09.837Z",
        "share_application": false,
        "share_desktop": true,
        "share_whiteboard": true,
        "recording": false,
        "status": "in_waiting_room",
        "pc_name": "dojo's pc",
        "domain": "Dojo-workspace",
        "mac_addr": " 00:0a:95:9d:68:16",
        "harddisk_id": "sed proident in",
        "version": "4.4.55383.0716",
        "leave_reason": "Dojo left the meeting.<br>Reason: Host ended the meeting.",
        "role": "host",
    })
}

fn admitted() -> Value {
    json!({
        "id": "z8aaaaaaCfp8uQ",
        "user_id": "1670000000",
        "user_name": "Rea",
        "device": "Android",
        "ip_address": "120.000.000",
        "location": "San Jose (US)",
        "network_type": "Wifi",
        "data_center": "SC",
        "full_data_center": "United States;United States (US03_SC CRC)",
        "connection_type": "UDP",
        "join_time": "2019-08-02T15:31:48Z",
        "leave_time": "2019-08-02T16:04:12Z",
        "share_application": false,
        "share_desktop": false,
        "share_whiteboard": false,
        "recording": false,
        "pc_name": "Rea's PC",
        "domain": "Rea-workspace",
        "mac_addr": "",
        "harddisk_id": "",
        "version": "4.4.55383.0716",
        "leave_reason": "Rea left the meeting.<br>Reason: Host closed the meeting.",
        "sip_uri": "sip:sipp@10.100.112.140:11029",
        "from_sip_uri": "sip:sipp@10.100.112.140:11029",
        "role": "host",
    })
}

const UUID: &str = "Dkgwu8nm/ExG1vM+GhLRhA==";

/// A server that answers as Zoom does for a meeting held once, with this listing; its base URL.
async fn serve(listing: Value) -> String {
    let start = Clock::system().now().minus(2 * HOUR);
    let held = json!({ "meetings": [{ "uuid": UUID, "start_time": start.to_string() }] });
    let described = json!({
        "uuid": UUID, "id": 85_746_065_432_i64, "topic": "Algebra I", "user_name": "Imani Okafor",
        "user_email": "imani@example.com", "start_time": start.to_string(), "end_time": start.plus(HOUR).to_string(),
    });
    let text = |value: Value| move || async move { value.to_string() };
    let token = json!({ "access_token": "a", "token_type": "bearer", "expires_in": 3600, "scope": "", "api_url": "" });
    let participants = move |Path(id): Path<String>| async move {
        if id == UUID { Ok(listing.to_string()) } else { Err(StatusCode::NOT_FOUND) }
    };
    let router = Router::new()
        .route("/oauth/token", post(text(token)))
        .route("/v2/past_meetings/{id}/instances", get(text(held)))
        .route("/v2/past_meetings/{id}", get(text(described)))
        .route("/v2/metrics/meetings/{id}/participants", get(participants));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn collected(listing: Value) -> Desk {
    let url = serve(listing).await;
    let desk =
        Desk::at_zoom(&format!("{url}/v2"), &format!("{url}/oauth/token"), "meetings = [\"857 4606 5432\"]");
    let finished = desk.run(&["collect"]).await;
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("2 rows, 2 new"), "{finished:?}");
    desk
}

/// The row of the view `participants` as a JSON object of what is not NULL.
async fn read_back(desk: &Desk, user_name: &str, fields: &Map<String, Value>) -> Map<String, Value> {
    let names: Vec<String> = fields.keys().map(|name| format!("'{name}', {name}")).collect();
    let sql =
        format!("SELECT json_object({}) FROM participants WHERE user_name = '{user_name}'", names.join(", "));
    let found = rows(&desk.database().await, &sql).await;
    assert_eq!(found.len(), 1, "{user_name}: {found:?}");
    serde_json::from_str(&found[0]).unwrap()
}

/// What the view shows for a value of the answer, as the contract says it.
fn shown(field: &str, sent: &Value) -> Value {
    match sent {
        Value::Bool(flag) => Value::from(i64::from(*flag)),
        Value::String(text) if text.trim().is_empty() => Value::Null,
        Value::String(text) if field.ends_with("_time") => {
            let instant: DateTime<Utc> = text.parse().unwrap();
            Value::from(instant.to_rfc3339_opts(SecondsFormat::Millis, true))
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_field_of_zooms_example_is_readable_under_its_own_name() {
    let desk = collected(example()).await;
    for (user_name, sent) in [("dojo", waiting()), ("Rea", admitted())] {
        let fields = sent.as_object().unwrap();
        let stored = read_back(&desk, user_name, fields).await;
        assert_eq!(stored.len(), fields.len());
        for (field, value) in fields {
            assert_eq!(stored[field], shown(field, value), "{user_name}.{field}");
        }
    }
    let database = desk.database().await;
    // Nothing of it has no column.
    assert_eq!(rows(&database, "SELECT count(extra), count(*) FROM participants").await, ["0|2"]);
    assert_eq!(
        rows(&database, "SELECT mac_addr, join_time, seconds FROM participants WHERE user_name = 'dojo'")
            .await,
        [" 00:0a:95:9d:68:16|2019-09-07T13:15:02.837Z|7"]
    );
    assert_eq!(
        rows(&database, "SELECT mac_addr IS NULL, harddisk_id IS NULL, status IS NULL, email IS NULL FROM participants WHERE user_name = 'Rea'").await,
        ["1|1|1|1"]
    );
}

#[tokio::test]
async fn who_only_waited_in_zooms_example_was_not_present() {
    let desk = collected(example()).await;
    let database = desk.database().await;
    assert_eq!(
        rows(
            &database,
            "SELECT name, joins, seconds_present, seconds_waiting, first_join IS NULL, matched_by FROM attendance WHERE name = 'dojo'"
        )
        .await,
        ["dojo|0|0|7|1|zoom_user"]
    );
    assert_eq!(rows(&database, "SELECT joins FROM attendance WHERE name = 'Rea'").await, ["1"]);
    assert_eq!(rows(&database, "SELECT people, peak, rows_stored FROM meetings_held").await, ["1|1|2"]);
}

#[tokio::test]
async fn what_zoom_does_not_document_is_kept_beside_it() {
    let mut row = admitted();
    let fields = row.as_object_mut().unwrap();
    fields.insert("health".to_owned(), json!("Good"));
    fields.insert("groupId".to_owned(), json!(""));
    fields.insert("audio_call".to_owned(), json!([{ "call_number": "+1", "call_type": "call-in" }]));
    fields.insert("has_archiving".to_owned(), json!(false));
    fields.insert("leave_time".to_owned(), json!("soon"));
    fields.insert("user_id".to_owned(), json!(1_670_000_000));
    let desk = collected(json!({ "participants": [row, waiting()], "next_page_token": null })).await;
    let database = desk.database().await;
    let found = rows(
        &database,
        "SELECT extra FROM participants WHERE user_name = 'Rea' AND leave_time IS NULL AND user_id = '1670000000'",
    )
    .await;
    let extra: Value = serde_json::from_str(&found[0]).unwrap();
    assert_eq!(
        extra,
        json!({
            "health": "Good", "audio_call": [{ "call_number": "+1", "call_type": "call-in" }],
            "has_archiving": false, "leave_time": "soon",
        })
    );
}
