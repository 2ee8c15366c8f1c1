//! Hands libFuzzer's bytes to the checks in `bodies/template.rs`.
#![no_main]

#[path = "../bodies/template.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
