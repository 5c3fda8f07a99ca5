//! What a daemon says in an ordinary week.

use loopdesk_protocol::account::{AUTHORIZATION_CODE, Person};
use loopdesk_protocol::config::{self, Effective, Report};
use loopdesk_protocol::key::{self, Created, KeyList, KeyStatus, RightsText};
use loopdesk_protocol::status::{self, PairStatus, Role, State, Status};

use super::Home;

pub(crate) fn ada() -> Person {
    Person {
        id: 29,
        name: "Ada Lovelace".to_owned(),
        email: Some("ada@example.com".to_owned()),
        role: Some("admin".to_owned()),
    }
}

/// Two accounts, one of them logged in.
pub(crate) fn status() -> Status {
    let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    let signed_out = status::AccountStatus {
        name: "sandbox".to_owned(),
        default: false,
        origin: "https://acme-sandbox.zendesk.com".to_owned(),
        client_id: "loopdesk".to_owned(),
        grant: AUTHORIZATION_CODE.to_owned(),
        base_urls: texts(&["http://127.0.0.1:8490"]),
        access: status::Access::User,
        key_over_tcp: false,
        keys: 0,
        suspended_keys: Vec::new(),
        state: State::SignedOut,
        person: None,
        scopes: Vec::new(),
        generation: None,
        refreshed_at: None,
        access_expires_at: None,
        next_refresh_at: None,
        refresh_expires_at: None,
        last_error: None,
        problem: None,
        pairs: Vec::new(),
    };
    let active = status::AccountStatus {
        name: "acme".to_owned(),
        default: true,
        origin: "https://acme.zendesk.com".to_owned(),
        base_urls: texts(&["http://localhost:8484", "http://127.0.0.1:8484"]),
        state: State::Active,
        person: Some(ada()),
        scopes: texts(&["read", "write"]),
        generation: Some(7),
        refreshed_at: Some("2026-11-23T15:00:00Z".parse().unwrap()),
        access_expires_at: Some("2026-11-25T15:00:00Z".parse().unwrap()),
        next_refresh_at: Some("2026-11-24T15:00:00Z".parse().unwrap()),
        refresh_expires_at: Some("2027-02-21T15:00:00Z".parse().unwrap()),
        ..signed_out.clone()
    };
    let listener = |address: &str, account: Option<&str>| status::Listener {
        address: address.to_owned(),
        account: account.map(ToOwned::to_owned),
        answers: None,
        open: true,
        problem: None,
    };
    Status {
        daemon: status::DaemonStatus {
            version: "0.1.0".to_owned(),
            pid: 4711,
            started_at: "2026-11-23T14:00:00Z".parse().unwrap(),
            supervised: false,
        },
        config: status::ConfigStatus {
            path: "/home/ada/.config/loopdesk/config.toml".to_owned(),
            system_path: None,
            loaded_at: "2026-11-23T14:00:00Z".parse().unwrap(),
            problem: None,
        },
        vault: status::VaultStatus {
            kind: "keyring".to_owned(),
            state: status::VaultState::Available,
            problem: None,
        },
        hooks: status::HooksStatus::default(),
        keys: status::KeysStatus::default(),
        egress: status::EgressStatus::default(),
        listeners: vec![
            listener("127.0.0.1:8484", None),
            listener("[::1]:8484", None),
            listener("127.0.0.1:8490", Some("sandbox")),
        ],
        accounts: vec![active, signed_out],
        conditions: Vec::new(),
    }
}

/// A token pair of an account.
pub(crate) fn pair(role: Role, state: State, number: Option<u64>) -> PairStatus {
    PairStatus {
        role,
        state,
        in_use: false,
        generation: number,
        scopes: Vec::new(),
        refreshed_at: None,
        access_expires_at: None,
        next_refresh_at: number.map(|_| "2026-11-24T15:00:00Z".parse().unwrap()),
        refresh_expires_at: None,
        note: None,
        problem: None,
    }
}

/// A key that is used daily, and one that was made for somebody else.
pub(crate) fn keys() -> KeyList {
    let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    let nightly = KeyStatus {
        name: "nightly-report".to_owned(),
        id: "ldk_7k3m9q2x".to_owned(),
        account: "acme".to_owned(),
        person: ada(),
        rights: RightsText {
            scopes: texts(&["tickets:read"]),
            ..RightsText::default()
        },
        state: key::KeyState::Active,
        created_at: "2026-11-20T17:00:00Z".parse().unwrap(),
        expires_at: Some("2027-02-18T17:00:00Z".parse().unwrap()),
        old_secret_until: None,
        note: None,
        last_used: Some(key::Use {
            at: "2026-11-23T16:57:00Z".parse().unwrap(),
            process: Some("python3 (4711)".to_owned()),
        }),
        requests: 1204,
    };
    let sync = KeyStatus {
        name: "sync".to_owned(),
        id: "ldk_h5n8w4rd".to_owned(),
        account: "sandbox".to_owned(),
        rights: RightsText {
            scopes: texts(&["read"]),
            allow: texts(&["PUT /api/v2/tickets/*", "POST /api/v2/tickets"]),
            deny: texts(&["GET /api/v2/users/**"]),
        },
        state: key::KeyState::Suspended,
        created_at: "2026-10-01T17:00:00Z".parse().unwrap(),
        expires_at: None,
        note: Some("Ada's cron".to_owned()),
        last_used: None,
        requests: 0,
        ..nightly.clone()
    };
    KeyList {
        keys: vec![nightly, sync],
        keyless: vec!["acme".to_owned()],
    }
}

/// The first of [`keys`], new, with this secret.
pub(crate) fn created(secret: &str) -> Created {
    let mut key = keys().keys.remove(0);
    key.last_used = None;
    key.requests = 0;
    Created {
        key,
        secret: secret.to_owned().into(),
        keyless: true,
        base_urls: status().accounts.remove(0).base_urls,
        also_shown: Vec::new(),
    }
}

/// A judge that finds an error wherever the file says so.
pub(crate) fn home_with_checker() -> Home {
    let good = serde_json::to_string(&report()).unwrap();
    let home = Home::new();
    let file = home.paths.config_file();
    let bad = r#""exists":true,"files":[],
        "errors":[{"path":"","line":1,"column":1,"message":"that is bad","snippet":""}]"#;
    let file = file.display();
    home.with_program(&format!(
        "file=\"${{2-{file}}}\"
         if grep -qs -e bad -e 'client-id = 1' \"$file\"; then
             printf '{{\"path\":\"%s\",%s}}\\n' \"$file\" '{bad}'; exit 3
         fi
         echo '{good}'"
    ))
}

/// The configuration of [`status`].
pub(crate) fn report() -> Report {
    let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
    let account = |name: &str, subdomain: &str, port: Option<u16>| config::AccountSettings {
        name: name.to_owned(),
        subdomain: Some(subdomain.to_owned()),
        url: None,
        api_origin: format!("https://{subdomain}.zendesk.com"),
        oauth_origin: format!("https://{subdomain}.zendesk.com"),
        client_id: "loopdesk".to_owned(),
        scopes: texts(&["read", "write"]),
        grant: AUTHORIZATION_CODE.to_owned(),
        port,
        access: status::Access::User,
        rewrite: texts(&["pagination", "jobs", "attachments"]),
        access_token_ttl: 172_800,
        refresh_token_ttl: 7_776_000,
        read_only_grant: false,
        extra_ca_file: None,
        token_encoding: "json".to_owned(),
        base_urls: vec![format!("http://127.0.0.1:{}", port.unwrap_or(8484))],
    };
    let source = config::Source {
        layer: config::Layer::User,
        path: "/home/ada/.config/loopdesk/config.toml".to_owned(),
        line: 4,
    };
    Report {
        path: "/home/ada/.config/loopdesk/config.toml".to_owned(),
        exists: true,
        files: vec![config::ReportFile {
            layer: config::Layer::User,
            path: "/home/ada/.config/loopdesk/config.toml".to_owned(),
            exists: true,
        }],
        errors: Vec::new(),
        warnings: Vec::new(),
        config: Some(Effective {
            listen: texts(&["127.0.0.1:8484", "[::1]:8484"]),
            default_account: Some("acme".to_owned()),
            vault: "keyring".to_owned(),
            allow_hosts: Vec::new(),
            max_key_scope: None,
            max_key_age: None,
            exec: true,
            open_routes: Vec::new(),
            hooks: config::HookSettings::default(),
            redirect_uris: texts(&["http://127.0.0.1:18484/callback"]),
            accounts: vec![
                account("acme", "acme", None),
                account("sandbox", "acme-sandbox", Some(8490)),
            ],
            sources: [("accounts.acme.client-id".to_owned(), source)].into(),
            locked: std::collections::BTreeMap::new(),
        }),
    }
}
