//! A machine with two uplinks: one network namespace for the machine, and one for the rest of the
//! world, which contains the test and the simulated Zendesk.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::home::Home;
use crate::needs::needs;

/// The address of the simulated Zendesk, reachable by either uplink.
pub const ZENDESK: [u8; 4] = [10, 9, 0, 1];

/// Runs the test with this name again in its own network, unless it is in one; returns whether it
/// is. If not, the caller should return: either the test has passed there, or the machine doesn't
/// support it, which is reported.
///
/// # Panics
/// If the test fails there; and if nothing may be left out and the machine doesn't support it.
pub async fn alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let may = rustix::process::geteuid().is_root() || needs(&["root, for a network of its own"]);
    if !may || !needs(&["unshare", "nsenter", "ip"]) {
        return false;
    }
    let binary = std::env::current_exe().expect("the test has a file");
    let mut command = Command::new("unshare");
    command.arg("--net").arg(binary);
    command.args(["--exact", test, "--nocapture"]);
    let status = command.env(ALONE, "1").status().await;
    let status = status.expect("the test can be started");
    assert!(
        status.success(),
        "{test} has failed in a network of its own"
    );
    false
}

/// The machine's side of the two links; it ends when dropped.
#[derive(Debug)]
pub struct Uplinks {
    machine: Child,
    /// The ports of connections whose incoming packets are dropped.
    forgotten: HashSet<u16>,
}

impl Uplinks {
    /// Sets both links up, without addresses on the machine's side. The test is [`alone`].
    ///
    /// # Panics
    /// If the kernel doesn't support it.
    pub async fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up; echo up; read end"]);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut machine = pipes.kill_on_drop(true).spawn().expect("a shell starts");
        let said = BufReader::new(machine.stdout.take().expect("a pipe"));
        let line = said.lines().next_line().await.expect("text");
        assert_eq!(line.as_deref(), Some("up"));
        let uplinks = Self {
            machine,
            forgotten: HashSet::new(),
        };
        ip("link set lo up").await;
        ip("address add 10.9.0.1/32 dev lo").await;
        let process = uplinks.process();
        for n in 0..2 {
            ip(&format!(
                "link add name net{n} type veth peer name up{n} netns {process}"
            ))
            .await;
            ip(&format!("address add 10.{n}.0.1/24 dev net{n}")).await;
            ip(&format!("link set net{n} up")).await;
            uplinks.ip(&format!("link set up{n} up")).await;
        }
        uplinks
    }

    /// Runs the programs of `home` on the machine.
    pub fn host(&self, home: &mut Home) {
        home.is_in_network(self.network());
    }

    /// Gives the machine the address 10.LINK.0.HOST, and a route to the world by that link.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub async fn give(&self, link: usize, host: usize) {
        self.ip(&format!("address add 10.{link}.0.{host}/24 dev up{link}"))
            .await;
        self.ip(&format!("route add default via 10.{link}.0.1"))
            .await;
    }

    /// Removes all addresses of a link, and with them its routes.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub async fn take(&self, link: usize) {
        self.ip(&format!("address flush dev up{link}")).await;
    }

    /// From now on, drops everything that the world sends to the machine's present connections from
    /// this address; new connections work. Neither side is notified. Returns how many connections
    /// weren't dropped before.
    ///
    /// # Panics
    /// If the kernel refuses.
    pub async fn forget_connections(&mut self, machine: [u8; 4], zendesk: u16) -> usize {
        let mut ports = connections_from(machine, zendesk);
        ports.retain(|port| self.forgotten.insert(*port));
        let to = std::net::Ipv4Addr::from(machine);
        for port in &ports {
            ip(&format!(
                "rule add pref 100 to {to} ipproto tcp dport {port} blackhole"
            ))
            .await;
        }
        ports.len()
    }

    /// Runs `ip` on the machine.
    ///
    /// # Panics
    /// If it fails.
    pub async fn ip(&self, words: &str) {
        let mut command = Command::new("nsenter");
        command.arg(network_of(&self.network())).arg("ip");
        run(command, words).await;
    }

    /// Runs the lines of `ip` commands on the machine, as fast as the kernel accepts them.
    ///
    /// # Panics
    /// If one fails.
    pub async fn batch(&self, file: &Path) {
        let mut command = Command::new("nsenter");
        command.arg(network_of(&self.network())).arg("ip");
        run(command, &format!("-batch {}", file.display())).await;
    }

    fn network(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.process()).into()
    }

    fn process(&self) -> u32 {
        self.machine.id().expect("the shell runs")
    }
}

/// The option of `nsenter`.
pub(crate) fn network_of(path: &Path) -> String {
    format!("--net={}", path.display())
}

/// The ports of the machine's connections to a port of the simulated Zendesk's.
fn connections_from(machine: [u8; 4], zendesk: u16) -> Vec<u16> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the table is there");
    let end = |text: &str| {
        let (address, port) = text.split_once(':')?;
        let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
        Some((address, u16::from_str_radix(port, 16).ok()?))
    };
    let lines = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let here = end(fields.next()?)?;
        let (address, port) = end(fields.next()?)?;
        (here == (ZENDESK, zendesk) && address == machine).then_some(port)
    });
    lines.collect()
}

async fn ip(words: &str) {
    run(Command::new("ip"), words).await;
}

async fn run(mut command: Command, words: &str) {
    let output = command.args(words.split(' ')).output().await;
    let output = output.expect("`ip` can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {said}");
}

/// Set in the test's second run.
const ALONE: &str = "LOOPDESK_TEST_ALONE";
