//! Hands libFuzzer's bytes to the checks in `bodies/import_openapi.rs`.
#![no_main]

#[path = "../bodies/import_openapi.rs"]
mod body;
#[path = "../bodies/imported.rs"]
mod imported;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
