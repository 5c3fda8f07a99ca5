//! U: another user of the machine, and files that they may have left behind.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use loopdesk_tests::needs::needs;
use loopdesk_tests::{Daemon, Stage, other_user};
use rustix::process::geteuid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::{ME, Scene};

#[tokio::test]
async fn d1_u1_a_second_user_is_refused_on_tcp_and_on_both_sockets() {
    let scene = Scene::set().await;
    let port = scene.port().to_string();
    let get = format!("GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    let Some(heard) = by_a_stranger(&port, &get).await else {
        return;
    };
    assert!(heard.starts_with("HTTP/1.1 403 "), "{heard}");
    assert!(
        heard.contains("x-loopdesk-error: other-user\r\n"),
        "{heard}"
    );
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"], "OtherUser", "{heard}");
    assert!(
        body["description"]
            .as_str()
            .unwrap()
            .contains("`loopdesk login`"),
        "{heard}"
    );
    scene.nothing_arrived().await;

    let paths = scene.stage.home.paths();
    let status = "GET /v1/status HTTP/1.1\r\nHost: loopdesk\r\nConnection: close\r\n\r\n";
    let sockets = [
        (paths.proxy_socket(), get.as_str()),
        (paths.control_socket(), status),
    ];
    for (socket, request) in &sockets {
        let heard = by_a_stranger(&socket.display().to_string(), request).await;
        assert_eq!(heard.unwrap(), "PermissionError", "{}", socket.display());
    }

    // Another user gets access to the folders above them, and to the sockets themselves.
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    for (socket, _) in &sockets {
        open(socket, 0o666);
        let inside = scene.stage.home.path();
        let folders = socket.ancestors().skip(1);
        for folder in folders.take_while(|folder| folder.starts_with(inside)) {
            open(folder, 0o755);
        }
    }
    let heard = by_a_stranger(&paths.proxy_socket().display().to_string(), &get)
        .await
        .unwrap();
    let is_refusal = heard.contains("x-loopdesk-error: other-user\r\n");
    assert!(is_refusal || heard == "nothing", "{heard}");
    let heard = by_a_stranger(&paths.control_socket().display().to_string(), status).await;
    assert_eq!(heard.unwrap(), "nothing");
    scene.nothing_arrived().await;
    assert_eq!(
        scene.stage.acme().await.name,
        "acme",
        "its own user is served as before"
    );
}

#[tokio::test]
async fn d1_u4_the_command_line_tells_a_foreign_socket_nothing() {
    // Only root can give a socket away.
    if !geteuid().is_root() {
        needs(&["root, for a socket of another user's"]);
        return;
    }
    let stage = super::super::stage().await;
    let socket = stage.home.paths().control_socket().to_owned();
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    chown(&socket, Some(NOBODY), Some(NOBODY)).unwrap();
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            drop(client.read_to_end(&mut asked).await);
            told.send(asked).unwrap();
        }
    });
    for command in [
        &["status"][..],
        &["login", "--no-browser"],
        &["logout"],
        &["refresh"],
    ] {
        let output = stage.home.loopdesk(command).await;
        assert_ne!(output.code, Some(0), "{output:?}");
        assert!(
            output.stderr.contains("belongs to user 65534"),
            "{output:?}"
        );
    }
    while let Ok(asked) = hears.try_recv() {
        assert!(asked.is_empty(), "{}", String::from_utf8_lossy(&asked));
    }
}

#[tokio::test]
async fn d1_u4_what_others_left_in_place_of_folders_and_sockets_is_refused() {
    let stage = super::super::stage().await;
    let paths = stage.home.paths();
    let elsewhere = stage.home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    for folder in [paths.runtime_dir(), paths.state_dir()] {
        std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
        // Left over from an earlier start.
        drop(std::fs::remove_dir_all(folder));
        symlink(&elsewhere, folder).unwrap();
        let said = Daemon::start(&stage.home).await.unwrap_err();
        assert!(
            said.contains("is not a folder, and a link is not followed"),
            "{said}"
        );
        refused_by_the_command_line(&stage, folder).await;
        std::fs::remove_file(folder).unwrap();

        std::fs::write(folder, "").unwrap();
        let said = Daemon::start(&stage.home).await.unwrap_err();
        assert!(
            said.contains("can't be created") || said.contains("not a folder"),
            "{said}"
        );
        std::fs::remove_file(folder).unwrap();

        if geteuid().is_root() {
            std::fs::create_dir(folder).unwrap();
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
            let said = Daemon::start(&stage.home).await.unwrap_err();
            assert!(said.contains("belongs to user 65534, not to you"), "{said}");
            refused_by_the_command_line(&stage, folder).await;
            std::fs::remove_dir(folder).unwrap();
        }
    }
    assert_eq!(
        std::fs::read_dir(&elsewhere).unwrap().count(),
        0,
        "nothing was written there"
    );

    for socket in [paths.control_socket(), paths.proxy_socket()] {
        std::fs::create_dir_all(paths.runtime_dir()).unwrap();
        // A failed start may have left its name.
        drop(std::fs::remove_file(&socket));
        std::fs::write(&socket, "somebody's work").unwrap();
        let said = Daemon::start(&stage.home).await.unwrap_err();
        assert!(said.contains(&socket.display().to_string()), "{said}");
        assert_eq!(std::fs::read_to_string(&socket).unwrap(), "somebody's work");
        std::fs::remove_file(&socket).unwrap();
    }

    // A folder that is ours and open to everyone is closed.
    for folder in [paths.runtime_dir(), paths.state_dir()] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let _daemon = stage.daemon().await;
    for folder in [paths.runtime_dir(), paths.state_dir()] {
        let mode = std::fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn d1_u5_a_second_daemon_leaves_live_sockets_alone() {
    let scene = Scene::set().await;
    let mut command = scene.stage.home.command("loopdeskd");
    // Its state is elsewhere, so no lock stops it, and its sockets would be the same.
    command.env(
        "XDG_STATE_HOME",
        scene.stage.home.path().join("other-state"),
    );
    let second = command.output().await.unwrap();
    assert_eq!(second.status.code(), Some(6), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    let holder = format!("held by loopdeskd (process {})", scene.daemon.pid());
    assert!(said.contains(&holder), "{said}");
    assert_eq!(scene.stage.acme().await.name, "acme");
    scene.nothing_arrived().await;
    assert!(scene.daemon.stop().await.success());
}

/// The command line would create a log and a socket there before any daemon runs.
async fn refused_by_the_command_line(stage: &Stage, folder: &Path) {
    let said = stage.home.loopdesk(["login"]).await;
    let name = folder.display().to_string();
    // Root among another person's files is first told to run as that person.
    if said.code == Some(2) {
        assert!(folder == stage.home.paths().state_dir(), "{said:?}");
        let refused = format!("as root in `{name}`, which belongs to");
        assert!(said.stderr.contains(&refused), "{said:?}");
        return;
    }
    let said = said.failed(6).stderr;
    assert!(
        said.contains(&format!("`{name}` isn't a folder of yours")),
        "{said}"
    );
    assert!(said.contains("`ls -ld "), "{said}");
}

/// What another user receives who sends `request` to a port or a socket; `None` if this machine has
/// no other user.
pub(super) async fn by_a_stranger(address: &str, request: &str) -> Option<String> {
    let mut command = other_user::python(STRANGER, &[address]).await?;
    let mut stranger = command.spawn().unwrap();
    let mut stdin = stranger.stdin.take().unwrap();
    stdin.write_all(request.as_bytes()).await.unwrap();
    drop(stdin);
    let output = stranger.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

const STRANGER: &str = r#"
import os, socket, sys
assert os.geteuid() != 0
address = sys.argv[1]
request = sys.stdin.buffer.read()
heard = b""
try:
    if address.isdigit():
        one = socket.create_connection(("127.0.0.1", int(address)), timeout=30)
    else:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(30)
        one.connect(address)
    try:
        one.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        while piece := one.recv(65536):
            heard += piece
    except ConnectionResetError:
        pass
    sys.stdout.buffer.write(heard or b"nothing")
except PermissionError:
    print("PermissionError", end="")
"#;

/// Exists everywhere.
const NOBODY: u32 = 65534;
