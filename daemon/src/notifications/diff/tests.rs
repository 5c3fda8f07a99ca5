//! Sessions over days and restarts, and what is reported about them.

use jiff::SignedDuration;
use loopdesk_protocol::{Kind, Problem};

use super::*;
use crate::samples;
use crate::session::ExpiryWarning;

/// A session, a user who gets the notifications, and time.
struct World {
    told: NotifiedState,
    view: View,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut view = samples::view("acme");
        view.refreshed_at = Some(now);
        let told = NotifiedState::default();
        Self { told, view, now }
    }

    fn pass(&mut self, hours: i64) -> Option<SessionEventKind> {
        self.now += SignedDuration::from_hours(hours);
        if let Some(warning) = &mut self.view.expiry_warning {
            let left = warning.until.duration_since(self.now).as_hours();
            warning.days = u64::try_from(left).unwrap_or_default() / 24;
        }
        // After a restart the record is read back unchanged.
        let text = serde_json::to_string(&self.told).unwrap();
        self.told = serde_json::from_str(&text).unwrap();
        diff(&mut self.told, &self.view, self.now)
    }

    fn wrong(&mut self, kind: AlertKind, state: State, cause: &str) {
        self.view.state = state;
        self.view.problem = Some(Problem::new(Kind::Zendesk, "x"));
        self.view.alert = Some(Alert {
            kind,
            cause: cause.to_owned(),
        });
    }

    /// As after a restart: what was wrong isn't known again yet.
    fn seems_well(&mut self) {
        self.view.state = State::Active;
        self.view.problem = None;
        self.view.alert = None;
    }

    fn works(&mut self) {
        self.seems_well();
        self.now += SignedDuration::from_secs(1);
        self.view.refreshed_at = Some(self.now);
    }
}

#[test]
fn r4_each_cause_is_told_once_and_so_is_its_end() {
    let mut world = World::new();
    assert_eq!(world.pass(0), None);
    world.wrong(AlertKind::Blocked, State::Blocked, "ask Ada");
    assert_eq!(world.pass(1), Some(SessionEventKind::Blocked));
    for _ in 0..50 {
        assert_eq!(world.pass(1), None);
    }
    world.wrong(AlertKind::Blocked, State::Blocked, "ask Ben");
    assert_eq!(
        world.pass(1),
        Some(SessionEventKind::Blocked),
        "another cause"
    );
    world.wrong(AlertKind::Ended, State::Ended, "revoked");
    assert_eq!(world.pass(1), Some(SessionEventKind::Ended));
    world.works();
    assert_eq!(world.pass(1), Some(SessionEventKind::Restored));
    assert_eq!(world.pass(1), None);
}

#[test]
fn a_restart_proves_nothing() {
    let mut world = World::new();
    world.wrong(AlertKind::Blocked, State::Blocked, "ask Ada");
    assert_eq!(world.pass(1), Some(SessionEventKind::Blocked));
    for _ in 0..5 {
        world.view.state = State::KeyMissing;
        assert_eq!(world.pass(0), None);
        world.seems_well();
        assert_eq!(world.pass(0), None, "nothing has succeeded since");
        world.wrong(AlertKind::Blocked, State::Blocked, "ask Ada");
        assert_eq!(world.pass(1), None);
    }
}

#[test]
fn what_comes_and_goes_is_told_once_a_day() {
    let mut world = World::new();
    let mut told = Vec::new();
    for _ in 0..48 {
        world.wrong(AlertKind::Blocked, State::Blocked, "go to the VPN");
        told.extend(world.pass(1));
        world.works();
        told.extend(world.pass(0));
    }
    let blocked = told
        .iter()
        .filter(|event| **event == SessionEventKind::Blocked);
    assert_eq!(blocked.count(), 2, "{told:?}");
    assert_eq!(told.len(), 4, "each with its end: {told:?}");
}

#[test]
fn r7_the_countdown_is_told_in_steps_never_twice_a_day() {
    let mut world = World::new();
    let until = world.now + SignedDuration::from_hours(24 * 14 + 12);
    world.view.expiry_warning = Some(ExpiryWarning { until, days: 14 });
    world.view.problem = Some(Problem::new(Kind::Trouble, "no network"));
    let mut told = Vec::new();
    for hour in 0..(24 * 15) {
        if let Some(event) = world.pass(1) {
            assert_eq!(event, SessionEventKind::ExpiresSoon);
            told.push(hour);
        }
    }
    assert_eq!(told.len(), STEPS.len(), "{told:?}");
    for pair in told.windows(2) {
        assert!(pair[1] - pair[0] >= 24, "{told:?}");
    }
    world.view.expiry_warning = None;
    world.seems_well();
    assert_eq!(world.pass(0), None);
    world.works();
    assert_eq!(world.pass(0), Some(SessionEventKind::Restored));
    assert_eq!(world.told.countdown, None);
}

#[test]
fn a_logout_is_known_to_whoever_logs_out() {
    let mut world = World::new();
    world.wrong(AlertKind::Ended, State::Ended, "revoked");
    assert_eq!(world.pass(0), Some(SessionEventKind::Ended));
    world.seems_well();
    world.view.state = State::SignedOut;
    assert_eq!(world.pass(0), None);
    assert_eq!(world.told, NotifiedState::default());
}
