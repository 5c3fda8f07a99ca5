//! How a URL begins that is to be rewritten.

/// Every spelling of every such beginning.
pub(super) struct Prefixes {
    all: Vec<Prefix>,
    longest: usize,
}

impl Prefixes {
    /// The prefixes of `origins`, to be replaced by `base`.
    pub(super) fn new(origins: impl Iterator<Item = String>, base: &str) -> Self {
        let mut all = Vec::new();
        for origin in origins {
            for path in PATHS {
                all.push(Prefix::new(&origin, path, base, str::to_owned));
                all.push(Prefix::new(&origin, path, base, with_escaped_slashes));
            }
        }
        let longest = all.iter().map(Prefix::len).max().unwrap_or(0);
        Self { all, longest }
    }

    /// The length of the longest prefix: so much of a string is enough to decide.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether `text` begins with a prefix, or could with more text to come.
    pub(super) fn find(&self, text: &[u8]) -> Found<'_> {
        let mut found = Found::Nothing;
        for prefix in &self.all {
            if text.starts_with(&prefix.text) {
                return Found::Whole(prefix);
            }
            if prefix.text.starts_with(text) {
                found = Found::Part;
            }
        }
        found
    }
}

/// One spelling of one beginning.
pub(super) struct Prefix {
    text: Vec<u8>,
    origin: usize,
    base: Vec<u8>,
}

impl Prefix {
    fn new(origin: &str, path: &str, base: &str, spell: impl Fn(&str) -> String) -> Self {
        let mut text = spell(origin).into_bytes();
        let origin = text.len();
        text.extend(spell(path).into_bytes());
        Self {
            text,
            origin,
            base: spell(base).into_bytes(),
        }
    }

    /// Its length, path included.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// What the origin is replaced by, in the prefix's own spelling.
    pub(super) fn base(&self) -> &[u8] {
        &self.base
    }

    /// The path at its end.
    pub(super) fn path(&self) -> &[u8] {
        &self.text[self.origin..]
    }
}

/// What a text begins with.
pub(super) enum Found<'a> {
    /// All of a prefix.
    Whole(&'a Prefix),
    /// A part of one, and then the text ends.
    Part,
    /// None.
    Nothing,
}

/// Optional in JSON, and common: PHP and some versions of Rails write slashes like this.
fn with_escaped_slashes(text: &str) -> String {
    text.replace('/', r"\/")
}

/// What loopdesk serves. A URL elsewhere at the same origin is a page for people.
const PATHS: [&str; 2] = ["/api/", "/attachments/"];
