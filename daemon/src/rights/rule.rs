//! Rules of a key: a method and a pattern for paths.

use std::fmt;

use http::Method;

use super::glob::Glob;
use super::path::Segments;
use crate::route_table::TABLE;

/// A rule such as `GET /api/v2/tickets/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    verb: RuleVerb,
    glob: Glob,
}

impl Rule {
    /// Parses a rule.
    ///
    /// # Errors
    /// The rule is invalid: why, as a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_MAX {
            let start: String = text.chars().take(40).collect();
            return Err(format!(
                "The rule `{start}…` is longer than {LENGTH_MAX} bytes."
            ));
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(method), Some(path), None) = (words.next(), words.next(), words.next()) else {
            return Err(format!(
                "`{text}` isn't a rule: a rule is a method and a path, such as `GET {EXAMPLE}`."
            ));
        };
        let verb = RuleVerb::parse(method)
            .map_err(|hint| format!("`{method}` in the rule `{text}` isn't a method: {hint}."))?;
        let glob = Glob::parse(path)
            .map_err(|why| format!("The path in the rule `{text}` can't be used: {why}."))?;
        let rule = Self { verb, glob };
        match rule.glob.first_name() {
            // A rule that matches nothing would give a false sense of security.
            Some(name) if TABLE.is_name_beneath_v2(name) => Err(format!(
                "The rule `{text}` fits no route: the API begins with `/api/v2`, \
                 as in `{verb} /api/v2{}`.",
                rule.glob
            )),
            _ => Ok(rule),
        }
    }

    /// Whether it allows a request.
    pub(super) fn allows(&self, method: &Method, path: &Segments<'_>) -> bool {
        self.verb.covers(method) && self.glob.fits(path)
    }

    /// Whether it denies a request: ignoring case, so that no server reads an allowed path as a
    /// denied one.
    pub(super) fn denies(&self, method: &Method, path: &[&str]) -> bool {
        self.verb.covers(method) && self.glob.fits_any_case(path)
    }

    /// Whether it matches only one path.
    pub(super) fn names_one_path(&self) -> bool {
        self.glob.is_one_path()
    }

    /// Whether it covers reading, among other things.
    pub(super) fn covers_reading(&self) -> bool {
        self.verb.covers(&Method::GET)
    }

    /// Whether it matches some path of this shape, in which names that begin with `*` may be any
    /// name.
    pub(super) fn fits_some(&self, shape: &[&str]) -> bool {
        self.glob.fits_some(shape)
    }

    /// Whether it covers only reading.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self.verb, RuleVerb::Get | RuleVerb::Head)
    }

    /// The only path that it matches, and its methods, if there is just one.
    pub(super) fn only_path(&self) -> Option<(&'static [Method], String)> {
        Some((self.verb.methods()?, self.glob.only_path()?))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.glob)
    }
}

/// The methods of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleVerb {
    /// GET, and what servers answer in the same way without its effects: HEAD and OPTIONS.
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    /// Every method, known or not.
    Any,
}

impl RuleVerb {
    fn parse(text: &str) -> Result<Self, String> {
        let known = VERBS.iter().find(|(name, _)| *name == text);
        if let Some((_, verb)) = known {
            return Ok(*verb);
        }
        let upper = text.to_ascii_uppercase();
        if VERBS.iter().any(|(name, _)| *name == upper) {
            return Err(format!("say `{upper}`"));
        }
        let names: Vec<String> = VERBS.iter().map(|(name, _)| format!("`{name}`")).collect();
        Err(format!("the methods are {}", names.join(", ")))
    }

    fn covers(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS),
            Self::Head => *method == Method::HEAD,
            Self::Post => *method == Method::POST,
            Self::Put => *method == Method::PUT,
            Self::Patch => *method == Method::PATCH,
            Self::Delete => *method == Method::DELETE,
            Self::Any => true,
        }
    }

    /// The methods that it covers, if they can be listed.
    fn methods(self) -> Option<&'static [Method]> {
        match self {
            Self::Get => Some(&[Method::GET]),
            Self::Head => Some(&[Method::HEAD]),
            Self::Post => Some(&[Method::POST]),
            Self::Put => Some(&[Method::PUT]),
            Self::Patch => Some(&[Method::PATCH]),
            Self::Delete => Some(&[Method::DELETE]),
            Self::Any => None,
        }
    }
}

impl fmt::Display for RuleVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = VERBS.iter().find(|(_, verb)| verb == self);
        f.write_str(name.map_or("*", |(name, _)| name))
    }
}

static VERBS: [(&str, RuleVerb); 7] = [
    ("GET", RuleVerb::Get),
    ("HEAD", RuleVerb::Head),
    ("POST", RuleVerb::Post),
    ("PUT", RuleVerb::Put),
    ("PATCH", RuleVerb::Patch),
    ("DELETE", RuleVerb::Delete),
    ("*", RuleVerb::Any),
];

const EXAMPLE: &str = "/api/v2/tickets/**";

/// Longer than any path of the API with its names of objects; it bounds the cost of a request.
const LENGTH_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::path::ApiPath;
    use super::*;

    #[test]
    fn d2_get_covers_head_and_options_and_a_star_everything() {
        let covers = |rule: &str, method: &str| {
            let rule = Rule::parse(&format!("{rule} /api/v2/tickets")).unwrap();
            let path = ApiPath::of("/api/v2/tickets").unwrap();
            let method = method.parse().unwrap();
            assert_eq!(
                rule.allows(&method, &path.segments()),
                rule.denies(&method, &path.segments())
            );
            rule.allows(&method, &path.segments())
        };
        for (rule, methods) in [
            ("GET", &["GET", "HEAD", "OPTIONS"][..]),
            ("HEAD", &["HEAD"]),
            ("POST", &["POST"]),
            ("PUT", &["PUT"]),
            ("PATCH", &["PATCH"]),
            ("DELETE", &["DELETE"]),
        ] {
            for method in [
                "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "MERGE", "get",
            ] {
                assert_eq!(
                    covers(rule, method),
                    methods.contains(&method),
                    "{rule} {method}"
                );
                assert!(covers("*", method));
            }
        }
    }

    #[test]
    fn d2_a_bad_rule_says_what_is_wrong_with_it() {
        for (text, expected) in [
            (
                "",
                "a rule is a method and a path, such as `GET /api/v2/tickets/**`",
            ),
            ("/api/v2/tickets", "a rule is a method and a path"),
            ("GET /api/v2/tickets x", "a rule is a method and a path"),
            (
                "get /api/v2/tickets",
                "`get` in the rule `get /api/v2/tickets` isn't a method: say `GET`",
            ),
            (
                "FETCH /api/v2/tickets",
                "the methods are `GET`, `HEAD`, `POST`",
            ),
            ("GET,PUT /api/v2/tickets", "the methods are"),
            ("GET api/v2/tickets", "doesn't begin with `/`"),
            ("DELETE /tickets/**", "as in `DELETE /api/v2/tickets/**`"),
            ("GET /users.json", "as in `GET /api/v2/users`"),
        ] {
            let error = Rule::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.ends_with('.'), "{error}");
        }
        let long = format!("GET /{}", "a".repeat(LENGTH_MAX));
        assert!(Rule::parse(&long).unwrap_err().contains("longer than 256"));
        for fine in [
            "GET /sc/v2/apps/**",
            "GET /hc/**",
            "* /**",
            " GET   /api/v2/x ",
        ] {
            let rule = Rule::parse(fine).unwrap();
            assert_eq!(Rule::parse(&rule.to_string()), Ok(rule));
        }
    }
}
