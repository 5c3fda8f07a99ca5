//! Finds local keys in text by their form, so it doesn't matter whose they are.
//!
//! Raw, percent-encoded, and in base64, which is how Basic carries them. Truncated keys are found
//! too: anything longer than the id, which may be shown.

use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use loopdesk_protocol::key::{ID_LENGTH, PREFIX};
use memchr::memmem;
use zeroize::Zeroizing;

/// The ranges of `text` that must not be shown, in order and without overlaps.
pub(super) fn find(text: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = in_plain(text).chain(in_base64(text)).collect();
    found.sort_unstable_by_key(|range| range.start);
    found
}

fn in_plain(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    memmem::find_iter(text, "ldk").filter_map(|at| secret(text, at))
}

/// The secret part of a key at `at`, if there is one.
fn secret(text: &[u8], at: usize) -> Option<Range<usize>> {
    let first = at + PREFIX.len() - 1;
    let first = first + underscore(text.get(first..)?)?;
    let mut end = first;
    let mut letters = 0;
    let mut start = first;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let length = match rest.first() {
            Some(byte) if byte.is_ascii_alphanumeric() => 1,
            _ => match underscore(rest) {
                Some(length) => length,
                None => break,
            },
        };
        end += length;
        letters += 1;
        if letters == ID_LENGTH + 1 && underscore(rest).is_some() {
            // The id is complete, and may be shown.
            start = end;
        }
    }
    (letters > ID_LENGTH && end > start).then_some(start..end)
}

/// The length of the `_` that `text` begins with, percent-encoded or not.
fn underscore(text: &[u8]) -> Option<usize> {
    let ends = |end: &str| {
        text.get(..end.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(end.as_bytes()))
    };
    ["_", "%5f"].into_iter().find(|end| ends(end)).map(str::len)
}

/// Runs of base64 that contain a key.
fn in_base64(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    IN_BASE64
        .into_iter()
        .flat_map(move |(needle, in_group, before)| {
            memmem::find_iter(text, needle).filter_map(move |at| {
                let group = at.checked_sub(in_group)?;
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
                let word = text.get(group..)?;
                let length = word.iter().take_while(|byte| is_part(byte)).count();
                let decoded = decoded(word.get(..length)?)?;
                secret(&decoded, before)?;
                let lead = text
                    .get(..group)?
                    .iter()
                    .rev()
                    .take_while(|byte| is_part(byte));
                Some(group - lead.count()..group + length)
            })
        })
}

fn decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // A truncated run may end anywhere; a single letter after the last full group carries no byte.
    let whole = text.len() - usize::from(text.len() % 4 == 1);
    let text: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.iter()
            .take(whole)
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                byte => *byte,
            })
            .collect(),
    );
    LENIENT.decode(&text[..]).ok().map(Zeroizing::new)
}

/// What `ldk_` looks like in base64 after no, one and two other bytes in its group: the letters
/// that depend only on it, their position in the group, and that number of bytes.
const IN_BASE64: [(&str, usize, usize); 3] = [("bGRrX", 0, 0), ("xka1", 2, 1), ("sZGtf", 3, 2)];

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose as b64;
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ldk_Q3vT9xKa_7nBfVbX2mQyZs0aLcWkE4rTgUiOpHjDx93NvM1qAeRy8IuZ5Jh";

    fn shown(text: &str) -> String {
        let mut text = text.to_owned();
        for range in find(text.as_bytes()).into_iter().rev() {
            text.replace_range(range, "…");
        }
        text
    }

    #[test]
    fn d4_a_key_is_in_no_text_and_its_id_may_be() {
        let (id, cut) = (&KEY[..12], &KEY[..30]);
        let joined = KEY.replacen("Ka_", "Ka", 1);
        let escaped = KEY.replace('_', "%5F");
        for (text, expected) in [
            (format!("key {KEY}, and"), format!("key {id}_…, and")),
            (format!("{KEY} {KEY}"), format!("{id}_… {id}_…")),
            (format!("\"{cut}\""), format!("\"{id}_…\"")),
            (joined, "ldk_…".to_owned()),
            (
                format!("?access_token={escaped}&x"),
                "?access_token=ldk%5FQ3vT9xKa%5F…&x".to_owned(),
            ),
            (format!("x{KEY}"), format!("x{id}_…")),
            (format!("key `{id}` is gone"), format!("key `{id}` is gone")),
            (
                format!("{id}_ ldk_ ldk ldk_short"),
                format!("{id}_ ldk_ ldk ldk_short"),
            ),
        ] {
            assert_eq!(shown(&text), expected, "{text}");
        }
    }

    #[test]
    fn d4_a_key_in_base64_is_in_no_text() {
        for user in ["", "a", "ab", "abc", "agent@example.com/token"] {
            let credentials = format!("{user}:{KEY}");
            for text in [
                b64::STANDARD.encode(&credentials),
                b64::URL_SAFE_NO_PAD.encode(&credentials),
            ] {
                let expected = format!("Basic …{} x", &text[text.trim_end_matches('=').len()..]);
                assert_eq!(shown(&format!("Basic {text} x")), expected, "{user}");
                let cut = &text[..text.len() - 20];
                assert_eq!(shown(cut), "…", "{user}");
            }
        }
        let id_alone = b64::STANDARD.encode(&KEY[..12]);
        assert_eq!(shown(&id_alone), id_alone);
    }

    proptest! {
        #[test]
        fn d4_no_form_of_a_key_survives_in_any_text(
            before in "\\PC{0,12}", after in "[^A-Za-z0-9_%+/-]\\PC{0,12}"
        ) {
            let secret = &KEY[13..];
            let plain = shown(&format!("{before}{KEY}{after}"));
            prop_assert!(!plain.contains(secret), "{}", plain);
            let encoded = b64::STANDARD_NO_PAD.encode(format!("{before}{KEY}"));
            let encoded = shown(&format!("{encoded}{after}"));
            prop_assert!(!encoded.contains(&b64::STANDARD_NO_PAD.encode(secret)[2..50]));
        }

        #[test]
        fn any_text_is_looked_through_and_stretches_are_in_order(text in any::<Vec<u8>>()) {
            let found = find(&text);
            prop_assert!(found.is_sorted_by_key(|range| range.start));
            prop_assert!(found.iter().all(|range| range.end <= text.len()));
        }
    }
}
