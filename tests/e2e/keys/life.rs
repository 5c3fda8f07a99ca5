//! A key's life: made, sent in every place where it is accepted, used, rotated, revoked, expired.

use loopdesk_protocol::Problem;
use loopdesk_protocol::key::{self, Create, Created, KeyState, Named, RightsText, Rotate};
use loopdesk_tests::{Failpoints, Raw};

use super::{ME, Scene, TICKETS, basic, bearer, told};

#[tokio::test]
async fn d2_a_key_works_in_every_slot_and_never_travels() {
    let scene = Scene::locked().await;
    let key = scene.key("nightly", &["read"]).await;
    for headers in [
        bearer(&key),
        format!("X-Loopdesk-Key: {key}\r\n"),
        format!("X-Loopdesk-Key: {key}\r\nAuthorization: Bearer other\r\n"),
        basic("me@example.com/token", &key),
        basic("", &key),
        basic(&key, "x"),
    ] {
        let answer = scene.asks(&format!("GET {ME}"), &headers, "").await;
        answer.is(200, "");
        let records = scene.stage.zendesk.requests();
        assert_eq!(records.len(), 1, "{headers}");
        let sent = format!("{:?} {}", records[0].headers, records[0].target());
        assert!(!sent.contains("ldk_"), "{sent}");
        assert!(records[0].header("x-loopdesk-key").is_none());
        scene.stage.zendesk.clear();
    }
    // Chat keeps the script's own credential, and never sees a key.
    let full = scene.key("everything", &["read", "write"]).await;
    let both = format!("X-Loopdesk-Key: {full}\r\nAuthorization: Bearer chats-own\r\n");
    for (headers, expected) in [(both, Some("Bearer chats-own")), (bearer(&full), None)] {
        scene.asks("GET /api/v2/chat/chats", &headers, "").await;
        let records = scene.stage.zendesk.requests();
        assert_eq!(records[0].header("authorization"), expected, "{headers}");
        scene.stage.zendesk.clear();
    }
}

#[tokio::test]
async fn d2_a_key_that_is_sent_is_judged_also_where_none_is_needed() {
    let scene = Scene::set().await;
    let key = scene.key("reader", &["tickets:read"]).await;
    scene.gets(TICKETS, &key).await.is(200, "");
    scene
        .gets("/api/v2/users.json", &key)
        .await
        .is(403, "key-denied");
    scene.seen();
    let twisted: String = key.chars().rev().collect();
    let other = if key.ends_with('0') { '1' } else { '0' };
    let wrong = [
        format!("{}{other}", &key[..key.len() - 1]),
        format!("ldk_{twisted}"),
        "ldk_".to_owned(),
        "ldk_whatever".to_owned(),
    ];
    for wrong in wrong {
        for headers in [
            bearer(&wrong),
            basic("me@example.com/token", &wrong),
            format!("X-Loopdesk-Key: {wrong}\r\n"),
        ] {
            let answer = scene.asks(&format!("GET {TICKETS}"), &headers, "").await;
            answer.is(401, "key-wrong");
            let mut schemes = answer
                .challenges
                .iter()
                .map(|c| c.split(' ').next().unwrap());
            assert!(schemes.clone().any(|s| s == "Basic") && schemes.any(|s| s == "Bearer"));
        }
    }
    // In the URL, every log on the way would record it; it is refused before it is looked at.
    let path = format!("{TICKETS}?access_token={key}");
    let answer = scene.asks(&format!("GET {path}"), "", "").await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let two = scene.key("another", &["read"]).await;
    let headers = format!("{}X-Loopdesk-Key: {two}\r\n", bearer(&key));
    let answer = scene.asks(&format!("GET {TICKETS}"), &headers, "").await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(scene.seen(), Vec::<String>::new());
    // Without a key: the account serves all the user's programs.
    scene.asks(&format!("GET {ME}"), "", "").await.is(200, "");
}

#[tokio::test]
async fn d2_w10_unknown_wrong_and_revoked_keys_are_told_the_same() {
    let scene = Scene::set().await;
    let key = scene.key("one", &["read"]).await;
    let other = scene.key("other", &["read"]).await;
    // The id of one key with the secret of another.
    let crossed = format!("{}{}", &key[..12], &other[12..]);
    let gone = scene.key("gone", &["read"]).await;
    let name = "gone".to_owned();
    let revoked: key::KeyStatus = scene
        .stage
        .control()
        .post(key::REVOKE, &Named { name })
        .await
        .unwrap();
    assert_eq!(revoked.name, "gone");
    let unknown = format!("ldk_AAAAAAAA{}", &key[12..]);
    let mut told = Vec::new();
    for wrong in [&crossed, &gone, &unknown, &"ldk_".to_owned()] {
        let answer = scene.gets(ME, wrong).await;
        told.push((answer.status, answer.code, answer.challenges, answer.body));
    }
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:#?}");
    assert_eq!(scene.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn d2_revocation_and_rotation_count_from_the_next_request_on_open_connections_too() {
    let scene = Scene::set().await;
    let port = scene.stage.port;
    let control = scene.stage.control();
    let key = scene.key("nightly", &["read"]).await;
    let mut open = Raw::connect(port).await;
    let get = format!("GET {ME}");
    told(&mut open, port, &get, &bearer(&key), "")
        .await
        .is(200, "");

    let name = || "nightly".to_owned();
    let rotate = |grace| Rotate {
        name: name(),
        grace,
    };
    let new: Created = control.post(key::ROTATE, &rotate(3_600)).await.unwrap();
    let new = new.secret.expose().to_owned();
    scene.stage.home.is_secret("a local key", &new);
    assert_ne!(new, key);
    for key in [&key, &new] {
        told(&mut open, port, &get, &bearer(key), "")
            .await
            .is(200, "");
    }
    let newest: Created = control.post(key::ROTATE, &rotate(0)).await.unwrap();
    let newest = newest.secret.expose().to_owned();
    scene.stage.home.is_secret("a local key", &newest);
    told(&mut open, port, &get, &bearer(&new), "")
        .await
        .is(401, "key-wrong");
    told(&mut open, port, &get, &bearer(&newest), "")
        .await
        .is(200, "");

    let _revoked: key::KeyStatus = control
        .post(key::REVOKE, &Named { name: name() })
        .await
        .unwrap();
    told(&mut open, port, &get, &bearer(&newest), "")
        .await
        .is(401, "key-wrong");
    let again: Result<key::KeyStatus, _> = control.post(key::REVOKE, &Named { name: name() }).await;
    assert!(again.unwrap_err().to_string().contains("nightly"));
    // A request without a key on the same connection is judged on its own.
    told(&mut open, port, &get, "", "").await.is(200, "");
}

#[tokio::test]
async fn d2_a_key_ends_when_it_was_asked_to_and_an_old_secret_with_its_grace() {
    let mut stage = super::super::stage().await;
    let Some(points) = Failpoints::of(&mut stage.home) else {
        return;
    };
    points.set_clock(0);
    let scene = Scene::on(stage).await;
    let asked = Create {
        name: "short".to_owned(),
        rights: RightsText {
            scopes: vec!["read".to_owned()],
            ..RightsText::default()
        },
        expires_in: Some(3_600),
        note: Some("for an hour".to_owned()),
        ..Create::default()
    };
    let made = scene.made(&asked).await;
    let key = made.secret.expose();
    let rotated = Rotate {
        name: "short".to_owned(),
        grace: 600,
    };
    let new: Created = scene
        .stage
        .control()
        .post(key::ROTATE, &rotated)
        .await
        .unwrap();
    let new = new.secret.expose().to_owned();
    scene.stage.home.is_secret("a local key", &new);
    scene.gets(ME, key).await.is(200, "");
    points.set_clock(601_000);
    scene.gets(ME, key).await.is(401, "key-wrong");
    scene.gets(ME, &new).await.is(200, "");
    assert_eq!(scene.shown("short").await.state, KeyState::Active);
    points.set_clock(3_601_000);
    let answer = scene.gets(ME, &new).await;
    answer.is(401, "key-expired");
    assert!(
        answer.description().contains("`loopdesk key revoke short`"),
        "{answer:?}"
    );
    assert_eq!(scene.shown("short").await.state, KeyState::Expired);
    // Without the secret, a caller doesn't learn that the key existed.
    scene.gets(ME, key).await.is(401, "key-wrong");
}

#[tokio::test]
async fn d2_keys_and_their_uses_survive_a_restart() {
    let scene = Scene::set().await;
    let key = scene.key("nightly", &["read"]).await;
    for _ in 0..2 {
        scene.gets(ME, &key).await.is(200, "");
    }
    let config = scene.stage.home.path().join("curlrc");
    let user = format!("user = \"me@example.com/token:{key}\"\n");
    std::fs::write(&config, user).unwrap();
    let file = config.display().to_string();
    let arguments = ["--config", &file];
    let (before, curl) = scene
        .meanwhile(scene.stage.curl(ME, &arguments), async || {
            let shown = scene.shown("nightly").await;
            let of_curl = |used: &key::Use| {
                let process = used.process.as_deref();
                process.is_some_and(|process| process.starts_with("curl"))
            };
            let is_known = shown.last_used.as_ref().is_some_and(of_curl);
            is_known.then_some(shown)
        })
        .await;
    assert!(curl.ok().stdout.contains("\"user\""));
    std::fs::remove_file(config).unwrap();
    assert_eq!(before.requests, 3);
    let process = before.last_used.clone().unwrap().process.unwrap();
    assert!(!process.contains("example.com"), "{process}");
    let Scene { stage, _daemon } = scene;
    _daemon.stop().await;
    let scene = Scene {
        _daemon: stage.daemon().await,
        stage,
    };
    let after = scene.shown("nightly").await;
    assert_eq!((after.requests, after.id), (3, before.id));
    assert_eq!(after.last_used, before.last_used);
    scene.gets(ME, &key).await.is(200, "");
}

#[tokio::test]
async fn d2_a_file_of_keys_that_others_could_have_written_lets_nobody_in() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::locked().await;
    let key = scene.key("nightly", &["read"]).await;
    scene.gets(ME, &key).await.is(200, "");
    let file = scene.stage.home.paths().local_keys_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!text.contains(&key[12..]), "only a hash is kept");
    let Scene {
        mut stage,
        mut _daemon,
    } = scene;
    let cut = &text[..text.len() / 2];
    for (what, content) in [
        ("truncated", Some(cut)),
        ("missing", None),
        ("empty", Some("")),
    ] {
        _daemon.stop().await;
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        _daemon = stage.daemon().await;
        let scene = Scene { stage, _daemon };
        scene.stage.zendesk.clear();
        scene.gets(ME, &key).await.is(503, "keys-unusable");
        scene
            .asks(&format!("GET {ME}"), "", "")
            .await
            .is(401, "key-needed");
        assert_eq!(scene.seen(), Vec::<String>::new(), "{what}");
        let problem: Problem = scene.stage.status().await.keys.problem.unwrap();
        assert!(problem.message.contains("keys.toml"), "{what}: {problem:?}");
        assert!(!problem.hints.is_empty(), "{what}: {problem:?}");
        let refused: Result<Created, _> = scene
            .stage
            .control()
            .post(key::CREATE, &Create::default())
            .await;
        assert!(refused.is_err(), "{what}");
        Scene { stage, _daemon } = scene;
        std::fs::write(&file, &text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    _daemon.stop().await;
    let scene = Scene {
        _daemon: stage.daemon().await,
        stage,
    };
    scene.gets(ME, &key).await.is(200, "");
}

#[tokio::test]
async fn d1_w6_a_thousand_guesses_are_slowed_and_the_right_key_is_not() {
    let scene = Scene::set().await;
    let key = scene.key("nightly", &["read"]).await;
    let port = scene.stage.port;
    // With the id of the real key, which is the worst case for it.
    let wrong = format!("{}{}", &key[..key.len() - 6], "000000");
    let mut guessing = Raw::connect(port).await;
    let guess = format!(
        "GET {ME} HTTP/1.1\r\nHost: localhost:{port}\r\n{}\r\n",
        bearer(&wrong)
    );
    guessing.send(guess.repeat(1_000)).await;
    let mut answers = 0;
    for _ in 0..50 {
        scene.gets(ME, &key).await.is(200, "");
    }
    while let Ok(answer) =
        tokio::time::timeout(std::time::Duration::from_millis(1), guessing.answer()).await
    {
        assert_eq!(answer.head.status(), 401);
        answers += 1;
    }
    assert!(answers < 500, "{answers} guesses were answered meanwhile");
    let seen = scene.seen();
    assert_eq!(seen.len(), 50, "{seen:?}");
}
