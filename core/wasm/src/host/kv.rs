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
    component::{ComponentType, Lift, LinkerInstance, Lower},
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
/// store answers at once the handler need not be able to wait.
macro_rules! function {
    ($to:ident, $mode:ident, $name:literal, $args:ty, $ask:expr, $answer:expr) => {
        match $mode {
            Mode::Sync => {
                $to.func_wrap($name, |store: StoreContextMut<'_, Ctx>, args: $args| {
                    let (env, kv) = kv(store.data())?;
                    match $ask(env, &**kv, args)? {
                        Answer::Now(answer) => Ok((answer.map($answer).map_err(Error::from),)),
                        Answer::Later(_) => {
                            misuse("the store answers later, which was not foreseen")
                        }
                    }
                })?
            }
            Mode::Async => {
                $to.func_wrap_async($name, |store: StoreContextMut<'_, Ctx>, args: $args| {
                    let asked = kv(store.data()).and_then(|(env, kv)| $ask(env, &**kv, args));
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

    fn get(env: &Env, kv: &dyn Kv, (key,): (String,)) -> Asked<Option<Bytes>> {
        Ok(kv.get(key.as_bytes(), env.clock.now()))
    }
    fn set(env: &Env, kv: &dyn Kv, args: (String, Vec<u8>, Ttl)) -> Asked<()> {
        let (key, value, ttl) = args;
        Ok(kv.set(key.as_bytes(), value.into(), ttl.map(Duration::from_millis), env.clock.now()))
    }
    fn delete(env: &Env, kv: &dyn Kv, (key,): (String,)) -> Asked<()> {
        Ok(kv.delete(key.as_bytes(), env.clock.now()))
    }
    type Swap = (String, Option<Vec<u8>>, Vec<u8>, Ttl);
    fn swap(env: &Env, kv: &dyn Kv, (key, expected, value, ttl): Swap) -> Asked<bool> {
        let (ttl, now) = (ttl.map(Duration::from_millis), env.clock.now());
        Ok(kv.compare_and_swap(key.as_bytes(), expected.as_deref(), value.into(), ttl, now))
    }
    fn add(env: &Env, kv: &dyn Kv, (key, delta, ttl): (String, i64, Ttl)) -> Asked<i64> {
        Ok(kv.add(key.as_bytes(), delta, ttl.map(Duration::from_millis), env.clock.now()))
    }
    fn take(
        env: &Env,
        kv: &dyn Kv,
        (key, rate): (String, Rate),
    ) -> Asked<paifang_pipeline::ports::LimitDecision> {
        let nonzero = |number: u64| NonZeroU64::new(number);
        let period = rate.period_millis.checked_mul(1_000_000).and_then(nonzero);
        let (Some(count), Some(period_nanos), Some(burst)) =
            (nonzero(rate.count), period, nonzero(rate.burst))
        else {
            return misuse("kv take: count, period and burst must be at least 1");
        };
        Ok(kv.take(key.as_bytes(), KvRate { count, period_nanos, burst }, env.clock.now()))
    }

    function!(to, mode, "get", (String,), get, |value: Option<Bytes>| value.map(|v| v.to_vec()));
    function!(to, mode, "set", (String, Vec<u8>, Ttl), set, |()| ());
    function!(to, mode, "delete", (String,), delete, |()| ());
    function!(to, mode, "compare-and-swap", Swap, swap, |swapped: bool| swapped);
    function!(to, mode, "add", (String, i64, Ttl), add, |sum: i64| sum);
    function!(to, mode, "take", (String, Rate), take, decision);
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
