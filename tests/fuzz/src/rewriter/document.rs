//! Generates documents full of relevant texts from a fuzzer's bytes: any bytes give valid JSON, so
//! that mutations of them reach deep into the rules.

/// The document that `bytes` encode.
pub(super) fn from(bytes: &[u8]) -> Vec<u8> {
    let mut maker = Maker {
        rest: bytes,
        text: Vec::new(),
    };
    if maker.next() & 7 == 7 {
        maker.text.extend_from_slice("\u{feff}".as_bytes());
    }
    maker.value(0);
    while !maker.rest.is_empty() && maker.text.len() < LONGEST {
        maker.text.push(b'\n');
        maker.value(0);
    }
    maker.text
}

struct Maker<'a> {
    rest: &'a [u8],
    text: Vec<u8>,
}

impl Maker<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    fn pick<'t>(&mut self, table: &[&'t str]) -> &'t str {
        table[usize::from(self.next()) % table.len()]
    }

    fn put(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn space(&mut self, choice: u8) {
        self.put(["", "", "", " ", "\n  ", "\t\r"][usize::from(choice) % 6]);
    }

    fn value(&mut self, depth: usize) {
        let choice = self.next();
        let space = choice >> 4;
        self.space(space);
        match choice & 15 {
            0..=6 if depth < DEEPEST => self.object(depth, space),
            7 | 8 if depth < DEEPEST => self.array(depth, space),
            9 => {
                let scalar = self.pick(&SCALARS);
                self.put(scalar);
            }
            _ => self.string(),
        }
        self.space(space);
    }

    fn object(&mut self, depth: usize, space: u8) {
        let members = self.next() & 7;
        self.put("{");
        for member in 0..members {
            if member > 0 {
                self.put(",");
            }
            self.space(space);
            let key = self.pick(&KEYS);
            self.put("\"");
            self.put(key);
            self.put("\"");
            self.space(space);
            self.put(":");
            self.value(depth + 1);
        }
        self.space(space);
        self.put("}");
    }

    fn array(&mut self, depth: usize, space: u8) {
        let values = self.next() & 3;
        self.put("[");
        for value in 0..values {
            if value > 0 {
                self.put(",");
            }
            self.value(depth + 1);
        }
        self.space(space);
        self.put("]");
    }

    /// A prefix and a suffix, each of which may be one that matters.
    fn string(&mut self) {
        let (origin, path) = (self.pick(&ORIGINS), self.pick(&PATHS));
        self.put("\"");
        self.put(origin);
        self.put(path);
        self.put("\"");
    }
}

/// Deep enough for every rule that depends on depth.
const DEEPEST: usize = 7;
/// More isn't needed for an odd document.
const LONGEST: usize = 1024;

const KEYS: [&str; 20] = [
    "next_page",
    "links",
    "job_status",
    "job_statuses",
    "url",
    "content_url",
    "mapped_content_url",
    "recording_url",
    "relationships",
    "data",
    "included",
    "after_url",
    "before_url",
    "previous_page",
    "next",
    "results",
    r"next\u005fpage",
    r#"url\""#,
    "",
    "a key that is longer than any that matters",
];

const ORIGINS: [&str; 16] = [
    "https://acme.zendesk.com",
    r"https:\/\/acme.zendesk.com",
    "https://help.acme.example:8443",
    r"https:\/\/help.acme.example:8443",
    "https://beta.zendesk.com",
    r"https:\/\/beta.zendesk.com",
    "https://gamma.zendesk.com",
    "http://localhost:8484",
    "https://acme.zendesk.co",
    r"https:\/",
    r"https:\u002f\u002facme.zendesk.com",
    "HTTPS://acme.zendesk.com",
    " https://acme.zendesk.com",
    "h",
    r#"\""#,
    "",
];

const PATHS: [&str; 15] = [
    "/api/v2/tickets.json?page=2",
    r"\/api\/v2\/tickets.json",
    "/attachments/token/x/?name=a.png",
    r"\/attachments\/1",
    "/hc/article_attachments/1/logo.jpg",
    r"\/hc\/article_attachments\/1",
    "/agent/tickets/1",
    "/api",
    r"\/api/",
    r"/api\/",
    ".evil.example/api/",
    r"\u002fapi/",
    r"\\",
    "\u{e9}\u{1f600}",
    "",
];

const SCALARS: [&str; 9] = [
    "0",
    "-0",
    "1.50",
    "1E+05",
    "-12e-3",
    "123456789012345678901",
    "true",
    "false",
    "null",
];
