//! The architecture, held by a test: who may import whom, and what there is one place for.
//!
//! The rules read the source, so they hold for code that no test runs. Code that is compiled for tests only is
//! free of them.

mod circles;
mod scanner;
pub(crate) mod source;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use self::circles::{against_layers, circles};
use self::source::{Source, TestModule};

/// Each module of the crate, and the others that it may import, in the order in which data flows.
///
/// What is not written here is forbidden: `zoom` and `store` know nothing of one another, and nobody but
/// `commands` knows `cli` or `config`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("exit", &[]),
    ("shutdown", &["exit"]),
    ("stream", &[]),
    ("telemetry", &["model", "stream"]),
    ("schedule", &["model"]),
    ("plan", &["model"]),
    ("cli", &["model", "schedule"]),
    ("config", &["model", "schedule", "telemetry"]),
    ("zoom", &["clock", "model"]),
    ("decode", &["model"]),
    ("roster", &["model", "schedule"]),
    ("identity", &["decode", "model"]),
    ("attendance", &[]),
    // Its answers are tables of cells; what becomes of them is not its business.
    ("store", &["attendance", "decode", "identity", "model", "plan", "roster"]),
    ("collect", &["clock", "decode", "model", "plan", "store", "zoom"]),
    ("daemon", &["clock", "collect", "model", "schedule", "store"]),
    ("monitoring", &["clock", "model", "store"]),
    ("report", &["model"]),
    ("simulator", &["clock", "model"]),
    ("commands", EVERY_MODULE),
    ("main", EVERY_MODULE),
    // It only says which modules there are.
    ("lib", &[]),
];

/// The layers of modules that have many files, the lowest first: a file or folder imports from its own layer and from
/// those before it. The module's own file bears its name.
const LAYERS: &[(&str, &[&[&str]])] = &[
    (
        "store",
        &[
            &["calendar", "erasure_list", "error", "lists", "script"],
            &["people", "session", "turn"],
            // The open file; what is before it knows a connection at most.
            &["store"],
            &["file", "metrics", "quota", "rosters", "runs", "sources", "sql"],
            &["attendance"],
            &["decisions", "instances", "settings"],
            &["discovery", "ingest", "somebody"],
            &["maintenance", "reports"],
        ],
    ),
    (
        "zoom",
        &[
            &["counters", "encoding", "limits", "sanitize", "throttle", "wire"],
            &["classify", "disposition", "endpoint", "error", "ledger"],
            &["backoff", "limiter", "request", "settings"],
            &["reservation", "token", "transport"],
            &["client"],
            &["api", "paging"],
        ],
    ),
    (
        "config",
        &[
            &["problem", "schema", "toml"],
            &["credentials", "reader", "restart", "schema_check", "secret", "sources", "types"],
            &["config", "meetings", "privacy", "sections", "zoom"],
        ],
    ),
];

const EVERY_MODULE: &[&str] = &["*"];

/// Modules that give the same answer to the same question: no waiting, no files, no clock.
const PURE: &[&str] = &["model", "schedule", "plan", "decode", "identity", "attendance", "report", "roster"];

/// What a pure module has no use for.
const IMPURE: &[&str] = &[
    "axum",
    "reqwest",
    "sqlx",
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "tempfile",
    "tokio",
    "tokio_util",
    "tracing",
];

/// What there are only some places for, and which those are; of two entries that fit, the longer one decides.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("anyhow", &["commands", "main"]),
    ("axum", &["simulator"]),
    ("chrono::Local", &[]),
    ("chrono::Utc::now", &["clock"]),
    ("clap", &["cli", "commands"]),
    ("figment", &["config"]),
    ("hyper", &["monitoring"]),
    ("hyper_util", &["monitoring"]),
    ("reqwest", &["zoom"]),
    // No more than the type of a URL.
    ("reqwest::Url", &["commands", "config", "zoom"]),
    ("sqlx", &["store"]),
    ("std::time::Instant::now", &["clock"]),
    ("std::time::SystemTime::now", &["clock"]),
    ("std::io::stderr", &["stream"]),
    ("std::io::stdout", &["stream"]),
    // Distances in time, as far as the runtime keeps them: tests stop and move that clock, too.
    ("tokio::time::Instant::now", &["zoom", "simulator"]),
];

/// How a statement begins; only `store` speaks to the database.
pub(crate) const SQL: &[&str] = &["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ", "CREATE ", "PRAGMA "];

/// What is against the rules in a file, each with its place; `file` is the path below `src`.
fn violations(file: &str, source: &Source) -> Vec<String> {
    let module = module_of(file);
    let top = top_of(file);
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == top) else {
        return vec![format!("src/{file}:1: MAY_IMPORT does not say what `{top}` may import")];
    };
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| found.push(format!("src/{file}:{line}: {what}"));
    for path in source.paths(&module) {
        let written = path.segments.join("::");
        if let Some(other) = imported(&path.segments)
            && !path.is_imported
            && other != top
            && !allowed.iter().any(|allowed| is_below(&written, &format!("crate::{allowed}")))
            && *allowed != EVERY_MODULE
        {
            report(path.line, format!("`{top}` may not import `{other}` (`{written}`)"));
        }
        if let Some((what, places)) = place_of(&written)
            && !places.contains(&top)
        {
            report(path.line, format!("`{what}` is for {places:?} only, not for `{top}` (`{written}`)"));
        }
        if PURE.contains(&top)
            && let Some(what) = IMPURE.iter().find(|what| is_below(&written, what))
        {
            report(path.line, format!("`{top}` is pure and may not use `{what}` (`{written}`)"));
        }
    }
    for (line, word, next) in source.words() {
        let is_impure = matches!((word, next), ("async" | "await", _) | ("now", Some('(')));
        if PURE.contains(&top) && is_impure {
            report(line, format!("`{top}` is pure: neither `async` nor a clock (`{word}`)"));
        }
    }
    for (line, text) in source.texts() {
        if top != "store" && SQL.iter().any(|start| text.trim_start().starts_with(start)) {
            report(line, format!("SQL is for `store` only, not for `{top}` ({text:?})"));
        }
    }
    found
}

/// The module of the crate that a path leads into.
fn imported(segments: &[String]) -> Option<&str> {
    let is_known = |name: &str| name == "*" || MAY_IMPORT.iter().any(|(module, _)| *module == name);
    match segments {
        [root, module, ..] if root == "crate" && is_known(module) => Some(module),
        _ => None,
    }
}

fn place_of(path: &str) -> Option<&(&'static str, &'static [&'static str])> {
    ONLY_IN.iter().filter(|(what, _)| is_below(path, what)).max_by_key(|(what, _)| what.len())
}

fn is_below(path: &str, what: &str) -> bool {
    path.strip_prefix(what).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// `zoom/pace.rs` is the module `zoom::pace`, and `zoom/mod.rs` is `zoom`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if ["lib", "main"].contains(&path) { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn top_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The program's files, by their paths below `src`.
pub(crate) fn program() -> Vec<(String, Source)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((file, Source::read(&fs::read_to_string(&path).unwrap())));
            }
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    without_tests(files)
}

/// Files of modules that are declared for tests only are no part of the program.
fn without_tests(files: Vec<(String, Source)>) -> Vec<(String, Source)> {
    let tests: HashSet<Vec<String>> = files
        .iter()
        .flat_map(|(file, source)| {
            let module = module_of(file);
            source.test_modules.iter().map(move |test| match test {
                TestModule::Child(name) => [&module[..], slice::from_ref(name)].concat(),
                TestModule::Sibling(name) => {
                    [&module[..module.len().saturating_sub(1)], slice::from_ref(name)].concat()
                }
            })
        })
        .collect();
    let is_test = |file: &str| {
        let module = module_of(file);
        (1..=module.len()).any(|length| tests.contains(&module[..length]))
    };
    files.into_iter().filter(|(file, _)| !is_test(file)).collect()
}

#[test]
fn the_program_keeps_to_its_architecture() {
    let program = program();
    assert!(program.len() > 50, "only {} files were found", program.len());
    let found: Vec<String> = program.iter().flat_map(|(file, source)| violations(file, source)).collect();
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// Modules in which files and folders may need one another still.
const MAY_HAVE_CIRCLES: &[&str] = &["collect", "commands"];

#[test]
fn no_files_and_no_folders_need_one_another() {
    let mut program = program();
    program.retain(|(file, _)| !MAY_HAVE_CIRCLES.contains(&top_of(file)));
    let found = circles(&program);
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

#[test]
fn files_and_folders_keep_to_their_layers() {
    let program = program();
    let found: Vec<String> =
        LAYERS.iter().flat_map(|(folder, layers)| against_layers(folder, layers, &program)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_from_a_higher_layer_is_found() {
    let files = [("s/a.rs", "use super::b;"), ("s/b.rs", ""), ("s/c.rs", "use super::a;")];
    let files = files.map(|(file, text)| (file.to_owned(), Source::read(text)));
    assert_eq!(against_layers("s", &[&["a"], &["b", "c"]], &files), ["src/s/a.rs:1: `s::a` is below `s::b`"]);
    assert_eq!(against_layers("s", &[&["b"], &["a", "c"]], &files), Vec::<String>::new());
    assert_eq!(against_layers("s", &[&["b"], &["a"]], &files), ["`s`: no layer has `c`"]);
}

#[test]
fn a_circle_is_found_with_the_imports_that_make_it() {
    let circles_of = |files: &[(&str, &str)]| {
        circles(
            &files.iter().map(|(file, text)| ((*file).to_owned(), Source::read(text))).collect::<Vec<_>>(),
        )
    };
    for (files, expected) in [
        (
            &[("store/a.rs", "use super::b;"), ("store/b.rs", "\nfn f() { crate::store::a::f() }")][..],
            "`store::a` needs `store::b` (src/store/a.rs:1), `store::b` needs `store::a` (src/store/b.rs:2)",
        ),
        // By way of another.
        (
            &[("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a;")],
            "`a` needs `b` (src/a.rs:1), `b` needs `c` (src/b.rs:1), `c` needs `a` (src/c.rs:1)",
        ),
        // Of folders, though not of files.
        (
            &[
                ("s/x/one.rs", "use crate::s::y::one;"),
                ("s/y/one.rs", ""),
                ("s/y/two.rs", "use crate::s::x::two;"),
                ("s/x/two.rs", ""),
            ],
            "`s::x` needs `s::y` (src/s/x/one.rs:1), `s::y` needs `s::x` (src/s/y/two.rs:1)",
        ),
        // By a name that the parent hands on.
        (
            &[
                ("s/mod.rs", "mod a;\nmod b;\npub use self::b::{B, C as D};"),
                ("s/a.rs", "pub struct A;\nuse super::D;"),
                ("s/b.rs", "use super::a::A;"),
            ],
            "`s::a` needs `s::b` (src/s/a.rs:2), `s::b` needs `s::a` (src/s/b.rs:1)",
        ),
        // A parent that uses its child, which uses it.
        (
            &[("s/mod.rs", "mod a;\nfn f() { a::f() }"), ("s/a.rs", "use super::Parent;")],
            "`s` needs `s::a` (src/s/mod.rs:2), `s::a` needs `s` (src/s/a.rs:1)",
        ),
    ] {
        assert_eq!(circles_of(files), [expected]);
    }
    for files in [
        // A parent that only hands on.
        &[("s/mod.rs", "mod a;\npub use self::a::A;\npub struct S;"), ("s/a.rs", "use super::S;")][..],
        &[("s/a.rs", "use super::b;"), ("s/b.rs", "#[cfg(test)]\nmod tests { use super::super::a; }")],
        &[("s/a.rs", "use super::b;"), ("s/b.rs", "// crate::s::a")],
    ] {
        assert_eq!(circles_of(files), Vec::<String>::new());
    }
}

#[test]
fn what_a_module_reaches_by_way_of_others_is_bounded_too() {
    let reached = |from: &'static str| {
        let mut reached = vec![from];
        let mut at = 0;
        while at < reached.len() {
            let (_, allowed) = MAY_IMPORT.iter().find(|(name, _)| *name == reached[at]).unwrap();
            for name in allowed.iter().map(|path| path.split("::").next().unwrap_or(path)) {
                if !reached.contains(&name) {
                    reached.push(name);
                }
            }
            at += 1;
        }
        reached
    };
    assert!(!reached("zoom").contains(&"store") && !reached("store").contains(&"zoom"));
    for pure in PURE {
        assert!(reached(pure).iter().all(|name| PURE.contains(name)), "{pure}: {:?}", reached(pure));
    }
    let knows = |name: &str, other: &str| {
        MAY_IMPORT.iter().any(|(module, allowed)| *module == name && allowed.contains(&other))
    };
    for (module, _) in MAY_IMPORT {
        assert!(!knows(module, "config") && !knows(module, "cli") && !knows(module, "commands"), "{module}");
    }
}

fn found(file: &str, text: &str) -> Vec<String> {
    violations(file, &Source::read(text))
}

#[test]
fn a_violation_is_found_with_its_place() {
    for (file, text, expected) in [
        ("zoom/pace.rs", "\nuse crate::store::Store;", "src/zoom/pace.rs:2: `zoom` may not import `store`"),
        (
            "zoom/mod.rs",
            "use super::store::Store;\nfn f(store: &Store) {}",
            "src/zoom/mod.rs:1: `zoom` may not import `store`",
        ),
        ("zoom/pace.rs", "use super::super::store;", "src/zoom/pace.rs:1: `zoom` may not import `store`"),
        ("store/mod.rs", "use crate::{model, zoom::Zoom};", "`store` may not import `zoom`"),
        ("store/mod.rs", "fn f() { crate::zoom::f() }", "`store` may not import `zoom`"),
        ("daemon.rs", "use crate::config::Config;", "`daemon` may not import `config`"),
        ("collect.rs", "use crate::cli::Cli;", "`collect` may not import `cli`"),
        ("simulator/mod.rs", "use crate::zoom::Zoom;", "`simulator` may not import `zoom`"),
        ("store/mod.rs", "use crate::report::csv;", "`store` may not import `report`"),
        ("plan/mod.rs", "use crate::*;", "`plan` may not import `*`"),
        ("exit.rs", "text_enum! { A { B = \"b\" } }", "`exit` may not import `model`"),
        ("store/mod.rs", "fn f() { say!(\"x\"); }", "`store` may not import `stream`"),
        ("report/mod.rs", "fn f() { std::io::stdout(); }", "`std::io::stdout` is for"),
        ("novelty.rs", "", "does not say what `novelty` may import"),
        ("plan/mod.rs", "use std::{fmt, fs};", "`plan` is pure and may not use `std::fs`"),
        ("decode/mod.rs", "async fn f() {}", "`decode` is pure"),
        ("report/mod.rs", "fn f(clock: &C) { clock.now(); }", "`report` is pure"),
        ("daemon.rs", "use anyhow::Context;", "`anyhow` is for"),
        ("config/zoom.rs", "use reqwest::{Client, Url};", "`reqwest` is for"),
        ("collect.rs", "fn f() { ::sqlx::query(\"\"); }", "`sqlx` is for"),
        (
            "zoom/mod.rs",
            "use chrono::Utc;\nfn f() { Utc::now(); }",
            "zoom/mod.rs:2: `chrono::Utc::now` is for",
        ),
        (
            "zoom/mod.rs",
            "use std::time::{self as t};\nfn f() { t::SystemTime::now(); }",
            "SystemTime::now` is",
        ),
        (
            "zoom/mod.rs",
            "use std::time::Instant as I;\nfn f() { I::now(); }",
            "`std::time::Instant::now` is for",
        ),
        (
            "daemon.rs",
            "use tokio::time::Instant;\nfn f() { Instant::now(); }",
            "`tokio::time::Instant::now` is",
        ),
        ("report/mod.rs", "const Q: &str = r#\"\nSELECT 1\"#;", "SQL is for `store` only"),
    ] {
        let found = found(file, text);
        assert!(found.len() == 1 && found[0].contains(expected), "{file}: {text}\n{found:?}\n{expected}");
    }
}

#[test]
fn what_only_looks_like_a_violation_is_none() {
    for (file, text) in [
        ("zoom/mod.rs", "//! Unlike crate::store::Store.\n/* crate::store /* nested */ crate::store */"),
        ("zoom/mod.rs", "const T: &str = \"crate::store \\\" crate::store\"; const C: char = '\"';"),
        ("zoom/mod.rs", "use super::pace; mod store; use self::store::Store; fn f<'a>(s: &'a store::S) {}"),
        ("zoom/pace.rs", "use super::store; use tokio::time::Instant; fn f() { Instant::now(); }"),
        ("zoom/mod.rs", "#[cfg(test)]\nmod tests { use crate::store::Store; fn f() { {} } }"),
        ("zoom/mod.rs", "#[cfg(test)]\nuse crate::store::Store;\nuse crate::model::Window;"),
        ("zoom/mod.rs", "struct Z { #[cfg(test)] store: crate::store::Store }"),
        ("plan/mod.rs", "pub fn due(now: Timestamp) -> bool { now > START }"),
        ("commands/report.rs", "use crate::{config, report, store::Store}; use anyhow::bail;"),
        ("config/zoom.rs", "use reqwest::Url; fn f() { Url::parse(\"\"); }"),
        ("main.rs", "use rollcall::commands; fn main() -> anyhow::Result<()> { rollcall::cli::parse() }"),
        ("cli.rs", "const HELP: &str = \"Updates nothing\";"),
    ] {
        assert_eq!(found(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn code_behind_a_test_module_is_part_of_the_program_again() {
    let text = "#[cfg(test)]\nmod tests { use crate::store::A; }\nuse crate::store::B;";
    assert_eq!(
        found("zoom/mod.rs", text),
        ["src/zoom/mod.rs:3: `zoom` may not import `store` (`crate::store::B`)"]
    );
}

#[test]
fn files_of_test_modules_are_no_part_of_the_program() {
    let files = [
        ("zoom/fake.rs", ""),
        ("zoom/mod.rs", "#[cfg(test)]\npub(super) mod fake;\nmod pace;"),
        ("zoom/pace.rs", "#[cfg(test)]\n#[path = \"pace_tests.rs\"]\nmod tests;"),
        ("zoom/pace_tests.rs", ""),
    ];
    let files = files.map(|(file, text)| (file.to_owned(), Source::read(text)));
    let kept: Vec<String> = without_tests(files.into()).into_iter().map(|(file, _)| file).collect();
    assert_eq!(kept, ["zoom/mod.rs", "zoom/pace.rs"]);
}
