//! The sockets' folder disappears with the last logout; the daemon keeps running.

use std::fs;

use loopdesk_tests::Stage;
use loopdesk_tests::wait::eventually;

use super::super::stage;
use super::ME;

#[tokio::test]
async fn o3_a_daemon_whose_sockets_are_removed_opens_them_again() {
    let stage = stage().await;
    let _daemon = stage.logged_in().await;
    let pid = stage.status().await.daemon.pid;
    let run = stage.home.paths().runtime_dir().to_owned();
    let control = stage.home.paths().control_socket();
    let proxy = stage.home.paths().proxy_socket();
    let breaks: [(&str, &dyn Fn()); 4] = [
        ("its folder", &|| fs::remove_dir_all(&run).unwrap()),
        ("the folder around it", &|| {
            fs::remove_dir_all(run.parent().unwrap()).unwrap();
            fs::create_dir(run.parent().unwrap()).unwrap();
        }),
        ("one socket", &|| fs::remove_file(&proxy).unwrap()),
        ("another socket in its place", &|| {
            fs::remove_file(&control).unwrap();
            drop(std::os::unix::net::UnixListener::bind(&control).unwrap());
        }),
    ];
    for (what, break_it) in breaks {
        break_it();
        // A command that needs a daemon in the meantime gets this one.
        let waited = stage.home.loopdesk(["wait"]).await;
        assert_eq!(waited.code, Some(0), "{what}: {waited:#?}");
        eventually(what, async || serves_at(&stage, &proxy).await).await;
        assert_eq!(stage.status().await.daemon.pid, pid, "{what}");
        assert_eq!(stage.get(ME).await.0, 200);
    }
}

#[tokio::test]
async fn o3_without_a_runtime_folder_the_sockets_are_in_the_state_folder_until_it_is_back() {
    let stage = stage().await;
    let daemon = stage.logged_in().await;
    let paths = stage.home.paths();
    let session = paths.runtime_dir().parent().unwrap();
    fs::remove_dir_all(session).unwrap();
    // Like /run, where only root may create the folder of a login: below a file, no one may.
    fs::write(session, "").unwrap();
    let other = paths.without_runtime_dir().unwrap();
    eventually("the state folder has the sockets", async || {
        serves_at(&stage, &other.proxy_socket()).await
    })
    .await;
    let status = stage.home.loopdesk(["status", "--json"]).await.ok().json();
    assert_eq!(status["daemon"]["pid"], daemon.pid());
    stage.home.loopdesk(["wait"]).await.ok();

    // The next login.
    fs::remove_file(session).unwrap();
    fs::create_dir(session).unwrap();
    eventually("the sockets are restored", async || {
        serves_at(&stage, &paths.proxy_socket()).await
    })
    .await;
    let status = stage.home.loopdesk(["status", "--json"]).await.ok().json();
    assert_eq!(status["daemon"]["pid"], daemon.pid());
    assert!(!other.proxy_socket().exists(), "no name is left behind");
    daemon.stop().await;
    for path in [paths.proxy_socket(), paths.control_socket()] {
        assert!(!path.exists(), "{}", path.display());
    }
}

#[tokio::test]
async fn o3_a_daemon_starts_where_no_runtime_folder_can_be_made() {
    let stage = stage().await;
    let paths = stage.home.paths();
    let session = paths.runtime_dir().parent().unwrap();
    fs::remove_dir_all(session).unwrap();
    fs::write(session, "").unwrap();
    let login = stage.home.loopdesk(["login"]).await.ok();
    assert!(login.stderr.contains("Started loopdesk"), "{login:#?}");
    let status = stage.home.loopdesk(["status", "--json"]).await.ok().json();
    let pid = u32::try_from(status["daemon"]["pid"].as_u64().unwrap()).unwrap();
    assert_eq!(stage.get(ME).await.0, 200);
    loopdesk_tests::daemon::terminate(pid).await;
}

/// Whether the unix socket `proxy` serves scripts.
async fn serves_at(stage: &Stage, proxy: &std::path::Path) -> bool {
    let proxy = proxy.display().to_string();
    let url = format!("http://localhost{ME}");
    let arguments = ["-sS", "--unix-socket", &proxy, &url];
    let said = stage.home.run("curl", arguments).await;
    said.stdout.contains("\"user\"")
}
