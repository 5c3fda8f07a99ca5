//! Real keyrings on a private session bus, and a person who answers GNOME Keyring's prompts.
//!
//! The bus is where a daemon without `DBUS_SESSION_BUS_ADDRESS` looks for it. It activates no
//! service by itself: the test decides whether there is a keyring.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use crate::home::Home;
use crate::wait::eventually;

/// The password of every keyring here.
pub const PASSWORD: &str = "correct horse";

/// A session bus; it is killed when dropped.
#[derive(Debug)]
pub struct Bus {
    child: Child,
    connection: Connection,
    address: String,
}

impl Bus {
    /// Starts the bus of `home`.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn start(home: &Home) -> Self {
        let socket = home.path().join("run/bus");
        // A bus that was killed has left its socket behind.
        let _absent = std::fs::remove_file(&socket);
        let address = format!("unix:path={}", socket.display());
        let config = home.path().join("bus.conf");
        std::fs::write(&config, BUS.replace("ADDRESS", &address)).expect("the file is written");
        let mut child = home
            .command("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let stdout = child.stdout.take().expect("a pipe");
        let ready = BufReader::new(stdout).lines().next_line().await;
        ready.expect("the bus speaks").expect("the bus is ready");
        let connection = zbus::connection::Builder::address(address.as_str())
            .expect("an address")
            .build();
        Self {
            child,
            connection: connection.await.expect("a connection"),
            address,
        }
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the bus, and with it every connection.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the bus runs");
    }

    /// Locks the default collection.
    ///
    /// # Panics
    /// If the keyring refuses.
    pub async fn lock(&self) {
        let default = self.default_collection().await;
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
            self.service("Lock", &(vec![default],)).await;
        self.show(&prompt).await;
        eventually("the keyring is locked", async || self.is_locked().await).await;
    }

    /// Unlocks the default collection, as another program of the person's would.
    ///
    /// # Panics
    /// If the keyring refuses.
    pub async fn unlock(&self) {
        let default = self.default_collection().await;
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) =
            self.service("Unlock", &(vec![default],)).await;
        self.show(&prompt).await;
    }

    /// Whether the default collection is locked.
    ///
    /// # Panics
    /// If the keyring doesn't answer.
    pub async fn is_locked(&self) -> bool {
        let default = self.default_collection().await;
        let locked: OwnedValue = self
            .call(
                default.as_str(),
                "org.freedesktop.DBus.Properties",
                "Get",
                &("org.freedesktop.Secret.Collection", "Locked"),
            )
            .await;
        bool::try_from(locked).expect("a truth value")
    }

    /// How many of loopdesk's entries the keyring contains, as far as it tells.
    ///
    /// # Panics
    /// If it doesn't answer.
    pub async fn entries(&self) -> usize {
        let wanted = std::collections::HashMap::from([("service", "loopdesk")]);
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.service("SearchItems", &(wanted,)).await;
        unlocked.len() + locked.len()
    }

    /// Whether KeePassXC has an open prompt.
    ///
    /// # Panics
    /// If it doesn't answer.
    pub async fn has_keepassxc_prompt(&self) -> bool {
        let objects: String = self
            .call(
                "/org/freedesktop/secrets",
                "org.freedesktop.DBus.Introspectable",
                "Introspect",
                &(),
            )
            .await;
        objects.contains("<node name=\"prompt\"")
    }

    async fn default_collection(&self) -> OwnedObjectPath {
        self.service("ReadAlias", &("default",)).await
    }

    async fn show(&self, prompt: &OwnedObjectPath) {
        if prompt.as_str() != "/" {
            let interface = "org.freedesktop.Secret.Prompt";
            let () = self
                .call(prompt.as_str(), interface, "Prompt", &("",))
                .await;
        }
    }

    async fn has_keyring(&self) -> bool {
        let owned = self
            .connection
            .call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "NameHasOwner",
                &(NAME,),
            )
            .await;
        let owned = owned.expect("the bus answers");
        owned.body().deserialize().expect("a truth value")
    }

    async fn service<T>(
        &self,
        method: &str,
        arguments: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) -> T
    where
        T: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        let interface = "org.freedesktop.Secret.Service";
        self.call("/org/freedesktop/secrets", interface, method, arguments)
            .await
    }

    async fn call<T>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        arguments: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) -> T
    where
        T: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        let reply = self
            .connection
            .call_method(Some(NAME), path, Some(interface), method, arguments)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"));
        reply.body().deserialize().expect("an answer of its kind")
    }
}

/// A running keyring; it is killed when dropped.
#[derive(Debug)]
pub struct Keyring {
    child: Child,
}

impl Keyring {
    /// GNOME Keyring. It opens its login keyring with the password, like a desktop login; or,
    /// without one, leaves it locked.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn gnome(home: &Home, bus: &Bus, person: &Person, is_open: bool) -> Self {
        let mut command = command(home, bus, "gnome-keyring-daemon");
        command
            .args(["--foreground", "--components=secrets"])
            .env("GNOME_KEYRING_TEST_PROMPTER", &person.name);
        if is_open {
            command.arg("--unlock");
        }
        Self::start(command, bus, is_open.then_some(PASSWORD)).await
    }

    /// KeePassXC with a database that it shares; locked unless `is_open`.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn keepassxc(home: &Home, bus: &Bus, is_open: bool) -> Self {
        let database = keepassxc_database(home).await;
        let mut command = command(home, bus, "keepassxc");
        // Where it looks for another instance of itself.
        command.env("TMPDIR", home.path());
        command.env("QT_QPA_PLATFORM", "offscreen");
        if is_open {
            command.arg("--pw-stdin");
        }
        command.arg(database);
        Self::start(command, bus, is_open.then_some("correct horse\n")).await
    }

    /// Sends a signal: a stopped keyring doesn't answer.
    ///
    /// # Panics
    /// If the keyring has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).expect("the keyring runs");
        kill_process(pid, signal).expect("the keyring runs");
    }

    /// Ends the keyring like a logout would: KeePassXC saves only a moment after a change.
    ///
    /// # Panics
    /// If it has ended already.
    pub async fn end(mut self, bus: &Bus) {
        self.signal(Signal::TERM);
        // On a busy machine, KeePassXC's invisible window may ask a question.
        if timeout(SAVED, self.child.wait()).await.is_err() {
            self.child.kill().await.expect("the keyring can be killed");
        }
        eventually("the keyring has left the bus", async || {
            !bus.has_keyring().await
        })
        .await;
    }

    async fn start(mut command: Command, bus: &Bus, password: Option<&str>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the keyring is installed");
        let mut stdin = child.stdin.take().expect("a pipe");
        if let Some(password) = password {
            let told = stdin.write_all(password.as_bytes()).await;
            told.expect("the keyring takes its password");
        }
        drop(stdin);
        eventually("a keyring answers", async || bus.has_keyring().await).await;
        if password.is_some() {
            // KeePassXC opens its database only after it has taken the name.
            let opened =
                async || bus.default_collection().await.as_str() != "/" && !bus.is_locked().await;
            eventually("the keyring is open", opened).await;
        }
        Self { child }
    }
}

/// A person at the screen, whom GNOME Keyring asks for the password.
///
/// It is the prompter that libgcr tests itself with: GNOME Keyring's own half is real.
#[derive(Debug)]
pub struct Person {
    _child: Child,
    name: String,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Person {
    /// Starts the prompter.
    ///
    /// # Panics
    /// If the machine doesn't support it.
    pub async fn sits_down(home: &Home, bus: &Bus) -> Self {
        let script = home.path().join("person.py");
        std::fs::write(&script, PERSON).expect("the file is written");
        let mut child = command(home, bus, "python3")
            .arg(script)
            .stdin(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let name = stdout.next_line().await.expect("a line").expect("a name");
        Self {
            _child: child,
            name,
            stdin,
            stdout,
        }
    }

    /// Will type the password at the next prompt.
    pub async fn will_type_the_password(&mut self) {
        self.tell(&format!("password {PASSWORD}")).await;
    }

    /// Will dismiss the next prompt.
    pub async fn will_dismiss(&mut self) {
        self.tell("cancel").await;
    }

    /// Will not answer before every caller has given up.
    pub async fn will_be_away(&mut self) {
        self.tell("delay 600000").await;
        self.tell(&format!("password {PASSWORD}")).await;
    }

    /// Whether a prompt is on the screen.
    pub async fn sees_a_prompt(&mut self) -> bool {
        self.tell("prompting").await == "1"
    }

    /// Whether there has been no prompt since the reaction to the next one was set.
    pub async fn still_waits(&mut self) -> bool {
        self.tell("expecting").await == "1"
    }

    async fn tell(&mut self, line: &str) -> String {
        let line = format!("{line}\n");
        let told = self.stdin.write_all(line.as_bytes()).await;
        told.expect("the prompter runs");
        let answer = self.stdout.next_line().await.expect("a line");
        answer.expect("an answer")
    }
}

fn command(home: &Home, bus: &Bus, program: &str) -> Command {
    let mut command = home.command(program);
    command.env("DBUS_SESSION_BUS_ADDRESS", &bus.address);
    command
}

async fn keepassxc_database(home: &Home) -> PathBuf {
    let database = home.path().join("passwords.kdbx");
    if database.exists() {
        return database;
    }
    let settings = home.path().join("config/keepassxc");
    std::fs::create_dir_all(&settings).expect("the folder is made");
    write(&settings.join("keepassxc.ini"), KEEPASSXC);
    let xml = home.path().join("passwords.xml");
    write(&xml, DATABASE);
    let mut import = home
        .command("keepassxc-cli")
        .env("QT_QPA_PLATFORM", "offscreen")
        .args(["import", "-q", "-p"])
        .args([&xml, &database])
        .stdin(Stdio::piped())
        .spawn()
        .expect("keepassxc-cli is installed");
    let mut stdin = import.stdin.take().expect("a pipe");
    let twice = format!("{PASSWORD}\n{PASSWORD}\n");
    let told = stdin.write_all(twice.as_bytes()).await;
    told.expect("keepassxc-cli takes the password");
    drop(stdin);
    let output = import.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{output:?}");
    database
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the file is written");
}

/// No `servicedir`: nothing is activated automatically.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>ADDRESS</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Takes one command per line, and answers each with one line.
const PERSON: &str = r#"
import ctypes, sys
gcr = ctypes.CDLL("libgcr-base-3.so.1")
gcr.gcr_mock_prompter_start.restype = ctypes.c_char_p
print(gcr.gcr_mock_prompter_start().decode(), flush=True)
for line in sys.stdin:
    order, _, rest = line.rstrip("\n").partition(" ")
    answer = ""
    if order == "password":
        gcr.gcr_mock_prompter_expect_password_ok(rest.encode(), None)
    elif order == "cancel":
        gcr.gcr_mock_prompter_expect_password_cancel()
    elif order == "delay":
        gcr.gcr_mock_prompter_set_delay_msec(ctypes.c_uint(int(rest)))
    elif order == "prompting":
        answer = gcr.gcr_mock_prompter_is_prompting()
    elif order == "expecting":
        answer = gcr.gcr_mock_prompter_is_expecting()
    print(answer, flush=True)
"#;

const KEEPASSXC: &str = "[General]
ConfigVersion=2
UpdateCheckMessageShown=true
[GUI]
CheckForUpdates=false
[FdoSecrets]
Enabled=true
ConfirmAccessItem=false
ConfirmDeleteItem=false
ShowNotification=false
";

/// A database whose root group is shared with the Secret Service's clients.
const DATABASE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeePassFile>
  <Meta><Generator>loopdesk</Generator><DatabaseName>passwords</DatabaseName>
    <CustomData><Item><Key>FDO_SECRETS_EXPOSED_GROUP</Key>
      <Value>{00010203-0405-0607-0809-0a0b0c0d0e0f}</Value></Item></CustomData></Meta>
  <Root><Group><UUID>AAECAwQFBgcICQoLDA0ODw==</UUID><Name>Root</Name></Group></Root>
</KeePassFile>
"#;

const NAME: &str = "org.freedesktop.secrets";
/// By then every change is in its file.
const SAVED: Duration = Duration::from_secs(10);
