//! Why Zendesk refuses: its own text, what it means, and who can do what about it (R4).
//!
//! What Zendesk answers in each case is only partly known. So `error` decides where RFC 6749
//! defines it, and a few plain words in the text decide elsewhere. The original text is always
//! shown.

use http::StatusCode;
use serde_json::{Map, Value};

use super::rejection::RefreshRejection;
use crate::config::{Account, GrantType, Scope};
use crate::telemetry::Foreign;

/// Zendesk's error, safe to show: one short line without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct ErrorBody {
    code: Foreign,
    description: Foreign,
}

impl ErrorBody {
    /// Reads the code and the description from any of Zendesk's error formats.
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
        let description = inner
            .and_then(|inner| text(inner, &names))
            .or_else(|| text(object, &names));
        Self {
            code: code.unwrap_or_else(|| Foreign::new(&status.to_string())),
            description: description.unwrap_or_default(),
        }
    }

    /// RFC 6749's `error`, or its equivalent in Zendesk's other formats.
    pub(in crate::session) fn code(&self) -> &str {
        self.code.as_str()
    }

    /// Whether it is about scopes. A missing scope says nothing about the person or the client.
    pub(in crate::session) fn is_about_scopes(&self) -> bool {
        self.mentions(&[" scope"])
    }

    /// Whether the text contains any of these. A space stands for a word boundary: `associated`
    /// doesn't contain ` sso `, and `AccountSuspended` contains ` suspend`.
    fn mentions(&self, any: &[&str]) -> bool {
        let words = spaced_words(&format!("{} {}", self.code, self.description));
        any.iter().any(|needle| words.contains(needle))
    }

    /// In brackets, to follow one of our own sentences.
    fn quoted(&self) -> String {
        match (self.code.as_str(), self.description.as_str()) {
            ("", "") => String::new(),
            // The RFC's own text lists every possible case, so it adds nothing.
            (code, description) if description.is_empty() || description.starts_with(GENERIC) => {
                format!(" (Zendesk says: {code})")
            }
            (code, description) => format!(" (Zendesk says: {code}, “{description}”)"),
        }
    }
}

/// Why Zendesk refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Cause {
    /// The OAuth client was deleted, or its kind was changed.
    Client,
    /// The OAuth client isn't allowed to do this.
    ClientMayNot,
    /// The client's allowed scopes were reduced.
    Scopes,
    /// The user is suspended or deactivated.
    Suspended,
    /// This machine's network isn't allowed.
    Network,
    /// Logins now have to use single sign-on.
    SingleSignOn,
    /// The help desk itself is closed.
    HelpDesk,
    /// 403 without any detail.
    Forbidden,
    /// Something else.
    Other,
}

impl Cause {
    /// The cause, from `status` and the error.
    pub(in crate::session) fn of(status: StatusCode, error: &ErrorBody) -> Self {
        if let Some(cause) = Self::from_text(error) {
            return cause;
        }
        match error.code() {
            "invalid_client" => Self::Client,
            "unauthorized_client" | "unsupported_grant_type" => Self::ClientMayNot,
            "invalid_scope" => Self::Scopes,
            _ if status == StatusCode::FORBIDDEN => Self::Forbidden,
            _ if status == StatusCode::PAYMENT_REQUIRED => Self::HelpDesk,
            _ => Self::Other,
        }
    }

    /// The cause, from the text alone.
    fn from_text(error: &ErrorBody) -> Option<Self> {
        let is_off = error.mentions(&[" suspend", " deactivated "]);
        if error.mentions(&[
            " no help desk ",
            " account is closed ",
            " account has been cancel",
        ]) || (is_off && error.mentions(&[" account "]) && !error.mentions(&[" user", " agent"]))
        {
            Some(Self::HelpDesk)
        } else if is_off {
            Some(Self::Suspended)
        } else if error.mentions(&[" ip address", " ip restriction", " ip range", " your ip "]) {
            Some(Self::Network)
        } else if error.mentions(&[" single sign on ", " saml ", " sso "]) {
            Some(Self::SingleSignOn)
        } else {
            None
        }
    }

    /// This cause as a rejection of `account`'s request.
    pub(in crate::session) fn rejection(
        self,
        account: &Account,
        error: &ErrorBody,
    ) -> RefreshRejection {
        let (why, fix) = self.sentence(account);
        RefreshRejection {
            why: format!("{why}{}", error.quoted()),
            fix,
        }
    }

    /// What happened, and who has to do what.
    fn sentence(self, account: &Account) -> (String, String) {
        let (name, client) = (&account.name, &account.client_id);
        let by_secret = account.grant == GrantType::ClientCredentials;
        match self {
            Self::Client if by_secret => (
                format!(
                    "Zendesk doesn't accept the secret of the OAuth client `{client}`, or no longer \
                     knows the client"
                ),
                format!(
                    "run `loopdesk login {name} --client-secret-stdin` with the secret that Admin \
                     Center gave for this `client-id`"
                ),
            ),
            Self::Client => (
                format!(
                    "Zendesk no longer knows the OAuth client `{client}`, or requires a secret from \
                     it"
                ),
                format!(
                    "ask a Zendesk admin to register the OAuth client `{client}` again, as a \
                     public one, or correct the account's `client-id`"
                ),
            ),
            Self::ClientMayNot if by_secret => (
                format!("Zendesk doesn't let the OAuth client `{client}` get a token with its secret"),
                format!(
                    "ask a Zendesk admin to check the OAuth client `{client}` in Admin Center: its \
                     kind must be Confidential, and its user active"
                ),
            ),
            Self::ClientMayNot => (
                format!("Zendesk doesn't let the OAuth client `{client}` refresh tokens"),
                format!(
                    "ask a Zendesk admin to check the OAuth client `{client}` in Admin Center: its \
                     kind must be Public"
                ),
            ),
            Self::Scopes => {
                let scopes: Vec<_> = account.scopes.iter().map(Scope::as_str).collect();
                let scopes = scopes.join(" ");
                (
                    format!("the OAuth client `{client}` no longer allows all of the scopes `{scopes}`"),
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
                "Zendesk requires a new login through single sign-on".to_owned(),
                format!("run `loopdesk login {name}`"),
            ),
            Self::HelpDesk => (
                "Zendesk has closed or suspended the help desk itself".to_owned(),
                "ask the owner of the Zendesk account".to_owned(),
            ),
            Self::Forbidden => (
                "Zendesk denies access (403)".to_owned(),
                "ask a Zendesk admin about this user's access, and about IP restrictions".to_owned(),
            ),
            Self::Other => (
                "Zendesk refuses, and doesn't say who can help".to_owned(),
                format!(
                    "ask a Zendesk admin to check the OAuth client `{client}` in Admin Center"
                ),
            ),
        }
    }
}

/// Why `invalid_grant` ended the session, as far as Zendesk says.
pub(in crate::session) fn end_reason(error: &ErrorBody) -> String {
    let why = match Cause::from_text(error) {
        Some(Cause::Suspended) => {
            "Zendesk has suspended the user: a Zendesk admin has to lift the suspension first"
        }
        Some(Cause::Network) => {
            "Zendesk doesn't accept this machine's network (IP restrictions): a login from there \
             won't help"
        }
        Some(Cause::SingleSignOn) => "Zendesk requires a new login through single sign-on",
        Some(Cause::HelpDesk) => {
            "Zendesk has closed or suspended the help desk itself: its owner has to act"
        }
        Some(
            Cause::Client | Cause::ClientMayNot | Cause::Scopes | Cause::Forbidden | Cause::Other,
        )
        | None => {
            "an admin has revoked it, Zendesk has suspended the user, or it has expired; Zendesk \
             doesn't say which, but an admin can find out"
        }
    };
    format!("{why}{}", error.quoted())
}

/// The words of a text in lower case, with spaces around each; `AccountSuspended` has two.
fn spaced_words(text: &str) -> String {
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

/// How Zendesk quotes RFC 6749 section 5.2 on `invalid_grant`.
const GENERIC: &str = "The provided access grant is invalid, expired, or revoked";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::telemetry::redact;

    fn error(status: u16, body: &Value) -> (StatusCode, ErrorBody) {
        let status = StatusCode::from_u16(status).unwrap();
        (status, ErrorBody::read(status, body.as_object().unwrap()))
    }

    fn cause(status: u16, body: &Value) -> Cause {
        let (status, error) = error(status, body);
        Cause::of(status, &error)
    }

    #[test]
    fn r4_every_cause_is_recognized_by_its_code_or_its_text() {
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
            let (status, error) = error(status, &body);
            let rejection = Cause::of(status, &error).rejection(&account, &error);
            assert!(rejection.why.contains(error.code()), "{rejection:?}");
            fixes.insert(rejection.why);
        }
        assert_eq!(fixes.len(), 10, "no two causes read the same");
    }

    #[test]
    fn r4_o3_a_word_inside_another_word_isn_t_a_cause() {
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
        // Each needle again, with a letter where the word must end.
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
    fn zendesks_text_is_shortened_and_cleaned() {
        let words = format!("a\u{1b}[2J\r\nb\u{202e}{}", "x".repeat(900));
        let (_, error) = error(403, &json!({"error": "Forbidden", "description": words}));
        let shown = error.quoted();
        assert!(shown.contains("Forbidden, “a [2J b xxx"), "{shown}");
        assert!(shown.chars().count() < 220, "{shown}");
        assert!(!shown.contains(['\u{1b}', '\n', '\u{202e}']), "{shown}");
    }

    #[test]
    fn d4_a_token_that_zendesk_repeats_is_not_shown() {
        let token = "0123456789abcdef0123456789abcdef0123456789abcdef";
        let _hidden = redact::hide(token);
        let words = format!("{} {token} is revoked", "y".repeat(140));
        let (_, error) = error(
            400,
            &json!({"error": "invalid_grant", "error_description": words}),
        );
        let shown = end_reason(&error);
        assert!(!shown.contains("0123456789"), "{shown}");
    }

    #[test]
    fn the_rfc_s_generic_text_is_left_out() {
        let words = format!("{GENERIC} (e.g. invalid assertion, bad end-user password).");
        let (_, error) = error(
            400,
            &json!({"error": "invalid_grant", "error_description": words}),
        );
        let shown = end_reason(&error);
        assert!(shown.ends_with("(Zendesk says: invalid_grant)"), "{shown}");
    }
}
