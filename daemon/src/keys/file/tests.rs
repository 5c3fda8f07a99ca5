//! Reading what was written, and files that are damaged.

use std::time::Duration;

use super::*;
use crate::keys::format::{self, KeyId};
use crate::keys::key::NewKey;

fn now() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn key(name: &str, rights: key::RightsText) -> Key {
    let id = KeyId::random().unwrap();
    let new = NewKey {
        name: name.to_owned(),
        account: "acme".parse().unwrap(),
        person: Person {
            id: 35,
            name: "Änne O'Neil".to_owned(),
            email: Some("anne@example.com".to_owned()),
            role: None,
        },
        rights,
        expires_in: Some(Duration::from_secs(90 * 86_400)),
        note: Some("for = [the] night # shift".to_owned()),
    };
    Key::new(new, id, format::generate(id).unwrap().1, now()).unwrap()
}

fn rights(scopes: &[&str], allow: &[&str], deny: &[&str]) -> key::RightsText {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    key::RightsText {
        scopes: texts(scopes),
        allow: texts(allow),
        deny: texts(deny),
    }
}

/// Two keys that use every field.
fn sample() -> KeyFileContents {
    let mut one = key(
        "nightly",
        rights(&["tickets:read"], &[], &["GET /api/v2/users/**"]),
    );
    let day = Duration::from_secs(86_400);
    let (_, digest) = format::generate(one.id).unwrap();
    one.secrets = one.secrets.rotated(digest, day, now()).unwrap();
    let other = key("other", rights(&[], &["GET /api/v2/tickets/**"], &[]));
    KeyFileContents {
        generation: 12,
        keys: vec![one, other],
    }
}

fn text(contents: &KeyFileContents) -> String {
    render(contents, now()).unwrap()
}

#[test]
fn d2_what_is_written_comes_back() {
    let contents = sample();
    let written = text(&contents);
    let read = parse(written.as_bytes()).unwrap();
    assert_eq!(read.generation, 12);
    assert_eq!(text(&read), written);
    for (read, key) in read.keys.iter().zip(&contents.keys) {
        assert_eq!((&read.name, read.id), (&key.name, key.id));
        assert_eq!((&read.account, &read.person), (&key.account, &key.person));
        assert_eq!(read.rights_text(), key.rights_text());
        assert_eq!(
            (read.created_at, read.expires_at),
            (key.created_at, key.expires_at)
        );
        assert_eq!(read.note, key.note);
        assert!(bool::from(read.secrets.fit(key.secrets.current(), now())));
        assert_eq!(read.old_secret_until(now()), key.old_secret_until(now()));
    }
    assert_eq!(
        text(&parse(text(&KeyFileContents::default()).as_bytes()).unwrap()),
        text(&KeyFileContents::default())
    );
}

#[test]
fn a_person_can_read_it() {
    let mut contents = sample();
    contents.keys.truncate(1);
    let text = text(&contents);
    let lines: Vec<_> = text.lines().filter(|l| !l.contains("sha256")).collect();
    let lines = lines
        .join("\n")
        .replace(&contents.keys[0].id.to_string(), "ldk_Q3vT9xKa");
    let expected = "# The local keys of loopdesk: what each one allows, and a hash of its secret, from which the key
# itself can't be recovered. WrittenRights by loopdeskd; use `loopdesk key` to change keys. The first line
# is a checksum of all others: if the file is edited, no key works.
version = 1
generation = 12

[[keys]]
name = \"nightly\"
id = \"ldk_Q3vT9xKa\"
account = \"acme\"
created-at = \"2026-11-01T00:00:00Z\"
expires-at = \"2027-01-30T00:00:00Z\"
note = \"for = [the] night # shift\"
scopes = [\"tickets:read\"]
deny = [\"GET /api/v2/users/**\"]

[keys.person]
id = 35
name = \"Änne O'Neil\"
email = \"anne@example.com\"

[[keys.old-secrets]]
until = \"2026-11-02T00:00:00Z\"";
    assert_eq!(lines, expected);
}

#[test]
fn d2_l7_no_part_of_a_file_counts_alone() {
    let whole = text(&sample());
    for length in 0..whole.len() {
        let read = parse(&whole.as_bytes()[..length]);
        assert_eq!(read.unwrap_err(), FileError::Changed, "{length} bytes");
    }
    assert_eq!(
        parse(format!("{whole}\n").as_bytes()).unwrap_err(),
        FileError::Changed
    );
}

#[test]
fn d2_l7_no_bit_of_a_file_changes_unnoticed() {
    let whole = text(&sample()).into_bytes();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            assert!(parse(&flipped).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn d2_a_line_that_was_taken_out_or_added_by_hand_closes_the_door() {
    let whole = text(&sample());
    let without: String = whole
        .lines()
        .filter(|l| !l.starts_with("deny"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_ne!(without, whole);
    assert_eq!(parse(without.as_bytes()).unwrap_err(), FileError::Changed);
    let more = whole.replace("tickets:read", "write");
    assert_eq!(parse(more.as_bytes()).unwrap_err(), FileError::Changed);
}

/// A changed file with a valid checksum, as another release might write it.
fn resealed(change: impl Fn(&str) -> String) -> Result<KeyFileContents, FileError> {
    resealed_of(&text(&sample()), change)
}

fn resealed_of(whole: &str, change: impl Fn(&str) -> String) -> Result<KeyFileContents, FileError> {
    let (_, body) = whole.split_once('\n').unwrap();
    parse(sealed(&change(body)).as_bytes())
}

#[test]
fn d2_what_this_release_does_not_know_may_be_a_limit() {
    let newer = resealed(|body| body.replace("version = 1", "version = 2\nlimits = true"));
    assert_eq!(newer.unwrap_err(), FileError::Newer(2));
    for (from, to) in [
        ("generation = 12", "generation = 12\nonly-at = \"night\""),
        ("account = ", "hosts = [\"localhost\"]\naccount = "),
        ("until = ", "only = true\nuntil = "),
        ("email = ", "groups = [1]\nemail = "),
    ] {
        let unknown = resealed(|body| body.replacen(from, to, 1));
        assert!(
            matches!(unknown, Err(FileError::Nonsense(_))),
            "{to}: {unknown:?}"
        );
    }
}

#[test]
fn d2_a_sealed_file_that_makes_no_sense_counts_as_damaged() {
    let whole = text(&sample());
    let contents = parse(whole.as_bytes()).unwrap();
    let [one, two] = [&contents.keys[0].id, &contents.keys[1].id].map(ToString::to_string);
    for (from, to) in [
        ("name = \"other\"", "name = \"nightly\""),
        (two.as_str(), one.as_str()),
        ("name = \"other\"", "name = \"o\\nther\""),
        ("account = \"acme\"", "account = \"ACME\""),
        ("id = \"ldk_", "id = \"ldk_x"),
        ("sha256 = \"", "sha256 = \"0"),
        ("note = \"", "note = \"\\u001b[2J"),
        ("created-at = \"", "created-at = \"x"),
        ("generation = 12", "generation = -1"),
        ("id = 35", "id = \"35\""),
    ] {
        let read = resealed_of(&whole, |body| {
            let changed = body.replacen(from, to, 1);
            assert_ne!(changed, body, "{from}");
            changed
        });
        assert!(
            matches!(read, Err(FileError::Nonsense(_))),
            "{to}: {read:?}"
        );
    }
    assert_eq!(parse(b"").unwrap_err(), FileError::Changed);
    assert_eq!(parse(b"\xff\xfe\n").unwrap_err(), FileError::Changed);
}

#[test]
fn d2_rights_that_can_t_be_read_end_one_key_and_are_kept() {
    let read = resealed(|body| body.replace("scopes = [\"tickets:read\"]", "scopes = []")).unwrap();
    let [bad, good] = [&read.keys[0], &read.keys[1]];
    assert!(bad.rights().is_err() && good.rights().is_ok());
    let again = text(&read);
    assert!(
        again.contains("deny = [\"GET /api/v2/users/**\"]"),
        "{again}"
    );
}
