//! The whole configuration with its defaults, in the form of a file, and where each value comes
//! from.

use loopdesk_protocol::config::{AccountSettings, Effective};
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use crate::config_file::text_value;
use crate::ui::text::Text;

/// The configuration that `files` make up.
pub(crate) fn text(config: &Effective, files: &[String]) -> Text {
    let files = match files {
        [] => "# no configuration file".to_owned(),
        files => format!("# {}", files.join(" over ")),
    };
    let mut document = document(config);
    say_where_from(document.as_table_mut(), "", config);
    Text::from(format!("{files}, defaults included\n{document}"))
}

/// One account's table.
pub(crate) fn account_text(one: &AccountSettings, config: &Effective) -> Text {
    let mut document = DocumentMut::new();
    let mut table = account(one);
    table.decor_mut().set_prefix(about(one));
    let mut accounts = Table::new();
    accounts.set_implicit(true);
    accounts.insert(&one.name, Item::Table(table));
    document.insert("accounts", Item::Table(accounts));
    say_where_from(document.as_table_mut(), "", config);
    Text::from(document.to_string())
}

/// Adds a comment to each value: the file and line that set it, or that it is a default.
fn say_where_from(table: &mut dyn TableLike, prefix: &str, config: &Effective) {
    for (name, item) in table.iter_mut() {
        let key = format!("{prefix}{}", name.get());
        match item {
            Item::Value(value) => {
                let comment = format!("  # {}", origin(&key, config));
                value.decor_mut().set_suffix(comment);
            }
            Item::Table(inner) => say_where_from(inner, &format!("{key}."), config),
            Item::None | Item::ArrayOfTables(_) => {}
        }
    }
}

fn origin(key: &str, config: &Effective) -> String {
    let from = match config.sources.get(key) {
        Some(source) => format!("{}:{}", source.path, source.line),
        None => "default".to_owned(),
    };
    match config.lock(key) {
        Some(lock) => format!("{from}, locked by {}:{}", lock.path, lock.line),
        None => from,
    }
}

fn document(config: &Effective) -> DocumentMut {
    let mut document = DocumentMut::new();
    let top = document.as_table_mut();
    top.insert("listen", list(&config.listen));
    insert(top, "default-account", config.default_account.as_deref());
    top.insert("vault", value(&config.vault));
    top.insert("allow-hosts", list(&config.allow_hosts));
    if let Some(scopes) = &config.max_key_scope {
        top.insert("max-key-scope", list(scopes));
    }
    if let Some(age) = config.max_key_age {
        top.insert("max-key-age", value(lifetime(age)));
    }
    top.insert("open-routes", list(&config.open_routes));
    top.insert("redirect-uris", list(&config.redirect_uris));
    top.insert("exec", value(config.exec));
    if let Some(words) = &config.hooks.session_event {
        let mut hooks = Table::new();
        hooks.set_dotted(true);
        hooks.insert("session-event", list(words));
        top.insert("hooks", Item::Table(hooks));
    }
    let mut accounts = Table::new();
    accounts.set_implicit(true);
    for one in &config.accounts {
        accounts.insert(&one.name, Item::Table(account(one)));
    }
    top.insert("accounts", Item::Table(accounts));
    document
}

fn account(account: &AccountSettings) -> Table {
    let mut table = Table::new();
    table
        .decor_mut()
        .set_prefix(format!("\n{}", about(account)));
    insert(&mut table, "subdomain", account.subdomain.as_deref());
    insert(&mut table, "url", account.url.as_deref());
    table.insert("client-id", value(&account.client_id));
    table.insert("scopes", list(&account.scopes));
    table.insert("grant", value(&account.grant));
    if let Some(port) = account.port {
        table.insert("port", value(i64::from(port)));
    }
    table.insert("access", value(account.access.name()));
    table.insert("rewrite", list(&account.rewrite));
    table.insert(
        "access-token-ttl",
        value(lifetime(account.access_token_ttl)),
    );
    table.insert(
        "refresh-token-ttl",
        value(lifetime(account.refresh_token_ttl)),
    );
    table.insert("read-only-grant", value(account.read_only_grant));
    insert(
        &mut table,
        "extra-ca-file",
        account.extra_ca_file.as_deref(),
    );
    table.insert("token-encoding", value(&account.token_encoding));
    table
}

/// Comments on what the settings result in.
fn about(account: &AccountSettings) -> String {
    format!(
        "# requests go to {}, logins to {}\n# scripts use {}\n",
        account.api_origin,
        account.oauth_origin,
        account.base_urls.join(" or ")
    )
}

fn insert(table: &mut Table, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        table.insert(key, value(text));
    }
}

fn list(items: &[String]) -> Item {
    Item::Value(text_value(items.iter().map(String::as_str)))
}

/// In the largest unit that is exact.
fn lifetime(seconds: u64) -> String {
    match seconds {
        s if s > 172_800 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, plain};
    use loopdesk_protocol::config::{Layer, Source};

    #[test]
    fn the_output_is_a_configuration_file() {
        let report = testing::report();
        let files = ["`/home/ada/config.toml`".to_owned()];
        let text = plain(&text(report.config.as_ref().unwrap(), &files));
        assert!(text.parse::<DocumentMut>().is_ok());
        insta::assert_snapshot!(text, @r#"
        # `/home/ada/config.toml`, defaults included
        listen = ["127.0.0.1:8484", "[::1]:8484"]  # default
        default-account = "acme"  # default
        vault = "keyring"  # default
        allow-hosts = []  # default
        open-routes = []  # default
        redirect-uris = ["http://127.0.0.1:18484/callback"]  # default
        exec = true  # default

        # requests go to https://acme.zendesk.com, logins to https://acme.zendesk.com
        # scripts use http://127.0.0.1:8484
        [accounts.acme]
        subdomain = "acme"  # default
        client-id = "loopdesk"  # /home/ada/.config/loopdesk/config.toml:4
        scopes = ["read", "write"]  # default
        grant = "authorization-code"  # default
        access = "user"  # default
        rewrite = ["pagination", "jobs", "attachments"]  # default
        access-token-ttl = "48h"  # default
        refresh-token-ttl = "90d"  # default
        read-only-grant = false  # default
        token-encoding = "json"  # default

        # requests go to https://acme-sandbox.zendesk.com, logins to https://acme-sandbox.zendesk.com
        # scripts use http://127.0.0.1:8490
        [accounts.sandbox]
        subdomain = "acme-sandbox"  # default
        client-id = "loopdesk"  # default
        scopes = ["read", "write"]  # default
        grant = "authorization-code"  # default
        port = 8490  # default
        access = "user"  # default
        rewrite = ["pagination", "jobs", "attachments"]  # default
        access-token-ttl = "48h"  # default
        refresh-token-ttl = "90d"  # default
        read-only-grant = false  # default
        token-encoding = "json"  # default
        "#);
    }

    #[test]
    fn a_hook_is_shown_as_it_is_written() {
        let mut config = testing::report().config.unwrap();
        config.hooks.session_event = Some(vec!["notify-send".to_owned(), "loop desk".to_owned()]);
        let text = plain(&text(&config, &[]));
        let line = "\nhooks.session-event = [\"notify-send\", \"loop desk\"]  # default\n";
        assert!(text.contains(line), "{text}");
        assert!(text.parse::<DocumentMut>().is_ok());
    }

    #[test]
    fn d2_what_the_machine_lets_keys_have_is_shown() {
        let mut config = testing::report().config.unwrap();
        config.max_key_scope = Some(vec!["read".to_owned(), "tickets:write".to_owned()]);
        config.max_key_age = Some(31_536_000);
        config.allow_hosts = vec!["host.docker.internal:8484".to_owned()];
        let text = plain(&text(&config, &[]));
        for line in [
            "max-key-scope = [\"read\", \"tickets:write\"]  # default",
            "max-key-age = \"365d\"  # default",
            "allow-hosts = [\"host.docker.internal:8484\"]  # default",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn each_value_shows_its_source_and_its_lock() {
        let mut config = testing::report().config.unwrap();
        let at = |layer, path: &str, line| Source {
            layer,
            path: path.to_owned(),
            line,
        };
        let user = |line| at(Layer::User, "/home/ada/config.toml", line);
        let system = |line| at(Layer::System, "/etc/loopdesk/config.toml", line);
        config.sources = [
            ("vault", system(1)),
            ("accounts.acme.client-id", system(5)),
            ("accounts.acme.scopes", user(2)),
        ]
        .map(|(key, source)| (key.to_owned(), source))
        .into();
        config.locked = [("vault", system(2)), ("accounts.sandbox", system(3))]
            .map(|(key, source)| (key.to_owned(), source))
            .into();
        let text = plain(&text(&config, &["`a`".to_owned(), "`b`".to_owned()]));
        assert!(text.parse::<DocumentMut>().is_ok());
        for line in [
            "# `a` over `b`, defaults included",
            "vault = \"keyring\"  # /etc/loopdesk/config.toml:1, locked by /etc/loopdesk/config.toml:2",
            "client-id = \"loopdesk\"  # /etc/loopdesk/config.toml:5",
            "scopes = [\"read\", \"write\"]  # /home/ada/config.toml:2",
            "port = 8490  # default, locked by /etc/loopdesk/config.toml:3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }

    #[test]
    fn lifetimes_lose_nothing() {
        for (seconds, text) in [
            (172_800, "48h"),
            (7_776_000, "90d"),
            (1_800, "30m"),
            (90, "90s"),
        ] {
            assert_eq!(lifetime(seconds), text);
        }
    }
}
