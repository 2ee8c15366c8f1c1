//! State that outlives a snapshot: the `Store` port of the pipeline, kept in this process, or
//! shared between gateways ([`redis`]).
//!
//! [`LocalStore`] hands out rate limits, limits on calls in flight, memories of nonces and values. What it
//! hands out is shared by key and spec and lives as long as somebody holds it, so that counters
//! survive a reload that keeps their step, and vanish with a step that nobody has any more.
//!
//! Everything here is bounded and never fails open: what has no room is refused.
//!
//! | state | memory | what its hot path does |
//! |---|---|---|
//! | rate limit | 64 bytes a shard, at most 58 bytes a subject | a keyed hash, a shared read lock, one compare-and-swap |
//! | calls in flight | the like, at most 58 bytes a subject in flight | a keyed hash and a short lock, going in and coming out |
//! | nonces | at most 58 bytes a nonce | a keyed hash, a short lock, five lookups |
//! | values, counters, buckets | at most 270 bytes an entry, beside its value | a keyed hash, a short lock |
//!
//! The empty subject stands for "all together": it has a place of its own, which costs neither hash
//! nor lock and is never crowded out.
#![forbid(unsafe_code)]

mod concurrency;
mod gcra;
mod kv;
mod limiter;
mod nonces;
pub mod redis;
mod shards;
mod store;
mod subject;

pub use gcra::Gcra;
pub use limiter::LocalLimiter;
pub use store::LocalStore;
