//! One value of a row: as JSON has it, and as its column wants it.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::field::Kind;
use crate::model::parse_instant;

/// The value of a column.
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
    /// Whether nothing was sent.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The value with no ties to the page it came from.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }
}

/// A JSON value whose scalars are borrowed where they can be.
#[derive(Debug)]
pub(super) enum Raw<'a> {
    Text(Cow<'a, str>),
    Other(Json),
}

impl Raw<'_> {
    /// The value as JSON; none where it says nothing (null, or a blank text).
    pub(super) fn into_json(self) -> Option<Json> {
        match self {
            Self::Other(Json::Null) => None,
            Self::Text(text) => (!is_blank(&text)).then(|| Json::String(text.into_owned())),
            Self::Other(json) => Some(json),
        }
    }
}

/// Reads a value as its column wants it, and what has to go to `extra` because the column cannot hold it.
pub(super) fn read(kind: Kind, raw: Raw<'_>) -> (Value<'_>, Option<Json>) {
    let number = |raw: &Raw<'_>| match raw {
        Raw::Other(Json::Bool(flag)) => Some(i64::from(*flag)),
        Raw::Other(json) => json.as_i64(),
        Raw::Text(text) => match text.trim() {
            "true" => Some(1),
            "false" => Some(0),
            text => text.parse().ok(),
        },
    };
    let value = match (kind, raw) {
        (_, Raw::Other(Json::Null)) => Value::Null,
        (_, Raw::Text(text)) if is_blank(&text) => Value::Null,
        (Kind::Text | Kind::List, Raw::Text(text)) => return clean(text),
        (Kind::Text, Raw::Other(json @ (Json::Number(_) | Json::Bool(_)))) => {
            Value::Text(json.to_string().into())
        }
        (Kind::List, Raw::Other(json)) => return clean(json.to_string().into()),
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

/// Text without control characters and without those that turn the direction of writing around, which could
/// make a name lie on a terminal; the original goes to `extra`.
fn clean(text: Cow<'_, str>) -> (Value<'_>, Option<Json>) {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) || !text.contains(is_harmful) {
        return (Value::Text(text), None);
    }
    let cleaned = text.replace(is_harmful, "\u{fffd}");
    (Value::Text(cleaned.into()), Some(Json::String(text.into_owned())))
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw<'de>, E> {
        Ok(Raw::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Raw<'de>, E> {
        Ok(Raw::Other(Json::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw<'de>, E> {
        Ok(Raw::Other(Json::Bool(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw<'de>, E> {
        Ok(Raw::Other(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw<'de>, E> {
        Ok(Raw::Other(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw<'de>, E> {
        Ok(Raw::Other(number.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Raw<'de>, A::Error> {
        Json::deserialize(SeqAccessDeserializer::new(list)).map(Raw::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Raw<'de>, A::Error> {
        Json::deserialize(MapAccessDeserializer::new(map)).map(Raw::Other)
    }
}
