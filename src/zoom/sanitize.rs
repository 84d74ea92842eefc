//! Words of others, made fit for logs and terminals.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use crate::model::{drives_a_terminal, is_unseen};

/// Longer messages are cut; Zoom's own have a hundred characters or two.
pub(super) const MESSAGE_CHARS: usize = 300;
/// No word of a message holds so many letters and digits in a row, but a token does.
const WORD_CHARS: usize = 50;

/// A shorter secret may be a part of any word: it is taken out of refusals, and not out of data.
const SECRET_IN_DATA_BYTES: usize = 8;
const LEFT_OUT: &str = "(left out)";

/// What is never shown nor stored, whoever repeats it: credentials, in every form in which they may be sent back.
#[derive(Clone, Default)]
pub(super) struct Hidden(Vec<SecretString>);

impl Hidden {
    /// The client secret, and what stands for it in the header that asks for a token.
    pub(super) fn new(secret: &str, header: Option<&str>) -> Self {
        let mut forms: Vec<String> = Vec::new();
        // The padding of a code may be written or not.
        let header = header.map(|header| header.trim_end_matches('=').to_owned());
        for text in std::iter::once(secret.to_owned()).chain(header) {
            let json = serde_json::Value::from(text.as_str()).to_string();
            let json = json[1..json.len() - 1].to_owned();
            let percent = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
            // A few marks may stand in a URL as they are.
            let form = ["-", "_", ".", "~"].iter().fold(percent.clone(), |form, mark| {
                form.replace(&format!("%{:02X}", mark.as_bytes()[0]), mark)
            });
            let lower = [&percent, &form].map(|text| lower_hex(text));
            let url_safe = text.replace('+', "-").replace('/', "_");
            forms.extend([json.replace('/', "\\/"), json, percent, form, url_safe, text]);
            forms.extend(lower);
        }
        forms.retain(|form| !form.is_empty());
        // A form may be a part of another one: the longest goes first.
        forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        forms.dedup();
        Self(forms.into_iter().map(SecretString::from).collect())
    }

    /// The same, and what this request sent.
    pub(super) fn and(&self, sent: Option<&str>) -> Self {
        let sent = sent.filter(|sent| !sent.is_empty()).map(SecretString::from);
        Self(sent.into_iter().chain(self.0.iter().cloned()).collect())
    }

    /// A refusal, or a word of it, without them.
    pub(super) fn out_of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.out_of_where(text, |_| true)
    }

    /// Data without them.
    pub(super) fn out_of_data<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.out_of_where(text, |form| form.len() >= SECRET_IN_DATA_BYTES)
    }

    fn out_of_where<'t>(&self, text: &'t str, counts: impl Fn(&str) -> bool) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for form in self.0.iter().map(SecretString::expose_secret).filter(|form| counts(form)) {
            if text.contains(form) {
                text = Cow::Owned(text.replace(form, LEFT_OUT));
            }
        }
        text
    }

    /// As [`sanitize_message`], without them.
    pub(super) fn sanitize_message(&self, text: &str) -> String {
        sanitize_message(&self.out_of(text))
    }
}

/// A percent-encoded text with its digits in small letters.
fn lower_hex(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |lower, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower + "%" + &digits.to_ascii_lowercase() + rest
    })
}

/// A message fit for logs and terminals: one line, not too long, without tokens and addresses.
pub(super) fn sanitize_message(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if drives_a_terminal(c) || is_unseen(c) { ' ' } else { c })
        .take(10 * MESSAGE_CHARS)
        .collect();
    let words: Vec<&str> = clean.split_whitespace().map(shown).collect();
    let mut line = words.join(" ");
    if line.is_empty() {
        "no message".clone_into(&mut line);
    }
    if let Some((cut, _)) = line.char_indices().nth(MESSAGE_CHARS) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

fn shown(word: &str) -> &str {
    let in_a_token = |c: char| c.is_ascii_alphanumeric() || "._-+/=".contains(c);
    if word.contains('@') {
        "(email)"
    } else if word.split(|c| !in_a_token(c)).any(|run| run.len() > WORD_CHARS) {
        LEFT_OUT
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_fit_to_be_shown() {
        let token = "eyJ".repeat(40);
        let text = format!("a\u{1b}[31m\u{202e}b\nc d@example.com token:{token} e");
        assert_eq!(sanitize_message(&text), "a [31m b c (email) (left out) e");
        assert_eq!(sanitize_message(" \n"), "no message");
        assert_eq!(sanitize_message(&"ü ".repeat(9_999)).chars().count(), MESSAGE_CHARS + 1);
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let hidden = Hidden::new("s3/cr+t\"~x", Some("Y2xpZW50OnMz/w=="));
        for text in [
            "s3/cr+t\"~x",
            r#"s3/cr+t\"~x"#,
            r#"s3\/cr+t\"~x"#,
            "s3%2Fcr%2Bt%22~x",
            "s3%2fcr%2bt%22%7ex",
            "Y2xpZW50OnMz/w",
            "Y2xpZW50OnMz/w==",
            "Y2xpZW50OnMz_w",
            "Y2xpZW50OnMz%2fw%3d%3d",
        ] {
            let shown = hidden.sanitize_message(&format!("client {text} is unknown"));
            assert!(
                shown.starts_with("client (left out)") && shown.ends_with("is unknown"),
                "{text}: {shown}"
            );
            assert!(!hidden.out_of_data(text).contains("3/"), "{text}");
        }
        let hidden = Hidden::new("id", None).and(Some("a-long-token"));
        assert_eq!(hidden.out_of_data(r#"{"id":"a-long-token"}"#), r#"{"id":"(left out)"}"#);
        assert_eq!(hidden.out_of("bad id"), "bad (left out)");
    }
}
