//! libFuzzer's entry to [`loopdesk_fuzz::rights`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loopdesk_fuzz::rights(data));
