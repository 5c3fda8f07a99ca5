//! Rules, matched by trying everything.

use http::{Method, Uri};
use loopdesk_protocol::key;
use loopdeskd::rights::Rights;

/// Checks each plain rule of a key against the paths of its other rules.
pub(super) fn check(asked: &key::RightsText) {
    let rules = || asked.allow.iter().chain(&asked.deny).take(MOST);
    for (rule, other) in rules().flat_map(|rule| rules().map(move |other| (rule, other))) {
        let (Some(glob), Some(path)) = (names(rule), names(other)) else {
            continue;
        };
        let path: Vec<String> = path.iter().map(|name| name.replace('*', "x")).collect();
        let one = key::RightsText {
            allow: vec![format!("GET /{}", glob.join("/"))],
            ..key::RightsText::default()
        };
        let Ok(rights) = Rights::parse(&one) else {
            continue;
        };
        let target: Uri = format!("/{}", path.join("/")).parse().expect("a path");
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let found = rights.explain(&Method::GET, &target).allowed;
        assert_eq!(found, fits(&glob, &segments), "{glob:?} on {path:?}");
    }
}

/// The segments of a rule's path, if none of them is special.
fn names(rule: &str) -> Option<Vec<String>> {
    let path = rule.split_ascii_whitespace().nth(1)?.strip_prefix('/')?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'*');
    let names = path.split('/');
    let all_plain = names
        .clone()
        .all(|name| !name.is_empty() && name.bytes().all(is_plain));
    let names: Vec<String> = names.map(str::to_owned).collect();
    (all_plain && names.len() <= MOST && path.len() <= 60).then_some(names)
}

fn fits(glob: &[String], path: &[&str]) -> bool {
    match (glob.split_first(), path.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((piece, rest)), _) if piece == "**" => {
            (0..=path.len()).any(|taken| fits(rest, &path[taken..]))
        }
        (Some(_), None) => false,
        (Some((piece, glob)), Some((name, path))) => {
            fits_name(piece.as_bytes(), name.as_bytes()) && fits(glob, path)
        }
    }
}

fn fits_name(piece: &[u8], name: &[u8]) -> bool {
    match (piece.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', rest)), _) => (0..=name.len()).any(|taken| fits_name(rest, &name[taken..])),
        (Some((wanted, piece)), Some((found, name))) => wanted == found && fits_name(piece, name),
        (Some(_), None) => false,
    }
}

/// Trying everything takes exponential time, so longer paths are left out.
const MOST: usize = 8;
