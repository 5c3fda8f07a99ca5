//! Keys act for the person who made them.

use loopdesk_protocol::key::{self, Confirm, Create, Created, KeyState};
use loopdesk_tests::zendesk::{Record, users};

use super::{ME, Scene};

#[tokio::test]
async fn d2_r8_another_persons_login_suspends_keys_until_they_are_confirmed() {
    let scene = Scene::set().await;
    let key = scene.key("nightly", &["read"]).await;
    scene.gets(ME, &key).await.is(200, "");
    scene.stage.zendesk.set_consenting_user(users::AGENT);
    scene
        .stage
        .home
        .loopdesk(["login", "--switch-user"])
        .await
        .ok();
    let revoked = |record: &Record| {
        record.is("DELETE", "/api/v2/oauth/tokens/current") && record.status().is_some()
    };
    let is_over = |seen: &[Record]| seen.iter().any(revoked);
    scene.stage.zendesk_sees(is_over).await;
    scene.stage.zendesk.clear();

    let answer = scene.gets(ME, &key).await;
    answer.is(403, "key-suspended");
    let said = answer.description();
    assert!(
        said.contains("Ben Agent") && said.contains("`loopdesk key confirm acme`"),
        "{said}"
    );
    assert_eq!(scene.seen(), Vec::<String>::new());
    let shown = scene.shown("nightly").await;
    assert_eq!(shown.state, KeyState::Suspended);
    assert_ne!(shown.person.id, users::AGENT);
    assert_eq!(scene.stage.acme().await.suspended_keys, ["nightly"]);
    // Scripts without a key act for the person who is logged in, as before; a new key belongs to
    // the new person.
    scene.asks(&format!("GET {ME}"), "", "").await.is(200, "");
    let new = scene.key("new", &["read"]).await;
    scene.gets(ME, &new).await.is(200, "");

    let confirmed: key::KeyList = scene
        .stage
        .control()
        .post(key::CONFIRM, &Confirm::default())
        .await
        .unwrap();
    assert!(
        confirmed.keys.iter().any(|key| key.name == "nightly"),
        "{confirmed:?}"
    );
    let answer = scene.gets(ME, &key).await;
    answer.is(200, "");
    assert!(answer.body.contains("Ben Agent"), "{answer:?}");
    assert_eq!(scene.shown("nightly").await.person.id, users::AGENT);
}

#[tokio::test]
async fn d2_nobody_logged_in_makes_no_key_and_keys_outlive_a_logout() {
    let scene = Scene::set().await;
    let key = scene.key("nightly", &["read"]).await;
    scene.stage.home.loopdesk(["logout"]).await.ok();
    scene.gets(ME, &key).await.is(401, "signed-out");
    let asked = Create {
        name: "later".to_owned(),
        rights: key::RightsText {
            scopes: vec!["read".to_owned()],
            ..key::RightsText::default()
        },
        ..Create::default()
    };
    let refused: Result<Created, _> = scene.stage.control().post(key::CREATE, &asked).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("not logged in"), "{refused}");
    scene.stage.home.loopdesk(["login"]).await.ok();
    scene.gets(ME, &key).await.is(200, "");
}

#[tokio::test]
async fn d2_a_key_is_for_one_account() {
    let second = loopdesk_tests::ports::free();
    let scene = {
        let stage = super::super::stage().await;
        let file = stage.home.paths().config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let (_, account) = text.split_once("[accounts.acme]").unwrap();
        let text = format!(
            "default-account = \"acme\"\n{text}\n[accounts.sandbox]\nport = {second}\n{account}"
        );
        std::fs::write(&file, text).unwrap();
        Scene::on(stage).await
    };
    scene.stage.home.loopdesk(["login", "sandbox"]).await.ok();
    scene.stage.zendesk.clear();
    let key = scene.key("of-acme", &["read"]).await;
    let asked = Create {
        name: "of-sandbox".to_owned(),
        account: Some("sandbox".to_owned()),
        rights: key::RightsText {
            scopes: vec!["read".to_owned()],
            ..key::RightsText::default()
        },
        ..Create::default()
    };
    let sandbox = scene.made(&asked).await.secret.expose().to_owned();
    // At the common port, the key itself tells whose it is.
    for key in [&key, &sandbox] {
        scene.gets(ME, key).await.is(200, "");
    }
    scene.seen();
    let ask = async |key: &str| {
        let mut raw = loopdesk_tests::Raw::connect(second).await;
        super::told(
            &mut raw,
            second,
            &format!("GET {ME}"),
            &super::bearer(key),
            "",
        )
        .await
    };
    ask(&sandbox).await.is(200, "");
    scene.seen();
    let answer = ask(&key).await;
    answer.is(403, "key-of-another-account");
    assert!(answer.description().contains("`acme`"), "{answer:?}");
    assert_eq!(scene.seen(), Vec::<String>::new());
}
