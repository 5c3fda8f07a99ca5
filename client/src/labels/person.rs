//! Zendesk users.

use loopdesk_protocol::account::Person;

/// `Ada Lovelace <ada@example.com>, admin`.
pub(crate) fn label(person: &Person) -> String {
    let mut text = person.name.clone();
    if let Some(email) = &person.email {
        text.push_str(&format!(" <{email}>"));
    }
    if let Some(role) = &person.role {
        text.push_str(&format!(", {role}"));
    }
    text
}
