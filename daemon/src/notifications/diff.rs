//! What is news: compares a session's view with what the user was told about it. No I/O and no
//! clock.

use jiff::Timestamp;
use loopdesk_protocol::event::SessionEventKind;
use loopdesk_protocol::status::State;
use serde::{Deserialize, Serialize};

use crate::session::{Alert, AlertKind, View};

/// What the user was told about one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct NotifiedState {
    /// The problem that was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<ReportedProblem>,
    /// The last step of the countdown that was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    countdown: Option<CountdownStep>,
    /// The problem before it was resolved, so that the same one isn't reported twice a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    mended: Option<ReportedProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ReportedProblem {
    event: SessionEventKind,
    cause: String,
    at: Timestamp,
    /// It came back too soon to be reported again, so its end isn't reported either.
    #[serde(default)]
    quiet: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CountdownStep {
    until: Timestamp,
    days: u64,
    at: Timestamp,
}

/// The event to report now, if any. `told` records it as reported.
pub(super) fn diff(
    told: &mut NotifiedState,
    view: &View,
    now: Timestamp,
) -> Option<SessionEventKind> {
    match view.state {
        // The user logged out deliberately.
        State::SignedOut => {
            *told = NotifiedState::default();
            return None;
        }
        // Nothing is known about the session.
        State::KeyMissing => return None,
        State::Active
        | State::Rotating
        | State::Doubtful
        | State::Unsaved
        | State::Unreachable
        | State::Blocked
        | State::Ended => {}
    }
    let wrong = match &view.alert {
        Some(alert) => told.goes_wrong(alert, now),
        None => told.is_mended(view),
    };
    let near = told.comes_near(view, now);
    wrong.or(near)
}

impl NotifiedState {
    fn goes_wrong(&mut self, alert: &Alert, now: Timestamp) -> Option<SessionEventKind> {
        let event = match alert.kind {
            AlertKind::Ended => SessionEventKind::Ended,
            AlertKind::Blocked => SessionEventKind::Blocked,
            AlertKind::Demoted => SessionEventKind::Demoted,
        };
        let is_same = |wrong: &&ReportedProblem| wrong.event == event && wrong.cause == alert.cause;
        if self.wrong.as_ref().filter(is_same).is_some() {
            return None;
        }
        let mended = self.mended.as_ref().filter(is_same);
        let is_told = mended.is_some_and(|wrong| now.duration_since(wrong.at) < DAY);
        self.wrong = Some(ReportedProblem {
            event,
            cause: alert.cause.clone(),
            // A recurring cause is reported once a day.
            at: mended.filter(|_| is_told).map_or(now, |wrong| wrong.at),
            quiet: is_told,
        });
        (!is_told).then_some(event)
    }

    /// Only a success since then proves it: a daemon that has just started doesn't know about a
    /// block yet.
    fn is_mended(&mut self, view: &View) -> Option<SessionEventKind> {
        let wrong = self.wrong.take()?;
        if !(works(view) && since(view, wrong.at)) {
            self.wrong = Some(wrong);
            return None;
        }
        self.countdown = None;
        let is_quiet = wrong.quiet;
        self.mended = Some(wrong);
        (!is_quiet).then_some(SessionEventKind::Restored)
    }

    fn comes_near(&mut self, view: &View, now: Timestamp) -> Option<SessionEventKind> {
        let Some(warning) = view.expiry_warning else {
            let step = self.countdown.as_ref()?;
            let is_over = works(view) && since(view, step.at) && self.wrong.is_none();
            return is_over.then(|| {
                self.countdown = None;
                SessionEventKind::Restored
            });
        };
        let days = STEPS.into_iter().find(|step| warning.days <= *step)?;
        let is_told = self
            .countdown
            .as_ref()
            .is_some_and(|step| step.until == warning.until && step.days <= days);
        if is_told {
            return None;
        }
        self.countdown = Some(CountdownStep {
            until: warning.until,
            days,
            at: now,
        });
        Some(SessionEventKind::ExpiresSoon)
    }
}

fn works(view: &View) -> bool {
    matches!(view.state, State::Active | State::Rotating) && view.problem.is_none()
}

fn since(view: &View, then: Timestamp) -> bool {
    let newest = view.refreshed_at.max(view.good_at);
    newest.is_some_and(|at| at > then)
}

/// The days before the end on which it is reported, each once: often enough not to be missed, never
/// twice a day.
const STEPS: [u64; 6] = [0, 1, 2, 3, 7, 14];

const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

#[cfg(test)]
mod tests;
