//! The bytes of a connection: compares what is judged with what is sent.
//!
//! The real listener reads them, admission and routing judge, and the real client writes what is
//! forwarded. A second, strict reader of both sides must find the same requests.

mod run;
mod verdict;

use loopdeskd::facts::{ConnFacts, Local};
use loopdeskd::keys::Trace;
use loopdeskd::peer::Peer;

use crate::fuzz_config;

/// Checks one connection. The first byte chooses the listener and the user of the connection; the
/// rest is what the script sends.
pub fn door(data: &[u8]) {
    let Some((&choice, sent)) = data.split_first() else {
        return;
    };
    let facts = facts(choice);
    let sent = &fuzz_config::with_keys(sent)[..];
    let exchanges = run::connection(facts.clone(), sent);
    if let Peer::Other(_) = facts.peer {
        let sent = exchanges
            .iter()
            .find(|exchange| exchange.forwarded.is_some());
        assert!(sent.is_none(), "of another user: {sent:?}");
    }
    let mut rest = Some(sent);
    for exchange in &exchanges {
        if rest.is_some_and(crate::reading::has_two_lengths) {
            let sent = &exchange.forwarded;
            assert!(
                sent.is_none(),
                "its length could be read two ways: {sent:?}"
            );
        }
        let read = rest.map(crate::reading::request);
        let (given, after) = match read {
            Some(crate::reading::Read::Whole(request, length)) => {
                (Some(request), rest.map(|rest| &rest[length..]))
            }
            _ => (None, None),
        };
        rest = after;
        verdict::check(&facts, exchange, given.as_ref());
    }
}

fn facts(choice: u8) -> ConnFacts {
    let tcp = |port| Local::Tcp {
        addr: ([127, 0, 0, 1], port).into(),
    };
    let local = match choice & 7 {
        0..=4 => tcp(fuzz_config::PORT),
        5 | 6 => tcp(fuzz_config::PORT_OF_BETA),
        _ => Local::Unix,
    };
    let peer = match choice >> 3 {
        30 => Peer::Other(1001),
        31 => Peer::Unknown,
        _ => Peer::Own,
    };
    ConnFacts::new(local, peer, Trace::Nothing)
}
