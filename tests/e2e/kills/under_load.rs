//! SIGKILL at any moment, while scripts run and tokens rotate without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use loopdesk_protocol::session::{REFRESH, RefreshRequest};
use loopdesk_protocol::status::State;
use loopdesk_tests::scripts::Script;
use loopdesk_tests::zendesk::Standing;
use loopdesk_tests::{Daemon, Failpoints};
use loopdeskd::failpoint::ANSWER_READ;

use crate::stage_with_ttl;

const SCRIPTS: usize = 8;
/// About as long as a rotation takes here, so that kills hit every moment of one.
const LATEST: Duration = Duration::from_millis(60);
/// Before asking again after a daemon has died.
const PAUSE: Duration = Duration::from_millis(5);

#[tokio::test]
async fn r3_killed_at_any_moment_under_load_nothing_that_reached_the_daemon_is_lost() {
    let mut stage = stage_with_ttl(2).await;
    let Some(failpoints) = Failpoints::of(&mut stage.home) else {
        return;
    };
    let kills = if crate::is_long() { 500 } else { 50 };
    let mut daemon = stage.logged_in().await;
    let load = Load::start(stage.port);
    // Pairs whose response had not arrived completely when the daemon was killed; and, among those
    // that were kept, one whose trace was a moment late.
    let (mut lost, mut kept) = (0, 0);
    for kill in 0..kills {
        stage.zendesk.clear();
        // Rotations without a pause between them, so that the kill happens in the middle of one.
        let control = stage.control();
        let rotating = tokio::spawn(async move {
            loop {
                let refreshed = control.post(REFRESH, &RefreshRequest::default()).await;
                if refreshed.is_err() {
                    // The daemon is dead: the connection is refused without a wait.
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        let refreshed = stage
            .zendesk
            .wait_for_within(Duration::from_secs(30), |records| {
                records.iter().any(|r| r.token_post.is_some())
            });
        refreshed
            .await
            .unwrap_or_else(|late| panic!("kill {kill}: {late}"));
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let moment = LATEST.mul_f64(u64::from_le_bytes(random) as f64 / u64::MAX as f64);
        tokio::time::sleep(moment).await;
        daemon.kill().await;
        rotating.abort();

        // What Zendesk has acted on by now is everything that it will act on.
        stage.zendesk.connections_closed().await;
        let made = stage.zendesk.tokens().len();
        let reached_us = failpoints.count(ANSWER_READ);
        let is_excused = made > reached_us + lost + kept;
        assert!(
            made <= reached_us + lost + kept + 1,
            "{made}, {reached_us}, {lost}"
        );
        daemon = stage.daemon().await;
        let (status, body) = stage.get("/api/v2/users/me.json").await;
        if is_excused && status == 200 {
            kept += 1;
        } else if is_excused {
            assert_eq!(status, 401, "kill {kill}: {body}");
            assert!(body.contains("the answer to a refresh was lost"), "{body}");
            assert_eq!(stage.acme().await.state, State::Ended);
            // The pair that Zendesk has made is lost.
            stage.zendesk.revoke_tokens();
            stage.home.loopdesk(["login"]).await.ok();
            lost += 1;
        } else {
            let log = || Daemon::log(&stage.home);
            assert_eq!(status, 200, "kill {kill}: {body}\n{}", log());
        }
        for record in stage.zendesk.requests() {
            let post = record.token_post.as_ref();
            let standing = post.and_then(|post| post.refresh_token);
            let is_known = is_excused || matches!(standing, None | Some(Standing::Live));
            assert!(is_known, "kill {kill}: {record}");
        }
        assert_eq!(stage.live_pairs(), 1, "kill {kill}");
    }
    let answered = load.stop().await;
    println!(
        "{kills} kills among {} rotations, {answered} requests answered, {lost} logins excused",
        stage.zendesk.tokens().len()
    );
}

/// Scripts that continue whatever happens. Only live daemons have to respond.
struct Load {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    fn start(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let one = |_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut script = Script::of(port);
                while !stop.load(Ordering::Relaxed) {
                    match script.get("/api/v2/tickets/1.json").await {
                        Ok(_) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        // No daemon; its port refuses connections at once.
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    }
                }
            })
        };
        let tasks = (0..SCRIPTS).map(one).collect();
        Self {
            tasks,
            stop,
            answered,
        }
    }

    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.answered.load(Ordering::Relaxed)
    }
}
