//! Hands libFuzzer's bytes to the checks in `bodies/content_coding.rs`.
#![no_main]

#[path = "../bodies/content_coding.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
