//! libFuzzer's entry to [`loopdesk_fuzz::head_rules`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopdesk_fuzz::head_rules(data));
