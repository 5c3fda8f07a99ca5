//! Checks the promises in `daemon/README.md` against the tests that show them, and citations in
//! comments against the pages that they name.

use std::collections::{BTreeMap, BTreeSet};

use super::{read, root, sources};

const PAGE: &str = "daemon/README.md";

#[test]
fn every_promise_is_defined_once_and_complete() {
    let promises = promises(&read(PAGE));
    for (family, count) in [('S', 10), ('R', 10), ('D', 7), ('O', 6)] {
        for number in 1..=count {
            let id = format!("{family}{number}");
            assert!(promises.contains_key(&id), "{PAGE}: {id} is missing");
        }
    }
    for (id, promise) in &promises {
        assert!(!promise.text.is_empty(), "{id} promises nothing");
        if !promise.is_kept {
            let empty = promise.modules.is_empty() && promise.tests.is_empty();
            assert!(empty, "{id} is planned, so nothing keeps or shows it");
            continue;
        }
        assert!(!promise.modules.is_empty(), "{id}: which module keeps it?");
        for module in &promise.modules {
            let places = [format!("daemon/src/{module}"), module.clone()];
            let exists = places.iter().any(|place| root().join(place).exists());
            assert!(exists, "{id}: there is no module {module}");
        }
        assert!(!promise.tests.is_empty(), "{id}: which test shows it?");
        for test in &promise.tests {
            let (file, name) = test.split_once("::").unwrap_or_else(|| {
                panic!("{id}: {test} isn't FILE::TEST");
            });
            let text = read(file);
            assert!(
                text.contains(&format!("fn {name}(")),
                "{id}: there is no {test}"
            );
            assert!(cited(name).contains(id), "{id}: {test} doesn't cite it");
        }
    }
}

#[test]
fn every_test_cites_promises_that_are_kept_and_attacks_that_are_listed() {
    let promises = promises(&read(PAGE));
    let attacks = attacks();
    let mut shown = BTreeSet::new();
    for file in sources(&["daemon", "client", "tests"]) {
        for name in functions(&read(&file)) {
            for id in cited(name) {
                if "WUPKL".contains(&id[..1]) {
                    assert!(
                        attacks.contains(&id),
                        "{file}: {name} cites {id}, which is not in tests/attacks.md"
                    );
                    continue;
                }
                let promise = promises.get(&id).unwrap_or_else(|| {
                    panic!("{file}: {name} cites {id}, which {PAGE} doesn't define");
                });
                assert!(
                    promise.is_kept,
                    "{file}: {name} shows {id}, which {PAGE} calls planned"
                );
                shown.insert(id);
            }
        }
    }
    for (id, promise) in &promises {
        assert!(
            shown.contains(id) || !promise.is_kept,
            "no test's name cites {id}"
        );
    }
}

#[test]
fn every_comment_cites_promises_and_sections_that_exist() {
    let promises = promises(&read(PAGE));
    let facts = read("daemon/ZENDESK.md");
    let sections: BTreeSet<_> = facts
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    for file in sources(&["daemon", "client", "tests"]) {
        for comment in comments(&read(&file)) {
            for word in comment.split(|c: char| !c.is_alphanumeric()) {
                let is_id = word.starts_with(['S', 'R', 'D', 'O'])
                    && (2..=3).contains(&word.len())
                    && word[1..].bytes().all(|b| b.is_ascii_digit());
                assert!(
                    !is_id || promises.contains_key(word),
                    "{file}: a comment cites {word}, which {PAGE} doesn't define"
                );
            }
            for section in sections_cited(&comment) {
                assert!(
                    sections.contains(section),
                    "{file}: daemon/ZENDESK.md has no section `{section}`"
                );
            }
        }
    }
}

/// One row of the tables of promises.
#[derive(Debug)]
struct Promise {
    text: String,
    is_kept: bool,
    modules: Vec<String>,
    tests: Vec<String>,
}

/// The rows `| id | promise | state | kept by | shown by |`, by their ids.
fn promises(page: &str) -> BTreeMap<String, Promise> {
    let mut promises = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let inner = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'));
        let cells: Vec<_> = inner.unwrap().split('|').map(str::trim).collect();
        let [id, text, state, modules, tests] = cells[..] else {
            panic!("{PAGE}: five columns: {line}");
        };
        if id == "id" || id.starts_with("---") {
            continue;
        }
        let promise = Promise {
            text: text.to_owned(),
            is_kept: match state {
                "kept" => true,
                "planned" => false,
                other => panic!("{PAGE}: {id} is `{other}`, neither kept nor planned"),
            },
            modules: quoted(modules),
            tests: quoted(tests),
        };
        let before = promises.insert(id.to_owned(), promise);
        assert!(before.is_none(), "{PAGE}: {id} is there twice");
    }
    promises
}

/// The ids of the rows of `tests/attacks.md`.
fn attacks() -> BTreeSet<String> {
    let list = read("tests/attacks.md");
    let rows = list.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn quoted(cell: &str) -> Vec<String> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// The names of the functions in a file.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim_start);
    lines.filter_map(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")?.split(['(', '<']).next()
    })
}

/// The ids that a test's name starts with: `d1_p8_path_table` cites D1 and P8.
fn cited(name: &str) -> Vec<String> {
    let is_id = |word: &&str| {
        word.starts_with(['s', 'r', 'd', 'o', 'w', 'u', 'p', 'k', 'l'])
            && word.len() > 1
            && word[1..].bytes().all(|b| b.is_ascii_digit())
    };
    let ids = name.split('_').take_while(is_id);
    ids.map(str::to_ascii_uppercase).collect()
}

/// Blocks of comment lines, each joined into one text.
fn comments(text: &str) -> Vec<String> {
    let mut comments = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("//") {
            open.push_str(rest.trim_start_matches(['/', '!']));
        } else if !open.is_empty() {
            comments.push(std::mem::take(&mut open));
        }
    }
    comments.push(open);
    comments
}

/// The text after `ZENDESK.md` and a comma or colon, up to the end of the comment or bracket.
fn sections_cited(comment: &str) -> impl Iterator<Item = &str> {
    let places = comment.split("ZENDESK.md").skip(1);
    let lists = places.filter_map(|rest| rest.strip_prefix([',', ':']));
    let names = lists.flat_map(|rest| rest.split(')').next().unwrap_or(rest).split(','));
    names.map(str::trim)
}

#[test]
fn citations_are_found_where_they_are() {
    assert_eq!(cited("d1_p18_a_head_is_431"), ["D1", "P18"]);
    assert_eq!(cited("http_1_0_is_spoken"), [""; 0]);
    let comment = " Several live side by side (ZENDESK.md, Rotation), and (R3).";
    assert_eq!(sections_cited(comment).collect::<Vec<_>>(), ["Rotation"]);
    let comment = " Paging. ZENDESK.md: Errors, Exports";
    assert_eq!(
        sections_cited(comment).collect::<Vec<_>>(),
        ["Errors", "Exports"]
    );
}
