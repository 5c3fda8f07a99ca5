//! The program itself: streams, colours and exit codes, as a shell sees them.

#![expect(
    clippy::unwrap_used,
    reason = "what can't be arranged fails the test that wants it"
)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use loopdesk_protocol::{PROTOCOL, VERSION};
use serde_json::json;

/// The program in a home of its own, as bare as cron's, and without a daemon's program.
fn loopdesk(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loopdesk"));
    command
        .env_clear()
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env("LOOPDESKD", "/nowhere/loopdeskd")
        .stdin(Stdio::null());
    command
}

fn run(home: &Path, args: &[&str]) -> Output {
    loopdesk(home).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn failures_have_their_exit_code_and_go_to_standard_error() {
    let home = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["status"][..], 6),
        (&["login"], 6),
        (&["wait", "--timeout", "soon"], 2),
        (&["no-such-command"], 2),
        (&[], 2),
        (&["config", "path"], 0),
        (&["version"], 0),
        (&["--version"], 0),
        (&["help"], 0),
    ] {
        let output = run(home.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let silent = if code == 0 {
            &output.stderr
        } else {
            &output.stdout
        };
        assert_eq!(text(silent), "", "{args:?}");
    }
}

#[test]
fn programs_read_every_failure_as_json() {
    let home = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["status", "--json"][..], 6),
        (&["--json", "account", "add"], 2),
    ] {
        let output = run(home.path(), args);
        assert_eq!(output.status.code(), Some(code));
        let failure: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(failure["error"]["exit_code"], code, "{failure}");
        assert!(failure["error"]["message"].is_string(), "{failure}");
        assert!(failure["error"]["hints"].is_array(), "{failure}");
    }
}

#[test]
fn without_a_home_the_variable_to_set_is_named() {
    let home = tempfile::tempdir().unwrap();
    let output = loopdesk(home.path())
        .env("HOME", "relative")
        .arg("status")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("XDG_CONFIG_HOME"));
}

#[test]
fn a_missing_daemon_program_is_named_with_the_variable_that_helps() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["config", "check"]);
    assert_eq!(output.status.code(), Some(6));
    let said = text(&output.stderr);
    assert!(said.contains("/nowhere/loopdeskd"), "{said}");
    assert!(said.contains("Hint: set LOOPDESKD"), "{said}");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = loopdesk(home.path())
        .args(["config", "path"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(said, "");
}

#[test]
fn d2_a_key_that_nobody_got_is_a_failure_that_names_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let _done = daemon(home.path());
    for json in [&[][..], &["--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = loopdesk(home.path())
            .args(["key", "create", "nightly", "--scope", "read", "--quiet"])
            .args(json)
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(70));
        let said = text(&output.stderr);
        assert!(said.contains("`loopdesk key rotate nightly`"), "{said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn d4_no_core_dump_holds_a_new_key() {
    let home = tempfile::tempdir().unwrap();
    let (asked, is_asked) = mpsc::channel();
    let (looked, is_looked) = mpsc::channel::<()>();
    let _done = daemon_with(home.path(), move || {
        asked.send(()).unwrap();
        is_looked.recv().unwrap();
    });
    let child = loopdesk(home.path())
        .args(["key", "create", "nightly", "--scope", "read", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    is_asked.recv().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    looked.send(()).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    let words: Vec<_> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core:?}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "ldk_7k3m9q2xSECRET\n");
}

#[test]
fn d4_a_key_in_a_file_that_others_may_read_is_warned_about() {
    let home = tempfile::tempdir().unwrap();
    let _done = daemon(home.path());
    for (mode, warned) in [(0o600, false), (0o640, true), (0o644, true)] {
        let path = home.path().join("key");
        let file = File::create(&path).unwrap();
        let mode_alone = std::fs::Permissions::from_mode(mode);
        file.set_permissions(mode_alone).unwrap();
        let output = loopdesk(home.path())
            .args(["key", "create", "nightly", "--scope", "read", "--quiet"])
            .stdout(file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "ldk_7k3m9q2xSECRET\n"
        );
        let said = text(&output.stderr);
        assert_eq!(said.contains("chmod 600"), warned, "{mode:o}: {said}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let home = tempfile::tempdir().unwrap();
    let colours = |vars: &[(&str, &str)]| {
        let output = loopdesk(home.path())
            .envs(vars.iter().copied())
            .arg("status")
            .output()
            .unwrap();
        text(&output.stderr).contains('\u{1b}')
    };
    assert!(!colours(&[]));
    assert!(colours(&[("CLICOLOR_FORCE", "1")]));
    assert!(!colours(&[("NO_COLOR", "1")]));
}

#[test]
fn cron_finds_the_daemon_of_a_desktop_with_a_runtime_folder_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let desk = home.path().join("desk");
    let _done = daemon(&desk);
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(desk.join("loopdesk"), private).unwrap();
    let state = home.path().join(".local/state");
    std::fs::create_dir_all(state.join("loopdesk")).unwrap();
    let paths = loopdesk_protocol::Paths::resolve(
        |name| (name == "XDG_RUNTIME_DIR").then(|| desk.clone().into()),
        Some(home.path().to_owned()),
        None,
    );
    // As `env -i`, but in this test's home.
    let status = || {
        Command::new(env!("CARGO_BIN_EXE_loopdesk"))
            .env_clear()
            .env("HOME", home.path())
            .args(["status"])
            .output()
            .unwrap()
    };
    assert_eq!(status().status.code(), Some(6));
    paths.unwrap().write_runtime_hint().unwrap();
    let output = status();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("acme"), "{output:?}");
}

#[test]
fn a_status_in_a_narrow_pipe_has_no_colour_and_keeps_its_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let _done = daemon(home.path());
    let output = run(home.path(), &["status"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!text(&output.stdout).contains('\u{1b}'), "{output:?}");
    let narrow = loopdesk(home.path())
        .env("COLUMNS", "20")
        .arg("status")
        .output()
        .unwrap();
    assert_eq!(narrow.stdout, output.stdout, "a pipe breaks no line");
    for (vars, coloured) in [
        (&[("CLICOLOR_FORCE", "1")][..], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let mut command = loopdesk(home.path());
        let command = command.envs(vars.iter().copied()).arg("status");
        let output = command.output().unwrap();
        assert_eq!(
            text(&output.stdout).contains('\u{1b}'),
            coloured,
            "{vars:?}"
        );
    }
}

#[test]
fn d4_a_terminal_shows_no_secret_and_gets_its_echo_back() {
    use rustix::termios::{LocalModes, tcgetattr};
    for (keys, code) in [("hunter2\n", 0), ("hun\x03", 2)] {
        let home = tempfile::tempdir().unwrap();
        let done = daemon(home.path());
        done.send(()).unwrap();
        let (mut screen, terminal) = terminal();
        let mut child = loopdesk(home.path())
            .args(["login", "--no-browser", "--client-secret-stdin"])
            .stdin(terminal.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 256];
        let mut notes = child.stderr.take().unwrap();
        let length = notes.read(&mut said).unwrap();
        assert!(
            text(&said[..length]).contains("hidden while you type"),
            "{said:?}"
        );
        let echo = || {
            tcgetattr(&terminal)
                .unwrap()
                .local_modes
                .contains(LocalModes::ECHO)
        };
        assert!(!echo());
        screen.write_all(keys.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(echo(), "the terminal is as it was");
        // Whatever the terminal has shown comes before this mark.
        (&terminal).write_all(b"END").unwrap();
        let mut shown = Vec::new();
        while !shown.ends_with(b"END") {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        assert!(!text(&shown).contains("hun"), "{:?}", text(&shown));
    }
}

/// A terminal: what the person sees and types, and what the program gets.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap())
        .open(name.to_str().unwrap())
        .unwrap();
    (File::from(screen), terminal)
}

/// A daemon that can only make a key and log in: it shows the page, and is done when the test says
/// so.
fn daemon(home: &Path) -> mpsc::Sender<()> {
    daemon_with(home, || {})
}

/// One that does this before it makes a key.
fn daemon_with(home: &Path, before_key: impl Fn() + Send + 'static) -> mpsc::Sender<()> {
    let runtime = home.join("loopdesk");
    std::fs::create_dir_all(&runtime).unwrap();
    let listener = UnixListener::bind(runtime.join("control.sock")).unwrap();
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let mut say = |text: &str| stream.get_mut().write_all(text.as_bytes());
            say("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
            if head.contains(" /v1/version ") {
                let version = json!({"version": VERSION, "protocol": PROTOCOL, "pid": 1});
                say(&version.to_string()).unwrap();
            } else if head.contains(" /v1/status ") {
                say(&status().to_string()).unwrap();
            } else if head.contains(" /v1/keys/create ") {
                before_key();
                say(&created().to_string()).unwrap();
            } else {
                say(&format!("{}\n", authorize())).unwrap();
                is_done.recv().unwrap();
                say(&format!("{}\n", finished())).unwrap();
            }
        }
    });
    done
}

fn status() -> serde_json::Value {
    json!({
        "daemon": {"version": VERSION, "pid": 1, "started_at": "2026-11-23T17:00:00Z", "supervised": false},
        "config": {"path": "/c", "loaded_at": "2026-11-23T17:00:00Z"},
        "vault": {"kind": "keyfile"},
        "listeners": [],
        "accounts": [{
            "name": "acme", "default": true, "origin": "https://acme.zendesk.com", "client_id": "x",
            "base_urls": ["http://127.0.0.1:8484"], "state": "signed-out"
        }]
    })
}

fn created() -> serde_json::Value {
    let person = json!({"id": 1, "name": "Ada"});
    json!({
        "key": {
            "name": "nightly", "id": "ldk_7k3m9q2x", "account": "acme", "person": person,
            "scopes": ["read"], "state": "active", "created_at": "2026-11-23T17:00:00Z"
        },
        "secret": "ldk_7k3m9q2xSECRET", "keyless": false, "base_urls": []
    })
}

fn authorize() -> serde_json::Value {
    json!({
        "event": "authorize", "account": "acme", "url": URL,
        "redirect_uri": "http://127.0.0.1:18484/callback", "waits_until": "2026-11-23T17:02:00Z"
    })
}

fn finished() -> serde_json::Value {
    json!({
        "event": "done", "account": "acme", "person": {"id": 1, "name": "Ada"}, "scopes": ["read"],
        "access_expires_at": "2026-11-25T17:00:00Z", "base_urls": ["http://127.0.0.1:8484"]
    })
}

const URL: &str = "https://acme.zendesk.com/oauth/authorizations/new?a=%20$(id)&state=s";

#[test]
fn a_login_ends_although_the_keyboard_could_still_type() {
    let home = tempfile::tempdir().unwrap();
    let done = daemon(home.path());
    let mut child = loopdesk(home.path())
        .args(["login", "--no-browser"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(notes.any(|line| line.unwrap().ends_with("press Enter.")));
    done.send(()).unwrap();
    // Taken away, so that waiting doesn't close it.
    let _keyboard = child.stdin.take().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let mut lines = text(&output.stdout).lines();
    assert_eq!(lines.next(), Some(URL));
    assert_eq!(lines.next(), Some("Logged in to acme as Ada."));
}

#[test]
fn the_browser_of_the_environment_gets_the_address_as_one_argument() {
    let home = tempfile::tempdir().unwrap();
    let done = daemon(home.path());
    let opened = home.path().join("opened");
    let browser = home.path().join("browser");
    let made = Command::new("mkfifo").arg(&opened).status().unwrap();
    assert!(made.success());
    // Written by a shell: a program that another test starts at this moment would inherit a file
    // of ours, and a file that is open for writing can't be executed.
    let script = format!("#!/bin/sh\nprintf '%s|' \"$@\" > '{}'\n", opened.display());
    let write = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh"])
        .arg(script)
        .arg(&browser)
        .status();
    assert!(write.unwrap().success());
    let child = loopdesk(home.path())
        .env("BROWSER", &browser)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .arg("login")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), format!("{URL}|"));
    done.send(()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).starts_with(URL));
}
