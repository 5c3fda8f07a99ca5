//! An answer's text, without a compression or byte order mark that nobody asked for.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::upstream::ANSWER_MAX;

/// The text of an answer to one of our own requests: unpacked if it is gzip (RFC 1952), although we
/// don't accept any coding, and without a byte order mark, which RFC 8259 section 8.1 lets a reader
/// ignore. A body that can't be unpacked is returned unchanged.
pub(in crate::session) fn text(body: &[u8]) -> Cow<'_, [u8]> {
    let text = match unpacked(body) {
        Some(unpacked) => Cow::Owned(unpacked),
        None => Cow::Borrowed(body),
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(BOM).unwrap_or(text)),
        Cow::Owned(mut text) => {
            if text.starts_with(BOM) {
                text.drain(..BOM.len());
            }
            Cow::Owned(text)
        }
    }
}

/// JSON never begins like gzip does, so this doesn't need `Content-Encoding`, which some servers
/// forget.
fn unpacked(body: &[u8]) -> Option<Vec<u8>> {
    if !body.starts_with(&GZIP) {
        return None;
    }
    let most = u64::try_from(ANSWER_MAX).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(body).take(most).read_to_end(&mut text);
    // An answer that was cut off may still contain both tokens.
    read.ok().or((!text.is_empty()).then_some(0))?;
    Some(text)
}

/// U+FEFF in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// ID1 and ID2 of RFC 1952 section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn r3_gzip_and_byte_order_marks_are_removed() {
        let json = br#"{"access_token":"a"}"#;
        let marked = [BOM, json].concat();
        for body in [json.to_vec(), marked.clone(), gzip(json), gzip(&marked)] {
            assert_eq!(text(&body), &json[..]);
        }
        let two = [gzip(b"{"), gzip(b"}")].concat();
        assert_eq!(text(&two), &b"{}"[..]);
    }

    #[test]
    fn r3_look_alikes_are_left_alone_and_unpacking_is_bounded() {
        for body in [
            &b""[..],
            b"\x1f\x8b",
            b"\x1f\x8bnonsense",
            b"<html>",
            b"\xef\xbb",
        ] {
            assert_eq!(text(body), body);
        }
        let bomb = gzip(&vec![b' '; 16 << 20]);
        assert_eq!(text(&bomb).len(), ANSWER_MAX);
        let cut = &gzip(&[b'x'; 5000])[..30];
        assert!(text(cut).iter().all(|byte| *byte == b'x') || text(cut) == cut);
    }
}
