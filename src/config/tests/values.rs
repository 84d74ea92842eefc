//! What is read, and from where.

use super::*;
use crate::model::{GuestScope, Plan};

#[test]
fn the_contract_s_example_is_read() {
    let config = loaded(
        r#"
            meetings = [
              "857 4606 5432",
              93812345678,
              { id = 84512345678, label = "CS101", roster = "rosters/cs101.csv", planned = [{ days = "wed mon", start = "09:00", minutes = 90 }], guests = "instance", present_percent = 50, late_after = "5m", personal = true },
            ]
            [report]
            timezone = "Europe/Berlin"
            [monitoring]
            listen = "localhost:9464"
            [retention]
            keep = "730d"
            "#,
    );
    let ids: Vec<i64> = config.meetings.iter().map(|meeting| meeting.id.get()).collect();
    assert_eq!(ids, [85_746_065_432, 93_812_345_678, 84_512_345_678]);
    let first = &config.meetings[0];
    assert_eq!((first.present_percent, first.late_after), (75.0, Duration::from_mins(10)));
    let third = &config.meetings[2];
    assert_eq!(third.label.as_deref(), Some("CS101"));
    assert_eq!(third.planned[0].days, [chrono::Weekday::Mon, chrono::Weekday::Wed]);
    assert_eq!(third.planned[0].minutes, 90);
    assert_eq!((third.guests, third.present_percent), (GuestScope::Instance, 50.0));
    assert!(third.personal);
    assert_eq!(config.report_timezone, chrono_tz::Tz::Europe__Berlin);
    assert_eq!(config.monitoring.listen.unwrap().to_string(), "127.0.0.1:9464");
    assert_eq!(config.retention_keep, Some(Duration::from_hours(17520)));
}

#[test]
fn paths_are_relative_to_where_they_were_written() {
    let place = ConfigFile::new("meetings = [{ id = 85746065432, roster = \"rosters/a.csv\" }]");
    let config = place.load(&[]).unwrap();
    assert_eq!(config.database.path, place.path("rollcall.db"));
    assert_eq!(config.meetings[0].roster, Some(place.path("rosters/a.csv")));
    let config = place.load(&[("ROLLCALL_DATABASE__PATH", "here.db")]).unwrap();
    assert_eq!(config.database.path, Path::new("here.db"));
    let file = place.path("config.toml");
    let overrides = Overrides { config: Some(&file), database: Some(Path::new("there.db")) };
    let config = Config::load(overrides, [("ROLLCALL_DATABASE__PATH", "here.db")]).unwrap();
    assert_eq!(config.database.path, Path::new("there.db"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let place = ConfigFile::new("meetings = [85746065432]\n[zoom]\nplan = \"pro\"\npage_size = 100\n");
    let config = place
        .load(&[
            ("ROLLCALL_ZOOM__PLAN", "free"),
            ("ROLLCALL_ZOOM__ACCOUNT_ID", "123456789"),
            ("ROLLCALL_ZOOM__CLIENT_ID", "true"),
            ("ROLLCALL_ZOOM__RATE__HEAVY_PER_SECOND", "0.5"),
            ("ROLLCALL_COLLECTION__INCLUDE_LIVE", "true"),
            ("ROLLCALL_COLLECTION__REREADS", "1h, 2d"),
            ("ROLLCALL_MEETINGS", "938 1234 5678, 84512345678"),
            ("ROLLCALL_LOG", "debug"),
            ("ROLLCALLER", "unrelated"),
        ])
        .unwrap();
    assert_eq!(config.zoom.plan, Plan::Free);
    assert_eq!(config.zoom.page_size, 100);
    assert_eq!((config.zoom.account_id.as_str(), config.zoom.client_id.as_str()), ("123456789", "true"));
    assert_eq!(config.zoom.rate.heavy_per_second, Some(0.5));
    assert!(config.collection.include_live);
    assert_eq!(config.collection.rereads, [Duration::from_hours(1), Duration::from_hours(48)]);
    let ids: Vec<i64> = config.meetings.iter().map(|meeting| meeting.id.get()).collect();
    assert_eq!(ids, [93_812_345_678, 84_512_345_678]);
    let tables = [("ROLLCALL_MEETINGS", "[{ id = 84512345678, label = \"CS101\" }]")];
    let config = place.load(&tables).unwrap();
    assert_eq!(config.meetings[0].label.as_deref(), Some("CS101"));
}

#[test]
fn the_file_is_looked_for_in_the_documented_order() {
    let search =
        |environment: &[(&str, &str)]| sources::Environment::new(environment.iter().copied()).search_path();
    assert_eq!(
        search(&[("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/ada")]),
        ["config.toml", "/xdg/rollcall/config.toml", "/etc/rollcall/config.toml"].map(PathBuf::from)
    );
    assert_eq!(search(&[("HOME", "/home/ada")])[1], Path::new("/home/ada/.config/rollcall/config.toml"));

    let place = ConfigFile::new("meetings = [1]");
    place.write("other.toml", "meetings = [2]", 0o600);
    let other = place.path("other.toml");
    let variables = [("ROLLCALL_CONFIG", other.to_str().unwrap())];
    assert_eq!(Config::load(Overrides::default(), variables).unwrap().meetings[0].id.get(), 2);
    let file = place.path("config.toml");
    let explicit = Overrides { config: Some(&file), database: None };
    assert_eq!(Config::load(explicit, variables).unwrap().meetings[0].id, MeetingId::new(1).unwrap());
}

#[test]
fn without_a_file_the_environment_may_say_everything() {
    let nowhere: [(&str, &str); 0] = [];
    let overrides = Overrides { config: None, database: Some(Path::new("x.db")) };
    assert_eq!(Config::load(overrides, nowhere).unwrap().database.path, Path::new("x.db"));
    let config = Config::load(Overrides::default(), [("ROLLCALL_MEETINGS", "85746065432")]).unwrap();
    assert_eq!((config.file, config.meetings.len()), (None, 1));
    // A secret alone says nothing about where the config is.
    let secret_only = [("ROLLCALL_ZOOM__CLIENT_SECRET", "x")];
    assert!(Config::load(Overrides::default(), secret_only).is_err());
    assert_snapshot!(Config::load(Overrides::default(), nowhere).unwrap_err(), @"configuration: no config file was found (looked for config.toml, /etc/rollcall/config.toml); write one with `rollcall init`, or name it with --config or ROLLCALL_CONFIG");
}

#[test]
fn loopback_may_be_plain_http() {
    for url in
        ["http://127.0.0.1:1234/v2", "http://localhost/v2", "http://[::1]:80/v2", "https://a.example/v2"]
    {
        let config = loaded(&format!("[zoom]\napi_url = \"{url}\""));
        assert_eq!(config.zoom.api_url, Some(reqwest::Url::parse(url).unwrap()));
    }
}

#[test]
fn a_config_without_meetings_is_enough_to_read_by() {
    // Whether it is enough to collect by, the commands that collect say.
    assert!(loaded("").warnings.is_empty());
}

#[test]
fn a_file_from_another_editor_is_read() {
    assert_eq!(loaded("\u{feff}meetings = [\r\n  85746065432,\r\n]\r\n").meetings.len(), 1);
}

#[test]
fn a_field_is_dropped_under_all_its_names() {
    let dropped = loaded("[privacy]\ndrop = [\"user_email\", \"name\", \"ip_address\"]\n").privacy_drop;
    assert_eq!(dropped, ["user_email", "name", "ip_address", "user_name", "email"]);
}

#[test]
fn a_field_of_tomorrow_may_be_dropped_and_one_that_may_be_mistyped_is_told() {
    let config = loaded("[privacy]\ndrop = [\"host_email\", \"ip_adress\"]\n");
    assert_eq!(config.privacy_drop, ["host_email", "ip_adress"]);
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("`ip_adress`") && warning.contains("\"ip_address\""), "{warning}");
}
