//! What would become of a request, and by which line: the questions of [`Routes::resolve`], answered
//! for people.

use http::{Method, Request, Uri};
use loopdesk_protocol::key::Explained;

use super::{Asker, Canonical, KeyRefusal, Refusal, Routes, TABLE, policy, squeezed};
use crate::config::{Access, AccountName};
use crate::keys::Key;
use crate::rights::Explanation;
use crate::telemetry::Sent;

/// A request that nobody has sent.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path and query.
    pub target: &'a Uri,
    /// The account that it names.
    pub account: Option<&'a AccountName>,
    /// The key that it has.
    pub key: Option<&'a Key>,
}

impl Routes {
    /// What would become of a request.
    pub fn explain(&self, asked: Question<'_>) -> Explained {
        let limited = asked.key.filter(|key| self.is_limited(key));
        let squeezed = limited.and_then(|_| squeezed(asked.target));
        let asked = Question {
            target: squeezed.as_ref().unwrap_or(asked.target),
            ..asked
        };
        let mut request = Request::new(());
        request.method_mut().clone_from(asked.method);
        request.uri_mut().clone_from(asked.target);
        let (head, ()) = request.into_parts();
        let path = Canonical::of(asked.target.path());
        let properties = TABLE.properties(policy::method(&head), &path);
        let asker = match asked.key {
            Some(_) => Asker::WithKey,
            None => Asker::Keyless,
        };
        if self.policy.refuses(&path, properties, asker) {
            let refusal = Refusal::RefusedRoute(Sent::escaped(asked.target.path()));
            return no(None, "`open-routes` doesn't name it", refusal.description());
        }
        let named = asked.account.or(asked.key.map(|key| &key.account));
        let Some(name) = named.or(self.default.as_ref()) else {
            let refusal = if self.accounts.is_empty() {
                Refusal::NoAccounts
            } else {
                Refusal::NoAccountNamed(self.addresses())
            };
            return no(None, "`default-account` isn't set", refusal.description());
        };
        let Some(account) = self.accounts.get(name) else {
            let known = self.accounts.keys().map(ToString::to_string).collect();
            let line = format!("there is no table `accounts.{name}`");
            let name = name.clone();
            let refusal = Refusal::UnknownAccount { name, known };
            return no(None, &line, refusal.description());
        };
        let access = match account.access {
            Access::User => "user",
            Access::Key => "key",
        };
        let line = format!("`accounts.{name}.access = \"{access}\"`");
        match (asked.key, account.access) {
            (None, Access::Key) => {
                let refusal = Refusal::from(KeyRefusal::Needed(name.to_string()));
                no(Some(name), &line, refusal.description())
            }
            (None, Access::User) if self.needs_key_over_tcp => {
                let refusal = Refusal::from(KeyRefusal::NeededOverTcp);
                no(Some(name), "`allow-hosts` is set", refusal.description())
            }
            (None, Access::User) => Explained {
                allowed: true,
                account: Some(name.to_string()),
                needs: Vec::new(),
                line,
                why: "any program of this user's may do it without a key, as far as Zendesk lets \
                      the person who is logged in"
                    .to_owned(),
            },
            (Some(key), _) if key.account != *name => {
                let refusal = Refusal::from(KeyRefusal::OfAnotherAccount {
                    key: key.name.clone(),
                    account: key.account.to_string(),
                    named: name.to_string(),
                });
                let line = format!("the key is for account `{}`", key.account);
                no(Some(name), &line, refusal.description())
            }
            (Some(key), _) => {
                let own = match key.rights() {
                    Ok(rights) => rights.explain(asked.method, asked.target),
                    Err(why) => return no(Some(name), "what the key allows", why.to_owned()),
                };
                let limit = self.limit.as_ref().filter(|_| own.allowed);
                let limit = limit.map(|limit| limit.explain(asked.method, asked.target));
                let (by, found) = match limit {
                    Some(limit) if !limit.allowed => ("`max-key-scope`: ", limit),
                    _ => ("", own),
                };
                of_key(name, by, found)
            }
        }
    }
}

fn of_key(account: &AccountName, by: &str, found: Explanation) -> Explained {
    Explained {
        allowed: found.allowed,
        account: Some(account.to_string()),
        needs: found.needs,
        line: format!("{by}{}", found.line),
        why: found.why,
    }
}

fn no(account: Option<&AccountName>, line: &str, why: String) -> Explained {
    Explained {
        allowed: false,
        account: account.map(ToString::to_string),
        needs: Vec::new(),
        line: line.to_owned(),
        why,
    }
}
