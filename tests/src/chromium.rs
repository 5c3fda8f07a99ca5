//! A person who uses a real Chromium, driven by `tests/browser/drive.mjs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::needs::needs;

/// One page that the person has seen.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    /// The step that led there.
    pub step: String,
    /// The response's status; 0 if the page hasn't changed.
    #[serde(default)]
    pub status: u16,
    /// The tab's title.
    pub title: String,
    /// All its text.
    pub text: String,
    /// The kinds of resources requested for it, including redirects.
    pub requests: Vec<String>,
    /// What Chromium has found wrong with it, for example because of its security policy.
    pub complaints: Vec<String>,
    /// The language it declares.
    pub lang: String,
    /// Its headings, such as `h1 Logged in`.
    pub headings: Vec<String>,
    /// How many main landmarks it has.
    pub mains: usize,
    /// How many scripts it has.
    pub scripts: usize,
}

/// What the last page looks like in a window of one width and one colour scheme.
#[derive(Clone, Debug, Deserialize)]
pub struct Look {
    /// The background's colour.
    pub ground: String,
    /// The lowest contrast of its texts.
    pub contrast: f64,
    /// Whether it is wider than the window.
    pub scrolls_sideways: bool,
}

/// What a person at the browser has seen, page by page.
#[derive(Debug)]
pub struct Visit {
    /// The pages.
    pub pages: Vec<Seen>,
    /// The last page by window, if it was looked at: `desk-light`, `desk-dark`, `phone-light`,
    /// `phone-dark`.
    pub looks: BTreeMap<String, Look>,
}

impl Visit {
    /// The last page.
    ///
    /// # Panics
    /// If there was none.
    pub fn last(&self) -> &Seen {
        self.pages.last().expect("a page was opened")
    }
}

/// Whether everything that this needs is installed. If not, prints what is left out.
///
/// # Panics
/// If something is missing that must not be left out: with `CI=true`.
pub fn is_there() -> bool {
    let is_installed = folder().join("node_modules/playwright-core").exists();
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        is_installed || !is_ci,
        "`npm ci` has not been run in tests/browser"
    );
    if !is_installed {
        crate::demo::say("left out: `npm ci` has not been run in tests/browser");
    }
    is_installed && needs(&["node", "chromium"])
}

/// Opens `url` and carries out `steps`. With `look`, a name, the last page is examined closely; if
/// `LOOPDESK_SHOTS` names a folder, pictures of it are saved there.
///
/// # Panics
/// With Chromium's message, if a step can't be carried out.
pub async fn visit(home: &Path, url: &str, steps: &[&str], look: Option<&str>) -> Visit {
    let task = serde_json::json!({
        "url": url,
        "steps": steps,
        "look": look,
        "shots": std::env::var("LOOPDESK_SHOTS").ok(),
    });
    drive(home, &task).await
}

/// Opens `url`, which shows `page` until its host's name is rebound to this machine, and carries
/// out `steps`.
///
/// # Panics
/// With Chromium's message, if a step can't be carried out.
pub async fn rebound(home: &Path, url: &str, page: &str, steps: &[&str]) -> Visit {
    let task = serde_json::json!({"url": url, "steps": steps, "planted": page});
    drive(home, &task).await
}

async fn drive(home: &Path, task: &Value) -> Visit {
    let mut driver = Command::new("node")
        .arg(folder().join("drive.mjs"))
        // Chromium keeps a cache and a crash log in the home folder.
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node can be started");
    // Not an argument: the URL contains a login's state.
    let mut stdin = driver.stdin.take().expect("a pipe");
    let told = stdin.write_all(task.to_string().as_bytes()).await;
    told.expect("the driver listens");
    drop(stdin);
    let output = driver.wait_with_output().await.expect("the driver ends");
    let said = String::from_utf8_lossy(&output.stderr);
    let steps = &task["steps"];
    assert!(output.status.success(), "{steps}: {said}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<_> = stdout.lines().collect();
    let look = task["look"].as_str();
    let looks = look.and_then(|_| lines.pop()).unwrap_or("{}");
    let page = |line: &&str| serde_json::from_str(line).expect("a page");
    Visit {
        pages: lines.iter().map(page).collect(),
        looks: serde_json::from_str(looks).expect("looks"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}
