//! Random events in random order.

use jiff::SignedDuration;
use loopdesk_protocol::Kind;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Pass(i64),
    Wanted,
    Asked,
    Dead(bool),
    Granted(u64),
    InvalidGrant,
    Refused,
    Lost,
    Transient(bool),
    NotSent,
    Stored,
    NotStored,
    Learned(i64),
    Login,
    LoginFails,
    Logout,
    Reconfigured(bool),
    Found(bool),
    /// Another process has stored a session that many generations ahead, or its end.
    Superseded(u64, bool),
    NoKey,
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (-100_000_i64..200_000).prop_map(Event::Pass),
        4 => (0_i64..400).prop_map(Event::Pass),
        2 => Just(Event::Wanted),
        2 => Just(Event::Asked),
        2 => any::<bool>().prop_map(Event::Dead),
        6 => (1_u64..4000).prop_map(Event::Granted),
        1 => Just(Event::InvalidGrant),
        1 => Just(Event::Refused),
        2 => Just(Event::Lost),
        2 => any::<bool>().prop_map(Event::Transient),
        1 => Just(Event::NotSent),
        8 => Just(Event::Stored),
        4 => Just(Event::NotStored),
        1 => (0_i64..4000).prop_map(Event::Learned),
        1 => Just(Event::Login),
        1 => Just(Event::LoginFails),
        1 => Just(Event::Logout),
        1 => any::<bool>().prop_map(Event::Reconfigured),
        4 => any::<bool>().prop_map(Event::Found),
        1 => (0_u64..3, any::<bool>()).prop_map(|(by, lives)| Event::Superseded(by, lives)),
        1 => Just(Event::NoKey),
        1 => Just(Event::Nothing),
    ]
}

impl World {
    fn happen(&mut self, event: Event) {
        // The refresher allows logins, logouts and moves only while nothing else is in progress.
        let is_quiet = !self.machine.is_rotating() && self.storing.is_none() && !self.loading;
        match event {
            Event::Pass(seconds) => self.pass(seconds),
            Event::Wanted => self.on(Input::Wanted),
            Event::Asked => self.on(Input::Asked),
            Event::Dead(current) => {
                let current = if current {
                    self.machine.generation().get()
                } else {
                    1
                };
                self.on(Input::Dead(Generation::new(current)));
            }
            Event::Granted(lifetime) if self.in_flight.is_some() => self.granted(lifetime),
            Event::InvalidGrant if self.in_flight.is_some() => {
                self.answer(TokenOutcome::InvalidGrant(ErrorBody::default()))
            }
            Event::Refused if self.in_flight.is_some() => {
                self.answer(TokenOutcome::Refused(RefreshRejection {
                    why: "no".to_owned(),
                    fix: "ask".to_owned(),
                }));
            }
            Event::Lost if self.in_flight.is_some() => {
                self.answer(TokenOutcome::Lost("x".to_owned()))
            }
            Event::Transient(may_have_acted) if self.in_flight.is_some() => {
                self.answer(TokenOutcome::Transient {
                    why: "x".to_owned(),
                    may_have_acted,
                });
            }
            Event::NotSent if self.in_flight.is_some() => {
                self.in_flight = None;
                self.on(Input::NotSent(Problem::new(Kind::Vault, "x")));
            }
            Event::Stored if self.storing.is_some() || self.storing_end => self.stored(),
            Event::NotStored if self.storing.is_some() || self.storing_end => self.not_stored(),
            Event::Learned(seconds) => {
                let at = self.now + SignedDuration::from_secs(seconds);
                self.on(Input::Learned {
                    generation: self.machine.generation(),
                    expires_at: Some(at),
                    refresh_expires_at: Some(at),
                });
            }
            Event::Login if is_quiet => {
                self.on(Input::Pause);
                let next = self.machine.generation().get() + 1;
                self.durable = next;
                self.on(Input::Adopted(session_tokens(next, self.now, 600)));
            }
            Event::LoginFails if is_quiet => {
                self.on(Input::Pause);
                self.on(Input::Resume);
            }
            Event::Logout if is_quiet => {
                self.on(Input::Pause);
                self.storing_end = false;
                self.on(Input::Forgotten);
            }
            Event::Reconfigured(rebound) if is_quiet || !rebound => {
                self.on(Input::Reconfigured { rebound });
            }
            Event::Found(doubt) if self.loading => {
                let generation = self.durable.max(1);
                self.durable = generation;
                let tokens = session_tokens(generation, self.now, 900);
                self.found(tokens, doubt.then_some("x"));
            }
            Event::Superseded(by, lives) if self.in_flight.is_some() || self.storing.is_some() => {
                self.in_flight = None;
                self.storing = None;
                self.durable = self.durable.max(self.machine.generation().get()) + by;
                let generation = Generation::new(self.durable);
                let load = if lives {
                    let tokens = session_tokens(self.durable, self.now, 900);
                    // The machine raises a number that requests have already seen.
                    self.durable += 1;
                    LoadResult::Found {
                        tokens,
                        doubt: None,
                    }
                } else {
                    LoadResult::Over {
                        end: End {
                            at: self.now,
                            why: "theirs".to_owned(),
                            answer_lost: false,
                        },
                        person: None,
                        generation,
                    }
                };
                self.on(Input::Superseded(load));
            }
            Event::NoKey if self.loading => {
                self.loading = false;
                let problem = Problem::new(loopdesk_protocol::Kind::Vault, "locked");
                self.on(Input::Loaded(LoadResult::NoKey(problem)));
            }
            Event::Nothing if self.loading => {
                self.loading = false;
                self.on(Input::Loaded(LoadResult::Nothing));
            }
            Event::Granted(_)
            | Event::InvalidGrant
            | Event::Refused
            | Event::Lost
            | Event::Transient(_)
            | Event::NotSent
            | Event::Stored
            | Event::NotStored
            | Event::Login
            | Event::LoginFails
            | Event::Logout
            | Event::Reconfigured(_)
            | Event::Found(_)
            | Event::Superseded(..)
            | Event::NoKey
            | Event::Nothing => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// [`World::on`] asserts the invariants after every step.
    #[test]
    fn r1_r2_r3_r4_r6_the_invariants_hold_for_any_events_in_any_order(
        events in prop::collection::vec(event(), 0..200)
    ) {
        let mut world = World::new();
        for event in events {
            let was_live = matches!(world.machine.state(), State::Live(_));
            // If another process stored an end, it got `invalid_grant` there.
            let kills = matches!(event, Event::InvalidGrant | Event::Superseded(_, false));
            world.happen(event);
            if was_live && !kills {
                let ended = matches!(world.machine.state(), State::Ended(_));
                prop_assert!(!ended, "ended by something other than invalid_grant");
            }
        }
    }
}
