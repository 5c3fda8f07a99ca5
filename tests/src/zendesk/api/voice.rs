//! `/api/v2/channels/voice/calls`: the recordings of calls.

use http::Method;

use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::store::recording;

pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    match (&api.call.method, path) {
        (&Method::GET | &Method::HEAD, [call, "twilio", "recording"]) => {
            let content = recording(&api.store.seed, call).ok_or_else(errors::not_found)?;
            Ok(Answer::new(200)
                .header("content-type", "audio/mpeg")
                .body(content))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}
