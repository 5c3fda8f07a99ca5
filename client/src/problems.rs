//! Problems that several commands meet.

use loopdesk_protocol::{Kind, Problem};

/// There is nothing yet that a command could work on.
pub(crate) fn no_account() -> Problem {
    Problem::new(Kind::Usage, "no account is configured").hint(
        "run `loopdesk account add acme --subdomain acme --client-id ID`, where `acme` stands for \
         your part of `acme.zendesk.com` and ID for the identifier of the OAuth client that an \
         admin has made in Admin Center",
    )
}

/// The account that a person named, or that there is none of that name.
pub(crate) fn unknown_account<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    if known.is_empty() {
        return no_account();
    }
    Problem::new(Kind::Usage, format!("there is no account `{name}`"))
        .hint(format!("name one of these: {}", known.join(", ")))
}

/// Several accounts, no default and none named.
pub(crate) fn no_default<'a>(known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    match known.first() {
        None => no_account(),
        Some(first) => Problem::new(
            Kind::Usage,
            "there are several accounts and none is the default",
        )
        .hint(format!("name one of these: {}", known.join(", ")))
        .hint(format!(
            "run `loopdesk config set default-account {first}` to make one the default"
        )),
    }
}
