use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};
use crate::commands::testing::TestEnv;
use crate::store::sample;

impl TestEnv {
    async fn report(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let cli = Cli::parse_from(["rollcall", "report"].iter().chain(arguments));
        let Command::Report(report) = cli.command else { unreachable!("asked for a report") };
        let mut out = Vec::new();
        write_report(&report, &self.config, 120, &mut out).await?;
        Ok(String::from_utf8(out)?)
    }
}

#[tokio::test]
async fn without_a_filter_the_latest_instance_is_shown() {
    let env = TestEnv::new().await;
    let shown = env.report(&["attendance"]).await.unwrap();
    insta::assert_snapshot!(shown, @r"
CS101: Logic (857 4606 5432)
Monday 9 March 2026, 09:42 to 10:30 (48 min), Europe/Berlin

Name          Email              Joined  Left   Present    Share  Late  Notes
──────────────────────────────────────────────────────────────────────────────
Ada Lovelace  ada@example.com    09:42   10:30   48 min  100.0 %        host
Émile Borel   emile@example.org  09:42   10:30   48 min  100.0 %

2 people: 2 present, 0 late. Together 1 h 36 min.
");
}

#[tokio::test]
async fn one_instance_with_all_that_may_be_said_of_a_line() {
    let shown = TestEnv::new().await.report(&["attendance", "--instance", sample::FIRST]).await.unwrap();
    insta::assert_snapshot!(shown, @r"
CS101: Logic (857 4606 5432)
Monday 2 March 2026, 09:00 to 10:30 (1 h 30 min), Europe/Berlin

Name                  Email              Joined  Left      Present    Share    Late  Notes
──────────────────────────────────────────────────────────────────────────────────────────────────────────
=cmd() <script>�[31m                     09:00   10:29  1 h 28 min   98.3 %          3 heads, by name
Ada Lovelace          ada@example.com    09:00   10:30  1 h 30 min  100.0 %          host
Eve                                                          0 min    0.0 %          only waited, by name
Émile Borel (phone)   emile@example.org  09:15   10:30  1 h 15 min   83.3 %  15 min
王小明 👩‍💻             wang@example.com   09:00   09:30      29 min   32.8 %          absent

4 people: 3 present, 1 late, 2 matched by name only. Together 4 h 43 min.
");
}

#[tokio::test]
async fn many_sittings_are_told_apart() {
    let shown =
        TestEnv::new().await.report(&["attendance", "--meeting", "857 4606 5432", "--by", "sitting"]).await;
    insta::assert_snapshot!(shown.unwrap(), @r"
CS101: Logic (857 4606 5432)
Times are those of Europe/Berlin.

Date        Start  Name                  Joined  Left      Present    Share    Late  Notes
──────────────────────────────────────────────────────────────────────────────────────────────────────────
2026-03-02  09:00  =cmd() <script>�[31m  09:00   10:29  1 h 28 min   98.3 %          3 heads, by name
                   Ada Lovelace          09:00   10:30  1 h 30 min  100.0 %          host
                   Eve                                       0 min    0.0 %          only waited, by name
                   Émile Borel (phone)   09:15   10:30  1 h 15 min   83.3 %  15 min
                   王小明 👩‍💻             09:00   09:30      29 min   32.8 %          absent
2026-03-09  09:00  Ada Lovelace          09:00   10:30  1 h 28 min  100.0 %          host
                   Émile Borel           09:05   10:30  1 h 23 min   94.3 %

4 people in 2 sittings: present 5 times, late 1 time, 2 matched by name only. Together 7 h 34 min.
");
}

#[tokio::test]
async fn meetings_say_what_is_not_read() {
    let shown = TestEnv::new().await.report(&["meetings"]).await.unwrap();
    insta::assert_snapshot!(shown, @r"
Times are those of Europe/Berlin.

Date        Start  End    Meeting          Length  People  Peak  Joins  Person time  Notes
──────────────────────────────────────────────────────────────────────────────────────────────────
2026-03-02  09:00  10:30  CS101        1 h 30 min       4     4      4   4 h 43 min
2026-03-09  09:00  09:40  CS101            40 min       2     2      2   1 h 15 min
2026-03-09  09:42  10:30  CS101            48 min       2     2      2   1 h 36 min
2026-03-09  16:00  17:00  Office hour  1 h 00 min                                    not read yet

4 instances, 1 not read. Person time 7 h 34 min.
");
}

#[tokio::test]
async fn one_person_over_all_meetings() {
    let shown = TestEnv::new().await.report(&["person", "--person", "BOREL"]).await.unwrap();
    insta::assert_snapshot!(shown, @r"
CS101: Logic (857 4606 5432)
Times are those of Europe/Berlin.

Date        Start  Name                 Email              Joined  Left      Present    Share    Late  Notes
─────────────────────────────────────────────────────────────────────────────────────────────────────────────
2026-03-02  09:00  Émile Borel (phone)  emile@example.org  09:15   10:30  1 h 15 min   83.3 %  15 min
2026-03-09  09:00  Émile Borel          emile@example.org  09:05   09:40      35 min   87.5 %
2026-03-09  09:42  Émile Borel          emile@example.org  09:42   10:30      48 min  100.0 %

1 person in 3 instances: present 3 times, late 1 time. Together 2 h 38 min.
");
}

#[tokio::test]
async fn programs_get_every_column_of_the_view() {
    let env = TestEnv::new().await;
    let csv = env.report(&["attendance", "--person", "cmd", "--format", "csv"]).await.unwrap();
    insta::assert_snapshot!(csv, @r"
meeting_id,topic,label,instance_uuid,start_time,end_time,local_date,local_start,person_id,name,email,matched_by,role,first_join,last_leave,joins,seconds_present,percent_present,present,seconds_waiting,seconds_late,late,seconds_early,still_in,heads,measured_against,on_roster,roster_group
85746065432,Logic,CS101,LogicFirst/Monday1w==,2026-03-02T08:00:00.000Z,2026-03-02T09:30:00.000Z,2026-03-02,09:00,4,'=cmd() <script>�[31m,,name,attendee,2026-03-02T08:00:30.000Z,2026-03-02T09:29:00.000Z,1,5310,98.3,1,0,30,0,60,0,3,actual,,
");
    let lines = env.report(&["attendance", "--person", "cmd", "--format", "jsonl"]).await.unwrap();
    insta::assert_snapshot!(lines, @r#"
{"meeting_id":85746065432,"topic":"Logic","label":"CS101","instance_uuid":"LogicFirst/Monday1w==","start_time":"2026-03-02T08:00:00.000Z","end_time":"2026-03-02T09:30:00.000Z","local_date":"2026-03-02","local_start":"09:00","person_id":4,"name":"=cmd() <script>�[31m","email":null,"matched_by":"name","role":"attendee","first_join":"2026-03-02T08:00:30.000Z","last_leave":"2026-03-02T09:29:00.000Z","joins":1,"seconds_present":5310,"percent_present":98.3,"present":1,"seconds_waiting":0,"seconds_late":30,"late":0,"seconds_early":60,"still_in":0,"heads":3,"measured_against":"actual","on_roster":null,"roster_group":null}
"#);
    let nothing = env.report(&["absences", "--format", "csv-excel"]).await.unwrap();
    assert_eq!(
        nothing,
        "\u{feff}meeting_id,topic,label,sitting_id,sitting_start,local_date,email,name,roster_group\r\n"
    );
}

#[tokio::test]
async fn the_ending_of_the_file_says_the_form() {
    let env = TestEnv::new().await;
    for (file, format, begins) in [
        ("a.csv", None, "meeting_id,"),
        ("a.JSON", None, "["),
        ("a.jsonl", None, "{"),
        ("a.txt", None, "CS101"),
        ("a.html", None, "<!doctype html>"),
        ("b.csv", Some("json"), "["),
    ] {
        let path = env.directory.path().join(file);
        std::fs::write(&path, "what was there before").unwrap();
        let mut arguments = vec!["attendance", "--output", path.to_str().unwrap()];
        arguments.extend(format.into_iter().flat_map(|format| ["--format", format]));
        assert_eq!(env.report(&arguments).await.unwrap(), "");
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written.starts_with(begins), "{file}: {written}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named() {
    let env = TestEnv::new().await;
    let path = env.directory.path().join("nowhere/a.csv");
    let error = env.report(&["meetings", "--output", path.to_str().unwrap()]).await.unwrap_err();
    assert!(error.to_string().contains("nowhere/a.csv"), "{error}");
}

#[tokio::test]
async fn days_are_those_of_the_reports_zone() {
    let env = TestEnv::new().await;
    let starts = async |from: &str, to: &str| {
        let lines = env.report(&["meetings", "--from", from, "--to", to, "--format", "jsonl"]).await.unwrap();
        lines.lines().count()
    };
    assert_eq!(starts("2026-03-02", "2026-03-02").await, 1);
    assert_eq!(starts("2026-03-03", "2026-03-08").await, 0);
    // 09:00 in Berlin is 08:00 in UTC, and an instant is excluded itself.
    assert_eq!(starts("2026-03-02T08:00:00Z", "2026-03-09T08:00:00Z").await, 1);
    assert_eq!(starts("2026-03-02T08:00:00.001Z", "2026-03-09T09:00:00.001+01:00").await, 1);
}
