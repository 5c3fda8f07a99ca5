//! The configuration in the form of the control API.

use std::collections::BTreeMap;

use loopdesk_protocol::config::{AccountSettings, Effective, HookSettings};

use super::types::name_of;
use super::{Account, Config, RewriteClass, TokenEncoding, VaultKind};

impl From<&Config> for Effective {
    fn from(config: &Config) -> Self {
        Self {
            listen: config.listen.iter().map(ToString::to_string).collect(),
            default_account: config.default_account.as_ref().map(ToString::to_string),
            vault: name_of(&VaultKind::ALL, &config.vault).to_owned(),
            allow_hosts: texts(config.allow_hosts.iter().map(|host| host.as_str())),
            max_key_scope: config.max_key_scope.as_ref().map(|most| most.text().scopes),
            max_key_age: config.max_key_age.map(|age| age.as_secs()),
            open_routes: texts(config.open_routes.iter().map(|r| r.as_str())),
            redirect_uris: texts(config.redirect_uris.iter().map(|r| r.as_str())),
            hooks: HookSettings {
                session_event: config
                    .session_event_hook
                    .as_ref()
                    .map(|hook| hook.words().to_vec()),
            },
            exec: config.exec,
            accounts: config
                .accounts
                .values()
                .map(|account| view(config, account))
                .collect(),
            // Only known with the files at hand; see `load::report`.
            sources: BTreeMap::new(),
            locked: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The base URLs under which scripts reach `account`, the simplest first.
    ///
    /// An account's own port always means that account, and the common addresses mean the default
    /// account. There, other accounts are reached as `NAME.localhost`, which not every resolver
    /// supports.
    pub fn base_urls(&self, account: &Account) -> Vec<String> {
        let mut urls = Vec::new();
        if let Some(port) = account.port {
            urls.push(format!("http://localhost:{port}"));
        }
        let mut ports: Vec<u16> = self.listen.iter().map(|a| a.get().port()).collect();
        ports.dedup();
        let is_default = self.default_account.as_ref() == Some(&account.name);
        for port in ports {
            if is_default {
                urls.push(format!("http://localhost:{port}"));
            }
            urls.push(format!("http://{}.localhost:{port}", account.name));
        }
        urls
    }
}

fn view(config: &Config, account: &Account) -> AccountSettings {
    let classes = account.rewrite.iter();
    AccountSettings {
        name: account.name.to_string(),
        subdomain: account.subdomain.as_ref().map(|s| s.as_str().to_owned()),
        url: account.url.as_ref().map(ToString::to_string),
        api_origin: account.api_origin.to_string(),
        oauth_origin: account.oauth_origin.to_string(),
        client_id: account.client_id.clone(),
        grant: account.grant.name().to_owned(),
        scopes: texts(account.scopes.iter().map(|s| s.as_str())),
        port: account.port,
        access: account.access,
        rewrite: texts(classes.map(|c| name_of(&RewriteClass::ALL, c))),
        access_token_ttl: account.access_token_ttl.as_secs(),
        refresh_token_ttl: account.refresh_token_ttl.as_secs(),
        read_only_grant: account.read_only_grant,
        extra_ca_file: account
            .extra_ca_file
            .as_ref()
            .map(|path| path.display().to_string()),
        token_encoding: name_of(&TokenEncoding::ALL, &account.token_encoding).to_owned(),
        base_urls: config.base_urls(account),
    }
}

fn texts<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    items.map(str::to_owned).collect()
}
