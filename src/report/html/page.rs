//! The frame that every page has: one file that asks nothing of anyone, and the words in it made harmless.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::report::text::sanitize_for_display;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What stands on a page; all but `title` and `about` is markup already.
pub(super) struct Page {
    pub kind: &'static str,
    /// The heading, maybe in a stranger's words.
    pub title: String,
    /// Lines below the heading.
    pub about: Vec<String>,
    pub body: String,
    /// When what it shows was read, and the like.
    pub footer: Vec<String>,
}

impl Page {
    /// The whole file.
    ///
    /// Its policy lets no request leave, and nothing run but the page's own script: a name that found its way
    /// around the escapes would still be dead.
    pub fn render(&self) -> String {
        let (style, script) = (csp_hash(STYLE), csp_hash(SCRIPT));
        let title = escaped(&self.title);
        let about: Vec<String> =
            self.about.iter().map(|line| format!("<p class=\"about\">{}</p>\n", text(line))).collect();
        let footer: Vec<String> =
            self.footer.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{style}'; \
             script-src '{script}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"generator\" content=\"rollcall {}\">\n\
             <title>{title} – {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<p class=\"kind\">{}</p>\n<h1><bdi>{title}</bdi></h1>\n{}</header>\n\
             <main>\n{}</main>\n<footer>\n{}<p>Made by rollcall.</p>\n</footer>\n\
             <script>{SCRIPT}</script>\n</body>\n</html>\n",
            env!("CARGO_PKG_VERSION"),
            self.kind,
            self.kind,
            about.concat(),
            self.body,
            footer.concat(),
        )
    }
}

/// A text as it can stand between tags and in quoted attributes, on one line, with nothing unseen in it.
pub(super) fn escaped(text: &str) -> String {
    let shown = sanitize_for_display(text);
    let mut markup = String::with_capacity(shown.len());
    for character in shown.chars() {
        match character {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            '\'' => markup.push_str("&#39;"),
            _ => markup.push(character),
        }
    }
    markup
}

/// A text that may run from right to left, and must not turn its neighbours round.
pub(super) fn text(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<bdi>{}</bdi>", escaped(text)) }
}

/// Longer texts wrap, and are cut to a few lines on a screen; they are whole in the tooltip and on paper.
const LONG: usize = 24;

/// [`text`], wrapped and cut to a few lines where it is long.
pub(super) fn bounded(content: &str) -> String {
    if content.chars().count() <= LONG {
        return text(content);
    }
    format!("<span class=\"long\" title=\"{}\">{}</span>", escaped(content), text(content))
}

/// The numbers at the head of a page: what, and how much.
pub(super) fn figures(figures: &[(&str, String)]) -> String {
    let figures: Vec<String> = figures
        .iter()
        .map(|(what, number)| format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(what), escaped(number)))
        .collect();
    format!("<dl class=\"figures\">\n{}</dl>\n", figures.concat())
}

/// The search field; the script shows it.
pub(super) const SEARCH: &str = "<div class=\"tools\" role=\"search\" hidden>\n<label for=\"search\">Search</label>\n\
     <input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\">\n\
     <output for=\"search\" aria-live=\"polite\"></output>\n</div>\n";

/// How the policy names a style or script that may run.
fn csp_hash(content: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(content)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_texts_are_harmless_and_legible() {
        assert_eq!(
            escaped("<script>alert('1')</script> & \"x\""),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;"
        );
        assert_eq!(escaped("\u{1b}[31mred\u{202e}gnp.exe"), "\u{fffd}[31mredgnp.exe");
        assert_eq!(text("👩🏽‍🚀 Astrid"), "<bdi>👩🏽‍🚀 Astrid</bdi>");
        assert_eq!(text("=cmd()"), "<bdi>=cmd()</bdi>");
        assert!(bounded(&"x".repeat(500)).contains("class=\"long\""));
    }

    #[test]
    fn style_and_script_do_not_end_their_elements() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("//") && !STYLE.contains("@import"), "nothing is loaded");
    }

    proptest! {
        #[test]
        fn no_text_opens_a_tag_or_leaves_an_attribute(content in any::<String>()) {
            prop_assert!(!escaped(&content).contains(['<', '>', '"', '\'']));
        }
    }
}
