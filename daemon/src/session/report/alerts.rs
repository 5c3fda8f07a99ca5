//! What about a session concerns people beyond its state: who has to be told what, and by when.

use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::status::State as Shown;
use loopdesk_protocol::{Kind, Problem, conditions};

use super::snapshot::View;
use crate::session::model::rejection::RefreshRejection;
use crate::session::model::schedule;
use crate::session::state::{Condition, State, StateMachine};

/// Something that a person is told of once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What.
    pub what: AlertKind,
    /// The same for as long as the cause is: Zendesk's own words may differ each time.
    pub cause: String,
}

/// What a person is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// The session is over.
    Ended,
    /// Zendesk refuses, and somebody has to act.
    Blocked,
    /// The person may do less than at the login.
    Demoted,
}

/// A session that comes nearer to its end, since it can't be refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// When it ends.
    pub until: Timestamp,
    /// Whole days until then.
    pub days: u64,
}

/// Completes `view` by what concerns people.
pub(in crate::session) fn complete(view: &mut View, machine: &StateMachine, now: Timestamp) {
    let health = machine.health();
    view.good_at = health.good_at;
    let before = view.person.as_ref().and_then(|person| person.role.clone());
    if let (Some(person), Some(role)) = (&mut view.person, &health.role) {
        person.role = Some(role.clone());
    }
    match machine.state() {
        State::Ended(ended) => {
            view.alert = alert(AlertKind::Ended, &ended.end.why);
        }
        State::Live(live) => {
            let block = match &live.condition {
                Condition::Blocked(block) => Some(block),
                Condition::Good | Condition::Doubtful | Condition::Unsaved(_) => None,
            };
            if let Some(block) = block.or(health.refused.as_ref()) {
                view.alert = alert(AlertKind::Blocked, &block.fix);
            }
            if let (Some(block), None) = (&health.refused, &view.problem) {
                view.problem = Some(refused(view, block));
            }
            if let (Some(person), None) = (&view.person, &view.problem)
                && let Some(problem) = demotion(view, person, before.as_deref())
            {
                view.alert = alert(
                    AlertKind::Demoted,
                    person.role.as_deref().unwrap_or_default(),
                );
                view.problem = Some(problem);
            }
            view.countdown = countdown(view, now);
            warn_of_the_end(view, now);
        }
        State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => {}
    }
}

fn alert(what: AlertKind, cause: &str) -> Option<Alert> {
    Some(Alert {
        what,
        cause: cause.to_owned(),
    })
}

fn refused(view: &View, block: &RefreshRejection) -> Problem {
    conditions::session_refused(&view.name, &block.why, &block.fix)
}

/// That the person has lost rights. Whoever has gained some misses nothing.
fn demotion(view: &View, person: &Person, before: Option<&str>) -> Option<Problem> {
    let (before, now) = (before?, person.role.as_deref()?);
    (rank(now)? < rank(before)?)
        .then(|| conditions::role_lost(&person.name, article(now), article(before), &view.name))
}

fn rank(role: &str) -> Option<u8> {
    match role {
        "end-user" => Some(0),
        "agent" => Some(1),
        "admin" => Some(2),
        _ => None,
    }
}

fn article(role: &str) -> String {
    let article = if role.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {role}")
}

/// How near the end is, if it is near and refreshing fails.
///
/// A healthy session slides and has no end, however short its lifetimes: what counts is an attempt
/// that has failed since the last success. It must be recent, or a laptop that is opened after weeks
/// would warn in the seconds before its refresh.
fn countdown(view: &View, now: Timestamp) -> Option<ExpiryWarning> {
    let (until, obtained) = (view.refresh_expires_at?, view.refreshed_at?);
    let failed = view.last_error.as_ref()?.at;
    let is_failing = failed > obtained && schedule::between(failed, now) < RECENT;
    let window = (schedule::between(obtained, until) / 2).min(WARN_FROM);
    let left = schedule::between(now, until);
    (is_failing && left <= window).then_some(ExpiryWarning {
        until,
        days: left.as_secs() / 86_400,
    })
}

/// Says in the problem that there is, or in one of its own, when the session will be over.
fn warn_of_the_end(view: &mut View, now: Timestamp) {
    let Some(ExpiryWarning { until, .. }) = view.countdown else {
        return;
    };
    let name = &view.name;
    let day = until.strftime("%Y-%m-%d %H:%M UTC");
    let end = if until > now {
        format!(
            "unless that is mended by {day}, the session ends and `loopdesk login {name}` is needed"
        )
    } else {
        format!(
            "Zendesk's limit for the session passed at {day}: `loopdesk login {name}` will be needed"
        )
    };
    let why = view.last_error.as_ref().map(|error| error.message.clone());
    let problem = view.problem.take().unwrap_or_else(|| {
        let since = view.refreshed_at.map_or_else(
            || "its login".to_owned(),
            |at| at.strftime("%Y-%m-%d").to_string(),
        );
        let why = why.unwrap_or_else(|| "no reason is known".to_owned());
        let mut problem = conditions::session_expires_soon(name, since, why);
        if !matches!(view.state, Shown::Active | Shown::Rotating) {
            problem.kind = Kind::Zendesk;
        }
        problem
    });
    view.problem = Some(problem.hint(end));
}

/// R7: time enough for a holiday to end and an admin to act.
const WARN_FROM: Duration = Duration::from_secs(14 * 86_400);
/// Blocked sessions are tried hourly, others more often: whatever fails now has failed within this.
const RECENT: Duration = Duration::from_secs(2 * 3600);

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use loopdesk_protocol::status::LastError;

    use super::*;

    fn view(now: Timestamp, refreshed: i64, ends: i64, failed: Option<i64>) -> View {
        let after = |hours| now + SignedDuration::from_hours(hours);
        View {
            refreshed_at: Some(after(-refreshed)),
            refresh_expires_at: Some(after(ends)),
            last_error: failed.map(|hours| LastError {
                at: after(-hours),
                message: "no network".to_owned(),
            }),
            ..crate::samples::view("acme")
        }
    }

    #[test]
    fn r7_only_a_session_that_fails_to_slide_is_counted_down() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let day = 24;
        let cases = [
            // 90 days, offline for 76 and more.
            (76 * day, 14 * day, Some(0), Some(14)),
            (80 * day, 10 * day, Some(1), Some(10)),
            (90 * day, -day, Some(1), Some(0)),
            (70 * day, 20 * day, Some(0), None),
            // Opened after weeks: nothing has failed yet.
            (80 * day, 10 * day, None, None),
            (80 * day, 10 * day, Some(79 * day), None),
            // The failure was before the last refresh.
            (1, 10 * day, Some(2), None),
            // Seven days are all there is: that isn't near.
            (1, 7 * day - 1, Some(0), None),
            (4 * day, 3 * day, Some(0), Some(3)),
        ];
        for (refreshed, ends, failed, expected) in cases {
            let found = countdown(&view(now, refreshed, ends, failed), now);
            let case = format!("{refreshed} h ago, {ends} h left, failed {failed:?}");
            assert_eq!(found.map(|found| found.days), expected, "{case}");
        }
    }

    #[test]
    fn r7_the_day_is_told_in_the_problem_that_there_is_or_in_one_of_its_own() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut alone = view(now, 80 * 24, 240, Some(0));
        alone.countdown = countdown(&alone, now);
        let mut beside = alone.clone();
        beside.problem = Some(Problem::new(Kind::Zendesk, "blocked").hint("ask Ada"));
        warn_of_the_end(&mut alone, now);
        warn_of_the_end(&mut beside, now);
        let (alone, beside) = (alone.problem.unwrap(), beside.problem.unwrap());
        assert!(alone.message.contains("no network"), "{alone:?}");
        assert_eq!(beside.hints.len(), 2);
        for problem in [alone, beside] {
            let last = problem.hints.last().unwrap();
            assert!(last.contains("mended by 2027-01-25 08:00 UTC"), "{last}");
        }
    }

    #[test]
    fn r4_less_is_told_and_more_is_not() {
        let view = crate::samples::view("acme");
        let person = |role: &str| Person {
            id: 1,
            name: "Ada".to_owned(),
            email: None,
            role: Some(role.to_owned()),
        };
        for (before, now, told) in [
            ("admin", "agent", true),
            ("agent", "end-user", true),
            ("agent", "admin", false),
            ("agent", "agent", false),
            ("agent", "light-agent", false),
        ] {
            let found = demotion(&view, &person(now), Some(before));
            assert_eq!(found.is_some(), told, "{before} to {now}");
        }
        let text = demotion(&view, &person("agent"), Some("admin")).unwrap();
        assert!(
            text.message
                .starts_with("Ada is an agent in Zendesk now, and was an admin"),
            "{text}"
        );
    }
}
