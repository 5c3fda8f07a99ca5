//! Reads layered TOML tables key by key. A mistake is recorded with its place, and reading goes on.
//!
//! A key has its value from the uppermost layer that sets it. Nested tables are merged in the same way,
//! but a list replaces the list below it. Values that are overridden are checked all the same, so that
//! a mistake shows before the value above it is removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use loopdesk_protocol::config::Layer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use self::errors::{Errors, FileLocation};
use super::retired::Retired;

mod errors;

/// A table in all files that have it. Its keys are read one by one.
#[derive(Debug)]
pub(super) struct Section<'t, 'i> {
    /// The uppermost first.
    parts: Vec<LayerTable<'t, 'i>>,
    /// Where to report errors about the table itself.
    location: FileLocation,
    /// `accounts.acme.`, or an empty text at the root.
    prefix: String,
    known: Vec<&'static str>,
    reserved: Vec<&'static str>,
    retired: Vec<&'static str>,
}

/// A table in one file.
#[derive(Debug)]
pub(super) struct LayerTable<'t, 'i> {
    pub(super) layer: Layer,
    pub(super) table: &'t DeTable<'i>,
}

/// A value and its place.
type FoundValue<'t, 'i> = (FileLocation, &'t Spanned<DeValue<'i>>);

impl<'t, 'i> Section<'t, 'i> {
    /// The root table of these documents, the uppermost first.
    pub(super) fn root(parts: Vec<LayerTable<'t, 'i>>) -> Self {
        Self::new(parts, FileLocation::default(), String::new())
    }

    fn new(parts: Vec<LayerTable<'t, 'i>>, location: FileLocation, prefix: String) -> Self {
        Self {
            parts,
            location,
            prefix,
            known: Vec::new(),
            reserved: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// The place of the table.
    pub(super) fn location(&self) -> FileLocation {
        self.location.clone()
    }

    /// Whether a file has `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.table.contains_key(key))
    }

    /// The place of the value of `key` that is in effect, or of the table if `key` isn't set.
    pub(super) fn location_of(&self, key: &str) -> FileLocation {
        let mut found = self.values(key);
        found
            .next()
            .map_or_else(|| self.location(), |(location, _)| location)
    }

    /// Reserves `key` for the machine's file. In the user's file it is reported and ignored.
    pub(super) fn reserve(&mut self, key: &'static str, errors: &mut Errors<'_>) {
        self.reserved.push(key);
        let users = self.parts.iter().filter(|part| part.layer == Layer::User);
        for part in users {
            if let Some((found, _)) = part.table.get_key_value(key) {
                let message = format!(
                    "`{}{key}` can only be set in the machine's file, by its administrator",
                    self.prefix
                );
                errors.add(FileLocation::new(part.layer, found.span()), message);
            }
        }
    }

    /// Records that `key` has no effect any more, whatever its value.
    pub(super) fn retire(&mut self, key: Retired, errors: &mut Errors<'_>) {
        self.retired.push(key.name);
        for part in &self.parts {
            if let Some((found, _)) = part.table.get_key_value(key.name) {
                let location = FileLocation::new(part.layer, found.span());
                errors.add_retired(location, &format!("{}{}", self.prefix, key.name), key);
            }
        }
    }

    /// The string at `key`, parsed as a `T`.
    pub(super) fn value<T: FromStr<Err = String>>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
    ) -> Option<T> {
        self.with(key, errors, str::parse)
    }

    /// The string at `key`, converted by `read`.
    pub(super) fn with<T>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.each(key, errors, |value, _, errors| {
            let (location, value) = value;
            let Some(text) = value.get_ref().as_str() else {
                errors.add(location, wrong_type(key, "a string", value.get_ref()));
                return None;
            };
            read(text)
                .map_err(|message| errors.add(location, message))
                .ok()
        })
    }

    /// The path at `key`. A relative one starts at the folder of the file that has it.
    pub(super) fn path(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<PathBuf> {
        self.each(key, errors, |value, _, errors| {
            let (location, value) = value;
            let Some(text) = value.get_ref().as_str() else {
                errors.add(location, wrong_type(key, "a string", value.get_ref()));
                return None;
            };
            if text.is_empty() || text.starts_with('~') {
                let message = format!(
                    "`{text}` isn't a valid path: use an absolute one, or one relative to the \
                     folder of this file; `~` isn't expanded here"
                );
                errors.add(location, message);
                return None;
            }
            let folder = errors
                .path(location.layer())
                .parent()
                .unwrap_or(Path::new("/"));
            Some(folder.join(text))
        })
    }

    /// The value at `key`, one of those named in `all`.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[(&'static str, T)],
        errors: &mut Errors<'_>,
    ) -> Option<T> {
        self.with(key, errors, |text| choose(text, all))
    }

    /// The list of strings at `key`, each converted by `read`.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.items(key, errors, |text, _| read(text))
    }

    /// The list of strings at `key`, each converted by `read`, which also gets its place.
    pub(super) fn items<T>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str, &FileLocation) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.each(key, errors, |value, layer, errors| {
            let (location, value) = value;
            let wrong = |value: &DeValue<'_>| wrong_type(key, "a list of strings", value);
            let Some(array) = value.get_ref().as_array() else {
                errors.add(location, wrong(value.get_ref()));
                return None;
            };
            let mut items = Vec::new();
            for item in array.iter() {
                let location = FileLocation::new(layer, item.span());
                match item.get_ref().as_str() {
                    None => errors.add(location, wrong(item.get_ref())),
                    Some(text) => match read(text, &location) {
                        Ok(item) => items.push(item),
                        Err(message) => errors.add(location, message),
                    },
                }
            }
            Some(items)
        })
    }

    /// The port number at `key`.
    pub(super) fn port(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<u16> {
        self.each(key, errors, |(location, value), _, errors| {
            let port = value
                .get_ref()
                .as_integer()
                .and_then(|n| u16::from_str_radix(n.as_str(), n.radix()).ok())
                .filter(|port| *port != 0);
            if port.is_none() {
                let message = format!("`{key}` must be a port: a whole number from 1 to 65535");
                errors.add(location, message);
            }
            port
        })
    }

    /// The boolean at `key`.
    pub(super) fn boolean(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<bool> {
        self.each(key, errors, |(location, value), _, errors| {
            let found = value.get_ref().as_bool();
            if found.is_none() {
                errors.add(
                    location,
                    wrong_type(key, "`true` or `false`", value.get_ref()),
                );
            }
            found
        })
    }

    /// The table at `key`; empty if no file has it.
    pub(super) fn table(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Self {
        let prefix = format!("{}{key}.", self.prefix);
        let location = self.location_of(key);
        Self::new(self.tables_at(key, errors), location, prefix)
    }

    /// The tables in the table at `key`, by name.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
    ) -> Vec<(TableName<'t>, Self)> {
        let mut sections = BTreeMap::<&str, (FileLocation, Vec<LayerTable<'t, 'i>>)>::new();
        for LayerTable { layer, table } in self.tables_at(key, errors) {
            for (name, value) in table.iter() {
                let Some(inner) = value.get_ref().as_table() else {
                    let message = wrong_type(name.get_ref(), "a table", value.get_ref());
                    errors.add(FileLocation::new(layer, value.span()), message);
                    continue;
                };
                let text: &'t str = name.get_ref();
                let location = FileLocation::new(layer, name.span());
                let entry = sections.entry(text).or_insert((location, Vec::new()));
                let part = LayerTable {
                    layer,
                    table: inner,
                };
                entry.1.push(part);
            }
        }
        let named = sections.into_iter().map(|(text, (location, parts))| {
            let prefix = format!("{}{key}.{text}.", self.prefix);
            let name = TableName {
                text,
                location: location.clone(),
            };
            (name, Self::new(parts, location, prefix))
        });
        named.collect()
    }

    /// Reports the keys that weren't read.
    pub(super) fn finish(self, errors: &mut Errors<'_>) {
        for part in &self.parts {
            let is_users = part.layer == Layer::User;
            let mut keys = self.known.clone();
            keys.retain(|key| !(is_users && self.reserved.contains(key)));
            for (key, _) in part.table.iter() {
                let meant = self.known.iter().chain(&self.reserved).chain(&self.retired);
                if !meant.into_iter().any(|known| known == key.get_ref()) {
                    let message = format!(
                        "unknown key `{}`: the keys here are {}",
                        key.get_ref(),
                        keys.join(", ")
                    );
                    errors.add_unknown(FileLocation::new(part.layer, key.span()), message);
                }
            }
        }
    }

    /// Converts the value that is in effect. Those below it are converted to find their mistakes.
    fn each<T>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
        read: impl Fn(FoundValue<'t, 'i>, Layer, &mut Errors<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut counts = None;
        for found in self.take(key, errors) {
            let layer = found.0.layer();
            let value = read(found, layer, errors);
            counts.get_or_insert(value);
        }
        counts.flatten()
    }

    fn tables_at(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Vec<LayerTable<'t, 'i>> {
        let mut parts = Vec::new();
        for (location, value) in self.take(key, errors) {
            match value.get_ref().as_table() {
                Some(table) => parts.push(LayerTable {
                    layer: location.layer(),
                    table,
                }),
                None => errors.add(location, wrong_type(key, "a table", value.get_ref())),
            }
        }
        parts
    }

    fn take(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Vec<FoundValue<'t, 'i>> {
        self.known.push(key);
        errors.know(format!("{}{key}", self.prefix));
        self.values(key).collect()
    }

    fn values(&self, key: &str) -> impl Iterator<Item = FoundValue<'t, 'i>> {
        let is_reserved = self.reserved.contains(&key);
        let counts = move |part: &&LayerTable<'_, '_>| !(is_reserved && part.layer == Layer::User);
        let found = self.parts.iter().filter(counts).filter_map(move |part| {
            let value = part.table.get(key)?;
            Some((FileLocation::new(part.layer, value.span()), value))
        });
        found.collect::<Vec<_>>().into_iter()
    }
}

/// The name of a table.
#[derive(Debug)]
pub(super) struct TableName<'t> {
    /// The name.
    pub(super) text: &'t str,
    /// Its place.
    pub(super) location: FileLocation,
}

/// The value in `all` with the name `text`.
pub(super) fn choose<T: Copy>(text: &str, all: &[(&'static str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("`{text}` isn't one of {}", names.join(", "))
    })
}

fn wrong_type(key: &str, wanted: &str, found: &DeValue<'_>) -> String {
    format!("`{key}` must be {wanted}, not {}", found.type_str())
}
