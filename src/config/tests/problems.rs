//! What is refused, and in which words.

use super::*;

#[test]
fn an_unknown_key_is_named_with_the_one_that_was_meant() {
    assert_snapshot!(errors("[zoom]\n\npage_sise = 30\n"), @"config.toml:3: zoom.page_sise: unknown key; did you mean `zoom.page_size`?");
    assert_snapshot!(errors("timezone = \"UTC\"\n"), @"config.toml:1: timezone: unknown key; did you mean `report.timezone` or `schedule.timezone`?");
    assert_snapshot!(errors("[databse]\npath = \"x\"\n"), @"config.toml:1: databse: unknown key; did you mean `database`?");
    assert_snapshot!(errors("[zoom]\nfrobnicate = 1\n"), @"config.toml:2: zoom.frobnicate: unknown key; take it out, or look at the keys that `rollcall init` writes");
    assert_snapshot!(errors("meetings = [{ id = 85746065432, lable = \"x\" }]\n"), @"config.toml:1: meetings[0].lable: unknown key; did you mean `label`?");
}

#[test]
fn a_wrong_type_says_what_was_found_and_what_is_wanted() {
    assert_snapshot!(errors(
            "zoom = 1\nmeetings = 85746065432\n[collection]\nlookback = 7\nrereads = \"30m\"\ninclude_live = \"yes\"\n\
             [attendance]\npresent_percent = \"75\"\n[log]\nlevel = 2026-01-01\n[identity]\nshared = [1]\n"
        ), @r#"
the configuration has 8 problems:
  config.toml:1: zoom: found a whole number, wanted a section; write its keys under [zoom]
  config.toml:2: meetings: found a whole number, wanted a list of meetings; write it as `meetings = ["857 4606 5432"]`
  config.toml:4: collection.lookback: found a whole number, wanted text in quotes; write it as `lookback = "7d"`
  config.toml:5: collection.rereads: found text, wanted a list of text in quotes; write it as `rereads = ["30m", "24h"]`
  config.toml:6: collection.include_live: found text, wanted true or false; write it as `include_live = false`
  config.toml:8: attendance.present_percent: found text, wanted a number; write it as `present_percent = 75`
  config.toml:10: log.level: found a date or time, wanted text in quotes; write it as `level = "info"`
  config.toml:12: identity.shared: found a list that holds something else than text, wanted a list of text in quotes; write it as `shared = ["...", "..."]`
"#);
    assert_snapshot!(errors("[zoom]\npage_size = 1.5\nrate = { heavy_per_second = \"fast\" }\n"), @r"
the configuration has 2 problems:
  config.toml:2: zoom.page_size: found a number with a fraction, wanted a whole number; write it as `page_size = 300`
  config.toml:3: zoom.rate.heavy_per_second: found text, wanted a number; write it as `heavy_per_second = 10`
");
}

#[test]
fn impossible_values_are_refused_all_at_once() {
    assert_snapshot!(errors(
            r#"
[database]
path = ""
group = "no such group!"
[zoom]
token_url = "nowhere"
plan = "gold"
source = "reports"
page_size = 301
request_timeout = "0s"
daily_share = 0
rate = { light_per_second = 0, heavy_per_second = nan }
[collection]
discovery = "all"
lookback = "a week"
rereads = ["24h", "30m"]
[schedule]
timezone = "Europe/Berln"
[identity]
shared = [" "]
[attendance]
present_percent = 100.5
[privacy]
drop = ["ip adress", "user_id"]
[monitoring]
listen = "9464"
[log]
level = "loud"
"#
        ), @r#"
the configuration has 20 problems:
  config.toml:3: database.path: the path is empty; name a file, such as "rollcall.db"
  config.toml:4: database.group: this cannot be the name of a system group; give a group that `getent group` shows, or leave it empty
  config.toml:6: zoom.token_url: this is no URL; write it as "https://zoom.us/oauth/token"
  config.toml:7: zoom.plan: `gold` is not known here; choose one of "free", "pro", "business"
  config.toml:8: zoom.source: `reports` is not known here; choose one of "auto", "dashboard", "report", "past_meetings"
  config.toml:9: zoom.page_size: 301 rows a page are not possible; give a number from 1 to 300
  config.toml:10: zoom.request_timeout: `0s` is too short; give at least 1s
  config.toml:11: zoom.daily_share: 0 is no share; give a number above 0 and at most 1, such as 0.8
  config.toml:12: zoom.rate.light_per_second: the limit is not possible; give a number above 0 and at most 10000, or leave it out for the plan's limit
  config.toml:12: zoom.rate.heavy_per_second: the limit is not possible; give a number above 0 and at most 10000, or leave it out for the plan's limit
  config.toml:14: collection.discovery: `all` is not known here; choose one of "listed", "account"
  config.toml:15: collection.lookback: `a week` is not a duration; write a number and a unit, such as "30s", "10m", "24h" or "7d"
  config.toml:16: collection.rereads: the ages do not ascend; put the shortest first, none twice, such as ["30m", "24h"]
  config.toml:18: schedule.timezone: `Europe/Berln` is no time zone; did you mean "Europe/Berlin"?
  config.toml:20: identity.shared: an entry is empty; take it out
  config.toml:22: attendance.present_percent: 100.5 is no percentage; give a number from 0 to 100
  config.toml:24: privacy.drop: `ip adress` cannot be the name of a field; write it as Zoom's API does, such as "ip_address"
  config.toml:24: privacy.drop: `user_id` cannot be dropped: sessions are told apart and measured by it; take it out
  config.toml:26: monitoring.listen: `9464` is no address and port; write it as "127.0.0.1:9464"
  config.toml:28: log.level: `loud` is not known here; choose one of "error", "warn", "info", "debug", "trace"
"#);
}

#[test]
fn a_bad_cron_expression() {
    for (cron, words) in [
        ("*/15 * * * *", "seconds come first"),
        ("0 99 * * * *", "no cron expression"),
        ("@daily", "1 fields"),
        ("0 0 0 30 2 *", "matches no date"),
    ] {
        let text = errors(&format!("[schedule]\ncron = \"{cron}\"\n"));
        assert!(text.contains(words), "{text}");
    }
    assert_snapshot!(errors("[schedule]\ncron = \"*/15 * * * *\"\n"), @r#"config.toml:2: schedule.cron: `*/15 * * * *` has five fields, as a crontab does, and here the seconds come first: `0 */15 * * * *`; write six fields, seconds first, such as "0 */15 * * * *""#);
}

#[test]
fn a_bad_meeting() {
    assert_snapshot!(errors(
            r#"
meetings = [
  "857 4606 543x",
  -1,
  true,
  { label = "no id" },
  85746065432,
  "857 4606 5432",
  { id = 93812345678, personal = "yes", guests = "all", present_percent = 101, late_after = 5, roster = 1, planned = [
      { days = "mon tues wednes", start = "9 o'clock", minutes = 0 },
      { days = "", start = "09:00" },
      { days = "", start = "", minutes = 10 },
      5,
    ] },
]
"#
        ), @r#"
the configuration has 17 problems:
  config.toml:3: meetings[0]: `857 4606 543x` is no meeting ID: digits are wanted, as Zoom shows them, such as 85746065432 or `857 4606 5432`; write it as "857 4606 5432", or as { id = 85746065432, label = "CS101" }
  config.toml:4: meetings[1]: the number is no meeting ID: nine to eleven digits are usual; write it as "857 4606 5432", or as { id = 85746065432, label = "CS101" }
  config.toml:5: meetings[2]: found true or false, wanted a meeting ID, or a table with an `id`; write it as "857 4606 5432", or as { id = 85746065432, label = "CS101" }
  config.toml:6: meetings[3]: the table has no `id`; write it as "857 4606 5432", or as { id = 85746065432, label = "CS101" }
  config.toml:8: meetings[5]: meeting 85746065432 is listed twice, first as meetings[4]; take one of them out
  config.toml:9: meetings[6].roster: found a whole number, wanted text in quotes; write it as roster = "rosters/cs101.csv"
  config.toml:9: meetings[6].guests: `all` is not known here; choose one of "meeting", "instance"
  config.toml:9: meetings[6].present_percent: 101 is no percentage; give a number from 0 to 100
  config.toml:9: meetings[6].late_after: found a whole number, wanted text in quotes; write it as late_after = "10m"
  config.toml:9: meetings[6].personal: found text, wanted true or false; write it as personal = true
  config.toml:10: meetings[6].planned[0].days: `tues` is no day of the week; the days are mon, tue, wed, thu, fri, sat, sun
  config.toml:10: meetings[6].planned[0].start: `9 o'clock` is no time of day; write hours and minutes, such as start = "09:00"
  config.toml:10: meetings[6].planned[0].minutes: wanted a whole number from 1 to 1440; write it as minutes = 90
  config.toml:11: meetings[6].planned[1]: it has no `minutes`; write it as planned = [{ days = "mon wed", start = "09:00", minutes = 90 }]
  config.toml:12: meetings[6].planned[2].days: it names no day; write it as days = "mon wed"
  config.toml:12: meetings[6].planned[2].start: `` is no time of day; write hours and minutes, such as start = "09:00"
  config.toml:13: meetings[6].planned[3]: found a whole number, wanted a table; write it as planned = [{ days = "mon wed", start = "09:00", minutes = 90 }]
"#);
}

#[test]
fn http_is_refused_except_for_loopback() {
    assert_snapshot!(errors(
            "[zoom]\ntoken_url = \"http://zoom.example/oauth/token\"\napi_url = \"http://127.0.0.1.example.com/v2\"\n"
        ), @r"
the configuration has 2 problems:
  config.toml:2: zoom.token_url: plain http to zoom.example would show the access token to the network; use https:// (http:// is for localhost only)
  config.toml:3: zoom.api_url: plain http to 127.0.0.1.example.com would show the access token to the network; use https:// (http:// is for localhost only)
");
    assert_snapshot!(errors(
            "[zoom]\ntoken_url = \"ftp://zoom.us/\"\napi_url = \"https://api.zoom.us\"\n"
        ), @r#"
the configuration has 2 problems:
  config.toml:2: zoom.token_url: `ftp:` is not how Zoom is reached; use https://
  config.toml:3: zoom.api_url: the URL lacks the API's version; end it in /v2, such as "https://api.zoom.us/v2"
"#);
    let with_password = errors("[zoom]\napi_url = \"https://ada:hunter2@api.zoom.us/v2\"\n");
    assert!(!with_password.contains("hunter2"), "{with_password}");
}

#[test]
fn keeping_for_a_shorter_time_than_reading_is_refused() {
    assert_snapshot!(errors("[retention]\nkeep = \"14d\"\n"), @r#"config.toml:2: retention.keep: `14d` is shorter than lookback, the last re-read and seven days together; give at least "15d""#);
    assert_eq!(loaded("[retention]\nkeep = \"15d\"\n").retention_keep, Some(Duration::from_hours(360)));
}

#[test]
fn a_file_that_cannot_be_read() {
    let place = ConfigFile::new("");
    let missing = place.path("missing.toml");
    let load = |path: &Path| {
        let nowhere: [(&str, &str); 0] = [];
        let overrides = Overrides { config: Some(path), database: None };
        place.stable(&Config::load(overrides, nowhere).unwrap_err().to_string())
    };
    assert_snapshot!(load(&missing), @"missing.toml: there is no such file; `rollcall init` writes one");
    std::fs::create_dir(place.path("directory")).unwrap();
    assert_snapshot!(load(&place.path("directory")), @"directory: the file cannot be read (Is a directory (os error 21)); check its permissions, or name another with --config");
    std::fs::write(place.path("latin1.toml"), b"label = \"\xe9\"").unwrap();
    assert_snapshot!(load(&place.path("latin1.toml")), @"latin1.toml: the file is not UTF-8 text; save it as UTF-8");
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    assert_snapshot!(errors("[zoom]\nplan = pro\n"), @r#"config.toml:2: this is not TOML (invalid string, expected `"`, `'`); text needs quotes around it, lists need [ ] and commas"#);
    assert_snapshot!(errors("[zoom]\nplan = \"pro\n"), @"config.toml:2: this is not TOML (invalid basic string); text needs quotes around it, lists need [ ] and commas");
    assert_snapshot!(errors("meetings = [{ id = 1,\n label = \"x\" }]\n"), @"config.toml:1: this is not TOML (invalid inline table, expected `}`); a table in { } must stand on one line, with commas in it");
    assert_snapshot!(errors("[log]\nlevel = \"info\"\nlevel = \"debug\"\n"), @"config.toml:3: this is not TOML (duplicate key `level` in table `log`); take one of them out");
}

#[test]
fn the_environment_is_named_as_the_place() {
    let place = ConfigFile::new("[zoom]\npage_size = 0\nplan = \"gold\"\n");
    assert_snapshot!(place.errors(&[
            ("ROLLCALL_ZOOM__PAGE_SIZE", "many"),
            ("ROLLCALL_ZOOM__PLAN", "silver"),
            ("ROLLCALL_ZOOM__CLINET_ID", "x"),
            ("ROLLCALL_SCHEDULE__ON_START", "perhaps"),
            ("ROLLCALL_MEETINGS", "857x, 93812345678"),
            ("ROLLCALL_NONSENSE_ALTOGETHER", "x"),
            ("ROLLCALL_ZOOM", "x"),
        ]), @r#"
the configuration has 8 problems:
  config.toml:2: zoom.page_size: 0 rows a page are not possible; give a number from 1 to 300
  environment variable ROLLCALL_MEETINGS: meetings[0]: `857x` is no meeting ID: digits are wanted, as Zoom shows them, such as 85746065432 or `857 4606 5432`; write it as "857 4606 5432", or as { id = 85746065432, label = "CS101" }
  environment variable ROLLCALL_NONSENSE_ALTOGETHER: there is no key `nonsense_altogether`; take it out: names are ROLLCALL_, then the section, two underscores and the key
  environment variable ROLLCALL_SCHEDULE__ON_START: the value is not true or false; write it as ROLLCALL_SCHEDULE__ON_START=true
  environment variable ROLLCALL_ZOOM: `zoom` is a section, not a key; add two underscores and a key, as in ROLLCALL_ZOOM__ACCOUNT_ID
  environment variable ROLLCALL_ZOOM__CLINET_ID: there is no key `zoom.clinet_id`; did you mean ROLLCALL_ZOOM__CLIENT_ID?
  environment variable ROLLCALL_ZOOM__PAGE_SIZE: the value is not a whole number; write it as ROLLCALL_ZOOM__PAGE_SIZE=300
  environment variable ROLLCALL_ZOOM__PLAN: zoom.plan: `silver` is not known here; choose one of "free", "pro", "business"
"#);
}
