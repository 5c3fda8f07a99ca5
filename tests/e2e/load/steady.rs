//! A load that continues while tokens rotate: for a minute, or ten with `tests/run --long`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use loopdesk_tests::Stage;
use loopdesk_tests::scripts::Script;
use loopdesk_tests::zendesk::{Record, Standing};

use crate::stage_with_ttl;

const ACCESS_TTL: u64 = 3;
const CONNECTIONS: usize = 64;
/// Each script pauses this long between two requests: a load, not a race for the machine's two
/// cores, on which daemon, Zendesk and scripts all run.
const THINKS: Duration = Duration::from_millis(50);

/// For a minute, while access tokens live 3 s, 64 scripts use one connection each, and a shell runs
/// one curl after another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_minute_of_scripts_across_rotations_without_a_failure() {
    let mut stage = stage_with_ttl(ACCESS_TTL).await;
    stage.home.set("LOOPDESK_LOG", "info");
    let _daemon = stage.logged_in().await;
    let seconds = if crate::is_long() { 600 } else { 60 };
    stage.zendesk.clear();
    let load = Load::start(stage.port);
    let shell = shell(&stage, seconds).await;
    let (answers, elapsed) = load.stop().await;

    let failed: Vec<_> = answers.iter().filter(|a| a.failure.is_some()).collect();
    assert!(
        failed.is_empty(),
        "{} failed: {:?}",
        failed.len(),
        failed[0]
    );
    let records = stage.zendesk.requests();
    let refreshes: Vec<_> = records.iter().filter(|r| is_refresh(r)).collect();
    for refresh in &refreshes {
        let post = refresh.token_post.as_ref().unwrap();
        assert_eq!(post.refresh_token, Some(Standing::Live), "{refresh}");
    }
    // Refreshed after three quarters of the lifetime, or up to a tenth earlier because of jitter.
    let least = Duration::from_secs(ACCESS_TTL).as_secs_f64() * 0.65;
    let most = elapsed.as_secs_f64() / least + 1.0;
    let made = refreshes.len() as f64;
    assert!(made <= most, "{made} refreshes in {elapsed:?}");
    assert!(refreshes.len() >= 10, "tokens have rotated");
    let refused = records
        .iter()
        .filter(|r| r.status().is_some_and(|s| s == 401))
        .count();
    let requests = answers.len() + shell;
    assert!(
        refused * 100 <= requests,
        "{refused} of {requests} requests met a 401"
    );
    let report = report(&answers, &refreshes);
    println!(
        "{report}\n{requests} requests in {elapsed:?}, {} refreshes, {refused} upstream 401s",
        refreshes.len()
    );
}

fn is_refresh(record: &Record) -> bool {
    let post = record.token_post.as_ref();
    post.is_some_and(|post| post.grant == "refresh_token")
}

/// Prints how long requests took that met a rotation, and how long the others took.
fn report(answers: &[Answered], refreshes: &[&Record]) -> String {
    let mut lines = Vec::new();
    let margin = jiff::SignedDuration::from_millis(250);
    let meets = |answer: &&Answered| {
        let end = answer.at + jiff::SignedDuration::try_from(answer.took).unwrap();
        let hits = |r: &&&Record| answer.at <= r.at + margin && r.at - margin <= end;
        refreshes.iter().any(|r| hits(&r))
    };
    let (during, between): (Vec<_>, Vec<_>) = answers.iter().partition(meets);
    for (name, answers) in [("near a rotation", during), ("between rotations", between)] {
        let mut took: Vec<_> = answers.iter().map(|answer| answer.took).collect();
        took.sort();
        let Some(last) = took.last() else {
            continue;
        };
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        lines.push(format!(
            "{} requests {name}: p50 {:?}, p99 {:?}, longest {last:?}",
            took.len(),
            at(50),
            at(99),
        ));
    }
    lines.join("\n")
}

/// Requests of a shell that waits for each; none may fail.
async fn shell(stage: &Stage, seconds: u64) -> usize {
    let script = format!(
        "end=$(( $(date +%s) + {seconds} )); n=0; while [ $(date +%s) -lt $end ]; do \
         n=$((n + 1)); \
         code=$(curl -sS --max-time 30 -u a@b.c/token:x -o /dev/null -w '%{{http_code}}' \
         '{base}/api/v2/tickets.json?page=1&per_page=10') || code=none; \
         [ \"$code\" = 200 ] || echo \"request $n: $code\" >&2; done; echo $n",
        base = stage.base(),
    );
    let shell = stage.home.run("sh", ["-c", &script]).await.ok();
    assert_eq!(shell.stderr, "", "no request fails");
    shell.stdout.trim().parse().unwrap()
}

#[derive(Debug)]
struct Answered {
    at: Timestamp,
    took: Duration,
    failure: Option<String>,
}

struct Load {
    started: Instant,
    stop: Arc<AtomicBool>,
    scripts: Vec<tokio::task::JoinHandle<Vec<Answered>>>,
}

impl Load {
    fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let number = Arc::new(AtomicUsize::new(0));
        let scripts = (0..CONNECTIONS).map(|_| {
            let (stop, number) = (Arc::clone(&stop), Arc::clone(&number));
            tokio::spawn(async move {
                let mut script = Script::of(port);
                let mut answers = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let ticket = number.fetch_add(1, Ordering::Relaxed) % 200 + 1;
                    answers.push(ask(&mut script, ticket).await);
                    tokio::time::sleep(THINKS).await;
                }
                answers
            })
        });
        Self {
            started: Instant::now(),
            scripts: scripts.collect(),
            stop,
        }
    }

    async fn stop(self) -> (Vec<Answered>, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut answers = Vec::new();
        for script in self.scripts {
            answers.extend(script.await.unwrap());
        }
        (answers, self.started.elapsed())
    }
}

async fn ask(script: &mut Script, ticket: usize) -> Answered {
    let (at, started) = (loopdeskd::clock::Clock::system().now(), Instant::now());
    let answer = script.get(&format!("/api/v2/tickets/{ticket}.json")).await;
    Answered {
        at,
        took: started.elapsed(),
        failure: match answer {
            Ok(status) if status == 200 => None,
            Ok(status) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        },
    }
}
