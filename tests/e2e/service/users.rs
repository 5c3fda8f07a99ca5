//! Two users of one machine.

use loopdesk_tests::user_manager::{Network, UserManager};

use super::{binary, status};
use loopdesk_tests::Stage;
use loopdesk_tests::zendesk::Zendesk;

#[tokio::test]
async fn o1_two_users_of_one_machine_get_a_port_each_and_snippets_that_say_so() {
    let Some((ada, first)) = super::installed(61_200).await else {
        return;
    };
    let mut grace = Stage::set(binary(), Zendesk::builder()).await;
    // Both start with the same configuration.
    let config = grace.home.paths().config_file();
    let text = std::fs::read_to_string(&config).unwrap();
    let text = format!(
        "# grace's own words\n{}",
        text.replace(&format!(":{}\"", grace.port), &format!(":{}\"", ada.port))
    );
    std::fs::write(&config, text).unwrap();
    let second = UserManager::start(&mut grace.home, 61_201, Network::Shared, None)
        .await
        .unwrap();

    let refused = grace.home.loopdesk(["service", "install"]).await.failed(6);
    assert!(
        refused.stderr.contains(&format!(
            "port {} is used by another user's program",
            ada.port
        )),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("loopdesk service install --yes"),
        "{refused:?}"
    );
    let said = grace
        .home
        .loopdesk(["service", "install", "--yes", "--json"])
        .await
        .ok()
        .json();
    let port = said["moved_ports"][0]["to"].as_u64().unwrap();
    assert!((8484..=8499).contains(&port), "{said}");
    assert_eq!(said["moved_ports"][0]["from"], ada.port);
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(
        text.contains(&format!(
            "listen = [\"127.0.0.1:{port}\", \"[::1]:{port}\"]"
        )),
        "{text}"
    );
    assert!(text.starts_with("# grace's own words\n"), "{text}");
    grace.port = u16::try_from(port).unwrap();
    grace.home.loopdesk(["login"]).await.ok();

    for stage in [&ada, &grace] {
        let printed = stage.home.loopdesk(["env", "--for", "curl"]).await.ok();
        assert!(
            printed.stdout.contains(&format!(":{}", stage.port)),
            "{printed:?}"
        );
        assert_eq!(stage.get("/api/v2/users/me.json").await.0, 200);
        assert_eq!(status(stage).await["problems"], serde_json::json!([]));
    }
    // Neither lets the other in.
    let url = format!("http://127.0.0.1:{}/api/v2/users/me.json", ada.port);
    let code = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", &url];
    assert_eq!(grace.home.run("curl", code).await.ok().stdout, "403");
    first.stop().await;
    second.stop().await;
}
