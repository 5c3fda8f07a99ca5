//! What fuzzers may look into.

use jiff::Timestamp;

use super::{file, format};

/// Whether a text is a key to the letter, its checksum included.
pub fn is_sound(text: &[u8]) -> bool {
    format::Candidate::read(text).is_sound.into()
}

/// Reads the text of a file of keys and writes what it said: `None` if nothing of it counts.
///
/// With `is_sealed`, the first line is taken to vouch for the rest; without, the text is read as if
/// it did.
pub fn reread(text: &[u8], is_sealed: bool) -> Option<String> {
    let contents = if is_sealed {
        file::parse(text)
    } else {
        file::parse_unsealed(std::str::from_utf8(text).ok()?)
    };
    file::render(&contents.ok()?, Timestamp::MIN).ok()
}
