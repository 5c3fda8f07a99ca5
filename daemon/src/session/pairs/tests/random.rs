//! Two state machines of one account, under random events in random order.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use loopdesk_protocol::{Kind, Problem};
use proptest::prelude::*;

use super::*;
use crate::session::model::oauth_error::ErrorBody;
use crate::session::model::per_role::role_index;
use crate::session::model::rejection::RefreshRejection;
use crate::session::model::token_pair::{Generations, SessionTokens};
use crate::session::report::merge::PairStates;
use crate::session::report::snapshot::PairState;
use crate::session::state::{Effect, Input, LoadResult, StateMachine};
use crate::session::testing::{Scripted, context, grant, session_tokens};
use crate::session::zendesk::account_context::AccountContext;

#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(i64),
    Asked,
    Dead,
    Granted,
    InvalidGrant,
    Refused,
    Lost,
    Transient(bool),
    Stored,
    NotStored,
    Logout,
}

fn event() -> impl Strategy<Value = (usize, Event)> {
    let event = prop_oneof![
        4 => (0_i64..2000).prop_map(Event::Pass),
        3 => Just(Event::Asked),
        1 => Just(Event::Dead),
        6 => Just(Event::Granted),
        1 => Just(Event::InvalidGrant),
        1 => Just(Event::Refused),
        3 => Just(Event::Lost),
        1 => any::<bool>().prop_map(Event::Transient),
        8 => Just(Event::Stored),
        2 => Just(Event::NotStored),
        1 => Just(Event::Logout),
    ];
    (0..2_usize, event)
}

/// Made once, because each one reads the system's certificates.
static SETUPS: LazyLock<[Arc<AccountContext>; 2]> = LazyLock::new(|| {
    let (clock, _mover) = crate::clock::Clock::movable();
    let base = context(&Scripted::new(&clock, 2, 3600), "loopdesk");
    Role::ALL.map(|role| base.for_role(role))
});

struct World {
    now: Timestamp,
    setups: [Arc<AccountContext>; 2],
    machines: [StateMachine; 2],
    in_flight: [bool; 2],
    storing: [bool; 2],
    numbers: BTreeSet<u64>,
}

impl World {
    fn new() -> Self {
        let generations = Generations::default();
        let mut world = Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            setups: SETUPS.clone(),
            machines: Role::ALL.map(|_| StateMachine::new(generations.clone()).0),
            in_flight: [false; 2],
            storing: [false; 2],
            numbers: BTreeSet::from([1, 2]),
        };
        for (at, number) in (1..=2).enumerate() {
            let tokens: SessionTokens = session_tokens(number, world.now, 900);
            world.on(
                at,
                Input::Loaded(LoadResult::Found {
                    tokens,
                    doubt: None,
                }),
            );
        }
        world
    }

    fn on(&mut self, at: usize, input: Input) {
        for effect in self.machines[at].on(self.now, 0.5, input) {
            match effect {
                Effect::Refresh { .. } => self.in_flight[at] = true,
                Effect::Store { tokens, .. } => {
                    let number = tokens.pair.generation.get();
                    // A retried store is of the same pair.
                    if !self.storing[at] {
                        assert!(
                            self.numbers.insert(number),
                            "pair {number} is there already"
                        );
                    }
                    self.storing[at] = true;
                }
                Effect::StoreEnd { .. } => self.storing[at] = true,
                Effect::Load
                | Effect::Hurry
                | Effect::Health(_)
                | Effect::Revoke(_)
                | Effect::Learn(_) => {}
            }
        }
    }

    fn answer(&mut self, at: usize, answer: TokenOutcome) {
        if std::mem::take(&mut self.in_flight[at]) {
            self.on(at, Input::Answered(answer));
        }
    }

    fn happen(&mut self, at: usize, event: Event) {
        match event {
            Event::Pass(seconds) => {
                self.now += SignedDuration::from_secs(seconds);
                for at in 0..2 {
                    self.on(at, Input::Tick);
                }
            }
            Event::Asked => self.on(at, Input::Asked),
            Event::Dead => {
                let generation = self.machines[at].generation();
                self.on(at, Input::Dead(generation));
            }
            Event::Granted => self.answer(at, TokenOutcome::Granted(grant(9, self.now, 900))),
            Event::InvalidGrant => {
                self.answer(at, TokenOutcome::InvalidGrant(ErrorBody::default()))
            }
            Event::Refused => self.answer(
                at,
                TokenOutcome::Refused(RefreshRejection {
                    why: "no".to_owned(),
                    fix: "ask".to_owned(),
                }),
            ),
            Event::Lost => self.answer(at, TokenOutcome::Lost("x".to_owned())),
            Event::Transient(may_have_acted) => self.answer(
                at,
                TokenOutcome::Transient {
                    why: "x".to_owned(),
                    may_have_acted,
                },
            ),
            Event::Stored if self.storing[at] => {
                self.storing[at] = false;
                self.on(at, Input::Stored);
            }
            Event::NotStored if self.storing[at] => {
                self.on(at, Input::NotStored(Problem::new(Kind::Vault, "full")));
            }
            Event::Logout if !self.in_flight[at] && !self.storing[at] => {
                self.on(at, Input::Pause);
                self.on(at, Input::Forgotten);
            }
            Event::Stored | Event::NotStored | Event::Logout => {}
        }
        self.check();
    }

    /// The invariants.
    fn check(&self) {
        let pairs = PairStates::new(|role| {
            let at = role_index(role);
            PairState::of(role, &self.machines[at], &self.setups[at], self.now)
        });
        let snapshot = Snapshot::merge(pairs);
        for rights in [TokenChoice::All, TokenChoice::ReadOnly] {
            if let Ready::Yes(used) = snapshot.ready(rights) {
                assert!(
                    used.expires_at > self.now,
                    "an expired token is never published"
                );
            }
        }
        if let Ready::Yes(used) = snapshot.ready(TokenChoice::All) {
            assert_eq!(
                used.role,
                Role::Primary,
                "the other is for those who may only read"
            );
        }
        match snapshot.ready(TokenChoice::ReadOnly) {
            Ready::Yes(used) => {
                let read_only = snapshot.pairs.get(Role::ReadOnly);
                let is_unheard_of = read_only.is_absent && !read_only.is_wanted;
                assert!(
                    used.role == Role::ReadOnly || is_unheard_of,
                    "{:?}",
                    used.role
                );
            }
            Ready::Soon | Ready::No(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn r5_whatever_happens_to_two_pairs_in_whatever_order(
        events in prop::collection::vec(event(), 0..150)
    ) {
        let mut world = World::new();
        for (at, event) in events {
            world.happen(at, event);
        }
    }
}
