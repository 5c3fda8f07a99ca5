//! How messages name a person.

use loopdesk_protocol::account::Person;

/// The person's name, with something that tells two people of the same name apart.
pub(in crate::session) fn display_name(person: &Person) -> String {
    match &person.email {
        Some(email) => format!("{} <{email}>", person.name),
        None => format!("{} (user {})", person.name, person.id),
    }
}
