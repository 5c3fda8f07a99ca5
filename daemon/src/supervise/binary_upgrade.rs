//! When a daemon whose binary was replaced makes way for the new one.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Watches the file that this process was started from.
#[derive(Debug)]
pub struct BinaryUpgrade {
    path: PathBuf,
    own: Identity,
    /// The file now in its place, and since when.
    other: Option<(Identity, Timestamp)>,
    /// Whether nothing was under way at the last check.
    was_idle: bool,
}

impl BinaryUpgrade {
    /// Remembers the file that this process runs.
    ///
    /// # Errors
    /// If the system can't tell; then nothing can be watched.
    pub fn of_this_process() -> io::Result<Self> {
        // The running binary, even if its path already leads to another one.
        #[cfg(target_os = "linux")]
        let own = File::open("/proc/self/exe")?.metadata()?;
        #[cfg(not(target_os = "linux"))]
        let own = File::open(std::env::current_exe()?)?.metadata()?;
        let own = Identity::of(&own);
        let called = std::env::args_os().next().map(PathBuf::from);
        let found = std::env::current_exe()?;
        Ok(Self {
            path: place(own, called, found),
            own,
            other: None,
            was_idle: false,
        })
    }

    /// Whether the daemon should end now, so that the supervisor starts the new binary: as soon as
    /// two checks in a row find nothing under way, and after a day at the latest.
    pub fn is_due(&mut self, now: Timestamp, is_idle: bool) -> bool {
        let was_idle = std::mem::replace(&mut self.was_idle, is_idle);
        let Some(there) = self.another() else {
            self.other = None;
            return false;
        };
        match self.other {
            // A file that still changes is being written, and can't be run yet.
            Some((seen, since)) if seen == there => {
                is_idle && was_idle || now.duration_since(since) >= LONGEST
            }
            _ => {
                tracing::info!(
                    "the binary was replaced: the new one starts once nothing is under way"
                );
                self.other = Some((there, now));
                false
            }
        }
    }

    /// The other binary in this one's place.
    fn another(&self) -> Option<Identity> {
        let meta = std::fs::metadata(&self.path).ok()?;
        let is_program = meta.is_file() && meta.permissions().mode() & 0o111 != 0;
        Some(Identity::of(&meta)).filter(|there| is_program && *there != self.own)
    }
}

/// Where to look for the next binary: at the path by which the supervisor started this one, which
/// may be a link that will point to the next version, or else where the system found it.
fn place(own: Identity, called: Option<PathBuf>, found: PathBuf) -> PathBuf {
    let is_this = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|m| Identity::of(&m) == own);
    if let Some(called) = called.filter(|path| path.is_absolute() && is_this(path)) {
        return called;
    }
    // Linux shows this name if the binary was replaced before this call (proc_pid_exe(5)).
    let bytes = found.as_os_str().as_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(name) if !is_this(&found) => PathBuf::from(OsStr::from_bytes(name)),
        _ => found,
    }
}

/// Tells apart two files with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

impl Identity {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            bytes: meta.len(),
        }
    }
}

/// How often to check.
pub const LOOK: Duration = Duration::from_secs(10);

/// A user shouldn't run an old binary for longer.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &std::path::Path, text: &str, mode: u32) {
        // As package managers and `cargo install` do it.
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, PermissionsExt::from_mode(mode)).unwrap();
        std::fs::rename(&new, path).unwrap();
    }

    fn watched(path: &std::path::Path) -> BinaryUpgrade {
        BinaryUpgrade {
            path: path.to_owned(),
            own: Identity::of(&std::fs::metadata(path).unwrap()),
            other: None,
            was_idle: false,
        }
    }

    #[test]
    fn o2_a_replaced_program_takes_over_when_nothing_is_under_way_or_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loopdeskd");
        program(&path, "old", 0o755);
        let mut upgrade = watched(&path);
        let start: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let hours = |hours| start + SignedDuration::from_hours(hours);
        assert!(!upgrade.is_due(start, true));
        assert!(!upgrade.is_due(start, true), "nothing has changed");

        program(&path, "new", 0o755);
        assert!(!upgrade.is_due(start, true), "it may still be written");
        assert!(!upgrade.is_due(start, false), "something is under way");
        assert!(!upgrade.is_due(start, true), "it was a moment ago");
        assert!(upgrade.is_due(start, true));
        assert!(!upgrade.is_due(hours(23), false));
        assert!(upgrade.is_due(hours(24), false));
    }

    #[test]
    fn o2_a_program_that_is_gone_or_cant_be_run_takes_over_from_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loopdeskd");
        program(&path, "old", 0o755);
        let mut upgrade = watched(&path);
        let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        std::fs::remove_file(&path).unwrap();
        for _ in 0..3 {
            assert!(!upgrade.is_due(now, true));
        }
        program(&path, "new", 0o644);
        for _ in 0..3 {
            assert!(!upgrade.is_due(now, true));
        }
        program(&path, "newer", 0o755);
        assert!(!upgrade.is_due(now, true));
        assert!(upgrade.is_due(now, true));
    }

    #[test]
    fn o2_the_next_program_is_looked_for_where_this_one_was_started() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("1.0"), dir.path().join("2.0"));
        program(&one, "old", 0o755);
        program(&two, "new", 0o755);
        let own = Identity::of(&std::fs::metadata(&one).unwrap());
        // A link to the version in use.
        let link = dir.path().join("loopdeskd");
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let place = |called: &std::path::Path, found| place(own, Some(called.to_owned()), found);
        assert_eq!(place(&link, one.clone()), link);
        // A bare name, and one of another program.
        assert_eq!(place("loopdeskd".as_ref(), one.clone()), one);
        assert_eq!(place(&two, one.clone()), one);

        let mut deleted = one.clone().into_os_string();
        deleted.push(" (deleted)");
        let deleted = PathBuf::from(deleted);
        assert_eq!(place("loopdeskd".as_ref(), deleted.clone()), one);
        // The binary may really have that name.
        std::fs::rename(&one, &deleted).unwrap();
        assert_eq!(place("loopdeskd".as_ref(), deleted.clone()), deleted);
    }
}
