//! What people must know about a session beyond its state: alerts, lost rights, and a coming end.

use std::time::Duration;

use jiff::Timestamp;
use loopdesk_protocol::account::Person;
use loopdesk_protocol::status::State as Shown;
use loopdesk_protocol::{Kind, Problem, conditions};

use super::snapshot::View;
use crate::session::model::rejection::RefreshRejection;
use crate::session::model::schedule;
use crate::session::state::{Condition, State, StateMachine};

/// Something to notify a person of, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What happened.
    pub kind: AlertKind,
    /// Stays the same as long as the cause does. Zendesk's own wording may differ each time.
    pub cause: String,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// The session has ended.
    Ended,
    /// Zendesk refuses to serve the session until a person acts.
    Blocked,
    /// The user has fewer rights than at the login.
    Demoted,
}

/// The coming end of a session that can't be refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryWarning {
    /// When it ends.
    pub until: Timestamp,
    /// Whole days until then.
    pub days: u64,
}

/// Adds to `view` what people must know.
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
            view.expiry_warning = expiry_warning(view, now);
            add_expiry_warning(view, now);
        }
        State::Loading | State::SignedOut(_) | State::KeyMissing { .. } => {}
    }
}

fn alert(kind: AlertKind, cause: &str) -> Option<Alert> {
    Some(Alert {
        kind,
        cause: cause.to_owned(),
    })
}

fn refused(view: &View, block: &RefreshRejection) -> Problem {
    conditions::session_refused(&view.name, &block.why, &block.fix)
}

/// The problem of a user who has lost rights. Gaining rights isn't worth a word.
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

/// The warning that the session will end, if the end is near and refreshing fails.
///
/// Refreshing moves the end of a healthy session forward, however short its lifetimes are. So this
/// warns only if an attempt has failed since the last success, and recently: otherwise a laptop that
/// is opened after weeks would warn in the seconds before its refresh.
fn expiry_warning(view: &View, now: Timestamp) -> Option<ExpiryWarning> {
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

/// Adds the end of the session to the problem that the view has, or makes it a problem of its own.
fn add_expiry_warning(view: &mut View, now: Timestamp) {
    let Some(ExpiryWarning { until, .. }) = view.expiry_warning else {
        return;
    };
    let name = &view.name;
    let day = until.strftime("%Y-%m-%d %H:%M UTC");
    let end = if until > now {
        format!(
            "unless that is fixed by {day}, the session ends and `loopdesk login {name}` is needed"
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

/// R7: long enough for a holiday to end and an admin to act.
const WARN_FROM: Duration = Duration::from_secs(14 * 86_400);
/// Blocked sessions are retried hourly, others more often, so what still fails has failed within this.
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
            // A laptop opened after weeks: nothing has failed yet.
            (80 * day, 10 * day, None, None),
            (80 * day, 10 * day, Some(79 * day), None),
            // The failure was before the last refresh.
            (1, 10 * day, Some(2), None),
            // Of a total of seven days, that isn't near the end.
            (1, 7 * day - 1, Some(0), None),
            (4 * day, 3 * day, Some(0), Some(3)),
        ];
        for (refreshed, ends, failed, expected) in cases {
            let found = expiry_warning(&view(now, refreshed, ends, failed), now);
            let case = format!("{refreshed} h ago, {ends} h left, failed {failed:?}");
            assert_eq!(found.map(|found| found.days), expected, "{case}");
        }
    }

    #[test]
    fn r7_the_day_is_told_in_the_problem_that_there_is_or_in_one_of_its_own() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut alone = view(now, 80 * 24, 240, Some(0));
        alone.expiry_warning = expiry_warning(&alone, now);
        let mut beside = alone.clone();
        beside.problem = Some(Problem::new(Kind::Zendesk, "blocked").hint("ask Ada"));
        add_expiry_warning(&mut alone, now);
        add_expiry_warning(&mut beside, now);
        let (alone, beside) = (alone.problem.unwrap(), beside.problem.unwrap());
        assert!(alone.message.contains("no network"), "{alone:?}");
        assert_eq!(beside.hints.len(), 2);
        for problem in [alone, beside] {
            let last = problem.hints.last().unwrap();
            assert!(last.contains("fixed by 2027-01-25 08:00 UTC"), "{last}");
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
