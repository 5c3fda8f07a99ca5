//! The pages that people read: their length, their links, and what `man` makes of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use loopdesk_tests::Home;
use loopdesk_tests::needs::needs;

use super::binary;

#[test]
fn the_readme_is_short() {
    let readme = read(&root().join("README.md"));
    assert!(readme.lines().count() <= 150, "{}", readme.lines().count());
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let folders = [
        "",
        "client/guide",
        "daemon",
        "packaging",
        "tests",
        "tests/e2e",
    ];
    let files = folders.iter().flat_map(|folder| {
        let entries = std::fs::read_dir(root().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path())
    });
    let pages: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    assert!(pages.len() > 15, "{pages:?}");
    let mut dead = Vec::new();
    for page in &pages {
        for link in links(&read(page)) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            let leads = match anchor {
                "" => target.exists(),
                anchor => target.is_file() && anchors(&read(&target)).contains(anchor),
            };
            if !leads {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[tokio::test]
async fn man_finds_nothing_wrong_with_the_pages_of_the_guide() {
    if !needs(&["man"]) {
        return;
    }
    let home = Home::new(binary()).unwrap();
    let folder = home.path().join("man").display().to_string();
    let wrote = home.loopdesk(["man", &folder, "--json"]).await.ok().json();
    let paths = wrote["paths"].as_array().unwrap().iter();
    let paths: Vec<_> = paths.map(|path| path.as_str().unwrap()).collect();
    let guide: Vec<_> = paths.iter().filter(|path| path.ends_with(".7")).collect();
    assert!(guide.len() > 10, "{paths:?}");
    for path in guide {
        let shown = home
            .run("man", ["--warnings", "-E", "UTF-8", "-l", path])
            .await
            .ok();
        assert_eq!(shown.stderr, "", "{path}");
        for section in ["NAME", "DESCRIPTION", "SEE ALSO"] {
            let is_there = shown.stdout.lines().any(|line| line == section);
            assert!(is_there, "{path}: {section}: {}", shown.stdout);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The lines of a page that aren't code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// The targets of a page's links, without those on the web.
fn links(page: &str) -> Vec<String> {
    let starts = prose(page).flat_map(|line| line.split("](").skip(1));
    let targets = starts.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    targets.filter(|link| !link.contains("://")).collect()
}

/// The names by which a page's headings are linked to, as GitHub and GitLab make them.
fn anchors(page: &str) -> HashSet<String> {
    let headings = prose(page).filter_map(|line| line.strip_prefix('#'));
    let names = headings.map(|heading| {
        let heading = heading.trim_start_matches('#').trim();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    });
    names.collect()
}
