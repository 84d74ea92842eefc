//! Digests that stay the same over versions and machines: they are kept in the database.

use sha2::{Digest as _, Sha256};

use super::Value;

/// A digest under way: the first eight bytes of a SHA-256 over length-prefixed parts.
///
/// A cryptographic digest, because names and emails are chosen by strangers, who must not be able to make two
/// rows look like one.
pub struct Digest(Sha256);

impl Digest {
    /// A digest of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.part(b't', text.as_bytes());
    }

    /// Adds a number.
    pub fn number(&mut self, number: i64) {
        self.part(b'i', &number.to_le_bytes());
    }

    /// Adds the value of a column.
    pub fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.part(b'0', &[]),
            Value::Int(number) => self.number(*number),
            Value::Text(text) => self.text(text),
        }
    }

    /// The digest as the integer that the database keeps.
    #[must_use]
    pub fn finish(self) -> i64 {
        let bytes = self.0.finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&bytes[..8]);
        i64::from_le_bytes(first)
    }

    fn part(&mut self, tag: u8, bytes: &[u8]) {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.update(head);
        self.0.update(bytes);
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// The key of a row of shared facts: a digest of what it holds; none where it holds nothing.
#[must_use]
pub fn content_key<'a, 'b: 'a>(values: impl Iterator<Item = &'a Value<'b>>) -> Option<i64> {
    let mut digest = Digest::new();
    let mut empty = true;
    for value in values {
        empty &= value.is_null();
        digest.value(value);
    }
    (!empty).then(|| digest.finish())
}
