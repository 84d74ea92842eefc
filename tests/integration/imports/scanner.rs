//! Rust text as a row of tokens, as far as the rules need them.

/// The tokens of a file, each with the line on which it ends.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { chars: text.chars().collect(), at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(next) = scanner.peek(0) {
        if let Some(kind) = scanner.token(next) {
            tokens.push(Token { line: scanner.line, kind });
        }
    }
    tokens
}

#[derive(Clone)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// Comments, characters and lifetimes are left out: no rule is about them.
#[derive(Clone, PartialEq)]
pub(super) enum Kind {
    Word(String),
    Text(String),
    /// `::`
    Joint,
    Sign(char),
}

impl Kind {
    pub(super) fn is(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => word == text,
            Self::Sign(sign) => text.chars().eq([*sign]),
            Self::Text(_) | Self::Joint => false,
        }
    }
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Scanner {
    fn token(&mut self, next: char) -> Option<Kind> {
        match (next, self.peek(1)) {
            ('/', Some('/')) => {
                self.take_while(|char| char != '\n');
                None
            }
            ('/', Some('*')) => {
                self.block_comment();
                None
            }
            ('"', _) => Some(self.text()),
            ('\'', _) => {
                self.character_or_lifetime();
                None
            }
            (':', Some(':')) => {
                self.skip(2);
                Some(Kind::Joint)
            }
            _ if next.is_alphanumeric() || next == '_' => {
                let word = self.take_while(|char| char.is_alphanumeric() || char == '_');
                self.after_word(word)
            }
            _ => {
                self.skip(1);
                (!next.is_whitespace()).then_some(Kind::Sign(next))
            }
        }
    }

    /// A word, or the string that it is the prefix of.
    fn after_word(&mut self, word: String) -> Option<Kind> {
        let hashes = self.chars[self.at..].iter().take_while(|char| **char == '#').count();
        match (word.as_str(), self.peek(hashes)) {
            ("r" | "br" | "cr", Some('"')) => Some(self.raw_text(hashes)),
            ("b" | "c", Some('"')) if hashes == 0 => Some(self.text()),
            ("b", Some('\'')) if hashes == 0 => {
                self.character_or_lifetime();
                None
            }
            _ => Some(Kind::Word(word)),
        }
    }

    fn text(&mut self) -> Kind {
        self.skip(1);
        let mut text = String::new();
        while let Some(char) = self.peek(0).filter(|char| *char != '"') {
            if char == '\\' {
                self.skip(2);
            } else {
                text.push(char);
                self.skip(1);
            }
        }
        self.skip(1);
        Kind::Text(text)
    }

    fn raw_text(&mut self, hashes: usize) -> Kind {
        self.skip(hashes + 1);
        let ends = |scanner: &Self| {
            scanner.peek(0) == Some('"') && (1..=hashes).all(|ahead| scanner.peek(ahead) == Some('#'))
        };
        let mut text = String::new();
        while let Some(char) = self.peek(0).filter(|_| !ends(self)) {
            text.push(char);
            self.skip(1);
        }
        self.skip(hashes + 1);
        Kind::Text(text)
    }

    fn character_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') {
            self.skip(3);
            self.take_while(|char| char != '\'');
            self.skip(1);
        } else if self.peek(2) == Some('\'') {
            self.skip(3);
        } else {
            self.skip(1);
            self.take_while(|char| char.is_alphanumeric() || char == '_');
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.peek(0).is_some() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.skip(2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.skip(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.skip(1),
            }
        }
    }

    fn take_while(&mut self, goes_on: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(char) = self.peek(0).filter(|char| goes_on(*char)) {
            taken.push(char);
            self.skip(1);
        }
        taken
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip(&mut self, count: usize) {
        let end = (self.at + count).min(self.chars.len());
        self.line += self.chars[self.at..end].iter().filter(|char| **char == '\n').count();
        self.at = end;
    }
}
