//! Which module of a crate uses which, read from its source: `use` items and paths, without tests.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, Meta, UseTree, VisRestricted};

use super::{read, sources};

/// A module by the names on its path: `session`, `login`.
pub(crate) type Module = Vec<String>;

/// The modules of one crate, and what each uses of the others.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    /// Every module that has a file and isn't a test's.
    pub(crate) modules: BTreeSet<Module>,
    /// From a module to one that it uses, with the names used.
    pub(crate) arrows: BTreeMap<(Module, Module), BTreeSet<String>>,
}

impl Crate {
    /// Reads the crate whose sources are in this folder.
    pub(crate) fn read(folder: &str) -> Self {
        let mut files = BTreeMap::new();
        for path in sources(&[folder]) {
            let name = path.strip_prefix(folder).unwrap();
            let name = name.trim_start_matches('/').trim_end_matches(".rs");
            if name == "main" {
                continue;
            }
            let mut module: Module = name.split('/').map(str::to_owned).collect();
            if name == "lib" || module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let file = syn::parse_file(&read(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            files.insert(module.clone(), Reading::of(module, &file));
        }
        let tests: BTreeSet<Module> = files
            .values_mut()
            .flat_map(|reading| std::mem::take(&mut reading.tests))
            .collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let mut found = Self {
            modules: files.keys().cloned().collect(),
            arrows: BTreeMap::new(),
        };
        for (from, reading) in &files {
            for path in &reading.paths {
                let Some((to, name)) = resolve(&files, path, HOPS) else {
                    continue;
                };
                // A path that isn't one of this crate's begins like the module that it stands in.
                if to != *from && (path.is_absolute || to.len() > from.len()) {
                    let names = found.arrows.entry((from.clone(), to)).or_default();
                    names.insert(name);
                }
            }
        }
        found
    }
}

/// The module in which something is defined, and its name there: through `pub use` if need be.
fn resolve(
    files: &BTreeMap<Module, Reading>,
    path: &Path,
    hops: usize,
) -> Option<(Module, String)> {
    let names = &path.names;
    let length = (0..=names.len()).rev();
    let length = length
        .into_iter()
        .find(|length| files.contains_key(&names[..*length]))?;
    let (module, rest) = names.split_at(length);
    let name = rest.first().cloned().unwrap_or_default();
    let exported = files[module].exports.get(&name);
    match exported.filter(|_| hops > 0) {
        Some(exported) => resolve(files, exported, hops - 1).or(Some((module.to_vec(), name))),
        None => Some((module.to_vec(), name)),
    }
}

/// More re-exports of one name in a row than anybody writes.
const HOPS: usize = 8;

/// A path from the top of the crate.
#[derive(Clone, Debug)]
struct Path {
    names: Vec<String>,
    /// Written from `crate`, `self` or `super`: it is of this crate for certain.
    is_absolute: bool,
}

/// What one file says.
#[derive(Debug)]
struct Reading {
    module: Module,
    paths: Vec<Path>,
    /// What it re-exports, by name.
    exports: BTreeMap<String, Path>,
    /// The modules of its tests.
    tests: Vec<Module>,
}

impl Reading {
    fn of(module: Module, file: &syn::File) -> Self {
        let mut reading = Self {
            module,
            paths: Vec::new(),
            exports: BTreeMap::new(),
            tests: Vec::new(),
        };
        for item in &file.items {
            reading.visit_item(item);
        }
        reading
    }

    fn tree(&mut self, before: &[String], tree: &UseTree, is_exported: bool) {
        let mut names = before.to_vec();
        let (last, known_as) = match tree {
            UseTree::Path(path) => {
                names.push(path.ident.to_string());
                return self.tree(&names, &path.tree, is_exported);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(&names, tree, is_exported);
                }
                return;
            }
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
            _ => ("self".to_owned(), String::new()),
        };
        if last != "self" {
            names.push(last);
        }
        let path = self.path(names);
        // What is re-exported is used where it is used.
        if is_exported && path.is_absolute {
            self.exports.insert(known_as, path);
        } else {
            self.paths.push(path);
        }
    }

    /// A path as it is written here, from the top of the crate.
    fn path(&self, mut names: Vec<String>) -> Path {
        let mut base = self.module.clone();
        let first = names.first().cloned().unwrap_or_default();
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                while names.first().is_some_and(|name| name == "super") {
                    names.remove(0);
                    base.pop();
                }
                names.insert(0, String::new());
            }
            _ => {
                base.extend(names);
                return Path {
                    names: base,
                    is_absolute: false,
                };
            }
        }
        base.extend(names.drain(1..));
        Path {
            names: base,
            is_absolute: true,
        }
    }

    /// The paths among a macro's tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_colon =
            |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
        let mut at = 0;
        while at < tokens.len() {
            let mut names = Vec::new();
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => names.push(first.to_string()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
            while let (false, [a, b, TokenTree::Ident(next), ..]) =
                (names.is_empty(), &tokens[at..])
                && is_colon(a)
                && is_colon(b)
            {
                names.push(next.to_string());
                at += 3;
            }
            if names.len() > 1 {
                self.paths.push(self.path(names));
            }
        }
    }
}

impl<'a> Visit<'a> for Reading {
    fn visit_item(&mut self, item: &'a Item) {
        if is_test(attributes(item)) {
            if let Item::Mod(test) = item {
                let name = [test.ident.to_string()];
                self.tests.push([&self.module[..], &name].concat());
            }
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let is_exported = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&[], &item.tree, is_exported);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|name| name.ident.to_string());
        let names: Vec<_> = names.collect();
        if names.len() > 1 {
            self.paths.push(self.path(names));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    /// `pub(in crate::session)` uses nothing.
    fn visit_vis_restricted(&mut self, _: &'a VisRestricted) {}
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "syn may add kinds of items, and those that are left have no use for `cfg(test)` here"
)]
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether something is there in tests, or for the fuzzers, alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            Meta::List(_) | Meta::Path(_) | Meta::NameValue(_) => {
                return attribute.path().is_ident("test");
            }
        };
        let condition = condition.replace(' ', "");
        ["test", "feature=\"fuzzing\""].contains(&condition.as_str())
            || condition.starts_with("all(test,")
            || condition.starts_with("any(test,feature=\"fuzzing\"")
    })
}

#[test]
fn paths_are_read_wherever_they_stand() {
    let source = r#"
        use crate::a::{self, b::C as D};
        pub use self::e::F;
        pub(in crate::not_used) fn f(g: super::g::G) -> crate::h::H {
            log!("{}", crate::i::I.j);
            use crate::k::*;
        }
        #[cfg(test)]
        mod tests { use crate::not_used::L; }
    "#;
    let module = vec!["m".to_owned(), "n".to_owned()];
    let reading = Reading::of(module, &syn::parse_file(source).unwrap());
    let paths = reading.paths.iter().filter(|path| path.is_absolute);
    let paths: Vec<_> = paths.map(|path| path.names.join("/")).collect();
    assert_eq!(paths, ["a", "a/b/C", "m/g/G", "h/H", "i/I", "k"]);
    assert_eq!(reading.exports["F"].names.join("/"), "m/n/e/F");
    assert_eq!(reading.tests, [["m", "n", "tests"]]);
}
