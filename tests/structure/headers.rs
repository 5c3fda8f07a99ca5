//! The guide names every header that loopdesk takes out of Zendesk's answers.

use loopdeskd::rewrite::{STRIPPED, STRIPPED_FAMILIES};

use super::read;

#[test]
fn the_guide_names_every_header_that_is_stripped_from_an_answer() {
    let guide = read("client/guide/clients.md").to_ascii_lowercase();
    let (_, section) = guide.split_once("\n## headers of an answer\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let families = STRIPPED_FAMILIES.iter().map(|family| format!("{family}*"));
    let names = STRIPPED.iter().map(|name| (*name).to_owned());
    let missing: Vec<_> = names
        .chain(families)
        .filter(|name| !section.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "the guide lacks {missing:?}");
}
