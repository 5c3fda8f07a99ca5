//! The accounts that `env` can print: the daemon's, or those in the configuration.

use loopdesk_protocol::config::Effective;
use loopdesk_protocol::status::{Access, Status};

use crate::error::CliError;
use crate::problems::{no_default, unknown_account};

/// The parts of an account that `env` needs.
#[derive(Debug)]
pub(super) struct EnvAccount {
    pub(super) name: String,
    pub(super) default: bool,
    pub(super) base_urls: Vec<String>,
    pub(super) access: Access,
    pub(super) key_over_tcp: bool,
}

pub(super) fn of_status(status: Status) -> Vec<EnvAccount> {
    let accounts = status.accounts.into_iter().map(|account| EnvAccount {
        name: account.name,
        default: account.default,
        base_urls: account.base_urls,
        access: account.access,
        key_over_tcp: account.key_over_tcp,
    });
    accounts.collect()
}

pub(super) fn of_config(config: &Effective) -> Vec<EnvAccount> {
    let accounts = config.accounts.iter().map(|account| EnvAccount {
        name: account.name.clone(),
        default: config.default_account.as_ref() == Some(&account.name)
            || config.accounts.len() == 1,
        base_urls: account.base_urls.clone(),
        access: account.access,
        key_over_tcp: !config.allow_hosts.is_empty(),
    });
    accounts.collect()
}

pub(super) fn choose(
    mut accounts: Vec<EnvAccount>,
    name: Option<&str>,
) -> Result<EnvAccount, CliError> {
    let found = accounts.iter().position(|account| match name {
        Some(name) => account.name == name,
        None => account.default,
    });
    if let Some(found) = found {
        return Ok(accounts.swap_remove(found));
    }
    let known = accounts.iter().map(|account| account.name.as_str());
    Err(match name {
        Some(name) => unknown_account(name, known).into(),
        None => no_default(known).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::status;

    #[test]
    fn no_default_and_unknown_names_list_the_accounts() {
        let accounts = || of_status(status());
        assert_eq!(choose(accounts(), None).unwrap().name, "acme");
        assert_eq!(choose(accounts(), Some("sandbox")).unwrap().name, "sandbox");
        let CliError::Problem(problem) = choose(accounts(), Some("acne")).unwrap_err() else {
            panic!("an unknown name is a problem");
        };
        assert!(problem.hints[0].contains("acme, sandbox"), "{problem:?}");
        let CliError::Problem(problem) = choose(Vec::new(), None).unwrap_err() else {
            panic!("no account is a problem");
        };
        assert!(problem.hints[0].contains("account add"), "{problem:?}");
    }
}
