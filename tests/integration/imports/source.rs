//! Rust text as the rules see it: without comments and tests, and with every path spelt out.

use std::collections::{HashMap, HashSet};

use super::scanner::{Kind, Token, tokens};

/// What of a file is compiled into the program.
pub(crate) struct Source {
    tokens: Vec<Token>,
    /// Modules that are declared here for tests only, whose files are no part of the program.
    pub(crate) test_modules: HashSet<TestModule>,
}

/// Where the file of a module is.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum TestModule {
    /// Below the module that declares it.
    Child(String),
    /// Beside it, by a `#[path]`.
    Sibling(String),
}

/// A path such as `std::time::Instant::now`, with imports and `super` resolved, and the line it stands on.
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// Whether its beginning stands in an import, which is a path of its own.
    pub(crate) is_imported: bool,
    /// The name under which the file hands it on, with `pub use`.
    pub(crate) exported_as: Option<String>,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let mut source = Self { tokens: Vec::new(), test_modules: HashSet::new() };
        let all = tokens(text);
        let mut at = 0;
        while at < all.len() {
            if spells(&all[at..], &["#", "[", "cfg", "(", "test", ")", "]"]) {
                at = source.skip_item(&all, at + 7);
            } else {
                at += 1;
                source.tokens.push(all[at - 1].clone());
            }
        }
        source
    }

    /// Where the item that starts at `start` ends: with its semicolon, with the brace that closes its body, or
    /// before the bracket that it is itself in.
    fn skip_item(&mut self, all: &[Token], start: usize) -> usize {
        let (mut at, mut depth) = (start, 0_usize);
        while let Some(token) = all.get(at) {
            match token.kind {
                Kind::Sign('}' | ')' | ']') if depth == 0 => break,
                Kind::Sign('}') if depth == 1 => return at + 1,
                Kind::Sign(';') if depth == 0 => {
                    self.note_test_module(&all[start..at]);
                    return at + 1;
                }
                Kind::Sign('{' | '(' | '[') => depth += 1,
                Kind::Sign('}' | ')' | ']') => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        at
    }

    fn note_test_module(&mut self, item: &[Token]) {
        if let [.., before, Token { kind: Kind::Word(name), .. }] = item
            && before.kind.is("mod")
        {
            let file = item.iter().find_map(|token| match &token.kind {
                Kind::Text(file) => file.strip_suffix(".rs"),
                _ => None,
            });
            match file {
                Some(file) => self.test_modules.insert(TestModule::Sibling(file.to_owned())),
                None => self.test_modules.insert(TestModule::Child(name.clone())),
            };
        }
    }

    /// The string literals, and the lines on which they end.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.tokens.iter().filter_map(|token| match &token.kind {
            Kind::Text(text) => Some((token.line, text.as_str())),
            _ => None,
        })
    }

    /// The texts that have a name: constants of one text, and macros by the first text that they make.
    pub(crate) fn named_texts(&self) -> HashMap<&str, &str> {
        let mut named = HashMap::new();
        for at in 0..self.tokens.len() {
            let kind = |ahead: usize| self.tokens.get(at + ahead).map(|token| &token.kind);
            let (name, end) = match (kind(0), kind(1), kind(2)) {
                (Some(word), Some(Kind::Word(name)), Some(Kind::Sign(':'))) if word.is("const") => {
                    (name, ';')
                }
                (Some(word), Some(Kind::Sign('!')), Some(Kind::Word(name))) if word.is("macro_rules") => {
                    (name, '}')
                }
                _ => continue,
            };
            let item = self.tokens[at..].iter().take_while(|token| token.kind != Kind::Sign(end));
            let mut texts = item.filter_map(|token| match &token.kind {
                Kind::Text(text) => Some(text.as_str()),
                _ => None,
            });
            if let (Some(text), None) = (texts.next(), texts.next()) {
                named.insert(name.as_str(), text);
            }
        }
        named
    }

    /// The string literals as [`Source::texts`], but that those of one `concat!` are one, with what its macros stand for.
    pub(crate) fn composed_texts(&self, named: &HashMap<&str, &str>) -> Vec<(usize, String)> {
        let mut composed = Vec::new();
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            if spells(&self.tokens[at..], &["concat", "!", "("]) {
                let mut whole = String::new();
                at += 3;
                while let Some(part) = self.tokens.get(at).filter(|part| part.kind != Kind::Sign(')')) {
                    match &part.kind {
                        Kind::Text(text) => whole.push_str(text),
                        Kind::Word(name) if spells(&self.tokens[at + 1..], &["!", "(", ")"]) => {
                            whole.push_str(named.get(name.as_str()).copied().unwrap_or("?!"));
                            at += 3;
                        }
                        _ => {}
                    }
                    at += 1;
                }
                composed.push((token.line, whole));
            } else if let Kind::Text(text) = &token.kind {
                composed.push((token.line, text.clone()));
            }
            at += 1;
        }
        composed
    }

    /// The words that stand alone, such as keywords and the names of methods, with the sign that follows.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str, Option<char>)> {
        self.tokens.iter().enumerate().filter_map(|(at, token)| match &token.kind {
            Kind::Word(word) => Some((token.line, word.as_str(), self.sign(at + 1))),
            _ => None,
        })
    }

    /// Every path in the file, which is the crate's module `module`.
    pub(crate) fn paths(&self, module: &[String]) -> Vec<Path> {
        let mut names = HashMap::new();
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let mut end = at + 1;
            if self.starts_path(at) {
                let before = at.checked_sub(if self.is_joint(at.wrapping_sub(1)) { 2 } else { 1 });
                let is_import = before.is_some_and(|before| self.tokens[before].kind.is("use"));
                let is_export = is_import
                    && before
                        .and_then(|before| Some(&self.tokens[before.checked_sub(1)?].kind))
                        .is_some_and(|kind| kind.is("pub") || *kind == Kind::Sign(')'));
                let mut branch = Vec::new();
                end = self.branches(at, &mut branch, &mut |line, segments, name| {
                    if matches!(segments, [word] if word == "super" || word == "crate") {
                        // `pub(super)` needs nothing.
                        return;
                    }
                    let mut segments = absolute(segments, module);
                    if segments.len() > 1 {
                        // `use std::time::{self}` imports `std::time`.
                        segments.pop_if(|last| last == "self");
                    }
                    if is_import {
                        names.insert(name.to_owned(), segments.clone());
                    }
                    let exported_as = is_export.then(|| name.to_owned());
                    found.push(Path { line, segments, is_imported: false, exported_as });
                });
            }
            at = end;
        }
        for path in &mut found {
            if let Some(import) = names.get(&path.segments[0]) {
                path.segments.splice(..1, import.iter().cloned());
                path.is_imported = true;
            }
        }
        found
    }

    fn starts_path(&self, at: usize) -> bool {
        let kind = |back: usize| at.checked_sub(back).map(|at| &self.tokens[at].kind);
        matches!(self.tokens[at].kind, Kind::Word(_))
            && match kind(1) {
                Some(Kind::Sign('.')) => false,
                Some(Kind::Word(word)) if word == "mod" => false,
                Some(Kind::Joint) => {
                    !matches!(kind(2), Some(Kind::Word(word)) if word != "use")
                        && kind(2) != Some(&Kind::Sign('>'))
                }
                _ => true,
            }
    }

    /// Calls `found` with each path that branches off at `at`, and the name that it is known by; returns where
    /// the branches end.
    fn branches(
        &self,
        mut at: usize,
        branch: &mut Vec<String>,
        found: &mut impl FnMut(usize, &[String], &str),
    ) -> usize {
        let length = branch.len();
        match self.tokens.get(at).map(|token| &token.kind) {
            Some(Kind::Sign('{')) => {
                at += 1;
                while at < self.tokens.len() && self.sign(at) != Some('}') {
                    at = self.branches(at, branch, found).max(at + 1);
                }
                return at + 1;
            }
            Some(Kind::Sign('*')) => branch.push("*".to_owned()),
            Some(Kind::Word(word)) => branch.push(word.clone()),
            _ => return at,
        }
        let goes_on = self.is_joint(at + 1)
            && (matches!(self.tokens.get(at + 2).map(|token| &token.kind), Some(Kind::Word(_)))
                || matches!(self.sign(at + 2), Some('{' | '*')));
        let line = self.tokens[at].line;
        let end = if goes_on {
            self.branches(at + 2, branch, found)
        } else {
            let renamed = self.tokens.get(at + 1).is_some_and(|token| token.kind.is("as"));
            let name = match self.tokens.get(at + 2).map(|token| &token.kind) {
                Some(Kind::Word(name)) if renamed => name.clone(),
                _ => branch.iter().rfind(|word| *word != "self").cloned().unwrap_or_default(),
            };
            found(line, branch, &name);
            at + if renamed { 3 } else { 1 }
        };
        branch.truncate(length);
        end
    }

    fn is_joint(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Joint)
    }

    fn sign(&self, at: usize) -> Option<char> {
        match self.tokens.get(at)?.kind {
            Kind::Sign(sign) => Some(sign),
            _ => None,
        }
    }
}

/// `self` and `super` in the module, and the crate's own name, as `crate`.
fn absolute(segments: &[String], module: &[String]) -> Vec<String> {
    let ups = segments.iter().take_while(|word| *word == "super").count();
    let from = |kept: usize, skipped: usize| {
        let module = module.iter().take(kept);
        std::iter::once("crate".to_owned()).chain(module.cloned()).chain(segments[skipped..].iter().cloned())
    };
    match segments[0].as_str() {
        "super" => from(module.len().saturating_sub(ups), ups).collect(),
        "self" if segments.len() > 1 && segments[1] == "super" => absolute(&segments[1..], module),
        "self" if segments.len() > 1 => from(module.len(), 1).collect(),
        "rollcall" => from(0, 1).collect(),
        // Macros that are in scope everywhere, without an import.
        "say" if segments.len() == 1 => ["crate", "stream", "say"].map(str::to_owned).to_vec(),
        "text_enum" => ["crate", "model", "text_enum"].map(str::to_owned).to_vec(),
        _ => segments.to_vec(),
    }
}

fn spells(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && words.iter().zip(tokens).all(|(word, token)| token.kind.is(word))
}
