//! OAuth clients as an admin registers them.

use crate::zendesk::users;

/// An OAuth client, as configured in Admin Center's form.
#[derive(Clone, Debug)]
pub struct Client {
    pub(in crate::zendesk) identifier: String,
    pub(in crate::zendesk) name: String,
    pub(in crate::zendesk) kind: ClientKind,
    pub(in crate::zendesk) redirect_uris: Vec<String>,
    pub(in crate::zendesk) any_loopback_port: bool,
    pub(in crate::zendesk) allowed_scopes: Vec<String>,
    pub(in crate::zendesk) user: u64,
}

/// The kind of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Has no secret and must use PKCE.
    Public,
    /// Has this secret.
    Confidential(String),
}

impl Client {
    /// A public client whose ceiling is `read` and `write`, without a redirect URI yet.
    pub fn public(identifier: &str) -> Self {
        Self::new(identifier, ClientKind::Public)
    }

    /// A confidential client whose ceiling is `read` and `write`, created by [`users::ADMIN`], as
    /// whom it acts by itself.
    pub fn confidential(identifier: &str, secret: &str) -> Self {
        Self::new(identifier, ClientKind::Confidential(secret.to_owned()))
    }

    fn new(identifier: &str, kind: ClientKind) -> Self {
        Self {
            identifier: identifier.to_owned(),
            name: identifier.to_owned(),
            kind,
            redirect_uris: Vec::new(),
            any_loopback_port: false,
            allowed_scopes: vec!["read".to_owned(), "write".to_owned()],
            user: users::ADMIN,
        }
    }

    /// Registers one more redirect URI. It is compared byte for byte.
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uris.push(uri.to_owned());
        self
    }

    /// Ignores the port of loopback redirect URIs, as RFC 8252 demands. Zendesk isn't known to.
    #[must_use]
    pub fn any_loopback_port(mut self) -> Self {
        self.any_loopback_port = true;
        self
    }

    /// Sets the allowed scopes: the ceiling.
    #[must_use]
    pub fn allowed_scopes(mut self, scopes: &[&str]) -> Self {
        self.allowed_scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    /// Sets the user who created it, and as whom it acts by `client_credentials`.
    #[must_use]
    pub fn user(mut self, id: u64) -> Self {
        self.user = id;
        self
    }

    pub(super) fn accepts_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| {
            registered == uri
                || (self.any_loopback_port
                    && without_loopback_port(uri).is_some_and(|uri| {
                        without_loopback_port(registered).as_ref() == Some(&uri)
                    }))
        })
    }

    /// Whether `secret` is the one that a confidential client must send.
    pub(super) fn proves_itself(&self, secret: Option<&str>) -> bool {
        match &self.kind {
            ClientKind::Public => true,
            ClientKind::Confidential(own) => secret == Some(own),
        }
    }
}

/// `http://127.0.0.1:1234/x` as host and path, without the port; `None` if it isn't loopback.
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = ["127.0.0.1", "localhost", "[::1]"]
        .into_iter()
        .find(|host| authority.starts_with(host))?;
    let port = &authority[host.len()..];
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.parse::<u16>().is_ok());
    is_port.then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::Client;

    #[test]
    fn redirect_uris_are_compared_byte_for_byte() {
        let client = Client::public("x").redirect_uri("http://127.0.0.1:18484/callback");
        assert!(client.accepts_redirect("http://127.0.0.1:18484/callback"));
        assert!(!client.accepts_redirect("http://127.0.0.1:18484/callback/"));
        assert!(!client.accepts_redirect("http://localhost:18484/callback"));
        assert!(!client.accepts_redirect("http://127.0.0.1:18487/callback"));
    }

    #[test]
    fn any_loopback_port_is_an_option() {
        let client = Client::public("x")
            .redirect_uri("http://127.0.0.1:18484/callback")
            .any_loopback_port();
        assert!(client.accepts_redirect("http://127.0.0.1:9/callback"));
        assert!(!client.accepts_redirect("http://127.0.0.1.example.com:9/callback"));
        assert!(!client.accepts_redirect("http://127.0.0.1:9/other"));
    }
}
