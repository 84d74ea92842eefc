//! ARCHITECTURE.md names every module, and nothing that is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is part of the project")
}

/// Every file below a directory of the project.
fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The words that a program can be searched for: letters, digits and underscores.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// The first cells of the table below this header.
fn first_cells(page: &str, header: &str) -> BTreeSet<String> {
    page.lines()
        .skip_while(|line| !line.starts_with(header))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('`').nth(1))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_map_has_every_module() {
    let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules: BTreeSet<String> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(first_cells(&page(), "| module |"), modules);
}

#[test]
fn every_name_in_it_is_one_of_the_code() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for directory in ["src", "migrations", "tests"] {
        for file in files(&root().join(directory)) {
            known.extend(file.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            // What is not UTF-8 is no source.
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if !file.ends_with("architecture_doc.rs") {
                known.extend(words(&text).map(str::to_owned));
            }
        }
    }
    let page = page();
    let prose: String = page.split("\n```").step_by(2).collect();
    let mut looked_at = 0;
    for code in prose.split('`').skip(1).step_by(2) {
        // Commands and statements are of several words, files have a path.
        if code.contains([' ', '/', '.', '-', '\n']) {
            assert!(
                !code.contains('/') || root().join(code).exists(),
                "ARCHITECTURE.md: {code} is not there"
            );
            continue;
        }
        for name in words(code).filter(|name| !name.is_empty()) {
            assert!(known.contains(name), "ARCHITECTURE.md names `{code}`, but there is no {name}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 100);
}

#[test]
fn the_tests_that_it_tells_of_are_there() {
    for test in first_cells(&page(), "| test |") {
        assert!(root().join(format!("tests/integration/{test}.rs")).exists(), "there is no test `{test}`");
    }
}
