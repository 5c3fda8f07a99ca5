//! `tests/attacks.md` is accurate: it has every row, and what it names exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn every_row_of_the_list_names_tests_that_exist() {
    let list = include_str!("../../attacks.md");
    let mut rows = BTreeSet::new();
    for line in list.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [row, _, by] = cells[..] else {
            panic!("three columns: {line}");
        };
        if row == "Row" {
            continue;
        }
        assert!(rows.insert(row), "{row} is there twice");
        assert!(
            by.contains('`') || by.starts_with("Doesn't apply"),
            "{line}"
        );
    }
    let families = [
        ("W", 11),
        ("U", 11),
        ("P", 24),
        ("K", 3),
        ("E", 7),
        ("L", 11),
    ];
    for (family, count) in families {
        for number in 1..=count {
            let row = format!("{family}{number}");
            assert!(rows.remove(row.as_str()), "{row} is missing");
        }
    }
    assert!(rows.is_empty(), "unknown: {rows:?}");

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in names(list) {
        let (file, test) = name.split_once("::").unwrap();
        let text = std::fs::read_to_string(root.join(file));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(text.contains(&format!("fn {test}(")), "{name}");
    }
}

/// A file without a `mod` line would silently not run.
#[test]
fn no_attack_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/attacks");
    let main = include_str!("mod.rs");
    let list = include_str!("../../attacks.md");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            name == "mod" || main.contains(&format!("mod {name};")),
            "{name}"
        );
        if ["mod", "list"].contains(&name) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            if let Some(test) = line
                .strip_prefix("async fn ")
                .and_then(|rest| rest.strip_suffix("() {"))
            {
                let named = list.contains(&format!("`tests/e2e/attacks/{name}.rs::{test}`"));
                assert!(named, "{test} is not in tests/attacks.md");
            }
        }
    }
}

/// Everything in backticks that has the form `FILE::TEST`.
fn names(list: &str) -> impl Iterator<Item = &str> {
    let quoted = list.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains("::"))
}
