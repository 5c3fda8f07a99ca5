//! The rule matcher against a naive one.

use proptest::prelude::*;

use crate::rights::glob::Glob;
use crate::rights::path::ApiPath;

/// Tries every possibility.
fn naive(glob: &[String], path: &[&str]) -> bool {
    match (glob.split_first(), path.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((piece, rest)), _) if piece == "**" => {
            (0..=path.len()).any(|taken| naive(rest, &path[taken..]))
        }
        (Some(_), None) => false,
        (Some((piece, glob)), Some((name, path))) => {
            let (piece, name): (Vec<char>, Vec<char>) =
                (piece.chars().collect(), name.chars().collect());
            fits(&piece, &name) && naive(glob, path)
        }
    }
}

fn fits(piece: &[char], name: &[char]) -> bool {
    match (piece.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
        (Some((wanted, piece)), Some((found, name))) => wanted == found && fits(piece, name),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn d2_rules_match_as_a_matcher_that_tries_everything(
        glob in prop::collection::vec(
            prop_oneof![Just("**".to_owned()), "[ab]{0,2}\\*[ab]{0,2}", "[ab]{1,2}"],
            0..6,
        ),
        path in prop::collection::vec("[ab]{1,3}", 0..7),
    ) {
        let text = format!("/{}", glob.join("/"));
        let read = Glob::parse(&text).unwrap();
        let whole = format!("/{}", path.join("/"));
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let expected = naive(&glob, &segments);
        let strict = ApiPath::of(&whole).unwrap();
        prop_assert_eq!(read.fits(&strict.segments()), expected, "{} on {}", text, whole);
        prop_assert_eq!(read.fits_any_case(&strict.segments()), expected);
        let upper = whole.to_ascii_uppercase();
        let upper = ApiPath::of(&upper).unwrap();
        prop_assert_eq!(read.fits_any_case(&upper.segments()), expected);
        let again = Glob::parse(&read.to_string()).unwrap();
        prop_assert_eq!(again, read);
    }
}
