//! `rollcall completions`: a script that teaches a shell the command line.

use std::io::Write;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, CompletionsOptions};
use crate::exit::ExitCode;

/// Writes the completion script for the shell to `output`.
pub fn run(options: &CompletionsOptions, output: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // The generator panics where it cannot write, as when a pager is closed: it gets memory to write to.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "rollcall", &mut script);
    output.write_all(&script).and_then(|()| output.flush()).context("cannot write the completion script")?;
    Ok(ExitCode::Success)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_learns_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            run(&CompletionsOptions { shell: *shell }, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("rollcall") && script.contains("completions"), "{shell}");
        }
    }
}
