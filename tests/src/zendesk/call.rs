//! A complete request, parsed for the endpoints.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::form_urlencoded;

/// A complete request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it arrived.
    pub(super) now: Timestamp,
}

impl Call {
    /// The segments of the path, without the `.json` that Zendesk allows after the last.
    pub(super) fn segments(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".json").unwrap_or(&self.path);
        path.trim_matches('/').split('/').collect()
    }

    /// A header's first value as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, if it is declared as JSON and valid.
    fn json(&self) -> Option<Value> {
        let is_json = media_type(&self.headers) == "application/json";
        serde_json::from_slice(&self.body).ok().filter(|_| is_json)
    }

    /// The object under `key` in a JSON body, such as `{"ticket": {…}}`.
    pub(super) fn object(&self, key: &str) -> Option<Map<String, Value>> {
        self.json()?.get(key)?.as_object().cloned()
    }

    /// The objects under `key` in a JSON body, such as `{"tickets": [{…}, …]}`.
    pub(super) fn objects(&self, key: &str) -> Option<Vec<Map<String, Value>>> {
        let body = self.json()?;
        let list = body.get(key)?.as_array()?;
        list.iter().map(|item| item.as_object().cloned()).collect()
    }
}

/// The media type of a body, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = value.split(';').next().unwrap_or("");
    media_type.trim().to_ascii_lowercase()
}

/// The parameters of a query or a form, decoded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Self {
        Self::form(query.unwrap_or("").as_bytes())
    }

    pub(super) fn form(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A list such as `ids=1,2,3`.
    pub(super) fn numbers(&self, name: &str) -> Vec<u64> {
        let list = self.get(name).unwrap_or("");
        list.split(',')
            .filter_map(|item| item.trim().parse().ok())
            .collect()
    }

    /// The same parameters with these replacing any of the same name, encoded as a query.
    pub(super) fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in &self.0 {
            if !changes.iter().any(|(changed, _)| changed == key) {
                query.append_pair(key, value);
            }
        }
        for (key, value) in changes {
            if let Some(value) = value {
                query.append_pair(key, value);
            }
        }
        query.finish()
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}
