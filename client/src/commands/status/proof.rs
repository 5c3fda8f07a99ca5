//! Finds out who answers where scripts connect: this daemon, another program, or none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use loopdesk_protocol::proof::{self, ProbeAnswer, Proof, ProofRequest};
use loopdesk_protocol::status::{Answers, Listener, Status};
use loopdesk_protocol::{Client, Problem, conditions};

/// Asks at every port, and at the same port of the other address family, since `localhost` may
/// resolve to either. A daemon without proofs leaves the answer open.
pub(super) async fn complete(client: &Client, status: &mut Status) {
    for listener in &mut status.listeners {
        let Ok(address) = listener.address.parse() else {
            continue;
        };
        let Some((said, expected)) = ask(client, address).await else {
            return;
        };
        listener.answers = match said {
            ProbeAnswer::Proof(proof) if proof == expected => Some(Answers::ThisDaemon),
            // It refuses all callers if it can't tell users apart, which is a problem of its own.
            ProbeAnswer::Refused if listener.problem.is_some() => None,
            ProbeAnswer::Proof(_) | ProbeAnswer::Refused | ProbeAnswer::Else => {
                Some(Answers::Another)
            }
            ProbeAnswer::Nobody => Some(Answers::Nobody),
        };
        if listener.problem.is_none() {
            listener.problem = listener.answers.and_then(|who| problem(who, address));
        }
    }
    let listed: Vec<_> = status.listeners.iter().map(|l| l.address.clone()).collect();
    let twins = status.listeners.iter().filter_map(|listener| {
        let twin = twin(listener.address.parse().ok()?)?;
        (!listed.contains(&twin.to_string())).then(|| (twin, listener.account.clone()))
    });
    for (address, account) in twins.collect::<Vec<_>>() {
        // Whatever answers there isn't this daemon.
        match ask(client, address).await {
            Some((ProbeAnswer::Nobody, _)) | None => {}
            Some(_) => status.listeners.push(Listener {
                address: address.to_string(),
                account,
                answers: Some(Answers::Another),
                open: false,
                problem: problem(Answers::Another, address),
            }),
        }
    }
}

/// What answers at an address, and what this daemon would answer there.
async fn ask(client: &Client, address: SocketAddr) -> Option<(ProbeAnswer, Proof)> {
    let nonce = nonce()?;
    let asked = ProofRequest {
        nonce: nonce.clone(),
        address,
    };
    let expected = client.post(proof::CALL, &asked).await.ok()?;
    Some((proof::ask(address, &nonce).await, expected))
}

/// 32 random bytes in hexadecimal.
fn nonce() -> Option<String> {
    let mut bytes = [0; proof::NONCE_LENGTH / 2];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The same port at the other loopback address.
fn twin(address: SocketAddr) -> Option<SocketAddr> {
    let ip: IpAddr = match address.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some(SocketAddr::new(ip, address.port()))
}

fn problem(who: Answers, address: SocketAddr) -> Option<Problem> {
    let port = address.port();
    let find = if cfg!(target_os = "macos") {
        format!("sudo lsof -nP -iTCP:{port} -sTCP:LISTEN")
    } else {
        format!("sudo ss -ltnp 'sport = :{port}'")
    };
    match who {
        Answers::ThisDaemon => None,
        Answers::Another => Some(conditions::other_listener(address, port, find)),
        Answers::Nobody => Some(conditions::listener_silent(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_daemon_that_proves_nothing_leaves_it_open() {
        let home = testing::Home::new();
        let _daemon = testing::Daemon::new(&home).serve();
        let client = home.link().running().await.unwrap().unwrap();
        let mut status = testing::status();
        complete(&client, &mut status).await;
        assert!(status.listeners.iter().all(|l| l.answers.is_none()));
        assert_eq!(status.listeners.len(), testing::status().listeners.len());
    }

    #[test]
    fn d1_u3_localhost_may_lead_to_either_family() {
        let twin = |text: &str| twin(text.parse().unwrap()).map(|twin| twin.to_string());
        assert_eq!(twin("127.0.0.1:8484").unwrap(), "[::1]:8484");
        assert_eq!(twin("[::1]:8484").unwrap(), "127.0.0.1:8484");
        assert_eq!(twin("127.0.0.2:8484"), None);
    }
}
