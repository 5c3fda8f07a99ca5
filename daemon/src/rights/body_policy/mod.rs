//! Checks a request's body for parameters that frameworks read: the name of another method, and
//! side loads.
//!
//! Rack uses the field `_method` of a form or multipart body as the method of a POST, and other
//! frameworks do the same with a JSON member of that name. A limited key is judged by the method of
//! the request, so a body that names another one is refused. Rails merges all of these parameters
//! with the query, so side loads are judged wherever they appear.
//!
//! A body of known length that fits the cap is read completely, so that nothing of a refused one
//! reaches Zendesk and the script gets the reason. A longer one, or one of unknown length, is
//! checked as it streams, and broken off before its last byte. Files aren't checked: no server
//! reads parameters from `image/png`.

mod body_kinds;
mod form;
mod json;
mod method_override_scan;
mod multipart;
mod streamed;
#[cfg(test)]
mod tests;

#[cfg(feature = "fuzzing")]
use http::HeaderMap;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body as _;

use self::body_kinds::Kinds;
use self::form::FormScan;
use self::json::Json;
use self::streamed::Streamed;
use super::path::ApiPath;
use super::side_loads::{RefusedSideLoad, SideLoads};
use super::{PolicyDenied, verdict};
use crate::body::{self, Body, BudgetShare, FilteredBody};
use crate::content::Coding;
use crate::route_table::TABLE;

/// Refuses, by the head alone, a body that can't be judged.
pub(super) fn check_head(head: &Parts) -> Result<(), PolicyDenied> {
    let headers = &head.headers;
    if has_no_body(&head.method) {
        return match headers.get(CONTENT_LENGTH) {
            Some(length) if length != "0" => Err(denial::of_body_in_a_read()),
            _ => Ok(()),
        };
    }
    if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    if headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
        return Err(denial::of_two_types());
    }
    if Coding::of(headers) != Coding::Identity && !kinds(head).is_opaque() {
        return Err(denial::of_coded_body());
    }
    Ok(())
}

/// Checks a body whose head `check_head` has let through.
pub(super) async fn enforce(
    head: &Parts,
    body: Body,
    side_loads: SideLoads,
    memory: &mut BudgetShare,
) -> Result<Body, PolicyDenied> {
    if body.is_end_stream() {
        return Ok(body);
    }
    if has_no_body(&head.method) {
        let empty = body::if_empty(body).await;
        return empty.ok_or_else(denial::of_body_in_a_read);
    }
    let kinds = kinds(head);
    if kinds.is_opaque() {
        return Ok(body);
    }
    let mut scan = Scan::new(kinds, side_loads);
    // Without room, the check runs as the body streams. That is as safe, but the error that the script
    // gets says less.
    let Some(length) = memory.room_for(&body) else {
        let streamed = Streamed::new(scan, denial::of_found);
        return Ok(Body::adapted(FilteredBody::new(body, streamed)));
    };
    match body::whole(body, length).await {
        Ok(text) => {
            let looked_at = scan.push(&text).and_then(|()| scan.finish());
            looked_at.map_err(denial::of_found)?;
            Ok(Body::full(text))
        }
        Err(broken) => Ok(broken.into()),
    }
}

/// GET, HEAD and OPTIONS are judged as reads of their path. Rails would read parameters from their
/// bodies as well, and no Zendesk client sends any.
fn has_no_body(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The formats for which a body must be checked.
fn kinds(head: &Parts) -> Kinds {
    let mut kinds = Kinds::of(&head.headers);
    // node-zendesk uploads every file as `application/json`. An upload is a file whatever its type
    // says, as long as its path offers nothing else that another method could do.
    if kinds.json && is_file(head) {
        kinds.json = false;
    }
    kinds
}

fn is_file(head: &Parts) -> bool {
    let Ok(path) = ApiPath::of(head.uri.path()) else {
        return false;
    };
    let path = path.segments();
    let entry = TABLE.find(&head.method, &path);
    entry.is_some_and(|entry| entry.takes_file && TABLE.is_alone(entry, &path))
}

/// What was found in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyFinding {
    /// The name of another method.
    Method,
    /// A side load that the key doesn't cover.
    SideLoad(RefusedSideLoad),
}

/// Searches a body for what it must not contain.
#[derive(Debug)]
pub(super) struct Scan {
    form: Option<FormScan>,
    multipart: Option<multipart::PartsScan>,
    json: Option<Json>,
}

impl Scan {
    fn new(kinds: Kinds, side_loads: SideLoads) -> Self {
        Self {
            form: kinds.form.then(|| FormScan::new(side_loads)),
            multipart: kinds
                .multipart
                .then(|| multipart::PartsScan::new(side_loads)),
            json: kinds.json.then(|| Json::new(side_loads)),
        }
    }

    /// For a body with this head, in which any side load is allowed.
    #[cfg(feature = "fuzzing")]
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::new(Kinds::of(headers), SideLoads::Anything)
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover; and the format in which it was found.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), (&'static str, BodyFinding)> {
        if let Some(form) = &mut self.form {
            form.push(text).map_err(|found| (FORM, found))?;
        }
        if let Some(parts) = &mut self.multipart {
            parts.push(text).map_err(|found| (MULTIPART, found))?;
        }
        if let Some(json) = &mut self.json {
            json.push(text).map_err(|found| (JSON, found))?;
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// A method override, or a side load that the key doesn't cover; and the format in which it was found.
    pub(super) fn finish(&mut self) -> Result<(), (&'static str, BodyFinding)> {
        if let Some(form) = &mut self.form {
            form.finish().map_err(|found| (FORM, found))?;
        }
        if let Some(parts) = &self.multipart {
            parts.finish().map_err(|found| (MULTIPART, found))?;
        }
        if let Some(json) = &mut self.json {
            json.finish().map_err(|found| (JSON, found))?;
        }
        Ok(())
    }
}

/// The error response for the script.
mod denial {
    use super::{BodyFinding, verdict};
    use crate::rights::PolicyDenied;

    pub(super) fn of_found((place, found): (&'static str, BodyFinding)) -> PolicyDenied {
        match found {
            BodyFinding::Method => of_named_method(place),
            BodyFinding::SideLoad(refused) => verdict::of_side_load(&refused, place),
        }
    }

    fn of_named_method(place: &'static str) -> PolicyDenied {
        PolicyDenied::of_request(
            format!("{place} names another method"),
            format!(
                "{place} of the request has a field `_method`, which some servers use instead of \
                 the request's own method, and this key is limited to what that one may do."
            ),
        )
    }

    pub(super) fn of_body_in_a_read() -> PolicyDenied {
        PolicyDenied::of_request(
            "a read has a body".to_owned(),
            "A GET, HEAD or OPTIONS with a limited key must not have a body, since some servers \
             read parameters from it."
                .to_owned(),
        )
    }

    pub(super) fn of_two_types() -> PolicyDenied {
        PolicyDenied::of_request(
            "the body has two types".to_owned(),
            "The request has more than one `Content-Type`, and servers differ in which one they \
             use."
                .to_owned(),
        )
    }

    pub(super) fn of_coded_body() -> PolicyDenied {
        PolicyDenied::of_request(
            "the body is compressed".to_owned(),
            "A form or JSON text with a limited key must be sent without `Content-Encoding`, so \
             that loopdesk can check whether it names another method."
                .to_owned(),
        )
    }
}

const FORM: &str = "the form";
const MULTIPART: &str = "the multipart body";
const JSON: &str = "the JSON text";
