//! Which machine this is, as a hash that doesn't reveal its id.
//!
//! Two machines that share a refresh token end each other's session, so a record says on which
//! machine it was made (R3).

use std::fs;
use std::io;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A hash of this machine's id, or of a random one in `state` if the system has none.
///
/// # Errors
/// If the system has no id and a random one can't be stored or read.
pub(in crate::session) fn hash(state: &Path) -> io::Result<String> {
    let id = match system_id() {
        Some(id) => id,
        None => own_id(state)?,
    };
    let mut hash = Sha256::new();
    hash.update(b"loopdesk machine\0");
    hash.update(id.as_bytes());
    Ok(crate::hex::lower(&hash.finalize()[..HASH_LEN]))
}

#[cfg(not(target_os = "macos"))]
fn system_id() -> Option<String> {
    // machine-id(5): 32 hexadecimal digits. Images come with `uninitialized` or an empty file.
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(target_os = "macos")]
fn system_id() -> Option<String> {
    // The hardware's UUID. Its API is in C; this program prints it, so we need no unsafe code.
    let mut command = std::process::Command::new("/usr/sbin/ioreg");
    crate::supervise::descriptors::give_back(&mut command);
    let output = command
        .args(["-rd1", "-c", "IOPlatformExpertDevice"])
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().find(|line| line.contains("IOPlatformUUID"))?;
    let id = line.split('"').nth(3)?;
    (id.len() == 36).then(|| id.to_owned())
}

/// An id of our own. If the state folder moves to another machine, so does the id, and the move
/// goes unnoticed.
fn own_id(state: &Path) -> io::Result<String> {
    let path = state.join("machine-id");
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    fs::create_dir_all(state)?;
    let new = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match new {
        Ok(mut file) => {
            file.write_all(crate::hex::lower(&random).as_bytes())?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let mut id = String::new();
    fs::File::open(&path)?.take(64).read_to_string(&mut id)?;
    Ok(id)
}

/// 128 bits: enough to tell machines apart.
const HASH_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_stable_and_doesn_t_show_the_id() {
        let state = tempfile::tempdir().unwrap();
        let first = hash(state.path()).unwrap();
        assert_eq!(first, hash(state.path()).unwrap());
        assert_eq!(first.len(), 32);
        if let Some(id) = system_id() {
            assert!(!first.contains(&id));
        }
    }

    #[test]
    fn without_an_id_a_random_one_is_stored() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = own_id(one.path()).unwrap();
        assert_eq!(id, own_id(one.path()).unwrap());
        assert_ne!(id, own_id(two.path()).unwrap());
    }
}
