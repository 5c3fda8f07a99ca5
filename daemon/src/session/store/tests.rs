//! Records and journals on a real disk.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

struct Bench {
    store: Store,
    acme: AccountName,
    home: tempfile::TempDir,
}

fn bench() -> Bench {
    let home = tempfile::tempdir().unwrap();
    Bench {
        store: Store::new(home.path().join("state/sessions")),
        acme: "acme".parse().unwrap(),
        home,
    }
}

impl Bench {
    fn write(&self, bytes: &[u8]) -> Result<(), DurableError> {
        self.store.prepare(&self.acme)?.commit(bytes)
    }
}

#[test]
fn d4_records_are_readable_by_their_owner_only() {
    let bench = bench();
    bench.write(b"one").unwrap();
    bench
        .store
        .note_refresh(&bench.acme, Generation::new(2))
        .unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&bench.store.dir), 0o700);
    assert_eq!(mode(&bench.store.path(&bench.acme)), 0o600);
    assert_eq!(mode(&bench.store.file(&bench.acme, "journal")), 0o600);
    fs::set_permissions(&bench.store.dir, fs::Permissions::from_mode(0o755)).unwrap();
    bench.write(b"two").unwrap();
    assert_eq!(mode(&bench.store.dir), 0o700, "made private again");
}

#[test]
fn r3_a_shorter_record_leaves_nothing_of_the_longer_one() {
    let bench = bench();
    assert_eq!(bench.store.read(&bench.acme).unwrap(), None);
    assert!(!bench.store.has_records());
    bench.write(&[b'x'; 20_000]).unwrap();
    bench.write(b"short").unwrap();
    assert_eq!(bench.store.read(&bench.acme).unwrap().unwrap(), b"short");
    assert!(bench.store.has_records());
    assert_eq!(fs::read_dir(&bench.store.dir).unwrap().count(), 1);
    bench.store.erase(&bench.acme).unwrap();
    assert!(!bench.store.has_records());
}

#[test]
fn r3_a_crash_before_the_rename_leaves_the_old_record() {
    let bench = bench();
    bench.write(b"old").unwrap();
    let mut slot = bench.store.prepare(&bench.acme).unwrap();
    slot.file.write_all(b"half of the n").unwrap();
    drop(slot);
    assert_eq!(bench.store.read(&bench.acme).unwrap().unwrap(), b"old");
    bench.store.sweep(&bench.acme);
    assert_eq!(fs::read_dir(&bench.store.dir).unwrap().count(), 1);
    bench.write(b"new").unwrap();
    assert_eq!(bench.store.read(&bench.acme).unwrap().unwrap(), b"new");
}

#[test]
fn the_journal_says_which_refresh_was_sent() {
    let bench = bench();
    assert_eq!(bench.store.noted(&bench.acme), None);
    bench
        .store
        .note_refresh(&bench.acme, Generation::new(12))
        .unwrap();
    bench
        .store
        .note_refresh(&bench.acme, Generation::new(3))
        .unwrap();
    assert_eq!(bench.store.noted(&bench.acme), Some(Generation::new(3)));
    bench.store.clear_note(&bench.acme);
    assert_eq!(bench.store.noted(&bench.acme), None);
}

#[test]
fn symbolic_links_are_refused() {
    let bench = bench();
    let elsewhere = bench.home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir(bench.home.path().join("state")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &bench.store.dir).unwrap();
    let error = bench.write(b"x").unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    fs::remove_file(&bench.store.dir).unwrap();
    bench.write(b"x").unwrap();
    let target = bench.store.path(&bench.acme);
    fs::remove_file(&target).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &target).unwrap();
    assert!(bench.store.read(&bench.acme).is_err());
}

#[test]
fn an_unusable_record_is_renamed_and_kept() {
    let bench = bench();
    bench.store.set_aside(&bench.acme).unwrap();
    bench.write(b"from the future").unwrap();
    bench.store.set_aside(&bench.acme).unwrap();
    assert_eq!(bench.store.read(&bench.acme).unwrap(), None);
    let aside = bench.store.dir.join("acme.session.old");
    assert_eq!(fs::read(aside).unwrap(), b"from the future");
}

#[test]
fn a_problem_names_the_file_and_the_fix() {
    let bench = bench();
    fs::create_dir(bench.home.path().join("state")).unwrap();
    fs::write(&bench.store.dir, b"a file").unwrap();
    let problem = bench.write(b"x").unwrap_err().problem();
    assert!(problem.message.contains("sessions"), "{problem}");
    assert!(problem.hints[0].contains("chmod"), "{problem:?}");
}

#[test]
fn r3_a_record_that_another_process_wrote_is_noticed() {
    let bench = bench();
    bench.write(b"ours").unwrap();
    assert_eq!(bench.store.changed(&bench.acme).unwrap(), None);
    fs::write(bench.store.path(&bench.acme), b"theirs").unwrap();
    let theirs = bench.store.changed(&bench.acme).unwrap();
    assert_eq!(theirs.as_deref(), Some(&b"theirs"[..]));
    bench.store.adopt(&bench.acme, b"theirs");
    assert_eq!(bench.store.changed(&bench.acme).unwrap(), None);
}

#[test]
fn r3_an_answer_is_journaled_without_needing_more_space() {
    use std::os::unix::fs::FileExt;
    let bench = bench();
    let generation = Generation::new(7);
    let place = bench.store.note_refresh(&bench.acme, generation).unwrap();
    assert_eq!(bench.store.journaled_answer(&bench.acme), Some(Vec::new()));
    let length = fs::metadata(&place.path).unwrap().len();
    place.file.write_all_at(b"sealed\n", place.at).unwrap();
    assert_eq!(fs::metadata(&place.path).unwrap().len(), length);
    assert_eq!(bench.store.noted(&bench.acme), Some(generation));
    assert_eq!(
        bench.store.journaled_answer(&bench.acme).unwrap(),
        b"sealed"
    );
}

#[test]
fn a_journal_of_the_first_release_is_read() {
    let bench = bench();
    bench.write(b"x").unwrap();
    let path = bench.store.file(&bench.acme, "journal");
    fs::write(path, "loopdesk-journal 1 refresh-sent 12\n").unwrap();
    assert_eq!(bench.store.noted(&bench.acme), Some(Generation::new(12)));
    assert_eq!(bench.store.journaled_answer(&bench.acme), Some(Vec::new()));
}
