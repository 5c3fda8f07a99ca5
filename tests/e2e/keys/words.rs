//! The scope names for a key: the help lists exactly those that the daemon knows.

use std::collections::BTreeSet;

use super::Scene;

#[tokio::test]
async fn d2_the_help_lists_every_scope_that_a_key_can_have_and_no_other() {
    let scene = Scene::set().await;
    let home = &scene.stage.home;
    let help = home.loopdesk(["key", "create", "--help"]).await.ok().stdout;
    let listed = listed(&help);

    let wrong = ["key", "create", "none", "--scope", "no-such-scope"];
    let error = home.loopdesk(wrong).await.failed(2).stderr;
    let (_, known) = error.split_once("The scopes are ").unwrap();
    let known: BTreeSet<String> = words(known).into_iter().collect();
    assert_eq!(listed, known, "{help}\n{error}");

    for (number, scope) in listed.iter().enumerate() {
        // A scope that covers others, within what the others allow.
        let scopes = match scope.as_str() {
            "impersonate" => "impersonate,read",
            alone => alone,
        };
        let name = format!("key-{number}");
        let made = ["key", "create", &name, "--scope", scopes, "--quiet"];
        home.loopdesk(made).await.ok();
    }
}

#[tokio::test]
async fn s8_what_scripts_send_raw_can_be_asked_about_raw() {
    let scene = Scene::set().await;
    drop(scene.key("reader", &["read"]).await);
    for path in [
        "/api/v2/search.json?query=created<2025-01-01 type:\"ticket\"",
        "/api/v2//search.json?query=caf\u{e9}",
        "/hc/article_attachments/1/invitation.pdf",
    ] {
        let asked = ["explain", "GET", path, "--key", "reader"];
        let said = scene.stage.home.loopdesk(asked).await.ok().stdout;
        assert!(said.contains("allowed"), "{path}: {said}");
    }
    let wrong = ["explain", "GET", "/api/v2/search.json#x"];
    scene.stage.home.loopdesk(wrong).await.failed(2);
}

/// The scopes listed in the help's paragraph about them.
fn listed(help: &str) -> BTreeSet<String> {
    let paragraph = help
        .split("\n\n")
        .find(|text| text.trim_start().starts_with("Scopes:"))
        .unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let between = |from: &str, to: &str| {
        let rest = paragraph.split_once(from).unwrap().1;
        words(rest.split_once(to).unwrap().0)
    };
    let mut scopes = BTreeSet::from(["read", "write", "impersonate"].map(String::from));
    for resource in between("`:write`: ", ".") {
        scopes.insert(format!("{resource}:read"));
        scopes.insert(format!("{resource}:write"));
    }
    for resource in between("Only `:read`: ", ".") {
        scopes.insert(format!("{resource}:read"));
    }
    for resource in between("Only `:write`: ", ".") {
        scopes.insert(format!("{resource}:write"));
    }
    scopes
}

/// The items of a list, up to the end of its sentence.
fn words(list: &str) -> Vec<String> {
    let sentence = list.split('.').next().unwrap_or_default();
    let words = sentence
        .split([',', ' ', '\n'])
        .map(|word| word.trim_matches('`'));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
