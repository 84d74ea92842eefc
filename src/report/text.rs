//! What strangers wrote, made safe to show.

use unicode_normalization::char::is_combining_mark;

use crate::model::{drives_a_terminal, is_unseen};

/// More marks than any script puts on one letter.
const MARKS_ON_A_LETTER: usize = 8;

/// The text as it can be shown on one line anywhere.
///
/// Control characters and line breaks, which could drive a terminal, become U+FFFD. What has no looks of its own but
/// changes those of its neighbours (directions, zero-width spaces, tags) is left out, and so are marks that pile up
/// on one letter. Joiners stay: emoji and several scripts need them.
pub fn sanitize_for_display(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut marks = 0;
    for character in text.chars() {
        marks = if is_combining_mark(character) { marks + 1 } else { 0 };
        if drives_a_terminal(character) {
            shown.push(char::REPLACEMENT_CHARACTER);
        } else if !is_unseen(character) && marks <= MARKS_ON_A_LETTER {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_all_scripts_stay_as_they_are() {
        for name in
            ["Ada Lovelace", "Zoë", "Zoe\u{308}", "王小明", "नमस्ते", "👩‍💻 Grace", "می‌خواهم", "O'Brien <script>"]
        {
            assert_eq!(sanitize_for_display(name), name);
        }
    }

    #[test]
    fn what_drives_a_terminal_does_not_reach_it() {
        assert_eq!(sanitize_for_display("\u{1b}[31mred\u{7}\u{9b}2J\r\n\u{2028}"), "�[31mred��2J���");
        assert_eq!(sanitize_for_display("abc\u{202e}fdp.exe\u{200f}\u{feff}"), "abcfdp.exe");
        assert_eq!(
            sanitize_for_display(&format!("z{}!", "\u{301}".repeat(50))),
            format!("z{}!", "\u{301}".repeat(8))
        );
    }

    proptest! {
        #[test]
        fn nothing_shown_is_hidden(text in any::<String>()) {
            let shown = sanitize_for_display(&text);
            prop_assert!(!shown.chars().any(|c| drives_a_terminal(c) || is_unseen(c)), "{shown:?}");
            prop_assert_eq!(sanitize_for_display(&shown), shown.clone());
        }
    }
}
