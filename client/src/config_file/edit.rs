//! Edits of the configuration's text that keep everything else, comments included.

use loopdesk_protocol::{Kind, Problem};
use toml_edit::{Decor, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::comment::{detached, prepend, put_before_what_follows, raw, take_head, walk};

/// One edit.
#[derive(Clone, Debug)]
pub(crate) enum ConfigEdit {
    /// Adds an account's table. Fails if the account exists.
    AddAccount {
        name: String,
        settings: Vec<(&'static str, Value)>,
    },
    /// Removes an account's table. Fails if it doesn't exist.
    RemoveAccount(String),
    /// Fails if the account doesn't exist.
    NeedAccount(String),
    /// Sets the key at a path.
    Set(Vec<String>, Value),
    /// Removes the key at a path, if it exists.
    Unset(Vec<String>),
}

impl ConfigEdit {
    /// Applies the edit to `document`.
    pub(crate) fn apply(&self, document: &mut DocumentMut) -> Result<(), Problem> {
        match self {
            Self::AddAccount { name, settings } => add_account(document, name, settings),
            Self::RemoveAccount(name) => remove_account(document, name),
            Self::NeedAccount(name) if has_account(document, name) => Ok(()),
            Self::NeedAccount(name) => Err(no_such_account(name)),
            Self::Set(path, value) => set(document, path, value),
            Self::Unset(path) => {
                unset(document, path);
                Ok(())
            }
        }
    }
}

/// Parses a configuration's text for editing.
pub(crate) fn parse(text: &str) -> Result<DocumentMut, Problem> {
    text.parse::<DocumentMut>().map_err(|_| {
        // `config check` explains the error better.
        Problem::new(
            Kind::Config,
            "the configuration can't be edited, because it isn't valid TOML",
        )
        .hint("run `loopdesk config check` to see where")
    })
}

fn add_account(
    document: &mut DocumentMut,
    name: &str,
    settings: &[(&str, Value)],
) -> Result<(), Problem> {
    let goes_last = account_goes_last(document);
    let is_empty = document.is_empty();
    let trailing = raw(Some(document.trailing()));
    let accounts = document.entry(ACCOUNTS).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let known = accounts.as_table_like();
    if known.is_some_and(|accounts| accounts.contains_key(name)) {
        let message = format!("account `{name}` already exists");
        return Err(Problem::new(Kind::Usage, message)
            .hint(format!("run `loopdesk account show {name}` to see it"))
            .hint(format!(
                "run `loopdesk account set {name} KEY VALUE` to change it"
            )));
    }
    let accounts = match accounts {
        Item::Table(accounts) => accounts,
        Item::Value(Value::InlineTable(accounts)) => {
            let table: InlineTable = settings.iter().cloned().collect();
            accounts.insert(name, Value::InlineTable(table));
            return Ok(());
        }
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => return Err(not_a_table(ACCOUNTS)),
    };
    let mut table = Table::new();
    for (key, value) in settings {
        table.insert(key, Item::Value(value.clone()));
    }
    // Comments at the end of the text belong to the table above them.
    let above = if goes_last { trailing.as_str() } else { "" };
    let blank = if is_empty && above.is_empty() {
        ""
    } else {
        "\n"
    };
    table.decor_mut().set_prefix(format!("{above}{blank}"));
    accounts.insert(name, Item::Table(table));
    if goes_last {
        document.set_trailing("");
    }
    Ok(())
}

fn remove_account(document: &mut DocumentMut, name: &str) -> Result<(), Problem> {
    let accounts = document.get_mut(ACCOUNTS).and_then(Item::as_table_like_mut);
    let removed = accounts.and_then(|accounts| accounts.remove(name));
    let Some(removed) = removed else {
        return Err(no_such_account(name));
    };
    if let Item::Table(table) = &removed {
        let kept = detached(&raw(table.decor().prefix()));
        if !kept.trim().is_empty() {
            put_before_what_follows(document, table.position(), &kept);
        }
    }
    let is_empty = |item: &Item| item.as_table_like().is_some_and(TableLike::is_empty);
    if document.get(ACCOUNTS).is_some_and(is_empty) {
        document.remove(ACCOUNTS);
    }
    Ok(())
}

fn set(document: &mut DocumentMut, path: &[String], value: &Value) -> Result<(), Problem> {
    let Some((last, tables)) = path.split_last() else {
        return Ok(());
    };
    if tables.is_empty() && !document.contains_key(last) {
        let head = take_head(document);
        document.insert(last, Item::Value(value.clone()));
        if let (Some(head), Some(mut key)) = (head, document.key_mut(last)) {
            key.leaf_decor_mut().set_prefix(head);
        }
        return Ok(());
    }
    if let [accounts, name] = tables
        && accounts == ACCOUNTS
        && !has_account(document, name)
    {
        return add_account(document, name, &[(last.as_str(), value.clone())]);
    }
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for name in tables {
        let item = table.entry(name).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            table.set_dotted(true);
            Item::Table(table)
        });
        table = item.as_table_like_mut().ok_or_else(|| not_a_table(name))?;
    }
    match table.get_mut(last) {
        Some(Item::Value(old)) => {
            // Assignment would drop the comment after the value.
            let decor = old.decor().clone();
            *old = value.clone();
            *old.decor_mut() = decor;
        }
        Some(Item::None) | None => {
            table.insert(last, Item::Value(value.clone()));
        }
        Some(Item::Table(_) | Item::ArrayOfTables(_)) => {
            let message = format!("`{last}` is a table, not a value");
            return Err(Problem::new(Kind::Usage, message)
                .hint(format!("set a key in it: `{}.KEY`", path.join("."))));
        }
    }
    Ok(())
}

fn unset(document: &mut DocumentMut, path: &[String]) {
    let Some((last, tables)) = path.split_last() else {
        return;
    };
    let own_position = position(document, tables);
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for name in tables {
        match table.get_mut(name).and_then(Item::as_table_like_mut) {
            Some(next) => table = next,
            None => return,
        }
    }
    let above = |decor: &Decor| detached(&raw(decor.prefix()));
    let kept = table.key(last).map(|key| above(key.leaf_decor()));
    let next = table
        .iter()
        .skip_while(|(key, _)| key != last)
        .nth(1)
        .filter(|(_, item)| item.is_value())
        .map(|(key, _)| key.to_owned());
    table.remove(last);
    let kept = kept.unwrap_or_default();
    if kept.trim().is_empty() {
        return;
    }
    match next.and_then(|next| table.key_mut(&next)) {
        Some(mut key) => prepend(key.leaf_decor_mut(), &kept),
        None => put_before_what_follows(document, own_position, &kept),
    }
}

/// The position of a table's header among all headers; `None` without one.
fn position(document: &DocumentMut, tables: &[String]) -> Option<isize> {
    let mut item = document.as_item();
    for name in tables {
        item = item.get(name)?;
    }
    item.as_table()?.position()
}

fn account_goes_last(document: &mut DocumentMut) -> bool {
    let mut last = None;
    let mut last_account = None;
    walk(document.as_table_mut(), &mut |table| {
        last = last.max(table.position());
    });
    if let Some(accounts) = document.get_mut(ACCOUNTS).and_then(Item::as_table_mut) {
        walk(accounts, &mut |table| {
            last_account = last_account.max(table.position());
        });
        return last == last_account;
    }
    !document.contains_key(ACCOUNTS)
}

fn has_account(document: &DocumentMut, name: &str) -> bool {
    let accounts = document.get(ACCOUNTS).and_then(Item::as_table_like);
    accounts.is_some_and(|accounts| accounts.contains_key(name))
}

fn no_such_account(name: &str) -> Problem {
    let message = format!("the configuration has no account `{name}`");
    Problem::new(Kind::Usage, message).hint("run `loopdesk account list` to see the accounts")
}

fn not_a_table(name: &str) -> Problem {
    Problem::new(
        Kind::Config,
        format!("`{name}` in the configuration isn't a table"),
    )
    .hint("run `loopdesk config check`")
}

const ACCOUNTS: &str = "accounts";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_file::value::{text_value, values};

    fn edited(text: &str, edit: &ConfigEdit) -> String {
        let mut document = parse(text).unwrap();
        edit.apply(&mut document).unwrap();
        document.to_string()
    }

    fn add(name: &str) -> ConfigEdit {
        ConfigEdit::AddAccount {
            name: name.to_owned(),
            settings: vec![
                ("subdomain", Value::from(name)),
                ("scopes", text_value(["read", "write"])),
            ],
        }
    }

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(ToOwned::to_owned).collect()
    }

    fn set_to(at: &str, value: &str) -> ConfigEdit {
        ConfigEdit::Set(path(at), values(at, value).remove(0))
    }

    #[test]
    fn the_first_account_makes_the_file() {
        insta::assert_snapshot!(edited("", &add("acme")), @r#"
        [accounts.acme]
        subdomain = "acme"
        scopes = ["read", "write"]
        "#);
    }

    #[test]
    fn a_further_account_comes_below_and_comments_stay_where_they_were() {
        let text = "# mine\n\nvault = \"keyfile\" # no keyring here\n\n# the firm\n\
                    [accounts.acme]\nsubdomain = \"acme\"   # ours\n# port = 8490\n";
        insta::assert_snapshot!(edited(text, &add("beta")), @r#"
        # mine

        vault = "keyfile" # no keyring here

        # the firm
        [accounts.acme]
        subdomain = "acme"   # ours
        # port = 8490

        [accounts.beta]
        subdomain = "beta"
        scopes = ["read", "write"]
        "#);
    }

    #[test]
    fn an_account_goes_to_the_other_accounts_in_any_form() {
        let text = "[accounts.acme]\nsubdomain = \"acme\"\n\n# talk\n[hooks]\nx = 1\n# end\n";
        insta::assert_snapshot!(edited(text, &add("beta")), @r#"
        [accounts.acme]
        subdomain = "acme"

        [accounts.beta]
        subdomain = "beta"
        scopes = ["read", "write"]

        # talk
        [hooks]
        x = 1
        # end
        "#);
        let inline = "accounts = { acme = { subdomain = \"acme\" } } # short\n";
        insta::assert_snapshot!(edited(inline, &add("beta")), @r#"accounts = { acme = { subdomain = "acme" } , beta = { subdomain = "beta", scopes = ["read", "write"] } } # short"#);
        let dotted = "accounts.acme.subdomain = \"acme\"\n";
        let both = edited(dotted, &add("beta"));
        assert!(both.contains(dotted) && both.contains("[accounts.beta]"));
        assert!(parse(&both).is_ok(), "{both}");
    }

    #[test]
    fn an_account_is_not_added_twice_nor_removed_twice() {
        let mut document = parse("[accounts.acme]\n").unwrap();
        let problem = add("acme").apply(&mut document).unwrap_err();
        assert_eq!(problem.kind, Kind::Usage);
        assert!(problem.hints[1].contains("account set acme"));
        let remove = ConfigEdit::RemoveAccount("acme".to_owned());
        remove.apply(&mut document).unwrap();
        assert_eq!(remove.apply(&mut document).unwrap_err().kind, Kind::Usage);
        assert_eq!(document.to_string(), "");
    }

    #[test]
    fn a_removed_account_takes_only_its_own_comment_along() {
        let text = "# head\n\n# first\n[accounts.a]\nx = 1\n# on a\n\n# second\n\
                    [accounts.b]\nx = 2\n# end\n";
        let remove = |name: &str| edited(text, &ConfigEdit::RemoveAccount(name.to_owned()));
        insta::assert_snapshot!(remove("a"), @r"
        # head

        # on a

        # second
        [accounts.b]
        x = 2
        # end
        ");
        insta::assert_snapshot!(remove("b"), @r"
        # head

        # first
        [accounts.a]
        x = 1
        # on a

        # end
        ");
    }

    #[test]
    fn a_set_value_keeps_the_comments_around_it() {
        let text = "# why\nvault = \"keyring\"  # for now\n[accounts.a]\nport =   1 # p\n";
        insta::assert_snapshot!(edited(text, &set_to("vault", "keyfile")), @r#"
        # why
        vault = "keyfile"  # for now
        [accounts.a]
        port =   1 # p
        "#);
        insta::assert_snapshot!(edited(text, &set_to("accounts.a.port", "8490")), @r#"
        # why
        vault = "keyring"  # for now
        [accounts.a]
        port =   8490 # p
        "#);
    }

    #[test]
    fn a_new_key_goes_below_the_head_of_the_file_and_above_the_tables() {
        let text = "# my loopdesk\n\n# the firm\n[accounts.a]\nx = 1\n";
        insta::assert_snapshot!(edited(text, &set_to("vault", "keyfile")), @r#"
        # my loopdesk

        vault = "keyfile"

        # the firm
        [accounts.a]
        x = 1
        "#);
        insta::assert_snapshot!(edited(text, &set_to("hooks.session-event", "[\"a\"]")), @r#"
        hooks.session-event = ["a"]
        # my loopdesk

        # the firm
        [accounts.a]
        x = 1
        "#);
    }

    #[test]
    fn an_unset_key_leaves_the_rest() {
        let text = "# head\n\n# why\na = 1 # one\nb = 2\n\n[accounts.a]\nport = 1\n";
        insta::assert_snapshot!(edited(text, &ConfigEdit::Unset(path("a"))), @r"
        # head

        b = 2

        [accounts.a]
        port = 1
        ");
        assert_eq!(edited(text, &ConfigEdit::Unset(path("nothing.here"))), text);
    }

    #[test]
    fn a_comment_stays_in_its_table_when_the_last_key_goes() {
        let text = "[accounts.a]\nx = 1\n\n# on a\n\nport = 1\n[accounts.b]\nx = 2\n";
        insta::assert_snapshot!(edited(text, &ConfigEdit::Unset(path("accounts.a.port"))), @r"
        [accounts.a]
        x = 1

        # on a

        [accounts.b]
        x = 2
        ");
    }

    #[test]
    fn a_table_is_no_value() {
        let mut document = parse("x = 1\n[accounts.a]\n").unwrap();
        for edit in [set_to("accounts.a", "1"), set_to("x.y", "1")] {
            assert!(edit.apply(&mut document).is_err());
        }
    }
}
