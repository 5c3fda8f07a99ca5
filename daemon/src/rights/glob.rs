//! Patterns over the segments of a path.
//!
//! `**` matches any number of segments, including none. `*` matches one segment or a part of one
//! (`*_many`): any number of characters except a slash. Matching takes at most as many steps as the
//! path has segments times the pattern has, whatever they are.

use std::fmt;

use super::path::{ApiPath, Segments};

/// A pattern such as `/api/v2/tickets/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<GlobPiece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum GlobPiece {
    /// `**`
    Any,
    /// The text before the only `*` of a segment, and after it; without one, the whole name.
    Segment { start: String, rest: Option<String> },
}

impl Glob {
    /// Parses a pattern. A final `.json` or slash is optional, as in paths.
    ///
    /// # Errors
    /// The pattern is invalid: why, as a text for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['?', '#']) {
            return Err("a rule only sees the path, without a query".to_owned());
        }
        if text.to_ascii_lowercase().contains("%2a") {
            return Err("an encoded `*` can't be distinguished from a `*`".to_owned());
        }
        let path = ApiPath::of(text).map_err(|ambiguity| ambiguity.to_string())?;
        let mut pieces: Vec<GlobPiece> = Vec::new();
        for segment in path.segments().iter() {
            let piece = GlobPiece::parse(segment)?;
            // `**/**` is the same as `**`.
            if !(piece == GlobPiece::Any && pieces.last() == Some(&GlobPiece::Any)) {
                pieces.push(piece);
            }
        }
        Ok(Self(pieces))
    }

    /// Whether it matches a path.
    pub(super) fn fits(&self, path: &Segments<'_>) -> bool {
        self.fits_by(path, |one, other| one == other)
    }

    /// The same, ignoring case, since some server may route that way.
    pub(super) fn fits_any_case(&self, path: &[&str]) -> bool {
        self.fits_by(path, <[u8]>::eq_ignore_ascii_case)
    }

    /// Whether it matches some path of this shape, in which names that begin with `*` may be any
    /// name.
    pub(super) fn fits_some(&self, shape: &[&str]) -> bool {
        self.fits_where(shape, |piece, name| {
            name.starts_with('*') || piece.fits(name.as_bytes(), &<[u8]>::eq_ignore_ascii_case)
        })
    }

    /// The path that it matches, if there is only one.
    pub(super) fn only_path(&self) -> Option<String> {
        self.is_one_path().then(|| self.to_string())
    }

    /// Whether it matches only one path.
    pub(super) fn is_one_path(&self) -> bool {
        let is_name = |piece: &GlobPiece| matches!(piece, GlobPiece::Segment { rest: None, .. });
        self.0.iter().all(is_name)
    }

    /// The first name, if only one matches.
    pub(super) fn first_name(&self) -> Option<&str> {
        match self.0.first()? {
            GlobPiece::Segment { start, rest: None } => Some(start),
            GlobPiece::Segment { .. } | GlobPiece::Any => None,
        }
    }

    fn fits_by(&self, path: &[&str], same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        self.fits_where(path, |piece, name| piece.fits(name.as_bytes(), &same))
    }

    fn fits_where(&self, path: &[&str], fits: impl Fn(&GlobPiece, &str) -> bool) -> bool {
        let (mut piece, mut segment) = (0, 0);
        // Where the last `**` was, and how many segments it has taken. Anything that an earlier one
        // could take in addition, the last one can take instead.
        let mut any: Option<(usize, usize)> = None;
        while segment < path.len() {
            match self.0.get(piece) {
                Some(GlobPiece::Any) => {
                    any = Some((piece, segment));
                    piece += 1;
                }
                Some(wanted) if fits(wanted, path[segment]) => {
                    piece += 1;
                    segment += 1;
                }
                _ => {
                    let Some((at, taken)) = &mut any else {
                        return false;
                    };
                    *taken += 1;
                    (piece, segment) = (*at + 1, *taken);
                }
            }
        }
        self.0[piece..].iter().all(|piece| *piece == GlobPiece::Any)
    }
}

impl GlobPiece {
    fn fits(&self, name: &[u8], same: &impl Fn(&[u8], &[u8]) -> bool) -> bool {
        match self {
            Self::Any => false,
            Self::Segment { start, rest: None } => same(name, start.as_bytes()),
            Self::Segment {
                start,
                rest: Some(end),
            } => {
                name.len() >= start.len() + end.len()
                    && same(&name[..start.len()], start.as_bytes())
                    && same(&name[name.len() - end.len()..], end.as_bytes())
            }
        }
    }

    fn parse(segment: &str) -> Result<Self, String> {
        if segment == "**" {
            return Ok(Self::Any);
        }
        let (start, rest) = match segment.split_once('*') {
            Some((start, rest)) => (start, Some(rest)),
            None => (segment, None),
        };
        if rest.is_some_and(|rest| rest.contains('*')) {
            return Err(format!(
                "`{segment}` has more than one `*`: a segment has one at most, \
                 and `**` is a segment of its own"
            ));
        }
        Ok(Self::Segment {
            start: start.to_owned(),
            rest: rest.map(str::to_owned),
        })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|piece| match piece {
            GlobPiece::Any => f.write_str("/**"),
            GlobPiece::Segment { start, rest: None } => write!(f, "/{}", encoded(start)),
            GlobPiece::Segment {
                start,
                rest: Some(end),
            } => write!(f, "/{}*{}", encoded(start), encoded(end)),
        })
    }
}

/// A name as it appears in a path.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b' ' | b'"' | b'<' | b'>' | b'[' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                text.push_str(&format!("%{byte:02X}"))
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(glob: &str, path: &str) -> bool {
        let path = ApiPath::of(path).unwrap();
        Glob::parse(glob).unwrap().fits(&path.segments())
    }

    #[test]
    fn d2_a_star_is_a_segment_or_a_part_of_one_and_two_are_any_number() {
        for (glob, path, expected) in [
            ("/api/v2/tickets", "/api/v2/tickets", true),
            ("/api/v2/tickets", "/api/v2/tickets.json", true),
            ("/api/v2/tickets", "/api/v2/tickets/", true),
            ("/api/v2/tickets.json", "/api/v2/tickets", true),
            ("/api/v2/tickets/", "/api/v2/tickets", true),
            ("/api/v2/tickets", "/api/v2/tickets/1", false),
            ("/api/v2/tickets", "/api/v2/ticket", false),
            ("/api/v2/tickets", "/api/v2/Tickets", false),
            ("/api/v2/tickets/*", "/api/v2/tickets/1", true),
            ("/api/v2/tickets/*.json", "/api/v2/tickets/1", true),
            ("/api/v2/tickets/*", "/api/v2/tickets", false),
            ("/api/v2/tickets/*", "/api/v2/tickets/1/comments", false),
            (
                "/api/v2/tickets/*/comments",
                "/api/v2/tickets/1/comments",
                true,
            ),
            ("/api/v2/tickets/**", "/api/v2/tickets", true),
            ("/api/v2/tickets/**", "/api/v2/tickets/1/comments", true),
            ("/api/v2/tickets/**", "/api/v2/tickets_x", false),
            ("/api/**/count", "/api/v2/tickets/count", true),
            ("/api/**/count", "/api/count", true),
            ("/api/**/count", "/api/v2/tickets/count/1", false),
            ("/api/**/1/**/2", "/api/1/1/x/2/2", true),
            ("/api/**/1/**/2", "/api/2/1", false),
            ("/**", "/", true),
            ("/**", "/api/v2/users", true),
            ("/", "/", true),
            ("/", "/api", false),
            ("/api/v2/*/*_many", "/api/v2/tickets/update_many", true),
            ("/api/v2/*/*_many", "/api/v2/tickets/_many", true),
            ("/api/v2/*/*_many", "/api/v2/tickets/many", false),
            ("/api/v2/*/*_many", "/api/v2/tickets/update_many_x", false),
            ("/api/v2/cu*ts", "/api/v2/custom_objects", true),
            ("/api/v2/ab*ba", "/api/v2/aba", false),
            ("/api/v2/a%20b", "/api/v2/a%20b", true),
            ("/api/v2/caf%C3%A9", "/api/v2/caf%c3%a9", true),
        ] {
            assert_eq!(fits(glob, path), expected, "{glob} on {path}");
        }
    }

    #[test]
    fn d2_what_denies_fits_whatever_the_case() {
        let glob = Glob::parse("/api/v2/Users/*_MANY/**").unwrap();
        let fits = |path| glob.fits_any_case(&ApiPath::of(path).unwrap().segments());
        assert!(fits("/API/v2/users/create_many"));
        assert!(fits("/api/V2/USERS/Destroy_Many/x"));
        assert!(!fits("/api/v2/users/many"));
        assert!(!fits("/api/v2/us%C3%A9rs/x_many"));
    }

    #[test]
    fn d2_a_bad_pattern_says_what_is_wrong_with_it() {
        for (text, expected) in [
            ("", "doesn't begin with `/`"),
            ("api/v2/tickets", "doesn't begin with `/`"),
            ("/api/v2/tickets?page=1", "without a query"),
            ("/api/v2/tickets#x", "without a query"),
            ("/api//tickets", "`//`"),
            ("/api/../tickets", "dots as relative segments"),
            ("/api/v2/tickets.xml", "only `.json`"),
            ("/api/v2/***", "more than one `*`"),
            ("/api/v2/**x", "more than one `*`"),
            ("/api/v2/*a*", "more than one `*`"),
            ("/api/v2/%2A", "an encoded `*`"),
            ("/api/v2/%74ickets", "needs no encoding"),
        ] {
            let error = Glob::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn d2_a_pattern_reads_back() {
        for (text, shown) in [
            ("/", "/"),
            ("/**/**/x/**", "/**/x/**"),
            ("/api/v2/tickets/*.json", "/api/v2/tickets/*"),
            ("/api/v2/a%20b*c%7Bd", "/api/v2/a%20b*c%7Bd"),
            ("/api/v2/caf%c3%a9", "/api/v2/caf%C3%A9"),
        ] {
            let glob = Glob::parse(text).unwrap();
            assert_eq!(glob.to_string(), shown);
            assert_eq!(Glob::parse(shown).unwrap(), glob);
        }
    }

    #[test]
    fn d2_matching_takes_no_more_steps_than_it_may() {
        let glob = Glob::parse(&format!("{}/b", "/**/a".repeat(11))).unwrap();
        let path = "/a".repeat(24);
        let path = ApiPath::of(&path).unwrap();
        // Exponential backtracking would never finish.
        for _ in 0..10_000 {
            assert!(!glob.fits(&path.segments()));
        }
    }
}
