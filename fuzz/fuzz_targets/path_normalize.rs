//! Hands libFuzzer's bytes to the checks in `bodies/path_normalize.rs`.
#![no_main]

#[path = "../bodies/path_normalize.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
