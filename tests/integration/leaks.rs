//! Nothing that the program says of itself holds a secret, a token, or anything about a participant.

use rollcall::clock::Clock;
use rollcall::simulator::{Fault, Options, Simulator, World};

use crate::harness::{Desk, HOUR, guests, lecture, stay};

const SECRET: &str = "SimulatedClientSecretThatOpensNothing";

#[tokio::test]
async fn neither_secrets_nor_people_are_in_logs_errors_status_or_help() {
    let now = Clock::system().now();
    let mut instance = guests(lecture("leak==", now, 2 * HOUR), 2);
    let known = stay(&instance, 7)
        .signed_in("zoomUserIdOfAda", "ada.lovelace@example.com")
        .with("user_name", "Ada Lovelace")
        .with("ip_address", "192.0.2.77")
        .with("pc_name", "adas-computer");
    instance = instance.with_session(known);
    let zoom = Simulator::start(Options::default(), World::new().with(instance)).await.unwrap();
    let meetings = "meetings = [85746065432]";
    let desk = Desk::at_simulator(&zoom, meetings);
    let mut said = String::new();
    for fault in [
        None,
        Some("not-json,attempts=1-1"),
        Some("token-401,attempts=1-8"),
        Some("html-403"),
        Some("scope-104"),
    ] {
        zoom.clear_faults();
        if let Some(fault) = fault {
            zoom.fault(fault.parse::<Fault>().unwrap());
        }
        for arguments in [
            &["collect", "-vvvv"][..],
            &["check", "-vvvv"],
            &["backfill", "--from", "2020-01-01", "--force", "-vvvv"],
            &["status"],
            &["status", "--json"],
        ] {
            let finished = desk.run(arguments).await;
            said += &finished.stdout;
            said += &finished.stderr;
        }
    }
    for arguments in [&["--help"][..], &["collect", "--help"], &["report", "attendance", "--help"]] {
        said += &desk.run(arguments).await.stdout;
    }
    // A config that is wrong beside the secret.
    desk.write("wrong.toml", &format!("{meetings}\n[zoom]\nclient_secret = \"{SECRET}\"\nclient_secrets = \"{SECRET}\"\npage_size = \"{SECRET}\"\n"));
    said += &desk.run(&["collect", "--config", "wrong.toml"]).await.stderr;
    said += &desk.run(&["report", "attendance", "-vvvv"]).await.stderr;

    assert!(said.contains("3 rows") && said.contains("403"), "{said}");
    for private in [
        SECRET,
        "Bearer",
        "access_token",
        "ada.lovelace",
        "Lovelace",
        "192.0.2.77",
        "zoomUserIdOfAda",
        "adas-computer",
        "Guest 0000",
    ] {
        assert!(!said.contains(private), "`{private}` is in:\n{said}");
    }
}
