//! Words of others, made fit for logs and terminals.

/// Longer messages are cut; Zoom's own have a hundred characters or two.
pub(super) const MESSAGE_CHARS: usize = 300;
/// No word of a message holds so many letters and digits in a row, but a token does.
const WORD_CHARS: usize = 50;

/// A message fit for logs and terminals: one line, not too long, without tokens and addresses.
pub(super) fn presentable(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if is_visible(c) { c } else { ' ' }).take(10 * MESSAGE_CHARS).collect();
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
        "(left out)"
    } else {
        word
    }
}

/// Neither a control character nor one that turns the direction of writing.
pub(super) fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_fit_to_be_shown() {
        let token = "eyJ".repeat(40);
        let text = format!("a\u{1b}[31m\u{202e}b\nc d@example.com token:{token} e");
        assert_eq!(presentable(&text), "a [31m b c (email) (left out) e");
        assert_eq!(presentable(" \n"), "no message");
        assert_eq!(presentable(&"ü ".repeat(9_999)).chars().count(), MESSAGE_CHARS + 1);
    }
}
