//! What a key allows, from outside.

mod denied;
mod differential;
mod keys;
mod published;
mod rails;
mod rules;
mod writes;

use http::Request;
use http::request::Parts;
use loopdesk_protocol::key;

use super::{PolicyDenied, Rights};

/// The scopes and rules requested for a key.
fn asked(scopes: &[&str], allow: &[&str], deny: &[&str]) -> key::RightsText {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    key::RightsText {
        scopes: owned(scopes),
        allow: owned(allow),
        deny: owned(deny),
    }
}

fn rights(scopes: &[&str], allow: &[&str], deny: &[&str]) -> Rights {
    Rights::parse(&asked(scopes, allow, deny)).unwrap()
}

/// A request's head.
fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn judge(rights: &Rights, method: &str, target: &str) -> Result<(), PolicyDenied> {
    rights.judge(&head(method, target, &[]))
}
