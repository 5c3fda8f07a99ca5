//! The problems of logins that fail.

use std::time::Duration;

use loopdesk_protocol::{Kind, Problem};

use super::Login;
use crate::session::callback::server;
use crate::telemetry::Sent;

impl Login {
    pub(in crate::session) fn denied(&self) -> Problem {
        let name = self.name();
        let message = format!("the login of account `{name}` was not allowed in the browser");
        Problem::new(Kind::Login, message).hint(format!(
            "run `loopdesk login {name}` again and choose Allow"
        ))
    }

    pub(in crate::session) fn refused(&self, error: &Sent, description: Option<&Sent>) -> Problem {
        let said = match description {
            Some(description) if !description.is_empty() => format!("{description} ({error})"),
            _ => error.to_string(),
        };
        self.failed(Kind::Login, &format!("Zendesk says: {said}"))
    }

    pub(in crate::session) fn failed(&self, kind: Kind, why: &str) -> Problem {
        let name = self.name();
        Problem::new(kind, format!("the login of account `{name}` failed: {why}"))
            .hint(format!("run `loopdesk login {name}` again"))
    }

    pub(in crate::session) fn superseded(&self) -> Problem {
        if self.session.0.pending_callback.is_closed() {
            return server::stopping();
        }
        let message = "another login of this account was started in the meantime";
        Problem::new(Kind::Login, message).hint("continue with that one")
    }

    pub(in crate::session) fn timed_out(&self, patience: Duration) -> Problem {
        let name = self.name();
        let minutes = patience.as_secs() / 60;
        Problem::new(
            Kind::Timeout,
            format!("the login of account `{name}` wasn't finished within {minutes} minutes"),
        )
        .hint(format!("run `loopdesk login {name}` again"))
    }
}

pub(in crate::session) fn no_random(error: getrandom::Error) -> Problem {
    let why = format!("can't get random bytes from the system: {error}");
    Problem::new(Kind::Internal, why)
}

pub(in crate::session) fn abandoned() -> Problem {
    Problem::new(Kind::Login, "the login was abandoned")
}
