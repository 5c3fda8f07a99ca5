//! How Zendesk may read a request: front servers that each normalise paths in their own way, Rack's
//! method override, and a router like that of Rails.
//!
//! Written from how those behave, independently of the tested code.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::route_table::TABLE;

/// Rails with the routes of the table.
pub(super) struct Rails(Vec<Route>);

pub(super) static RAILS: LazyLock<Rails> = LazyLock::new(Rails::new);

/// A route: `GET /api/v2/tickets/:id(.:format)`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) method: &'static str,
    /// As in the table.
    pub(super) path: String,
    /// The scopes that are each enough.
    pub(super) needs: Vec<String>,
    /// A path that matches it.
    pub(super) sample: String,
    segments: Vec<String>,
    /// Whether everything below it is the same.
    open: bool,
}

impl Rails {
    fn new() -> Self {
        let route = |entry: &crate::route_table::RouteEntry| {
            let segments = entry.path.trim_matches('/').split('/');
            let mut segments: Vec<String> = segments.map(str::to_owned).collect();
            let open = segments.pop_if(|last| last == "**").is_some();
            Route {
                method: entry.verb.name(),
                path: entry.path.clone(),
                needs: entry.needs.names(),
                sample: sample(&segments),
                segments,
                open,
            }
        };
        Self(TABLE.entries().into_iter().map(route).collect())
    }

    pub(super) fn routes(&self) -> &[Route] {
        &self.0
    }

    /// Every route that some server takes this request for; `None` is among them if some server
    /// knows none.
    pub(super) fn readings(&self, method: &str, target: &str) -> Vec<Option<&Route>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = overridden(method, query);
        let mut readings = Vec::new();
        for path in in_front(path) {
            let reading = self.recognise(&method, &path);
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
        readings
    }

    /// Journey: anchored, dynamic segments without dots, an optional format after the last one.
    fn recognise(&self, method: &str, path: &str) -> Option<&Route> {
        let method = match method {
            "HEAD" | "OPTIONS" => "GET",
            method => method,
        };
        let squeezed: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let fits = |route: &&Route| route.method == method && route.fits(&squeezed);
        // Of several matches, the one that is written before the more general ones.
        self.0
            .iter()
            .filter(fits)
            .max_by_key(|route| route.exactness())
    }
}

impl Route {
    fn fits(&self, path: &[&str]) -> bool {
        if path.len() < self.segments.len() || path.len() > self.segments.len() && !self.open {
            return false;
        }
        self.segments.iter().enumerate().all(|(at, wanted)| {
            let name = path[at];
            // `constraints: { file: /[^\/]+/ }`, which keeps the dots.
            if wanted == "{file}" {
                return !name.is_empty();
            }
            let is_last = at + 1 == path.len();
            // `(.:format)`
            let name = match name.split_once('.') {
                Some((name, format)) if is_last && is_dynamic(format) => name,
                _ => name,
            };
            match wanted.starts_with('{') {
                true => is_dynamic(name) && is_of_kind(wanted, name),
                false => wanted == name,
            }
        })
    }

    fn exactness(&self) -> Vec<bool> {
        let mut exactness: Vec<bool> = self.segments.iter().map(|s| !s.starts_with('{')).collect();
        exactness.push(!self.open);
        exactness
    }
}

fn sample(segments: &[String]) -> String {
    let names = segments.iter().map(|segment| match segment.as_str() {
        "{type}" => "zen:user",
        name if name.starts_with('{') => "35436",
        name => name,
    });
    format!("/{}", names.collect::<Vec<_>>().join("/"))
}

/// `:id` is `[^./?]+`.
fn is_dynamic(name: &str) -> bool {
    !name.is_empty() && !name.contains(['.', '/', '?'])
}

fn is_of_kind(kind: &str, name: &str) -> bool {
    let is_number = name.chars().all(|c| c.is_ascii_digit());
    match kind {
        "{id}" => is_number,
        "{user}" => is_number || name == "me",
        "{code}" => is_number || name.len() >= 20,
        "{type}" => name.starts_with("zen:"),
        _ => true,
    }
}

/// Rack::MethodOverride, and others that read the query as well.
fn overridden(method: &str, query: &str) -> String {
    let value = query.split(['&', ';']).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (decoded(name) == "_method").then(|| value.to_ascii_uppercase())
    });
    value.unwrap_or_else(|| method.to_owned())
}

/// What front servers make of a path, each with some of the leniencies.
pub(super) fn in_front(path: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::from([path.to_owned()]);
    for leniency in LENIENCIES {
        let more: Vec<String> = paths.iter().map(|path| leniency(path)).collect();
        paths.extend(more);
    }
    paths
}

/// In the order in which a request passes them.
static LENIENCIES: [fn(&str) -> String; 9] = [
    resolved,
    decoded,
    decoded,
    |path| path.replace('\\', "/"),
    |path| {
        path.split(['?', '#', '\0'])
            .next()
            .unwrap_or_default()
            .to_owned()
    },
    |path| {
        let cut = |name: &str| name.split(';').next().unwrap_or_default().to_owned();
        path.split('/').map(cut).collect::<Vec<_>>().join("/")
    },
    |path| {
        let trim = |name: &str| match name.trim_matches(['.', ' ']) {
            "" => name.to_owned(),
            trimmed => trimmed.to_owned(),
        };
        path.split('/').map(trim).collect::<Vec<_>>().join("/")
    },
    resolved,
    |path| path.to_ascii_lowercase(),
];

/// RFC 3986 section 5.2.4, with empty names left out.
fn resolved(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Decodes `%XX` once.
pub(super) fn decoded(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
