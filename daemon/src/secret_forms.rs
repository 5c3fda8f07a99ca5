//! How a secret may stand in a text, for those who keep secrets out of texts.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use crate::{hex, percent};

/// Every form of `secret`, each once: as it is, as `Debug` or JSON escape it, in a URL, in
/// hexadecimal, and in base64 at any alignment, as in `Basic` credentials.
pub(crate) fn forms(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![Zeroizing::new(secret.to_vec())];
    let mut add = |form: Vec<u8>| {
        let form = Zeroizing::new(form);
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    if let Ok(text) = std::str::from_utf8(secret) {
        add(text.escape_debug().to_string().into_bytes());
        add(text.replace('/', "\\/").into_bytes());
    }
    let form: String = url::form_urlencoded::byte_serialize(secret).collect();
    add(form.into_bytes());
    for (spared, is_lower) in [(&b"-._~"[..], false), (b"-._~", true), (b"", false)] {
        add(in_url(secret, spared, is_lower));
    }
    let hex = hex::lower(secret).into_bytes();
    add(hex.to_ascii_uppercase());
    add(hex);
    for alphabet in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            add(in_base64(alphabet, before, secret));
        }
    }
    forms
}

/// Percent-encoded but for letters, digits and what is `spared`.
fn in_url(secret: &[u8], spared: &[u8], is_lower: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(secret.len() * 3);
    for byte in secret {
        let at = text.len();
        if byte.is_ascii_alphanumeric() || spared.contains(byte) {
            text.push(*byte);
        } else {
            percent::push(*byte, &mut text);
            if is_lower {
                text[at..].make_ascii_lowercase();
            }
        }
    }
    text
}

/// The characters of `secret` in base64 that depend on nothing else, where `before` bytes of
/// something else come first.
fn in_base64(alphabet: &Alphabet, before: usize, secret: &[u8]) -> Vec<u8> {
    let mut whole = Zeroizing::new(vec![0; before]);
    whole.extend_from_slice(secret);
    let text = Zeroizing::new(GeneralPurpose::new(alphabet, NO_PAD).encode(&whole[..]));
    // Six bits a character: the first that lies wholly within the secret, and the last.
    let first = (before * 8).div_ceil(6);
    let last = whole.len() * 8 / 6;
    let inner = text.as_bytes().get(first..last);
    inner.unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn d4_every_form_is_listed_and_each_once() {
        let secret = "q7Rk/2vX+9~\"w=Ty_4";
        let forms = forms(secret.as_bytes());
        let holds = |text: &str| {
            let mut forms = forms.iter();
            forms.any(|form| memchr::memmem::find(text.as_bytes(), form).is_some())
        };
        for text in [
            secret.to_owned(),
            format!("{secret:?}"),
            "q7Rk\\/2vX+9~\"w=Ty_4".to_owned(),
            "q7Rk%2F2vX%2B9~%22w%3DTy_4".to_owned(),
            "q7Rk%2f2vX%2b9~%22w%3dTy_4".to_owned(),
            "q7Rk%2F2vX%2B9%7E%22w%3DTy%5F4".to_owned(),
            hex::lower(secret.as_bytes()),
            BASE64_STANDARD.encode(format!("me:{secret}")),
            BASE64_URL_SAFE_NO_PAD.encode(format!("a{secret}b")),
        ] {
            assert!(holds(&text), "{text}");
        }
        assert!(!holds("q7Rk/2vX+9~"));
        for (at, form) in forms.iter().enumerate() {
            assert!(!forms[..at].contains(form), "twice");
        }
        // A token of letters and digits looks the same in most of them.
        assert_eq!(super::forms(b"qwertyuiop012345").len(), 6);
    }
}
