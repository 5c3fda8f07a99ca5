//! Replaces ports in the configuration that other programs use.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use loopdesk_protocol::config::Effective;
use loopdesk_protocol::{Kind, Problem};
use serde::Serialize;

use super::model::address::{self, Address};
use crate::config_change;
use crate::config_file::{ConfigEdit, text_value};
use crate::config_report::valid_config;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::confirm;
use crate::ui::output::Output;

/// A port that was changed in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct MovedPort {
    /// The account it belongs to; `null` means `listen`.
    pub(super) account: Option<String>,
    pub(super) from: u16,
    pub(super) to: u16,
}

/// Moves ports that other programs use to free ones, if the user or `yes` agrees. `ours` are the
/// addresses that the service holds already. Returns the resulting configuration.
pub(super) async fn resolve_conflicts(
    mut config: Effective,
    ours: &[SocketAddr],
    yes: bool,
    context: &mut Context,
    output: &mut Output,
) -> Result<(Effective, Vec<MovedPort>), CliError> {
    let mut moved = Vec::new();
    // Each round moves one port, and looks at the result in the next one.
    while let Some(taken) = first_conflict(&config, ours) {
        let from = taken.socket.port();
        let Some(to) = next_free_port(&config) else {
            return Err(no_port(from).into());
        };
        let moves = MovedPort {
            account: taken.account,
            from,
            to,
        };
        confirmed(&moves, taken.socket, yes, context, output).await?;
        let changed = config_change::apply(context, vec![vec![edit(&config, &moves)]]).await?;
        let report = match changed.report() {
            Some(report) => report.clone(),
            None => context.link.check_config(None).await?,
        };
        // A running daemon is restarted anyway.
        config = valid_config(&report)?.clone();
        moved.push(moves);
    }
    Ok((config, moved))
}

fn first_conflict(config: &Effective, ours: &[SocketAddr]) -> Option<Address> {
    let mut all = address::all(config).into_iter();
    all.find(|address| !ours.contains(&address.socket) && is_taken(address.socket))
}

fn is_taken(address: SocketAddr) -> bool {
    // If the machine doesn't have that address, nothing listens there.
    TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// The next port that is free and not in the configuration.
fn next_free_port(config: &Effective) -> Option<u16> {
    let named: Vec<u16> = address::all(config)
        .iter()
        .map(|address| address.socket.port())
        .collect();
    let here: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    (FIRST..=LAST).find(|port| {
        let is_free = |ip: &IpAddr| !is_taken(SocketAddr::new(*ip, *port));
        !named.contains(port) && here.iter().all(is_free)
    })
}

async fn confirmed(
    moves: &MovedPort,
    address: SocketAddr,
    yes: bool,
    context: &mut Context,
    output: &mut Output,
) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let taken = format!("port {} is used by another {}", moves.from, holder(address));
    let question = format!(
        "P{}. Use {} instead, and change the configuration? [Y/n] ",
        &taken[1..],
        moves.to
    );
    match confirm::yes_or_no(&question, true, &mut context.keyboard, output).await? {
        Some(true) => Ok(()),
        Some(false) | None => {
            let set = match &moves.account {
                None => format!(
                    "loopdesk config set listen 127.0.0.1:{to},[::1]:{to}",
                    to = moves.to
                ),
                Some(name) => format!("loopdesk account set {name} port {}", moves.to),
            };
            Err(Problem::new(Kind::Daemon, taken)
                .hint(format!(
                    "run `loopdesk service install --yes` to use port {}",
                    moves.to
                ))
                .hint(format!("or run `{set}`, then `loopdesk service install`"))
                .into())
        }
    }
}

/// `user's program` or `program`, if the system tells.
fn holder(address: SocketAddr) -> &'static str {
    let own = rustix::process::getuid().as_raw();
    match listening_uid(address.port()) {
        Some(uid) if uid != own => "user's program",
        _ => "program",
    }
}

/// The user who listens there, by `/proc/net/tcp` (proc(5)); known on Linux only.
fn listening_uid(port: u16) -> Option<u32> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| {
            let table = std::fs::read_to_string(table).ok()?;
            table.lines().skip(1).find_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                let (_, local) = words.next()?.rsplit_once(':')?;
                let state = words.nth(1)?;
                let uid = words.nth(3)?;
                let listens = state == LISTEN && u16::from_str_radix(local, 16) == Ok(port);
                listens.then(|| uid.parse().ok()).flatten()
            })
        })
}

fn edit(config: &Effective, moves: &MovedPort) -> ConfigEdit {
    if let Some(name) = &moves.account {
        let path = ["accounts", name, "port"].map(str::to_owned);
        return ConfigEdit::Set(path.to_vec(), i64::from(moves.to).into());
    }
    let listen: Vec<String> = config
        .listen
        .iter()
        .map(|text| match text.parse::<SocketAddr>() {
            Ok(address) if address.port() == moves.from => {
                SocketAddr::new(address.ip(), moves.to).to_string()
            }
            _ => text.clone(),
        })
        .collect();
    let value = text_value(listen.iter().map(String::as_str));
    ConfigEdit::Set(vec!["listen".to_owned()], value)
}

fn no_port(taken: u16) -> Problem {
    let message = format!(
        "port {taken} is used by another program, and so are all ports from {FIRST} to {LAST}"
    );
    Problem::new(Kind::Daemon, message).hint(
        "run `loopdesk config set listen 127.0.0.1:PORT,[::1]:PORT` with another port, then \
         `loopdesk service install`",
    )
}

/// `TCP_LISTEN` of the kernel.
const LISTEN: &str = "0A";

/// The default port and its neighbours.
const FIRST: u16 = 8484;
const LAST: u16 = 8499;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn config(listen: &[String]) -> Effective {
        let mut config = testing::report().config.unwrap();
        config.accounts.clear();
        config.listen = listen.to_vec();
        config
    }

    #[test]
    fn a_used_port_is_noticed_unless_it_is_the_services_own() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let config = config(&[address.to_string()]);
        assert_eq!(first_conflict(&config, &[]).unwrap().socket, address);
        assert_eq!(first_conflict(&config, &[address]), None);
        if cfg!(target_os = "linux") {
            let own = rustix::process::getuid().as_raw();
            assert_eq!(listening_uid(address.port()), Some(own));
        }
        assert_eq!(holder(address), "program");
        drop(held);
        assert_eq!(first_conflict(&config, &[]), None);
    }

    #[test]
    fn the_proposed_port_isn_t_in_the_configuration() {
        let named: Vec<_> = (FIRST..LAST).map(|p| format!("127.0.0.1:{p}")).collect();
        let proposed = next_free_port(&config(&named));
        // Another program may use it on the machine that runs this test.
        assert!(proposed.is_none_or(|port| port == LAST), "{proposed:?}");
    }

    #[test]
    fn only_the_used_port_moves() {
        let config = config(&["127.0.0.1:8484".to_owned(), "[::1]:9000".to_owned()]);
        let moves = |account: Option<&str>| MovedPort {
            account: account.map(str::to_owned),
            from: 8484,
            to: 8486,
        };
        let ConfigEdit::Set(path, value) = edit(&config, &moves(None)) else {
            panic!("no value is set");
        };
        assert_eq!(path, ["listen"]);
        assert_eq!(value.to_string(), "[\"127.0.0.1:8486\", \"[::1]:9000\"]");
        let ConfigEdit::Set(path, value) = edit(&config, &moves(Some("sandbox"))) else {
            panic!("no value is set");
        };
        assert_eq!(path, ["accounts", "sandbox", "port"]);
        assert_eq!(value.to_string(), "8486");
    }
}
