//! Each place where a request can carry a key.

use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::keys::format::{self, KeyId};

fn key() -> String {
    let id = KeyId::random().unwrap();
    format::generate(id).unwrap().0.expose().to_owned()
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64.encode(credentials))
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

/// Whether the key in these headers is `key`; `None` if they have none.
fn found(lines: &[(&str, &str)], key: &str) -> Option<bool> {
    let found = extract(&headers(lines), &Uri::from_static("/")).unwrap();
    found.map(|found| found.0.is(&KeyCandidate::read(key.as_bytes())))
}

#[test]
fn d2_the_table_of_slots() {
    let key = &key();
    let quoted = format!("Token token=\"{key}\"");
    let wrapped = BASE64.encode(format!("agent@example.com/token:{key}"));
    let wrapped = format!("Basic {} {}", &wrapped[..76], &wrapped[76..]);
    let right = [
        ("X-Loopdesk-Key", key.clone()),
        ("x_loopdesk_key", format!(" {key} ")),
        ("Authorization", format!("Bearer {key}")),
        ("Authorization", format!("bEARER   {key}  ")),
        ("Authorization", format!("token {key}")),
        ("Authorization", key.clone()),
        ("Authorization", quoted),
        ("Authorization", format!("Bearer token={key}")),
        // Pasted in plain, by a user who doesn't know that Basic is encoded.
        ("Authorization", format!("Basic {key}")),
        (
            "Authorization",
            basic(&format!("agent@example.com/token:{key}")),
        ),
        ("Authorization", basic(&format!("user:{key}"))),
        ("Authorization", basic(&format!(":{key}"))),
        ("Authorization", basic(&format!("user:{key}\n"))),
        ("Authorization", basic(&format!("{key}:"))),
        ("Authorization", basic(&format!("{key}:x"))),
        ("Authorization", basic(&format!("{key}/token:x"))),
        ("Authorization", basic(key)),
        ("Authorization", basic(&format!("{key}:{key}"))),
        (
            "authorization",
            format!("basic {}", STANDARD_NO_PAD.encode(format!("u:{key}"))),
        ),
        (
            "authorization",
            format!("Basic {}", URL_SAFE_NO_PAD.encode(format!("ü?>:{key}"))),
        ),
        ("authorization", wrapped),
        ("Proxy-Authorization", basic(&format!("user:{key}"))),
    ];
    for (name, value) in &right {
        assert_eq!(found(&[(name, value)], key), Some(true), "{name}: {value}");
    }
    let wrong = [
        ("X-Loopdesk-Key", String::new()),
        ("X-Loopdesk-Key", "none".to_owned()),
        ("X-Loopdesk-Key", format!("Bearer {key}")),
        ("Authorization", "Bearer ldk_".to_owned()),
        ("Authorization", format!("Bearer {key}.")),
        ("Authorization", format!("Bearer x{key}")),
        ("Authorization", format!("Bearer {key}, Basic eDp5")),
        ("Authorization", format!("Bearer {}", &key[..61])),
        ("Authorization", format!("SecretDigest username=\"{key}\"")),
        ("Authorization", basic(&format!("user:x{key}"))),
        ("Authorization", basic("user:ldk_")),
        (
            "Authorization",
            basic(&format!(
                "user:{}",
                key.replacen("_", "-", 2).replacen('-', "_", 1)
            )),
        ),
        ("Authorization", basic("ldk_me@example.com/token:dummy")),
    ];
    for (name, value) in &wrong {
        assert_eq!(found(&[(name, value)], key), Some(false), "{name}: {value}");
    }
    let none = [
        ("Authorization", basic("agent@example.com/token:dummy")),
        ("Authorization", "Bearer dummy".to_owned()),
        ("Authorization", "Basic".to_owned()),
        ("Authorization", "Basic !!".to_owned()),
        ("Authorization", String::new()),
        ("User-Agent", "ldk_tool/1.0".to_owned()),
        ("X-Any", "LDK_".to_owned()),
    ];
    for (name, value) in &none {
        assert_eq!(found(&[(name, value)], key), None, "{name}: {value}");
    }
}

#[test]
fn d2_one_key_in_two_places_is_one_and_two_keys_are_refused() {
    let (key, other) = (&key(), &key());
    let bearer = format!("Bearer {key}");
    let both = [("X-Loopdesk-Key", key.as_str()), ("Authorization", &bearer)];
    assert_eq!(found(&both, key), Some(true));
    let refused = |lines: &[(&str, &str)]| {
        let found = extract(&headers(lines), &Uri::from_static("/"));
        assert_eq!(found.unwrap_err(), KeyError::Two, "{lines:?}");
    };
    refused(&[("X-Loopdesk-Key", other), ("Authorization", &bearer)]);
    refused(&[("X-Loopdesk-Key", key), ("X-Loopdesk-Key", other)]);
    refused(&[("X-Loopdesk-Key", ""), ("Authorization", &bearer)]);
    refused(&[("Authorization", &bearer), ("x_loopdesk-key", "ldk_")]);
    refused(&[("Authorization", &basic(&format!("{other}:{key}")))]);
    refused(&[("Authorization", &basic(&format!("{key}:ldk_")))]);
    refused(&[
        ("Authorization", &bearer),
        ("Authorization", &format!("Bearer {other}")),
    ]);
}

#[test]
fn d2_a_key_in_the_address_is_leaked_and_refused() {
    let key = &key();
    let cut = &key[..40];
    let escaped = key.replace('_', "%5f");
    let each: String = key.bytes().map(|b| format!("%{b:02X}")).collect();
    let twice = each.replace('%', "%25");
    let with = |target: String| extract(&HeaderMap::new(), &target.parse().unwrap());
    for target in [
        format!("/api/v2/users/me.json?access_token={key}"),
        format!("/x?a=1&access_token={key}&b=2"),
        "/x?access_token=ldk_".to_owned(),
        "/x?access%5Ftoken=ldk%5F".to_owned(),
        format!("/x?y={key}"),
        format!("/x?y={escaped}"),
        format!("/x?y={each}"),
        format!("/x?y={twice}"),
        "/x?access_token%3dldk_".to_owned(),
        format!("/x/{cut}/y"),
        format!("/x?y=%25{key}"),
        format!("http://{key}@localhost:8484/"),
    ] {
        assert_eq!(
            with(target.clone()).unwrap_err(),
            KeyError::InTarget,
            "{target}"
        );
    }
    for target in [
        "/api/v2/search.json?query=ldk_",
        "/api/v2/tickets.json?external_id=ldk_customer_4711_from_import",
        "/x?access_token=dummy&y=ldk_1",
        "/x?my_access_token=ldk_1",
        "/100%",
        "/x?y=%ld%6",
    ] {
        assert!(with(target.to_owned()).unwrap().is_none(), "{target}");
    }
}

#[test]
fn d2_no_letter_of_a_key_can_be_hidden_in_the_address() {
    let key = key();
    for (at, letter) in key.char_indices() {
        for escape in [
            format!("%{:02X}", u32::from(letter)),
            format!("%{:02x}", u32::from(letter)),
        ] {
            let hidden = format!("{}{escape}{}", &key[..at], &key[at + 1..]);
            let target: Uri = format!("/x?page%5Bsize%5D=1&y={hidden}").parse().unwrap();
            let found = extract(&HeaderMap::new(), &target);
            assert_eq!(found.unwrap_err(), KeyError::InTarget, "{hidden}");
        }
    }
}

#[test]
fn d2_a_key_where_none_belongs_is_refused_by_the_headers_name() {
    let key = &key();
    for (name, value) in [
        ("x-api-key", key.clone()),
        ("cookie", format!("a=b; token={key}")),
    ] {
        let lines = [(name, value.as_str())];
        let wrong = extract(&headers(&lines), &Uri::from_static("/")).unwrap_err();
        assert_eq!(wrong, KeyError::Misplaced(HeaderName::from_static(name)));
    }
}

#[test]
fn d2_no_key_is_left_in_the_headers_and_everything_else_is() {
    let key = &key();
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", "Bearer ldk_".to_owned()),
        (
            "authorization",
            basic(&format!("agent@example.com/token:{key}")),
        ),
        ("authorization", basic(&format!("{key}:"))),
        ("proxy-authorization", basic(&format!("x:{key}"))),
        ("proxy_authorization", format!("Bearer {key}")),
        ("x-loopdesk-key", "whatever".to_owned()),
        ("x_loopdesk_key", key.clone()),
        ("x-api-key", key.clone()),
        ("cookie", format!("token={key}")),
    ] {
        let mut lines = headers(&[("accept", "*/*"), (name, &value), ("x-other", "ldk_")]);
        strip(&mut lines);
        assert_eq!(
            lines,
            headers(&[("accept", "*/*"), ("x-other", "ldk_")]),
            "{name}: {value}"
        );
    }
    // A script's own credential for another product stays.
    let own = headers(&[("authorization", &basic("agent@example.com/token:own"))]);
    let mut left = own.clone();
    strip(&mut left);
    assert_eq!(left, own);
}

#[test]
fn d4_debug_shows_nothing_of_what_was_presented() {
    let key = key();
    let lines = headers(&[("x-loopdesk-key", &key)]);
    let found = extract(&lines, &Uri::from_static("/")).unwrap();
    assert_eq!(format!("{found:?}"), "Some(PresentedKey(..))");
}

/// Names and values among which keys are likely.
fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let names = prop::sample::select(vec![
        "authorization",
        "proxy-authorization",
        "x-loopdesk-key",
        "x_loopdesk-key",
        "x-any",
        "proxy_authorization",
        "cookie",
    ]);
    let key = key();
    let texts = prop::sample::select(vec![
        key.clone(),
        key[..30].to_owned(),
        "ldk_".to_owned(),
        "ldk".to_owned(),
        ":".to_owned(),
        "x".to_owned(),
        "\"".to_owned(),
        "token=".to_owned(),
    ]);
    let parts = prop::collection::vec(texts, 0..4).prop_map(|parts| parts.concat());
    let schemes = prop::sample::select(vec!["", "Bearer ", "basic ", "Token ", "SecretDigest\t"]);
    let value = (schemes, parts, any::<bool>(), any::<Vec<u8>>()).prop_map(
        |(scheme, text, is_encoded, noise)| {
            let text = if is_encoded {
                BASE64.encode(text)
            } else {
                text
            };
            let noise = noise.into_iter().filter(|b| *b > 31 && *b != 127).take(3);
            [
                scheme.as_bytes(),
                text.as_bytes(),
                &noise.collect::<Vec<_>>(),
            ]
            .concat()
        },
    );
    prop::collection::vec((names.prop_map(str::to_owned), value), 0..5)
}

proptest! {
    #[test]
    fn d2_whatever_the_headers_nothing_is_left_of_keys_and_nothing_breaks(lines in lines()) {
        let mut headers = HeaderMap::new();
        for (name, value) in &lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let uri = Uri::from_static("/");
        let found = extract(&headers, &uri);
        let in_slot = headers.iter().any(|(name, value)| {
            !matches!(KeySlot::of(name), KeySlot::None) && holds_prefix(value.as_bytes())
        });
        prop_assert!(!in_slot || !matches!(found, Ok(None)), "{:?}", headers);
        strip(&mut headers);
        prop_assert!(matches!(extract(&headers, &uri), Ok(None)), "{:?}", headers);
    }
}
