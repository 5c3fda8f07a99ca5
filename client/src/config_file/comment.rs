//! Comments, which a TOML document attaches to the item below or before them.

use toml_edit::{Decor, DocumentMut, Item, RawString, Table};

/// Puts a comment before the table that follows position `after`, or at the end.
pub(super) fn put_before_what_follows(
    document: &mut DocumentMut,
    after: Option<isize>,
    comment: &str,
) {
    let mut positions = Vec::new();
    walk(document.as_table_mut(), &mut |table| {
        positions.extend(table.position().filter(|p| Some(*p) > after));
    });
    let Some(next) = positions.into_iter().min() else {
        let trailing = raw(Some(document.trailing()));
        document.set_trailing(format!("{comment}{trailing}"));
        return;
    };
    walk(document.as_table_mut(), &mut |table| {
        if table.position() == Some(next) {
            prepend(table.decor_mut(), comment);
        }
    });
}

/// Puts a comment before an item's existing comments.
pub(super) fn prepend(decor: &mut Decor, comment: &str) {
    let old = raw(decor.prefix());
    decor.set_prefix(format!("{comment}{old}"));
}

/// Takes the comment at the top of the file from the first table, so that a key can go below it.
pub(super) fn take_head(document: &mut DocumentMut) -> Option<String> {
    if document.iter().any(|(_, item)| item.is_value()) {
        return None;
    }
    let mut first: Option<isize> = None;
    walk(document.as_table_mut(), &mut |table| {
        if let Some(position) = table.position() {
            first = Some(first.map_or(position, |first| first.min(position)));
        }
    });
    let mut head = None;
    walk(document.as_table_mut(), &mut |table| {
        if first.is_some() && table.position() == first {
            let prefix = raw(table.decor().prefix());
            let top = detached(&prefix);
            let rest = prefix.strip_prefix(&top).unwrap_or_default();
            table.decor_mut().set_prefix(format!("\n{rest}"));
            head = Some(top);
        }
    });
    head
}

/// The part of a comment that a blank line separates from the item below.
pub(super) fn detached(above: &str) -> String {
    match above.rfind("\n\n") {
        Some(at) => above
            .chars()
            .take(above[..at + 2].chars().count())
            .collect(),
        None => String::new(),
    }
}

/// Visits the table, and all tables in it that have headers.
pub(super) fn walk(table: &mut Table, visit: &mut dyn FnMut(&mut Table)) {
    visit(table);
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(table) => walk(table, visit),
            Item::ArrayOfTables(tables) => {
                for table in tables.iter_mut() {
                    walk(table, visit);
                }
            }
            Item::None | Item::Value(_) => {}
        }
    }
}

/// A comment and its surrounding whitespace.
pub(super) fn raw(text: Option<&RawString>) -> String {
    text.and_then(RawString::as_str)
        .unwrap_or_default()
        .to_owned()
}
