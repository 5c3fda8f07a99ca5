//! Reads configuration files, for both programs.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The content of a configuration file.
#[derive(Debug)]
pub struct ConfigText {
    /// Its text, without a byte order mark.
    pub text: String,
    /// Whether the file has a byte order mark, which some editors add.
    pub has_mark: bool,
    /// The metadata of the open file.
    pub meta: Metadata,
}

/// Why a file can't be read. `Display` continues a sentence that starts with the path.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file doesn't exist.
    #[error("doesn't exist")]
    Missing,
    /// It can't be opened or read.
    #[error("can't be read: {0}")]
    Failed(#[source] io::Error),
    /// It isn't a regular file.
    #[error("is a {0}, not a file")]
    NotAFile(&'static str),
    /// It is larger than [`SIZE_MAX`].
    #[error("is larger than {} KiB, far too large for a configuration", SIZE_MAX >> 10)]
    TooLarge,
    /// It isn't UTF-8.
    #[error("isn't UTF-8: {0}")]
    Encoding(String),
}

/// Reads the file at `path`. May block on the disk, but never on a pipe.
///
/// # Errors
/// If it isn't a readable text file.
pub fn read(path: &Path) -> Result<ConfigText, Unreadable> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            Unreadable::Missing
        } else {
            Unreadable::Failed(error)
        }
    };
    // Opening a socket fails with a misleading error (open(2)).
    let named = std::fs::metadata(path).map_err(failed)?;
    of_kind(named.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(NO_WAIT)
        .open(path)
        .map_err(failed)?;
    // Check the open file, since the path may have changed.
    let meta = file.metadata().map_err(failed)?;
    of_kind(meta.file_type())?;
    let bytes = up_to_most(file).map_err(failed)?;
    if bytes.len() > SIZE_MAX {
        return Err(Unreadable::TooLarge);
    }
    let has_mark = bytes.starts_with(MARK.as_bytes());
    let mut text = String::from_utf8(bytes).map_err(|e| encoding(&e))?;
    if has_mark {
        text.drain(..MARK.len());
    }
    Ok(ConfigText {
        text,
        has_mark,
        meta,
    })
}

fn up_to_most(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(SIZE_MAX).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn of_kind(kind: FileType) -> Result<(), Unreadable> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "folder"
    } else if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    };
    Err(Unreadable::NotAFile(what))
}

/// Names the line, to find it in an editor.
fn encoding(error: &std::string::FromUtf8Error) -> Unreadable {
    let bytes = error.as_bytes();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Unreadable::Encoding("it is UTF-16; save it as UTF-8".to_owned());
    }
    let at = error.utf8_error().valid_up_to();
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    Unreadable::Encoding(format!(
        "line {line} has the byte 0x{:02X}; save it as UTF-8",
        bytes[at]
    ))
}

/// U+FEFF.
pub const MARK: &str = "\u{feff}";

/// A configuration with a hundred accounts has about 30 KiB.
pub const SIZE_MAX: usize = 1 << 20;

#[expect(
    clippy::cast_possible_wrap,
    reason = "the flag is a small constant on every system"
)]
const NO_WAIT: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_a_text_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let said = |path: &Path| read(path).unwrap_err().to_string();
        assert!(matches!(read(&path), Err(Unreadable::Missing)));
        assert_eq!(said(dir.path()), "is a folder, not a file");
        assert_eq!(said(Path::new("/dev/null")), "is a device, not a file");

        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        assert_eq!(said(&pipe), "is a pipe, not a file");
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        assert_eq!(said(&dir.path().join("socket")), "is a socket, not a file");

        for (bytes, words) in [
            (&b"a = 1\nb = \"\xe9\"\n"[..], "line 2 has the byte 0xE9"),
            (b"\xff\xfea\0", "UTF-16"),
            (b"\xc3", "line 1 has the byte 0xC3"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert!(said(&path).contains(words), "{}", said(&path));
        }
        std::fs::write(&path, vec![b'#'; SIZE_MAX + 1]).unwrap();
        assert!(said(&path).starts_with("is larger than 1024 KiB"));
        std::fs::write(&path, vec![b'#'; SIZE_MAX]).unwrap();
        assert_eq!(read(&path).unwrap().text.len(), SIZE_MAX);
    }

    #[test]
    fn a_byte_order_mark_isn_t_part_of_the_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        for (text, has_mark) in [("\u{feff}a = 1\r\n", true), ("a = 1\r\n", false)] {
            std::fs::write(&path, text).unwrap();
            let read = read(&path).unwrap();
            assert_eq!((read.text.as_str(), read.has_mark), ("a = 1\r\n", has_mark));
        }
    }
}
