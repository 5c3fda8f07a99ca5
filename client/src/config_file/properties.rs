//! Whatever a person has written, an edit changes what it is about and nothing else.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use toml_edit::{DocumentMut, Item, Value};

use super::edit::{ConfigEdit, parse};

/// A thing in a text: a key or an account's table, with comments around it.
#[derive(Clone, Debug)]
struct Thing {
    /// `vault`, or `accounts.a`.
    path: String,
    /// A comment directly above, and one further up, set apart by a blank line.
    above: bool,
    apart: bool,
    /// A comment behind.
    behind: bool,
    blank: bool,
    /// In a table, its keys; in a list, more than one line.
    inner: Vec<Self>,
}

fn thing(path: String, inner: Vec<Thing>) -> impl Strategy<Value = Thing> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    flags.prop_map(move |(above, apart, behind, blank)| Thing {
        path: path.clone(),
        above,
        apart,
        behind,
        blank,
        inner: inner.clone(),
    })
}

fn things(prefix: &str, names: &[&'static str]) -> impl Strategy<Value = Vec<Thing>> + use<> {
    let prefix = prefix.to_owned();
    let some = proptest::sample::subsequence(names.to_vec(), 0..=names.len());
    some.prop_flat_map(move |names| {
        let all: Vec<_> = names
            .into_iter()
            .map(|name| thing(format!("{prefix}{name}"), Vec::new()))
            .collect();
        all
    })
}

fn accounts() -> impl Strategy<Value = Vec<Thing>> {
    let some = proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3);
    some.prop_shuffle().prop_flat_map(|names| {
        let account = |name| {
            let path = format!("accounts.{name}");
            things(&format!("{path}."), &ACCOUNT)
                .prop_flat_map(move |inner| thing(path.clone(), inner))
        };
        names.into_iter().map(account).collect::<Vec<_>>()
    })
}

/// A text, and for each of its comments what it belongs to.
#[derive(Clone, Debug, Default)]
struct Written {
    text: String,
    comments: Vec<(String, String)>,
}

impl Written {
    fn new((head, top, accounts, end): (bool, Vec<Thing>, Vec<Thing>, bool)) -> Self {
        let mut written = Self::default();
        if head {
            written.comment("", "");
            written.text.push('\n');
        }
        for key in &top {
            written.key(key);
        }
        for account in &accounts {
            written.before(account);
            written.text.push_str(&format!("[{}]", account.path));
            written.behind(account);
            for key in &account.inner {
                written.key(key);
            }
        }
        if end {
            written.text.push('\n');
            written.comment("", "");
        }
        written
    }

    fn key(&mut self, thing: &Thing) {
        self.before(thing);
        let name = thing.path.rsplit('.').next().unwrap();
        let value = match name {
            "listen" | "scopes" => "[\n    \"x\",  # why\n  \"y\" ]",
            "port" => "8490",
            _ => "'text'",
        };
        self.text.push_str(&format!("{name} =  {value}"));
        self.behind(thing);
    }

    fn before(&mut self, thing: &Thing) {
        if thing.blank {
            self.text.push('\n');
        }
        if thing.apart {
            // A comment in an account's table goes with the account.
            let table = thing.path.rsplit_once('.').map(|(table, _)| table);
            self.comment("", table.filter(|table| *table != "accounts").unwrap_or(""));
            self.text.push('\n');
        }
        if thing.above {
            self.comment("", &thing.path);
        }
    }

    fn behind(&mut self, thing: &Thing) {
        if thing.behind {
            self.comment("  ", &thing.path);
        } else {
            self.text.push('\n');
        }
    }

    fn comment(&mut self, indent: &str, owner: &str) {
        let comment = format!("# {}", self.comments.len());
        self.text.push_str(&format!("{indent}{comment}.\n"));
        self.comments
            .push((format!("{comment}."), owner.to_owned()));
    }
}

fn written() -> impl Strategy<Value = Written> {
    let parts = (any::<bool>(), things("", &TOP), accounts(), any::<bool>());
    parts.prop_map(Written::new)
}

/// Each value by its path, as it would be alone.
fn values(text: &str) -> BTreeMap<String, String> {
    fn walk(item: &Item, path: &str, found: &mut BTreeMap<String, String>) {
        match item.as_table_like() {
            Some(table) => {
                for (name, inner) in table.iter() {
                    walk(inner, &format!("{path}.{name}"), found);
                }
            }
            None => {
                let words: Vec<_> = item
                    .to_string()
                    .lines()
                    .map(|l| l.trim().to_owned())
                    .collect();
                found.insert(path.trim_start_matches('.').to_owned(), words.join(" "));
            }
        }
    }
    let document: DocumentMut = text.parse().unwrap();
    let mut found = BTreeMap::new();
    walk(document.as_item(), "", &mut found);
    found
}

fn edited(text: &str, edit: &ConfigEdit) -> Result<String, String> {
    let mut document = parse(text).map_err(|e| e.to_string())?;
    edit.apply(&mut document).map_err(|e| e.to_string())?;
    Ok(document.to_string())
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(ToOwned::to_owned).collect()
}

/// The lines with something in them.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// Whether `short` is `long` with some lines left out.
fn is_part(short: &[&str], long: &[&str]) -> bool {
    let mut rest = long.iter();
    short.iter().all(|line| rest.any(|other| other == line))
}

proptest! {
    // Not every text has what an edit is about.
    #![proptest_config(ProptestConfig {
        max_global_rejects: 65_536,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_added_leaves_every_line_as_it_is(
        written in written(),
        at in select(vec!["vault", "listen", "accounts.a.port", "accounts.d.port", "accounts.d"]),
    ) {
        let before = values(&written.text);
        prop_assume!(!before.contains_key(at));
        let edit = match at {
            "accounts.d" => ConfigEdit::AddAccount {
                name: "d".to_owned(),
                settings: vec![("port", Value::from(1))],
            },
            _ => ConfigEdit::Set(path(at), Value::from(1)),
        };
        let after = edited(&written.text, &edit).unwrap();
        prop_assert!(is_part(&lines(&written.text), &lines(&after)), "{after}");
        let mut expected = before;
        let at = if at == "accounts.d" { "accounts.d.port" } else { at };
        expected.insert(at.to_owned(), "1".to_owned());
        prop_assert_eq!(values(&after), expected);
    }

    #[test]
    fn what_is_changed_is_that_value_alone(
        written in written(),
        at in select(vec!["vault", "listen", "accounts.a.port", "accounts.b.scopes"]),
    ) {
        let before = values(&written.text);
        prop_assume!(before.contains_key(at));
        let after = edited(&written.text, &ConfigEdit::Set(path(at), Value::from("new"))).unwrap();
        let mut expected = before;
        expected.insert(at.to_owned(), "\"new\"".to_owned());
        let shown = values(&after);
        let stripped = shown.into_iter().map(|(key, value)| {
            let value = if key == at { value.split("  #").next().unwrap().to_owned() } else { value };
            (key, value)
        });
        let stripped: BTreeMap<_, _> = stripped.collect();
        prop_assert_eq!(stripped, expected.clone());
        for (comment, _) in &written.comments {
            prop_assert!(after.contains(comment), "{comment} in {after}");
        }
        let key = format!("{} =", at.rsplit('.').next().unwrap());
        let (after, before) = (lines(&after), lines(&written.text));
        let others: Vec<_> = after.into_iter().filter(|line| !line.starts_with(&key)).collect();
        prop_assert!(is_part(&others, &before), "{others:?}");
    }

    #[test]
    fn what_is_removed_takes_only_its_own_comments_along(
        written in written(),
        at in select(vec!["vault", "listen", "accounts.a.port", "accounts.a", "accounts.b"]),
    ) {
        let mut expected = values(&written.text);
        let is_account = at.matches('.').count() == 1;
        let edit = if is_account {
            prop_assume!(written.text.contains(&format!("[{at}]")));
            ConfigEdit::RemoveAccount(at.rsplit('.').next().unwrap().to_owned())
        } else {
            prop_assume!(expected.contains_key(at));
            ConfigEdit::Unset(path(at))
        };
        let after = edited(&written.text, &edit).unwrap();
        prop_assert!(is_part(&lines(&after), &lines(&written.text)), "{after}");
        let gone = |path: &str| path == at || path.starts_with(&format!("{at}."));
        expected.retain(|path, _| !gone(path));
        prop_assert_eq!(values(&after), expected);
        for (comment, owner) in &written.comments {
            let kept = after.contains(comment);
            prop_assert!(kept || gone(owner), "{comment} of `{owner}` is lost: {after}");
        }
    }
}

const TOP: [&str; 3] = ["listen", "vault", "default-account"];
const ACCOUNT: [&str; 3] = ["client-id", "scopes", "port"];
