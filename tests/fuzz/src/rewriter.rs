//! S2 for any body: compares the scanner with itself and with its slow reference.

mod document;

use loopdeskd::config::RewriteClass;
use loopdeskd::rewrite::fuzzing::{expected, places, scanned};
use loopdeskd::rewrite::{Arrival, ScriptClient};
use serde_json::value::RawValue;

/// Checks one body. The first three bytes choose classes, base and cuts, and whether the rest is
/// the body itself or the seed of a generated document.
pub fn rewriter(data: &[u8]) {
    let Some((&[choice, base, cuts], rest)) = data.split_first_chunk() else {
        return;
    };
    let classes: Vec<RewriteClass> = RewriteClass::ALL
        .iter()
        .enumerate()
        .filter(|(bit, _)| choice >> bit & 1 == 1)
        .map(|(_, (_, class))| *class)
        .collect();
    let base = BASES[usize::from(base) % BASES.len()];
    let client = &ScriptClient {
        base: base.into(),
        at: Arrival::Shared,
        names_account: base.contains("acme.localhost"),
        has_key: choice & HAS_KEY != 0,
    };
    let made;
    let text = if choice & MADE == 0 {
        rest
    } else {
        made = document::from(rest);
        made.as_slice()
    };

    let whole = scanned(&classes, client, [text]);
    for longest in [16, 128] {
        let pieces = scanned(&classes, client, pieces(text, cuts, longest));
        assert_same(&pieces, &whole, "in pieces");
    }
    let bytes = scanned(&classes, client, text.chunks(1));
    assert_same(&bytes, &whole, "byte by byte");
    let again = scanned(&classes, client, [whole.as_slice()]);
    assert_same(&again, &whole, "once more");
    let hits = assert_only_origins_differ(text, &whole, client);
    if classes.is_empty() {
        assert_eq!(hits, 0, "nothing is to be rewritten");
    }
    if let Some(text) = as_json(text) {
        let expected = expected(&classes, client, text);
        assert_same(&whole, expected.as_bytes(), "by the reference");
    }
}

/// The text, if every JSON parser would accept it.
fn as_json(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<&RawValue>();
    values.all(|value| value.is_ok()).then_some(text)
}

/// Pieces of up to `longest` bytes and empty ones, determined by `seed`.
fn pieces(text: &[u8], seed: u8, longest: usize) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(seed) << 8 | 1;
    let mut rest = text;
    std::iter::from_fn(move || {
        // A generator that is good enough for no two seeds to cut alike (Numerical Recipes'
        // constants).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = (state >> 24) as usize % (longest + 1);
        let (piece, after) = rest.split_at(size.min(rest.len()));
        let ended = rest.is_empty();
        rest = after;
        (!ended).then_some(piece)
    })
}

/// Walks through both in parallel: where they differ, an origin has become the base, at the
/// beginning of a string and before a path that is served here. Returns how often.
fn assert_only_origins_differ(text: &[u8], result: &[u8], client: &ScriptClient) -> usize {
    let places = places(client);
    let (mut at, mut at_result, mut hits) = (0, 0, 0);
    while at < text.len() {
        let hit = text[..at].ends_with(b"\"").then(|| {
            SPELLINGS.iter().find_map(|slash| {
                let spelled = |text: &str| text.replace('/', slash).into_bytes();
                let mut known = places.iter().filter_map(|(origin, base)| {
                    let origin = spelled(origin);
                    let base = spelled(base.as_ref()?);
                    text[at..].starts_with(&origin).then_some((origin, base))
                });
                let (origin, base) = known.next()?;
                let paths = ["/api/", "/attachments/", "/hc/article_attachments/"];
                let rest = &text[at + origin.len()..];
                let path = paths.map(spelled).into_iter();
                let path = path.into_iter().find(|path| rest.starts_with(path))?;
                let is_hit = result[at_result..].starts_with(&[base.clone(), path].concat());
                is_hit.then_some((origin.len(), base.len()))
            })
        });
        if let Some((theirs, ours)) = hit.flatten() {
            at += theirs;
            at_result += ours;
            hits += 1;
            continue;
        }
        assert_eq!(
            text.get(at),
            result.get(at_result),
            "byte {at} of {}\nbecame {}",
            text.escape_ascii(),
            result.escape_ascii()
        );
        at += 1;
        at_result += 1;
    }
    assert_eq!(result.len(), at_result, "there is more than there was");
    hits
}

#[track_caller]
fn assert_same(found: &[u8], expected: &[u8], how: &str) {
    assert!(
        found == expected,
        "{how}: {}\nis not {}",
        found.escape_ascii(),
        expected.escape_ascii()
    );
}

/// Set if a document should be generated.
const MADE: u8 = 0x10;

/// Set if the client has a local key.
const HAS_KEY: u8 = 0x20;

/// How clients write our address.
const BASES: [&str; 5] = [
    "http://localhost:8484",
    "http://127.0.0.1:8484",
    "http://[::1]:8484",
    "http://acme.localhost",
    "http://LOCALHOST.:8490",
];

/// The ways to write a slash.
const SPELLINGS: [&str; 2] = ["/", r"\/"];
