//! TOML with its lines: what a file says, and where it says it.

use figment::value::{Dict, Empty, Value};
use toml_edit::{ImDocument, Item, TableLike};

/// A text that was read as TOML.
pub(super) struct Document(ImDocument<String>);

/// Why a text is not TOML.
pub(super) struct SyntaxError {
    /// From 1, where it is known.
    pub line: Option<usize>,
    pub message: String,
}

impl Document {
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        ImDocument::parse(text.to_owned()).map(Self).map_err(|error| SyntaxError {
            line: error.span().map(|span| line_at(text, span.start)),
            message: error.message().trim().replace('\n', ", "),
        })
    }

    pub fn values(&self) -> Dict {
        dict(self.0.as_table())
    }

    /// The line (from 1) of a key such as `meetings[2].planned[0].start`, or of the nearest thing around it.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        let mut item: &Item = self.0.as_item();
        let mut offset = None;
        for step in key.split(['.', '[']) {
            let next = if let Some(index) = step.strip_suffix(']') {
                let next = index.parse::<usize>().ok().and_then(|index| item.get(index));
                if let Some(span) = next.and_then(Item::span) {
                    offset = Some(span.start);
                }
                next
            } else {
                let found = item.as_table_like().and_then(|table| table.get_key_value(step));
                if let Some(span) = found.and_then(|(key, _)| key.span()) {
                    offset = Some(span.start);
                }
                found.map(|(_, next)| next)
            };
            match next {
                Some(next) => item = next,
                None => break,
            }
        }
        offset.map(|offset| line_at(self.0.raw(), offset))
    }
}

/// A value as TOML writes it, such as a list.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    text.parse().ok().map(|value| of_value(&value))
}

fn dict(table: &dyn TableLike) -> Dict {
    table.iter().map(|(name, item)| (name.to_owned(), of_item(item))).collect()
}

fn of_item(item: &Item) -> Value {
    match item {
        Item::None => Value::from(Empty::None),
        Item::Value(value) => of_value(value),
        Item::Table(table) => Value::from(dict(table)),
        Item::ArrayOfTables(tables) => {
            Value::from(tables.iter().map(|table| Value::from(dict(table))).collect::<Vec<_>>())
        }
    }
}

fn of_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(flag) => Value::from(*flag.value()),
        // No key takes one, and figment has no such value.
        toml_edit::Value::Datetime(_) => Value::from(Empty::Unit),
        toml_edit::Value::Array(items) => Value::from(items.iter().map(of_value).collect::<Vec<_>>()),
        toml_edit::Value::InlineTable(table) => Value::from(dict(table)),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
