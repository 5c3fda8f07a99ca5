//! The guide describes the codes of `X-Loopdesk-Error` that the daemon sends, and no others.

use std::collections::BTreeSet;

use loopdeskd::error_response::ERROR_CODES;

use super::read;

#[test]
fn the_guide_lists_every_code_of_an_error_with_its_status() {
    let guide = read("client/guide/troubleshooting.md");
    let (_, section) = guide.split_once("\n## Errors that scripts get\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let code = cells.next()?.strip_suffix('`')?;
        Some(format!("{code} {}", cells.next()?))
    });
    let described: BTreeSet<String> = rows.collect();
    let sent = ERROR_CODES.iter();
    let sent: BTreeSet<String> = sent
        .map(|(code, status)| format!("{code} {}", status.as_u16()))
        .collect();
    let missing: Vec<_> = sent.difference(&described).collect();
    let unknown: Vec<_> = described.difference(&sent).collect();
    assert!(missing.is_empty(), "the guide lacks {missing:?}");
    assert!(unknown.is_empty(), "the daemon never sends {unknown:?}");
    assert_eq!(sent.len(), ERROR_CODES.len(), "a code occurs twice");
}
