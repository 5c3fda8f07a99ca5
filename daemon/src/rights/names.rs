//! Names of parameters, as servers read them out of queries and forms.

use crate::percent;

/// Whether a server may take this name, decoded or not, for the one that names another method.
pub(super) fn is_method(name: &[u8]) -> bool {
    let decoded = decoded(name);
    let name = base(&decoded);
    name.eq_ignore_ascii_case(METHOD)
}

/// Whether a server may take this name, decoded or not, for the one that asks for side loads.
pub(super) fn is_include(name: &[u8]) -> bool {
    let decoded = decoded(name);
    base(&decoded).eq_ignore_ascii_case(INCLUDE)
}

/// Without percent-encoding, and with the spaces for which `+` stands.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    percent::decoded(text.iter().map(space))
}

/// The name without what Rack cuts off: brackets and spaces before it, and what is in brackets
/// behind it (`[_method]` and `_method[x]` are both `_method` to some version of it).
pub(super) fn base(name: &[u8]) -> &[u8] {
    let is_cut = |b: &u8| matches!(b, b'[' | b']' | 0..=b' ');
    let start = name.iter().position(|b| !is_cut(b)).unwrap_or(name.len());
    let name = &name[start..];
    let end = name.iter().position(is_cut).unwrap_or(name.len());
    &name[..end]
}

/// The parameter that Rack::MethodOverride and others read.
pub(super) const METHOD: &[u8] = b"_method";

/// The parameter that asks for side loads.
pub(super) const INCLUDE: &[u8] = b"include";
