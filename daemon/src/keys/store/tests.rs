//! The key file and its mark on a real disk, and what can happen to them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

struct StoreBench {
    store: KeyStore,
    _home: tempfile::TempDir,
}

fn bench() -> StoreBench {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::resolve(|_| None, Some(home.path().to_owned()), None).unwrap();
    StoreBench {
        store: KeyStore::new(&paths),
        _home: home,
    }
}

impl StoreBench {
    fn write(&self, generation: u64) {
        let contents = KeyFileContents {
            generation,
            keys: Vec::new(),
        };
        self.store.write(&contents, Timestamp::UNIX_EPOCH).unwrap();
    }

    /// The generation of the file, or why it can't be used.
    fn read(&self) -> Result<u64, Problem> {
        match self.store.read() {
            KeyFileState::Keys(contents, _) => Ok(contents.generation),
            KeyFileState::Untrusted(problem) => Err(problem),
        }
    }

    /// Asserts that every key is refused for this reason, with a hint that has this command.
    fn is_closed(&self, why: &str, command: &str) {
        let problem = self.read().unwrap_err();
        assert!(problem.message.contains(why), "{problem}");
        assert!(
            problem.message.ends_with("every local key is refused"),
            "{problem}"
        );
        let file = self.store.file.display().to_string();
        assert!(problem.message.contains(&file), "{problem}");
        let helps = problem.hints.iter().any(|hint| hint.contains(command));
        assert!(helps, "{command}: {problem:?}");
    }
}

#[test]
fn d2_there_are_no_keys_before_the_first_one() {
    let bench = bench();
    assert_eq!(bench.read(), Ok(0));
    assert!(!bench.store.folder.exists(), "nothing is made by reading");
    fs::create_dir_all(&bench.store.folder).unwrap();
    assert_eq!(bench.read(), Ok(0));
}

#[test]
fn d4_u6_the_files_are_their_owners_alone() {
    let bench = bench();
    bench.write(1);
    bench.write(2);
    assert_eq!(bench.read(), Ok(2));
    for (path, mode) in [
        (&bench.store.folder, 0o700),
        (&bench.store.file, 0o600),
        (&bench.store.mark, 0o600),
    ] {
        let meta = fs::metadata(path).unwrap();
        assert_eq!(meta.mode() & 0o777, mode, "{}", path.display());
    }
    assert_eq!(fs::read_dir(&bench.store.folder).unwrap().count(), 2);
}

#[test]
fn d2_l7_a_missing_file_is_told_from_a_first_start() {
    let bench = bench();
    bench.write(7);
    let text = fs::read(&bench.store.file).unwrap();
    fs::remove_file(&bench.store.file).unwrap();
    bench.is_closed(
        "it is missing",
        &format!("rm {}", bench.store.mark.display()),
    );
    // An unreadable mark counts too.
    fs::write(&bench.store.mark, "").unwrap();
    bench.is_closed("it is missing", "rm ");
    fs::write(&bench.store.file, &text).unwrap();
    fs::set_permissions(&bench.store.file, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.read(), Ok(7), "put back");
    fs::remove_file(&bench.store.file).unwrap();
    fs::remove_file(&bench.store.mark).unwrap();
    assert_eq!(bench.read(), Ok(0), "as the hint says");
}

#[test]
fn d2_an_older_copy_brings_no_revoked_key_back() {
    let bench = bench();
    bench.write(7);
    let older = fs::read(&bench.store.file).unwrap();
    bench.write(8);
    let put_back = || {
        fs::write(&bench.store.file, &older).unwrap();
    };
    put_back();
    let command = format!("rm {}", bench.store.mark.display());
    bench.is_closed("older copy", &command);
    fs::remove_file(&bench.store.mark).unwrap();
    assert_eq!(bench.read(), Ok(7), "as the hint says");
}

#[test]
fn d2_a_mark_that_stayed_behind_is_brought_up_to_date() {
    let bench = bench();
    bench.write(7);
    let behind = fs::read(&bench.store.mark).unwrap();
    bench.write(8);
    for mark in [&behind[..], b"", b"loopdesk-keys 1 last-change x\n"] {
        fs::write(&bench.store.mark, mark).unwrap();
        assert_eq!(bench.read(), Ok(8));
        assert_eq!(bench.store.read_mark(), ChangeMark::Change(8));
    }
    fs::remove_file(&bench.store.mark).unwrap();
    assert_eq!(bench.read(), Ok(8));
    assert_eq!(bench.store.read_mark(), ChangeMark::Change(8));
}

#[test]
fn d2_u4_l7_a_file_that_others_could_have_made_closes_the_door() {
    let bench = bench();
    bench.write(7);
    let file = &bench.store.file;
    for (mode, why) in [
        (0o644, "others may read it (mode 0644)"),
        (0o660, "others may write to it (mode 0660)"),
        (0o602, "others may write to it"),
    ] {
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        bench.is_closed(why, &format!("chmod 600 {}", file.display()));
    }
    fs::set_permissions(file, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(bench.read(), Ok(7), "tighter is no harm");

    let aside = file.with_extension("aside");
    fs::rename(file, &aside).unwrap();
    symlink(&aside, file).unwrap();
    bench.is_closed("symbolic link", &format!("mv {0} {0}.old", file.display()));
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
    bench.is_closed("isn't a regular file", "mv ");
    fs::remove_dir(file).unwrap();
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(file)
        .status();
    assert!(made.unwrap().success());
    bench.is_closed("isn't a regular file", "mv ");
}

#[test]
fn d2_u4_a_file_of_another_users_closes_the_door() {
    let bench = bench();
    bench.write(7);
    if !rustix::process::getuid().is_root() {
        // Only root can give a file away.
        return;
    }
    std::os::unix::fs::chown(&bench.store.file, Some(4711), None).unwrap();
    bench.is_closed("it belongs to user 4711, not to 0", "sudo chown");
    std::os::unix::fs::chown(&bench.store.file, Some(0), None).unwrap();
    std::os::unix::fs::chown(&bench.store.folder, Some(4711), None).unwrap();
    let problem = bench.read().unwrap_err();
    assert!(
        problem.message.contains("every local key is refused"),
        "{problem}"
    );
}

#[test]
fn d2_l7_a_damaged_file_closes_the_door_and_says_how_it_goes_on() {
    let bench = bench();
    bench.write(7);
    let whole = fs::read(&bench.store.file).unwrap();
    for length in 0..whole.len() {
        fs::write(&bench.store.file, &whole[..length]).unwrap();
        bench.is_closed("truncated or changed", "mv ");
    }
    let newer = String::from_utf8(whole)
        .unwrap()
        .replace("version = 1", "version = 9");
    let (_, body) = newer.split_once('\n').unwrap();
    fs::write(&bench.store.file, file::sealed(body)).unwrap();
    bench.is_closed("newer release", "install that release");
}

#[test]
fn d2_what_a_crash_has_left_is_in_nobodys_way() {
    let bench = bench();
    bench.write(7);
    let left = bench.store.file.with_added_extension("new");
    fs::write(&left, "half").unwrap();
    assert_eq!(bench.read(), Ok(7));
    symlink("/etc/passwd", bench.store.mark.with_added_extension("new")).unwrap();
    bench.write(8);
    assert_eq!(bench.read(), Ok(8));
    assert_eq!(fs::read_dir(&bench.store.folder).unwrap().count(), 2);
}

#[test]
fn every_write_is_noticed() {
    let bench = bench();
    assert_eq!(bench.store.stamp(), None);
    bench.write(1);
    let one = bench.store.stamp().unwrap();
    assert_eq!(bench.store.stamp(), Some(one));
    fs::set_permissions(&bench.store.file, Permissions::from_mode(0o644)).unwrap();
    assert_ne!(bench.store.stamp(), Some(one), "other access");
    bench.write(2);
    assert_ne!(bench.store.stamp(), Some(one));
}
