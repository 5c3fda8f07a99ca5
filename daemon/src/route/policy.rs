//! Which paths make or change credentials, and which have credentials of their own.

use http::Method;
use http::request::Parts;

use super::canonical::Canonical;
use crate::config::RoutePath;
use crate::rights;
use crate::upstream::Credential;

/// The routes that scripts may not use, and those that the configuration has opened again.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    open: Vec<Vec<Vec<u8>>>,
}

impl Policy {
    /// The rules, with `open` excepted together with everything beneath it.
    pub(super) fn new(open: &[RoutePath]) -> Self {
        let resolved = |route: &RoutePath| Canonical::of(route.as_str()).resolved;
        Self {
            open: open.iter().map(resolved).collect(),
        }
    }

    /// Whether a script that could use this route could make itself a credential, or take one
    /// from somebody.
    pub(super) fn refuses(&self, method: &Method, path: &Canonical) -> bool {
        let refused =
            |segments: &[Vec<u8>]| CREDENTIAL_ROUTES.iter().any(|route| route.covers(segments));
        // Whatever each server leaves out, the rest stands in this order.
        let within = |route: &Route| route.may_be_left_of(&path.flat);
        let found = refused(&path.resolved)
            || refused(&path.flat)
            || path.is_ambiguous && CREDENTIAL_ROUTES.iter().any(within);
        if !found {
            return false;
        }
        // Where the two readings differ, nobody can say which one was opened.
        let is_open = self.open.iter().any(|open| path.resolved.starts_with(open));
        path.is_ambiguous || !(is_open || is_own_token(method, &path.resolved))
    }
}

/// The method by which a request is judged. Rails and others act on another one if a header or a
/// parameter says so: such a request counts as a write.
pub(super) fn method(head: &Parts) -> &Method {
    if rights::names_another_method(head) {
        &Method::POST
    } else {
        &head.method
    }
}

/// Whose credential a request to this path carries.
pub(super) fn credential(path: &Canonical) -> Credential {
    let own = |route: &Route| route.covers(&path.resolved);
    if OWN_CREDENTIALS.iter().any(own) {
        Credential::Own
    } else {
        Credential::Injected
    }
}

/// Reading what the session's own token may do makes nothing: tap-zendesk does it before each run.
fn is_own_token(method: &Method, path: &[Vec<u8>]) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && path == [&b"api"[..], b"v2", b"oauth", b"tokens", b"current"]
}

/// A path and everything beneath it; `*` is any one segment.
struct Route(&'static [&'static str]);

impl Route {
    fn covers(&self, path: &[Vec<u8>]) -> bool {
        let fits = |(pattern, segment): (&&str, &Vec<u8>)| {
            *pattern == "*" || pattern.as_bytes() == segment.as_slice()
        };
        path.len() >= self.0.len() && self.0.iter().zip(path).all(fits)
    }

    /// Whether it may cover what is left of a path when some of its segments are left out.
    fn may_be_left_of(&self, path: &[Vec<u8>]) -> bool {
        let mut rest = path.iter();
        let mut names = self.0.iter().filter(|pattern| **pattern != "*");
        names.all(|name| rest.any(|segment| name.as_bytes() == segment.as_slice()))
    }
}

/// Every version of the API, since its older and internal ones share the controllers.
static CREDENTIAL_ROUTES: [Route; 4] = [
    // Authorization and token endpoints, revocation.
    Route(&["oauth"]),
    // OAuth clients and their secrets, tokens, global clients.
    Route(&["api", "*", "oauth"]),
    // API tokens, which never expire by themselves.
    Route(&["api", "*", "api_tokens"]),
    // Setting and changing a person's password.
    Route(&["api", "*", "users", "*", "password"]),
];

/// Chat and Sunshine Conversations don't take the session's token (their credentials are apart).
static OWN_CREDENTIALS: [Route; 2] = [Route(&["api", "v2", "chat"]), Route(&["sc"])];

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(open: &[&str], method: &Method, path: &str) -> bool {
        let open: Vec<RoutePath> = open.iter().map(|route| route.parse().unwrap()).collect();
        Policy::new(&open).refuses(method, &Canonical::of(path))
    }

    #[test]
    fn s6_routes_that_mint_credentials_are_refused() {
        for path in [
            "/oauth/tokens",
            "/oauth/authorizations/new",
            "/oauth",
            "/api/v2/oauth/tokens",
            "/api/v2/oauth/tokens.json",
            "/api/v2/oauth/tokens/123",
            "/api/v2/oauth/clients",
            "/api/v2/oauth/clients/1/generate_secret.json",
            "/api/v2/oauth/global_clients",
            "/api/v2/api_tokens.json",
            "/api/v2/users/1/password",
            "/api/v2/users/me/password.json",
        ] {
            assert!(refuses(&[], &Method::GET, path), "{path}");
            assert!(refuses(&[], &Method::POST, path), "{path}");
        }
        for path in [
            "/api/v2/tickets.json",
            "/api/v2/users/me.json",
            "/api/v2/users/passwords",
            "/api/v2/users/1/identities",
            "/api/v2/any_channel/validate_token",
            "/api/v2/help_center/articles/oauth",
            "/api/v2/search.json",
            "/attachments/token/oauth/",
            "/api/v2/tickets/oauth/tokens",
        ] {
            assert!(!refuses(&[], &Method::POST, path), "{path}");
        }
    }

    #[test]
    fn s6_the_sessions_own_token_can_be_looked_at_but_not_touched() {
        let path = "/api/v2/oauth/tokens/current.json";
        assert!(!refuses(&[], &Method::GET, path));
        assert!(!refuses(&[], &Method::HEAD, path));
        assert!(refuses(&[], &Method::DELETE, path));
        assert!(refuses(&[], &Method::POST, path));
        assert!(refuses(
            &[],
            &Method::GET,
            "/api/v2/x/../oauth/tokens/current"
        ));
    }

    #[test]
    fn d1_p9_a_request_that_names_another_method_counts_as_a_write() {
        let judged = |uri: &str, header: &str| {
            let request = http::Request::get(uri).header(header, "DELETE");
            let (head, ()) = request.body(()).unwrap().into_parts();
            method(&head).clone()
        };
        for header in [
            "X-HTTP-Method-Override",
            "x_http_method",
            "X-Method-Override",
        ] {
            assert_eq!(judged("/", header), Method::POST, "{header}");
        }
        for uri in ["/?_method=delete", "/?a&%5f%4Dethod=x"] {
            assert_eq!(judged(uri, "x-any"), Method::POST, "{uri}");
        }
        assert_eq!(judged("/?method=x&_methods", "x-any"), Method::GET);
    }

    #[test]
    fn s6_a_route_can_be_opened_by_name() {
        let open = ["/api/v2/oauth/tokens"];
        assert!(!refuses(&open, &Method::POST, "/api/v2/oauth/tokens.json"));
        assert!(!refuses(&open, &Method::DELETE, "/api/v2/oauth/tokens/1"));
        assert!(refuses(&open, &Method::POST, "/api/v2/oauth/clients"));
        assert!(refuses(&open, &Method::POST, "/oauth/tokens"));
        let tricky = "/api/v2/oauth/clients/../tokens";
        assert!(refuses(&open, &Method::POST, tricky));
    }

    #[test]
    fn d1_p8_refused_routes_are_found_behind_every_spelling() {
        for path in [
            "/api/v2/oauth/../oauth/tokens",
            "/api/v2/tickets/../oauth/tokens",
            "/api/v2/tickets/%2e%2e/oauth/tokens",
            "/api/v2/tickets/..%2foauth%2ftokens",
            "/api/v2/oauth%2Ftokens",
            "/api/v2//oauth//tokens",
            "/api/v2/./oauth/tokens",
            "/api/v2/oauth;x=y/tokens",
            "/api\\v2\\oauth\\tokens",
            "/API/V2/OAuth/Tokens.JSON/",
            "/api/v2/o%61uth/tokens",
            "/api/v2/o%2561uth/tokens",
            // A server that routes before it resolves.
            "/oauth/tokens/../../api/v2/tickets",
            "/oauth/tokens/%2e%2e/%2e%2e/api/v2/tickets",
            // One that resolves before it decodes.
            "/a%2fb/../oauth/tokens",
            "/a%2fb/%2e%2e/api/v2/oauth/tokens",
            "/api/v2/a%2fb/../api_tokens",
            "/api/v2/users/1/a%2fb/../password",
            // One to which an encoded delimiter is a character like any other.
            "/a%23/../oauth/tokens",
            "/a%3F/../api/v2/oauth/clients",
            "/a%00/../api/v2/api_tokens",
            "/;a%232fb/../api/v2/oauth/clients",
            // One that cuts parameters off before it decodes.
            "/;a%2fb/api/v2/oauth/clients",
            "/;a..%2%46b../api/v2/oauth/clients",
            "/api;a%5cb/v2/api_tokens",
            "/api/v2/users/1/a%23/../password",
            // One that ends the path there.
            "/oauth/tokens%23/../../api/v2/tickets",
            "/api/v2/users/1/password%3F/x",
        ] {
            assert!(refuses(&[], &Method::POST, path), "{path}");
        }
        for path in [
            "/api/v2/search/a%23b",
            "/api/v2/tags/50%25%2Foauth/tickets",
            "/api/v2/tickets/../users/1/identities",
            "/api/v2/a%3Fb/c",
        ] {
            assert!(!refuses(&[], &Method::POST, path), "{path}");
        }
    }

    #[test]
    fn s6_products_with_their_own_credentials() {
        let credential = |path| credential(&Canonical::of(path));
        for path in ["/api/v2/chat", "/api/v2/chat/chats", "/sc/v2/apps"] {
            assert_eq!(credential(path), Credential::Own, "{path}");
        }
        for path in ["/api/v2/chats", "/api/v2/tickets", "/scx", "/api/v2/x/chat"] {
            assert_eq!(credential(path), Credential::Injected, "{path}");
        }
    }
}
