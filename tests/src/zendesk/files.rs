//! The second host: it serves files under temporary addresses, and must never receive a token.

use http::Method;
use http::header::{AUTHORIZATION, RANGE};

use super::answer::Answer;
use super::call::Call;
use super::shared::{Shared, lock};

/// Responds to requests to the files' host.
pub(super) fn serve(shared: &Shared, call: &Call) -> Answer {
    if call.headers.contains_key(AUTHORIZATION) {
        // Like the storage behind it, which rejects a signed address that comes with a credential.
        return Answer::new(400)
            .header("content-type", "application/xml")
            .body("<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>");
    }
    if !call.method.is_safe() || call.method == Method::OPTIONS {
        return Answer::new(405);
    }
    let store = lock(&shared.store);
    let file = call
        .query
        .get("token")
        .filter(|_| call.path.starts_with(PATH))
        .and_then(|token| store.downloads.get(token))
        .and_then(|id| store.file(*id));
    let Some(file) = file else {
        return Answer::text(404, "Not found\n");
    };
    let answer = match range(call, file.content.len()) {
        None => Answer::new(200).body(file.content.clone()),
        Some(Ok((first, last))) => Answer::new(206)
            .header(
                "content-range",
                &format!("bytes {first}-{last}/{}", file.content.len()),
            )
            .body(file.content.slice(first..=last)),
        Some(Err(())) => {
            Answer::new(416).header("content-range", &format!("bytes */{}", file.content.len()))
        }
    };
    answer
        .header("content-type", &file.media_type)
        .header(
            "content-disposition",
            &format!("attachment; filename=\"{}\"", file.name),
        )
        .header("accept-ranges", "bytes")
        .header("cache-control", "private, max-age=3600")
}

/// The temporary address of an attachment.
pub(super) fn address(shared: &Shared, attachment: u64, token: &str) -> String {
    let origin = &shared.places.files_origin;
    format!("{origin}{PATH}{attachment}/?token={token}")
}

/// The first and last byte that a single `Range: bytes=…` asks for.
fn range(call: &Call, length: usize) -> Option<Result<(usize, usize), ()>> {
    let range = call.header(RANGE.as_str())?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last.min(length.saturating_sub(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, length.saturating_sub(1)),
        (Err(_), Ok(count)) if first.is_empty() => {
            (length.saturating_sub(count), length.saturating_sub(1))
        }
        _ => return None,
    };
    Some(if first <= last && first < length {
        Ok((first, last))
    } else {
        Err(())
    })
}

const PATH: &str = "/attachment/11400/";
