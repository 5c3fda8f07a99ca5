//! Changes local keys as the daemon does, in a process that a test can kill at any step.

use std::process::ExitCode;
use std::time::Duration;

use loopdesk_protocol::account::Person;
use loopdesk_protocol::key::RightsText;
use loopdesk_protocol::{Paths, Problem};
use loopdeskd::clock::Clock;
use loopdeskd::keys::{Keys, NewKey};

/// A key as a person would create it.
///
/// # Panics
/// Never: the account's name is valid.
pub fn key(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        account: "acme".parse().expect("a name"),
        person: person(1),
        rights: RightsText {
            scopes: vec!["tickets:read".to_owned()],
            deny: vec!["GET /api/v2/tickets/1.json".to_owned()],
            ..RightsText::default()
        },
        expires_in: Some(Duration::from_secs(90 * 86_400)),
        note: None,
    }
}

/// A person at Zendesk.
pub fn person(id: u64) -> Person {
    Person {
        id,
        name: format!("Person {id}"),
        email: None,
        role: None,
    }
}

/// The program. Its arguments are one word for the change, and the name of the key.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Ok(paths) = Paths::from_env() else {
        return ExitCode::from(2);
    };
    let keys = Keys::open(&paths, Clock::system());
    let changed: Result<(), Problem> = match words[..] {
        ["create", name] => keys.create(key(name)).map(drop),
        ["rotate", name] => keys.rotate(name, Duration::ZERO).map(drop),
        ["revoke", name] => keys.revoke(name).map(drop),
        ["confirm", name] => keys
            .confirm(&key(name).account, Some(name), &person(2))
            .map(drop),
        _ => return ExitCode::from(2),
    };
    match changed {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            crate::demo::say(&problem.to_string());
            ExitCode::FAILURE
        }
    }
}
