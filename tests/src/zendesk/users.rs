//! The people of the simulated account.

use serde_json::{Value, json};

use super::store::Seed;

/// The owner, an admin. She consents unless another user is chosen.
pub const ADMIN: u64 = 26_000_000_001;
/// An agent.
pub const AGENT: u64 = 26_000_000_002;
/// Another admin.
pub const OTHER_ADMIN: u64 = 26_000_000_003;
/// A customer.
pub const END_USER: u64 = 26_000_000_004;

/// How many users are on the consent page's list.
pub(super) const PEOPLE: u64 = 6;
/// Users up to this one are agents, apart from the four above; all others are customers.
const LAST_AGENT: u64 = ADMIN + 9;

/// A user as seeded.
pub(super) fn seed(seed: &Seed, id: u64) -> Value {
    let index = id - ADMIN;
    let name = match id {
        ADMIN => "Ada Admin".to_owned(),
        AGENT => "Ben Agent".to_owned(),
        OTHER_ADMIN => "Cleo Other-Admin".to_owned(),
        END_USER => "Dora Customer".to_owned(),
        _ => format!("{} {}", pick(&FIRST, index), pick(&LAST, index / 7)),
    };
    let role = match id {
        ADMIN | OTHER_ADMIN => "admin",
        END_USER => "end-user",
        AGENT..=LAST_AGENT => "agent",
        _ => "end-user",
    };
    let email = format!("user{}@example.com", index + 1);
    let at = seed.time(index);
    let origin = &seed.origin;
    json!({
        "id": id,
        "url": format!("{origin}/api/v2/users/{id}.json"),
        "name": name,
        "email": email,
        "created_at": at,
        "updated_at": at,
        "time_zone": "Europe/Berlin",
        "iana_time_zone": "Europe/Berlin",
        "phone": null,
        "shared_phone_number": null,
        "photo": null,
        "locale_id": 1,
        "locale": "en-US",
        "organization_id": (role == "end-user").then(|| seed.organization(index)),
        "role": role,
        "verified": true,
        "external_id": null,
        "tags": [],
        "alias": "",
        "active": true,
        "shared": false,
        "shared_agent": false,
        "last_login_at": at,
        "two_factor_auth_enabled": null,
        "signature": null,
        "details": "",
        "notes": "",
        "role_type": null,
        "custom_role_id": null,
        "moderator": role != "end-user",
        "ticket_restriction": (role == "end-user").then_some("requested"),
        "only_private_comments": false,
        "restricted_agent": role == "end-user",
        "suspended": false,
        "is_billing_admin": false,
        "default_group_id": null,
        "report_csv": role == "admin",
        "user_fields": {},
    })
}

/// What `users/me` returns to an anonymous caller.
pub(super) fn anonymous() -> Value {
    json!({
        "id": null,
        "url": null,
        "name": "Anonymous user",
        "email": "invalid@example.com",
        "created_at": null,
        "updated_at": null,
        "time_zone": null,
        "phone": null,
        "photo": null,
        "locale_id": null,
        "locale": null,
        "organization_id": null,
        "role": "end-user",
        "verified": null,
        "tags": [],
        "active": null,
        "shared": null,
        "suspended": null,
        "user_fields": {},
    })
}

fn pick(list: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index).map_or("", |index| list[index % list.len()])
}

const FIRST: [&str; 11] = [
    "Emil",
    "Françoise",
    "Günther",
    "Hana",
    "Íris",
    "Jörg",
    "Keiko",
    "Łukasz",
    "Mina",
    "Noor",
    "Óscar",
];
const LAST: [&str; 5] = ["Müller", "O'Brien", "Śliwa", "da Silva", "山田"];
