//! The routes that Zendesk has published, in short, and those of a full list if one is at hand.

use std::collections::BTreeSet;

/// A route, with `#` for the variable parts of its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PublishedRoute {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl PublishedRoute {
    /// Paths as a script may send them.
    pub(crate) fn samples(&self) -> [String; 3] {
        let plain = self.path.replace('#', "35436");
        let with_suffix = format!("{}.json", self.path.replace('#', "10001"));
        let with_query = format!("{plain}/?page[size]=100&sort_by=created_at");
        [plain, with_suffix, with_query]
    }
}

/// The routes of `published.txt`.
pub(crate) fn routes() -> BTreeSet<PublishedRoute> {
    let mut routes = BTreeSet::new();
    let mut base = String::new();
    for line in include_str!("published.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        if !line.starts_with(' ') {
            let name = words.next().unwrap();
            base = match name.starts_with('/') {
                true => name.to_owned(),
                false => format!("/api/v2/{name}"),
            };
        }
        for word in words {
            let (methods, rest) = word.split_at(word.find('/').unwrap_or(word.len()));
            for letter in methods.chars() {
                let method = match letter {
                    'G' => "GET",
                    'P' => "POST",
                    'U' => "PUT",
                    'A' => "PATCH",
                    'D' => "DELETE",
                    other => panic!("{other} in {line}"),
                };
                routes.insert(PublishedRoute {
                    method: method.to_owned(),
                    path: format!("{base}{rest}"),
                });
            }
        }
    }
    routes
}

/// A path with `#` for its variable parts.
pub(crate) fn shape(path: &str) -> String {
    let names = path.split('/').map(|name| match name {
        "{incremental_resource}" => "tickets",
        "{type}" | "{target_type}" | "{source_type}" => "zen:user",
        "**" => "x",
        name if name.starts_with('{') => "#",
        name => name,
    });
    let path = names.collect::<Vec<_>>().join("/");
    // A prefix stands for itself and everything beneath it.
    path.strip_suffix("/x")
        .map_or(path.clone(), |path| format!("{path}/any/thing"))
}

/// The published routes themselves, if `LOOPDESK_ROUTES` names a file that lists them: method, path
/// and group, separated by tabs.
pub(crate) fn listed() -> Option<BTreeSet<PublishedRoute>> {
    let file = std::env::var("LOOPDESK_ROUTES").ok()?;
    let text = std::fs::read_to_string(file).unwrap();
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let row = |row: &&str| {
        let mut columns = row.split('\t');
        PublishedRoute {
            method: columns.next().unwrap().to_owned(),
            path: shape(columns.next().unwrap().trim_end_matches(".json")),
        }
    };
    let routes: BTreeSet<PublishedRoute> = rows.iter().map(row).collect();
    println!("{} rows, {} routes", rows.len(), routes.len());
    Some(routes)
}
