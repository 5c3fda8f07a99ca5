//! Each command's `--json` with all of its fields, against its schema.

use loopdesk_protocol::call::Empty;
use loopdesk_protocol::config::RELOAD;
use loopdesk_protocol::key::{self, Callers, Explained, KeylessCaller, Use};
use loopdesk_protocol::login::{self, Authorize, Done, LoginEvent};
use loopdesk_protocol::session::{LOGOUT, LoggedOut, REFRESH, Refreshed};
use loopdesk_protocol::status::{self, LastError, VaultState};
use loopdesk_protocol::unlock::{self, Unlocked};
use loopdesk_protocol::{Kind, Problem, wait};

use super::{Daemon, Home, Serving, ada, home_with_checker, script};

/// A daemon that leaves no field out.
fn serve(home: &Home) -> Serving {
    let problem = Problem::new(Kind::Zendesk, "x").hint("y");
    let mut status = super::status();
    status.config.problem = Some(problem.clone());
    status.vault.state = VaultState::Locked;
    status.listeners[2].problem = Some(problem.clone());
    status.keys.problem = Some(problem.clone());
    let time = "2026-11-23T16:30:00Z".parse().unwrap();
    status.egress = status::EgressStatus {
        proxy: Some("http://proxy.corp:3128".to_owned()),
        variable: Some("HTTPS_PROXY".to_owned()),
        has_login: true,
        no_proxy: Some(status::NoProxyStatus {
            variable: "NO_PROXY".to_owned(),
            hosts: "x".to_owned(),
        }),
        direct: vec!["https://acme.zendesk.com".to_owned()],
        ignored: vec![status::Ignored {
            variable: "https_proxy".to_owned(),
            why: "x".to_owned(),
            fix: "y".to_owned(),
        }],
        last_error: Some(LastError {
            at: time,
            message: "x".to_owned(),
        }),
        problem: Some(problem.clone()),
    };
    let account = &mut status.accounts[0];
    account.problem = Some(problem.clone());
    account.keys = 1;
    account.suspended_keys = vec!["sync".to_owned()];
    account.last_error = Some(LastError {
        at: "2026-11-23T16:30:00Z".parse().unwrap(),
        message: "x".to_owned(),
    });
    let time = "2026-11-25T17:00:00Z".parse().unwrap();
    let refreshed = Refreshed {
        account: "acme".to_owned(),
        generation: 8,
        access_expires_at: time,
    };
    let logged_out = LoggedOut {
        account: "acme".to_owned(),
        person: Some(ada()),
        revoked: true,
    };
    let mut vault = status.vault.clone();
    vault.problem = Some(Problem::new(Kind::Vault, "the keyring is locked").hint("try again"));
    let mut keys = super::keys();
    let whole = &mut keys.keys[0];
    whole.rights.allow = vec!["GET /api/v2/tickets/**".to_owned()];
    whole.rights.deny = vec!["DELETE /**".to_owned()];
    whole.old_secret_until = Some(time);
    whole.note = Some("x".to_owned());
    let callers = Callers {
        account: "acme".to_owned(),
        callers: vec![KeylessCaller {
            last: Use {
                at: "2026-11-23T16:57:00Z".parse().unwrap(),
                process: Some("python3 (4711)".to_owned()),
            },
            requests: 1204,
        }],
    };
    let explained = Explained {
        allowed: true,
        account: Some("acme".to_owned()),
        needs: vec!["tickets:read".to_owned()],
        line: "scope `tickets:read` of key `nightly-report`".to_owned(),
        why: "it reads tickets".to_owned(),
    };
    let created = super::created("ldk_7k3m9q2xSECRET");
    let (daemon, events) = Daemon::new(home)
        .json(key::LIST, &keys)
        .json(key::CREATE, &created)
        .json(key::ROTATE, &created)
        .json(key::REVOKE, &keys.keys[0])
        .json(key::CONFIRM, &keys)
        .json(key::CALLERS, &callers)
        .json(key::EXPLAIN, &explained)
        .json(wait::CALL, &status.accounts[0])
        .json(status::CALL, &status)
        .json(unlock::CALL, &Unlocked { vault })
        .json(REFRESH, &refreshed)
        .json(LOGOUT, &logged_out)
        .json(RELOAD, &Empty {})
        .lines(login::CALL);
    events.send(&LoginEvent::Authorize(Authorize {
        account: "acme".to_owned(),
        url: "https://acme.zendesk.com/".to_owned(),
        redirect_uri: "http://127.0.0.1:18484/callback".to_owned(),
        entrance: Some("http://127.0.0.1:18484/go/nonce".to_owned()),
        listens: true,
        waits_until: time,
        role: status::Role::Primary,
        page: 1,
        pages: 1,
    }));
    events.send(&LoginEvent::Done(Done {
        account: "acme".to_owned(),
        person: ada(),
        scopes: vec!["read".to_owned()],
        missing_scopes: vec!["write".to_owned()],
        access_expires_at: time,
        refresh_expires_at: Some(time),
        base_urls: vec!["http://127.0.0.1:8484".to_owned()],
        pairs: vec![status::Role::Primary],
        new_person: true,
        warning: Some("an admin acts".to_owned()),
    }));
    daemon.serve()
}

#[tokio::test]
async fn every_commands_json_is_as_its_schema_says() {
    let home = home_with_checker();
    std::fs::create_dir_all(home.paths.config_dir()).unwrap();
    let editor = home.path("editor");
    script(&editor, "echo '# more' >> \"$1\"");
    let home = home.with_var("EDITOR", editor.display().to_string());
    let man = format!("man {}", home.path("man").display());
    let lines = [
        ("version", 0),
        (
            "account add acme --subdomain acme --client-id x --grant client-credentials",
            0,
        ),
        ("account set acme port 8490", 0),
        ("account set acme access key --yes", 0),
        ("config set vault keyfile", 0),
        ("config edit", 0),
        ("config reload", 0),
        ("config check", 0),
        ("config path", 0),
        ("config show", 0),
        ("account list", 0),
        ("account show acme", 0),
        ("account remove acme --forget", 0),
        ("env --for zenpy", 0),
        ("env --for zenpy --key sync", 0),
        ("key create nightly-report --scope tickets:read", 0),
        ("key list", 0),
        ("key show nightly-report", 0),
        ("key rotate nightly-report", 0),
        ("key revoke nightly-report", 0),
        ("key confirm", 0),
        ("explain GET /api/v2/tickets.json --key nightly-report", 0),
        ("login", 0),
        ("unlock", 7),
        ("logout", 0),
        ("status", 1),
        ("refresh", 0),
        ("wait", 0),
        ("completions fish", 0),
        ("guide", 0),
        ("guide keys", 0),
        ("man", 0),
        (man.as_str(), 0),
    ];
    let _daemon = serve(&home);
    // What is printed is checked wherever a test runs a command with `--json`.
    for (line, code) in lines {
        let ran = home.run(&format!("{line} --json")).await;
        assert_eq!(ran.code, code, "{line}: {} {}", ran.out, ran.err);
        assert!(!ran.out.is_empty() && ran.err.is_empty(), "{line}: {ran:?}");
    }
}

#[tokio::test]
async fn what_a_person_reads() {
    let home = home_with_checker();
    std::fs::create_dir_all(home.paths.config_dir()).unwrap();
    let _daemon = serve(&home);
    let dir = home.path("").display().to_string();
    let mut page = String::new();
    for line in [
        "version",
        "account add acme --subdomain acme --client-id x --grant client-credentials",
        "account set acme port 8490",
        "account set acme port --unset",
        "account set acme access key --yes",
        "account list",
        "account remove sandbox",
        "account remove acme --forget",
        "config set vault keyfile",
        "config reload",
        "config check",
        "config path",
        "env acme --for curl",
        "key create nightly-report --scope tickets:read",
        "key list",
        "key show nightly-report",
        "key rotate nightly-report --grace 1h",
        "key revoke nightly-report",
        "key confirm",
        "explain GET /api/v2/tickets.json --key nightly-report",
        "login",
        "unlock",
        "logout",
        "refresh",
        "wait",
    ] {
        let ran = home.run(line).await;
        let (out, err) = (ran.out.replace(&dir, "~/"), ran.err.replace(&dir, "~/"));
        page.push_str(&format!("$ loopdesk {line}\n{out}{err}[{}]\n", ran.code));
    }
    insta::assert_snapshot!(page, @r#"
    $ loopdesk version
    loopdesk  0.1.0
    loopdeskd 0.1.0 (running, process 4711)
    [0]
    $ loopdesk account add acme --subdomain acme --client-id x --grant client-credentials
    Added account acme (https://acme.zendesk.com) to `~/.config/loopdesk/config.toml`.
    Next: loopdesk login acme --client-secret-stdin
    [0]
    $ loopdesk account set acme port 8490
    Set `port` of account `acme` to 8490 in `~/.config/loopdesk/config.toml`. The daemon has loaded it.
    [0]
    $ loopdesk account set acme port --unset
    Removed `port` of account `acme` in `~/.config/loopdesk/config.toml`. The daemon has loaded it.
    [0]
    $ loopdesk account set acme access key --yes
    Set `access` of account `acme` to key in `~/.config/loopdesk/config.toml`. The daemon has loaded it.
    These programs used `acme` without a key lately, and would be refused:
      PROGRAM         LAST REQUEST  REQUESTS
      python3 (4711)  3 min ago     1204
    [0]
    $ loopdesk account list
    * acme     https://acme.zendesk.com          active, Ada Lovelace
      sandbox  https://acme-sandbox.zendesk.com  signed out
    * default account
    [0]
    $ loopdesk account remove sandbox
    error: the configuration has no account `sandbox`
    Hint: run `loopdesk account list` to see the accounts
    [2]
    $ loopdesk account remove acme --forget
    Removed account `acme` in `~/.config/loopdesk/config.toml`. The daemon has loaded it.
    Warning: `acme` still has 1 local key, which no longer works. Run `loopdesk key list`, then `loopdesk key revoke NAME` for each.
    [0]
    $ loopdesk config set vault keyfile
    Set `vault` to keyfile in `~/.config/loopdesk/config.toml`. The daemon has loaded it.
    [0]
    $ loopdesk config reload
    The daemon has loaded `~/.config/loopdesk/config.toml`.
    [0]
    $ loopdesk config check
    No errors in `/home/ada/.config/loopdesk/config.toml`, which has 2 accounts.
    [0]
    $ loopdesk config path
    ~/.config/loopdesk/config.toml
    [0]
    $ loopdesk env acme --for curl
    export ZENDESK_BASE_URL=http://127.0.0.1:8484
    #   curl -sS "$ZENDESK_BASE_URL/api/v2/users/me.json"
    [0]
    $ loopdesk key create nightly-report --scope tickets:read
    ldk_7k3m9q2xSECRET
    Created key nightly-report for `acme`. It acts as Ada Lovelace, allows tickets:read and expires in 87 days (2027-02-18 18:00):
    loopdesk keeps only a hash, so this is the only time you see it.
    Put it where the script had its API token or OAuth token; any user name will do:
      API token       curl -u "ada@example.com/token:ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
      OAuth token     curl -H "Authorization: Bearer ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
      header          curl -H "X-Loopdesk-Key: ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
      Python          requests.get("http://127.0.0.1:8484/api/v2/tickets.json", auth=("ada@example.com/token", "ldk_7k3m9q2x..."))
      other clients   loopdesk env --key nightly-report --for zenpy
    Warning: `acme` still serves your programs without a key, with all of your rights. Once every script has a key, run `loopdesk account set acme access key`.
    [0]
    $ loopdesk key list
    NAME            ACCOUNT  RIGHTS                          CREATED      LAST USED  BY              REQUESTS  EXPIRES     STATE      CREATED FOR
    nightly-report  acme     tickets:read, 1 rule, 1 denied  3 days ago   3 min ago  python3 (4711)  1204      in 87 days  active
    sync            sandbox  read, 2 rules, 1 denied         53 days ago  never                      0                     suspended  Ada Lovelace
    The suspended keys of `sandbox` were created for a different user than the one logged in now. `loopdesk key confirm sandbox` lets them act as that user.
    `acme` also serves programs without a key. `loopdesk account set acme access key` makes it require one.
    [0]
    $ loopdesk key show nightly-report
    nightly-report: active
      begins with     ldk_7k3m9q2x
      account         acme
      user            Ada Lovelace <ada@example.com>, admin
      scopes          tickets:read
      allows          GET /api/v2/tickets/**
      denies          DELETE /**
      created         3 days ago (2026-11-20 18:00)
      expires         in 87 days (2027-02-18 18:00)
      old key         works until 2026-11-25 18:00
      last used       3 min ago by python3 (4711)
      requests        1204
      note            x
    [0]
    $ loopdesk key rotate nightly-report --grace 1h
    ldk_7k3m9q2xSECRET
    Replaced key nightly-report of `acme`. The old one no longer works. The new one:
    loopdesk keeps only a hash, so this is the only time you see it.
    Put it where the script had its API token or OAuth token; any user name will do:
      API token       curl -u "ada@example.com/token:ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
      OAuth token     curl -H "Authorization: Bearer ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
      header          curl -H "X-Loopdesk-Key: ldk_7k3m9q2x..." "http://127.0.0.1:8484/api/v2/tickets.json"
      Python          requests.get("http://127.0.0.1:8484/api/v2/tickets.json", auth=("ada@example.com/token", "ldk_7k3m9q2x..."))
      other clients   loopdesk env --key nightly-report --for zenpy
    Warning: `acme` still serves your programs without a key, with all of your rights. Once every script has a key, run `loopdesk account set acme access key`.
    [0]
    $ loopdesk key revoke nightly-report
    Revoked nightly-report of `acme`, last used 3 min ago by python3 (4711).
    [0]
    $ loopdesk key confirm
    These keys now act as Ada Lovelace <ada@example.com>, admin in `acme`:
      nightly-report  tickets:read, 1 rule, 1 denied  x
      sync            read, 2 rules, 1 denied         Ada's cron
    [0]
    $ loopdesk explain GET /api/v2/tickets.json --key nightly-report
    allowed: GET /api/v2/tickets.json with key nightly-report
      account         acme
      needs           tickets:read
      decided by      scope `tickets:read` of key `nightly-report`
      why             it reads tickets
    [0]
    $ loopdesk login
    https://acme.zendesk.com/
    Logged in to acme as Ada Lovelace <ada@example.com>, admin.
      scopes          read
      access token    expires in 48 h (2026-11-25 18:00); loopdesk renews it before
      login lasts     until Wed 2026-11-25 (in 48 h) if this computer stays off
      base URL        http://127.0.0.1:8484
      try it          curl http://127.0.0.1:8484/api/v2/users/me.json
    Opening Zendesk's page in your browser: allow loopdesk to use acme within 2880 min (until 18:00).
    If no page opens, open this address:

    You are logged in as Ada Lovelace <ada@example.com>, admin. If that isn't you, run `loopdesk logout acme`.
    Warning: an admin acts
    Warning: Zendesk didn't grant write. Ask an admin to add it to the OAuth client's allowed scopes in Admin Center, then run `loopdesk login acme` again.
    Warning: key `sync` of account `acme` was created for a user other than Ada Lovelace, and can't be used. Run `loopdesk key confirm acme` to confirm.
    [0]
    $ loopdesk unlock
    Your keyring may now ask for its password. loopdesk doesn't see what you type there.
    error: the keyring is locked
    Hint: try again
    [7]
    $ loopdesk logout
    Logged Ada Lovelace out of acme. Zendesk has revoked the session.
    [0]
    $ loopdesk refresh
    Refreshed acme: token pair 8 is in use. Its access token expires in 48 h (2026-11-25 18:00).
    [0]
    $ loopdesk wait
    acme serves requests at http://127.0.0.1:8484
    [0]
    "#);
}
