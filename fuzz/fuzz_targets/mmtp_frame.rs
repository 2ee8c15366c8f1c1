//! Hands libFuzzer's bytes to the checks in `bodies/mmtp_frame.rs`.
#![no_main]

#[path = "../bodies/mmtp_frame.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
