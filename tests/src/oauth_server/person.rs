//! A person who fills in any form that a page shows: oidc-provider's login and consent.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use url::{Url, form_urlencoded};

use crate::zendesk::Caller;

/// Follows `page` to the address on this machine where the login returns, without opening that.
pub(crate) async fn consent(page: &str, ca: &Path) -> io::Result<String> {
    let caller = Caller::new(page, ca)?;
    let mut cookies = BTreeMap::new();
    let mut at: Url = page.parse().map_err(io::Error::other)?;
    let mut form: Option<String> = None;
    for _ in 0..STEPS_MAX {
        let mut headers = HeaderMap::new();
        let jar: Vec<String> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        headers.insert(COOKIE, value(&jar.join("; "))?);
        let (method, body) = match form.take() {
            Some(body) => {
                headers.insert(CONTENT_TYPE, value("application/x-www-form-urlencoded")?);
                (Method::POST, Bytes::from(body))
            }
            None => (Method::GET, Bytes::new()),
        };
        let reply = caller.send(method, at.as_str(), headers, body).await?;
        for cookie in reply.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().map_err(io::Error::other)?;
            let pair = cookie
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='));
            let (name, value) = pair.ok_or_else(|| io::Error::other("an odd cookie"))?;
            cookies.insert(name.to_owned(), value.to_owned());
        }
        if let Some(location) = reply.headers().get(LOCATION) {
            let location = location.to_str().map_err(io::Error::other)?;
            at = at.join(location).map_err(io::Error::other)?;
            if at.scheme() == "http" {
                return Ok(at.into());
            }
            continue;
        }
        let text = String::from_utf8_lossy(reply.body());
        if !reply.status().is_success() {
            return Err(io::Error::other(format!("{}: {text}", reply.status())));
        }
        let action = between(&text, "action=\"", "\"");
        let prompt = between(&text, "name=\"prompt\" value=\"", "\"");
        let (Some(action), Some(prompt)) = (action, prompt) else {
            return Err(io::Error::other(format!("no form on the page: {text}")));
        };
        at = at.join(action).map_err(io::Error::other)?;
        let fields = [("prompt", prompt), ("login", "alice"), ("password", "any")];
        let mut body = form_urlencoded::Serializer::new(String::new());
        form = Some(body.extend_pairs(fields).finish());
    }
    Err(io::Error::other("the pages go round in circles"))
}

fn value(text: &str) -> io::Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(io::Error::other)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// Login, consent, and the redirects before and after each.
const STEPS_MAX: usize = 12;
