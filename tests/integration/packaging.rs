//! The units that systemd starts: what it says of them, where it is there to be asked.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The units with this machine's program in the place of the installed one, in a directory of their own.
fn units() -> TempDir {
    let directory = TempDir::new().unwrap();
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for (from, to) in
        [("rollcall.service", "rollcall.service"), ("rollcall@.service", "rollcall@one.service")]
    {
        let text = std::fs::read_to_string(packaging.join(from)).unwrap();
        assert!(text.contains("ExecStart=/usr/bin/rollcall "), "{from}");
        let text = text.replace("/usr/bin/rollcall", env!("CARGO_BIN_EXE_rollcall"));
        std::fs::write(directory.path().join(to), text).unwrap();
    }
    directory
}

/// What `systemd-analyze` says of a unit; none where it is missing.
fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let Ok(output) = Command::new("systemd-analyze").args(arguments).arg(unit).output() else {
        eprintln!("skipped: there is no systemd-analyze here; Debian's package systemd brings it");
        return None;
    };
    Some(output)
}

const UNITS: [&str; 2] = ["rollcall.service", "rollcall@one.service"];

#[test]
fn the_units_are_as_systemd_wants_them() {
    let directory = units();
    for unit in UNITS {
        let Some(output) = analyze(&["verify", "--man=no"], &directory.path().join(unit)) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{unit}: {said}");
    }
}

#[test]
fn the_units_expose_little() {
    let directory = units();
    for unit in UNITS {
        // The threshold is in tenths: above it the status is a failure.
        let arguments = ["security", "--offline=true", "--no-pager", "--threshold=15"];
        let Some(output) = analyze(&arguments, &directory.path().join(unit)) else { return };
        assert!(output.status.success(), "{unit}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn both_units_are_hardened_alike() {
    let read = |unit: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(unit)).unwrap()
    };
    let from_hardening = |text: &str| {
        text.split_once("CapabilityBoundingSet=").expect("the units drop every capability").1.to_owned()
    };
    assert_eq!(from_hardening(&read("rollcall.service")), from_hardening(&read("rollcall@.service")));
}

/// What the code says, as it is said: without the quotes' breaks and escapes.
fn words_of(directory: &Path, words: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            words_of(&path, words);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                let mut line = line.to_owned();
                while let Some(whole) = line.strip_suffix('\\') {
                    line = format!("{whole}{}", lines.next().unwrap_or_default().trim_start());
                }
                words.push_str(&line);
                words.push('\n');
            }
        }
    }
}

#[test]
fn the_symptoms_quote_what_the_program_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut words = String::new();
    words_of(&root.join("src"), &mut words);
    let page = std::fs::read_to_string(root.join("docs/symptoms.md")).unwrap();
    let seen = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let quoted: Vec<&str> = seen.flat_map(|seen| seen.split('"').skip(1).step_by(2)).collect();
    assert!(quoted.len() > 10, "{quoted:?}");
    for quote in quoted {
        for part in quote.split('…').map(str::trim) {
            assert!(words.contains(part), "nothing in src says {part:?}, which docs/symptoms.md quotes");
        }
    }
}
