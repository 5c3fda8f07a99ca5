//! Entry points for the fuzzers.

use jiff::Timestamp;

use super::{file, format};

/// Whether a text is exactly a key, including its checksum.
pub fn is_sound(text: &[u8]) -> bool {
    format::KeyCandidate::read(text).is_sound.into()
}

/// Parses the text of a key file and renders it again; `None` if it is invalid.
///
/// With `is_sealed`, the first line of `text` is its checksum; without, one is added first.
pub fn reread(text: &[u8], is_sealed: bool) -> Option<String> {
    let contents = if is_sealed {
        file::parse(text)
    } else {
        file::parse_unsealed(std::str::from_utf8(text).ok()?)
    };
    file::render(&contents.ok()?, Timestamp::MIN).ok()
}
