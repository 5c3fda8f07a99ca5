//! The addresses in the configuration.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use loopdesk_protocol::config::Effective;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) socket: SocketAddr,
    /// The account it belongs to; `None` for those in `listen`.
    pub(crate) account: Option<String>,
}

/// All addresses, those in `listen` first.
pub(crate) fn all(config: &Effective) -> Vec<Address> {
    let common = config.listen.iter().filter_map(|text| {
        Some(Address {
            socket: text.parse().ok()?,
            account: None,
        })
    });
    let own = config.accounts.iter().flat_map(|account| {
        account.port.into_iter().flat_map(|port| {
            [
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ]
            .map(|socket| Address {
                socket,
                account: Some(account.name.clone()),
            })
        })
    });
    common.chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn an_accounts_port_counts_on_both_addresses() {
        let config = testing::report().config.unwrap();
        let all: Vec<_> = all(&config)
            .into_iter()
            .map(|address| (address.socket.to_string(), address.account))
            .collect();
        let sandbox = Some("sandbox".to_owned());
        assert_eq!(
            all,
            [
                ("127.0.0.1:8484".to_owned(), None),
                ("[::1]:8484".to_owned(), None),
                ("127.0.0.1:8490".to_owned(), sandbox.clone()),
                ("[::1]:8490".to_owned(), sandbox),
            ]
        );
    }
}
