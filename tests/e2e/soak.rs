//! Months of a laptop in less than a minute: the clocks of the daemon and of Zendesk are moved.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use loopdesk_protocol::status::State;
use loopdesk_tests::needs::needs;
use loopdesk_tests::scripts::Script;
use loopdesk_tests::secret_service::{Bus, Keyring, Person};
use loopdesk_tests::wait::eventually;
use loopdesk_tests::zendesk::{Answer, Fault, Record};
use loopdesk_tests::{Daemon, Failpoints, Stage};

use super::keyring::{Desktop, GNOME, desktop};
use super::stage;

/// About 3,000 rotations.
const DAYS: i64 = 90;
/// The lifetime of access tokens; they are refreshed 450 to 600 s before its end.
const LIFETIME: i64 = 2400;
/// From one rotation to the next while the laptop is in use.
const STEP: i64 = 2000;
/// That many a day; the rest of the day is night.
const STEPS: i64 = 33;
const NIGHT: i64 = 24 * 3600 - STEP * STEPS;
/// How often a laptop behind a portal checks for a way out.
const GLANCE: i64 = 600;

/// Hourly rotations, nights asleep, evenings behind portals, clock changes, restarts of keyrings
/// and daemons: one POST for each rotation, one for each attempt that a portal has intercepted, and
/// no second login.
#[tokio::test]
async fn r4_r6_r7_months_of_a_laptop_cost_one_login() {
    let Some(mut laptop) = Laptop::unpacked().await else {
        return;
    };
    let started = Instant::now();
    for day in 0..DAYS {
        for _ in 0..STEPS {
            laptop.rotates_after(STEP).await;
        }
        match day % 9 {
            0 => laptop.evening_behind_a_portal(day / 9).await,
            3 => {
                laptop
                    .has_its_clock_set(SignedDuration::from_hours(24))
                    .await
            }
            5 => {
                laptop
                    .has_its_clock_set(SignedDuration::from_hours(-1))
                    .await
            }
            6 => laptop.keyring_restarts().await,
            8 => laptop.is_switched_off().await,
            _ => laptop.rotates_after(NIGHT).await,
        }
    }
    let Laptop {
        stage,
        rotations,
        refused,
        ..
    } = &laptop;
    let posts = refreshes(&stage.zendesk.requests());
    assert_eq!(posts, rotations + refused, "one POST for each");
    assert_eq!(stage.zendesk.tokens().len(), rotations + 1, "one login");
    assert_eq!(stage.live_pairs(), 1);
    let acme = stage.acme().await;
    assert_eq!(acme.state, State::Active);
    println!(
        "{DAYS} days in {:?}: {rotations} rotations, {posts} POSTs, {refused} of them refused",
        started.elapsed()
    );
}

struct Laptop {
    stage: Stage,
    failpoints: Failpoints,
    daemon: Option<Daemon>,
    desktop: Option<(Bus, Person, Keyring)>,
    script: Script,
    /// How far the daemon's clock is ahead, in seconds.
    ahead: i64,
    rotations: usize,
    refused: usize,
}

impl Laptop {
    /// A laptop with a person logged in; `None` if there are no failpoints.
    async fn unpacked() -> Option<Self> {
        let (mut stage, desktop) = if needs(GNOME) {
            let Desktop {
                stage,
                bus,
                person,
                keyring,
            } = desktop().await;
            (stage, Some((bus, person, keyring)))
        } else {
            (stage().await, None)
        };
        // Months of logging at the most verbose level would be most of the test's load.
        stage.home.set("LOOPDESK_LOG", "info");
        let lifetime = Duration::from_secs(LIFETIME.unsigned_abs());
        stage.zendesk.set_granted_access_ttl(lifetime);
        let failpoints = Failpoints::of(&mut stage.home)?;
        failpoints.set_clock(0);
        let daemon = stage.logged_in().await;
        Some(Self {
            script: Script::of(stage.port),
            stage,
            failpoints,
            daemon: Some(daemon),
            desktop,
            ahead: 0,
            rotations: 0,
            refused: 0,
        })
    }

    /// Moves all clocks forward.
    fn pass(&mut self, seconds: i64) {
        self.stage
            .zendesk
            .move_clock(SignedDuration::from_secs(seconds));
        self.set(seconds);
    }

    /// Sets the daemon's clock.
    fn set(&mut self, seconds: i64) {
        self.ahead += seconds;
        self.failpoints.set_clock(self.ahead * 1000);
    }

    async fn rotates_after(&mut self, seconds: i64) {
        self.pass(seconds);
        self.rotates().await;
    }

    /// Waits for the next pair, and uses it.
    async fn rotates(&mut self) {
        self.rotations += 1;
        self.has_posted(self.rotations + self.refused).await;
        self.serves(200).await;
    }

    async fn has_posted(&self, posts: usize) {
        let seen = |records: &[Record]| refreshes(records) >= posts;
        let within = Duration::from_secs(30);
        if self
            .stage
            .zendesk
            .wait_for_within(within, seen)
            .await
            .is_err()
        {
            let acme = self.stage.acme().await;
            let now = self.stage.zendesk.now();
            panic!("no POST number {posts} at {now}: {acme:#?}");
        }
    }

    async fn serves(&mut self, expected: u16) {
        let status = self.script.get("/api/v2/tickets/1.json").await.unwrap();
        let log = || Daemon::log(&self.stage.home);
        assert_eq!(status, expected, "rotation {}\n{}", self.rotations, log());
    }

    async fn evening_behind_a_portal(&mut self, number: i64) {
        let answers = [
            Answer::captive_portal(),
            Answer::redirect(302, "https://portal.example/login"),
            Answer::gateway_page(407),
            Answer::maintenance(60),
        ];
        let answer = answers[usize::try_from(number).unwrap() % answers.len()].clone();
        let portal = self.stage.zendesk.fault(Fault::on("*", "*").answer(answer));
        let before = self.refused;
        for _ in 0..NIGHT / GLANCE {
            self.pass(GLANCE);
            // Early in the evening the token isn't due yet.
            if self.is_due() {
                self.has_posted(self.rotations + self.refused + 1).await;
                // The pause before the next attempt starts when this response has been processed.
                eventually("the daemon waits for its next attempt", async || {
                    self.waits().await
                })
                .await;
                self.refused = refreshes(&self.stage.zendesk.requests()) - self.rotations;
            }
        }
        portal.remove();
        assert!(self.refused > before + 10, "it has tried");
        self.pass(NIGHT % GLANCE + GLANCE);
        self.rotates().await;
    }

    /// Whether the token in use is surely due.
    fn is_due(&self) -> bool {
        let tokens = self.stage.zendesk.tokens();
        let expiry = tokens.last().unwrap().access_expires_at;
        self.stage.zendesk.now() > expiry - SignedDuration::from_secs(450)
    }

    async fn waits(&self) -> bool {
        let now = self.stage.zendesk.now();
        let next = self.stage.acme().await.next_refresh_at;
        next.is_some_and(|next| next > now)
    }

    /// Wrong for a while, then right again; the night passes.
    async fn has_its_clock_set(&mut self, by: SignedDuration) {
        self.rotates_after(NIGHT).await;
        for by in [by, -by] {
            self.set(by.as_secs());
            self.rotates().await;
        }
    }

    async fn keyring_restarts(&mut self) {
        let Some((bus, person, keyring)) = self.desktop.take() else {
            return self.rotates_after(NIGHT).await;
        };
        keyring.end(&bus).await;
        self.rotates_after(NIGHT).await;
        let keyring = Keyring::gnome(&self.stage.home, &bus, &person, true).await;
        self.desktop = Some((bus, person, keyring));
    }

    async fn is_switched_off(&mut self) {
        self.daemon.take().unwrap().kill().await;
        self.pass(NIGHT);
        self.daemon = Some(self.stage.daemon().await);
        let is_active = async || self.stage.acme().await.state == State::Active;
        eventually("the session is active", is_active).await;
        self.rotates().await;
    }
}

fn refreshes(records: &[Record]) -> usize {
    let is_refresh = |r: &&Record| {
        let post = r.token_post.as_ref();
        // A fault may have struck before the request was read.
        post.is_some_and(|post| post.grant == "refresh_token") && r.status().is_some()
    };
    records.iter().filter(is_refresh).count()
}
