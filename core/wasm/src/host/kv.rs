//! `kv`: values that all instances of a handler share, behind the Store port.

// The derived traits say how the contract's records are laid out.
#![allow(unsafe_code)]

use super::{Mode, misuse, waited};
use crate::env::{Ctx, Env, Phase};
use bytes::Bytes;
use paifang_pipeline::ports::{Answer, Kv, KvError, KvRate, StoreError};
use std::{num::NonZeroU64, sync::Arc, time::Duration};
use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, LinkerInstance, Lower, WasmStr},
};

#[derive(Debug, Clone, ComponentType, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "full")]
    Full,
    #[component(name = "not-a-number")]
    NotANumber,
    #[component(name = "unavailable")]
    Unavailable(String),
}

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::TooLarge => Self::TooLarge,
            KvError::Full => Self::Full,
            KvError::NotANumber => Self::NotANumber,
        }
    }
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(record)]
struct Rate {
    count: u64,
    #[component(name = "period-millis")]
    period_millis: u64,
    burst: u64,
}

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct Decision {
    allowed: bool,
    remaining: u64,
    #[component(name = "retry-after-millis")]
    retry_after_millis: u64,
}

/// Adds one function: `$ask` makes the question, `$answer` the handler's answer of it. Where the
/// store answers at once the handler need not be able to wait, and its key is read where it lies.
macro_rules! function {
    ($to:ident, $mode:ident, $name:literal, $ask:ident($($arg:ident: $type:ty),*), $answer:expr) => {
        match $mode {
            Mode::Sync => {
                type Args = (WasmStr, $($type),*);
                $to.func_wrap($name, |store: StoreContextMut<'_, Ctx>, (key, $($arg),*): Args| {
                    let (env, kv) = kv(store.data())?;
                    let key = key.to_str(&store)?;
                    match $ask(env, &**kv, key.as_bytes(), $($arg),*)? {
                        Answer::Now(answer) => Ok((answer.map($answer).map_err(Error::from),)),
                        Answer::Later(_) => {
                            misuse("the store answers later, which was not foreseen")
                        }
                    }
                })?
            }
            Mode::Async => {
                type Args = (String, $($type),*);
                $to.func_wrap_async($name, |store: StoreContextMut<'_, Ctx>, args: Args| {
                    let (key, $($arg),*) = args;
                    let asked = kv(store.data())
                        .and_then(|(env, kv)| $ask(env, &**kv, key.as_bytes(), $($arg),*));
                    Box::new(async move {
                        let answer = match asked? {
                            Answer::Now(answer) => Ok(answer),
                            Answer::Later(answer) => waited(store, answer).await,
                        };
                        Ok((match answer {
                            Ok(answer) => answer.map($answer).map_err(Error::from),
                            Err(StoreError(why)) => Err(Error::Unavailable(why)),
                        },))
                    })
                })?
            }
        }
    };
}

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, mode: Mode) -> wasmtime::Result<()> {
    type Asked<T> = wasmtime::Result<Answer<Result<T, KvError>>>;
    type Ttl = Option<u64>;

    fn get(env: &Env, kv: &dyn Kv, key: &[u8]) -> Asked<Option<Bytes>> {
        Ok(kv.get(key, env.clock.now()))
    }
    fn set(env: &Env, kv: &dyn Kv, key: &[u8], value: Vec<u8>, ttl: Ttl) -> Asked<()> {
        Ok(kv.set(key, value.into(), ttl.map(Duration::from_millis), env.clock.now()))
    }
    fn delete(env: &Env, kv: &dyn Kv, key: &[u8]) -> Asked<()> {
        Ok(kv.delete(key, env.clock.now()))
    }
    fn swap(
        env: &Env,
        kv: &dyn Kv,
        key: &[u8],
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl: Ttl,
    ) -> Asked<bool> {
        let (ttl, now) = (ttl.map(Duration::from_millis), env.clock.now());
        Ok(kv.compare_and_swap(key, expected.as_deref(), value.into(), ttl, now))
    }
    fn add(env: &Env, kv: &dyn Kv, key: &[u8], delta: i64, ttl: Ttl) -> Asked<i64> {
        Ok(kv.add(key, delta, ttl.map(Duration::from_millis), env.clock.now()))
    }
    fn take(
        env: &Env,
        kv: &dyn Kv,
        key: &[u8],
        rate: Rate,
    ) -> Asked<paifang_pipeline::ports::LimitDecision> {
        let nonzero = |number: u64| NonZeroU64::new(number);
        let period = rate.period_millis.checked_mul(1_000_000).and_then(nonzero);
        let (Some(count), Some(period_nanos), Some(burst)) =
            (nonzero(rate.count), period, nonzero(rate.burst))
        else {
            return misuse("kv take: count, period and burst must be at least 1");
        };
        Ok(kv.take(key, KvRate { count, period_nanos, burst }, env.clock.now()))
    }

    type Expected = Option<Vec<u8>>;
    function!(to, mode, "get", get(), |value: Option<Bytes>| value.map(|v| v.to_vec()));
    function!(to, mode, "set", set(value: Vec<u8>, ttl: Ttl), |()| ());
    function!(to, mode, "delete", delete(), |()| ());
    function!(to, mode, "compare-and-swap",
        swap(expected: Expected, value: Vec<u8>, ttl: Ttl), |swapped: bool| swapped);
    function!(to, mode, "add", add(delta: i64, ttl: Ttl), |sum: i64| sum);
    function!(to, mode, "take", take(rate: Rate), decision);
    Ok(())
}

fn decision(decision: paifang_pipeline::ports::LimitDecision) -> Decision {
    Decision {
        allowed: decision.allowed,
        remaining: decision.remaining,
        retry_after_millis: decision.retry_after_nanos.div_ceil(1_000_000),
    }
}

fn kv(ctx: &Ctx) -> wasmtime::Result<(&Env, &Arc<dyn Kv>)> {
    match &ctx.env.kv {
        _ if ctx.phase == Phase::Configure => misuse("kv is not there while configuring"),
        Some(kv) => Ok((&ctx.env, kv)),
        None => misuse("kv is not granted"),
    }
}
