//! libFuzzer's entry to [`loopdesk_fuzz::keys`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopdesk_fuzz::keys(data));
