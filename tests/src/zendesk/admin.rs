//! What an admin, a user or the network may do while the simulation runs.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::connections::Taken;
use super::oauth::{Client, Grant, Malformed, TokenPair};
use super::shared::lock;
use super::store::{article_attachment, call_of_ticket, recording};
use super::tls::Certificate;
use super::{Zendesk, builder};

/// Clients.
impl Zendesk {
    /// Registers a client, or changes the one of the same identifier.
    pub fn register_client(&self, client: Client) {
        let mut oauth = lock(&self.shared.oauth);
        oauth
            .clients
            .retain(|known| known.identifier != client.identifier);
        oauth.clients.push(client);
    }

    /// Deletes a client and every token that it was given.
    pub fn delete_client(&self, identifier: &str) {
        let mut oauth = lock(&self.shared.oauth);
        oauth
            .clients
            .retain(|client| client.identifier != identifier);
        oauth.tokens.revoke(|pair| pair.client == identifier);
    }

    /// Registers one more redirect URI for the client `loopdesk`.
    pub fn register_redirect_uri(&self, uri: &str) {
        self.change_client(|client| client.redirect_uris.push(uri.to_owned()));
    }

    /// Whether the client `loopdesk` may use any port of a loopback redirect URI.
    pub fn accept_any_loopback_port(&self, accepted: bool) {
        self.change_client(|client| client.any_loopback_port = accepted);
    }

    /// Sets the allowed scopes of the client `loopdesk`, the ceiling. Existing tokens keep their
    /// scopes until they are refreshed, which is then refused with `invalid_scope`.
    pub fn set_allowed_scopes(&self, scopes: &[&str]) {
        let scopes: Vec<_> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self.change_client(|client| client.allowed_scopes = scopes);
    }

    fn change_client(&self, change: impl FnOnce(&mut Client)) {
        let mut oauth = lock(&self.shared.oauth);
        let found = oauth
            .clients
            .iter_mut()
            .find(|client| client.identifier == builder::DEFAULT_CLIENT);
        if let Some(client) = found {
            change(client);
        }
    }
}

/// Users. Their ids are in [`users`](super::users).
impl Zendesk {
    /// Sets who uses the browser.
    pub fn set_consenting_user(&self, id: u64) {
        lock(&self.shared.oauth).consenting_user = id;
    }

    /// Suspends a user: her tokens are refused, and she can't consent.
    pub fn suspend_user(&self, id: u64) {
        lock(&self.shared.store).set_user(id, "suspended", json!(true));
    }

    /// Lifts a suspension; tokens that haven't expired work again.
    pub fn unsuspend_user(&self, id: u64) {
        lock(&self.shared.store).set_user(id, "suspended", json!(false));
    }

    /// Renames a user, as users can themselves.
    pub fn rename_user(&self, id: u64, name: &str) {
        lock(&self.shared.store).set_user(id, "name", json!(name));
    }

    /// Makes a user `admin`, `agent` or `end-user`.
    pub fn set_role(&self, id: u64, role: &str) {
        lock(&self.shared.store).set_user(id, "role", json!(role));
    }
}

/// What the account contains.
impl Zendesk {
    /// The ids of all articles.
    pub fn articles(&self) -> BTreeSet<u64> {
        let store = lock(&self.shared.store);
        store.articles.ids().into_iter().collect()
    }

    /// The file that the first article displays.
    ///
    /// # Panics
    /// If there are no articles.
    pub fn file_of_an_article(&self) -> Bytes {
        let store = lock(&self.shared.store);
        let first = store.articles.ids().into_iter().min();
        let file = first.and_then(|article| store.file(article_attachment(article)));
        file.expect("an article").content
    }

    /// The recording of the call that a ticket originates from.
    ///
    /// # Panics
    /// If it doesn't originate from a call.
    pub fn recording_of_ticket(&self, ticket: u64) -> Bytes {
        let call = call_of_ticket(ticket).expect("a ticket that has come by a call");
        recording(&lock(&self.shared.store).seed, &call).expect("a recording")
    }
}

/// Policies.
impl Zendesk {
    /// Whether this machine's network is refused (IP restrictions), for all requests.
    pub fn refuse_network(&self, refused: bool) {
        lock(&self.shared.settings).policy.network_refused = refused;
    }

    /// Whether only logins by single sign-on are accepted: other refreshes are refused.
    pub fn require_single_sign_on(&self, required: bool) {
        lock(&self.shared.settings).policy.single_sign_on = required;
    }

    /// Whether a suspended user gets a 403 that says so; otherwise her tokens look dead.
    pub fn tell_suspension(&self, told: bool) {
        lock(&self.shared.settings).policy.suspension_told = told;
    }
}

/// Tokens.
impl Zendesk {
    /// Issues a pair without a login, to the client `loopdesk`, for the consenting user, with the
    /// default lifetimes or those that are granted in any case.
    pub fn issue_tokens(&self, scopes: &[&str]) -> TokenPair {
        let settings = lock(&self.shared.settings).clone();
        let mut oauth = lock(&self.shared.oauth);
        let grant = Grant {
            client: builder::DEFAULT_CLIENT.to_owned(),
            user: oauth.consenting_user,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            access_ttl: settings.granted_access_ttl.unwrap_or(ACCESS_TTL),
            refresh_ttl: Some(settings.granted_refresh_ttl.unwrap_or(REFRESH_TTL)),
            replaces: None,
        };
        let now = self.shared.clock.now();
        oauth.tokens.grant(&grant, now).view(now)
    }

    /// All pairs ever issued, oldest first, and their current state.
    pub fn tokens(&self) -> Vec<TokenPair> {
        let now = self.shared.clock.now();
        let oauth = lock(&self.shared.oauth);
        oauth.tokens.iter().map(|pair| pair.view(now)).collect()
    }

    /// Revokes all pairs, access and refresh tokens, as an admin can. Returns how many were live.
    pub fn revoke_tokens(&self) -> usize {
        lock(&self.shared.oauth).tokens.revoke(|_| true)
    }

    /// Revokes the pair that contains this access or refresh token.
    pub fn revoke_token(&self, token: &str) -> usize {
        lock(&self.shared.oauth)
            .tokens
            .revoke(|pair| pair.access == token || pair.refresh.as_deref() == Some(token))
    }

    /// Expires all access tokens now, earlier than announced; refresh tokens remain valid.
    pub fn expire_access_tokens(&self) {
        let now = self.shared.clock.now();
        lock(&self.shared.oauth).tokens.expire_access(now);
    }

    /// Expires all access and refresh tokens now.
    pub fn expire_refresh_tokens(&self) {
        let now = self.shared.clock.now();
        lock(&self.shared.oauth).tokens.expire_refresh(now);
    }

    /// Grants access tokens this lifetime from now on, whatever is requested; `None`: the requested
    /// one.
    pub fn set_granted_access_ttl(&self, ttl: impl Into<Option<Duration>>) {
        lock(&self.shared.settings).granted_access_ttl = ttl.into();
    }

    /// Grants refresh tokens this lifetime from now on, whatever is requested; `None`: the
    /// requested one.
    pub fn set_granted_refresh_ttl(&self, ttl: impl Into<Option<Duration>>) {
        lock(&self.shared.settings).granted_refresh_ttl = ttl.into();
    }

    /// Whether a login ends the pairs that the same person already has with the same client: an
    /// assumption about Zendesk that nothing may rely on.
    pub fn set_one_authorization(&self, only: bool) {
        lock(&self.shared.settings).one_authorization = only;
    }

    /// Sets how long an authorization code is valid.
    pub fn set_code_ttl(&self, ttl: Duration) {
        lock(&self.shared.settings).code_ttl = ttl;
    }

    /// Sets the status of responses with tokens: 201 as documented, or 200 as others have observed.
    pub fn set_token_status(&self, status: StatusCode) {
        lock(&self.shared.settings).token_status = status;
    }

    /// Makes the responses that issue tokens odd; `None`: normal again. For responses that issue
    /// none, or that get lost, see [`Fault`](super::Fault).
    pub fn set_malformed(&self, malformed: impl Into<Option<Malformed>>) {
        lock(&self.shared.settings).malformed = malformed.into();
    }
}

/// The API.
impl Zendesk {
    /// Allows this many API requests per clock minute; `None`: any number.
    pub fn set_rate_limit(&self, per_minute: impl Into<Option<u32>>) {
        lock(&self.shared.settings).rate_limit = per_minute.into();
    }

    /// Whether responses are compressed for clients that accept it.
    pub fn set_gzip(&self, gzip: bool) {
        lock(&self.shared.settings).gzip = gzip;
    }

    /// Whether JSON responses write `/` as `\/`.
    pub fn set_escaped_slashes(&self, escaped: bool) {
        lock(&self.shared.settings).escaped_slashes = escaped;
    }

    /// Whether `WWW-Authenticate` comes with a 401 for a dead token.
    pub fn set_www_authenticate(&self, sent: bool) {
        lock(&self.shared.settings).www_authenticate = sent;
    }
}

/// Time. The simulation's clock is the machine's, offset by as much as tests want.
impl Zendesk {
    /// The current time by the simulation's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the simulation's clock; backwards if `by` is negative. Tokens and codes age by it.
    pub fn move_clock(&self, by: SignedDuration) {
        self.shared.mover.jump(by);
    }
}

/// The network.
impl Zendesk {
    /// From now on, uses this certificate for new connections.
    ///
    /// # Panics
    /// If it can't be created.
    pub fn show_certificate(&self, certificate: Certificate) {
        let shown = self.shared.identity.show(self.now(), certificate);
        shown.expect("a certificate can be made");
    }

    /// Uses a certificate by a new authority for new connections, and returns the authority's
    /// certificate as PEM. The simulation's own callers still trust the old one.
    ///
    /// # Panics
    /// If it can't be created.
    pub fn change_authority(&self) -> String {
        let changed = self.shared.identity.change_authority(self.now());
        changed.expect("an authority can be made")
    }

    /// Resets all open connections, like a lost network. Requests in flight are still processed;
    /// their responses are lost.
    pub fn reset_connections(&self) {
        self.shared.connections.reset_all();
    }

    /// Closes all open connections gracefully: HTTP/2 by GOAWAY, HTTP/1.1 after the response.
    pub fn drain_connections(&self) {
        self.shared.connections.drain_all();
    }

    /// The next connection to the account's host, after its TLS handshake, for the test to serve
    /// byte by byte: for responses that no HTTP library would send. Use it with
    /// [`Protocols::Http1`](super::Protocols::Http1), or it speaks HTTP/2. The connection is
    /// claimed from the call on, not from the first poll.
    pub fn take_connection(&self) -> impl Future<Output = Taken> + use<> {
        let taken = self.shared.connections.take_next();
        async { taken.await.expect("the simulation runs") }
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.connections.count()
    }

    /// Returns once no connection is open.
    pub async fn connections_closed(&self) {
        self.shared.connections.none_open().await;
    }

    /// How many connections have been accepted so far.
    pub fn connections_made(&self) -> usize {
        self.shared.connections.made()
    }

    /// Makes both hosts unreachable, or reachable again on the same ports. While they are
    /// unreachable, open connections are reset and new ones refused.
    pub async fn set_reachable(&self, reachable: bool) {
        for listening in &self.listening {
            listening.set_open(reachable).await;
        }
        if !reachable {
            self.shared.connections.reset_all();
            self.shared.connections.none_open().await;
        }
    }
}

/// The lifetime that Zendesk grants if none is requested.
const ACCESS_TTL: Duration = Duration::from_mins(30);
const REFRESH_TTL: Duration = Duration::from_hours(30 * 24);
