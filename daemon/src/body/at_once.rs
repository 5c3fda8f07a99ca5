//! Filters a body at once if it is small and has arrived: then it needs no stream, and its length is known
//! before its head is sent.

use bytes::{Bytes, BytesMut};

use super::{Body, Filter, FilterStep, FilteredBody};

/// A body whose data passes through a filter, which `filter` makes.
pub(crate) fn filtered<F>(body: Body, filter: impl Fn() -> F) -> Body
where
    F: Filter + Unpin + Send + 'static,
{
    let body = match body.into_full() {
        Ok(bytes) if bytes.len() <= INPUT_MAX => {
            if let Some(output) = output(filter(), bytes.clone()) {
                return Body::full(output);
            }
            Body::full(bytes)
        }
        Ok(bytes) => Body::full(bytes),
        Err(body) => body,
    };
    Body::adapted(FilteredBody::new(body, filter()))
}

/// All that the filter makes of these bytes; `None` if it fails, or if that is a lot.
fn output(mut filter: impl Filter, mut input: Bytes) -> Option<Bytes> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    let mut add = |piece: Bytes| {
        if first.is_empty() {
            first = piece;
            return true;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
        all.len() <= OUTPUT_MAX
    };
    loop {
        match filter.next(&mut input).ok()? {
            FilterStep::Piece(piece) => {
                if !add(piece) {
                    return None;
                }
            }
            FilterStep::Hungry => break,
            FilterStep::Busy => return None,
        }
    }
    let rest = filter.finish().ok()?;
    if !rest.is_empty() {
        add(rest);
    }
    Some(if all.is_empty() { first } else { all.freeze() })
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
    use crate::body::BodyError;

    /// Writes each byte as often as it says, in pieces of their own.
    struct Repeat {
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
