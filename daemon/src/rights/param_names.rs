//! Parameter names, as servers read them from queries and forms.

use crate::percent;

/// Whether a server may read this name, decoded or not, as the one that names another method.
pub(super) fn is_method(name: &[u8]) -> bool {
    let decoded = decoded(name);
    let name = base(&decoded);
    name.eq_ignore_ascii_case(METHOD)
}

/// Whether a server may read this name, decoded or not, as the one that requests side loads.
pub(super) fn is_include(name: &[u8]) -> bool {
    let decoded = decoded(name);
    base(&decoded).eq_ignore_ascii_case(INCLUDE)
}

/// Without percent-encoding, and with `+` replaced by spaces.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    percent::decoded(text.iter().map(space))
}

/// The name without what Rack strips: brackets and spaces in front of it, and a bracketed part
/// behind it (`[_method]` and `_method[x]` are both `_method` in some version of it).
pub(super) fn base(name: &[u8]) -> &[u8] {
    let is_cut = |b: &u8| matches!(b, b'[' | b']' | 0..=b' ');
    let start = name.iter().position(|b| !is_cut(b)).unwrap_or(name.len());
    let name = &name[start..];
    let end = name.iter().position(is_cut).unwrap_or(name.len());
    &name[..end]
}

/// The parameter that Rack::MethodOverride and others read.
pub(super) const METHOD: &[u8] = b"_method";

/// The parameter that requests side loads.
pub(super) const INCLUDE: &[u8] = b"include";
