//! Mistakes in the configuration, and their places.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use loopdesk_protocol::config::{Diagnostic, Layer, Source};

use crate::config::RetiredKey;
use crate::config::files::{ConfigFile, ConfigFiles, shown};
use crate::config::retired::Retired;

/// Collects the mistakes in the files.
#[derive(Debug)]
pub(in crate::config) struct Errors<'t> {
    files: &'t ConfigFiles,
    found: Vec<(bool, Diagnostic)>,
    /// What this version doesn't know in the machine's file.
    unknown: Vec<Diagnostic>,
    retired: Vec<RetiredKey>,
    known: BTreeSet<String>,
}

impl<'t> Errors<'t> {
    /// Starts with the files that can't be used at all.
    pub(in crate::config) fn new(files: &'t ConfigFiles) -> Self {
        let refused = files.each().into_iter().filter_map(|file| {
            let is_system = file.layer == Layer::System;
            Some((is_system, file.refused()?))
        });
        Self {
            files,
            found: refused.collect(),
            unknown: Vec::new(),
            retired: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    /// Records a mistake at `location`.
    pub(in crate::config) fn add(&mut self, location: FileLocation, message: impl Into<String>) {
        let layer = location.layer;
        let diagnostic = self.diagnostic(location, message.into());
        self.found.push((layer == Layer::System, diagnostic));
    }

    /// Records something unknown at `location`. In the machine's file it isn't an error: that file is
    /// rolled out to many machines, which never all run the same version.
    pub(in crate::config) fn add_unknown(
        &mut self,
        location: FileLocation,
        message: impl Into<String>,
    ) {
        match location.layer {
            Layer::User => self.add(location, message),
            Layer::System => {
                let diagnostic = self.diagnostic(location, message.into());
                self.unknown.push(diagnostic);
            }
        }
    }

    /// Records that what is at `location`, which is `key` or names it, has no effect any more.
    pub(in crate::config) fn add_retired(
        &mut self,
        location: FileLocation,
        key: &str,
        retired: Retired,
    ) {
        let layer = location.layer;
        let found = self.diagnostic(location, retired.message(key));
        let fix = retired.fix(key, layer);
        self.retired.push(RetiredKey { found, fix });
    }

    fn diagnostic(&self, location: FileLocation, message: String) -> Diagnostic {
        let file = self.file(location.layer);
        let text = file.text().unwrap_or_default();
        diagnostic(shown(&file.path), text, location.span, message)
    }

    /// Whether a file couldn't be read. It may have the keys that seem to be missing.
    pub(in crate::config) fn is_incomplete(&self) -> bool {
        self.files
            .each()
            .into_iter()
            .any(|file| file.refused().is_some())
    }

    /// The path of the file of `layer`.
    pub(in crate::config) fn path(&self, layer: Layer) -> &'t Path {
        &self.file(layer).path
    }

    /// `location` in the form of reports.
    pub(in crate::config) fn source(&self, location: &FileLocation) -> Source {
        let file = self.file(location.layer);
        let text = file.text().unwrap_or_default();
        Source {
            layer: location.layer,
            path: shown(&file.path),
            line: line_of(text, location.span.start),
        }
    }

    /// Records that a key exists.
    pub(super) fn know(&mut self, key: String) {
        self.known.insert(key);
    }

    /// The keys that exist.
    pub(in crate::config) fn into_known(self) -> BTreeSet<String> {
        self.known
    }

    /// The mistakes, first in the user's file and then in the machine's, each in the order of the text;
    /// what is unknown; and what has no effect any more.
    pub(in crate::config) fn into_found(
        mut self,
    ) -> (Vec<Diagnostic>, Vec<Diagnostic>, Vec<RetiredKey>) {
        self.found
            .sort_by_key(|(is_system, d)| (*is_system, d.line, d.column));
        self.unknown.sort_by_key(|d| (d.line, d.column));
        let found = self.found.into_iter().map(|(_, found)| found);
        (found.collect(), self.unknown, self.retired)
    }

    fn file(&self, layer: Layer) -> &'t ConfigFile {
        match layer {
            Layer::User => &self.files.user,
            Layer::System => &self.files.system,
        }
    }
}

/// A place in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct FileLocation {
    layer: Layer,
    span: Range<usize>,
}

impl FileLocation {
    /// A span of bytes in the file of `layer`.
    pub(in crate::config) fn new(layer: Layer, span: Range<usize>) -> Self {
        Self { layer, span }
    }

    /// The file that it is in.
    pub(in crate::config) fn layer(&self) -> Layer {
        self.layer
    }
}

impl Default for FileLocation {
    fn default() -> Self {
        Self::new(Layer::User, 0..0)
    }
}

fn diagnostic(path: String, text: &str, span: Range<usize>, message: String) -> Diagnostic {
    let start = floor(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
    let line = line_of(text, start);
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
        path,
        line,
        column,
        message,
        snippet,
    }
}

fn line_of(text: &str, index: usize) -> usize {
    text[..floor(text, index)].matches('\n').count() + 1
}

/// The nearest character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    text.floor_char_boundary(index.min(text.len()))
}
