//! The scanner and its slow reference, for the fuzz targets.

use bytes::Bytes;

use super::scanner::{Scanner, reference};
use crate::config::RewriteClass;

/// The origins that both rewrite.
pub use reference::ORIGINS;

/// What the scanner makes of a body that comes in `chunks`.
pub fn scanned<'a>(
    classes: &[RewriteClass],
    base: &str,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut scanner = Scanner::new(classes, ORIGINS.into_iter().map(str::to_owned), base);
    let mut text = Vec::new();
    for chunk in chunks {
        text.extend_from_slice(&scanner.push(&Bytes::copy_from_slice(chunk)));
    }
    text.extend_from_slice(&scanner.finish());
    text
}

/// What the slow reference makes of a document that is valid JSON.
pub fn expected(classes: &[RewriteClass], base: &str, text: &str) -> String {
    reference::rewritten(classes, base, text)
}
