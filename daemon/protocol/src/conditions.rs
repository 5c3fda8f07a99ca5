//! A table of everything that `status` may report: code, severity, who has to act, text and fixes.
//!
//! To add a condition, write a row of `conditions!` below: the code, the function that makes it,
//! and the `{arguments}` of its text and fixes. Then use what that function returns where the
//! condition is noticed: in a `ConditionSlot` of the daemon's `conditions`, or as the `problem` of
//! the part of the status that it belongs to. `status`, its JSON and its exit code follow.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::problem::{Kind, Problem};

/// Something that is wrong, or needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// How bad it is.
    pub severity: Severity,
    /// Who has to act.
    pub who: Actor,
    /// The account it belongs to; absent if it is the daemon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Since when, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What is wrong, and what to do about it. Always has a code.
    #[serde(flatten)]
    pub problem: Problem,
}

impl Condition {
    /// The condition of `problem`, as one of the daemon.
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

    /// The same, as one of an account.
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
    /// Everything works, but it should be known.
    Warning,
    /// Something doesn't work, or soon won't. `loopdesk status` exits with 1.
    Error,
}

/// Who has to act on a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The user.
    You,
    /// An admin of the Zendesk account.
    ZendeskAdmin,
    /// The administrators of the network, its proxies and certificates.
    NetworkAdmin,
    /// The administrators of this machine.
    MachineAdmin,
    /// No one: loopdesk recovers by itself.
    Nobody,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct ConditionRow {
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
pub fn row(code: &str) -> Option<&'static ConditionRow> {
    TABLE.iter().find(|row| row.code == code)
}

/// The code of a problem without a row, such as those of daemons of another release.
pub const OTHER: &str = "other";

macro_rules! conditions {
    ($(
        #[doc = $meaning:literal]
        $code:literal $make:ident($($argument:ident),*) => $severity:ident $kind:ident $who:ident,
        $text:literal $(, $fix:literal)*;
    )*) => {
        /// All conditions of this release.
        pub const TABLE: &[ConditionRow] = &[$(ConditionRow {
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
    // The connection to Zendesk. `origin` is the server, `why` the system's or library's message.

    /// The certificate of Zendesk, or of a TLS proxy, has expired by this machine's clock.
    "certificate-expired" certificate_expired(origin, until, now) => Error Zendesk You,
        "the certificate of {origin} expired on {until}, and this machine's clock says {now}",
        "if that isn't the time, set the clock: `{SET_CLOCK}`",
        "if it is, ask your network's administrators to renew the certificate that they present for {origin}";

    /// The certificate isn't valid yet by this machine's clock, which is probably slow.
    "certificate-not-yet-valid" certificate_not_yet_valid(origin, from, now) => Error Zendesk You,
        "the certificate of {origin} isn't valid before {from}, and this machine's clock says {now}",
        "if that isn't the time, set the clock: `{SET_CLOCK}`",
        "if it is, ask your network's administrators about the certificate that they present for {origin}";

    /// No authority that this machine trusts has signed the certificate.
    "certificate-unknown-issuer" certificate_unknown_issuer(origin, why) => Error Zendesk NetworkAdmin,
        "no trusted connection to {origin}: {why}",
        "if your company inspects TLS, set `extra-ca-file` of the account to the certificate of \
         its authority";

    /// The certificate is for another name: something else answers in Zendesk's place.
    "certificate-wrong-name" certificate_wrong_name(origin, why) => Error Zendesk NetworkAdmin,
        "no trusted connection to {origin}: {why}",
        "if this network needs a login, as guest networks do, log in with a browser",
        "if it doesn't, ask its administrators why another server answers for {origin}";

    /// The certificate is revoked, malformed, or not meant for servers.
    "certificate-unusable" certificate_unusable(origin, why) => Error Zendesk NetworkAdmin,
        "no trusted connection to {origin}: {why}",
        "ask your network's administrators about the certificate that they present for {origin}";

    /// A server answers, but the two sides can't agree on TLS.
    "tls-failed" tls_failed(origin, why) => Error Zendesk NetworkAdmin,
        "no TLS connection to {origin}: {why}",
        "run `curl -v {origin}` to see what answers";

    /// The account's `extra-ca-file` can't be used; its earlier content stays in use.
    "ca-file-unusable" ca_file_unusable(what) => Error Config You,
        "{what}; its earlier content stays in use until loopdesk is restarted",
        "replace it with a PEM file of the authority's certificate";

    /// This machine trusts no certificate authority at all.
    "no-authorities" no_authorities(why) => Error Zendesk MachineAdmin,
        "the system's certificate authorities can't be loaded: {why}",
        "install the package `ca-certificates`, or set SSL_CERT_FILE";

    /// Nothing listens at the address.
    "connection-refused" connection_refused(origin, why) => Error Zendesk NetworkAdmin,
        "{origin} refuses the connection: {why}",
        "run `curl -v {origin}` to see whether a firewall or a wrong `url` of the account is the cause";

    /// There is no route: no network, or no VPN.
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
        "if that isn't intended, log in to this network with a browser, or ask its administrators";

    /// No connection was made in time.
    "connection-timed-out" connection_timed_out(origin, after) => Error Zendesk NetworkAdmin,
        "no connection to {origin} within {after} s",
        "run `curl -v {origin}` to check the network and its firewall";

    /// The connection failed for another reason.
    "connection-failed" connection_failed(origin, why) => Error Zendesk You,
        "no connection to {origin}: {why}",
        "run `curl -v {origin}` to check the network";

    /// Connections break before there is an answer.
    "connection-broken" connection_broken(origin, why) => Error Zendesk NetworkAdmin,
        "the connection to {origin} breaks before there is an answer: {why}",
        "run `curl -v {origin}` to check the network, and what is on the way to {origin}";

    /// A request was accepted, but not answered.
    "no-answer" no_answer(origin, after) => Error Zendesk Nobody,
        "{origin} accepted a request, but didn't answer within {after} s",
        "check whether Zendesk has an outage: https://status.zendesk.com";

    /// What comes back isn't HTTP.
    "answer-unreadable" answer_unreadable(origin, why) => Error Zendesk NetworkAdmin,
        "the answer of {origin} can't be read: {why}",
        "run `curl -v {origin}` to see what answers";

    // The proxy. `what` names it.

    /// The variable that names the proxy can't be used, so no request leaves this machine.
    "proxy-unusable" proxy_unusable(what, fix) => Error Trouble You,
        "{what}", "{fix}";

    /// A variable that names a proxy is ignored.
    "proxy-ignored" proxy_ignored(variable, why, fix) => Warning Trouble You,
        "{variable} is ignored: {why}", "{fix}";

    /// There is no connection to the proxy.
    "proxy-unreachable" proxy_unreachable(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// The proxy's own certificate isn't trusted.
    "proxy-untrusted" proxy_untrusted(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// The proxy requires a login, or a different one.
    "proxy-login" proxy_login(what, fix) => Error Zendesk You,
        "{what}", "{fix}";

    /// The proxy refuses connections to Zendesk.
    "proxy-refuses" proxy_refuses(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// What answers isn't a proxy, or it breaks off.
    "proxy-broken" proxy_broken(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    /// The proxy makes no connection in time.
    "proxy-timed-out" proxy_timed_out(what, fix) => Error Zendesk NetworkAdmin,
        "{what}", "{fix}";

    // The session of an account.

    /// Nobody is logged in.
    "signed-out" signed_out(account, how) => Error Login You,
        "nobody is logged in to account `{account}`",
        "{how}";

    /// A stored session can't be used, or doesn't fit the configuration.
    "session-unusable" session_unusable(what) => Error Login You,
        "{what}";

    /// Zendesk has ended the session.
    "session-ended" session_ended(subject, why, account) => Error Login You,
        "{subject} is over: {why}",
        "run `loopdesk login {account}`";

    /// The access token has expired, and no refresh has succeeded.
    "token-expired" token_expired(whose, why) => Error Zendesk Nobody,
        "the access token of {whose} has expired and can't be refreshed: {why}",
        "check the network; loopdesk tries again by itself and with every request";

    /// The answer to a refresh was lost, so the tokens may be invalid.
    "session-doubtful" session_doubtful(whose, why, account) => Error Zendesk Nobody,
        "the answer to a refresh of {whose} was lost ({why}), so Zendesk may have replaced the \
         tokens",
        "wait: loopdesk tries again by itself",
        "if the session turns out to be over, run `loopdesk login {account}`";

    /// Zendesk refuses to refresh the session.
    "session-blocked" session_blocked(whose, why, fix) => Error Zendesk ZendeskAdmin,
        "{whose} can't be refreshed: {why}",
        "{fix}";

    /// Zendesk accepts the token but refuses the user.
    "session-refused" session_refused(account, why, fix) => Error Zendesk ZendeskAdmin,
        "account `{account}` is refused: {why}",
        "{fix}",
        "then run `loopdesk refresh {account}`";

    /// The newest tokens couldn't be stored, so they are only in memory.
    "session-unsaved" session_unsaved(whose, why) => Error Vault You,
        "the newest tokens of {whose} are only in memory: {why}";

    /// loopdesk doesn't refresh, because it couldn't store the new tokens; mostly a full disk.
    "session-not-storable" session_not_storable(whose, why) => Error Vault You,
        "{whose} can't be refreshed, because new tokens can't be stored: {why}";

    /// The key that opens the stored session isn't available.
    "key-missing" key_missing(what) => Error Vault You,
        "{what}";

    /// The user has fewer rights in Zendesk than at the login.
    "role-lost" role_lost(person, now, before, account) => Error Trouble ZendeskAdmin,
        "{person} is {now} in Zendesk now, and was {before} at the login of account `{account}`: \
         Zendesk allows scripts less than before",
        "ask a Zendesk admin to give the role back",
        "or, if that is intended, run `loopdesk login {account}` to accept the new role";

    /// Refreshing has failed for so long that the session will soon end.
    "session-expires-soon" session_expires_soon(account, since, why) => Error Trouble You,
        "account `{account}` hasn't been refreshed since {since}: {why}",
        "check the network; loopdesk tries again by itself";

    /// With this configuration, the account can't reach Zendesk.
    "no-way" no_way(account, why) => Error Config You,
        "account `{account}` can't reach Zendesk: {why}",
        "correct the file, or `accounts.{account}.extra-ca-file` in the configuration, then run \
         `loopdesk config reload`";

    /// Another user has logged in; keys wait for `loopdesk key confirm`.
    "keys-suspended" keys_suspended(what, account, names) => Error Trouble You,
        "{what}",
        "run `loopdesk key confirm {account}` to let them act as the user who is logged in now",
        "or run `loopdesk key revoke {names}` if they aren't needed";

    /// A program uses incremental export, which Zendesk allows only admins.
    "export-needs-admin" export_needs_admin(program, route) => Warning Zendesk You,
        "{program} was refused `{route}`: Zendesk allows this export only to admins",
        "use `/api/v2/search/export?query=…&filter[type]=ticket` instead, which agents may",
        "or ask a Zendesk admin to run it";

    /// `allow-hosts` is set, but programs connect by TCP without a key.
    "key-needed-over-tcp" key_needed_over_tcp(account, programs) => Warning Trouble You,
        "`allow-hosts` is set, so every program that connects by TCP needs a local key; `{account}` \
         was lately called without one by {programs}",
        "run `loopdesk key create NAME --account {account} --scope tickets:read` for each of them, and \
         let it send the key",
        "or run `loopdesk config set allow-hosts --unset` if the additional names aren't used";

    /// Scripts act as an admin without a login in a browser.
    "acts-as-admin" acts_as_admin(account, person) => Warning Trouble ZendeskAdmin,
        "scripts of `{account}` act as {person}, an admin, without a login",
        "ask an admin to give the OAuth client a user with fewer rights in Admin Center, then run \
         `loopdesk login {account}`";

    // The daemon.

    /// The configuration file has errors; the old settings stay in use.
    "config-unusable" config_unusable(why) => Error Config You,
        "{why}",
        "run `loopdesk config check`";

    /// The machine-wide configuration has a setting that this version doesn't know and ignores.
    "config-unknown-key" config_unknown_key(path, line, what) => Warning Config MachineAdmin,
        "`{path}`, line {line}: {what}",
        "update loopdesk on this machine to the release that the file is for, or correct the file";

    /// A setting in the configuration has no effect any more.
    "config-retired-key" config_retired_key(path, line, what, fix) => Warning Config You,
        "`{path}`, line {line}: {what}",
        "{fix}";

    /// The configuration file is missing; the old settings stay in use.
    "config-gone" config_gone(path) => Error Config You,
        "`{path}` is gone; its settings stay in use until loopdesk is restarted",
        "restore the file",
        "or, if that is intended, run `touch {path}` to create an empty file";

    /// An address for scripts isn't open, or has another problem.
    "listener" listener(what) => Error Daemon You,
        "{what}";

    /// Another program answers where scripts expect loopdesk.
    "other-listener" other_listener(address, port, find) => Error Daemon You,
        "another program answers at {address}: scripts that connect to port {port} may reach it \
         instead of loopdesk",
        "run `{find}` to find it, and stop it",
        "then run `loopdesk config reload`";

    /// Nothing answers at an address on which the daemon listens.
    "listener-silent" listener_silent(address) => Error Daemon You,
        "nothing answers at {address}, although the daemon listens there",
        "check for a firewall on the loopback interface, then run `loopdesk status`";

    /// The file of the local keys can't be used, so every key is refused.
    "keys-unusable" keys_unusable(what) => Error Vault You,
        "{what}";

    /// `deny` rules of keys from an earlier release now also deny other routes.
    "keys-deny-more" keys_deny_more(names, first) => Warning Trouble You,
        "`deny` rules now also deny routes that loopdesk doesn't know and, if they cover GET, \
         searches, exports and side loads; this affects {names}",
        "run `loopdesk explain METHOD PATH --key {first}` to see what a script may do",
        "if it needs one of these routes, run `loopdesk key create NAME --allow 'GET \
         /api/v2/search' …` for a key that names exactly that path";

    /// The command of `hooks.session-event` can't be run, or has failed.
    "hook-failed" hook_failed(program, why) => Error Config You,
        "the command of `hooks.session-event`, `{program}`, {why}",
        "run `loopdesk config edit` to correct `hooks.session-event`";

    /// The key file is missing or has changed; the key is still in memory.
    "key-file-lost" key_file_lost(why) => Error Vault You,
        "{why}; loopdesk uses the key in memory, but needs a new login after a restart";

    /// The vault can't be used.
    "vault" vault(what) => Error Vault You,
        "{what}";

    /// The daemon and the command are of different releases.
    "other-release" other_release(what) => Warning Daemon You,
        "{what}";
}

/// The command that sets the clock from the network.
#[cfg(not(target_os = "macos"))]
const SET_CLOCK: &str = "sudo timedatectl set-ntp true";
/// The command that sets the clock from the network.
#[cfg(target_os = "macos")]
const SET_CLOCK: &str = "sudo sntp -sS time.apple.com";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o3_codes_are_unique_kebab_case_and_documented() {
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
