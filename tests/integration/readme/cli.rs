//! Command lines as README.md writes them, held against the program's own.

use std::collections::BTreeSet;

use clap::{Arg, Command, CommandFactory};
use rollcall::cli::Cli;

/// What a written command line uses.
#[derive(Debug)]
pub struct Usage {
    /// The words that name the command, such as `report attendance`.
    pub command: String,
    /// Its long options.
    pub options: BTreeSet<String>,
}

fn program() -> Command {
    let mut program = Cli::command();
    // Options for every command are then known to each.
    program.build();
    program
}

/// What `line` uses, or what of it does not exist. Brackets and dots mark what may be left out or repeated.
pub fn check(line: &str) -> Result<Usage, String> {
    let program = program();
    let mut command = &program;
    let mut usage = Usage { command: String::new(), options: BTreeSet::new() };
    let mut named: Vec<String> = Vec::new();
    let mut words = words(line).into_iter().skip(1);
    while let Some(word) = words.next() {
        if word.starts_with('-') {
            let option = option(command, &word).ok_or(format!("there is no option {word}"))?;
            if let (Some(long), false) = (option.get_long(), option.is_global_set()) {
                usage.options.insert(long.to_owned());
            }
            if option.get_action().takes_values() {
                words.next().ok_or(format!("{word} wants a value"))?;
            }
        } else if command.has_subcommands() {
            command = command.find_subcommand(&word).ok_or(format!("there is no command {word}"))?;
            named.push(word);
        } else if command.get_positionals().next().is_none() {
            return Err(format!("nothing is known of {word}"));
        }
    }
    usage.command = named.join(" ");
    Ok(usage)
}

fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_opts().chain(command.get_arguments()).find(|argument| {
        word.strip_prefix("--").is_some_and(|long| argument.get_long() == Some(long))
            || (word.len() == 2 && argument.get_short() == word.chars().nth(1))
    })
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    // Every other piece is in quotes.
    for (at, piece) in line.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            let bare = piece.replace(['[', ']'], " ").replace("...", " ");
            words.extend(bare.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The commands that do something, `help` aside, by their words.
pub fn commands() -> Vec<String> {
    fn collect(command: &Command, prefix: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let name = format!("{prefix} {}", below.get_name()).trim().to_owned();
            if below.has_subcommands() {
                collect(below, &name, found);
            } else if below.get_name() != "help" {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    let mut program = Cli::command();
    // Without `build`, `help` is not repeated below every command.
    program = program.disable_help_subcommand(true);
    collect(&program, "", &mut found);
    found
}

/// The long options of a command that are its own.
pub fn options_of(command: &str) -> BTreeSet<String> {
    let program = program();
    let mut found = &program;
    for word in command.split(' ') {
        found = found.find_subcommand(word).unwrap();
    }
    found
        .get_opts()
        .chain(found.get_arguments())
        .filter(|argument| !argument.is_global_set() && !argument.is_hide_set())
        .filter_map(|argument| argument.get_long())
        .filter(|long| !matches!(*long, "help" | "version"))
        .map(str::to_owned)
        .collect()
}
