//! `floors.toml` against the source: nothing uses what stands above it, and no folders use each other
//! in a circle.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::arrows::{Crate, Module};
use super::read;

const DATA: &str = "tests/structure/floors.toml";

/// All of `floors.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(rename = "house")]
    houses: Vec<House>,
}

/// The rules for one crate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct House {
    /// Its folder of sources.
    sources: String,
    /// By a folder's path in it (empty: the top), the floors of what is in that folder.
    floors: BTreeMap<String, Vec<String>>,
    /// Arrows that break a rule today: `from -> to`, as modules.
    #[serde(default)]
    allowed: Vec<String>,
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let data: Data = toml::from_str(&read(DATA)).unwrap();
    let mut wrong = Vec::new();
    for house in &data.houses {
        let found = Crate::read(&house.sources);
        wrong.extend(house.rising(&found));
        wrong.extend(house.circles(&found));
        wrong.extend(house.needless(&found));
    }
    assert!(wrong.is_empty(), "by {DATA}:\n{}", wrong.join("\n"));
}

impl House {
    /// Arrows that don't lead down, and floors that don't fit the source.
    fn rising(&self, found: &Crate) -> Vec<String> {
        let mut wrong = Vec::new();
        for (folder, floors) in &self.floors {
            let units = units(folder, floors, found, &mut wrong);
            for ((from, to), names) in self.judged(found) {
                let (Some(user), Some(used)) = (child(folder, from), child(folder, to)) else {
                    continue;
                };
                let (Some(above), Some(below)) = (units.get(user), units.get(used)) else {
                    continue;
                };
                if above.group != below.group && above.floor >= below.floor {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    wrong.push(format!(
                        "{}: {} -> {} ({}): `{used}` doesn't stand below `{user}`",
                        self.sources,
                        from.join("/"),
                        to.join("/"),
                        names.join(", ")
                    ));
                }
            }
        }
        wrong
    }

    /// Circles among what is in one folder, if a folder takes part in them.
    fn circles(&self, found: &Crate) -> Vec<String> {
        let mut wrong = Vec::new();
        let folders = found
            .modules
            .iter()
            .filter_map(|module| module.split_last());
        let folders: BTreeSet<_> = folders.map(|(_, folder)| folder.join("/")).collect();
        for folder in &folders {
            let floors = self.floors.get(folder).map_or(&[][..], Vec::as_slice);
            let units = units(folder, floors, found, &mut Vec::new());
            let group = |name| units.get(name).map_or(name, |unit| unit.group);
            let arrows: BTreeSet<_> = self
                .judged(found)
                .filter_map(|((from, to), _)| Some((child(folder, from)?, child(folder, to)?)))
                // A folder's own file is its face: what is in the folder may use it.
                .filter(|(user, used)| *user != OWN && *used != OWN)
                .map(|(user, used)| (group(user), group(used)))
                .filter(|(user, used)| user != used)
                .collect();
            for circle in circles(&arrows) {
                // Files of one folder may need each other, as those of a state machine do.
                let mut names = circle.iter().flat_map(|group| group.split('+'));
                if names.any(|name| folders.contains(&joined(folder, name))) {
                    let circle: Vec<_> = circle.into_iter().collect();
                    let names = circle.join(", ");
                    wrong.push(format!("{}/{folder}: a circle of {names}", self.sources));
                }
            }
        }
        wrong
    }

    /// Exceptions that nothing needs any more.
    fn needless(&self, found: &Crate) -> Vec<String> {
        let gone = |allowed: &&String| !found.arrows.keys().any(|arrow| is(arrow, allowed));
        let needless = self.allowed.iter().filter(gone);
        needless
            .map(|allowed| format!("{}: `{allowed}` is gone: take it out", self.sources))
            .collect()
    }

    /// The arrows that no exception excuses.
    fn judged<'a>(
        &'a self,
        found: &'a Crate,
    ) -> impl Iterator<Item = (&'a (Module, Module), &'a BTreeSet<String>)> {
        let arrows = found.arrows.iter();
        arrows.filter(|(arrow, _)| !self.allowed.iter().any(|allowed| is(arrow, allowed)))
    }
}

fn is((from, to): &(Module, Module), allowed: &str) -> bool {
    let arrow = format!("{} -> {}", from.join("/"), to.join("/"));
    arrow == allowed
}

/// Where something in a folder stands.
#[derive(Clone, Copy, Debug)]
struct Unit<'a> {
    /// Its floor, counted from the top.
    floor: usize,
    /// What it belongs together with: these may use each other.
    group: &'a str,
}

/// What stands in a folder, by name.
fn units<'a>(
    folder: &str,
    floors: &'a [String],
    found: &Crate,
    wrong: &mut Vec<String>,
) -> BTreeMap<&'a str, Unit<'a>> {
    let mut units = BTreeMap::new();
    for (floor, groups) in floors.iter().enumerate() {
        for group in groups.split_whitespace() {
            for name in group.split('+') {
                if units.insert(name, Unit { floor, group }).is_some() {
                    wrong.push(format!("`{folder}`: {name} stands on two floors"));
                }
            }
        }
    }
    let there: BTreeSet<_> = found
        .modules
        .iter()
        .filter_map(|module| child(folder, module))
        .collect();
    for unit in units.keys().filter(|unit| !there.contains(*unit)) {
        wrong.push(format!("`{folder}`: there is no {unit}"));
    }
    let placed = |name: &str| name == OWN || units.contains_key(name);
    for name in there.iter().filter(|name| !placed(name)) {
        wrong.push(format!("`{folder}`: {name} stands on no floor"));
    }
    units
}

/// What of a folder a module belongs to: a file or folder in it, or the folder's own file.
fn child<'a>(folder: &str, module: &'a Module) -> Option<&'a str> {
    let folder = folder.split('/').filter(|name| !name.is_empty());
    let mut names = module.iter().map(String::as_str);
    for wanted in folder {
        if names.next() != Some(wanted) {
            return None;
        }
    }
    Some(names.next().unwrap_or(OWN))
}

/// A folder's own file: `mod.rs`, or the file named like the folder.
const OWN: &str = ".";

fn joined(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// The groups of nodes that can all be reached from each other.
fn circles<'a>(arrows: &BTreeSet<(&'a str, &'a str)>) -> Vec<BTreeSet<&'a str>> {
    let reached = |from: &'a str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(node) = open.pop() {
            let next = arrows.iter().filter(|(user, _)| *user == node);
            open.extend(
                next.map(|(_, used)| *used)
                    .filter(|used| reached.insert(*used)),
            );
        }
        reached
    };
    let nodes: BTreeSet<_> = arrows.iter().map(|(user, _)| *user).collect();
    let from: BTreeMap<_, _> = nodes.iter().map(|node| (*node, reached(node))).collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for node in nodes {
        let is_both_ways = |other: &&&str| from.get(**other).is_some_and(|to| to.contains(node));
        let circle: BTreeSet<_> = from[node].iter().filter(is_both_ways).copied().collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

#[test]
fn circles_are_found() {
    let arrows = [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("c", "d"),
        ("d", "e"),
        ("e", "d"),
    ];
    let found = circles(&arrows.into());
    assert_eq!(found, [["a", "b", "c"].into(), ["d", "e"].into()]);
}
