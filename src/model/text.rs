//! Words of strangers: names, topics, emails.

use std::borrow::Cow;

/// Text without control characters and without those that turn the direction of writing around, which could make a
/// name lie on a terminal or a page; each is replaced.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) || !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
}

fn is_harmful(character: char) -> bool {
    drives_a_terminal(character) || turns_direction(character)
}

/// Whether a terminal might obey the character, or break the line at it.
pub fn drives_a_terminal(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether the character has no looks of its own and only changes those of its neighbours. Joiners are not among them:
/// emoji and several scripts need them.
pub fn is_unseen(character: char) -> bool {
    turns_direction(character)
        || matches!(
            character,
            '\u{ad}' // soft hyphen
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{206a}'..='\u{206f}' // weak directions
            | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' // zero-width spaces, invisible operators
            | '\u{fff9}'..='\u{fffb}' // annotations
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_do_harm_is_replaced_and_the_rest_is_left_alone() {
        for text in ["Ada Lovelace", "Émile – 日本語 👩‍💻", "شيماء", ""] {
            assert!(matches!(harmless(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(
            harmless("a\u{1b}[31m\tb\u{9b}c\u{202e}d\u{2066}e"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"
        );
    }
}
