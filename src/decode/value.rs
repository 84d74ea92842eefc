//! One value of a row: as JSON has it, and as its column wants it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use super::field::Kind;
use super::json::{Json, quoted};
use crate::model::{harmless, parse_instant};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing was sent, or a blank.
    #[default]
    Null,
    /// A count, a flag (0 or 1), or milliseconds since the epoch.
    Int(i64),
    /// Text as it was sent, less what must not reach a terminal.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The value with no ties to the page it came from.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }
}

/// A JSON value, borrowed where it can be.
#[derive(Debug)]
pub(super) enum Raw<'a> {
    Null,
    Flag(bool),
    /// With the digits that were sent.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// A list or an object, written as [`Json`] writes it.
    Nested(String),
}

impl<'a> Raw<'a> {
    /// The value with this text.
    pub(super) fn of(value: &'a RawValue) -> Result<Self, serde_json::Error> {
        let text = value.get();
        Ok(match text.as_bytes() {
            [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
                Self::Text(Cow::Borrowed(&text[1..text.len() - 1]))
            }
            [b'"', ..] => Self::Text(Cow::Owned(serde_json::from_str(text)?)),
            [b'[' | b'{', ..] => Self::Nested(Json::parse(text)?.to_string()),
            b"null" => Self::Null,
            b"true" => Self::Flag(true),
            b"false" => Self::Flag(false),
            _ => Self::Number(Cow::Borrowed(text)),
        })
    }

    /// The value as JSON; none where it says nothing (null, or a blank text).
    pub(super) fn into_json(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Null => None,
            Self::Flag(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Self::Number(number) => Some(number),
            Self::Text(text) => (!is_blank(&text)).then(|| quoted(&text).into()),
            Self::Nested(json) => Some(json.into()),
        }
    }
}

/// Reads a value as its column wants it, and what has to go to `extra` because the column cannot hold it.
pub(super) fn read(kind: Kind, raw: Raw<'_>) -> (Value<'_>, Option<Cow<'_, str>>) {
    let number = |raw: &Raw<'_>| match raw {
        Raw::Flag(flag) => Some(i64::from(*flag)),
        Raw::Number(number) => number.parse().ok(),
        Raw::Text(text) => match text.trim() {
            "true" => Some(1),
            "false" => Some(0),
            text => text.parse().ok(),
        },
        Raw::Null | Raw::Nested(_) => None,
    };
    let value = match (kind, raw) {
        (_, Raw::Null) => Value::Null,
        (_, Raw::Text(text)) if is_blank(&text) => Value::Null,
        (Kind::Text | Kind::List, Raw::Text(text)) => return clean(text),
        (Kind::Text, Raw::Number(number)) => Value::Text(number),
        (Kind::Text, Raw::Flag(flag)) => Value::Text(flag.to_string().into()),
        (Kind::List, raw) => return raw.into_json().map_or((Value::Null, None), clean),
        (Kind::Instant, Raw::Text(text)) => match parse_instant(&text) {
            Some(instant) => Value::Int(instant.millis()),
            None => return (Value::Null, Raw::Text(text).into_json()),
        },
        (Kind::Flag, raw) => match number(&raw) {
            Some(flag @ (0 | 1)) => Value::Int(flag),
            _ => return (Value::Null, raw.into_json()),
        },
        (Kind::Count, raw) => match number(&raw) {
            Some(count) => Value::Int(count),
            None => return (Value::Null, raw.into_json()),
        },
        (_, raw) => return (Value::Null, raw.into_json()),
    };
    (value, None)
}

/// Text that is safe to show; where that is not what was sent, the original goes to `extra`.
fn clean(text: Cow<'_, str>) -> (Value<'_>, Option<Cow<'_, str>>) {
    match harmless(&text) {
        Cow::Borrowed(_) => (Value::Text(text), None),
        Cow::Owned(cleaned) => (Value::Text(cleaned.into()), Some(quoted(&text).into())),
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// The quick way: only what is read in one pass without losing a digit; of anything else it makes an error.
impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a whole number, true, false or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Raw<'de>, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw<'de>, E> {
        Ok(Raw::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw<'de>, E> {
        Ok(Raw::Number(number.to_string().into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw<'de>, E> {
        Ok(Raw::Number(number.to_string().into()))
    }
}
