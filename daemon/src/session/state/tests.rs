//! The state machine in a simulated world: scripted, then random.

mod random;

use jiff::SignedDuration;
use loopdesk_protocol::Kind;

use super::*;
use crate::session::model::oauth_error::ErrorBody;
use crate::session::testing::{grant, session_tokens, transient};

/// The world outside the state machine.
struct World {
    machine: StateMachine,
    now: Timestamp,
    /// The refresh in flight.
    in_flight: Option<Arc<SessionTokens>>,
    storing: Option<Arc<SessionTokens>>,
    storing_end: bool,
    loading: bool,
    /// The newest generation on disk.
    durable: u64,
    posts: usize,
    /// What the daily probe has asked for.
    probe_actions: Vec<ProbeAction>,
}

impl World {
    fn new() -> Self {
        let (machine, _) = StateMachine::new(Generations::default());
        Self {
            machine,
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            in_flight: None,
            storing: None,
            storing_end: false,
            loading: true,
            durable: 0,
            posts: 0,
            probe_actions: Vec::new(),
        }
    }

    /// A session with a token of `lifetime` seconds that was just obtained.
    fn live(lifetime: i64) -> Self {
        let mut world = Self::new();
        let tokens = session_tokens(1, world.now, lifetime);
        world.durable = 1;
        world.found(tokens, None);
        world
    }

    fn found(&mut self, tokens: SessionTokens, doubt: Option<&str>) {
        self.loading = false;
        self.on(Input::Loaded(LoadResult::Found {
            tokens,
            doubt: doubt.map(str::to_owned),
        }));
    }

    fn on(&mut self, input: Input) {
        let before = self.machine.generation();
        for effect in self.machine.on(self.now, 0.0, input) {
            match effect {
                Effect::Load => {
                    assert!(!self.loading, "one load at a time");
                    self.loading = true;
                }
                Effect::Refresh { tokens, .. } => {
                    assert!(self.in_flight.is_none(), "at most one refresh in flight");
                    assert!(self.storing.is_none(), "none before the last one is stored");
                    assert!(!matches!(self.machine.state(), State::Ended(_)));
                    self.in_flight = Some(tokens);
                    self.posts += 1;
                }
                Effect::Hurry => assert!(self.in_flight.is_some()),
                Effect::Store { tokens, .. } => self.storing = Some(tokens),
                Effect::StoreEnd { .. } => self.storing_end = true,
                Effect::Health(action) => self.probe_actions.push(action),
                Effect::Learn(_) | Effect::Revoke(_) => {}
            }
        }
        assert!(self.machine.generation() >= before, "generations only grow");
        self.check();
    }

    /// Asserts the invariants.
    fn check(&self) {
        if let Readiness::Ready(tokens) = self.machine.readiness(self.now) {
            assert!(
                tokens.pair.expires_at > self.now,
                "an expired token is never published"
            );
            let is_durable = tokens.pair.generation.get() <= self.durable;
            let is_unsaved = self.machine.shown() == status::State::Unsaved;
            assert!(is_durable || is_unsaved, "durable before it is used");
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.on(Input::Tick);
    }

    fn answer(&mut self, answer: TokenOutcome) {
        self.in_flight = None;
        self.on(Input::Answered(answer));
    }

    fn granted(&mut self, lifetime: u64) {
        let next = self.machine.generation().get() + 1;
        self.answer(TokenOutcome::Granted(grant(next, self.now, lifetime)));
    }

    fn stored(&mut self) {
        if let Some(tokens) = self.storing.take() {
            self.durable = self.durable.max(tokens.pair.generation.get());
        }
        self.storing_end = false;
        self.on(Input::Stored);
    }

    fn not_stored(&mut self) {
        self.storing = None;
        self.storing_end = false;
        self.on(Input::NotStored(Problem::new(Kind::Vault, "disk full")));
    }

    fn shown(&self) -> status::State {
        self.machine.shown()
    }

    fn is_ready(&self) -> bool {
        matches!(self.machine.readiness(self.now), Readiness::Ready(_))
    }

    fn generation(&self) -> u64 {
        self.machine.tokens().unwrap().pair.generation.get()
    }

    fn end(&self) -> &str {
        let State::Ended(ended) = self.machine.state() else {
            panic!("not ended: {:?}", self.machine);
        };
        &ended.end.why
    }
}

#[test]
fn o1_a_record_that_appears_after_the_start_is_found() {
    let nothing = |world: &mut World| {
        world.loading = false;
        world.on(Input::Loaded(LoadResult::Nothing));
        assert_eq!(world.shown(), status::State::SignedOut);
    };
    let mut world = World::new();
    nothing(&mut world);
    world.pass(10);
    assert!(!world.loading, "not all the time");
    world.pass(25);
    assert!(world.loading);
    world.pass(60);
    nothing(&mut world);
    // A command asks before the next lookup is due.
    world.on(Input::Look);
    assert!(world.loading);
    world.durable = 1;
    let late = session_tokens(1, world.now, 3600);
    world.found(late, None);
    assert!(world.is_ready());
    // A live session doesn't look for another record.
    world.on(Input::Look);
    assert!(!world.loading);

    // A record that was read before a logout is ignored.
    let mut world = World::new();
    nothing(&mut world);
    world.on(Input::Pause);
    world.pass(60);
    assert!(
        !world.loading,
        "nothing else reads the record during a login"
    );
    world.on(Input::Forgotten);
    let stale = session_tokens(1, world.now, 3600);
    world.found(stale, None);
    assert_eq!(world.shown(), status::State::SignedOut);
}

#[test]
fn a_refresh_is_stored_then_published() {
    let mut world = World::live(3600);
    world.pass(2999);
    assert_eq!(world.posts, 0);
    world.pass(2);
    assert_eq!(world.shown(), status::State::Rotating);
    assert!(world.is_ready(), "until then, the old token serves");
    world.granted(3600);
    assert_eq!(world.generation(), 1, "not before it is stored");
    world.stored();
    assert_eq!((world.generation(), world.posts), (2, 1));
    assert_eq!(world.shown(), status::State::Active);
}

#[test]
fn r2_a_dead_token_is_refreshed_at_once_and_once() {
    let mut world = World::live(3600);
    let generation = Generation::new(1);
    world.on(Input::Dead(generation));
    world.on(Input::Dead(generation));
    world.on(Input::Wanted);
    assert_eq!(world.posts, 1);
    assert!(!world.is_ready());
    world.granted(3600);
    world.stored();
    world.on(Input::Dead(generation));
    assert_eq!(
        world.posts, 1,
        "an older generation's death changes nothing"
    );
    assert!(world.is_ready());
}

#[test]
fn r3_a_pair_that_can_t_be_stored_is_served_unsaved_after_two_seconds() {
    let mut world = World::live(3600);
    world.pass(3001);
    world.granted(3600);
    for _ in 0..10 {
        world.not_stored();
        assert_eq!(world.shown(), status::State::Rotating);
        assert!(world.storing.is_some(), "tried again");
    }
    world.not_stored();
    assert_eq!(world.shown(), status::State::Unsaved);
    assert_eq!(world.generation(), 2);
    world.pass(3000);
    world.on(Input::Asked);
    world.on(Input::Wanted);
    assert_eq!(world.posts, 1, "no further refresh until it is saved");
    assert!(world.storing.is_some(), "still trying");
    world.stored();
    assert_eq!(world.shown(), status::State::Active);
    world.pass(1);
    assert_eq!(world.posts, 2);
}

#[test]
fn r4_a_refusal_blocks_and_is_retried_hourly_and_on_a_config_change() {
    let mut world = World::live(86_400);
    let refused = || {
        TokenOutcome::Refused(RefreshRejection {
            why: "invalid_client".to_owned(),
            fix: "ask".to_owned(),
        })
    };
    world.on(Input::Asked);
    world.answer(refused());
    assert_eq!(world.shown(), status::State::Blocked);
    assert!(world.is_ready(), "the token serves until it expires");
    for _ in 0..59 {
        world.pass(60);
        world.on(Input::Wanted);
    }
    assert_eq!(world.posts, 1);
    world.pass(60);
    assert_eq!(world.posts, 2);
    assert_eq!(world.shown(), status::State::Blocked, "until it is over");
    world.answer(refused());
    world.on(Input::Reconfigured { rebound: false });
    assert_eq!(world.posts, 3);
    world.granted(86_400);
    world.stored();
    assert_eq!(world.shown(), status::State::Active);
}

#[test]
fn r4_transient_failures_back_off_and_the_token_serves_until_it_expires() {
    let mut world = World::live(3600);
    world.pass(3001);
    for _ in 0..10_000 {
        if world.in_flight.is_some() {
            world.answer(transient("503"));
        }
        world.pass(1);
    }
    assert!(!world.is_ready());
    assert!(
        (20..90).contains(&world.posts),
        "{} attempts in 10000 s",
        world.posts
    );
    assert_eq!(world.shown(), status::State::Active);
    world.on(Input::Wanted);
    assert!(world.in_flight.is_some(), "a request may hurry it along");
    world.granted(3600);
    world.stored();
    assert!(world.is_ready());
}

#[test]
fn r5_a_lost_answer_is_retried_once_immediately_with_the_same_token() {
    let mut world = World::live(3600);
    world.pass(3001);
    world.answer(TokenOutcome::Lost("reset".to_owned()));
    assert_eq!(world.posts, 2);
    assert_eq!(world.in_flight.as_ref().unwrap().pair.generation.get(), 1);
    world.answer(TokenOutcome::InvalidGrant(ErrorBody::default()));
    assert_eq!(world.shown(), status::State::Ended);
    assert!(world.end().contains("lost (reset)"), "{}", world.end());
}

#[test]
fn r5_lost_twice_is_doubtful_and_goes_on() {
    let mut world = World::live(3600);
    world.pass(3001);
    world.answer(TokenOutcome::Lost("reset".to_owned()));
    world.answer(TokenOutcome::Lost("reset again".to_owned()));
    assert_eq!(world.shown(), status::State::Doubtful);
    assert!(world.is_ready());
    world.pass(2);
    assert_eq!(world.posts, 3);
    world.granted(3600);
    world.stored();
    assert_eq!(world.shown(), status::State::Active);
}

#[test]
fn r5_a_start_after_a_crash_tries_a_doubtful_pair_at_once() {
    let mut world = World::new();
    let tokens = session_tokens(5, world.now, 3600);
    world.durable = 5;
    world.found(tokens, Some("stopped while it waited"));
    assert_eq!(world.shown(), status::State::Doubtful);
    assert_eq!(world.posts, 1, "tried immediately");
    world.answer(TokenOutcome::InvalidGrant(ErrorBody::default()));
    assert!(world.end().contains("stopped while it waited"));
}

#[test]
fn r4_after_an_end_there_are_no_more_posts() {
    let mut world = World::live(3600);
    world.pass(3001);
    world.answer(TokenOutcome::InvalidGrant(ErrorBody::default()));
    assert!(world.is_ready(), "the access token serves until it dies");
    world.stored();
    for _ in 0..100 {
        world.pass(600);
        world.on(Input::Wanted);
        world.on(Input::Asked);
        world.on(Input::Dead(Generation::new(1)));
        world.on(Input::Reconfigured { rebound: false });
    }
    assert_eq!(world.posts, 1);
    assert!(!world.is_ready());
    assert_eq!(world.shown(), status::State::Ended);
}

#[test]
fn r6_suspend_and_clock_steps_cost_one_refresh_each() {
    let mut world = World::live(1800);
    let refresh = |world: &mut World, step: i64| {
        let before = world.posts;
        world.pass(step);
        assert_eq!(world.posts, before + 1, "after {step} s");
        world.granted(1800);
        world.stored();
        world.pass(1);
        assert_eq!(world.posts, before + 1, "no storm");
        assert!(world.is_ready());
    };
    refresh(&mut world, 8 * 3600);
    refresh(&mut world, 24 * 3600);
    refresh(&mut world, -24 * 3600);
    refresh(&mut world, -3600);
}

#[test]
fn r6_a_clock_that_is_set_back_while_an_answer_is_in_flight_costs_one_refresh() {
    let mut world = World::live(1800);
    world.pass(1500);
    let next = grant(2, world.now, 1800);
    world.now -= SignedDuration::from_hours(24);
    world.answer(TokenOutcome::Granted(next));
    world.stored();
    world.pass(1);
    assert_eq!(world.posts, 2, "the expiry is a day off");
    world.answer(transient("503"));
    world.pass(0);
    assert_eq!(world.posts, 2, "no storm");
    world.pass(2);
    world.granted(1800);
    world.stored();
    world.pass(1);
    assert_eq!(world.posts, 3);
}

#[test]
fn r9_a_missing_key_is_asked_for_again() {
    let mut world = World::new();
    world.loading = false;
    let no_key = || LoadResult::NoKey(Problem::new(Kind::Vault, "locked"));
    world.on(Input::Loaded(no_key()));
    assert_eq!(world.shown(), status::State::KeyMissing);
    world.pass(31);
    assert!(world.loading, "asked again");
    let tokens = session_tokens(3, world.now, 3600);
    world.durable = 3;
    world.found(tokens, None);
    assert_eq!(world.shown(), status::State::Active);
}

#[test]
fn nothing_else_touches_the_record_during_a_login_or_logout() {
    let mut world = World::live(3600);
    world.on(Input::Pause);
    world.pass(3000);
    world.on(Input::Wanted);
    world.on(Input::Asked);
    world.on(Input::Dead(Generation::new(1)));
    assert_eq!(world.posts, 0);
    world.on(Input::Resume);
    assert_eq!(world.posts, 1, "resumed");
}
