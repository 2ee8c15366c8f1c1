//! Hands libFuzzer's bytes to the checks in `bodies/mmtp_pair.rs`.
#![no_main]

#[path = "../bodies/mmtp_pair.rs"]
mod body;
#[path = "../bodies/mmtp_model.rs"]
mod mmtp_model;
#[path = "../bodies/mmtp_world.rs"]
mod mmtp_world;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
