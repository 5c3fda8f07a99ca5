//! Where each value comes from.

use std::collections::BTreeMap;

use loopdesk_protocol::config::Source;
use toml::de::DeTable;

use super::reader::{Errors, FileLocation, LayerTable};

/// The place of every value that is in effect, by its key, such as `accounts.acme.port`. `parts` has
/// the uppermost layer first.
pub(super) fn sources(
    parts: &[LayerTable<'_, '_>],
    errors: &Errors<'_>,
) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    for part in parts {
        walk(part.table, "", &mut |key, span| {
            let location = FileLocation::new(part.layer, span);
            sources
                .entry(key)
                .or_insert_with(|| errors.source(&location));
        });
    }
    sources
}

fn walk(table: &DeTable<'_>, prefix: &str, each: &mut impl FnMut(String, std::ops::Range<usize>)) {
    for (name, value) in table.iter() {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref().as_table() {
            Some(inner) => walk(inner, &format!("{key}."), each),
            None => each(key, name.span()),
        }
    }
}
