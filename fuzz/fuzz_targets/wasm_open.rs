//! Hands libFuzzer's bytes to the checks in `bodies/wasm_open.rs`.
#![no_main]

#[path = "../bodies/wasm_open.rs"]
mod body;
#[path = "../bodies/wasm_world.rs"]
mod wasm_world;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
