//! Reads a 401 to tell whether it blames the token (R2), and gives it back unchanged.

use std::collections::VecDeque;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use serde::Deserialize;

use crate::body::{Body, BodyError};

/// Whether this 401 says `invalid_token`, or may have meant to: a HEAD and an empty body can't say
/// anything. The response is returned as it came.
pub(in crate::session) async fn read(
    method: &Method,
    response: Response<Body>,
) -> (bool, Response<Body>) {
    if *method == Method::HEAD || names_token(response.headers()) {
        return (true, response);
    }
    let (parts, mut body) = response.into_parts();
    if body.size_hint().lower() > BODY_MAX {
        return (false, Response::from_parts(parts, body));
    }
    let mut read = Vec::new();
    let collected = collect(&mut body, &mut read);
    let is_whole = tokio::time::timeout(PATIENCE, collected).await == Ok(true);
    let blames_token = is_whole && {
        let frames = read.iter().filter_map(|read| read.as_ref().ok());
        let bytes: Vec<u8> = frames
            .filter_map(Frame::data_ref)
            .flatten()
            .copied()
            .collect();
        let encoding = parts.headers.get(CONTENT_ENCODING);
        says_invalid_token(&bytes, encoding.map(|value| value.as_bytes()))
    };
    let body = Body::adapted(Reassembled {
        read: read.into(),
        rest: body,
    });
    (blames_token, Response::from_parts(parts, body))
}

/// RFC 6750 section 3: `Bearer error="invalid_token"`.
fn names_token(headers: &HeaderMap) -> bool {
    let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    challenges.any(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.to_ascii_lowercase().contains("invalid_token"))
    })
}

/// Reads frames into `read`; `true` if it reached the end, `false` if the body is too long or broke
/// off.
async fn collect(body: &mut Body, read: &mut Vec<Piece>) -> bool {
    let mut length = 0;
    loop {
        match body.frame().await {
            None => return true,
            Some(Ok(frame)) => {
                length += frame.data_ref().map_or(0, Bytes::len);
                read.push(Ok(frame));
                if length as u64 > BODY_MAX {
                    return false;
                }
            }
            // Kept for the script: a body that broke off must not look complete (S4).
            Some(Err(error)) => {
                read.push(Err(error));
                return false;
            }
        }
    }
}

fn says_invalid_token(body: &[u8], encoding: Option<&[u8]>) -> bool {
    #[derive(Deserialize)]
    struct ErrorBody {
        error: String,
    }
    let is_invalid_token = |text: &[u8]| {
        serde_json::from_slice::<ErrorBody>(text).is_ok_and(|body| body.error == "invalid_token")
    };
    match encoding.map(<[u8]>::to_ascii_lowercase).as_deref() {
        _ if body.is_empty() => true,
        None | Some(b"identity") => is_invalid_token(body),
        Some(b"gzip" | b"x-gzip") => {
            let mut text = Vec::new();
            let decoder = flate2::read::MultiGzDecoder::new(body);
            let decoded = decoder.take(BODY_MAX).read_to_end(&mut text);
            decoded.is_ok() && is_invalid_token(&text)
        }
        Some(b"deflate") => {
            let mut text = Vec::new();
            let decoder = flate2::read::ZlibDecoder::new(body);
            let decoded = decoder.take(BODY_MAX).read_to_end(&mut text);
            decoded.is_ok() && is_invalid_token(&text)
        }
        // Brotli and the like can't be decoded here. Asking `tokens/current` settles it.
        Some(_) => true,
    }
}

/// What polling a body yields.
type Piece = Result<Frame<Bytes>, BodyError>;

/// A body whose first frames were read, put together again.
struct Reassembled {
    read: VecDeque<Piece>,
    rest: Body,
}

impl http_body::Body for Reassembled {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.read.pop_front() {
            Some(piece) => Poll::Ready(Some(piece)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self
            .read
            .iter()
            .filter_map(|piece| piece.as_ref().ok()?.data_ref());
        let read: u64 = read.map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(read.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(read.saturating_add(upper));
        }
        hint
    }
}

/// Zendesk's error bodies are smaller than 1 KiB.
const BODY_MAX: u64 = 64 * 1024;
/// A body that trickles in isn't an error message.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const INVALID: &str = r#"{"error":"invalid_token","error_description":"The access token provided is expired, revoked, malformed or invalid for other reasons."}"#;

    fn response(headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Body> {
        let mut response = Response::builder().status(401);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(Body::full(body)).unwrap()
    }

    async fn judge(method: Method, response: Response<Body>) -> (bool, Bytes) {
        let (says, response) = read(&method, response).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (says, body)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn r2_a_401_reads_as_invalid_token_or_not_and_stays_whole() {
        let challenge = (
            "www-authenticate",
            r#"Bearer realm="x", error="invalid_token""#,
        );
        let basic = r#"{"error":"Couldn't authenticate you"}"#;
        let zipped = &[("content-encoding", "gzip")][..];
        let cases = [
            (true, &[][..], INVALID.into()),
            (true, zipped, gzip(INVALID)),
            (true, &[("content-encoding", "br")][..], vec![1, 2, 3]),
            (true, &[challenge][..], basic.into()),
            (true, &[][..], Vec::new()),
            (false, &[][..], basic.into()),
            (false, zipped, gzip(basic)),
            (false, zipped, b"no gzip".to_vec()),
            (false, &[][..], b"<html>invalid_token</html>".to_vec()),
        ];
        for (expected, headers, body) in cases {
            let (says, after) = judge(Method::GET, response(headers, body.clone())).await;
            assert_eq!(says, expected, "{headers:?} {body:?}");
            assert_eq!(after, body);
        }
        assert!(judge(Method::HEAD, response(&[], "")).await.0);
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_passed_on_whole() {
        let long = vec![b'x'; 200_000];
        let (says, after) = judge(Method::GET, response(&[], long.clone())).await;
        assert!(!says);
        assert_eq!(after, long);
        // The same without a known length.
        let frames: Vec<Result<_, BodyError>> = long
            .chunks(1000)
            .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        let mut frames = frames.into_iter();
        let stream = unsized_body(move || frames.next());
        let (says, after) = judge(Method::GET, response(&[], "").map(|_| stream)).await;
        assert!(!says);
        assert_eq!(after, long);
    }

    #[tokio::test]
    async fn s4_a_401_that_breaks_off_is_passed_on_broken() {
        // Wherever it breaks off, even before the first frame.
        for whole in 0..3 {
            let mut left = whole;
            let stream = unsized_body(move || {
                let frame = || Frame::data(Bytes::from_static(b"{\"error\":"));
                let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                match left {
                    0 => {
                        left = usize::MAX;
                        Some(Err(broken.into()))
                    }
                    usize::MAX => None,
                    _ => {
                        left -= 1;
                        Some(Ok(frame()))
                    }
                }
            });
            let (says, response) = read(&Method::GET, response(&[], "").map(|_| stream)).await;
            assert!(!says);
            let mut body = response.into_body();
            for _ in 0..whole {
                assert!(body.frame().await.unwrap().is_ok());
            }
            let end = body.frame().await;
            assert!(end.is_some_and(|end| end.is_err()), "after {whole}");
        }
    }

    /// A body of unknown length from frames.
    fn unsized_body(
        next: impl FnMut() -> Option<Result<Frame<Bytes>, BodyError>> + Send + Unpin + 'static,
    ) -> Body {
        struct Frames<F>(F);
        impl<F> http_body::Body for Frames<F>
        where
            F: FnMut() -> Option<Result<Frame<Bytes>, BodyError>> + Unpin,
        {
            type Data = Bytes;
            type Error = BodyError;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
                Poll::Ready((self.0)())
            }
        }
        Body::adapted(Frames(next))
    }
}
