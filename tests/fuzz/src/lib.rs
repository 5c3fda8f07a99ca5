//! What must hold for any input, one function per fuzz target.
//!
//! Each takes the fuzzer's bytes and panics if a rule is broken. `targets` passes them to
//! libFuzzer, `run` builds and runs those, and `tests/replay.rs` runs every input in `corpus` and
//! `regressions`, without a fuzzer.

#![expect(
    clippy::expect_used,
    reason = "a check that can't run is a finding, like one that fails"
)]

mod door;
mod fuzz_config;
mod head_rules;
mod keys;
mod reading;
mod rewriter;
mod rights;

pub use door::door;
pub use head_rules::head_rules;
pub use keys::keys;
pub use rewriter::rewriter;
pub use rights::rights;

/// A target: takes a fuzzer's bytes, and panics if a rule is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 5] = [
    ("rewriter", rewriter),
    ("head_rules", head_rules),
    ("door", door),
    ("rights", rights),
    ("keys", keys),
];
