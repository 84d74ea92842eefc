//! `rollcall init`: a config file to start from.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::support::errors::CommandError;
use crate::cli::InitOptions;
use crate::exit::ExitCode;

/// Every key with its default and a comment.
const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Writes `config.toml` to the directory, readable by its owner only, and says to `output` what to do next.
///
/// The directory is made where there is none; a file that is there stays as it is, and that is an error.
pub fn run(options: &InitOptions, output: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let directory = options.directory.as_path();
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    let path = directory.join("config.toml");
    write_new(directory, &path)?;
    writeln!(output, "{}", next_steps(&path)).context("cannot write to stdout")?;
    Ok(ExitCode::Success)
}

fn write_new(directory: &Path, path: &Path) -> anyhow::Result<()> {
    let cannot_write = || format!("cannot write {}", path.display());
    // A temporary file is readable by its owner only, and takes its name only if that is free.
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(cannot_write)?;
    file.write_all(EXAMPLE.as_bytes()).and_then(|()| file.as_file().sync_all()).with_context(cannot_write)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            let words = format!(
                "{} is there already and was left as it is; name another directory, or move the file away",
                path.display()
            );
            Err(CommandError::usage(words).into())
        }
        Err(error) => Err(error.error).with_context(cannot_write),
    }
}

fn next_steps(path: &Path) -> String {
    let file = path.display();
    let config = if path == Path::new("./config.toml") || path == Path::new("config.toml") {
        String::new()
    } else {
        format!("--config {file} ")
    };
    format!(
        "Wrote {file}, which only you can read. What is left to do:\n\
         \n  \
         1. At https://marketplace.zoom.us (Develop, Build App) make a Server-to-Server OAuth app with the scopes\n     \
            meeting:read:list_past_instances:admin and dashboard:read:list_meeting_participants:admin, and activate it.\n  \
         2. In {file}, fill in account_id, client_id and client_secret_file under [zoom], and list your meetings.\n  \
         3. Let rollcall tell what is still missing:  rollcall {config}check\n  \
         4. Collect for the first time:               rollcall {config}collect"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn init(directory: &Path) -> anyhow::Result<String> {
        let mut output = Vec::new();
        run(&InitOptions { directory: directory.to_owned() }, &mut output)?;
        Ok(String::from_utf8(output)?)
    }

    #[test]
    fn a_new_config_is_private_and_complete() {
        let parent = tempfile::TempDir::new().unwrap();
        let directory = parent.path().join("etc/rollcall");
        let said = init(&directory).unwrap();
        let path = directory.join("config.toml");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), EXAMPLE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        let said = said.replace(&format!("{}/", parent.path().display()), "");
        insta::assert_snapshot!(said, @r"
Wrote etc/rollcall/config.toml, which only you can read. What is left to do:

  1. At https://marketplace.zoom.us (Develop, Build App) make a Server-to-Server OAuth app with the scopes
     meeting:read:list_past_instances:admin and dashboard:read:list_meeting_participants:admin, and activate it.
  2. In etc/rollcall/config.toml, fill in account_id, client_id and client_secret_file under [zoom], and list your meetings.
  3. Let rollcall tell what is still missing:  rollcall --config etc/rollcall/config.toml check
  4. Collect for the first time:               rollcall --config etc/rollcall/config.toml collect
");
    }

    #[test]
    fn a_config_that_is_there_is_never_overwritten() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "mine").unwrap();
        let error = init(directory.path()).unwrap_err();
        assert_eq!(crate::commands::support::errors::code_of(&error), ExitCode::Usage);
        let error = error.to_string();
        assert!(error.contains("is there already"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::TempDir::new().unwrap();
        let target = directory.path().join("elsewhere");
        std::os::unix::fs::symlink(&target, directory.path().join("config.toml")).unwrap();
        assert!(init(directory.path()).is_err());
        assert!(!target.exists());
    }
}
