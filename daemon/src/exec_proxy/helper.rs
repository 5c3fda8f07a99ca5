//! The helper itself: sets everything up, says that it is ready, and ends with its command.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;
use loopdesk_protocol::client::ClientError;
use loopdesk_protocol::exec::{Assignment, Ready, Reply};
use loopdesk_protocol::{Client, Kind, Problem, SecretText};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::authority::Identity;
use super::door::{self, Door};
use super::folder::RunFolder;
use super::hop::Daemon;
use super::inspect::Inspector;
use super::launch::{self, Equipment};
use super::lifetime::Lifetime;
use super::target::Targets;
use super::ticket::Tickets;
use super::{answer, failed};
use crate::clock::Clock;
use crate::hex;
use crate::listener::StreamServer;
use crate::network::Network;
use crate::peer::Peers;
use crate::supervise::descriptors::{self, Room};
use crate::supervise::hardening;
use crate::telemetry;
use crate::telemetry::redact;
use crate::upstream::WayOut;
use crate::upstream::egress::{Egress, Variables};

/// Serves one command, to its end.
///
/// # Errors
/// Why it can't.
pub(super) fn run() -> Result<(), Problem> {
    hardening::apply()?;
    telemetry::init().map_err(|why| Problem::new(Kind::Usage, why))?;
    descriptors::raise();
    let Equipment {
        assignment,
        identity,
    } = launch::read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| failed("the async runtime", &error))?;
    let served = runtime.block_on(serve(&assignment, identity));
    runtime.shutdown_background();
    telemetry::flush();
    served
}

async fn serve(assignment: &Assignment, identity: Identity) -> Result<(), Problem> {
    let lifetime = Lifetime::of(assignment.command)?;
    let folder = RunFolder::make(&exec_folder(assignment), &identity.authority, |name| {
        std::env::var_os(name).map(PathBuf::from)
    })?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| failed("no port is free", &error))?;
    let port = listener
        .local_addr()
        .map_err(|error| failed("the port", &error))?
        .port();
    let password = password()?;
    let login = door::login(password.expose());
    let _hidden = [
        redact::hide(password.expose()),
        redact::hide(login.expose()),
    ];

    let variables = Variables::read(|name| std::env::var_os(name), Clock::system());
    let ports = &assignment.plan.ports;
    let egress = Egress::beside(&variables, |port| ports.contains(&port));
    let plain = Variables::read_plain(|name| std::env::var_os(name), Clock::system());
    let plain = Egress::beside(&plain, |port| ports.contains(&port));
    if let Some(problem) = egress.problem() {
        return Err(problem);
    }
    let room = Room::now(1);
    let daemon = Arc::new(daemon(assignment).await?);
    let door = Door {
        targets: Targets::new(launch::origins(assignment)?),
        inspector: Inspector::new(identity, StreamServer::new(room), daemon)?,
        way_out: WayOut::new(egress, plain, Network::watch(), ports.clone()),
        login,
        peers: Peers::new(),
        places: room.connections,
    };
    stay()?;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(door.serve(listener, stop.clone()));

    let proxy = format!(
        "http://{}:{}@127.0.0.1:{port}",
        door::USER,
        password.expose()
    );
    // Only the process that becomes the command reads this. If it has ended meanwhile, the write fails,
    // and the process that is watched may be another one.
    answer(&Reply::Ready(Ready {
        proxy: SecretText::new(proxy),
        bundle: folder.bundle(),
        extra: folder.extra(),
        php: folder.php(),
    }))?;
    detach()?;
    lifetime.end().await;
    stop.cancel();
    drop(folder);
    serving.abort();
    Ok(())
}

async fn daemon(assignment: &Assignment) -> Result<Daemon, Problem> {
    let control = &assignment.control_socket;
    let tickets = match &assignment.plan.key {
        Some(key) => {
            let tickets = Tickets::new(Client::new(control.clone()), key.clone());
            tickets.current().await.map_err(|error| match error {
                ClientError::Problem(problem) => problem,
                ClientError::Unreachable { .. } | ClientError::Broken(_) => {
                    failed("the daemon gives no ticket", &error)
                }
            })?;
            Some(tickets)
        }
        None => None,
    };
    let host = HeaderValue::try_from(format!("{}.localhost", assignment.plan.account));
    Ok(Daemon {
        proxy_socket: control.with_file_name("proxy.sock"),
        host: host.map_err(|error| failed("the account's name", &error))?,
        command: assignment.command,
        tickets,
    })
}

/// Beside the daemon's sockets.
fn exec_folder(assignment: &Assignment) -> PathBuf {
    let beside = assignment.control_socket.parent();
    beside.unwrap_or(Path::new("/")).join("exec")
}

fn password() -> Result<SecretText, Problem> {
    let mut random = zeroize::Zeroizing::new([0; PASSWORD_LENGTH]);
    let filled = getrandom::fill(&mut random[..]);
    filled.map_err(|error| failed("the system provides no random bytes", &error))?;
    Ok(SecretText::new(hex::lower(&random[..])))
}

/// Signals that end a service reach the helper too. Its command may still have requests to finish, and
/// its end is the helper's.
fn stay() -> Result<(), Problem> {
    for kind in [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).map_err(|error| failed("signals", &error))?;
        tokio::spawn(async move { while signals.recv().await.is_some() {} });
    }
    Ok(())
}

/// Lets go of what `loopdesk exec` waits for, and of the folder that it was called in.
fn detach() -> Result<(), Problem> {
    let nowhere = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null");
    let nowhere = nowhere.map_err(|error| failed("/dev/null", &error))?;
    rustix::stdio::dup2_stdin(&nowhere).map_err(|error| failed("standard input", &error))?;
    rustix::stdio::dup2_stdout(&nowhere).map_err(|error| failed("standard output", &error))?;
    std::env::set_current_dir("/").map_err(|error| failed("the root folder", &error))
}

/// One core is enough for a program; a second one lets uploads and downloads go on beside each other.
const WORKERS: usize = 2;

/// Can't be guessed.
const PASSWORD_LENGTH: usize = 24;
