//! `docs/logging.md` lists every event that the program logs, and the fields of each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::child::Program;
use crate::crash::simulator;
use crate::harness::Finished;

/// An event in the source: its message, and the names of its fields.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    message: String,
    fields: BTreeSet<String>,
}

/// Every event in a text of Rust.
fn events(source: &str) -> Vec<Event> {
    ["error!(", "warn!(", "info!(", "debug!(", "trace!("]
        .iter()
        .flat_map(|level| {
            source
                .match_indices(&format!("tracing::{level}"))
                .map(|(at, start)| at + start.len())
                .collect::<Vec<_>>()
        })
        .map(|at| event(&source[at..]))
        .collect()
}

/// The event whose arguments begin here.
fn event(text: &str) -> Event {
    let mut arguments = vec![String::new()];
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().unwrap().push(letter);
    }
    let mut event = Event { message: String::new(), fields: BTreeSet::new() };
    for argument in arguments.iter().map(|argument| argument.trim()).filter(|argument| !argument.is_empty()) {
        if let Some(message) = argument.strip_prefix('"') {
            // A line that ends with a backslash goes on at the next letter.
            let lines: Vec<&str> = message.strip_suffix('"').unwrap_or(message).split("\\\n").collect();
            let rest = lines[1..].iter().map(|line| line.trim_start());
            event.message = std::iter::once(lines[0]).chain(rest).collect::<String>().replace("\\\"", "\"");
        } else {
            let name = argument.split('=').next().unwrap_or(argument);
            event.fields.insert(name.trim().trim_start_matches(['%', '?']).to_owned());
        }
    }
    event
}

fn sources(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.push(program.to_owned());
        }
    }
    found
}

#[test]
fn every_event_and_every_field_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/logging.md")).unwrap();
    let found: Vec<Event> = sources(&root.join("src")).iter().flat_map(|source| events(source)).collect();
    assert!(found.len() > 20, "only {} events were found", found.len());
    let mut missing = BTreeSet::new();
    for event in found {
        if !document.contains(&event.message) {
            missing.insert(event.message.clone());
        }
        missing.extend(event.fields.into_iter().filter(|field| !document.contains(&format!("`{field}`"))));
    }
    assert!(missing.is_empty(), "docs/logging.md does not tell of {missing:#?}");
}

/// A collection in which one page of one instance is answered with 503 at first: what it logs, and which instance.
async fn collection_with_a_retry(format: &str, filter: &str) -> (Finished, String) {
    let simulator = simulator().await;
    let uuid = simulator.world(|world| world.instances().nth(4).unwrap().uuid.to_string());
    let fault = format!("html-503,endpoint=metrics-participants,target={uuid},attempts=1");
    simulator.fault(fault.parse().unwrap());
    let program = Program::new(&simulator);
    let config = program.directory().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[log]\nformat = \"{format}\"\n")).unwrap();
    let mut command = program.command(&["collect"]);
    command.env("ROLLCALL_LOG", filter);
    (program.finish(command).await, uuid)
}

/// The one line about it.
fn retry(finished: &Finished) -> &str {
    let lines =
        finished.stderr.lines().filter(|line| line.contains("a request to Zoom failed and is repeated"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{}", finished.stderr);
    lines[0]
}

#[tokio::test]
async fn a_retry_deep_in_the_client_tells_whose_it_was() {
    for filter in ["debug", "rollcall::zoom=debug"] {
        let (finished, uuid) = collection_with_a_retry("text", filter).await;
        let line = retry(&finished);
        assert!(line.contains("run{run_id=1 trigger=manual}:instance{"), "{line}");
        assert!(line.contains(&format!("uuid={uuid} meeting=")), "{line}");
        let (finished, uuid) = collection_with_a_retry("json", filter).await;
        let line: serde_json::Value = serde_json::from_str(retry(&finished)).unwrap();
        assert_eq!(line["spans"][0], serde_json::json!({"name": "run", "run_id": 1, "trigger": "manual"}));
        assert_eq!(
            (&line["spans"][1]["name"], &line["spans"][1]["uuid"]),
            (&"instance".into(), &uuid.into())
        );
    }
}

#[test]
fn an_event_is_read_with_its_fields() {
    let source = "tracing::info!(rows, took = f(1, \"a\"), %meeting, \"{rows} rows (of\\\n   many)\");";
    let fields = ["meeting", "rows", "took"].map(str::to_owned).into();
    assert_eq!(events(source), [Event { message: "{rows} rows (ofmany)".to_owned(), fields }]);
    assert_eq!(events("debug!(\"none\")"), []);
}
