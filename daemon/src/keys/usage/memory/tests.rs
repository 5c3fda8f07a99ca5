//! A usage file that people, crashes or attackers may have changed.

use super::*;

fn sample() -> SavedUsage {
    let row = |at: &str, program: Option<&str>, process, requests| UsageRow {
        at: at.parse().unwrap(),
        program: program.map(str::to_owned),
        process,
        requests,
        over_tcp: true,
    };
    SavedUsage {
        of_keys: vec![(
            "ldk_Q3vT9xKa".parse().unwrap(),
            row(
                "2026-11-01T02:03:04.567Z",
                Some("python3 report.py"),
                Some(4711),
                12,
            ),
        )],
        keyless: vec![
            (
                "acme".parse().unwrap(),
                row("2026-11-01T00:00:00Z", Some("curl"), None, u64::MAX),
            ),
            (
                "acme".parse().unwrap(),
                row("2026-11-02T00:00:00Z", None, None, 1),
            ),
        ],
    }
}

#[test]
fn what_is_remembered_comes_back_and_is_its_owners_alone() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("uses.json");
    assert_eq!(read(&path), SavedUsage::default());
    write(&path, &SavedUsage::default()).unwrap();
    write(&path, &sample()).unwrap();
    assert_eq!(read(&path), sample());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_file_is_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("uses.json");
    write(&path, &sample()).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        // Whatever else it holds, names are safe to print.
        for (_, row) in parse(&flipped).unwrap_or_default().of_keys {
            assert!(
                row.program
                    .is_none_or(|name| program::is_presentable(&name))
            );
        }
    }
    fs::write(&path, vec![b' '; 5 << 20]).unwrap();
    assert_eq!(read(&path), SavedUsage::default());
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    assert_eq!(read(&path), SavedUsage::default(), "and no wait");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert_eq!(read(&path), SavedUsage::default());
}

#[test]
fn what_could_do_something_to_a_terminal_is_left_out() {
    let text = r#"{"version":1,"keys":[
        {"id":"ldk_Q3vT9xKa","at":"2026-11-01T00:00:00Z","program":"a\u001b[2J","process":1,"requests":3},
        {"id":"nonsense","at":"2026-11-01T00:00:00Z","requests":3}],
        "keyless":[{"account":"acme","at":"2026-11-01T00:00:00Z","program":"a\nb","requests":3},
        {"account":"NO SUCH","at":"2026-11-01T00:00:00Z","requests":3}]}"#;
    let read = parse(text.as_bytes()).unwrap();
    assert_eq!((read.of_keys.len(), read.keyless.len()), (1, 1));
    let (_, row) = &read.of_keys[0];
    assert_eq!((&row.program, row.process, row.requests), (&None, None, 3));
    assert_eq!(read.keyless[0].1.program, None);
    assert!(parse(text.replace(":1,", ":2,").as_bytes()).is_err());
}

#[test]
fn no_more_is_read_than_is_kept() {
    let caller = |n: usize| {
        let (account, row) = sample().keyless[0].clone();
        let program = Some(format!("program-{n}"));
        (account, UsageRow { program, ..row })
    };
    let many = SavedUsage {
        of_keys: Vec::new(),
        keyless: (0..200).map(caller).collect(),
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("uses.json");
    write(&path, &many).unwrap();
    assert_eq!(read(&path).keyless.len(), CALLERS_MAX);
}
