//! The rules of S2 once more, slow and obvious: a walk over a parsed document.

use std::fmt;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::*;
use crate::config::{Config, check};
use crate::rewrite::origins::{Origins, ScriptClient};

/// Rewrites a document that is valid JSON, one value or several, for a client of `acme`.
pub(in crate::rewrite) fn rewritten(
    classes: &[RewriteClass],
    client: &ScriptClient,
    text: &str,
) -> String {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut walk = Walk {
        text,
        classes,
        places: places(client),
        edits: Vec::new(),
    };
    for value in serde_json::Deserializer::from_str(body).into_iter::<&RawValue>() {
        walk.top(value.unwrap_or_else(|e| panic!("{e}: {text}")));
    }
    let mut result = String::new();
    let mut done = 0;
    for (at, length, base) in walk.edits {
        result.push_str(&text[done..at]);
        result.push_str(&base);
        done = at + length;
    }
    result.push_str(&text[done..]);
    result
}

struct Walk<'a> {
    text: &'a str,
    classes: &'a [RewriteClass],
    places: Vec<(&'static str, Option<String>)>,
    /// Where an origin stands, its length, and its replacement.
    edits: Vec<(usize, usize, String)>,
}

impl<'a> Walk<'a> {
    fn top(&mut self, value: &'a RawValue) {
        let Kind::Object(members) = kind(value) else {
            return self.anywhere(None, value);
        };
        for (key, value) in members {
            match (key, kind(value)) {
                ("next_page" | "previous_page" | "after_url" | "before_url", _) => {
                    self.url(RewriteClass::Pagination, value);
                }
                ("links", _) => self.links(value),
                ("relationships", _) => self.relationships(value),
                ("data", Kind::Object(_)) => self.resource(value),
                ("data" | "included", Kind::Array(resources)) => {
                    for resource in resources {
                        self.resource(resource);
                    }
                }
                ("job_status", _) => self.job(value),
                ("job_statuses", Kind::Array(jobs)) => {
                    for job in jobs {
                        self.job(job);
                    }
                }
                _ => (),
            }
            self.anywhere(Some(key), value);
        }
    }

    /// A resource object of JSON:API.
    fn resource(&mut self, value: &'a RawValue) {
        if let Kind::Object(members) = kind(value) {
            for (_, value) in members.iter().filter(|(key, _)| *key == "relationships") {
                self.relationships(value);
            }
        }
    }

    fn relationships(&mut self, value: &'a RawValue) {
        let Kind::Object(all) = kind(value) else {
            return;
        };
        for (_, one) in all {
            if let Kind::Object(members) = kind(one) {
                for (_, links) in members.iter().filter(|(key, _)| *key == "links") {
                    self.links(links);
                }
            }
        }
    }

    fn links(&mut self, value: &'a RawValue) {
        if let Kind::Object(links) = kind(value) {
            for (_, link) in links {
                self.url(RewriteClass::Pagination, link);
            }
        }
    }

    fn job(&mut self, value: &'a RawValue) {
        if let Kind::Object(members) = kind(value) {
            for (key, value) in members {
                if key == "url" {
                    self.url(RewriteClass::Jobs, value);
                }
            }
        }
    }

    fn anywhere(&mut self, key: Option<&str>, value: &'a RawValue) {
        match kind(value) {
            Kind::Object(members) => {
                for (key, value) in members {
                    self.anywhere(Some(key), value);
                }
            }
            Kind::Array(values) => {
                for value in values {
                    self.anywhere(None, value);
                }
            }
            Kind::Other => match key {
                Some("content_url" | "mapped_content_url" | "recording_url") => {
                    self.url(RewriteClass::Attachments, value);
                }
                Some("url") => self.url(RewriteClass::Records, value),
                _ => (),
            },
        }
    }

    fn url(&mut self, class: RewriteClass, value: &'a RawValue) {
        if !self.classes.contains(&class) {
            return;
        }
        for (origin, base) in &self.places {
            for slash in ["/", r"\/"] {
                let spelled = |text: &str| text.replace('/', slash);
                let origin = spelled(origin);
                let rest = value.get().strip_prefix('"');
                let rest = rest.and_then(|text| text.strip_prefix(&origin));
                let (Some(rest), Some(base)) = (rest, base) else {
                    continue;
                };
                let paths = ["/api/", "/attachments/", "/hc/article_attachments/"];
                if paths.iter().any(|path| rest.starts_with(&spelled(path))) {
                    let at = offset(self.text, value.get()) + 1;
                    if !self.edits.iter().any(|(known, ..)| *known == at) {
                        self.edits.push((at, origin.len(), spelled(base)));
                    }
                }
            }
        }
        self.edits.sort_unstable();
    }
}

enum Kind<'a> {
    Object(Vec<(&'a str, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
    Other,
}

fn kind(value: &RawValue) -> Kind<'_> {
    match value.get().as_bytes()[0] {
        b'{' => Kind::Object(parsed::<Members<'_>>(value).0),
        b'[' => Kind::Array(parsed::<Values<'_>>(value).0),
        _ => Kind::Other,
    }
}

fn parsed<'a, T: Deserialize<'a>>(value: &'a RawValue) -> T {
    serde_json::from_str(value.get()).unwrap_or_else(|e| panic!("{e}: {value}"))
}

/// Every member of an object, duplicates included, keys as they are spelled.
struct Members<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    let key = key.get();
                    members.push((&key[1..key.len() - 1], value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

struct Values<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Values<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values<'de>, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element::<&RawValue>()? {
                    values.push(value);
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_seq(Visit)
    }
}

/// The offset of `part` in `whole`.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// The local base of each origin, for a client of `acme`.
pub(in crate::rewrite) fn places(client: &ScriptClient) -> Vec<(&'static str, Option<String>)> {
    let base = &*client.base;
    let neighbour = |name: &str, port: Option<u16>| {
        if client.has_key {
            None
        } else if client.names_account {
            Some(base.replace("acme", name))
        } else {
            let host = base.trim_end_matches(|c: char| c.is_ascii_digit());
            let host = host.strip_suffix(':').unwrap_or(base);
            port.map(|port| format!("{host}:{port}"))
        }
    };
    vec![
        ("https://acme.zendesk.com", Some(base.to_owned())),
        ("https://help.acme.example:8443", Some(base.to_owned())),
        ("https://beta.zendesk.com", neighbour("beta", Some(8490))),
        ("https://gamma.zendesk.com", neighbour("gamma", None)),
    ]
}

/// What such a client sees.
pub(in crate::rewrite) fn view(client: ScriptClient) -> OriginsView {
    static CONFIG: LazyLock<Config> =
        LazyLock::new(|| check::parse(ACCOUNTS).unwrap_or_else(|e| panic!("{e:?}")));
    let accounts = &CONFIG.accounts;
    let acme = accounts
        .values()
        .find(|account| account.name.as_str() == "acme");
    Origins::new(&CONFIG).view(client, acme.unwrap_or_else(|| panic!("acme is there")))
}

/// An account with an address of its own has two origins; one of its neighbours has a port.
const ACCOUNTS: &str = r#"
default-account = "acme"
[accounts.acme]
subdomain = "acme"
url = "https://help.acme.example:8443"
client-id = "loopdesk"
[accounts.beta]
subdomain = "beta"
client-id = "loopdesk"
port = 8490
[accounts.gamma]
subdomain = "gamma"
client-id = "loopdesk"
"#;
