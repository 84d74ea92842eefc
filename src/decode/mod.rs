//! From the text of a page to rows of columns: pure, and without a way to lose a row.
//!
//! Every element of `participants` comes out as a [`Row`] or as a [`Reject`]. What Zoom documents goes to a
//! column ([`Field`]); everything else goes to `extra`, so nothing that was sent is forgotten.

mod digest;
mod dropped;
mod field;
mod json;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use self::digest::Digest;
pub(crate) use self::dropped::is_word;
pub use self::dropped::{Dropped, Stripper};
pub(crate) use self::field::StorageTable;
pub use self::field::{Field, Kind};
pub(crate) use self::json::Json;
use self::json::write_object;
pub use self::value::Value;
use self::value::{Raw, read};

/// One row of a listing, borrowed from the text of its page where that is possible.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    values: [Value<'a>; Field::COUNT],
    /// Names and their values as JSON.
    extra: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    surrogate_key: Option<i64>,
}

/// The digests that a row is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowHashes {
    /// Of everything that the row says: equal rows have equal ones.
    pub row: i64,
    /// Of what it shares with others, one for each of [`StorageTable::SHARED`]; none where it tells nothing of it.
    pub shared: [Option<i64>; 6],
}

impl RowHashes {
    /// The digest of what stands in one table of [`StorageTable::SHARED`].
    pub const fn of(&self, table: StorageTable) -> Option<i64> {
        self.shared[table.shared_index()]
    }
}

/// An element of a listing that is no row, verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub reason: String,
    /// The element as it was sent.
    pub content: String,
}

/// What the pages of a listing hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded<'a> {
    /// The rows, in the order in which they were sent.
    pub rows: Vec<Row<'a>>,
    /// What is no row.
    pub rejects: Vec<Reject>,
}

/// Decodes the text of one page and adds what it holds to `decoded`.
///
/// A text that is not JSON adds one reject, so that the counts still tell of it; the client of Zoom's API hands
/// on no such page.
pub fn page<'a>(text: &'a str, decoded: &mut Decoded<'a>) {
    let before = decoded.rows.len();
    // The quick way reads every element as a row in one pass; anything else in the list takes the careful way.
    match serde_json::from_str::<Page<Vec<Row<'a>>>>(text) {
        Ok(page) => decoded.rows.extend(page.participants.unwrap_or_default()),
        Err(_) => careful_page(text, decoded),
    }
    decoded.rows[before..].iter_mut().for_each(Row::finish);
}

fn careful_page<'a>(text: &'a str, decoded: &mut Decoded<'a>) {
    let reject = |reason: String, content: &str| Reject { reason, content: content.to_owned() };
    // The parser's own words may quote what was sent.
    let place = |error: &serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    let list = match serde_json::from_str::<Page<&'a RawValue>>(text) {
        Ok(Page { participants: Some(list) }) => list.get(),
        Ok(Page { participants: None }) => return,
        Err(error) => {
            decoded.rejects.push(reject(format!("the page is not JSON ({})", place(&error)), text));
            return;
        }
    };
    let Ok(elements) = serde_json::from_str::<Vec<&'a RawValue>>(list) else {
        decoded.rejects.push(reject("`participants` is no list".to_owned(), list));
        return;
    };
    for element in elements.into_iter().map(RawValue::get) {
        let row = serde_json::from_str::<Verbatim<'a>>(element).or_else(|error| {
            let mended = mended(element);
            let row = serde_json::from_str::<Verbatim<'_>>(&mended).map_err(|_| error)?;
            Ok(Verbatim(row.0.into_owned()))
        });
        match row {
            Ok(row) => decoded.rows.push(row.0),
            Err(_) if !element.trim_start().starts_with('{') => {
                decoded.rejects.push(reject("the element is no object".to_owned(), element));
            }
            Err::<_, serde_json::Error>(error) => {
                decoded.rejects.push(reject(format!("the row cannot be read ({})", place(&error)), element));
            }
        }
    }
}

/// Halves of surrogate pairs, which cut names bring along, replaced: JSON allows them, text does not.
fn mended(element: &str) -> String {
    let mut text = String::with_capacity(element.len());
    let mut rest = element;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let unit = |escape: &str| {
            escape
                .strip_prefix("\\u")
                .and_then(|hex| hex.get(..4))
                .and_then(|hex| u16::from_str_radix(hex, 16).ok())
        };
        let taken = match unit(escape) {
            Some(0xD800..=0xDBFF) if matches!(escape.get(6..).and_then(unit), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                text.push('\u{fffd}');
                rest = &escape[6..];
                continue;
            }
            Some(_) => 6,
            // The escaped character is one byte in valid JSON; in anything else it ends where it can.
            None => escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at),
        };
        text.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    text.push_str(rest);
    text
}

#[derive(Deserialize)]
struct Page<T> {
    // Without the default, a missing key would be an error for every `T` but `Option`.
    #[serde(default = "Option::default")]
    participants: Option<T>,
}

impl<'a> Row<'a> {
    pub fn get(&self, field: Field) -> &Value<'a> {
        &self.values[field.index()]
    }

    /// The text of a column, where it has one.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).text()
    }

    /// The number of a column, where it has one: milliseconds, a flag or a count.
    pub fn number(&self, field: Field) -> Option<i64> {
        self.get(field).number()
    }

    /// Whether the row is a stay in the waiting room.
    ///
    /// A row without a status is taken for a stay in the meeting; the second row of Zoom's published example
    /// has none.
    pub(crate) fn is_waiting(&self) -> bool {
        self.text(Field::Status) == Some(WAITING)
    }

    /// What stands in for a blank `user_id` or `join_time` in the row's key: a digest of what else identifies it.
    pub fn surrogate_key(&self) -> Option<i64> {
        self.surrogate_key
    }

    /// Every field without a column as the text of one JSON object, keys in order; none where there is nothing.
    pub fn extra(&self) -> Option<String> {
        (!self.extra.is_empty()).then(|| {
            let mut text = String::new();
            // Writing to a text cannot fail.
            let _ = write_object(&mut text, self.extra.iter().map(|(name, value)| (name, value)));
            text
        })
    }

    /// The digests that the row is known by.
    pub fn hashes(&self) -> RowHashes {
        let mut digest = Digest::new();
        let value = |hash: Option<i64>| hash.map_or(Value::Null, Value::Int);
        let profile = self.hash_of(StorageTable::Profile, &[], &mut digest);
        let parts = [StorageTable::Client, StorageTable::Network, StorageTable::Media]
            .map(|table| self.hash_of(table, &[], &mut digest));
        let environment = self.hash_of(StorageTable::Environment, &parts.map(value), &mut digest);
        let extra = self.extra().map(|text| {
            digest.text(&text);
            digest.finish()
        });
        // What is shared goes in by its digest, so that no text is hashed twice; but for the profile, which stands
        // among the session's values.
        self.of(StorageTable::Session).iter().for_each(|value| digest.value(value));
        digest.value(&value(environment));
        digest.value(&value(extra));
        let [client, network, media] = parts;
        RowHashes { row: digest.finish(), shared: [profile, client, network, media, environment, extra] }
    }

    /// The digest of what stands in one table, and of what that refers to; none where nothing does.
    fn hash_of(&self, table: StorageTable, parts: &[Value<'_>], digest: &mut Digest) -> Option<i64> {
        let values = || self.of(table).iter().chain(parts);
        if values().all(Value::is_null) {
            return None;
        }
        values().for_each(|value| digest.value(value));
        Some(digest.finish())
    }

    /// The values of one table, in the order of their fields.
    fn of(&self, table: StorageTable) -> &[Value<'a>] {
        &self.values[table.places()]
    }

    /// A row that says nothing, to be filled from where rows are kept.
    pub fn empty() -> Self {
        Row { values: [const { Value::Null }; Field::COUNT], extra: Vec::new(), surrogate_key: None }
    }

    /// Sets a column to what was kept of it.
    pub fn restore(&mut self, field: Field, value: Value<'a>) {
        self.values[field.index()] = value;
    }

    /// Sets what was kept beside the columns: the text that [`Row::extra`] gave.
    pub(crate) fn restore_extra(&mut self, text: &str) {
        let extra: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
        let owned =
            |(name, value): (String, &RawValue)| (Cow::Owned(name), Cow::Owned(value.get().to_owned()));
        self.extra = extra.into_iter().map(owned).collect();
    }

    /// Sets the digest that was kept of it.
    pub(crate) fn restore_surrogate_key(&mut self, surrogate_key: Option<i64>) {
        self.surrogate_key = surrogate_key;
    }

    /// What is known after this row was sent for a session of which `before` was known: a blank never replaces a
    /// known value.
    #[must_use]
    pub fn over(&self, before: &Row<'a>) -> Row<'a> {
        let mut after = self.clone();
        for field in Field::ALL {
            if after.get(*field).is_null() {
                after.values[field.index()] = before.get(*field).clone();
            }
        }
        for (name, value) in &before.extra {
            // What `extra` keeps of a column is the unread text of it: a newer value of the column replaces both.
            let replaced = Field::named(name).is_some_and(|field| !self.get(field).is_null());
            if !replaced && self.extra.iter().all(|(own, _)| own != name) {
                after.extra.push((name.clone(), value.clone()));
            }
        }
        after.extra.sort_by(|(left, _), (right, _)| left.cmp(right));
        after.surrogate_key = self.surrogate_key.or(before.surrogate_key);
        after
    }

    /// The row with no ties to the page it came from.
    pub fn into_owned(self) -> Row<'static> {
        Row {
            values: self.values.map(Value::into_owned),
            extra: self
                .extra
                .into_iter()
                .map(|(name, value)| (Cow::Owned(name.into_owned()), Cow::Owned(value.into_owned())))
                .collect(),
            surrogate_key: self.surrogate_key,
        }
    }

    /// Takes the digest of a row that lacks its key: before anything is taken out of it.
    fn finish(&mut self) {
        self.extra.sort_by(|(left, _), (right, _)| left.cmp(right));
        self.extra.dedup_by(|(later, _), (earlier, _)| later == earlier);
        if self.text(Field::UserId).is_none() || self.number(Field::JoinTime).is_none() {
            let mut digest = Digest::new();
            for field in STAND_IN {
                digest.value(self.get(*field));
            }
            self.surrogate_key = Some(digest.finish());
        }
    }

    /// Takes out everything that tells whose row it is, and leaves when someone was there. `pseudonym` takes the
    /// place of the `participant_uuid`, so that the rows of one participant stay together.
    pub(crate) fn anonymize(&mut self, pseudonym: String) {
        const KEPT: [Field; 6] = [
            Field::UserId,
            Field::JoinTime,
            Field::LeaveTime,
            Field::Status,
            Field::BoMtgId,
            Field::InRoomParticipants,
        ];
        for field in Field::ALL.iter().filter(|field| !KEPT.contains(field)) {
            self.values[field.index()] = Value::Null;
        }
        self.values[Field::ParticipantUuid.index()] = Value::Text(pseudonym.into());
        self.extra.clear();
    }

    fn set(&mut self, name: Cow<'a, str>, raw: Raw<'a>) {
        let Some(field) = Field::named(&name) else {
            if let Some(value) = raw.into_json() {
                self.extra.push((name, value));
            }
            return;
        };
        let (value, rest) = read(field.kind(), raw);
        // A listing that names a field twice (`name` and `user_name`) keeps the first that says something.
        if self.get(field).is_null() {
            self.values[field.index()] = value;
        }
        if let Some(rest) = rest {
            self.extra.push((name, rest));
        }
    }
}

/// The status of a stay in the waiting room.
pub(crate) const WAITING: &str = "in_waiting_room";

/// What identifies a row that lacks its `user_id` or its `join_time`; a change of this list would make such rows
/// strangers to the stored ones.
const STAND_IN: &[Field] = &[
    Field::UserId,
    Field::JoinTime,
    Field::ParticipantUuid,
    Field::Id,
    Field::ParticipantUserId,
    Field::RegistrantId,
    Field::CustomerKey,
    Field::Email,
    Field::UserName,
    Field::Device,
    Field::IpAddress,
];

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor { is_verbatim: false })
    }
}

/// A row that is read from the text of each of its values: whatever they are, their digits stay what they are.
struct Verbatim<'a>(Row<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Verbatim<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor { is_verbatim: true }).map(Self)
    }
}

struct RowVisitor {
    is_verbatim: bool,
}

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
        let mut row = Row::empty();
        while let Some(name) = map.next_key::<Raw<'de>>()? {
            let Raw::Text(name) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // In nearly every row the fields with a column are texts and whole numbers, which need no second look.
            let is_plain = Field::named(&name).is_some_and(|field| field.kind() != Kind::List);
            let raw = if is_plain && !self.is_verbatim {
                map.next_value()?
            } else {
                Raw::of(map.next_value()?).map_err(A::Error::custom)?
            };
            row.set(name, raw);
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests;
