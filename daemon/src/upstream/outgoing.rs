//! A script's request on its way to Zendesk.

use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::replay::Replay;
use super::request;
use crate::body::{Body, Budget, BudgetShare};
use crate::config::Origin;
use crate::keys::KeyId;

/// A script's request, ready to be sent once or several times.
#[derive(Debug)]
pub struct Outgoing {
    origin: Origin,
    method: Method,
    target: Option<Uri>,
    headers: HeaderMap,
    extensions: http::Extensions,
    credential: Credential,
    limited_key: Option<KeyId>,
    /// `None` if the request has no body.
    body: Option<Replay>,
}

/// Whose credential a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The account's session.
    Injected,
    /// The script's own, for products with credentials of their own.
    Own,
    /// None: the script wants an anonymous request.
    None,
}

impl Outgoing {
    /// A request on its way to `origin`.
    pub fn new(request: Request<Body>, origin: Origin, credential: Credential) -> Self {
        let memory = BudgetShare::of(Budget::of(false));
        Self::within(None, memory, request, origin, credential)
    }

    /// The same for a caller who has the limited key `limited_key`, if any. Its body is kept in
    /// `memory`.
    pub fn within(
        limited_key: Option<KeyId>,
        memory: BudgetShare,
        request: Request<Body>,
        origin: Origin,
        credential: Credential,
    ) -> Self {
        let (mut parts, body) = request.into_parts();
        request::strip(&mut parts.headers, credential);
        // The extensions carry the letter case of the script's headers.
        parts.extensions.remove::<OnUpgrade>();
        let body = (!body.is_end_stream()).then(|| Replay::new(body, memory));
        if body.is_some() {
            request::frame(&mut parts.headers, &parts.method);
        }
        Self {
            target: request::target(&parts.uri, &origin, credential),
            origin,
            method: parts.method,
            headers: parts.headers,
            extensions: parts.extensions,
            credential,
            limited_key,
            body,
        }
    }

    /// Where it goes.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whose credential it carries.
    pub fn credential(&self) -> Credential {
        self.credential
    }

    /// The limited key that the caller used.
    pub(super) fn limited_key(&self) -> Option<KeyId> {
        self.limited_key
    }

    /// Whether it is certain, before it is sent, that it could be sent a second time.
    pub fn is_replayable(&self) -> bool {
        self.body.as_ref().is_none_or(Replay::fits)
    }

    /// Whether everything that was sent of it is still kept.
    pub fn can_send_again(&self) -> bool {
        self.body.as_ref().is_none_or(Replay::can_restart)
    }

    /// The request from its first byte.
    pub(crate) fn attempt(&self, authorization: Option<&HeaderValue>) -> Option<Request<Body>> {
        let body = match &self.body {
            Some(replay) => Body::adapted(replay.attempt()),
            None => Body::empty(),
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.method);
        *request.uri_mut() = self.target.clone()?;
        // HTTP/2 connections accept requests marked as HTTP/1.1; HTTP/1.1 connections accept no
        // others.
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().clone_from(&self.headers);
        request.extensions_mut().clone_from(&self.extensions);
        if let (Credential::Injected, Some(value)) = (self.credential, authorization) {
            request::inject(request.headers_mut(), value);
        }
        Some(request)
    }

    /// The body, if there is one.
    pub(super) fn body(&self) -> Option<&Replay> {
        self.body.as_ref()
    }
}
