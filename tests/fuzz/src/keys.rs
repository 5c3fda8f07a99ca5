//! Local keys: the key in a request, the format of a key, and the file that stores them.

mod text;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri};
use loopdeskd::keys::{KeyError, extract, fuzzing, strip};

use self::text::{is_whole_key, strictly_decoded};

/// Checks one input. The first byte chooses what the rest is: a target and lines of a head, a key,
/// or a file of keys, sealed or not.
pub fn keys(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    match choice & 3 {
        0 => key(rest),
        1 => file(rest, choice & 4 == 0),
        _ => head(rest),
    }
}

/// A text is a key only if it is one to the letter.
fn key(text: &[u8]) {
    assert_eq!(fuzzing::is_sound(text), is_whole_key(text), "{text:?}");
}

/// What is read from a file is what is written again.
fn file(text: &[u8], is_sealed: bool) {
    if let Some(written) = fuzzing::reread(text, is_sealed) {
        let again = fuzzing::reread(written.as_bytes(), true);
        assert_eq!(again.as_ref(), Some(&written));
        for end in [written.len() / 3, written.len() - 1] {
            let cut = written.as_bytes().get(..end).unwrap_or_default();
            assert_eq!(fuzzing::reread(cut, true), None, "half a file");
        }
    }
}

/// No key passes unnoticed, and none is sent on.
fn head(data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let target = lines.next().unwrap_or_default();
    let Ok(uri) = Uri::try_from(target) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let found = extract(&headers, &uri);
    let says_nothing = matches!(found, Ok(None));
    // A fragment is dropped when a request is read, and is sent nowhere.
    let read = target.split(|b| *b == b'#').next().unwrap_or_default();
    assert!(!says_nothing || !holds_whole_key(read), "{target:?}");
    assert!(!says_nothing || !headers.iter().any(carries), "{headers:?}");
    if let Err(KeyError::InTarget) = found {
        assert!(
            extract(&HeaderMap::new(), &uri).is_err(),
            "for no other reason"
        );
    }

    let given = headers.clone();
    strip(&mut headers);
    assert!(!headers.iter().any(carries), "{headers:?}");
    let left = Request::new(()).into_parts().0.uri;
    assert!(matches!(extract(&headers, &left), Ok(None)), "{headers:?}");
    for (name, value) in &given {
        let is_harmless = !is_slot(name) && !contains(value.as_bytes(), b"ldk_");
        let stays = headers.get_all(name).iter().any(|left| left == value);
        // One line of a name removes the others with it.
        let alone = given.get_all(name).iter().count() == 1;
        assert!(stays || !is_harmless || !alone, "{name}: {value:?}");
    }
}

/// Whether a header certainly contains a key.
fn carries((name, value): (&HeaderName, &HeaderValue)) -> bool {
    let value = value.as_bytes();
    if !is_slot(name) {
        return holds_whole_key(value);
    }
    let lower = value.to_ascii_lowercase();
    let encoded = lower
        .starts_with(b"basic ")
        .then(|| value[6..].trim_ascii());
    name.as_str().ends_with("key")
        || contains(value, b"ldk_")
        || encoded
            .and_then(strictly_decoded)
            .is_some_and(|credentials| contains(&credentials, b"ldk_"))
}

fn is_slot(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    ["x-loopdesk-key", "proxy-authorization"].contains(&name.as_str())
        // Rack accepts no other spelling of this one.
        || name == "authorization"
}

fn holds_whole_key(text: &[u8]) -> bool {
    text.windows(62).any(is_whole_key)
}

fn contains(text: &[u8], piece: &[u8]) -> bool {
    text.windows(piece.len()).any(|window| window == piece)
}
