//! Ports: what the pipeline and its handlers are given by whoever hosts them.
//!
//! [`crate::Front`] makes calls and [`crate::Origin`] answers them; the ports here are the
//! capabilities between: time, background work, state, and calls to upstreams.

mod clock;
mod http_out;
mod kv;
mod spawn;
mod store;

pub use clock::{Clock, Nanos, SystemClock};
pub use http_out::{HttpOrigin, HttpOut, HttpOutError, HttpOutLimits, NoHttpOut};
pub use kv::{Kv, KvError, KvRate, KvSpec};
pub use spawn::{BoxFuture, Spawn, TokioSpawn};
pub use store::{
    Answer, Concurrency, ConcurrencySpec, LimitDecision, LimitSpec, Limiter, NonceSpec,
    NonceVerdict, Nonces, Permit, ReleasePermit, StateKey, Store, StoreError, Stores, WhenAway,
};
