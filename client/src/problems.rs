//! Problems that several commands report.

use loopdesk_protocol::{Kind, Problem};

/// No account is configured yet.
pub(crate) fn no_account() -> Problem {
    Problem::new(Kind::Usage, "no account is configured").hint(
        "run `loopdesk account add acme --subdomain acme --client-id ID`, with your own subdomain \
         in place of `acme`, and the identifier of the OAuth client that a Zendesk admin has \
         created in Admin Center in place of `ID`",
    )
}

/// There is no account of that name.
pub(crate) fn unknown_account<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    if known.is_empty() {
        return no_account();
    }
    Problem::new(Kind::Usage, format!("there is no account `{name}`"))
        .hint(format!("the accounts are {}", known.join(", ")))
}

/// There are several accounts, no default, and none was named.
pub(crate) fn no_default<'a>(known: impl IntoIterator<Item = &'a str>) -> Problem {
    let known: Vec<_> = known.into_iter().collect();
    match known.first() {
        None => no_account(),
        Some(first) => Problem::new(
            Kind::Usage,
            "there are several accounts and no default account",
        )
        .hint(format!("the accounts are {}", known.join(", ")))
        .hint(format!(
            "run `loopdesk config set default-account {first}` to choose a default"
        )),
    }
}
