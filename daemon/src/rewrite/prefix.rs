//! The beginnings of addresses that may have to be rewritten.

/// Every spelling of every such beginning.
#[derive(Debug)]
pub(super) struct Prefixes {
    all: Vec<Prefix>,
    longest: usize,
}

impl Prefixes {
    /// The prefixes of addresses at `origins`.
    pub(super) fn new(origins: impl Iterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for (number, origin) in origins.enumerate() {
            for path in FOLLOWED {
                all.push(Prefix::new(number, &origin, path, "/"));
                all.push(Prefix::new(number, &origin, path, r"\/"));
            }
        }
        let longest = all.iter().map(Prefix::len).max().unwrap_or(0);
        Self { all, longest }
    }

    /// The length of the longest prefix: this much of a string is enough to decide.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether `text` begins with a prefix, or could with more text to come.
    pub(super) fn find(&self, text: &[u8]) -> PrefixMatch<'_> {
        let mut found = PrefixMatch::Nothing;
        for prefix in &self.all {
            if text.starts_with(&prefix.text) {
                return PrefixMatch::Whole(prefix);
            }
            if prefix.text.starts_with(text) {
                found = PrefixMatch::Part;
            }
        }
        found
    }
}

/// One spelling of one beginning.
#[derive(Debug)]
pub(super) struct Prefix {
    /// The origin's number.
    origin: usize,
    text: Vec<u8>,
    /// Where the path begins.
    path: usize,
    /// How a slash is spelled. Escaping it is optional in JSON, and common: PHP and some versions
    /// of Rails do it.
    slash: &'static str,
}

impl Prefix {
    fn new(number: usize, origin: &str, path: &str, slash: &'static str) -> Self {
        let mut text = origin.replace('/', slash).into_bytes();
        let at = text.len();
        text.extend(path.replace('/', slash).into_bytes());
        Self {
            origin: number,
            text,
            path: at,
            slash,
        }
    }

    /// The number of its origin.
    pub(super) fn origin(&self) -> usize {
        self.origin
    }

    /// Its length, path included.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Its replacement at a base `http://HOST[:PORT]`, in its own spelling.
    pub(super) fn localised<'a>(&'a self, base: &'a str) -> [&'a [u8]; 5] {
        let slash = self.slash.as_bytes();
        let (scheme, host) = base.split_once("//").unwrap_or(("", base));
        [
            scheme.as_bytes(),
            slash,
            slash,
            host.as_bytes(),
            &self.text[self.path..],
        ]
    }
}

/// What a text begins with.
pub(super) enum PrefixMatch<'a> {
    /// A complete prefix.
    Whole(&'a Prefix),
    /// A part of one, at which the text ends.
    Part,
    /// No prefix.
    Nothing,
}

/// Where the API and its files are. An address elsewhere at the same origin is a page for people.
pub(super) const FOLLOWED: [&str; 3] = ["/api/", "/attachments/", "/hc/article_attachments/"];
