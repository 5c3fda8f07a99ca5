//! Configuration files, and the mistakes in them.

use super::*;

const ACME: &str = "[accounts.acme]\nsubdomain = \"acme\"\nclient-id = \"loopdesk\"\n";

fn errors(text: &str) -> Vec<String> {
    let found = parse(text).unwrap_err();
    found
        .iter()
        .map(|d| format!("{}:{} {}", d.line, d.column, d.message))
        .collect()
}

#[test]
fn an_empty_file_means_the_documented_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.len(), LISTEN.len());
    assert_eq!(config.redirect_uris.len(), REDIRECT_URIS.len());
    assert_eq!(defaults::<Scope>(&SCOPES).len(), SCOPES.len());
}

#[test]
fn an_account_needs_a_subdomain_and_a_client_only() {
    let config = parse(ACME).unwrap();
    let acme = &config.accounts[config.default_account.as_ref().unwrap()];
    assert_eq!(acme.api_origin.to_string(), "https://acme.zendesk.com");
    assert_eq!(acme.oauth_origin, acme.api_origin);
    assert_eq!(acme.access_token_ttl.as_secs(), 172_800);
    assert_eq!(acme.refresh_token_ttl.as_secs(), 7_776_000);
    assert_eq!(acme.rewrite, REWRITE);
}

#[test]
fn a_url_beside_a_subdomain_is_the_apis_and_alone_it_is_both() {
    let both = parse(&format!("{ACME}url = \"https://help.example.com/\"\n")).unwrap();
    let both = both.accounts.values().next().unwrap();
    assert_eq!(both.api_origin.to_string(), "https://help.example.com");
    assert_eq!(both.oauth_origin.to_string(), "https://acme.zendesk.com");
    assert_eq!(both.origins().count(), 2);
    let text = "[accounts.a]\nurl = \"https://127.0.0.1:9\"\nclient-id = \"c\"";
    let alone = parse(text).unwrap();
    let alone = alone.accounts.values().next().unwrap();
    assert_eq!(alone.oauth_origin.to_string(), "https://127.0.0.1:9");
    assert_eq!(alone.origins().count(), 1);
}

#[test]
fn every_error_is_reported_at_once_with_its_place() {
    let text = "listen = [\"0.0.0.0:8484\", 7]\nvolt = \"x\"\nvault = \"none\"\n\
                [accounts.Acme]\nsubdomain = \"a.b\"\n[accounts.b]\nsubdomain = \"b\"\n\
                port = 0\naccess-token-ttl = \"72h\"\n";
    let found = errors(text);
    let expected = [
        (1, 11, "not on a loopback interface"),
        (1, 27, "`listen` must be a list of strings, not integer"),
        (
            2,
            1,
            "unknown key `volt`: the keys here are listen, default-account",
        ),
        (
            3,
            9,
            "`none` isn't one of `keyring`, `credential`, `passphrase`, `keyfile`",
        ),
        (4, 11, "`Acme` can't be an account's name"),
        (6, 11, "account `b` has no `client-id`"),
        (8, 8, "`port` must be a port"),
        (9, 20, "Zendesk allows 5m to 2d"),
    ];
    for (line, column, message) in expected {
        let hit = |e: &&String| e.starts_with(&format!("{line}:{column} ")) && e.contains(message);
        assert!(
            found.iter().any(|e| hit(&e)),
            "{line}:{column} {message} in {found:#?}"
        );
    }
}

#[test]
fn a_client_with_a_secret_has_no_refresh_token_to_set_a_lifetime_for() {
    assert_eq!(only(ACME).grant, GrantType::AuthorizationCode);
    let text = format!("{ACME}grant = \"client-credentials\"\n");
    assert_eq!(only(&text).grant, GrantType::ClientCredentials);
    let found = errors(&format!("{text}refresh-token-ttl = \"30d\"\n"));
    assert!(
        found[0].starts_with("5:21 `refresh-token-ttl` doesn't apply"),
        "{found:?}"
    );
    let found = errors(&format!("{ACME}grant = \"password\"\n"));
    assert!(found[0].contains("`client-credentials`"), "{found:?}");
}

fn only(text: &str) -> Arc<Account> {
    let config = parse(text).unwrap();
    Arc::clone(config.accounts.values().next().unwrap())
}

#[test]
fn a_caret_stands_under_the_value() {
    let found = parse("vault = \"safe\"\n").unwrap_err();
    assert_eq!(found[0].snippet, "1 | vault = \"safe\"\n  |         ^^^^^^");
}

#[test]
fn syntax_errors_keep_their_place() {
    assert!(
        errors("listen = [\n")[0].starts_with("1:"),
        "{:?}",
        errors("listen = [\n")
    );
    assert!(
        errors("a = \u{1F980}\nb")
            .iter()
            .any(|e| e.starts_with("1:5"))
    );
}

#[test]
fn accounts_that_could_not_be_told_apart_are_refused() {
    let same = format!(
        "{ACME}port = 8484\n[accounts.b]\nurl = \"https://b\"\nclient-id = \"c\"\nport = 9\n\
                        [accounts.c]\nurl = \"https://c\"\nclient-id = \"c\"\nport = 9\n"
    );
    let found = errors(&same);
    assert!(found[0].contains("is already in `listen`"), "{found:?}");
    assert!(
        found[1].contains("already belongs to account `b`"),
        "{found:?}"
    );
    assert!(errors("default-account = \"x\"\n")[0].contains("there is no account `x`"));
    assert!(errors("[accounts.a]\nclient-id = \"c\"\n")[0].contains("has no `subdomain`"));
}

#[test]
fn urls_that_would_leak_a_token_are_refused() {
    for url in [
        "http://x",
        "https://u@x",
        "https://x/api",
        "x",
        "https://",
        "https://x?y",
    ] {
        let text = format!("[accounts.a]\nclient-id = \"c\"\nurl = \"{url}\"\n");
        assert!(parse(&text).is_err(), "{url}");
    }
}

#[test]
fn read_only_pairs_are_for_people_only() {
    assert!(!only(ACME).read_only_grant);
    let on = only(&format!("{ACME}read-only-grant = true\n"));
    assert!(on.read_only_grant);
    let secret = format!("{ACME}grant = \"client-credentials\"\nread-only-grant = false\n");
    assert!(!only(&secret).read_only_grant);
    let found = errors(&secret.replace("false", "true"));
    assert!(
        found[0].starts_with("5:19 `read-only-grant` doesn't apply"),
        "{found:?}"
    );
    let found = errors(&format!("{ACME}read-only-grant = \"yes\"\n"));
    assert!(
        found[0].contains("must be `true` or `false`, not string"),
        "{found:?}"
    );
}

#[test]
fn d2_an_account_answers_everybody_of_the_user_or_those_with_a_key() {
    let access = |line: &str| {
        let config = parse(&format!("{ACME}{line}\n"));
        config.map(|config| config.accounts.values().next().unwrap().access)
    };
    assert_eq!(access("").unwrap(), Access::User);
    assert_eq!(access("access = \"user\"").unwrap(), Access::User);
    assert_eq!(access("access = \"key\"").unwrap(), Access::Key);
    let wrong = access("access = \"nobody\"").unwrap_err();
    assert!(wrong[0].message.contains("`user`, `key`"), "{wrong:?}");
}

#[test]
fn d1_allowed_hosts_are_exact_names() {
    let config = parse("allow-hosts = [\"host.docker.internal:8484\", \"tunnel\"]\n").unwrap();
    let names: Vec<_> = config.allow_hosts.iter().map(|h| h.as_str()).collect();
    assert_eq!(names, ["host.docker.internal:8484", "tunnel"]);
    let found = errors("allow-hosts = [\"*.internal\"]\n");
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("1:16 invalid host `*.internal`"),
        "{found:?}"
    );
}
