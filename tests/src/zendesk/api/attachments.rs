//! Uploads, attachments, and the redirects to the host that serves files.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::access::{self, Visitor};
use super::tickets::number;
use super::{Api, Outcome, errors};
use crate::zendesk::answer::Answer;
use crate::zendesk::call::Call;
use crate::zendesk::files;
use crate::zendesk::oauth::random_text;
use crate::zendesk::shared::{Shared, lock};
use crate::zendesk::store::{File, Store};

/// `/api/v2/uploads`
pub(super) fn uploads(api: &mut Api, path: &[&str]) -> Outcome {
    match (&api.call.method, path) {
        (&Method::POST, []) => upload(api),
        (&Method::DELETE, [token]) => match api.store.uploads.remove(*token) {
            Some(_) => Ok(Answer::new(204)),
            None => Err(errors::not_found()),
        },
        _ => Err(errors::invalid_endpoint()),
    }
}

/// `/api/v2/attachments/{id}`
pub(super) fn serve(api: &Api, path: &[&str]) -> Outcome {
    match (&api.call.method, path) {
        (&Method::GET | &Method::HEAD, [id]) => {
            let attachment = api.store.attachment(number(id)?);
            let attachment = attachment.ok_or_else(errors::not_found)?;
            Ok(Answer::json(200, &json!({"attachment": attachment})))
        }
        _ => Err(errors::invalid_endpoint()),
    }
}

/// `/attachments/token/{token}/?name=…`
pub(super) fn redirect_by_token(shared: &Shared, call: &Call, token: &str) -> Answer {
    redirect(shared, call, |store| store.attachment_by_token(token))
}

/// `/hc/article_attachments/{id}`
pub(super) fn redirect_of_article(shared: &Shared, call: &Call, id: &str) -> Answer {
    redirect(shared, call, |_| id.parse().ok())
}

/// Redirects callers who may read it to a temporary address on another host.
fn redirect(shared: &Shared, call: &Call, find: impl Fn(&Store) -> Option<u64>) -> Answer {
    let visitor = match access::identify(shared, call) {
        Ok(visitor) => visitor,
        Err(refusal) => return refusal,
    };
    if let Err(refusal) = may_read(&visitor, &call.method) {
        return refusal;
    }
    let mut store = lock(&shared.store);
    let Some(id) = find(&store).filter(|id| store.file(*id).is_some()) else {
        return Answer::html(404, "<html><body><h1>File not found</h1></body></html>");
    };
    let token = random_text();
    store.downloads.insert(token.clone(), id);
    Answer::redirect(302, &files::address(shared, id, &token)).header("cache-control", "no-store")
}

fn may_read(visitor: &Visitor, method: &Method) -> Result<(), Answer> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(errors::invalid_endpoint());
    }
    access::check(visitor, method, &["attachments"])
}

fn upload(api: &mut Api) -> Outcome {
    let call = api.call;
    let name = call.query.get("filename").unwrap_or("");
    if name.is_empty() {
        return Err(errors::record_invalid(
            "filename",
            "Filename: cannot be blank",
            "BlankValue",
        ));
    }
    let limit = lock(&api.shared.settings).upload_limit;
    if call.body.len() as u64 > limit {
        return Err(Answer::json(
            413,
            &json!({"error": "AttachmentTooLarge", "description": "The file is too large"}),
        ));
    }
    let token = match call.query.get("token") {
        Some(token) if api.store.uploads.contains_key(token) => token.to_owned(),
        Some(_) => return Err(errors::not_found()),
        None => random_text(),
    };
    let id = api.store.next_id();
    // The next number is its thumbnail's.
    api.store.next_id();
    let media_type = call.header(CONTENT_TYPE.as_str());
    api.store.files.insert(
        id,
        File {
            token: random_text(),
            name: name.to_owned(),
            media_type: media_type.unwrap_or("application/binary").to_owned(),
            content: call.body.clone(),
        },
    );
    let ids = api.store.uploads.entry(token.clone()).or_default();
    ids.push(id);
    let ids = ids.clone();
    let attachments: Vec<_> = ids
        .iter()
        .filter_map(|id| api.store.attachment(*id))
        .collect();
    let upload = json!({
        "token": token,
        "attachment": api.store.attachment(id),
        "attachments": attachments,
    });
    Ok(Answer::json(201, &json!({"upload": upload})))
}
