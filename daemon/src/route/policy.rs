//! Decides by the [route table](crate::route_table) which routes scripts may use, and which credential a
//! request carries.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::RoutePath;
use crate::error_response::ErrorResponse;
use crate::rights;
use crate::route_table::{Credentials, NormalizedPath, PathName, Properties};
use crate::upstream::Credential;

/// The refused routes that the configuration opens.
#[derive(Clone, Debug)]
pub(super) struct RoutePolicy {
    open: Vec<Vec<Vec<u8>>>,
}

/// Who makes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A script without a key, which may do all that the account can do.
    Keyless,
    /// A script with a local key, however much that allows.
    WithKey,
}

impl RoutePolicy {
    /// The rules, except for `open` and everything below it.
    pub(super) fn new(open: &[RoutePath]) -> Self {
        let owned = |name: PathName<'_>| name.into_owned();
        let resolved = |route: &RoutePath| {
            let path = NormalizedPath::of(route.as_str());
            path.resolved.into_iter().map(owned).collect()
        };
        Self {
            open: open.iter().map(resolved).collect(),
        }
    }

    /// Whether this route must be refused, since a script could create or take over a credential with
    /// it.
    pub(super) fn refuses(
        &self,
        path: &NormalizedPath<'_>,
        properties: Properties,
        asker: Asker,
    ) -> bool {
        let may_be_used = match properties.credentials {
            Credentials::None => true,
            // tap-zendesk reads the session's own token before each run, which does no harm. But the
            // answer shows the beginning of a token that can do more than a key.
            Credentials::OfThisRequest => asker == Asker::Keyless,
            Credentials::Any => false,
        };
        // If the path has several readings, it isn't clear which one was opened.
        !may_be_used && (path.is_ambiguous || !self.opens(path))
    }

    fn opens(&self, path: &NormalizedPath<'_>) -> bool {
        let begins_with = |open: &Vec<Vec<u8>>| {
            let fits = |(open, name): (&Vec<u8>, &PathName<'_>)| open.as_slice() == &**name;
            open.len() <= path.resolved.len() && open.iter().zip(&path.resolved).all(fits)
        };
        self.open.iter().any(begins_with)
    }
}

/// The method by which a request is checked. Rails and others use another method if a header or a
/// parameter says so, so such a request counts as a write.
pub(super) fn method(head: &Parts) -> &Method {
    if rights::names_another_method(head) {
        &Method::POST
    } else {
        &head.method
    }
}

/// The credential that a request to this route carries.
///
/// # Errors
/// `X-Loopdesk-Auth` has an unknown value. Ignoring it could send a token that the script didn't want,
/// and a visitor's ticket would be created in the agent's name.
pub(super) fn credential(
    headers: &HeaderMap,
    properties: Properties,
) -> Result<Credential, ErrorResponse> {
    if headers.contains_key(AUTH_HEADER) {
        let is_off = |line: &HeaderValue| line.as_bytes().eq_ignore_ascii_case(b"off");
        if headers.get_all(AUTH_HEADER).iter().all(is_off) {
            return Ok(Credential::None);
        }
        let why = "`X-Loopdesk-Auth` has one valid value, `off`, which sends the request without a \
                   credential; leave the header out to send it with yours";
        return Err(ErrorResponse::BadRequest(why.to_owned()));
    }
    Ok(match properties.has_own_credential {
        true => Credential::Own,
        false => Credential::Injected,
    })
}

/// With the value `off`, the request is sent without a credential.
const AUTH_HEADER: HeaderName = HeaderName::from_static("x-loopdesk-auth");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route_table::TABLE;

    fn refuses(open: &[&str], method: &Method, path: &str) -> bool {
        refuses_to(Asker::Keyless, open, method, path)
    }

    fn refuses_to(asker: Asker, open: &[&str], method: &Method, path: &str) -> bool {
        let open: Vec<RoutePath> = open.iter().map(|route| route.parse().unwrap()).collect();
        let path = NormalizedPath::of(path);
        let properties = TABLE.properties(method, &path);
        RoutePolicy::new(&open).refuses(&path, properties, asker)
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
            "/api/v2/users/me/oauth/clients.json",
            "/api/v2/remote_authentications.json",
            "/api/v2/webhooks/01EJFTSCC78X5V07NPY2MHR00M/signing_secret",
            "/api/v2/help_center/integration/token",
            "/api/v2/help_center/en-us/integration/token.json",
            "/api/v2/help_center/PT-BR/Integration/token",
            "/hc/api/v2/integration/token",
            "/hc/en-us/api/v2/integration/token",
            "/api/v2/channels/voice/call_console/token",
            "/api/v2/channels/voice/Call_Console/token",
            "/api/services/zis/connections/oauth/clients/x",
            "/api/services/zis/integrations/x/connections/all",
            "/api/services/zis/inbound_webhooks/generic/x",
            "/api/services/zis/registry/integrations",
            "/api/services/zis/registry/x",
            "/api/v1/api_tokens",
            "/api/v1/users/1/oauth/clients",
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
    fn d7_no_key_is_shown_a_part_of_the_sessions_token() {
        for path in [
            "/api/v2/oauth/tokens/current",
            "/api/v2/oauth/tokens/current.json",
            "/api/v2/OAuth/tokens/%63urrent",
        ] {
            for method in [Method::GET, Method::HEAD, Method::DELETE] {
                assert!(refuses_to(Asker::WithKey, &[], &method, path), "{path}");
            }
        }
        let open = ["/api/v2/oauth/tokens/current"];
        assert!(!refuses_to(Asker::WithKey, &open, &Method::GET, open[0]));
    }

    #[test]
    fn s6_what_shows_no_credential_passes_beside_what_does() {
        for path in [
            "/api/v2/users/1/password/requirements",
            "/api/v2/users/me/password/requirements.json",
        ] {
            assert!(!refuses(&[], &Method::GET, path), "{path}");
            assert!(!refuses(&[], &Method::HEAD, path), "{path}");
            assert!(refuses(&[], &Method::POST, path), "{path}");
        }
        for path in [
            "/api/v2/users/1/password/requirements/x",
            "/api/v2/users/1/password/x/../requirements",
        ] {
            assert!(refuses(&[], &Method::GET, path), "{path}");
        }
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
        let credential = |path| {
            let path = NormalizedPath::of(path);
            let properties = TABLE.properties(&Method::GET, &path);
            credential(&HeaderMap::new(), properties).unwrap()
        };
        for path in [
            "/api/v2/chat",
            "/api/v2/chat/chats",
            "/sc/v2/apps",
            "/api/services/zis/inbound_webhooks/generic/ingest/x",
        ] {
            assert_eq!(credential(path), Credential::Own, "{path}");
        }
        for path in ["/api/v2/chats", "/api/v2/tickets", "/scx", "/api/v2/x/chat"] {
            assert_eq!(credential(path), Credential::Injected, "{path}");
        }
    }

    #[test]
    fn s1_a_request_is_anonymous_by_one_word_and_no_other_is_followed() {
        let asked = |values: &[&'static str], path| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTH_HEADER, HeaderValue::from_static(value));
            }
            let properties = TABLE.properties(&Method::GET, &NormalizedPath::of(path));
            credential(&headers, properties).map_err(|refusal| refusal.code())
        };
        for path in ["/api/v2/requests.json", "/api/v2/chat/chats"] {
            assert_eq!(asked(&["off"], path), Ok(Credential::None));
            assert_eq!(asked(&["OFF", "off"], path), Ok(Credential::None));
            for wrong in [&["on"][..], &[""], &["off, on"], &["off", "on"], &["none"]] {
                assert_eq!(asked(wrong, path), Err("bad-request"), "{wrong:?}");
            }
        }
    }
}
