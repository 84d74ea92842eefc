//! Where the configuration comes from: which file, what it says, what the environment says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Value};

use super::problem::{Problem, SourceLocation};
use super::schema_check::{self, Kind};
use super::toml::{Document, SyntaxError};

/// What the names of all environment variables of the configuration begin with.
const PREFIX: &str = "ROLLCALL_";

/// Variables with that prefix that are no keys of the configuration.
const NOT_KEYS: [&str; 2] = ["ROLLCALL_CONFIG", "ROLLCALL_LOG"];

/// The environment, as it was handed in.
pub(super) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    pub fn new<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let named = |(name, value): (K, V)| Some((name.into().into_string().ok()?, value.into()));
        Self(variables.into_iter().filter_map(named).collect())
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The files to look for, the first that exists is read.
    pub fn search_path(&self) -> Vec<PathBuf> {
        let home = || self.path("HOME").map(|home| home.join(".config"));
        let user = self.path("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(home);
        [
            Some(PathBuf::from("config.toml")),
            user.map(|directory| directory.join("rollcall/config.toml")),
            Some(PathBuf::from("/etc/rollcall/config.toml")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// One layer of values, all of keys that exist and of the right kind; what was wrong is in the problems.
#[derive(Default)]
pub(super) struct Layer {
    pub values: Dict,
    /// Taken out of the values, so that it is merged and printed nowhere.
    pub secret: Option<String>,
}

/// Which layer each value came from, for the problems that show only once values are read.
#[derive(Default)]
pub(super) struct Origins {
    file: Option<(PathBuf, Option<Document>)>,
    variables: BTreeMap<String, String>,
}

impl Origins {
    /// Where the value of this key stands.
    pub fn location(&self, key: &str) -> SourceLocation {
        let within = |name: &str| {
            key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((_, variable)) = self.variables.iter().find(|(name, _)| within(name)) {
            return SourceLocation::Environment(variable.clone());
        }
        self.file_location(key)
    }

    /// Where the key stands, or would stand, in the file.
    pub fn file_location(&self, key: &str) -> SourceLocation {
        match &self.file {
            Some((path, document)) => SourceLocation::File {
                path: path.clone(),
                line: document.as_ref().and_then(|document| document.line_of(key)),
            },
            None => SourceLocation::Nowhere,
        }
    }

    /// Whether the value comes from outside the file, so that a relative path is not relative to the file.
    pub fn is_outside_file(&self, key: &str) -> bool {
        self.variables.contains_key(key)
    }
}

/// Reads the file into a layer. Errors of syntax end it: nothing after them can be trusted.
pub(super) fn read_file(path: &Path, origins: &mut Origins, problems: &mut Vec<Problem>) -> Layer {
    origins.file = Some((path.to_owned(), None));
    let whole_file = |message: String, hint: &str| Problem {
        location: SourceLocation::File { path: path.to_owned(), line: None },
        key: String::new(),
        message,
        hint: hint.to_owned(),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    whole_file("there is no such file".to_owned(), "`rollcall init` writes one")
                }
                std::io::ErrorKind::InvalidData => {
                    whole_file("the file is not UTF-8 text".to_owned(), "save it as UTF-8")
                }
                _ => whole_file(
                    format!("the file cannot be read ({error})"),
                    "check its permissions, or name another with --config",
                ),
            });
            return Layer::default();
        }
    };
    let document = match Document::parse(&text) {
        Ok(document) => document,
        Err(SyntaxError { line, message }) => {
            problems.push(Problem {
                location: SourceLocation::File { path: path.to_owned(), line },
                key: String::new(),
                message: format!("this is not TOML ({message})"),
                hint: syntax_hint(&message).to_owned(),
            });
            return Layer::default();
        }
    };
    let values = document.values();
    origins.file = Some((path.to_owned(), Some(document)));
    let location = |key: &str| origins.file_location(key);
    let values = schema_check::check(values, &location, problems);
    split_secret(values)
}

/// Reads all `ROLLCALL_…` variables into a layer.
pub(super) fn read_environment(
    environment: &Environment,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut values = Dict::new();
    for (name, value) in &environment.0 {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if NOT_KEYS.contains(&name.as_str()) {
            continue;
        }
        let key = rest.to_lowercase().replace("__", ".");
        let problem = |message: String, hint: String| Problem {
            location: SourceLocation::Environment(name.clone()),
            key: String::new(),
            message,
            hint,
        };
        let Some(kind) = schema_check::kind_of(&key) else {
            problems.push(problem(format!("there is no key `{key}`"), unknown_variable_hint(&key)));
            continue;
        };
        if kind == Kind::Table {
            problems.push(problem(
                format!("`{key}` is a section, not a key"),
                format!("add two underscores and a key, as in {name}__{}", kind.example(&key)),
            ));
            continue;
        }
        let Some(text) = value.to_str() else {
            problems.push(problem("the value is not UTF-8 text".to_owned(), "give it as UTF-8".to_owned()));
            continue;
        };
        match kind.parse(text) {
            Some(value) => {
                insert(&mut values, &key, value);
                origins.variables.insert(key, name.clone());
            }
            None => problems.push(problem(
                format!("the value is not {}", kind.wanted()),
                format!("write it as {name}={}", kind.example(&key)),
            )),
        }
    }
    split_secret(values)
}

fn unknown_variable_hint(key: &str) -> String {
    let variable = |key: &String| format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
    match schema_check::nearest(key).as_slice() {
        [] => "take it out: names are ROLLCALL_, then the section, two underscores and the key".to_owned(),
        near => format!("did you mean {}?", near.iter().map(variable).collect::<Vec<_>>().join(" or ")),
    }
}

/// What to do about a text that is no TOML, by what the parser says.
fn syntax_hint(message: &str) -> &'static str {
    if message.contains("inline table") {
        "a table in { } must stand on one line, with commas in it"
    } else if message.contains("duplicate key") {
        "take one of them out"
    } else {
        "text needs quotes around it, lists need [ ] and commas"
    }
}

/// Puts a value into the tree, making the sections on its way.
pub(super) fn insert(values: &mut Dict, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            values.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let entry = values.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = entry {
                insert(inner, rest, value);
            }
        }
    }
}

/// Takes the secret out of the values; a section that held nothing else goes too.
fn split_secret(mut values: Dict) -> Layer {
    let Some(Value::Dict(_, zoom)) = values.get_mut("zoom") else { return Layer { values, secret: None } };
    let secret = match zoom.remove("client_secret") {
        Some(Value::String(_, text)) => Some(text).filter(|text| !text.trim().is_empty()),
        _ => None,
    };
    if zoom.is_empty() {
        values.remove("zoom");
    }
    Layer { values, secret }
}
