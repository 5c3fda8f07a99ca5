//! The files shipped for systemd and launchd are valid for them.

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
async fn systemd_finds_nothing_wrong_with_the_units() {
    if !needs(&["systemd-analyze"]) {
        return;
    }
    let home = Home::new(binary()).unwrap();
    let program = home.bin().join("loopdeskd").display().to_string();
    for name in ["loopdesk.socket", "loopdesk-v6.socket", "loopdesk.service"] {
        let unit = packaging(&format!("systemd/{name}"));
        let unit = unit.replace("/usr/bin/loopdeskd", &program);
        std::fs::write(home.path().join(name), unit).unwrap();
    }
    let verify = |name: &str| {
        let file = home.path().join(name).display().to_string();
        let home = &home;
        async move {
            home.run("systemd-analyze", ["--user", "verify", &file])
                .await
        }
    };
    for name in ["loopdesk.socket", "loopdesk-v6.socket", "loopdesk.service"] {
        // For systemd, an unknown key is only a warning.
        assert_eq!(verify(name).await.ok().stderr, "", "{name}");
    }
    let file = home.path().join("loopdesk.service");
    let wrong = std::fs::read_to_string(&file)
        .unwrap()
        .replace("Restart=", "Restrat=");
    std::fs::write(&file, wrong).unwrap();
    let output = verify("loopdesk.service").await;
    assert!(
        output.stderr.contains("Restrat"),
        "the check itself works: {output:?}"
    );
}

#[tokio::test]
async fn o1_the_machine_wide_agent_is_a_property_list_that_starts_the_daemon() {
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
    assert_eq!(plist["Label"], "loopdesk");
    assert_eq!(plist["KeepAlive"], true);
    assert_eq!(plist["Umask"], 0o077);
    assert_eq!(plist["Sockets"]["proxy"]["SockServiceName"], "8484");
    assert_eq!(plist["Sockets"]["proxy6"]["SockNodeName"], "::1");
    // The shell creates the log's folder, whose path differs for each user.
    let arguments: Vec<_> = plist["ProgramArguments"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let program = home.bin().join("loopdeskd").display().to_string();
    let line = arguments[2].as_str().unwrap();
    let line = line.replace("/usr/local/bin/loopdeskd", &format!("{program} --version"));
    assert!(line.contains(&program), "{line}");
    let said = home.run("/bin/sh", ["-c", &line]).await.ok();
    assert!(said.stdout.starts_with("loopdeskd "), "{said:?}");
    assert!(home.path().join("state/loopdesk/loopdeskd.log").exists());
}

#[tokio::test]
async fn the_example_configuration_shows_the_defaults() {
    let home = Home::new(binary()).unwrap();
    let example = packaging("config.toml");
    home.configure(&example);
    let as_shipped = shown(&home).await;
    // Every commented-out setting exists, and shows the real default.
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
                // Only in the machine's file.
                && !line.starts_with("locked =")
        })
        .collect();
    home.configure(&active.join("\n"));
    assert_eq!(shown(&home).await, as_shipped);
}

/// The configuration in use, without the lines that tell where each value comes from.
async fn shown(home: &Home) -> serde_json::Value {
    let shown = home.loopdesk(["config", "show", "--json"]).await.ok();
    let mut shown = shown.json();
    shown.as_object_mut().unwrap().remove("sources");
    shown
}
