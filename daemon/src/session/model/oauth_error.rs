//! Why Zendesk refuses: its own words, what they mean, and who can do what about it (R4).
//!
//! What Zendesk really answers in each case is only partly known, so `error` decides where RFC 6749
//! gives it a meaning, and a few plain words do where it doesn't. Whatever was said stays visible.

use http::StatusCode;
use serde_json::{Map, Value};

use super::rejection::RefreshRejection;
use crate::config::{Account, GrantType, Scope};
use crate::telemetry::Foreign;

/// What Zendesk has said, fit to be shown: one line, not long, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct ErrorBody {
    code: Foreign,
    words: Foreign,
}

impl ErrorBody {
    /// Takes the words out of an error of Zendesk's, in any of its shapes.
    pub(in crate::session) fn read(status: StatusCode, object: &Map<String, Value>) -> Self {
        let inner = object.get("error").and_then(Value::as_object);
        let text = |object: &Map<String, Value>, names: &[&str]| {
            let mut found = names.iter().filter_map(|name| object.get(*name)?.as_str());
            let found = found.find(|text| !text.trim().is_empty());
            found.map(Foreign::new)
        };
        let code = match inner {
            Some(inner) => text(inner, &["title", "code", "error"]),
            None => text(object, &["error", "code", "title"]),
        };
        let names = ["error_description", "description", "message"];
        let words = inner
            .and_then(|inner| text(inner, &names))
            .or_else(|| text(object, &names));
        Self {
            code: code.unwrap_or_else(|| Foreign::new(&status.to_string())),
            words: words.unwrap_or_default(),
        }
    }

    /// RFC 6749's `error`, or what stands for it.
    pub(in crate::session) fn code(&self) -> &str {
        self.code.as_str()
    }

    /// That a scope is missing says nothing against the person or the client.
    pub(in crate::session) fn is_about_scopes(&self) -> bool {
        self.names(&[" scope"])
    }

    /// Whether any of these is said. A space stands for the border of a word: ` sso ` isn't found in
    /// `associated`, ` suspend` is in `AccountSuspended`.
    fn names(&self, any: &[&str]) -> bool {
        let words = words(&format!("{} {}", self.code, self.words));
        any.iter().any(|needle| words.contains(needle))
    }

    /// In brackets, behind a sentence of ours.
    fn quoted(&self) -> String {
        match (self.code.as_str(), self.words.as_str()) {
            ("", "") => String::new(),
            // The RFC's own text names every case there is, and so says nothing.
            (code, words) if words.is_empty() || words.starts_with(GENERIC) => {
                format!(" (Zendesk says: {code})")
            }
            (code, words) => format!(" (Zendesk says: {code}, “{words}”)"),
        }
    }
}

/// Why Zendesk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Cause {
    /// The OAuth client is gone, or has become another kind.
    Client,
    /// The OAuth client may not do this.
    ClientMayNot,
    /// The scope ceiling has been lowered.
    Scopes,
    /// The user is suspended or deactivated.
    Suspended,
    /// This machine's network is not allowed.
    Network,
    /// Logins go another way now.
    SingleSignOn,
    /// The help desk itself is closed.
    HelpDesk,
    /// 403, and no more is known.
    Forbidden,
    /// Something else.
    Other,
}

impl Cause {
    /// What `status` and the words come to.
    pub(in crate::session) fn of(status: StatusCode, said: &ErrorBody) -> Self {
        if let Some(named) = Self::named(said) {
            return named;
        }
        match said.code() {
            "invalid_client" => Self::Client,
            "unauthorized_client" | "unsupported_grant_type" => Self::ClientMayNot,
            "invalid_scope" => Self::Scopes,
            _ if status == StatusCode::FORBIDDEN => Self::Forbidden,
            _ if status == StatusCode::PAYMENT_REQUIRED => Self::HelpDesk,
            _ => Self::Other,
        }
    }

    /// What the words alone come to.
    fn named(said: &ErrorBody) -> Option<Self> {
        let is_off = said.names(&[" suspend", " deactivated "]);
        if said.names(&[
            " no help desk ",
            " account is closed ",
            " account has been cancel",
        ]) || (is_off && said.names(&[" account "]) && !said.names(&[" user", " agent"]))
        {
            Some(Self::HelpDesk)
        } else if is_off {
            Some(Self::Suspended)
        } else if said.names(&[" ip address", " ip restriction", " ip range", " your ip "]) {
            Some(Self::Network)
        } else if said.names(&[" single sign on ", " saml ", " sso "]) {
            Some(Self::SingleSignOn)
        } else {
            None
        }
    }

    /// The block of `account` that this is.
    pub(in crate::session) fn block(self, account: &Account, said: &ErrorBody) -> RefreshRejection {
        let (why, fix) = self.sentence(account);
        RefreshRejection {
            why: format!("{why}{}", said.quoted()),
            fix,
        }
    }

    /// What has happened, and who has to do what.
    fn sentence(self, account: &Account) -> (String, String) {
        let (name, client) = (&account.name, &account.client_id);
        let by_secret = account.grant == GrantType::ClientCredentials;
        match self {
            Self::Client if by_secret => (
                format!(
                    "Zendesk doesn't accept the secret of the OAuth client `{client}`, or doesn't \
                     know the client any more"
                ),
                format!(
                    "run `loopdesk login {name} --client-secret-stdin` with the secret that Admin \
                     Center gave for this `client-id`"
                ),
            ),
            Self::Client => (
                format!(
                    "Zendesk doesn't know the OAuth client `{client}` any more, or wants a secret \
                     from it"
                ),
                format!(
                    "ask a Zendesk admin to register the OAuth client `{client}` again, as a \
                     public one, or correct the account's `client-id`"
                ),
            ),
            Self::ClientMayNot if by_secret => (
                format!("Zendesk gives the OAuth client `{client}` no token by its secret"),
                format!(
                    "ask a Zendesk admin to look at the OAuth client `{client}` in Admin Center: \
                     its kind must be Confidential, and its user active"
                ),
            ),
            Self::ClientMayNot => (
                format!("Zendesk doesn't let the OAuth client `{client}` refresh tokens"),
                format!(
                    "ask a Zendesk admin to look at the OAuth client `{client}` in Admin Center: \
                     its kind must be Public"
                ),
            ),
            Self::Scopes => {
                let scopes: Vec<_> = account.scopes.iter().map(Scope::as_str).collect();
                let scopes = scopes.join(" ");
                (
                    format!("the OAuth client `{client}` may no longer have all of the scopes `{scopes}`"),
                    format!(
                        "ask a Zendesk admin to put `{scopes}` back into the OAuth client's allowed \
                         scopes"
                    ),
                )
            }
            Self::Suspended => (
                "Zendesk has suspended the user who is logged in".to_owned(),
                "ask a Zendesk admin to lift the suspension".to_owned(),
            ),
            Self::Network => (
                "Zendesk doesn't accept this machine's network (IP restrictions)".to_owned(),
                "go to a network that is allowed, such as the company's VPN, or ask a Zendesk admin \
                 to allow this one"
                    .to_owned(),
            ),
            Self::SingleSignOn => (
                "Zendesk wants a new login by single sign-on".to_owned(),
                format!("run `loopdesk login {name}`"),
            ),
            Self::HelpDesk => (
                "Zendesk has closed or suspended the help desk itself".to_owned(),
                "ask the owner of the Zendesk account".to_owned(),
            ),
            Self::Forbidden => (
                "Zendesk forbids it (403)".to_owned(),
                "ask a Zendesk admin about this user's access, and about IP restrictions".to_owned(),
            ),
            Self::Other => (
                "Zendesk refuses, and doesn't say who could help".to_owned(),
                format!(
                    "ask a Zendesk admin to look at the OAuth client `{client}` in Admin Center"
                ),
            ),
        }
    }
}

/// Why a session is over after `invalid_grant`, as far as Zendesk tells.
pub(in crate::session) fn end_reason(said: &ErrorBody) -> String {
    let why = match Cause::named(said) {
        Some(Cause::Suspended) => {
            "Zendesk has suspended the user: a Zendesk admin has to lift that before a login helps"
        }
        Some(Cause::Network) => {
            "Zendesk doesn't accept this machine's network (IP restrictions): a login from there \
             won't help"
        }
        Some(Cause::SingleSignOn) => "Zendesk wants a new login by single sign-on",
        Some(Cause::HelpDesk) => {
            "Zendesk has closed or suspended the help desk itself: its owner has to act"
        }
        Some(
            Cause::Client | Cause::ClientMayNot | Cause::Scopes | Cause::Forbidden | Cause::Other,
        )
        | None => {
            "an admin has revoked it, Zendesk has suspended the user, or it has expired; Zendesk \
             doesn't say which, but an admin can"
        }
    };
    format!("{why}{}", said.quoted())
}

/// The words of a text in small letters, each between spaces; those of `AccountSuspended` are two.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    let mut last = ' ';
    for letter in text.chars() {
        if letter.is_uppercase() && last.is_lowercase() || !letter.is_alphanumeric() {
            words.push(' ');
        }
        if letter.is_alphanumeric() {
            words.extend(letter.to_lowercase());
        }
        last = letter;
    }
    let words: Vec<_> = words.split_whitespace().collect();
    format!(" {} ", words.join(" "))
}

/// How RFC 6749 section 5.2 describes `invalid_grant`, in Zendesk's wording.
const GENERIC: &str = "The provided access grant is invalid, expired, or revoked";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::telemetry::redact;

    fn said(status: u16, body: &Value) -> (StatusCode, ErrorBody) {
        let status = StatusCode::from_u16(status).unwrap();
        (status, ErrorBody::read(status, body.as_object().unwrap()))
    }

    fn cause(status: u16, body: &Value) -> Cause {
        let (status, said) = said(status, body);
        Cause::of(status, &said)
    }

    #[test]
    fn r4_every_cause_is_told_by_its_code_or_its_words() {
        let cases = [
            (401, json!({"error": "invalid_client"}), Cause::Client),
            (
                400,
                json!({"error": "unauthorized_client"}),
                Cause::ClientMayNot,
            ),
            (400, json!({"error": "invalid_scope"}), Cause::Scopes),
            (
                403,
                json!({"error": "access_denied", "error_description": "User is suspended."}),
                Cause::Suspended,
            ),
            (
                403,
                json!({"error": {"title": "Forbidden", "message": "Your IP address is not allowed"}}),
                Cause::Network,
            ),
            (
                401,
                json!({"error": "Unauthorized", "description": "Use Single Sign-On"}),
                Cause::SingleSignOn,
            ),
            (
                404,
                json!({"error": {"title": "No help desk at acme.zendesk.com", "message": "m"}}),
                Cause::HelpDesk,
            ),
            (
                403,
                json!({"error": "AccountSuspended", "description": "This account is suspended"}),
                Cause::HelpDesk,
            ),
            (403, json!({"error": "Forbidden"}), Cause::Forbidden),
            (422, json!({"message": "no"}), Cause::Other),
        ];
        let account = crate::session::testing::account("acme", "https://acme.zendesk.com");
        let mut fixes = std::collections::HashSet::new();
        for (status, body, expected) in cases {
            let found = cause(status, &body);
            assert_eq!(found, expected, "{body}");
            let (status, said) = said(status, &body);
            let block = Cause::of(status, &said).block(&account, &said);
            assert!(block.why.contains(said.code()), "{block:?}");
            fixes.insert(block.why);
        }
        assert_eq!(fixes.len(), 10, "no two causes read the same");
    }

    #[test]
    fn r4_o3_a_word_inside_another_one_is_no_cause() {
        let client = "No client associated with this identifier";
        for (code, words, expected) in [
            ("invalid_client", client, Cause::Client),
            ("invalid_client", "a ship range of your ipad", Cause::Client),
            ("invalid_client", "Samland's accountants", Cause::Client),
            ("invalid_client", "SSO is enforced", Cause::SingleSignOn),
            ("SsoRequired", "", Cause::SingleSignOn),
            ("invalid_client", "use (SAML), please", Cause::SingleSignOn),
            ("invalid_client", "IP-restrictions apply", Cause::Network),
        ] {
            let body = json!({"error": code, "error_description": words});
            assert_eq!(cause(401, &body), expected, "{code}: {words}");
        }
        // Each needle once more, with a letter on the side where a word must end.
        let body = |words: &str| json!({"error": "invalid_grant", "error_description": words});
        for needle in ["sso", "saml", "single sign-on", "no help desk", "your ip"] {
            for inside in [format!("x{needle}"), format!("{needle}x")] {
                let found = cause(400, &body(&inside));
                assert_eq!(found, Cause::Other, "{inside}");
            }
            assert_ne!(cause(400, &body(needle)), Cause::Other, "{needle}");
        }
    }

    #[test]
    fn zendesks_words_are_cut_and_cleaned() {
        let words = format!("a\u{1b}[2J\r\nb\u{202e}{}", "x".repeat(900));
        let (_, said) = said(403, &json!({"error": "Forbidden", "description": words}));
        let shown = said.quoted();
        assert!(shown.contains("Forbidden, “a [2J b xxx"), "{shown}");
        assert!(shown.chars().count() < 220, "{shown}");
        assert!(!shown.contains(['\u{1b}', '\n', '\u{202e}']), "{shown}");
    }

    #[test]
    fn d4_a_token_that_zendesk_repeats_is_not_shown() {
        let token = "0123456789abcdef0123456789abcdef0123456789abcdef";
        let _hidden = redact::hide(token);
        let words = format!("{} {token} is revoked", "y".repeat(140));
        let (_, said) = said(
            400,
            &json!({"error": "invalid_grant", "error_description": words}),
        );
        let shown = end_reason(&said);
        assert!(!shown.contains("0123456789"), "{shown}");
    }

    #[test]
    fn what_the_rfc_says_for_every_case_is_left_out() {
        let words = format!("{GENERIC} (e.g. invalid assertion, bad end-user password).");
        let (_, said) = said(
            400,
            &json!({"error": "invalid_grant", "error_description": words}),
        );
        let shown = end_reason(&said);
        assert!(shown.ends_with("(Zendesk says: invalid_grant)"), "{shown}");
    }
}
