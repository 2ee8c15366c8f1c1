//! Hands libFuzzer's bytes to the checks in `bodies/jwt.rs`.
#![no_main]

#[path = "../bodies/jwt.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
