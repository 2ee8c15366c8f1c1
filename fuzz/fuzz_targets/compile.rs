//! Hands libFuzzer's bytes to the checks in `bodies/compile.rs`.
#![no_main]

#[path = "../bodies/compile.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
