//! Every SQL statement of the program is one that the database understands.
//!
//! They are read out of the source, so it makes no difference whether a test runs them. What is put together of
//! several texts is put together here, too: of constants by their names, and of what else there is as [`PARTS`] says.

use std::collections::HashMap;

use rollcall::store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _, SqliteConnection,
};

use crate::imports::source::Source;
use crate::imports::{SQL, program};

/// What stands in the place of a name in braces; each value is tried. The name of a constant stands for its text.
const PARTS: &[(&str, &[&str])] = &[
    ("mark", &["1"]),
    ("view", &["attendance", "sitting_attendance"]),
    ("guests", &["guests_of_meeting"]),
    ("column", &["s.session_id", "s.person_id"]),
    ("columns", &["user_name", "MACHINES", "NETWORKS"]),
    ("left", &["left_value"]),
    ("right", &["right_value"]),
    // The lengths of runs, in `store::metrics`.
    ("which", &["CASE WHEN finished_at - started_at <= 1000 THEN '1'"]),
    ("runs", &["run_log"]),
    ("lengths", &["SELECT 'run_seconds', '1', count(*) FROM run_log"]),
    ("buckets", &["SELECT 'run_seconds', '1', count(*) FROM gone"]),
];

/// The files in which statements are made in ways that cannot be told from the text; the tests of the store run them.
const OTHER_WAYS: &[&str] = &[
    "store/ingest/known.rs",
    "store/maintenance/mentions.rs",
    "store/script.rs",
    "store/session/rows.rs",
    "store/session/shared.rs",
];

/// The files in which a filter decides what is asked; `reports::tests::all_filters_at_once` runs every part.
const WITH_FILTERS: &[&str] = &["store/reports.rs", "store/reports/people.rs"];

/// The statements that a text is written for, with parts and the values of rows in their places.
fn statements(text: &str, named: &HashMap<&str, &str>) -> Result<Vec<String>, String> {
    let Some((before, rest)) = text.split_once('{') else {
        return Ok(vec![with_values(text)]);
    };
    let (name, after) = rest.split_once('}').ok_or_else(|| format!("no end of {{{rest}"))?;
    let values: Vec<&str> = match (named.get(name), PARTS.iter().find(|(part, _)| *part == name)) {
        (Some(text), _) => vec![text],
        (None, Some((_, values))) => {
            values.iter().map(|value| named.get(value).unwrap_or(value)).copied().collect()
        }
        (None, None) => return Err(format!("PARTS does not say what stands for {{{name}}}")),
    };
    let mut all = Vec::new();
    for value in values {
        let whole = format!("{before}{value}{after}").replace(&format!("{{{name}}}"), value);
        all.extend(statements(&whole, named)?);
    }
    Ok(all)
}

/// `INSERT INTO t (a, b) VALUES` is the beginning of a statement of many rows; one row is as good.
fn with_values(text: &str) -> String {
    let Some((_, columns)) = text.strip_suffix(" VALUES").and_then(|head| head.rsplit_once('(')) else {
        return text.to_owned();
    };
    let values = vec!["?"; columns.split(',').count()];
    format!("{text} ({})", values.join(", "))
}

async fn wrong_statements(files: &[(String, Source)]) -> (usize, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rollcall.db");
    Store::open(&path).await.unwrap().close().await;
    let mut connection: SqliteConnection =
        SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let named: HashMap<&str, &str> = files.iter().flat_map(|(_, source)| source.named_texts()).collect();
    let (mut count, mut wrong) = (0, Vec::new());
    for (file, source) in files.iter().filter(|(file, _)| !OTHER_WAYS.contains(&file.as_str())) {
        for (line, text) in source.composed_texts(&named) {
            if !SQL.iter().any(|start| text.trim_start().starts_with(start)) {
                continue;
            }
            let found = match statements(&text, &named) {
                Ok(found) => found,
                Err(what) => {
                    wrong.push(format!("src/{file}:{line}: {what}"));
                    continue;
                }
            };
            for statement in found {
                count += 1;
                let text = AssertSqlSafe(statement.clone()).into_sql_str();
                if let Err(error) = (&mut connection).prepare(text).await {
                    wrong.push(format!("src/{file}:{line}: {error}\n{statement}"));
                }
            }
        }
    }
    connection.close().await.unwrap();
    (count, wrong)
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let (count, wrong) = wrong_statements(&program()).await;
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 200, "only {count} were found");
}

#[test]
fn statements_are_put_together_from_filters_in_few_places() {
    let program = program();
    let builds = |source: &Source| source.words().any(|(_, word, _)| word == "QueryBuilder");
    let found: Vec<&str> =
        program.iter().filter(|(_, source)| builds(source)).map(|(file, _)| file.as_str()).collect();
    assert_eq!(found, WITH_FILTERS);
}

#[tokio::test]
async fn a_statement_that_names_what_is_not_there_is_found() {
    for (text, expected) in [
        (
            "fn f() {\n q(\"SELECT naught FROM people\") }",
            "src/store/a.rs:2: error returned from database: (code: 1) no such column",
        ),
        ("const Q: &str = \"DELETE FROM persons\";", "no such table: persons"),
        ("fn f() { q(\"SELECT 1; DELETE FROM persons\") }", "no such table: persons"),
        ("fn f() { g(\"INSERT INTO people (is_guest, name) VALUES\") }", "no column named name"),
        ("const T: &str = \"persons\"; fn f() { format!(\"SELECT * FROM {T}\") }", "no such table: persons"),
        (
            "macro_rules! m { () => { \"persons\" }; } fn f() { concat!(\"SELECT * FROM \", m!()) }",
            "no such table: persons",
        ),
        (
            "fn f() { format!(\"SELECT * FROM {unheard_of}\") }",
            "PARTS does not say what stands for {unheard_of}",
        ),
        ("fn f() { push(\"SELECT * FROM people WHERE person_id = \") }", "incomplete input"),
    ] {
        let files = [("store/a.rs".to_owned(), Source::read(text))];
        let (_, wrong) = wrong_statements(&files).await;
        assert!(wrong.len() == 1 && wrong[0].contains(expected), "{text}\n{wrong:?}\n{expected}");
    }
}
