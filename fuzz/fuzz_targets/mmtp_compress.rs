//! Hands libFuzzer's bytes to the checks in `bodies/mmtp_compress.rs`.
#![no_main]

#[path = "../bodies/mmtp_compress.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
