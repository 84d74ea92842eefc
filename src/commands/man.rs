//! `rollcall man`: the manual pages, from the command line's own words.

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, ManOptions};
use crate::exit::ExitCode;

/// Writes `rollcall.1` and a page for every subcommand to the directory, which is made where there is none.
pub fn run(options: &ManOptions) -> anyhow::Result<ExitCode> {
    let directory = options.directory.as_path();
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .with_context(|| format!("cannot write manual pages to {}", directory.display()))?;
    Ok(ExitCode::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let options = ManOptions { directory: directory.path().join("man1") };
        run(&options).unwrap();
        for page in ["rollcall.1", "rollcall-collect.1", "rollcall-db.1", "rollcall-db-backup.1"] {
            let text = std::fs::read_to_string(options.directory.join(page)).unwrap();
            assert!(text.contains(".TH rollcall"), "{page}");
        }
        assert!(!options.directory.join("rollcall-man.1").exists(), "what is hidden has no page");
    }
}
