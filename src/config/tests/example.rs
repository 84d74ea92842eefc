//! What `config.example.toml` promises.

use super::*;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

fn keys(text: &str) -> Vec<String> {
    fn walk(prefix: &str, table: &dyn toml_edit::TableLike, keys: &mut Vec<String>) {
        for (name, item) in table.iter() {
            match item.as_table_like() {
                Some(inner) => walk(&format!("{prefix}{name}."), inner, keys),
                None => keys.push(format!("{prefix}{name}")),
            }
        }
    }
    let document = toml_edit::ImDocument::parse(text).unwrap();
    let mut keys = Vec::new();
    walk("", document.as_table(), &mut keys);
    keys.sort();
    keys
}

/// `# key = value` stands for a key that has no default.
fn with_commented_keys() -> String {
    let uncomment = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.split_once(" = ").is_some_and(|(name, _)| shape_of_key(name)) => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

fn shape_of_key(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn it_shows_every_key_and_no_other() {
    let mut known = schema_check::all_keys();
    known.sort();
    assert!(known.len() > 30);
    assert_eq!(keys(&with_commented_keys()), known);
}

#[test]
fn it_shows_the_defaults() {
    let example = format!("{:#?}", loaded(EXAMPLE));
    let defaults = format!("{:#?}", loaded(""));
    let without_directory = |text: &str| {
        let lines =
            text.lines().filter(|line| !line.contains("config.toml") && !line.contains("rollcall.db"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_directory(&example), without_directory(&defaults));
    assert_eq!(loaded(EXAMPLE).database.path.file_name().unwrap(), "rollcall.db");
}

#[test]
fn its_commented_keys_are_good_values_too() {
    let text = with_commented_keys().replace("client_secret = \"\"\n", "");
    let config = loaded(&text);
    assert_eq!(config.zoom.rate.heavy_per_second, Some(40.0));
}

#[test]
fn its_list_of_meetings_can_be_copied() {
    let indented = EXAMPLE.lines().filter_map(|line| line.strip_prefix("#     "));
    let list = indented.take_while(|line| !line.starts_with(']'));
    let indented: Vec<&str> = list.chain(["]"]).collect();
    assert_eq!(loaded(&indented.join("\n")).meetings.len(), 4);
}
