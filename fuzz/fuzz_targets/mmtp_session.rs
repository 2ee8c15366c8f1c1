//! Hands libFuzzer's bytes to the checks in `bodies/mmtp_session.rs`.
#![no_main]

#[path = "../bodies/mmtp_session.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
