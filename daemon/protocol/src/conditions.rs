//! Everything that `status` may find wrong, in one table: code, severity, who acts, text, fix.
//!
//! To add a condition, write a row of `conditions!` below: the code, the function that makes it,
//! and the `{arguments}` that its text and fixes name. Then raise what that function returns where
//! it is noticed: in a `ConditionSlot` of the daemon's `conditions`, or as the `problem` of the
//! part of the status that it belongs to. `status`, its JSON and its exit code follow by
//! themselves.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::problem::{Kind, Problem};

/// Something that is wrong, or needs attention, for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// How bad it is.
    pub severity: Severity,
    /// Who has to act.
    pub who: Actor,
    /// The account whose condition it is; absent if it is the daemon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When it was noticed first, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is wrong and what to do about it. Always has a code.
    #[serde(flatten)]
    pub problem: Problem,
}

impl Condition {
    /// The condition that `problem` is, of the daemon and of unknown age.
    pub fn new(mut problem: Problem) -> Self {
        let row = problem.code.as_deref().and_then(row);
        problem.code.get_or_insert_with(|| OTHER.to_owned());
        Self {
            severity: row.map_or(Severity::Error, |row| row.severity),
            who: row.map_or(Actor::You, |row| row.who),
            account: None,
            since: None,
            problem,
        }
    }

    /// The same of an account.
    #[must_use]
    pub fn of(self, account: &str) -> Self {
        Self {
            account: Some(account.to_owned()),
            ..self
        }
    }

    /// The stable name of this kind of condition.
    pub fn code(&self) -> &str {
        self.problem.code.as_deref().unwrap_or(OTHER)
    }
}

/// How bad a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Everything works, and somebody should know.
    Warning,
    /// Something doesn't work, or soon won't. `loopdesk status` exits with 1.
    Error,
}

/// Who has to act on a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The person whose daemon it is.
    You,
    /// An admin of the Zendesk account.
    ZendeskAdmin,
    /// The people who run the network, its proxies and its certificates.
    NetworkAdmin,
    /// The people who set up this machine.
    MachineAdmin,
    /// loopdesk goes on by itself.
    Nobody,
}

/// What the table says of one kind of condition.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its stable name.
    pub code: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The kind of its problem.
    pub kind: Kind,
    /// Who has to act.
    pub who: Actor,
}

/// The row of this code.
pub fn row(code: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// The code of a problem that no row describes, as those of daemons of another release.
pub const OTHER: &str = "other";

macro_rules! conditions {
    ($(
        #[doc = $meaning:literal]
        $code:literal $make:ident($($argument:ident),*) => $severity:ident $kind:ident $who:ident,
        $text:literal $(, $fix:literal)*;
    )*) => {
        /// Every condition that this release knows.
        pub const TABLE: &[Row] = &[$(Row {
            code: $code,
            meaning: $meaning.trim_ascii(),
            severity: Severity::$severity,
            kind: Kind::$kind,
            who: Actor::$who,
        }),*];

        $(
            #[doc = $meaning]
            pub fn $make($($argument: impl Display),*) -> Problem {
                Problem {
                    kind: Kind::$kind,
                    code: Some($code.to_owned()),
                    message: format!($text),
                    hints: vec![$(format!($fix)),*],
                }
            }
        )*
    };
}

conditions! {
    // The way to Zendesk. `origin` is the server that was asked, `why` the system's or the
    // library's own words.

    /// The certificate of Zendesk, or of who opens TLS on the way, has expired by this machine's clock.
    "certificate-expired" certificate_expired(origin, until, now) => Error Zendesk You,
        "the certificate of {origin} expired on {until}, and this machine's clock says {now}",
        "if that isn't the time, set the clock: `{SET_CLOCK}`",
        "if it is, ask who runs your network to renew the certificate that it shows for {origin}";

    /// The certificate isn't valid yet by this machine's clock, which is probably slow.
    "certificate-not-yet-valid" certificate_not_yet_valid(origin, from, now) => Error Zendesk You,
        "the certificate of {origin} is valid from {from} on, and this machine's clock says {now}",
        "if that isn't the time, set the clock: `{SET_CLOCK}`",
        "if it is, ask who runs your network about the certificate that it shows for {origin}";

    /// No authority that this machine trusts has signed the certificate.
    "certificate-unknown-issuer" certificate_unknown_issuer(origin, why) => Error Zendesk NetworkAdmin,
        "no trusted connection to {origin}: {why}",
        "if your company opens TLS on the way, set `extra-ca-file` of the account to its \
         authority's certificate";

    /// The certificate is for another name: something else answers in Zendesk's place.
    "certificate-wrong-name" certificate_wrong_name(origin, why) => Error Zendesk NetworkAdmin,
        "no trusted connection to {origin}: {why}",
        "if this network wants a login of its own, as guest networks do, log in with a browser",
        "if it doesn't, ask who runs it why another server answers for {origin}";

    /// The certificate is revoked, malformed, or not meant for servers.
    "certificate-unusable" certificate_unusable(origin, why) => Error Zendesk NetworkAdmin,
        "no trusted connection to {origin}: {why}",
        "ask who runs your network about the certificate that it shows for {origin}";

    /// A server answers, but the two sides can't agree on TLS.
    "tls-failed" tls_failed(origin, why) => Error Zendesk NetworkAdmin,
        "no TLS connection to {origin}: {why}",
        "see what answers there: `curl -v {origin}`";

    /// The account's `extra-ca-file` as it stands now can't be used; what it held before stays in use.
    "ca-file-unusable" ca_file_unusable(what) => Error Config You,
        "{what}; what it held before stays in use until loopdesk is restarted",
        "put a file with the authority's certificate, as PEM, in its place";

    /// This machine trusts no certificate authority at all.
    "no-authorities" no_authorities(why) => Error Zendesk MachineAdmin,
        "the system's certificate authorities can't be loaded: {why}",
        "install them (the package `ca-certificates`), or name them in `SSL_CERT_FILE`";

    /// The address answers, and nothing listens there.
    "connection-refused" connection_refused(origin, why) => Error Zendesk NetworkAdmin,
        "{origin} refuses the connection: {why}",
        "see whether a firewall or a wrong `url` of the account is the cause: `curl -v {origin}`";

    /// No route leads there: no network, no VPN, or a route that ends.
    "network-unreachable" network_unreachable(origin, why) => Error Zendesk You,
        "there is no route to {origin}: {why}",
        "connect this machine to the network or the VPN; loopdesk tries again with each request";

    /// The name can't be looked up.
    "name-unknown" name_unknown(origin, why) => Error Zendesk You,
        "the name of {origin} can't be looked up: {why}",
        "check the network and its DNS; loopdesk tries again with each request",
        "if the name is wrong, correct the account with `loopdesk config edit`";

    /// The network leads Zendesk's name to an address that isn't on the Internet.
    "name-not-public" name_not_public(origin, why) => Error Zendesk NetworkAdmin,
        "no connection to {origin}: {why}",
        "if that isn't meant, log in to this network with a browser or ask who runs it";

    /// No connection came about in time.
    "connection-timed-out" connection_timed_out(origin, after) => Error Zendesk NetworkAdmin,
        "no connection to {origin} within {after} s",
        "check the network and its firewall: `curl -v {origin}`";

    /// No connection, for a reason that none of the others is.
    "connection-failed" connection_failed(origin, why) => Error Zendesk You,
        "no connection to {origin}: {why}",
        "check the network: `curl -v {origin}`";

    /// Connections come about and end before there is an answer.
    "connection-broken" connection_broken(origin, why) => Error Zendesk NetworkAdmin,
        "the connection to {origin} breaks before there is an answer: {why}",
        "check the network and what stands on the way: `curl -v {origin}`";

    /// A request is taken, and no answer to it comes.
    "no-answer" no_answer(origin, after) => Error Zendesk Nobody,
        "{origin} has taken a request and not answered within {after} s",
        "see whether Zendesk is well: https://status.zendesk.com";

    /// What comes back isn't HTTP.
    "answer-unreadable" answer_unreadable(origin, why) => Error Zendesk NetworkAdmin,
        "the answer of {origin} can't be read: {why}",
        "see what answers there: `curl -v {origin}`";

    // The proxy on the way. `what` names it.

    /// The variable that names the proxy can't be used, so nothing leaves this machine.
    "proxy-unusable" proxy_unusable(what, fix) => Error Trouble You,
        "{what}", "{fix}";

    /// A variable that would name a proxy is passed over.
    "proxy-ignored" proxy_ignored(variable, why, fix) => Warning Trouble You,
        "{variable} is ignored: {why}", "{fix}";

    /// There is no connection to the proxy.
    "proxy-unreachable" proxy_unreachable(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// The proxy's own certificate isn't trusted.
    "proxy-untrusted" proxy_untrusted(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// The proxy wants a login, or another one than it gets.
    "proxy-login" proxy_login(what, fix) => Error Zendesk You,
        "{what}", "{fix}";

    /// The proxy lets nobody through to Zendesk.
    "proxy-refuses" proxy_refuses(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// What answers as the proxy isn't one, or breaks off.
    "proxy-broken" proxy_broken(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// The proxy gives no connection in time.
    "proxy-timed-out" proxy_timed_out(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    // The session of an account.

    /// Nobody is logged in.
    "signed-out" signed_out(account, how) => Error Login You,
        "nobody is logged in to account `{account}`",
        "{how}";

    /// A stored session is there and can't be used, or not by this configuration.
    "session-unusable" session_unusable(what) => Error Login You,
        "{what}";

    /// The session is over, by Zendesk's word.
    "session-ended" session_ended(subject, why, account) => Error Login You,
        "{subject} is over: {why}",
        "run `loopdesk login {account}`";

    /// The access token has expired, and no refresh has succeeded.
    "token-expired" token_expired(whose, why) => Error Zendesk Nobody,
        "the access token of {whose} has expired and can't be refreshed: {why}",
        "check the network; loopdesk tries again by itself and with every request";

    /// A refresh was sent and its answer lost: the tokens may be dead.
    "session-doubtful" session_doubtful(whose, why, account) => Error Zendesk Nobody,
        "a refresh of {whose} was sent and its answer lost ({why}): Zendesk may have replaced the \
         tokens",
        "nothing yet: loopdesk tries again by itself",
        "if the session turns out to be over: `loopdesk login {account}`";

    /// Zendesk refuses to refresh the session.
    "session-blocked" session_blocked(whose, why, fix) => Error Zendesk ZendeskAdmin,
        "{whose} can't be refreshed: {why}",
        "{fix}";

    /// Zendesk takes the token and refuses the person.
    "session-refused" session_refused(account, why, fix) => Error Zendesk ZendeskAdmin,
        "account `{account}` is refused: {why}",
        "{fix}",
        "then run `loopdesk refresh {account}`";

    /// The newest tokens are in memory only, because the disk doesn't take them.
    "session-unsaved" session_unsaved(whose, why) => Error Vault You,
        "the newest tokens of {whose} are in memory only: {why}";

    /// No refresh is sent, because its result couldn't be stored: a full disk, mostly.
    "session-not-storable" session_not_storable(whose, why) => Error Vault You,
        "{whose} can't be refreshed, since nothing can be stored: {why}";

    /// The stored session can't be opened, because its key can't be had.
    "key-missing" key_missing(what) => Error Vault You,
        "{what}";

    /// The person may do less in Zendesk than at the login.
    "role-lost" role_lost(person, now, before, account) => Error Trouble ZendeskAdmin,
        "{person} is {now} in Zendesk now, and was {before} at the login of account `{account}`: \
         Zendesk refuses more to scripts than before",
        "ask a Zendesk admin to give the role back",
        "or, if that is meant, run `loopdesk login {account}`: the new role is the usual one then";

    /// Refreshing has failed for so long that the session's end is near.
    "session-expires-soon" session_expires_soon(account, since, why) => Error Trouble You,
        "account `{account}` has not been refreshed since {since}: {why}",
        "check the network; loopdesk tries again by itself";

    /// The configuration gives the account no way to Zendesk.
    "no-way" no_way(account, why) => Error Config You,
        "account `{account}` has no way to Zendesk: {why}",
        "mend the file, or `accounts.{account}.extra-ca-file` in the configuration, then run \
         `loopdesk config reload`";

    /// Another person has logged in, and the keys made for the first one wait for a word.
    "keys-suspended" keys_suspended(what, account, names) => Error Trouble You,
        "{what}",
        "run `loopdesk key confirm {account}` to let them act for who is logged in now",
        "run `loopdesk key revoke {names}` if nobody needs them";

    /// A program exports incrementally, which Zendesk lets admins do only.
    "export-needs-admin" export_needs_admin(program, route) => Warning Zendesk You,
        "{program} was refused `{route}`: Zendesk gives this export to admins only",
        "let it use `/api/v2/search/export?query=…&filter[type]=ticket`, which agents may",
        "or ask a Zendesk admin to run it";

    /// `allow-hosts` is set, so every program that connects by TCP needs a key, and some send none.
    "key-needed-over-tcp" key_needed_over_tcp(account, programs) => Warning Trouble You,
        "`allow-hosts` is set, so every program that connects by TCP needs a local key; without one \
         `{account}` was lately called by {programs}",
        "run `loopdesk key create NAME --account {account} --scope tickets:read` for each of them and \
         have it send the key",
        "if nobody calls by another name any more, run `loopdesk config set allow-hosts --unset`";

    /// Scripts act as an admin, and nobody logs in for that.
    "acts-as-admin" acts_as_admin(account, person) => Warning Trouble ZendeskAdmin,
        "scripts of `{account}` act as {person}, an admin, and nobody logs in",
        "let an admin give the OAuth client a user with fewer rights in Admin Center, then run \
         `loopdesk login {account}`";

    // The daemon.

    /// The configuration file as it stands can't be used; the one before it stays in use.
    "config-unusable" config_unusable(why) => Error Config You,
        "{why}",
        "loopdesk config check";

    /// The machine's configuration has a key that this version doesn't know, and passes over.
    "config-unknown-key" config_unknown_key(path, line, what) => Warning Config MachineAdmin,
        "`{path}`, line {line}: {what}",
        "bring loopdesk on this machine to the release that the file is written for, or correct it";

    /// The configuration file is gone; what it said stays in use.
    "config-gone" config_gone(path) => Error Config You,
        "`{path}` is gone; what it said stays in use until loopdesk is restarted",
        "put the file back",
        "if that is meant, leave an empty file: `touch {path}`";

    /// An address on which scripts are to be served isn't open, or not as it should be.
    "listener" listener(what) => Error Daemon You,
        "{what}";

    /// Another program answers where scripts expect loopdesk.
    "other-listener" other_listener(address, port, find) => Error Daemon You,
        "another program answers at {address}: a script that connects to port {port} may talk to \
         it instead of to loopdesk",
        "find it with `{find}` and stop it",
        "then run `loopdesk config reload`";

    /// Nobody answers at an address on which the daemon listens.
    "listener-silent" listener_silent(address) => Error Daemon You,
        "nobody answers at {address}, although the daemon listens there",
        "look for a firewall on the loopback interface, then run `loopdesk status`";

    /// The file of the local keys can't be used, so every key is refused.
    "keys-unusable" keys_unusable(what) => Error Vault You,
        "{what}";

    /// Keys of an earlier release have `deny` rules, which deny more now than they did then.
    "keys-deny-more" keys_deny_more(names, first) => Warning Trouble You,
        "a `deny` rule of a key now also denies routes that loopdesk doesn't know and, if it is about \
         reading, searches, exports and side loads: that concerns {names}",
        "see what a script may do: `loopdesk explain METHOD PATH --key {first}`",
        "if it needs one of these routes, make it a new key that names the very path: `loopdesk key \
         create NAME --allow 'GET /api/v2/search' …`";

    /// The command that is told of events can't be run, or has failed.
    "hook-failed" hook_failed(program, why) => Error Config You,
        "the command of `hooks.session-event`, `{program}`, {why}",
        "correct `hooks.session-event` with `loopdesk config edit`";

    /// The file of the data key is gone, or not the one that it was; the key is still in memory.
    "key-file-lost" key_file_lost(why) => Error Vault You,
        "{why}; loopdesk goes on with the key in memory, and after a restart nobody is logged in";

    /// The place of the data key can't be used.
    "vault" vault(what) => Error Vault You,
        "{what}";

    /// The daemon is of another release than the command.
    "other-release" other_release(what) => Warning Daemon You,
        "{what}";
}

/// How a machine's clock is set by the network's time.
#[cfg(not(target_os = "macos"))]
const SET_CLOCK: &str = "sudo timedatectl set-ntp true";
/// How a machine's clock is set by the network's time.
#[cfg(target_os = "macos")]
const SET_CLOCK: &str = "sudo sntp -sS time.apple.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o3_every_code_is_there_once_in_kebab_case_and_means_something() {
        for (index, row) in TABLE.iter().enumerate() {
            let is_kebab = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(row.code.chars().all(is_kebab), "{}", row.code);
            let first = TABLE.iter().position(|other| other.code == row.code);
            assert_eq!(first, Some(index), "{} stands twice", row.code);
            assert!(row.meaning.ends_with('.'), "{}: {}", row.code, row.meaning);
        }
        assert!(row(OTHER).is_none());
    }

    #[test]
    fn o3_a_condition_says_how_bad_it_is_and_who_acts() {
        let problem = proxy_ignored("HTTPS_PROXY", "it is loopdesk", "unset it");
        let condition = Condition::new(problem).of("acme");
        assert_eq!(condition.severity, Severity::Warning);
        let text = serde_json::to_string(&condition).unwrap();
        let expected = r#"{"severity":"warning","who":"you","account":"acme","kind":"trouble","code":"proxy-ignored","message":"HTTPS_PROXY is ignored: it is loopdesk","hints":["unset it"]}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Condition>(&text).unwrap(), condition);
        let foreign = Condition::new(Problem::new(Kind::Vault, "locked"));
        assert_eq!((foreign.code(), foreign.who), (OTHER, Actor::You));
    }
}
