//! Turns the configuration files into a [`Config`], or reports every error at once.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use loopdesk_protocol::config::{Diagnostic, Layer, Source};
use loopdesk_protocol::key;
use toml::de::DeTable;

use super::files::ConfigFiles;
use super::locks::{self, ANY_ACCOUNT, LockedKey, RESERVED};
use super::reader::{Errors, FileLocation, LayerTable, Section, choose};
use super::retired::SPARE;
use super::sources::sources;
use super::{
    Access, Account, AccountName, AllowedHost, Config, GrantType, HookCommand, LoopbackAddr,
    Origin, RedirectUri, RewriteClass, RoutePath, Scope, Subdomain, TokenEncoding, Ttl, VaultKind,
    ports,
};
use crate::rights::Rights;

/// Checks the text of a user's file, without a machine's file.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn parse(text: &str) -> Result<Config, Vec<Diagnostic>> {
    read_files(&ConfigFiles::text(text)).map(|checked| checked.config)
}

/// The result for files without mistakes.
#[derive(Debug)]
pub(super) struct CheckedConfig {
    /// The configuration.
    pub(super) config: Config,
    /// Where each value comes from.
    pub(super) sources: BTreeMap<String, Source>,
    /// The keys that the machine's file locks.
    pub(super) locked: BTreeMap<String, Source>,
}

/// Checks the files, with the user's layered over the machine's.
///
/// # Errors
/// Every mistake, first in the user's file and then in the machine's.
pub(super) fn read_files(files: &ConfigFiles) -> Result<CheckedConfig, Vec<Diagnostic>> {
    let mut errors = Errors::new(files);
    let mut documents = Vec::new();
    for file in files.each() {
        let Some(text) = file.text() else {
            continue;
        };
        let (document, syntax) = DeTable::parse_recoverable(text);
        for error in syntax {
            let span = error.span().unwrap_or(0..0);
            errors.add(FileLocation::new(file.layer, span), error.message());
        }
        documents.push((file.layer, document));
    }
    let parts = || {
        let parts = documents.iter().map(|(layer, document)| LayerTable {
            layer: *layer,
            table: document.get_ref(),
        });
        parts.collect::<Vec<_>>()
    };
    let mut root = Section::root(parts());
    let locks = locks(&mut root, &mut errors);
    let config = read(&mut root, &mut errors);
    root.finish(&mut errors);
    let of = |wanted| {
        let mut documents = documents.iter();
        documents
            .find(|(layer, _)| *layer == wanted)
            .map(|(_, document)| document.get_ref())
    };
    let (user, system) = (of(Layer::User), of(Layer::System));
    let locked = match locks {
        locks if locks.is_empty() => BTreeMap::new(),
        locks => locks::check(locks, user, system, &known(), &mut errors),
    };
    let sources = sources(&parts(), &errors);
    let (found, unknown, retired) = errors.into_found();
    if found.is_empty() {
        Ok(CheckedConfig {
            config: Config {
                unknown,
                retired,
                ..config
            },
            sources,
            locked,
        })
    } else {
        Err(found)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: defaults(&LISTEN),
            default_account: None,
            vault: VaultKind::Keyring,
            allow_hosts: Vec::new(),
            max_key_scope: None,
            max_key_age: None,
            open_routes: Vec::new(),
            redirect_uris: defaults(&REDIRECT_URIS),
            session_event_hook: None,
            exec: true,
            accounts: BTreeMap::new(),
            unknown: Vec::new(),
            retired: Vec::new(),
        }
    }
}

fn locks(root: &mut Section<'_, '_>, errors: &mut Errors<'_>) -> Vec<LockedKey> {
    for key in RESERVED {
        root.reserve(key, errors);
    }
    let lock = |key: &str, location: &FileLocation| {
        Ok(LockedKey {
            key: key.to_owned(),
            location: location.clone(),
        })
    };
    root.items("locked", errors, lock).unwrap_or_default()
}

/// Every key that the configuration can have; those of accounts are listed for [`ANY_ACCOUNT`].
fn known() -> BTreeSet<String> {
    let text = format!("[accounts.{ANY_ACCOUNT}]\n");
    let files = ConfigFiles::text(&text);
    let mut errors = Errors::new(&files);
    let (document, _) = DeTable::parse_recoverable(&text);
    let part = LayerTable {
        layer: Layer::User,
        table: document.get_ref(),
    };
    read(&mut Section::root(vec![part]), &mut errors);
    errors.into_known()
}

fn read(root: &mut Section<'_, '_>, errors: &mut Errors<'_>) -> Config {
    let default = Config::default();
    let listen = root
        .list("listen", errors, LoopbackAddr::from_str)
        .unwrap_or(default.listen);
    let default_account: Option<AccountName> = root.value("default-account", errors);
    let vault = root
        .one_of("vault", &VaultKind::ALL, errors)
        .unwrap_or(default.vault);
    let open_routes = root
        .list("open-routes", errors, RoutePath::from_str)
        .unwrap_or_default();
    let redirect_uris = root
        .list("redirect-uris", errors, RedirectUri::from_str)
        .unwrap_or(default.redirect_uris);
    if redirect_uris.is_empty() {
        errors.add(
            root.location_of("redirect-uris"),
            "`redirect-uris` is empty: a login needs at least one",
        );
    }

    let allow_hosts = root
        .list("allow-hosts", errors, AllowedHost::from_str)
        .unwrap_or_default();
    let max_key_scope = root.list("max-key-scope", errors, |scope| {
        Rights::parse(&of_scopes(vec![scope.to_owned()])).map(|_| scope.to_owned())
    });
    if max_key_scope.as_ref().is_some_and(Vec::is_empty) {
        errors.add(
            root.location_of("max-key-scope"),
            "`max-key-scope` is empty, so that no local key could do anything: list at least one \
             scope, such as `read`",
        );
    }
    let max_key_age = root.with("max-key-age", errors, Ttl::of_key);
    let exec = root.boolean("exec", errors).unwrap_or(default.exec);
    let hooks = root.table("hooks", errors);
    let session_event_hook = session_event_hook(hooks, errors);

    let mut accounts = BTreeMap::new();
    let mut urls = BTreeMap::new();
    for (name, mut section) in root.tables("accounts", errors) {
        let account = match name.text.parse() {
            Ok(account_name) => read_account(account_name, &mut section, errors),
            Err(message) => {
                errors.add(name.location, message);
                None
            }
        };
        ports::check(account.as_ref(), &listen, &accounts, &section, errors);
        let url = section.location_of("url");
        section.finish(errors);
        if let Some(account) = account {
            urls.insert(account.name.clone(), url);
            accounts.insert(account.name.clone(), Arc::new(account));
        }
    }
    ports::check_loops(&listen, &accounts, &urls, errors);
    if listen.is_empty() && accounts.values().all(|a: &Arc<Account>| a.port.is_none()) {
        errors.add(
            root.location_of("listen"),
            "`listen` is empty and no account has a `port`: no script could connect",
        );
    }
    if let Some(name) = &default_account
        && !accounts.contains_key(name)
        && !errors.is_incomplete()
    {
        errors.add(
            root.location_of("default-account"),
            format!("there is no account `{name}`: add a table [accounts.{name}]"),
        );
    }
    let only = || {
        let mut names = accounts.keys();
        names.next().filter(|_| accounts.len() == 1).cloned()
    };
    Config {
        listen,
        default_account: default_account.or_else(only),
        vault,
        allow_hosts,
        max_key_scope: max_key_scope.and_then(|all| Rights::parse(&of_scopes(all)).ok()),
        max_key_age,
        open_routes,
        redirect_uris,
        session_event_hook,
        exec,
        accounts,
        unknown: Vec::new(),
        retired: Vec::new(),
    }
}

fn of_scopes(scopes: Vec<String>) -> key::RightsText {
    key::RightsText {
        scopes,
        ..key::RightsText::default()
    }
}

fn session_event_hook(
    mut section: Section<'_, '_>,
    errors: &mut Errors<'_>,
) -> Option<HookCommand> {
    const KEY: &str = "session-event";
    let words = section.list(KEY, errors, |word| Ok(word.to_owned()));
    let command = words.and_then(|words| {
        let wrong = |why| errors.add(section.location_of(KEY), format!("`hooks.{KEY}` {why}"));
        HookCommand::new(words).map_err(wrong).ok()
    });
    section.finish(errors);
    command
}

fn read_account(
    name: AccountName,
    section: &mut Section<'_, '_>,
    errors: &mut Errors<'_>,
) -> Option<Account> {
    let subdomain: Option<Subdomain> = section.value("subdomain", errors);
    let url: Option<Origin> = section.value("url", errors);
    let client_id = section.with("client-id", errors, client_id);
    let grant = section.one_of("grant", &GrantType::ALL, errors);
    let scopes = section.list("scopes", errors, Scope::from_str);
    let port = section.port("port", errors);
    let access = section.one_of("access", &Access::ALL, errors);
    let rewrite = section.list("rewrite", errors, |text| choose(text, &RewriteClass::ALL));
    let access_ttl = section.with("access-token-ttl", errors, |t| Ttl::parse(t, &Ttl::ACCESS));
    let refresh_ttl = section.with("refresh-token-ttl", errors, |t| {
        Ttl::parse(t, &Ttl::REFRESH)
    });
    section.retire(SPARE, errors);
    let read_only_grant = section
        .boolean("read-only-grant", errors)
        .unwrap_or_default();
    let extra_ca_file = section.path("extra-ca-file", errors);
    let token_encoding = section.one_of("token-encoding", &TokenEncoding::ALL, errors);

    if scopes.as_ref().is_some_and(Vec::is_empty) {
        errors.add(
            section.location_of("scopes"),
            "`scopes` is empty: list at least one, such as `read`",
        );
    }
    if grant == Some(GrantType::ClientCredentials) && refresh_ttl.is_some() {
        errors.add(
            section.location_of("refresh-token-ttl"),
            "`refresh-token-ttl` doesn't apply to a client with a secret: it gets no refresh token",
        );
    }
    if grant == Some(GrantType::ClientCredentials) && read_only_grant {
        errors.add(
            section.location_of("read-only-grant"),
            "`read-only-grant` doesn't apply to a client with a secret: it has no refresh tokens, \
             and can request an access token at any time",
        );
    }
    let is_incomplete = errors.is_incomplete();
    let missing = |section: &Section<'_, '_>, key: &str, example: &str| {
        let is_missing = !section.has(key) && !is_incomplete;
        is_missing.then(|| format!("account `{name}` has no `{key}`: add {example}"))
    };
    if let Some(message) = missing(
        section,
        "client-id",
        "`client-id = \"…\"`, the OAuth client's identifier in Admin Center",
    ) {
        errors.add(section.location(), message);
    }
    let oauth_origin = subdomain
        .as_ref()
        .map(|subdomain| subdomain.origin().clone())
        .or_else(|| url.clone());
    let Some(oauth_origin) = oauth_origin else {
        if missing(section, "url", "").is_some()
            && let Some(message) = missing(
                section,
                "subdomain",
                "`subdomain = \"acme\"` for acme.zendesk.com",
            )
        {
            errors.add(section.location(), message);
        }
        return None;
    };
    Some(Account {
        api_origin: url.clone().unwrap_or_else(|| oauth_origin.clone()),
        oauth_origin,
        subdomain,
        url,
        client_id: client_id?,
        grant: grant.unwrap_or(GrantType::AuthorizationCode),
        scopes: scopes.unwrap_or_else(|| defaults(&SCOPES)),
        port,
        access: access.unwrap_or_default(),
        rewrite: rewrite.unwrap_or_else(|| REWRITE.to_vec()),
        access_token_ttl: access_ttl.unwrap_or(Ttl::ACCESS_MAX),
        refresh_token_ttl: refresh_ttl.unwrap_or(Ttl::REFRESH_MAX),
        read_only_grant,
        extra_ca_file,
        token_encoding: token_encoding.unwrap_or(TokenEncoding::Json),
        name,
    })
}

fn client_id(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` isn't a client identifier: copy it from Admin Center, without spaces"
        ))
    }
}

/// The values of a default. They are known to be valid: a test parses each of them.
fn defaults<T: FromStr>(texts: &[&str]) -> Vec<T> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Both address families, since `localhost` may mean either; 8484 isn't registered with IANA.
const LISTEN: [&str; 2] = ["127.0.0.1:8484", "[::1]:8484"];

/// Zendesk compares redirect URIs byte for byte, including the port. Three are registered, so that one
/// of their ports is free on any machine.
const REDIRECT_URIS: [&str; 3] = [
    "http://127.0.0.1:18484/callback",
    "http://127.0.0.1:18485/callback",
    "http://127.0.0.1:18486/callback",
];

/// What a script with an API token could do, except acting as another user.
const SCOPES: [&str; 2] = ["read", "write"];

/// The URLs that clients follow. Not `records`: those URLs are for people and exports.
const REWRITE: [RewriteClass; 3] = [
    RewriteClass::Pagination,
    RewriteClass::Jobs,
    RewriteClass::Attachments,
];

#[cfg(test)]
mod tests;
