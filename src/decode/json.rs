//! JSON of any shape that keeps every number as it was sent: `1.10` stays that, and no digit of a long one is lost.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

/// Deeper JSON is no answer of Zoom's.
const DEPTH: usize = 127;

/// A JSON value; written out, it has no blanks between its parts, and the names of its objects are in order.
#[derive(Debug)]
pub(crate) enum Json<'a> {
    /// A number, `true`, `false` or `null`, as it was sent.
    Plain(&'a str),
    Text(String),
    List(Vec<Json<'a>>),
    Object(BTreeMap<String, Json<'a>>),
}

impl<'a> Json<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        Self::of(serde_json::from_str::<&RawValue>(text)?.get(), DEPTH)
    }

    fn of(text: &'a str, depth: usize) -> Result<Self, serde_json::Error> {
        let deeper =
            || depth.checked_sub(1).ok_or_else(|| serde::de::Error::custom("it is nested too deeply"));
        Ok(match text.as_bytes().first() {
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b'[') => {
                let depth = deeper()?;
                let list: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::List(list.into_iter().map(|raw| Self::of(raw.get(), depth)).collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let depth = deeper()?;
                let map: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let pair = |(name, raw): (String, &'a RawValue)| Ok((name, Self::of(raw.get(), depth)?));
                Self::Object(map.into_iter().map(pair).collect::<Result<_, serde_json::Error>>()?)
            }
            _ => Self::Plain(text),
        })
    }

    /// Every text and number in it, however deep, names of fields included.
    pub(crate) fn texts(&self, texts: &mut Vec<String>) {
        match self {
            Self::Text(text) => texts.push(text.clone()),
            Self::Plain("null" | "true" | "false") => {}
            Self::Plain(number) => texts.push((*number).to_owned()),
            Self::List(list) => list.iter().for_each(|value| value.texts(texts)),
            Self::Object(map) => map.iter().for_each(|(name, value)| {
                texts.push(name.clone());
                value.texts(texts);
            }),
        }
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => formatter.write_str(text),
            Self::Text(text) => formatter.write_str(&quoted(text)),
            Self::List(list) => {
                formatter.write_str("[")?;
                for (at, value) in list.iter().enumerate() {
                    write!(formatter, "{}{value}", comma(at))?;
                }
                formatter.write_str("]")
            }
            Self::Object(map) => write_object(formatter, map),
        }
    }
}

pub(super) fn write_object<N: AsRef<str>, V: fmt::Display>(
    to: &mut impl fmt::Write,
    fields: impl IntoIterator<Item = (N, V)>,
) -> fmt::Result {
    to.write_str("{")?;
    for (at, (name, value)) in fields.into_iter().enumerate() {
        write!(to, "{}{}:{value}", comma(at), quoted(name.as_ref()))?;
    }
    to.write_str("}")
}

fn comma(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_it_was_sent() {
        for text in [
            "1.10",
            "-0",
            "1E3",
            "1e400",
            "12345678901234567890123",
            "null",
            r#""\u001b""#,
            r#"{"a":[1.10,{"b":0.1000000000000000055,"c":null}],"d":{}}"#,
        ] {
            assert_eq!(Json::parse(text).unwrap().to_string(), text);
        }
        let text = "\n{ \"b\" : [ 1.0 , 2 ] , \"a\" : \"\\u00e9 \" }";
        assert_eq!(Json::parse(text).unwrap().to_string(), r#"{"a":"é ","b":[1.0,2]}"#);
    }

    #[test]
    fn what_is_nested_too_deeply_is_an_error() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(DEPTH)).is_ok());
        assert!(Json::parse(&nested(DEPTH + 1)).is_err());
        assert!(Json::parse(&nested(100_000)).is_err());
    }

    #[test]
    fn its_texts_and_numbers_are_found_however_deep() {
        let mut texts = Vec::new();
        let text = r#"{"a":[12345678901234567890123,true,null,{"b":"c"}]}"#;
        Json::parse(text).unwrap().texts(&mut texts);
        assert_eq!(texts, ["a", "12345678901234567890123", "b", "c"]);
    }
}
