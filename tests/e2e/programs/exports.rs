//! Singer's tap-zendesk, as a pipeline runs it.

use std::collections::BTreeMap;

use loopdesk_tests::clients::exec::python_program;
use loopdesk_tests::clients::{DUMMY, saw_only_loopdesk};
use loopdesk_tests::needs::needs;
use loopdesk_tests::zendesk::Zendesk;
use loopdesk_tests::{Output, Stage};
use serde_json::{Value, json};

use super::{exec, named, while_tokens_rotate, without_a_network};

#[tokio::test]
async fn s9_tap_zendesk_discovers_and_syncs_while_tokens_rotate() {
    let (named, _daemon) = named(Zendesk::builder().export_page(100)).await;
    let Some(tap) = Tap::of(&named.stage) else {
        return;
    };
    named.stage.zendesk.clear();
    let catalog = tap.discover().await;
    let streams = catalog["streams"].as_array().unwrap().len();
    assert_eq!(streams, 16, "all that the tap knows");
    let exported = |stream: &str| !PAST_PROXIES.contains(&stream);
    let synced = tap.sync(catalog, exported).await.ok();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in synced.stdout.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["type"] == "RECORD" {
            let stream = message["stream"].as_str().unwrap();
            *counts.entry(stream.to_owned()).or_default() += 1;
        }
    }
    let count = |stream: &str| counts.get(stream).copied();
    assert_eq!(
        ["tickets", "users", "organizations", "groups"].map(count),
        [Some(250), Some(120), Some(30), Some(1)],
        "{counts:?}"
    );
    saw_only_loopdesk(&named.stage, DUMMY);
}

/// Here the guide's table says what doesn't work. When this fails, a newer tap has learned it.
#[tokio::test]
async fn s9_tap_zendesks_audits_go_past_every_proxy() {
    let test = "programs::exports::s9_tap_zendesks_audits_go_past_every_proxy";
    if without_a_network(test).await {
        return;
    }
    let (named, _daemon) = named(Zendesk::builder()).await;
    let Some(tap) = Tap::of(&named.stage) else {
        return;
    };
    let catalog = tap.discover().await;
    let wanted = |stream: &str| stream == "tickets" || stream == "ticket_audits";
    let synced = tap.sync(catalog, wanted).await.failed(1);
    let why = "Cannot connect to host acme.zendesk.com";
    assert!(synced.stderr.contains(why), "{}", synced.stderr);
}

/// For these, the tap uses aiohttp without `trust_env`.
const PAST_PROXIES: [&str; 2] = ["ticket_audits", "ticket_comments"];

/// The tap, with any word as its token.
struct Tap<'a> {
    stage: &'a Stage,
    program: String,
    config: String,
}

impl<'a> Tap<'a> {
    fn of(stage: &'a Stage) -> Option<Self> {
        let program = python_program("tap-zendesk", "tap-zendesk");
        let program = program.display().to_string();
        let config = json!({
            "subdomain": "acme",
            "access_token": DUMMY,
            "start_date": "2020-01-01T00:00:00Z",
        });
        needs(&[&program]).then(|| Self {
            stage,
            program,
            config: file(stage, "tap.json", &config),
        })
    }

    async fn discover(&self) -> Value {
        let argv = [&self.program, "--config", &self.config, "--discover"];
        let discovery = exec(self.stage, &argv);
        let discovered = while_tokens_rotate(self.stage, discovery, &["/api/v2/macros*"]).await;
        discovered.ok().json()
    }

    async fn sync(&self, mut catalog: Value, is_wanted: impl Fn(&str) -> bool) -> Output {
        for stream in catalog["streams"].as_array_mut().unwrap() {
            let is_wanted = is_wanted(stream["stream"].as_str().unwrap());
            for metadata in stream["metadata"].as_array_mut().unwrap() {
                if metadata["breadcrumb"] == json!([]) {
                    metadata["metadata"]["selected"] = json!(is_wanted);
                }
            }
        }
        let catalog = file(self.stage, "catalog.json", &catalog);
        let argv = [
            &self.program,
            "--config",
            &self.config,
            "--catalog",
            &catalog,
        ];
        let sync = exec(self.stage, &argv);
        let paths = [
            "/api/v2/incremental/tickets/*",
            "/api/v2/incremental/users/*",
        ];
        while_tokens_rotate(self.stage, sync, &paths).await
    }
}

fn file(stage: &Stage, name: &str, content: &Value) -> String {
    let path = stage.home.path().join(name);
    std::fs::write(&path, content.to_string()).unwrap();
    path.display().to_string()
}
