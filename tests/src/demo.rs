//! `cargo demo`: all of loopdesk in half a minute, without an account.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::stage::Stage;
use crate::zendesk::{Record, Zendesk, users};

/// Shows scripts at work while their token pair rotates, with a simulated Zendesk.
#[derive(Debug, Parser)]
#[command(name = "cargo demo --")]
struct Arguments {
    /// Leave everything running afterwards, to try by hand.
    #[arg(long)]
    stay: bool,
}

/// Runs the demo.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let binary = std::env::current_exe().expect("the demo's own binary");
    runtime.block_on(show(binary, arguments.stay))
}

/// Prints one line. If the reader has gone, the demo cleans up and ends.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        READER_GONE.cancel();
    }
}

/// Runs the demo; however it ends, it leaves neither a process nor a file behind.
async fn show(binary: PathBuf, stay: bool) -> ExitCode {
    let mut end = End::new();
    let zendesk = Zendesk::builder()
        .granted_access_ttl(ACCESS_TTL)
        .consenting_user(users::AGENT);
    let stage = tokio::select! {
        stage = Stage::set(&binary, zendesk) => stage,
        () = end.came() => return ExitCode::FAILURE,
    };
    let daemon = tokio::select! {
        daemon = stage.daemon() => daemon,
        () = end.came() => return ExitCode::FAILURE,
    };
    let succeeded = tokio::select! {
        succeeded = play(&stage) => succeeded,
        () = end.came() => false,
    };
    if succeeded && stay {
        invite(&stage);
        end.came().await;
    }
    daemon.stop().await;
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Logs in, reads and writes through several rotations, and reports whether every request
/// succeeded.
async fn play(stage: &Stage) -> bool {
    say(&format!(
        "A simulated Zendesk runs at {}. Its access tokens live {} s, and each refresh deletes the \
         old pair, as Zendesk's do.\n",
        stage.zendesk.origin(),
        ACCESS_TTL.as_secs()
    ));

    say("$ loopdesk login");
    let login = stage.home.loopdesk(["login"]).await;
    say(login.stdout.trim_end());
    if login.code != Some(0) {
        say(&login.stderr);
        return false;
    }

    let base = stage.base();
    say(&format!(
        "\nNow curl pages through all tickets of {base}/api/v2/tickets.json, following next_page, and \
         files a ticket each time. It sends a dummy password and knows nothing of tokens.\n"
    ));
    let mut tally = Tally::default();
    let mut rotations = 0;
    while rotations < ROTATIONS {
        let pages = page(stage, &mut tally).await;
        post(stage, &mut tally).await;
        let now = count_rotations(&stage.zendesk.requests());
        if now > rotations {
            rotations = now;
            say(&format!(
                "rotation {rotations}: {} requests so far, the last round read {pages} pages",
                tally.requests
            ));
        }
    }

    say("\n$ loopdesk status");
    say(stage.home.loopdesk(["status"]).await.stdout.trim_end());
    say(&format!(
        "\nrequests: {}   rotations: {rotations}   failures: {}",
        tally.requests, tally.failures
    ));
    tally.failures == 0
}

fn invite(stage: &Stage) {
    say(&format!(
        "\nEverything stays up until you press Ctrl-C. In another terminal:\n\n  \
         curl {base}/api/v2/users/me.json\n  \
         env -i HOME={home} XDG_CONFIG_HOME={home}/config XDG_STATE_HOME={home}/state \
         XDG_RUNTIME_DIR={home}/run {bin}/loopdesk status",
        base = stage.base(),
        home = stage.home.path().display(),
        bin = stage.home.bin().display(),
    ));
}

/// What ends the demo early, and what `--stay` waits for: a signal from a terminal, a supervisor or
/// a closed session, or a closed pipe.
struct End([Signal; 3]);

impl End {
    fn new() -> Self {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        Self(kinds.map(|kind| signal(kind).expect("a signal can be waited for")))
    }

    async fn came(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = READER_GONE.cancelled() => {}
        }
    }
}

static READER_GONE: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

#[derive(Debug, Default)]
struct Tally {
    requests: usize,
    failures: usize,
}

/// Reads every page of tickets, as a script would; returns how many there are.
async fn page(stage: &Stage, tally: &mut Tally) -> usize {
    let mut url = format!("{}/api/v2/tickets.json?per_page=50", stage.base());
    let mut pages = 0;
    loop {
        tally.requests += 1;
        let credential = "agent@example.com/token:dummy";
        let output = stage
            .home
            .run("curl", ["-sSf", "-u", credential, &url])
            .await;
        let page: serde_json::Value = match serde_json::from_str(&output.stdout) {
            Ok(page) if output.code == Some(0) => page,
            _ => {
                tally.failures += 1;
                say(&format!("FAILED: {url}: {}", output.stderr.trim()));
                return pages;
            }
        };
        pages += 1;
        match page["next_page"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => return pages,
        }
    }
}

async fn post(stage: &Stage, tally: &mut Tally) {
    tally.requests += 1;
    let ticket = r#"{"ticket":{"subject":"Printer","comment":{"body":"It is on fire."}}}"#;
    let json = "Content-Type: application/json";
    let output = stage
        .curl("/api/v2/tickets.json", &["-f", "-H", json, "-d", ticket])
        .await;
    if output.code != Some(0) {
        tally.failures += 1;
        say(&format!("FAILED: a ticket: {}", output.stderr.trim()));
    }
}

fn count_rotations(records: &[Record]) -> usize {
    let rotated = |r: &&Record| {
        let post = r.token_post.as_ref();
        post.is_some_and(|post| post.grant == "refresh_token" && post.error.is_none())
    };
    records.iter().filter(rotated).count()
}

/// Short enough to watch, long enough that most requests don't meet a rotation.
const ACCESS_TTL: Duration = Duration::from_secs(4);

/// Enough rotations to be convincing.
const ROTATIONS: usize = 6;
