//! A configuration that is edited while scripts are running.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use loopdesk_protocol::Client;
use loopdesk_protocol::status::{self, Status};
use loopdesk_tests::wait::eventually;
use loopdesk_tests::{Daemon, Failpoints, Raw, Stage, ports};
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::stage;

#[tokio::test(flavor = "multi_thread")]
async fn o2_two_hundred_edits_under_load_no_request_fails_and_no_half_config_is_seen() {
    let stage = stage().await;
    let edits = Edits::of(&stage);
    edits.replace(0);
    let _daemon = stage.daemon().await;
    stage.home.loopdesk(["login", "acme"]).await.ok();
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut scripts = JoinSet::new();
    for n in 0..SCRIPTS {
        let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
        scripts.spawn(script(stage.port, n % 2 == 0, stop, served));
    }
    let looking = tokio::spawn(look(stage.control(), Arc::clone(&stop)));

    for n in 1..=EDITS {
        edits.make(n).await;
        if n % SEEN_EACH == 0 {
            let what = format!("edit {n} is in use");
            eventually(&what, async || edits.is_in_use(n, &stage.status().await)).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let failures: Vec<_> = scripts.join_all().await.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{failures:#?}");
    let seen = looking.await.unwrap();
    assert!(seen >= EDITS / SEEN_EACH, "{seen} configurations were seen");
    let served = served.load(Ordering::SeqCst);
    assert!(served > EDITS, "{served} requests were served");
    let status = stage.status().await;
    assert!(status.config.problem.is_none(), "{status:?}");
}

/// Asks until `stop`, on one connection or on one per request; returns what went wrong.
async fn script(
    port: u16,
    keeps: bool,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut failures = Vec::new();
    let mut connection = Raw::connect(port).await;
    while !stop.load(Ordering::SeqCst) {
        let close = if keeps { "" } else { "Connection: close\r\n" };
        let request = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\n{close}\r\n");
        if let Err(error) = connection.try_send(request).await {
            failures.push(error.to_string());
            return failures;
        }
        let answer = connection.answer().await;
        if answer.status() != 200 || !answer.text().contains("\"user\"") {
            failures.push(format!("{answer:?}"));
        }
        served.fetch_add(1, Ordering::SeqCst);
        if !keeps {
            connection = Raw::connect(port).await;
        }
        tokio::time::sleep(PACE).await;
    }
    failures
}

/// Reads the configuration in use until `stop`; returns how many different ones it saw.
async fn look(control: Client, stop: Arc<AtomicBool>) -> usize {
    let mut seen = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let status: Status = control.get(status::CALL).await.unwrap();
        let client_id = |name: &str| {
            let mut accounts = status.accounts.iter();
            let found = accounts.find(|account| account.name == name);
            found.map(|account| account.client_id.clone())
        };
        let (first, last) = (client_id("first"), client_id("last"));
        assert!(first.is_some() && first == last, "{status:#?}");
        assert!(client_id("acme").is_some(), "{status:#?}");
        assert!(status.config.problem.is_none(), "{status:#?}");
        if seen.last() != Some(&first) {
            assert!(!seen.contains(&first), "it went back to {first:?}");
            seen.push(first);
        }
    }
    seen.len()
}

/// A file that is edited in every way in which people and programs edit files.
struct Edits {
    file: PathBuf,
    top: String,
    acme: String,
    ports: [u16; 2],
}

impl Edits {
    fn of(stage: &Stage) -> Self {
        let file = stage.home.paths().config_file();
        let text = fs::read_to_string(&file).unwrap();
        let (top, acme) = text.split_once("[accounts.acme]").unwrap();
        Self {
            top: format!("{top}default-account = \"acme\"\n"),
            acme: format!("[accounts.acme]{acme}"),
            ports: [ports::free(), ports::free()],
            file,
        }
    }

    /// Both halves together are a valid configuration; the first alone lacks account `last`.
    fn halves(&self, n: usize) -> [String; 2] {
        let Self { top, acme, .. } = self;
        let account =
            |name| format!("[accounts.{name}]\nsubdomain = \"{name}\"\nclient-id = \"n{n}\"\n");
        let port = self.ports[n % 2];
        [
            format!("{top}{}{acme}", account("first")),
            format!("{}port = {port}\n", account("last")),
        ]
    }

    async fn make(&self, n: usize) {
        match n % 4 {
            0 => self.replace(n),
            1 => fs::write(&self.file, self.halves(n).concat()).unwrap(),
            2 => self.swap_link(n),
            _ => self.write_in_parts(n).await,
        }
        tokio::time::sleep(PACE).await;
    }

    fn replace(&self, n: usize) {
        let new = self.beside("config.toml.new");
        fs::write(&new, self.halves(n).concat()).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn swap_link(&self, n: usize) {
        let folder = self.beside(&format!("versions-{}", n % 3));
        fs::create_dir_all(&folder).unwrap();
        let target = folder.join(format!("{n}.toml"));
        fs::write(&target, self.halves(n).concat()).unwrap();
        let link = self.beside("link");
        symlink(&target, &link).unwrap();
        fs::rename(link, &self.file).unwrap();
    }

    /// Through a link, if the previous edit has left one.
    async fn write_in_parts(&self, n: usize) {
        let [first, second] = self.halves(n);
        let mut file = File::create(&self.file).unwrap();
        tokio::time::sleep(PACE).await;
        file.write_all(first.as_bytes()).unwrap();
        // Only Linux reports that the file is still open, and only if the file was already watched:
        // the test has waited for the previous edit.
        let pause = if cfg!(target_os = "linux") && n % 20 == 11 {
            LONG_PAUSE
        } else {
            PACE
        };
        tokio::time::sleep(pause).await;
        file.write_all(second.as_bytes()).unwrap();
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.file.with_file_name(name)
    }

    fn is_in_use(&self, n: usize, status: &Status) -> bool {
        let id = format!("n{n}");
        let mut accounts = status.accounts.iter();
        let port = format!("127.0.0.1:{}", self.ports[n % 2]);
        accounts.any(|account| account.name == "last" && account.client_id == id)
            && status.listeners.iter().any(|l| l.address == port)
    }
}

#[tokio::test]
async fn o2_accounts_come_and_go_with_the_files_of_the_user_and_of_the_machine() {
    let mut stage = stage().await;
    let Some(_failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    let _daemon = stage.logged_in().await;
    let file = stage.home.paths().config_file();
    let text = fs::read_to_string(&file).unwrap();
    let port = ports::free();
    let other = |port| {
        format!("[accounts.other]\nsubdomain = \"other\"\nclient-id = \"c\"\nport = {port}\n")
    };
    let names = async || {
        let accounts = stage.status().await.accounts.into_iter();
        accounts.map(|account| account.name).collect::<Vec<_>>()
    };
    fs::write(
        &file,
        format!("default-account = \"acme\"\n{text}{}", other(port)),
    )
    .unwrap();
    eventually("the account is there", async || names().await.len() == 2).await;
    let url = format!("http://127.0.0.1:{port}{ME}");
    let said = stage.home.run("curl", ["-sS", &url]).await.ok();
    assert!(said.stdout.contains("loopdesk login other"), "{said:?}");
    fs::write(&file, &text).unwrap();
    eventually("the account is removed", async || names().await == ["acme"]).await;
    stage.home.run("curl", ["-sS", &url]).await.failed(7);

    // The machine's file, in a folder that doesn't exist yet.
    let etc = stage.home.path().join("failpoints/etc");
    fs::create_dir(&etc).unwrap();
    let system = format!("default-account = \"acme\"\n{}", other(port));
    fs::write(etc.join("config.toml"), &system).unwrap();
    eventually("the account is there", async || names().await.len() == 2).await;
    let said = stage.home.run("curl", ["-sS", &url]).await.ok();
    assert!(said.stdout.contains("loopdesk login other"), "{said:?}");
    let mine = format!("{text}\n[accounts.other]\nport = {}\n", ports::free());
    fs::write(&file, mine).unwrap();
    eventually("the user's port wins", async || {
        stage.home.run("curl", ["-sS", &url]).await.code == Some(7)
    })
    .await;
    assert_eq!(stage.get(ME).await.0, 200);
}

#[tokio::test]
async fn o2_a_broken_file_changes_nothing_and_is_shown_with_its_caret() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let file = stage.home.paths().config_file();
    let right = fs::read_to_string(&file).unwrap();
    let wrong = format!("{right}\naccess-token-ttl = \"99h\"\n");
    let line = wrong.lines().count();
    fs::write(&file, &wrong).unwrap();
    let has_problem = async || stage.status().await.config.problem.is_some();
    eventually("the problem is reported", has_problem).await;
    let status = stage.home.loopdesk(["status"]).await.failed(1).stdout;
    for said in [status, Daemon::log(&stage.home)] {
        let place = format!("{}:{line}:20: `99h` is out of range", file.display());
        assert!(said.contains(&place), "{place} in {said}");
        assert!(said.contains("access-token-ttl = \"99h\""), "{said}");
        let caret = format!(
            "{} | {}^^^^^",
            " ".repeat(line.to_string().len()),
            " ".repeat(19)
        );
        assert!(said.contains(&caret), "{said}");
    }
    assert_eq!(stage.get(ME).await.0, 200);
    fs::write(&file, right).unwrap();
    eventually("the problem is resolved", async || !has_problem().await).await;
}

#[tokio::test]
async fn o2_a_deleted_file_stays_in_use_and_an_empty_one_is_meant() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let file = stage.home.paths().config_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let problem = async || stage.status().await.config.problem;
    let is_told = async || {
        let gone = format!("`{}` is gone", file.display());
        problem().await.is_some_and(|p| p.message.contains(&gone))
    };
    eventually("the removal is reported", is_told).await;
    let reload = stage.home.loopdesk(["config", "reload"]).await.failed(3);
    assert!(reload.stderr.contains("is gone"), "{reload:?}");
    assert!(reload.stderr.contains("touch "), "{reload:?}");
    assert_eq!(stage.get(ME).await.0, 200);
    // Back, first with a mistake, then without; SIGHUP reloads at once.
    fs::write(&file, format!("volt = 1\n{text}")).unwrap();
    daemon.signal(Signal::HUP);
    eventually("the mistake is reported", async || {
        problem().await.is_some_and(|p| p.message.contains("volt"))
    })
    .await;
    fs::write(&file, &text).unwrap();
    eventually("the problem is resolved", async || {
        problem().await.is_none()
    })
    .await;
    assert_eq!(stage.get(ME).await.0, 200);
    // On request, a file without accounts is loaded at once.
    let (top, _) = text.split_once("[accounts.acme]").unwrap();
    fs::write(&file, top).unwrap();
    stage.home.loopdesk(["config", "reload"]).await.ok();
    assert!(stage.status().await.accounts.is_empty());
}

#[tokio::test]
async fn o2_a_listener_that_stays_keeps_its_connections() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let port = stage.port;
    let request = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    let mut script = Raw::connect(port).await;
    script.send(&request).await;
    assert_eq!(script.answer().await.status(), 200);
    let file = stage.home.paths().config_file();
    let text = fs::read_to_string(&file).unwrap();
    let more = ports::free();
    let before = format!("listen = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]");
    assert!(text.contains(&before));
    for listen in [
        format!("listen = [\"127.0.0.1:{port}\", \"127.0.0.1:{more}\"]"),
        before.clone(),
    ] {
        fs::write(&file, text.replace(&before, &listen)).unwrap();
        stage.home.loopdesk(["config", "reload"]).await.ok();
        // The same connection: the listener was not reopened.
        script.send(&request).await;
        assert_eq!(script.answer().await.status(), 200, "{listen}");
        let is_open = can_connect(more).await;
        assert_eq!(is_open, listen.contains(&more.to_string()), "{listen}");
    }
}

async fn can_connect(port: u16) -> bool {
    tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_ok()
}

const ME: &str = "/api/v2/users/me.json";
const EDITS: usize = 200;
const SCRIPTS: usize = 6;

/// How many edits the test waits for; the others come faster than they are read.
const SEEN_EACH: usize = 10;

/// A person who saves again and again, and scripts that pause between requests.
const PACE: Duration = Duration::from_millis(10);

/// Longer than a file must be unchanged until it is loaded.
const LONG_PAUSE: Duration = Duration::from_millis(400);
