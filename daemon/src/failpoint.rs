//! Named steps at which a test kills or pauses this process. No effect in other builds.
//!
//! They exist only with the feature `failpoints` *and* debug assertions, which is what the tests
//! build. Everywhere else `reach` is an empty function and the rest of this file isn't compiled, so
//! no release build contains any of it, whatever else is built along with it.
//!
//! Even then nothing happens unless the variable `LOOPDESK_FAILPOINTS` names a folder. In it:
//!
//! | file | meaning |
//! | --- | --- |
//! | `trace` | a line for each step that was reached, written before the daemon goes on |
//! | `kill/STEP` | the daemon is killed at this step (SIGKILL) |
//! | `hold/STEP` | a FIFO: at this step the daemon waits until it was opened and closed |
//! | `clock` | by how many milliseconds the daemon's clock is ahead of the system's |
//! | `etc` | a folder in place of `/etc/loopdesk` |
//! | `release` | the version and the protocol that the daemon claims, separated by a space |

use std::path::PathBuf;

use loopdesk_protocol::{PROTOCOL, VERSION};

use crate::clock::Clock;

/// The steps of a rotation, in order. Sending the request and waiting for its answer lie between
/// the seventh and the eighth; the simulated Zendesk can be held there.
pub const ROTATION: [&str; 17] = [
    BEGUN,
    SLOT_MADE,
    GATE_CLOSED,
    NOTE_OPENED,
    NOTE_WRITTEN,
    NOTE_DURABLE,
    POST,
    HEAD_READ,
    ANSWER_READ,
    PARSED,
    WRITTEN,
    DURABLE,
    RENAMED,
    FOLDER_DURABLE,
    NOTE_REMOVED,
    PUBLISHED,
    SETTLED,
];
/// The steps of a login that replaces a session, starting with the exchange of its code.
pub const LOGIN: [&str; 19] = [
    NOTE_OPENED,
    NOTE_WRITTEN,
    NOTE_DURABLE,
    FRESH_MADE,
    POST,
    HEAD_READ,
    ANSWER_READ,
    PARSED,
    OLD_NOTED,
    SLOT_MADE,
    WRITTEN,
    DURABLE,
    RENAMED,
    FOLDER_DURABLE,
    NOTE_REMOVED,
    ADOPTED,
    OLD_ENDED,
    FRESH_FORGOTTEN,
    LEFT_FORGOTTEN,
];
/// The steps of a logout.
pub const LOGOUT: [&str; 5] = [LEAVING, TOKEN_ENDED, NOTE_REMOVED, ERASED, LEFT];

/// The steps in which the spare pair of an earlier release takes the place of one that was lost.
pub const TAKE_OVER: [&str; 7] = [
    NOTE_REMOVED,
    SPARE_MOVED,
    SLOT_MADE,
    WRITTEN,
    DURABLE,
    RENAMED,
    FOLDER_DURABLE,
];
/// The steps in which one whose access token has expired is revoked.
pub const RETIREMENT: [&str; 9] = [
    NOTE_OPENED,
    NOTE_WRITTEN,
    NOTE_DURABLE,
    POST,
    HEAD_READ,
    ANSWER_READ,
    TOKEN_ENDED,
    NOTE_REMOVED,
    ERASED,
];

/// The steps of a change to the local keys.
pub const KEY_CHANGE: [&str; 11] = [
    KEYS_OPENED,
    KEYS_WRITTEN,
    KEYS_DURABLE,
    KEYS_RENAMED,
    KEYS_FOLDER_DURABLE,
    MARK_OPENED,
    MARK_WRITTEN,
    MARK_DURABLE,
    MARK_RENAMED,
    MARK_FOLDER_DURABLE,
    KEYS_PUBLISHED,
];

/// A connection was accepted; its owner hasn't been looked up yet.
pub(crate) const ACCEPTED: &str = "connection-accepted";

pub(crate) const BEGUN: &str = "refresh-begun";
pub(crate) const SLOT_MADE: &str = "slot-made";
pub(crate) const GATE_CLOSED: &str = "gate-closed";
pub(crate) const NOTE_OPENED: &str = "note-opened";
pub(crate) const NOTE_WRITTEN: &str = "note-written";
pub(crate) const NOTE_DURABLE: &str = "note-durable";
pub(crate) const POST: &str = "post-about-to-be-sent";
pub(crate) const HEAD_READ: &str = "answer-head-read";
/// The last byte of a successful answer has been read: from here on nothing may be lost.
pub const ANSWER_READ: &str = "answer-last-byte-read";
pub(crate) const PARSED: &str = "answer-parsed";
pub(crate) const WRITTEN: &str = "record-written";
pub(crate) const DURABLE: &str = "record-durable";
pub(crate) const RENAMED: &str = "record-renamed";
pub(crate) const FOLDER_DURABLE: &str = "folder-durable";
pub(crate) const NOTE_REMOVED: &str = "note-removed";
pub(crate) const PUBLISHED: &str = "pair-published";
pub(crate) const SETTLED: &str = "gate-opened";
pub(crate) const FRESH_MADE: &str = "place-for-the-logins-answer-made";
pub(crate) const OLD_NOTED: &str = "replaced-pair-noted";
pub(crate) const ADOPTED: &str = "login-published";
pub(crate) const OLD_ENDED: &str = "replaced-pair-ended";
pub(crate) const FRESH_FORGOTTEN: &str = "logins-answer-removed";
pub(crate) const LEFT_FORGOTTEN: &str = "replaced-pair-forgotten";
pub(crate) const SPARE_MOVED: &str = "spare-moved";
pub(crate) const LEAVING: &str = "logout-begun";
pub(crate) const TOKEN_ENDED: &str = "token-ended";
pub(crate) const ERASED: &str = "record-erased";
pub(crate) const LEFT: &str = "logout-published";

pub(crate) const KEYS_OPENED: &str = "keys-opened";
pub(crate) const KEYS_WRITTEN: &str = "keys-written";
pub(crate) const KEYS_DURABLE: &str = "keys-durable";
/// From here on the change has happened, whatever follows.
pub const KEYS_RENAMED: &str = "keys-renamed";
pub(crate) const KEYS_FOLDER_DURABLE: &str = "keys-folder-durable";
pub(crate) const MARK_OPENED: &str = "keys-mark-opened";
pub(crate) const MARK_WRITTEN: &str = "keys-mark-written";
pub(crate) const MARK_DURABLE: &str = "keys-mark-durable";
pub(crate) const MARK_RENAMED: &str = "keys-mark-renamed";
pub(crate) const MARK_FOLDER_DURABLE: &str = "keys-mark-folder-durable";
pub(crate) const KEYS_PUBLISHED: &str = "keys-published";

pub(crate) use self::build::{clock, reach, release, system_config_file};

const SYSTEM_CONFIG: &str = "/etc/loopdesk/config.toml";

#[cfg(not(all(feature = "failpoints", debug_assertions)))]
mod build {
    use super::{Clock, PROTOCOL, PathBuf, SYSTEM_CONFIG, VERSION};

    /// Marks a step as reached.
    #[inline(always)]
    pub(crate) fn reach(_step: &'static str) {}

    /// The daemon's clock.
    pub(crate) fn clock() -> Clock {
        Clock::system()
    }

    /// The system-wide configuration file. No variable or option moves it, or its locks could be
    /// bypassed.
    pub(crate) fn system_config_file() -> PathBuf {
        PathBuf::from(SYSTEM_CONFIG)
    }

    /// The daemon's version and protocol.
    pub(crate) fn release() -> (String, u32) {
        (VERSION.to_owned(), PROTOCOL)
    }
}

#[cfg(all(feature = "failpoints", debug_assertions))]
mod build {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    use std::path::Path;
    use std::sync::LazyLock;

    use super::{Clock, PROTOCOL, PathBuf, SYSTEM_CONFIG, VERSION};

    /// Marks a step as reached; a test may kill or pause the process here.
    pub(crate) fn reach(step: &'static str) {
        if let Some(folder) = FOLDER.as_deref() {
            // A single-threaded runtime couldn't go on while this blocks; those are never held.
            let flavor = tokio::runtime::Handle::try_current().map(|h| h.runtime_flavor());
            match flavor {
                Ok(tokio::runtime::RuntimeFlavor::MultiThread) => {
                    tokio::task::block_in_place(|| act(folder, step));
                }
                Ok(_) | Err(_) => act(folder, step),
            }
        }
    }

    /// The daemon's clock, which a test may drive.
    pub(crate) fn clock() -> Clock {
        match FOLDER.as_deref().map(|folder| folder.join("clock")) {
            Some(file) if file.exists() => Clock::driven(file),
            Some(_) | None => Clock::system(),
        }
    }

    /// The system-wide configuration file, which a test may keep elsewhere.
    pub(crate) fn system_config_file() -> PathBuf {
        match FOLDER.as_deref() {
            Some(folder) => folder.join("etc").join("config.toml"),
            None => PathBuf::from(SYSTEM_CONFIG),
        }
    }

    /// The daemon's version and protocol, or those of another release that a test has it claim.
    pub(crate) fn release() -> (String, u32) {
        let told = FOLDER.as_deref().map(|folder| folder.join("release"));
        let told = told.and_then(|file| std::fs::read_to_string(file).ok());
        let told = told.as_deref().and_then(|text| {
            let (version, protocol) = text.split_once(' ')?;
            Some((version.to_owned(), protocol.parse().ok()?))
        });
        told.unwrap_or_else(|| (VERSION.to_owned(), PROTOCOL))
    }

    fn act(folder: &Path, step: &str) {
        let trace = OpenOptions::new()
            .append(true)
            .create(true)
            .open(folder.join("trace"));
        if let Ok(mut trace) = trace {
            // A single write, so that the line appears whole or not at all.
            drop(trace.write_all(format!("{step}\n").as_bytes()));
        }
        if folder.join("kill").join(step).exists() {
            let own = rustix::process::getpid();
            let _sent = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        // Opening a FIFO waits for its other end.
        if let Ok(mut held) = File::open(folder.join("hold").join(step)) {
            drop(held.read_to_end(&mut Vec::new()));
        }
    }

    static FOLDER: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("LOOPDESK_FAILPOINTS").map(PathBuf::from));
}
