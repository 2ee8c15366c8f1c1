//! Hands libFuzzer's bytes to the checks in `bodies/client_hello.rs`. The reader's file stands
//! alone here, so that fuzzing it builds neither the gateway nor Pingora.
#![no_main]
#![allow(dead_code)]

#[path = "../bodies/client_hello.rs"]
mod body;
#[path = "../../core/gateway/src/edge/tls/hello.rs"]
mod client_hello;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
