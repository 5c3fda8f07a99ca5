//! Explains to people what [`Routes::resolve`] would decide for a request, and by which setting.

use http::{Method, Request, Uri};
use loopdesk_protocol::account::Person;
use loopdesk_protocol::key::Explained;

use super::{Admitted, ConnFacts, ErrorResponse, KeyErrorResponse, Local, Routes, ValidKey};
use crate::config::AccountName;
use crate::keys::{Key, Trace};
use crate::peer::Peer;

/// A hypothetical request.
#[derive(Clone, Copy, Debug)]
pub struct ExplainQuery<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path and query.
    pub target: &'a Uri,
    /// The account that it names.
    pub account: Option<&'a AccountName>,
    /// The key that it has.
    pub key: Option<&'a Key>,
    /// Who is logged in to the key's account.
    pub person: Option<&'a Person>,
}

impl Routes {
    /// Explains whether the request would be allowed.
    pub fn explain(&self, asked: ExplainQuery<'_>) -> Explained {
        let key = match asked.key {
            None => None,
            Some(key) => match self.keys.valid(key, self.clock.now()) {
                Ok(valid) => Some(valid),
                Err(invalid) => {
                    let (line, why) = invalid.explanation(key);
                    return no(Some(key.account.as_str()), line, why);
                }
            },
        };
        let mut request = Request::new(());
        request.method_mut().clone_from(asked.method);
        request.uri_mut().clone_from(asked.target);
        let (mut head, ()) = request.into_parts();
        self.squeeze(key, &mut head);
        let facts = ConnFacts::new(Local::Unix, Peer::Own, Trace::Nothing);
        let admitted = Admitted::new(String::new(), asked.account.cloned());
        let name = match self.decide(&facts, &admitted, key, &head) {
            Ok((account, _)) => account.name.clone(),
            Err(refusal) => return refused(&refusal),
        };
        match key {
            Some(key) => of_key(&name, key, asked.person, &head.method, &head.uri),
            None if self.needs_key_over_tcp => {
                let refusal = ErrorResponse::from(KeyErrorResponse::NeededOverTcp);
                no(
                    Some(name.as_str()),
                    "`allow-hosts` is set",
                    refusal.description(),
                )
            }
            None => Explained {
                allowed: true,
                account: Some(name.to_string()),
                needs: Vec::new(),
                line: format!("`accounts.{name}.access = \"user\"`"),
                why: "any program of this user can do this without a key, as far as Zendesk \
                      allows it to the person who is logged in"
                    .to_owned(),
            },
        }
    }
}

/// Explains a refusal that doesn't depend on the key's rights.
fn refused(refusal: &ErrorResponse) -> Explained {
    let (account, line) = if let ErrorResponse::UnknownAccount { name, .. } = refusal {
        (
            Some(name.as_str()),
            format!("there is no table `accounts.{name}`"),
        )
    } else if let ErrorResponse::Key(KeyErrorResponse::Needed(name)) = refusal {
        (
            Some(name.as_str()),
            format!("`accounts.{name}.access = \"key\"`"),
        )
    } else if let ErrorResponse::Key(KeyErrorResponse::OfAnotherAccount {
        account, named, ..
    }) = refusal
    {
        (
            Some(named.as_str()),
            format!("the key is for account `{account}`"),
        )
    } else if let ErrorResponse::NoAccounts | ErrorResponse::NoAccountNamed(_) = refusal {
        (None, "`default-account` isn't set".to_owned())
    } else {
        (None, "`open-routes` doesn't name it".to_owned())
    };
    no(account, &line, refusal.description())
}

/// Explains the decision by the key's rights, and by the person that it acts for.
fn of_key(
    account: &AccountName,
    key: ValidKey<'_>,
    person: Option<&Person>,
    method: &Method,
    target: &Uri,
) -> Explained {
    let found = key.explain(method, target);
    let explained = Explained {
        allowed: found.allowed,
        account: Some(account.to_string()),
        needs: found.needs,
        line: found.line,
        why: found.why,
    };
    match person {
        Some(person) if explained.allowed && !key.tokens().admits(person) => Explained {
            allowed: false,
            line: "the key's person".to_owned(),
            why: key.of_another_person(),
            ..explained
        },
        Some(_) | None => explained,
    }
}

fn no(account: Option<&str>, line: &str, why: String) -> Explained {
    Explained {
        allowed: false,
        account: account.map(str::to_owned),
        needs: Vec::new(),
        line: line.to_owned(),
        why,
    }
}
