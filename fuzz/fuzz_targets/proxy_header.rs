//! Hands libFuzzer's bytes to the checks in `bodies/proxy_header.rs`. The parser's file stands
//! alone here, so that fuzzing it builds neither the gateway nor Pingora.
#![no_main]
#![allow(dead_code)]

#[path = "../../core/gateway/src/edge/address.rs"]
mod address;
#[path = "../bodies/proxy_header.rs"]
mod body;
#[path = "../../core/gateway/src/edge/proxy_protocol.rs"]
mod proxy_protocol;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
