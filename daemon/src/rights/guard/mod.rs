//! The body of a request, in which frameworks read parameters: the name of another method, and what
//! is to be brought along.
//!
//! Rack takes the field `_method` of a form, or of a multipart body, for the method of a POST, and
//! others a member of that name in JSON. A key that is limited is judged by the method of the
//! request, so a body that names one is refused. Rails merges all of them with the query, so that
//! side loads are judged wherever they may stand.
//!
//! A body of known length that fits the cap is read whole, so that nothing at all of what is
//! refused reaches Zendesk, and the script is told why. A longer one, or one of unknown length, is
//! looked at as it streams, and breaks off before its last byte. Files go by unread: nobody reads
//! parameters out of `image/png`.

mod form;
mod json;
mod kind;
mod multipart;
mod streamed;
#[cfg(test)]
mod tests;
mod whole;
mod word;

#[cfg(feature = "fuzzing")]
use http::HeaderMap;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body as _;

use self::form::Form;
use self::json::Json;
use self::kind::Kinds;
use self::streamed::Streamed;
use self::whole::{Empty, Whole};
use super::path::ApiPath;
use super::side_loads::{Refused, SideLoads};
use super::{Denial, verdict};
use crate::body::Body;
use crate::content::Coding;
use crate::route_table::TABLE;

/// Refuses by the head alone what can't be judged by its body.
pub(super) fn check_head(head: &Parts) -> Result<(), Denial> {
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

/// Looks at a body, whose head `check_head` has let through.
pub(super) async fn guard(head: &Parts, body: Body, side_loads: SideLoads) -> Result<Body, Denial> {
    if body.is_end_stream() {
        return Ok(body);
    }
    if has_no_body(&head.method) {
        return match whole::first(body).await {
            Empty::Yes(body) => Ok(body),
            Empty::No => Err(denial::of_body_in_a_read()),
        };
    }
    let kinds = kinds(head);
    if kinds.is_opaque() {
        return Ok(body);
    }
    let mut scan = Scan::new(kinds, side_loads);
    let length = body.size_hint().exact();
    let Some(reading) = length.and_then(whole::may_be_read) else {
        return Ok(Body::adapted(Streamed::new(body, scan, denial::of_found)));
    };
    match reading.read(body).await {
        Whole::Read(text) => {
            let looked_at = scan.push(&text).and_then(|()| scan.finish());
            looked_at.map_err(denial::of_found)?;
            Ok(Body::full(text))
        }
        Whole::BrokenOff(body) => Ok(body),
    }
}

/// GET, HEAD and OPTIONS are judged as reads of what their path names. Rails would read parameters
/// out of their bodies as well, and no client of Zendesk's sends one.
fn has_no_body(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The ways in which a body must be looked at.
fn kinds(head: &Parts) -> Kinds {
    let mut kinds = Kinds::of(&head.headers);
    // node-zendesk uploads every file as `application/json`. An upload is a file whatever its type
    // says, where there is nothing else at its path that another method could do.
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

/// What is found in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name of another method.
    Method,
    /// Something to be brought along that isn't covered.
    SideLoad(Refused),
}

/// Looks for what a body may not say.
#[derive(Debug)]
pub(super) struct Scan {
    form: Option<Form>,
    multipart: Option<multipart::Parts>,
    json: Option<Json>,
}

impl Scan {
    fn new(kinds: Kinds, side_loads: SideLoads) -> Self {
        Self {
            form: kinds.form.then(|| Form::new(side_loads)),
            multipart: kinds.multipart.then(|| multipart::Parts::new(side_loads)),
            json: kinds.json.then(|| Json::new(side_loads)),
        }
    }

    /// For a body with this head that may bring along anything.
    #[cfg(feature = "fuzzing")]
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self::new(Kinds::of(headers), SideLoads::Anything)
    }

    /// Reads on.
    ///
    /// # Errors
    /// What is found, and in what.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), (&'static str, Found)> {
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

    /// The body is over.
    ///
    /// # Errors
    /// As above.
    pub(super) fn finish(&mut self) -> Result<(), (&'static str, Found)> {
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

/// What the script is told.
mod denial {
    use super::{Found, verdict};
    use crate::rights::Denial;

    pub(super) fn of_found((place, found): (&'static str, Found)) -> Denial {
        match found {
            Found::Method => of_named_method(place),
            Found::SideLoad(refused) => verdict::of_side_load(&refused, place),
        }
    }

    fn of_named_method(place: &'static str) -> Denial {
        Denial::of_request(
            format!("{place} names another method"),
            format!(
                "{place} of the request has a field `_method`, by which some servers act instead \
                 of the request's own method, and this key is limited to what that may do."
            ),
        )
    }

    pub(super) fn of_body_in_a_read() -> Denial {
        Denial::of_request(
            "a read has a body".to_owned(),
            "A GET, HEAD or OPTIONS of a limited key has no body, since some servers read \
             parameters out of it."
                .to_owned(),
        )
    }

    pub(super) fn of_two_types() -> Denial {
        Denial::of_request(
            "the body has two types".to_owned(),
            "The request has more than one `Content-Type`, and servers differ in which of them \
             they go by."
                .to_owned(),
        )
    }

    pub(super) fn of_coded_body() -> Denial {
        Denial::of_request(
            "the body is compressed".to_owned(),
            "A form or JSON text of a limited key is sent without `Content-Encoding`, so that it \
             can be seen whether it names another method."
                .to_owned(),
        )
    }
}

const FORM: &str = "the form";
const MULTIPART: &str = "the multipart body";
const JSON: &str = "the JSON text";
