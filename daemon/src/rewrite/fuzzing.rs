//! The scanner and its slow reference, for the fuzz targets.

use bytes::Bytes;

use super::origins::ScriptClient;
use super::scanner::{Scanner, reference};
use crate::config::RewriteClass;

/// The scanner's result for a body that arrives in `chunks`.
pub fn scanned<'a>(
    classes: &[RewriteClass],
    client: &ScriptClient,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut scanner = Scanner::new(classes, reference::view(client.clone()));
    let mut text = Vec::new();
    for chunk in chunks {
        text.extend_from_slice(&scanner.push(&Bytes::copy_from_slice(chunk)));
    }
    text.extend_from_slice(&scanner.finish());
    text
}

/// The slow reference's result for a document that is valid JSON.
pub fn expected(classes: &[RewriteClass], client: &ScriptClient, text: &str) -> String {
    reference::rewritten(classes, client, text)
}

/// The origins that both know, each with its base from the client's point of view.
pub fn places(client: &ScriptClient) -> Vec<(&'static str, Option<String>)> {
    reference::places(client)
}
