//! libFuzzer's entry to [`loopdesk_fuzz::rewriter`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopdesk_fuzz::rewriter(data));
