//! The parameters of a token request.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::zendesk::call::{Query, media_type};

/// The parameters of a request, from JSON or from a form.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    values: Map<String, Value>,
    is_form: bool,
}

impl Parameters {
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        let media_type = media_type(headers);
        if media_type == "application/json" {
            return match serde_json::from_slice(body) {
                Ok(Value::Object(values)) => Ok(Self {
                    values,
                    is_form: false,
                }),
                _ => Err(Refusal::invalid_request("the body is no JSON object")),
            };
        }
        if media_type == "application/x-www-form-urlencoded" {
            let pairs = Query::form(body).into_pairs();
            return Ok(Self {
                values: pairs
                    .into_iter()
                    .map(|(key, value)| (key, Value::String(value)))
                    .collect(),
                is_form: true,
            });
        }
        Err(Refusal::invalid_request(
            "parameters must be formatted as JSON",
        ))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    /// A lifetime in seconds: a JSON number, or the digits of a form. A JSON string isn't accepted,
    /// though Zendesk might: a client should send what is documented.
    pub(super) fn ttl(&self, name: &str, bounds: Bounds) -> Result<Option<Duration>, Refusal> {
        let Some(value) = self.values.get(name) else {
            return Ok(None);
        };
        let digits = value.as_str().filter(|_| self.is_form);
        let seconds = digits.map_or_else(|| value.as_u64(), |digits| digits.parse().ok());
        match seconds.map(Duration::from_secs) {
            Some(ttl) if (bounds.min..=bounds.max).contains(&ttl) => Ok(Some(ttl)),
            _ => Err(Refusal::invalid_request(format!(
                "{name} must be a number >= {} and <= {}",
                bounds.min.as_secs(),
                bounds.max.as_secs()
            ))),
        }
    }
}

/// The lifetimes that may be requested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    min: Duration,
    pub(super) default: Duration,
    max: Duration,
}

pub(super) const ACCESS_TTL: Bounds = Bounds {
    min: Duration::from_secs(300),
    default: Duration::from_secs(1800),
    max: Duration::from_secs(172_800),
};
pub(super) const REFRESH_TTL: Bounds = Bounds {
    min: Duration::from_secs(604_800),
    default: Duration::from_secs(2_592_000),
    max: Duration::from_secs(7_776_000),
};
