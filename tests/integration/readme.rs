//! README.md says what is true: its commands run, its configs load, its tables agree with the program.
//!
//! What would need Zoom runs against the simulated one.

mod cli;
mod markdown;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rollcall::clock::Clock;
use rollcall::config::{Config, Overrides};
use rollcall::exit::ExitCode;
use rollcall::roster;
use rollcall::simulator::{Options, Simulator, World};
use rollcall::store::Store;
use rollcall::zoom::Endpoint;

use self::markdown::Block;

/// What only builds and downloads, which the tests themselves have done already, and what has no end, which the
/// daemon's own tests run.
const NOT_RUN: &[&str] = &["cargo test", "cargo install --path .", "rollcall run"];

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("README.md is part of the project")
}

/// An empty directory in which the README is followed, line by line, with the built program and a simulated Zoom.
struct Reader {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
    secret: String,
}

impl Reader {
    fn new(simulator: &Simulator) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let programs = directory.path().join("programs");
        std::fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_rollcall"), programs.join("rollcall")).unwrap();
        let credentials = simulator.credentials();
        let path = std::env::var("PATH").unwrap_or_default();
        let environment = [
            ("PATH", format!("{}:{path}", programs.display())),
            ("HOME", directory.path().display().to_string()),
            ("ROLLCALL_ZOOM__TOKEN_URL", simulator.token_url()),
            ("ROLLCALL_ZOOM__API_URL", simulator.api_url()),
            ("ROLLCALL_ZOOM__ACCOUNT_ID", credentials.account_id),
            ("ROLLCALL_ZOOM__CLIENT_ID", credentials.client_id),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { directory, environment, secret: credentials.client_secret }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a line of the README and answers with what it writes to stdout.
    async fn run(&self, line: &str) -> String {
        let line = if line == "cargo run --release -- demo" { "rollcall demo" } else { line };
        if line.starts_with("sqlite3 ") && !self.has_sqlite3() {
            return self.query(line).await;
        }
        let output = self.shell(line);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{}\n{stdout}\n{stderr}", output.status);
        let secret_file = self.file("zoom-client-secret");
        if line.starts_with("install ") {
            // The reader of the README does this with an editor.
            std::fs::write(secret_file, &self.secret).unwrap();
        }
        stdout
    }

    fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.directory.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.output().unwrap()
    }

    fn has_sqlite3(&self) -> bool {
        self.shell("command -v sqlite3").status.success()
    }

    /// The query of a line `sqlite3 -box FILE "QUERY"`, where that program is missing.
    async fn query(&self, line: &str) -> String {
        let (before, query) = line.trim_end_matches('"').split_once('"').unwrap();
        let file = before.split_whitespace().last().unwrap();
        let store = Store::open_to_read(&self.file(file)).await.unwrap();
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let rows = sqlx::query(query).fetch_all(store.pool()).await.unwrap();
        store.close().await;
        "a row\n".repeat(rows.len())
    }

    /// Takes a config of the README as its own.
    fn configure(&self, toml: &str) {
        let path = self.file("config.toml");
        std::fs::write(&path, toml).unwrap();
        let overrides = Overrides { config: Some(&path), database: None };
        let config = Config::load(overrides, std::iter::empty::<(String, String)>());
        let config = config.unwrap_or_else(|error| panic!("{error}\n{toml}"));
        assert!(!config.meetings.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_it_gets_what_it_shows() {
    let world = World::term(2026, Clock::system().now());
    let simulator = Simulator::start(Options::default(), world).await.unwrap();
    let reader = Reader::new(&simulator);
    let blocks = markdown::blocks(&readme());
    let mut picture = blocks.iter().find(|block| block.language == "text").map(|block| block.text.clone());
    let mut run = 0;
    for Block { language, text } in &blocks {
        match language.as_str() {
            "sh" => {
                for line in markdown::shell_lines(text) {
                    if NOT_RUN.contains(&line.as_str()) {
                        continue;
                    }
                    let output = reader.run(&line).await;
                    if line.contains("demo") {
                        shows(&output, &picture.take().unwrap());
                    }
                    if line.starts_with("sqlite3 ") {
                        assert!(output.lines().count() > 1, "no rows: {line}\n{output}");
                    }
                    run += 1;
                }
            }
            "toml" => reader.configure(text),
            "csv" => {
                let roster = roster::parse(text.as_bytes(), chrono_tz::Tz::UTC).unwrap();
                assert!(roster.members.len() > 1 && roster.problems.is_empty(), "{roster:?}");
            }
            "text" => {}
            other => panic!("README has a block of `{other}`, which nobody checks"),
        }
    }
    assert!(run > 8 && picture.is_none(), "README shows too little to be checked");
    assert!(reader.file("march.csv").exists() && reader.file("attendance.html").exists());
    simulator.shutdown().await;
}

/// Every line of the picture is one of the output, in the same order; `…` stands for any that are left out.
fn shows(output: &str, picture: &str) {
    let mut lines = output.lines();
    for line in picture.lines().filter(|line| *line != "…") {
        assert!(lines.any(|shown| shown.trim_end() == line), "not in the output: {line}\n{output}");
    }
}

#[test]
fn every_command_that_it_mentions_exists() {
    let mentioned = markdown::mentions_of(&readme(), "rollcall ");
    assert!(mentioned.len() > 10, "{mentioned:?}");
    for line in mentioned {
        cli::check(&line).unwrap_or_else(|wrong| panic!("README: `{line}`: {wrong}"));
    }
}

#[test]
fn the_table_of_commands_is_complete() {
    let rows = markdown::first_cells(&readme(), "| command | does |");
    let mut described = BTreeSet::new();
    for row in rows {
        let usage = cli::check(&row).unwrap_or_else(|wrong| panic!("README: `{row}`: {wrong}"));
        assert_eq!(usage.options, cli::options_of(&usage.command), "options in README's row `{row}`");
        assert!(described.insert(usage.command), "README has two rows for `{row}`");
    }
    for command in cli::commands() {
        assert!(described.contains(&command), "README's table of commands lacks `rollcall {command}`");
    }
}

#[test]
fn the_table_of_exit_statuses_is_the_programs() {
    let told: BTreeSet<u8> = markdown::first_cells(&readme(), "| status | means |")
        .iter()
        .map(|cell| cell.parse().expect("a status is a number"))
        .collect();
    assert_eq!(told, ExitCode::ALL.into_iter().map(ExitCode::status).collect());
}

#[test]
fn the_table_of_scopes_is_what_the_endpoints_need() {
    let mut wanted = [
        Endpoint::Instances,
        Endpoint::PastMeeting,
        Endpoint::DashboardParticipants,
        Endpoint::ReportParticipants,
        Endpoint::PastParticipants,
        Endpoint::DashboardMeetings,
        Endpoint::DashboardMeeting,
    ]
    .map(Endpoint::scopes)
    .to_vec();
    for row in markdown::rows(&readme(), "| to read | granular scope | classic scope |") {
        let scope = |cell: usize| row[cell].trim_matches('`').to_owned();
        let (granular, classic) = (scope(1), scope(2));
        let at = wanted.iter().position(|scopes| scopes[0] == granular);
        let scopes = wanted.remove(at.unwrap_or_else(|| panic!("nobody needs {granular}")));
        assert!(scopes.contains(&classic.as_str()), "{classic} does not stand for {granular}");
    }
    assert_eq!(wanted, Vec::<&[&str]>::new(), "README names no scope for these");
}
