//! JSON, for programs.

use std::fmt::Write;

use super::{Table, Value};
use crate::model::{drives_a_terminal, is_unseen};

/// The table as one array of objects, an object a line; keys are the column names in the view's order.
///
/// Values are as SQL shows them: numbers are numbers, flags are 0 and 1, what is unknown is null.
pub fn json(table: &Table) -> String {
    array(table) + "\n"
}

/// The array without the line break at its end.
pub(super) fn array(table: &Table) -> String {
    let objects: Vec<String> = objects(table).collect();
    if objects.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", objects.join(",\n")) }
}

/// The same objects without the array, each on a line of its own.
pub fn json_lines(table: &Table) -> String {
    objects(table).map(|object| object + "\n").collect()
}

fn objects(table: &Table) -> impl Iterator<Item = String> {
    let keys: Vec<String> = table.columns.iter().map(|name| json_string(name)).collect();
    table.rows.iter().map(move |row| {
        let members: Vec<String> =
            keys.iter().zip(row).map(|(key, value)| format!("{key}:{}", literal(value))).collect();
        format!("{{{}}}", members.join(","))
    })
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => serde_json::Value::from(*number).to_string(),
        Value::Text(text) => json_string(text),
    }
}

/// A JSON string that holds the text unchanged, with all that a terminal might obey, or not show, as `\u` escapes.
pub fn json_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut escaped = String::with_capacity(quoted.len());
    for character in quoted.chars() {
        if drives_a_terminal(character) || is_unseen(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes every text");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        let text = |text: &str| Value::Text(text.to_owned());
        Table {
            columns: ["name", "joins", "percent_present", "late"].map(str::to_owned).to_vec(),
            rows: vec![
                vec![text("Ada \"A\" <script>"), Value::Integer(2), Value::Real(100.0), Value::Integer(1)],
                vec![text("\u{1b}[31m\u{9b}2J\u{202e}👩‍💻"), Value::Integer(1), Value::Real(66.7), Value::Null],
            ],
        }
    }

    #[test]
    fn an_array_of_objects_in_the_order_of_the_columns() {
        insta::assert_snapshot!(json(&table()), @r#"
        [
        {"name":"Ada \"A\" <script>","joins":2,"percent_present":100.0,"late":1},
        {"name":"\u001b[31m\u009b2J\u202e👩‍💻","joins":1,"percent_present":66.7,"late":null}
        ]
        "#);
        assert_eq!(json(&Table::default()), "[]\n");
    }

    #[test]
    fn one_object_a_line() {
        let lines = json_lines(&table());
        let names: Vec<String> = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].to_string())
            .collect();
        assert_eq!(names.len(), 2);
        assert_eq!(json_lines(&Table::default()), "");
    }

    proptest! {
        #[test]
        fn a_string_comes_back_unchanged(text in any::<String>()) {
            let written = json_string(&text);
            prop_assert!(!written.chars().any(|c| drives_a_terminal(c) || is_unseen(c)));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
