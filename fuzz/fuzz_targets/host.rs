//! Hands libFuzzer's bytes to the checks in `bodies/host.rs`.
#![no_main]

#[path = "../bodies/host.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
