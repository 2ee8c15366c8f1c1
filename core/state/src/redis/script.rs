//! Scripts that run in the server, each atomic: named by their SHA-1, sent whole where the server
//! does not have them (`NOSCRIPT`), as after a restart or `SCRIPT FLUSH`.
//!
//! Times in keys are microseconds since the Unix epoch by the server's own clock: about 2^51, so
//! that Lua's numbers hold them exactly.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::{fmt::Write, sync::LazyLock};

/// A script with its name.
pub(super) struct Script {
    pub(super) source: &'static str,
    /// SHA-1 in hex: how the protocol names scripts.
    pub(super) sha1: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let mut sha1 = String::with_capacity(40);
        for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, source.as_bytes()).as_ref() {
            // Writing into a string cannot fail.
            let _ = write!(sha1, "{byte:02x}");
        }
        Self { source, sha1 }
    }
}

/// Leases permits of a subject. Key: its theoretical arrival time. Arguments: how many are wanted,
/// microseconds between two at the rate, the burst. Answers how many were granted, how many are
/// left, microseconds until one more is there, and until all are.
///
/// A time that another server's clock has put further ahead than the rate can be is taken back.
pub(super) static LEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/lease.lua")));

/// Gives leased permits back. Key as above. Arguments: how many, microseconds between two.
pub(super) static GIVE_BACK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/give_back.lua")));

/// Remembers a nonce. Key: the nonce. Arguments: a word of whoever asks, so that a command that was
/// sent twice is no replay, and milliseconds to live. Answers 1 where it is new.
pub(super) static NONCE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/nonce.lua")));

/// Says that a gateway is there. Key: all of them. Arguments: its id, milliseconds until it counts
/// no more. Answers how many there are.
pub(super) static MEMBER: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/member.lua")));

/// Looks whether a lane takes writes. Key: the lane's own.
pub(super) static PROBE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/probe.lua")));

/// All that `Kv` does. Keys: values, expiries, bytes. Arguments: see the script.
pub(super) static VALUES: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("lua/values.lua")));
