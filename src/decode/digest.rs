//! Digests that stay the same over versions and machines: they are kept in the database.

use sha2::{Digest as _, Sha256};

use super::Value;

/// A digest under way: the first eight bytes of a SHA-256 over tagged parts, texts with their lengths.
///
/// A cryptographic digest, because names and emails are chosen by strangers, who must not be able to make two
/// rows look like one. The parts are gathered and hashed at once: a row has dozens of short ones.
#[derive(Debug, Default)]
pub struct Digest(Vec<u8>);

impl Digest {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn text(&mut self, text: &str) {
        self.0.push(b't');
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub fn number(&mut self, number: i64) {
        self.0.push(b'i');
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => self.0.push(b'0'),
            Value::Int(number) => self.number(*number),
            Value::Text(text) => self.text(text),
        }
    }

    /// The digest as the integer that the database keeps; what is added from then on begins another one.
    pub fn finish(&mut self) -> i64 {
        let bytes = Sha256::digest(&self.0);
        self.0.clear();
        let mut first = [0; 8];
        first.copy_from_slice(&bytes[..8]);
        i64::from_le_bytes(first)
    }
}
