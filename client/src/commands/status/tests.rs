//! The whole text of `loopdesk status`.

use loopdesk_protocol::Problem;
use loopdesk_protocol::account::CLIENT_CREDENTIALS;
use loopdesk_protocol::status::{State, VaultState};

use super::*;
use crate::testing::{self, plain};

fn shown(status: &Status) -> String {
    let mut status = status.clone();
    fixes::complete(&mut status);
    let status = &status;
    plain(&text(status, &Clock::fixed("2026-11-23T17:00:00Z")))
}

#[test]
fn o3_a_healthy_status_and_a_signed_out_account() {
    insta::assert_snapshot!(shown(&testing::status()), @"
    ready: scripts use http://localhost:8484 as Ada Lovelace; not logged in: sandbox

    loopdesk 0.1.0, running until you log out or shut down
      process         4711, started 3 h ago
      configuration   /home/ada/.config/loopdesk/config.toml
      vault           keyring (available)
      listens on      127.0.0.1:8484
                      [::1]:8484
                      127.0.0.1:8490 for sandbox

    acme (default): active
      Zendesk         https://acme.zendesk.com
      user            Ada Lovelace <ada@example.com>, admin
      scopes          read write
      access token    expires in 46 h (2026-11-25 16:00)
      next refresh    in 22 h (2026-11-24 16:00)
      login lasts     until Sun 2027-02-21 (in 89 days) if this computer stays off
      base URL        http://localhost:8484
                      http://127.0.0.1:8484
      serves          all of your programs

    sandbox: signed out
      Zendesk         https://acme-sandbox.zendesk.com
      base URL        http://127.0.0.1:8490
      serves          all of your programs
    ");
}

#[test]
fn o3_every_problem_ends_the_page_with_its_fix() {
    let mut status = testing::status();
    status.accounts.truncate(1);
    status.daemon.supervised = true;
    status.config.problem = Some(
        Problem::new(
            Kind::Config,
            "line 3 of the configuration: unknown key `prot`",
        )
        .hint("run `loopdesk config check`"),
    );
    status.vault.state = VaultState::Locked;
    status.vault.problem =
        Some(Problem::new(Kind::Vault, "the keyring is locked").hint("unlock it"));
    status.listeners[1].problem =
        Some(Problem::new(Kind::Daemon, "port 8484 is taken by process 99").hint("run `kill 99`"));
    let account = &mut status.accounts[0];
    account.state = State::Ended;
    account.access_expires_at = Some("2026-11-23T16:00:00Z".parse().unwrap());
    account.next_refresh_at = None;
    account.refresh_expires_at = None;
    account.last_error = Some(status::LastError {
        at: "2026-11-23T16:30:00Z".parse().unwrap(),
        message: "Zendesk answered `invalid_grant`\u{1b}[2J".to_owned(),
    });
    account.problem = Some(
        Problem::new(Kind::Login, "the session of account `acme` is over")
            .hint("run `loopdesk login acme`"),
    );
    insta::assert_snapshot!(shown(&status), @"
    not ready: line 3 of the configuration: unknown key `prot`; run `loopdesk config check` (and 3 more below)

    loopdesk 0.1.0, kept running as a service
      process         4711, started 3 h ago
      configuration   /home/ada/.config/loopdesk/config.toml (an earlier version, see below)
      vault           keyring (locked, see below)
      listens on      127.0.0.1:8484
                      [::1]:8484 (closed, see below)
                      127.0.0.1:8490 for sandbox

    acme (default): ended
      Zendesk         https://acme.zendesk.com
      user            Ada Lovelace <ada@example.com>, admin
      scopes          read write
      access token    expired 1 h ago (2026-11-23 17:00)
      base URL        http://localhost:8484
                      http://127.0.0.1:8484
      serves          all of your programs
      last error      30 min ago: Zendesk answered `invalid_grant`�[2J

    error: line 3 of the configuration: unknown key `prot`
    Hint: run `loopdesk config check`

    error: the keyring is locked
    Hint: unlock it

    error: port 8484 is taken by process 99
    Hint: run `kill 99`

    error: the session of account `acme` is over
    Hint: run `loopdesk login acme`
    ");
}

#[test]
fn o3_an_admin_who_acts_by_a_secret_is_pointed_out() {
    let mut status = testing::status();
    status.accounts.truncate(1);
    status.accounts[0].grant = CLIENT_CREDENTIALS.to_owned();
    status.accounts[0].refresh_expires_at = None;
    insta::assert_snapshot!(shown(&status), @"
    ready: scripts use http://localhost:8484 as Ada Lovelace

    loopdesk 0.1.0, running until you log out or shut down
      process         4711, started 3 h ago
      configuration   /home/ada/.config/loopdesk/config.toml
      vault           keyring (available)
      listens on      127.0.0.1:8484
                      [::1]:8484
                      127.0.0.1:8490 for sandbox

    acme (default): active
      Zendesk         https://acme.zendesk.com
      user            Ada Lovelace <ada@example.com>, admin
      login           with the OAuth client's secret, without a browser
      scopes          read write
      access token    expires in 46 h (2026-11-25 16:00)
      next refresh    in 22 h (2026-11-24 16:00)
      base URL        http://localhost:8484
                      http://127.0.0.1:8484
      serves          all of your programs

    Warning: scripts of `acme` act as Ada Lovelace, an admin, without a login
    Hint: ask an admin to give the OAuth client a user with fewer rights in Admin Center, then run `loopdesk login acme`
    ");
    status.accounts[0].person.as_mut().unwrap().role = Some("agent".to_owned());
    assert!(!shown(&status).contains("Warning"));
}

#[test]
fn o3_a_daemon_of_another_release_is_pointed_out() {
    let mut status = testing::status();
    status.accounts.clear();
    status.daemon.version = "0.0.9".to_owned();
    let lines = |status: &Status| {
        let page = shown(status);
        let at = page.find("Warning:").unwrap();
        page[at..].lines().take(2).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lines(&status), @"
    Warning: the running daemon is loopdesk 0.0.9 (process 4711), but this command is loopdesk 0.1.0
    Hint: run `kill 4711` to stop it after its current requests, then `loopdesk wait` to start this release
    ");
    status.daemon.supervised = true;
    insta::assert_snapshot!(lines(&status), @"
    Warning: the running daemon is loopdesk 0.0.9 (process 4711), but this command is loopdesk 0.1.0
    Hint: run `loopdesk service restart`, or wait until the daemon is idle and restarts itself
    ");
}

#[test]
fn o3_a_proxy_that_is_loopdesk_itself_is_a_warning_and_one_that_can_t_be_used_a_problem() {
    let mut status = testing::status();
    status.accounts.truncate(1);
    status.egress = status::EgressStatus {
        variable: Some("ALL_PROXY".to_owned()),
        ignored: vec![status::Ignored {
            variable: "HTTPS_PROXY".to_owned(),
            why: "it points at loopdesk itself, which isn't a proxy".to_owned(),
            fix: "unset it; then run `loopdesk service install`".to_owned(),
        }],
        problem: Some(Problem::new(Kind::Trouble, "ALL_PROXY names no host").hint("set it")),
        ..status::EgressStatus::default()
    };
    let shown = shown(&status);
    let from = shown.find("  proxy").unwrap();
    insta::assert_snapshot!(&shown[from..], @"
      proxy           ALL_PROXY can't be used, see below

    acme (default): active
      Zendesk         https://acme.zendesk.com
      user            Ada Lovelace <ada@example.com>, admin
      scopes          read write
      access token    expires in 46 h (2026-11-25 16:00)
      next refresh    in 22 h (2026-11-24 16:00)
      login lasts     until Sun 2027-02-21 (in 89 days) if this computer stays off
      base URL        http://localhost:8484
                      http://127.0.0.1:8484
      serves          all of your programs

    Warning: HTTPS_PROXY is ignored: it points at loopdesk itself, which isn't a proxy
    Hint: unset it; then run `loopdesk service install`

    error: ALL_PROXY names no host
    Hint: set it
    ");
    fixes::complete(&mut status);
    assert_eq!(status.problems().count(), 1);
}

#[test]
fn o3_without_an_account_the_first_step_is_shown() {
    let mut status = testing::status();
    status.accounts.clear();
    assert!(shown(&status).contains("run `loopdesk account add acme"));
}

#[test]
fn one_account_leaves_out_the_others_but_not_what_all_share() {
    let mut status = testing::status();
    only(&mut status, "acme").unwrap();
    assert_eq!(status.accounts.len(), 1);
    let addresses: Vec<_> = status.listeners.iter().map(|l| &l.address).collect();
    assert_eq!(addresses, ["127.0.0.1:8484", "[::1]:8484"]);
    assert_eq!(only(&mut status, "acne").unwrap_err().exit_code(), 2);
}

#[tokio::test]
async fn the_exit_code_tells_trouble_and_a_stopped_daemon_apart() {
    let home = testing::Home::new();
    let ran = home.run("status").await;
    assert_eq!((ran.code, ran.out.as_str()), (6, ""));
    insta::assert_snapshot!(ran.err, @"
    error: loopdesk isn't running
    Hint: run `loopdesk wait` to start it
    Hint: or run `loopdesk login`, which starts it too, if you haven't logged in yet
    ");
    let mut status = testing::status();
    status.accounts[1].problem = Some(Problem::new(Kind::Login, "nobody is logged in"));
    let _daemon = testing::Daemon::new(&home)
        .json(status::CALL, &status)
        .serve();
    assert_eq!(home.run("status").await.code, 1);
    assert_eq!(home.run("status acme").await.code, 0);
    let ran = home.run("status sandbox --json").await;
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert_eq!(ran.json()["accounts"][0]["name"], "sandbox");
    assert_eq!(ran.json()["accounts"].as_array().unwrap().len(), 1);
}
