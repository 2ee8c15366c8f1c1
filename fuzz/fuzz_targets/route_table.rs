//! Hands libFuzzer's bytes to the checks in `bodies/route_table.rs`.
#![no_main]

#[path = "../bodies/route_table.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
