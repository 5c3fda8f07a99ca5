//! A TOML table read key by key, where every mistake is kept with its place instead of ending the
//! reading.

use std::borrow::Cow;
use std::ops::Range;
use std::str::FromStr;

use loopdesk_protocol::config::Diagnostic;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Collects what is wrong with one text.
#[derive(Debug)]
pub(super) struct Errors<'t> {
    text: &'t str,
    found: Vec<Diagnostic>,
}

impl<'t> Errors<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Notes that the text is wrong at `span` (bytes).
    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.found.push(diagnostic(self.text, span, message.into()));
    }

    /// Every mistake, in the order of the text.
    pub(super) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| (d.line, d.column));
        self.found
    }
}

/// One table, whose keys are taken out one by one.
#[derive(Debug)]
pub(super) struct Section<'t, 'i> {
    table: &'t DeTable<'i>,
    span: Range<usize>,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'t, 'i> Section<'t, 'i> {
    pub(super) fn new(table: &'t DeTable<'i>, span: Range<usize>) -> Self {
        Self {
            table,
            span,
            known: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Where the table stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where `key`'s value stands, or the table if there is none.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.table
            .get(key)
            .map_or_else(|| self.span(), Spanned::span)
    }

    /// Notes that `key`, which means something, can't be used.
    pub(super) fn refused(&mut self, key: &'static str, why: &str, errors: &mut Errors<'_>) {
        self.refused.push(key);
        if let Some((found, _)) = self.table.get_key_value(key) {
            errors.add(found.span(), why);
        }
    }

    /// The string at `key`, made into a `T`.
    pub(super) fn value<T: FromStr<Err = String>>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
    ) -> Option<T> {
        self.with(key, errors, str::parse)
    }

    /// The string at `key`, made into a `T` by `read`.
    pub(super) fn with<T>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let Some(text) = value.get_ref().as_str() else {
            errors.add(value.span(), wrong_type(key, "a string", value.get_ref()));
            return None;
        };
        read(text)
            .map_err(|message| errors.add(value.span(), message))
            .ok()
    }

    /// One of the values that `all` names.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        all: &[(&'static str, T)],
        errors: &mut Errors<'_>,
    ) -> Option<T> {
        self.with(key, errors, |text| choose(text, all))
    }

    /// The list of strings at `key`, each made into a `T` by `read`.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let Some(array) = value.get_ref().as_array() else {
            errors.add(
                value.span(),
                wrong_type(key, "a list of strings", value.get_ref()),
            );
            return None;
        };
        let mut items = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                None => errors.add(
                    item.span(),
                    wrong_type(key, "a list of strings", item.get_ref()),
                ),
                Some(text) => match read(text) {
                    Ok(item) => items.push(item),
                    Err(message) => errors.add(item.span(), message),
                },
            }
        }
        Some(items)
    }

    /// The port number at `key`.
    pub(super) fn port(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<u16> {
        let value = self.take(key)?;
        let port = value
            .get_ref()
            .as_integer()
            .and_then(|n| u16::from_str_radix(n.as_str(), n.radix()).ok())
            .filter(|port| *port != 0);
        if port.is_none() {
            errors.add(
                value.span(),
                format!("`{key}` must be a port: a whole number from 1 to 65535"),
            );
        }
        port
    }

    /// The boolean at `key`.
    pub(super) fn boolean(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<bool> {
        let value = self.take(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            let message = wrong_type(key, "`true` or `false`", value.get_ref());
            errors.add(value.span(), message);
        }
        found
    }

    /// The table at `key`.
    pub(super) fn table(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<Self> {
        let value = self.take(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            errors.add(value.span(), wrong_type(key, "a table", value.get_ref()));
        }
        table.map(|table| Section::new(table, value.span()))
    }

    /// The tables below the table at `key`, by name.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        errors: &mut Errors<'_>,
    ) -> Vec<(&'t Spanned<Cow<'i, str>>, Self)> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Some(table) = value.get_ref().as_table() else {
            errors.add(value.span(), wrong_type(key, "a table", value.get_ref()));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (name, value) in table.iter() {
            match value.get_ref().as_table() {
                Some(inner) => tables.push((name, Section::new(inner, name.span()))),
                None => errors.add(
                    value.span(),
                    wrong_type(name.get_ref(), "a table", value.get_ref()),
                ),
            }
        }
        tables
    }

    /// Reports the keys that nobody has asked for.
    pub(super) fn finish(self, errors: &mut Errors<'_>) {
        for (key, _) in self.table.iter() {
            let mut meant = self.known.iter().chain(&self.refused);
            if !meant.any(|known| known == key.get_ref()) {
                errors.add(
                    key.span(),
                    format!(
                        "unknown key `{}`: the keys here are {}",
                        key.get_ref(),
                        self.known.join(", ")
                    ),
                );
            }
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.known.push(key);
        self.table.get(key)
    }
}

/// The value that `text` names among `all`.
pub(super) fn choose<T: Copy>(text: &str, all: &[(&'static str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("`{text}` is none of {}", names.join(", "))
    })
}

fn wrong_type(key: &str, wanted: &str, found: &DeValue<'_>) -> String {
    format!("`{key}` must be {wanted}, not {}", found.type_str())
}

fn diagnostic(text: &str, span: Range<usize>, message: String) -> Diagnostic {
    let start = floor(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
    let line = text[..start].matches('\n').count() + 1;
    let column = text[line_start..start].chars().count() + 1;
    let end = floor(text, span.end).clamp(start, line_end);
    let width = text[start..end].chars().count().max(1);
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let snippet = format!(
        "{number} | {}\n{gutter} | {}{}",
        text[line_start..line_end].trim_end_matches('\r'),
        " ".repeat(column - 1),
        "^".repeat(width),
    );
    Diagnostic {
        line,
        column,
        message,
        snippet,
    }
}

/// The nearest character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}
