use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};
use crate::commands::support::errors::code_of;
use crate::commands::testing::TestEnv;
use crate::store::{RunLock, sample};

impl TestEnv {
    async fn people(&self, arguments: &[&str]) -> (ExitCode, String) {
        let cli = Cli::parse_from(["rollcall", "people"].iter().chain(arguments));
        let Command::People(options) = cli.command else { unreachable!("asked for people") };
        let clock = Clock::starting_at(sample::at("2026-03-10T12:00:00Z"));
        let mut out = Vec::new();
        let code = match &options {
            People::List(options) => list(options, &self.config, 120, &mut out).await,
            People::Show(options) => show::show(options, &self.config, 120, &mut out).await,
            _ => run(&options, &self.config, &clock, &mut out).await,
        };
        (code.unwrap_or_else(|error| code_of(&error)), String::from_utf8(out).unwrap())
    }
}

#[tokio::test]
async fn people_are_listed_merged_and_parted_again() {
    let env = TestEnv::new().await;
    insta::assert_snapshot!(env.people(&["list"]).await.1, @r"
Id  Names                             Known by           Instances  Last seen
──────────────────────────────────────────────────────────────────────────────────────
 4  =cmd() <script>�[31m              session:5                  1  2026-03-02  guest
 1  Ada Lovelace                      ada@example.com            3  2026-03-09
 3  Eve                               session:4                  1  2026-03-02  guest
 2  Émile Borel, Émile Borel (phone)  emile@example.org          3  2026-03-09
 5  王小明 👩‍💻                         wang@example.com           1  2026-03-02

5 people, 2 known by name only.
");
    let (code, said) = env.people(&["merge", "emile@example.org", "4"]).await;
    assert_eq!(code, ExitCode::Success);
    insta::assert_snapshot!(said, @r###"Decision 1, merge of emile@example.org and guest "=cmd() <script>�[31m": both are person 4 now. `rollcall people undo` takes it back."###);
    insta::assert_snapshot!(env.people(&["list", "--decisions"]).await.1, @r###"
No.  Decision  One                Other                         Made        State
─────────────────────────────────────────────────────────────────────────────────────
  1  merge     emile@example.org  guest "=cmd() <script>�[31m"  2026-03-10  in force
"###);
    let (_, said) = env.people(&["undo"]).await;
    insta::assert_snapshot!(said, @r###"Undid decision 1, the merge of emile@example.org and guest "=cmd() <script>�[31m": they are person 6 and person 4 now."###);
    let (_, listed) = env.people(&["list", "--person", "lovelace", "--format", "jsonl"]).await;
    insta::assert_snapshot!(listed, @r###"{"person_id":1,"guest":0,"names":"[\"Ada Lovelace\"]","identifiers":"[\"ada@example.com\"]","instances":3,"last_seen":"2026-03-09T09:30:00.000Z","may_be":"[]"}"###);
}

#[tokio::test]
async fn what_means_nobody_is_a_wrong_command_line() {
    let env = TestEnv::new().await;
    for arguments in [
        ["merge", "nobody@example.com", "ada@example.com"],
        ["split", "ada@example.com", "ada@example.com"],
        ["merge", "session:x", "ada@example.com"],
    ] {
        assert_eq!(env.people(&arguments).await, (ExitCode::Usage, String::new()), "{arguments:?}");
    }
    assert_eq!(env.people(&["undo"]).await.0, ExitCode::Usage);
}

#[tokio::test]
async fn a_run_is_not_disturbed() {
    let env = TestEnv::new().await;
    let _lock = RunLock::try_acquire(&env.config.database.path).unwrap().unwrap();
    assert_eq!(env.people(&["undo"]).await, (ExitCode::TryLater, String::new()));
    assert_eq!(env.people(&["list"]).await.0, ExitCode::Success, "who only reads need not wait");
}

#[tokio::test]
async fn all_that_is_held_on_a_person_is_shown() {
    let env = TestEnv::new().await;
    let (code, shown) = env.people(&["show", "ADA@example.com"]).await;
    assert_eq!(code, ExitCode::Success);
    insta::assert_snapshot!(shown, @r"
Person (5 lines)
What       Value
───────────────────────────
person_id  1
names      Ada Lovelace
emails     ada@example.com
sessions   3
instances  3

Names (1 line)
Name          Sessions  First                Last
─────────────────────────────────────────────────────────────────
Ada Lovelace         3  2026-03-02 09:00:00  2026-03-09 09:42:00

Identifiers (1 line)
Kind   Value            Sessions
─────────────────────────────────
email  ada@example.com         3

Sessions (3 lines)
Id  Joined               Left                     Meeting  Topic  Name
───────────────────────────────────────────────────────────────────────────────
 1  2026-03-02 09:00:00  2026-03-02 10:30:00  85746065432  Logic  Ada Lovelace
 7  2026-03-09 09:00:00  2026-03-09 09:40:00  85746065432  Logic  Ada Lovelace
 9  2026-03-09 09:42:00  2026-03-09 10:30:00  85746065432  Logic  Ada Lovelace

The same name, email or identifier stands nowhere else.
");
    let (_, json) = env.people(&["show", "lovelace", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["sessions"].as_array().unwrap().len(), 3);
    assert_eq!(json["sessions"][0]["user_name"], "Ada Lovelace");
    assert_eq!(json["identifiers"][0]["value"], "ada@example.com");
    assert_eq!(env.people(&["show", "nobody"]).await, (ExitCode::Usage, String::new()));
    assert_eq!(env.people(&["show", "e"]).await, (ExitCode::Usage, String::new()), "several have one");
}
