//! Filters a body at once if it is small and has arrived: then it needs no stream, and its length is known
//! before its head is sent.

use bytes::{Bytes, BytesMut};

use super::whole::TruncatedBody;
use super::{Body, BodyError, Filter, FilterStep, FilteredBody};

/// A body whose data passes through a filter, which `filter` makes.
pub(crate) fn filtered<F>(body: Body, filter: impl Fn() -> F) -> Body
where
    F: Filter + Unpin + Send + 'static,
{
    let body = match body.into_full() {
        Ok(bytes) if bytes.len() <= INPUT_MAX => match output(filter(), bytes.clone()) {
            Some(body) => return body,
            None => Body::full(bytes),
        },
        Ok(bytes) => Body::full(bytes),
        Err(body) => body,
    };
    Body::adapted(FilteredBody::new(body, filter()))
}

/// All that the filter makes of these bytes; `None` if that is a lot.
fn output(mut filter: impl Filter, mut input: Bytes) -> Option<Body> {
    let mut output = Pieces::default();
    loop {
        match filter.next(&mut input) {
            Ok(FilterStep::Piece(piece)) => output.add(piece),
            Ok(FilterStep::Hungry) => break,
            Ok(FilterStep::Busy) => return None,
            Err(error) => return Some(output.broken_off(error)),
        }
        if output.length > OUTPUT_MAX {
            return None;
        }
    }
    Some(match filter.finish() {
        Ok(rest) => {
            output.add(rest);
            Body::full(output.into_bytes())
        }
        Err(error) => output.broken_off(error),
    })
}

/// Bytes that come in pieces, often in one.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
    length: usize,
}

impl Pieces {
    fn add(&mut self, piece: Bytes) {
        self.length += piece.len();
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            if self.all.is_empty() {
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&piece);
        }
    }

    fn into_bytes(self) -> Bytes {
        match self.all.is_empty() {
            true => self.first,
            false => self.all.freeze(),
        }
    }

    fn broken_off(self, error: BodyError) -> Body {
        let read = self.into_bytes();
        TruncatedBody { read, error }.into()
    }
}

/// Filtering this much takes some ten microseconds, so that other requests needn't wait.
const INPUT_MAX: usize = 64 << 10;

/// A small body may decode to a large one.
const OUTPUT_MAX: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    /// Writes each byte as often as it says, in pieces of their own.
    struct Repeat {
        /// At its end.
        fails: bool,
    }

    impl Filter for Repeat {
        fn next(&mut self, input: &mut Bytes) -> Result<FilterStep, BodyError> {
            if input.is_empty() {
                return Ok(FilterStep::Hungry);
            }
            let byte = input.split_to(1)[0];
            Ok(FilterStep::of(vec![byte; usize::from(byte)].into()))
        }

        fn finish(&mut self) -> Result<Bytes, BodyError> {
            match self.fails {
                true => Err("it breaks off".into()),
                false => Ok(Bytes::from_static(b"!")),
            }
        }

        fn is_finished(&self) -> bool {
            false
        }

        fn trailers(&self, _: &mut HeaderMap) {}
    }

    #[tokio::test]
    async fn s3_small_bodies_are_filtered_at_once_and_all_others_as_they_come() {
        for (input, fails, is_at_once) in [
            (vec![3, 1, 2], false, true),
            (Vec::new(), false, true),
            (vec![3, 1, 2], true, false),
            (vec![1; INPUT_MAX + 1], true, false),
            (vec![1; INPUT_MAX], false, true),
            (vec![1; INPUT_MAX + 1], false, false),
            (vec![255; OUTPUT_MAX / 255 + 2], false, false),
        ] {
            let what = format!("{} bytes, fails: {fails}", input.len());
            let expected: Vec<u8> = input
                .iter()
                .flat_map(|byte| vec![*byte; usize::from(*byte)])
                .chain(*b"!")
                .collect();
            let body = filtered(Body::full(input), || Repeat { fails });
            let length = body.size_hint().exact();
            assert_eq!(length.is_some(), is_at_once, "{what}");
            match body.collect().await {
                Ok(output) => assert!(!fails && output.to_bytes() == expected, "{what}"),
                Err(error) => assert!(fails, "{what}: {error}"),
            }
        }
    }
}
