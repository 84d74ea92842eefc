//! Whether the keys of a layer exist, and whether their values are of the right kind.

use std::sync::LazyLock;

use figment::value::{Dict, Value};

use super::problem::{Problem, SourceLocation};
use super::schema::Schema;
use super::toml;

/// The tree of all keys with their defaults.
static DEFAULTS: LazyLock<Dict> = LazyLock::new(|| match Value::serialize(Schema::default()) {
    Ok(Value::Dict(_, defaults)) => defaults,
    _ => Dict::new(),
});

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Number,
    Flag,
    Texts,
    Meetings,
    Table,
}

impl Kind {
    fn of_default(key: &str, default: &Value) -> Self {
        match default {
            _ if key == "meetings" => Self::Meetings,
            Value::String(..) | Value::Char(..) => Self::Text,
            Value::Bool(..) => Self::Flag,
            Value::Num(_, number) if number.to_i128().is_some() => Self::Whole,
            // An absent default is a number that the plan decides.
            Value::Num(..) | Value::Empty(..) => Self::Number,
            Value::Array(..) => Self::Texts,
            Value::Dict(..) => Self::Table,
        }
    }

    /// What is wanted, as a noun.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Text => "text in quotes",
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Flag => "true or false",
            Self::Texts => "a list of text in quotes",
            Self::Meetings => "a list of meetings",
            Self::Table => "a section",
        }
    }

    /// What a value for the key may look like, as TOML.
    pub fn example(self, key: &str) -> String {
        match default_of(key) {
            Some(Value::String(_, text)) => match (key, text.as_str()) {
                ("retention.keep", _) => "\"730d\"".to_owned(),
                (_, "") => "\"...\"".to_owned(),
                (_, text) => format!("\"{text}\""),
            },
            Some(Value::Num(_, number)) => match number.to_i128() {
                Some(whole) => whole.to_string(),
                None => number.to_f64().unwrap_or_default().to_string(),
            },
            Some(Value::Bool(_, flag)) => flag.to_string(),
            Some(Value::Array(..)) if self == Self::Meetings => "[\"857 4606 5432\"]".to_owned(),
            Some(Value::Array(_, items)) if !items.is_empty() => {
                let quoted: Vec<String> =
                    items.iter().filter_map(Value::as_str).map(|text| format!("\"{text}\"")).collect();
                format!("[{}]", quoted.join(", "))
            }
            Some(Value::Array(..)) => "[\"...\", \"...\"]".to_owned(),
            Some(Value::Dict(_, keys)) => {
                keys.keys().next().map_or_else(String::new, |key| key.to_uppercase())
            }
            _ => "10".to_owned(),
        }
    }

    fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text, Value::String(..))
            | (Self::Number, Value::Num(..))
            | (Self::Flag, Value::Bool(..))
            | (Self::Meetings, Value::Array(..))
            | (Self::Table, Value::Dict(..)) => true,
            (Self::Whole, Value::Num(_, number)) => number.to_i128().is_some(),
            (Self::Texts, Value::Array(_, items)) => {
                items.iter().all(|item| matches!(item, Value::String(..)))
            }
            _ => false,
        }
    }

    /// Reads the value of an environment variable; lists are separated by commas, or written as in TOML.
    pub fn parse(self, text: &str) -> Option<Value> {
        let trimmed = text.trim();
        match self {
            Self::Text => Some(Value::from(text)),
            Self::Whole => trimmed.parse::<i64>().ok().map(Value::from),
            Self::Number => trimmed.parse::<f64>().ok().map(Value::from),
            Self::Flag => trimmed.parse::<bool>().ok().map(Value::from),
            Self::Texts | Self::Meetings if trimmed.starts_with('[') => {
                toml::parse_value(trimmed).filter(|list| self.accepts(list))
            }
            Self::Texts | Self::Meetings => Some(Value::from(
                trimmed
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(Value::from)
                    .collect::<Vec<_>>(),
            )),
            Self::Table => None,
        }
    }
}

fn default_of(key: &str) -> Option<&'static Value> {
    let mut steps = key.split('.');
    let first = DEFAULTS.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.as_dict()?.get(step))
}

/// What kind of value this key takes; none where there is no such key.
pub(super) fn kind_of(key: &str) -> Option<Kind> {
    default_of(key).map(|default| Kind::of_default(key, default))
}

/// Every key that takes a value, as a path such as `zoom.page_size`.
pub(super) fn all_keys() -> Vec<String> {
    fn walk(prefix: &str, values: &Dict, keys: &mut Vec<String>) {
        for (name, value) in values {
            match value {
                Value::Dict(_, inner) => walk(&format!("{prefix}{name}."), inner, keys),
                _ => keys.push(format!("{prefix}{name}")),
            }
        }
    }
    let mut keys = Vec::new();
    walk("", &DEFAULTS, &mut keys);
    keys
}

/// The keys that someone who wrote this one may have meant; none where nothing is like it.
pub(super) fn nearest(key: &str) -> Vec<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let keys = all_keys();
    let written = last(key);
    let elsewhere: Vec<String> = keys.iter().filter(|known| last(known) == written).cloned().collect();
    if !elsewhere.is_empty() {
        return elsewhere;
    }
    let sections =
        DEFAULTS.iter().filter(|(_, value)| value.as_dict().is_some()).map(|(name, _)| name.clone());
    if let Some(near) = nearest_of(key, keys.iter().cloned().chain(sections)) {
        return vec![near];
    }
    let near = nearest_of(&written, keys.iter().map(|known| last(known)));
    keys.into_iter().filter(|known| Some(last(known)) == near).collect()
}

/// The least different of some words, where one is near enough to be meant.
pub(super) fn nearest_of(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&candidate, word), candidate))
        .filter(|(differences, _)| *differences <= allowed(word))
        .min()
        .map(|(_, candidate)| candidate)
}

fn allowed(word: &str) -> usize {
    (word.chars().count() / 3).clamp(1, 3)
}

/// Keeps what is known and of the right kind; the rest becomes problems.
pub(super) fn check(
    values: Dict,
    location: &dyn Fn(&str) -> SourceLocation,
    problems: &mut Vec<Problem>,
) -> Dict {
    check_section("", values, &DEFAULTS, location, problems)
}

fn check_section(
    prefix: &str,
    values: Dict,
    defaults: &Dict,
    location: &dyn Fn(&str) -> SourceLocation,
    problems: &mut Vec<Problem>,
) -> Dict {
    let mut kept = Dict::new();
    for (name, value) in values {
        let key = format!("{prefix}{name}");
        let problem = |message, hint| Problem { location: location(&key), key: key.clone(), message, hint };
        let Some(default) = defaults.get(&name) else {
            let hint = match nearest(&key).as_slice() {
                [] => "take it out, or look at the keys that `rollcall init` writes".to_owned(),
                near => format!("did you mean `{}`?", near.join("` or `")),
            };
            problems.push(problem("unknown key".to_owned(), hint));
            continue;
        };
        let kind = Kind::of_default(&key, default);
        if !kind.accepts(&value) {
            let message = format!("found {}, wanted {}", found(&value), kind.wanted());
            let hint = match kind {
                Kind::Table => format!("write its keys under [{key}]"),
                _ => format!("write it as `{name} = {}`", kind.example(&key)),
            };
            problems.push(problem(message, hint));
            continue;
        }
        let value = match (value, default) {
            (Value::Dict(tag, inner), Value::Dict(_, defaults)) => {
                Value::Dict(tag, check_section(&format!("{key}."), inner, defaults, location, problems))
            }
            (value, _) => value,
        };
        kept.insert(name, value);
    }
    kept
}

/// What kind of value this is, in words that never hold the value itself.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "true or false",
        Value::Num(_, number) if number.to_i128().is_some() => "a whole number",
        Value::Num(..) => "a number with a fraction",
        Value::Empty(..) => "a date or time",
        Value::Dict(..) => "a table",
        Value::Array(_, items) if items.iter().all(|item| matches!(item, Value::String(..))) => {
            "a list of text"
        }
        Value::Array(..) => "a list that holds something else than text",
    }
}
