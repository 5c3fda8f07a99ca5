use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;

use super::*;
use crate::body::FilteredBody;
use crate::body::frames::{FrameBody, data};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Text that neither compresses to nothing nor fits into one chunk.
fn text() -> Vec<u8> {
    (0..20_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes())
        .collect()
}

fn gunzipped<B>(body: B) -> FilteredBody<B, Decoder> {
    FilteredBody::new(body, Decoder::new())
}

/// All the output, and the error at the end if there is one.
async fn gunzip(
    body: impl Body<Data = Bytes, Error = crate::body::BodyError> + Unpin,
) -> (Vec<u8>, Option<String>) {
    let mut body = gunzipped(body);
    let mut plain = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => plain.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => {
                assert!(body.is_end_stream());
                assert!(body.frame().await.is_none());
                return (plain, Some(error.to_string()));
            }
        }
    }
    (plain, None)
}

#[track_caller]
fn is_error(result: &(Vec<u8>, Option<String>), error: GzipError) {
    assert_eq!(result.1.as_deref(), Some(error.to_string().as_str()));
}

#[tokio::test]
async fn s3_gzip_is_decoded_however_it_is_cut() {
    let plain = text();
    let encoded = gzip(&plain);
    for size in [1, 7, 1000, encoded.len()] {
        let (decoded, error) = gunzip(FrameBody::cut(&encoded, size)).await;
        assert_eq!(error, None);
        assert!(decoded == plain, "in pieces of {size}");
    }
}

#[tokio::test]
async fn s3_every_member_is_decoded_and_what_follows_is_ignored() {
    let members = [gzip(b"one"), gzip(b""), gzip(b"two")].concat();
    for padding in [
        &b""[..],
        b"\0\0\0\0",
        b"\x1f",
        b"\x1f\x8b",
        b"\x1f\x8b\x07 and so on",
        b"rubbish",
    ] {
        let encoded = [&members, padding].concat();
        for size in [1, encoded.len()] {
            let (decoded, error) = gunzip(FrameBody::cut(&encoded, size)).await;
            assert_eq!((&decoded[..], error), (&b"onetwo"[..], None), "{padding:?}");
        }
    }
}

#[tokio::test]
async fn s3_optional_header_fields_are_skipped() {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(b"text").unwrap();
    let deflated = deflated.finish().unwrap();
    let end = gzip(b"text").split_off(gzip(b"text").len() - 8);
    let fixed = |flags: u8| vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3];
    for (flags, fields) in [
        (0x00, &b""[..]),
        (0x01, b""),
        (0x02, b"cc"),
        (0x04, b"\0\0"),
        (0x04, b"\x03\0a\0b"),
        (0x08, b"\0"),
        (0x1e, b"\x01\0xname\0comment\0cc"),
    ] {
        let encoded = [&fixed(flags), fields, &deflated, &end].concat();
        for size in [1, encoded.len()] {
            let (decoded, error) = gunzip(FrameBody::cut(&encoded, size)).await;
            assert_eq!((&decoded[..], error), (&b"text"[..], None), "{flags:#x}");
        }
    }
    let unknown = [&fixed(0x20)[..], &deflated, &end].concat();
    is_error(
        &gunzip(FrameBody::cut(&unknown, 9)).await,
        GzipError::NotGzip,
    );
}

#[tokio::test]
async fn s3_a_body_without_a_byte_is_no_error() {
    assert_eq!(gunzip(FrameBody::cut(b"", 1)).await, (Vec::new(), None));
}

#[tokio::test]
async fn s3_truncated_gzip_is_an_error_after_what_could_be_decoded() {
    let plain = text();
    let encoded = gzip(&plain);
    for end in [
        1,
        5,
        10,
        11,
        encoded.len() / 2,
        encoded.len() - 8,
        encoded.len() - 1,
    ] {
        let result = gunzip(FrameBody::cut(&encoded[..end], 512)).await;
        assert!(plain.starts_with(&result.0));
        is_error(&result, GzipError::Truncated);
    }
    let second = [&encoded[..], &encoded[..20]].concat();
    is_error(
        &gunzip(FrameBody::cut(&second, 512)).await,
        GzipError::Truncated,
    );
}

#[tokio::test]
async fn s3_corrupt_gzip_is_an_error() {
    let encoded = gzip(&text());
    for (at, error) in [
        (0, GzipError::NotGzip),
        (1, GzipError::NotGzip),
        (2, GzipError::NotGzip),
        (encoded.len() - 8, GzipError::Checksum),
        (encoded.len() - 1, GzipError::Checksum),
    ] {
        let mut corrupt = encoded.clone();
        corrupt[at] ^= 0x55;
        is_error(&gunzip(FrameBody::cut(&corrupt, 100)).await, error);
    }
    // A block of the reserved type.
    let mut corrupt = encoded.clone();
    corrupt[10] |= 0b110;
    is_error(
        &gunzip(FrameBody::cut(&corrupt, 100)).await,
        GzipError::Corrupt,
    );
    is_error(
        &gunzip(FrameBody::cut(b"<html>", 100)).await,
        GzipError::NotGzip,
    );
}

#[tokio::test]
async fn s3_a_bomb_comes_out_in_small_frames_as_it_is_read() {
    const SIZE: usize = 64 << 20;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let encoded = encoder.finish().unwrap();
    assert!(encoded.len() < SIZE / 1000);

    let mut body = gunzipped(FrameBody::cut(&encoded, encoded.len()));
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.len() <= CHUNK);
        total += data.len();
    }
    assert_eq!(total, SIZE);
}

#[tokio::test]
async fn s3_errors_and_trailers_of_the_encoded_body_are_passed_on() {
    let encoded = gzip(b"text");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-runtime", "1".parse().unwrap());
    let last = || Ok(Frame::trailers(trailers.clone()));
    let whole = gunzipped(FrameBody::of([data(&encoded), last()]));
    let whole = whole.collect().await.unwrap();
    assert_eq!(whole.trailers(), Some(&trailers));
    assert_eq!(whole.to_bytes(), "text");

    let early = FrameBody::of([data(&encoded[..12]), last()]);
    is_error(&gunzip(early).await, GzipError::Truncated);

    let lost = FrameBody::of([data(&encoded[..12]), Err("connection lost".into())]);
    assert_eq!(gunzip(lost).await.1.as_deref(), Some("connection lost"));
}

#[tokio::test]
async fn s3_what_was_flushed_is_decoded_before_more_arrives() {
    let (sender, frames) = FrameBody::channel();
    let mut body = gunzipped(frames);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for part in ["first", "second"] {
        encoder.write_all(part.as_bytes()).unwrap();
        encoder.flush().unwrap();
        sender.send(data(encoder.get_mut().split_off(0))).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
}
