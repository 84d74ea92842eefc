//! Every query of `docs/sql-cookbook.md` gives the answer that is printed below it, on the database of the demo.
//!
//! `ROLLCALL_WRITE_ANSWERS=1 cargo test cookbook` writes the answers that it finds into the page.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use rollcall::store::Store;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::harness::{Desk, open};

/// The views, and what else may stand after FROM and JOIN, beside the names that a query gives itself.
const VIEWS: &[&str] = &[
    "participants",
    "attendance",
    "sitting_attendance",
    "sittings",
    "meetings_held",
    "absences",
    "runs",
    "fetches",
    "quota",
    "rejects",
    "identity_conflicts",
];

/// What people are promised.
const QUESTIONS: usize = 30;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/sql-cookbook.md")
}

/// A question with its query and the answer that the page gives.
struct Recipe<'a> {
    question: &'a str,
    query: &'a str,
    answer: &'a str,
}

/// Takes the page apart at its numbered questions.
fn recipes(page: &str) -> Vec<Recipe<'_>> {
    let block = |section: &'static str, text: &'_ str| -> Option<(usize, usize)> {
        let from = text.find(section)? + section.len();
        Some((from, from + text[from..].find("```")?))
    };
    let sections =
        page.split("\n### ").skip(1).map(|section| section.split("\n## ").next().unwrap_or(section));
    sections
        .filter_map(|section| {
            let (from, to) = block("```sql\n", section)?;
            let rest = &section[to + 3..];
            let (start, end) = block("```text\n", rest)?;
            let question = section.lines().next().unwrap_or_default();
            Some(Recipe { question, query: &section[from..to], answer: &rest[start..end] })
        })
        .collect()
}

/// The rows as the page prints them, below the names of the columns; `(no rows)` where there are none.
async fn answer(store: &Store, query: &str) -> String {
    let rows: Vec<SqliteRow> = sqlx::query(AssertSqlSafe(query.to_owned()))
        .fetch_all(store.pool())
        .await
        .unwrap_or_else(|error| panic!("{query}\n{error}"));
    let Some(first) = rows.first() else { return "(no rows)\n".to_owned() };
    let names: Vec<&str> = first.columns().iter().map(sqlx::Column::name).collect();
    let mut text = format!("{}\n", names.join(" | "));
    for row in &rows {
        let cells: Vec<String> = (0..row.len()).map(|at| cell(row, at)).collect();
        writeln!(text, "{}", cells.join(" | ").trim_end()).unwrap();
    }
    text
}

fn cell(row: &SqliteRow, at: usize) -> String {
    let is_real = row.try_get::<f64, _>(at).is_ok() && row.try_get::<i64, _>(at).is_err();
    if is_real {
        return format!("{:?}", row.get::<f64, _>(at));
    }
    row.get_unchecked::<Option<String>, _>(at).unwrap_or_default()
}

/// The tables and views that a query reads, by the words after FROM and JOIN.
fn sources(query: &str) -> BTreeSet<String> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let named = words.iter().enumerate().filter(|(_, word)| matches!(**word, "FROM" | "JOIN"));
    let sources = named.filter_map(|(at, _)| words.get(at + 1));
    let sources = sources.map(|word| word.trim_end_matches([')', ';', ',']).to_owned());
    // What the query defines itself stands before `AS (` or a list of columns.
    let own = |name: &str| query.contains(&format!("{name} AS (")) || query.contains(&format!("{name}("));
    sources.filter(|name| !name.starts_with('(') && !own(name)).collect()
}

#[tokio::test]
async fn every_query_gives_the_answer_that_is_printed_below_it() {
    let page = std::fs::read_to_string(path()).expect("docs/sql-cookbook.md is part of the project");
    let recipes = recipes(&page);
    assert!(recipes.len() >= QUESTIONS, "{} questions", recipes.len());
    let desk = Desk::new();
    assert_eq!(desk.run(&["demo"]).await.status, Some(0));
    let store = open(&desk.path("rollcall-demo.db")).await;
    let writes = std::env::var_os("ROLLCALL_WRITE_ANSWERS").is_some();
    let mut renewed = page.clone();
    let mut wrong = Vec::new();
    for (number, recipe) in recipes.iter().enumerate() {
        assert!(
            recipe.question.starts_with(&format!("{}. ", number + 1)),
            "{} is not {}",
            recipe.question,
            number + 1
        );
        let found = answer(&store, recipe.query).await;
        if found != recipe.answer {
            wrong.push(format!("{}\nprinted:\n{}found:\n{found}", recipe.question, recipe.answer));
            let printed = |answer: &str| format!("{}```\n\n```text\n{answer}```", recipe.query);
            renewed = renewed.replacen(&printed(recipe.answer), &printed(&found), 1);
        }
    }
    store.close().await;
    if writes {
        std::fs::write(path(), renewed).unwrap();
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn the_queries_read_the_public_views_only() {
    let page = std::fs::read_to_string(path()).unwrap();
    for recipe in recipes(&page) {
        let sources = sources(recipe.query);
        assert!(!sources.is_empty(), "{}", recipe.question);
        for source in sources {
            assert!(VIEWS.contains(&source.as_str()), "{}: {source}", recipe.question);
        }
    }
}
