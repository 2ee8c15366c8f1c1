//! One call of one stage: an instance is taken, called within its limits, and put back or dropped.

use crate::{
    contract::{CallRef, OutcomeRef, RequestVerdict, ResponseRef, ResponseVerdict},
    env::Phase,
    failure::CallError,
    host::Mode,
    idle::Idle,
    instance::{Instance, begin, begin_at, store},
    prepared::{Prepared, now},
};
use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How long an instance without a picture may configure itself, beside the call.
const CONFIGURE: Duration = Duration::from_secs(1);

/// Calls one function of an instance, waiting or not.
macro_rules! call {
    ($self:ident, $instance:ident, $find:ident, $index:expr, $params:expr, $wait:ident) => {{
        let function = $instance.$find($index)?;
        call!(@ $wait, function, $instance, $params)
    }};
    (@ sync, $function:ident, $instance:ident, $params:expr) => {
        $function.call(&mut $instance.store, $params)
    };
    (@ wait, $function:ident, $instance:ident, $params:expr) => {
        $function.call_async(&mut $instance.store, $params).await
    };
}

/// What a stage is called with.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    Request(CallRef<'a>),
    RequestWithBody(CallRef<'a>, &'a [u8]),
    Response(CallRef<'a>, ResponseRef<'a>),
    ResponseWithBody(CallRef<'a>, ResponseRef<'a>, &'a [u8]),
    Log(CallRef<'a>, OutcomeRef<'a>),
}

/// What it says.
#[derive(Debug)]
pub(crate) enum Output {
    Request(RequestVerdict),
    Response(ResponseVerdict),
    Logged,
}

impl Prepared {
    /// Calls a stage without waiting.
    pub(crate) fn call(&self, input: Input<'_>) -> Result<Output, CallError> {
        debug_assert_eq!(self.mode, Mode::Sync);
        let turn = self.enter()?;
        let began = Instant::now();
        let result = self.called(input, began);
        self.env.stats.time.observe(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        drop(turn);
        result
    }

    fn called(&self, input: Input<'_>, mut began: Instant) -> Result<Output, CallError> {
        let mut instance = match self.idle.as_ref().and_then(Idle::take) {
            Some(instance) => instance,
            None => {
                let store =
                    store(&self.engine, self.env.clone(), Phase::Call, self.env.spec.limits.cpu);
                let made = Instance::new(&self.pre, store);
                let mut instance = made.map_err(|(error, store)| self.error(&error, &store))?;
                if let Some(config) = &self.configure {
                    now(self.configure(&mut instance, config)).unwrap_or_else(|| Err(waits()))?;
                }
                // Making it had a time of its own.
                began = Instant::now();
                instance
            }
        };
        begin_at(&mut instance.store, self.env.spec.limits.cpu, began);
        let ctx = instance.store.data_mut();
        ctx.phase = input.phase();
        ctx.memory.exceeded = None;
        let result = self.sync_stage(&mut instance, input);
        self.finish(instance, result)
    }

    /// Calls a stage that may wait.
    pub(crate) async fn call_waiting(&self, input: Input<'_>) -> Result<Output, CallError> {
        let turn = self.enter()?;
        let began = Instant::now();
        let wall = self.env.spec.limits.wall;
        let result = match tokio::time::timeout(wall, self.called_waiting(input)).await {
            Ok(result) => result,
            Err(_) => Err(CallError::WallTimeout(wall)),
        };
        self.env.stats.time.observe(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        drop(turn);
        result
    }

    /// The like without a limit to the waiting, for those who don't wait: no timer is needed.
    pub(crate) async fn call_unhurried(&self, input: Input<'_>) -> Result<Output, CallError> {
        let _turn = self.enter()?;
        self.called_waiting(input).await
    }

    async fn called_waiting(&self, input: Input<'_>) -> Result<Output, CallError> {
        let mut instance = match self.idle.as_ref().and_then(Idle::take) {
            Some(instance) => instance,
            None => {
                let store =
                    store(&self.engine, self.env.clone(), Phase::Call, self.env.spec.limits.cpu);
                let made = Instance::new_async(&self.pre, store).await;
                let mut instance = made.map_err(|(error, store)| self.error(&error, &store))?;
                if let Some(config) = &self.configure {
                    self.configure(&mut instance, config).await?;
                }
                instance
            }
        };
        begin(&mut instance.store, self.env.spec.limits.cpu);
        let ctx = instance.store.data_mut();
        ctx.phase = input.phase();
        ctx.memory.exceeded = None;
        ctx.patience = Some(tokio::time::Instant::now() + self.env.spec.limits.wall);
        let result = self.waiting_stage(&mut instance, input).await;
        self.finish(instance, result)
    }

    async fn configure(&self, instance: &mut Instance, config: &str) -> Result<(), CallError> {
        let Some(index) = self.exports.configure else { return Ok(()) };
        begin(&mut instance.store, CONFIGURE);
        let called = match instance.function(index) {
            Ok(function) => {
                let function: crate::instance::Configure = function;
                function.call_async(&mut instance.store, (config,)).await
            }
            Err(error) => Err(error),
        };
        match called {
            Ok((Ok(_),)) => Ok(()),
            Ok((Err(_),)) => Err(CallError::Trap("it refuses the config that it took".to_owned())),
            Err(error) => Err(CallError::of(&error, instance.store.data())),
        }
    }

    /// The instance serves on, if it may; one that trapped is never called again.
    fn finish(
        &self,
        mut instance: Box<Instance>,
        result: wasmtime::Result<Output>,
    ) -> Result<Output, CallError> {
        let ctx = instance.store.data();
        self.env.stats.memory(ctx.memory.peak as u64);
        match result {
            Ok(output) => {
                instance.served += 1;
                if let Some(idle) = &self.idle
                    && instance.served < self.env.spec.reuse
                {
                    idle.put(instance);
                }
                Ok(output)
            }
            Err(error) => Err(CallError::of(&error, ctx)),
        }
    }

    fn error(
        &self,
        error: &wasmtime::Error,
        store: &wasmtime::Store<crate::env::Ctx>,
    ) -> CallError {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return CallError::Crowded(self.env.stats.instances.load(Relaxed));
        }
        CallError::of(error, store.data())
    }

    fn enter(&self) -> Result<Turn<'_>, CallError> {
        let most = self.env.spec.limits.instances;
        let turn = Turn(&self.env.stats.instances);
        // All configs of the entry count together.
        if self.env.stats.instances.fetch_add(1, Relaxed) >= most {
            return Err(CallError::Crowded(most));
        }
        Ok(turn)
    }
}

/// A place among the running instances.
struct Turn<'a>(&'a AtomicU32);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Input<'_> {
    fn phase(&self) -> Phase {
        match self {
            Self::Log(..) => Phase::Log,
            _ => Phase::Call,
        }
    }
}

fn waits() -> CallError {
    CallError::Trap("it waits where nothing may be waited for".to_owned())
}

fn absent() -> wasmtime::Error {
    wasmtime::Error::msg("it asks for a stage that it does not export")
}

/// The two ways to call the stages, from one text.
macro_rules! ways {
    ($(#[$doc:meta] $name:ident, $wait:ident $(, $async:ident)?;)*) => {
        impl Prepared {
            $(
                #[$doc]
                $($async)? fn $name(
                    &self,
                    instance: &mut Instance,
                    input: Input<'_>,
                ) -> wasmtime::Result<Output> {
                    let at = &self.exports;
                    Ok(match input {
                        Input::Request(request) => {
                            let index = at.request.ok_or_else(absent)?;
                            let (said,) =
                                call!(self, instance, request, index, (request,), $wait)?;
                            Output::Request(said)
                        }
                        Input::RequestWithBody(request, body) => {
                            let index = at.request_with_body.ok_or_else(absent)?;
                            let params = (request, body);
                            let (said,) =
                                call!(self, instance, request_with_body, index, params, $wait)?;
                            Output::Request(said)
                        }
                        Input::Response(request, head) => {
                            let index = at.response.ok_or_else(absent)?;
                            let (said,) =
                                call!(self, instance, response, index, (request, head), $wait)?;
                            Output::Response(said)
                        }
                        Input::ResponseWithBody(request, head, body) => {
                            let index = at.response_with_body.ok_or_else(absent)?;
                            let params = (request, head, body);
                            let (said,) =
                                call!(self, instance, response_with_body, index, params, $wait)?;
                            Output::Response(said)
                        }
                        Input::Log(request, outcome) => {
                            let index = at.log.ok_or_else(absent)?;
                            call!(self, instance, log, index, (request, outcome), $wait)?;
                            Output::Logged
                        }
                    })
                }
            )*
        }
    };
}

ways! {
    /// On the caller's stack.
    sync_stage, sync;
    /// On a stack of its own, which may be left while something is waited for.
    waiting_stage, wait, async;
}
