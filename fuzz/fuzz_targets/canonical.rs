//! Hands libFuzzer's bytes to the checks in `bodies/canonical.rs`.
#![no_main]

#[path = "../bodies/canonical.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
