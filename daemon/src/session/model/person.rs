//! How people are told apart.

use loopdesk_protocol::account::Person;

/// A person as people tell each other apart.
pub(in crate::session) fn named(person: &Person) -> String {
    match &person.email {
        Some(email) => format!("{} <{email}>", person.name),
        None => format!("{} (user {})", person.name, person.id),
    }
}
