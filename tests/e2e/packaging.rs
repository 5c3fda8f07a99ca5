//! What is shipped for systemd and launchd is what they read.

use std::path::Path;

use loopdesk_tests::Home;
use loopdesk_tests::needs::needs;

use super::binary;

fn packaging(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging")
        .join(file);
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn systemd_finds_nothing_wrong_with_the_unit() {
    if !needs(&["systemd-analyze"]) {
        return;
    }
    let home = Home::new(binary()).unwrap();
    let program = home.bin().join("loopdeskd").display().to_string();
    let unit = packaging("systemd/loopdesk.service").replace("%h/.local/bin/loopdeskd", &program);
    let file = home.path().join("loopdesk.service");
    std::fs::write(&file, &unit).unwrap();
    let file = file.display().to_string();
    let output = home
        .run("systemd-analyze", ["--user", "verify", &file])
        .await
        .ok();
    // A key that systemd doesn't know is only a warning to it.
    assert_eq!(output.stderr, "");
    std::fs::write(
        home.path().join("loopdesk.service"),
        unit.replace("Restart=", "Restrat="),
    )
    .unwrap();
    let output = home
        .run("systemd-analyze", ["--user", "verify", &file])
        .await;
    assert!(
        output.stderr.contains("Restrat"),
        "the check itself works: {output:?}"
    );
}

#[tokio::test]
async fn the_plist_is_a_property_list_that_starts_the_daemon() {
    if !needs(&["python3"]) {
        return;
    }
    let home = Home::new(binary()).unwrap();
    let file = home.path().join("loopdesk.plist");
    std::fs::write(&file, packaging("launchd/loopdesk.plist")).unwrap();
    let script =
        "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let output = home
        .run("python3", ["-c", script, &file.display().to_string()])
        .await
        .ok();
    let plist = output.json();
    assert_eq!(plist["ProgramArguments"][0], "HOME/.local/bin/loopdeskd");
    assert_eq!(plist["KeepAlive"]["SuccessfulExit"], false);
}

#[tokio::test]
async fn the_example_configuration_shows_the_defaults() {
    let home = Home::new(binary()).unwrap();
    let example = packaging("config.toml");
    home.configure(&example);
    let as_shipped = shown(&home).await;
    // Every setting that is commented out is a real one, with its real default.
    let active = example
        .replace("#listen", "listen")
        .replace("#default-account", "default-account");
    let active: Vec<_> = active
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') || rest.trim_start().starts_with("\"http") => rest,
            _ => line,
        })
        .filter(|line| {
            !line.starts_with("url =")
                && !line.starts_with("port =")
                && !line.starts_with("extra-ca-file =")
                && !line.starts_with("hooks.")
        })
        .collect();
    home.configure(&active.join("\n"));
    assert_eq!(shown(&home).await, as_shipped);
}

/// The configuration in use, without the lines that it comes from.
async fn shown(home: &Home) -> serde_json::Value {
    let shown = home.loopdesk(["config", "show", "--json"]).await.ok();
    let mut shown = shown.json();
    shown.as_object_mut().unwrap().remove("sources");
    shown
}
