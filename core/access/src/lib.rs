//! The access front: connections that speak MMTP, their sessions, users and calls.
//!
//! It knows neither Pingora nor listeners: whoever accepts connections hands it streams of bytes.
#![forbid(unsafe_code)]
