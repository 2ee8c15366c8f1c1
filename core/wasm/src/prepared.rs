//! A component with its config: what `configure` left in memory is where each instance begins.
//!
//! `configure` runs once. Then a picture of the instance's memory is made a component of its own
//! (by the pre-initialiser of wasmtime), so that a fresh instance costs no configuring, and none of
//! its pages but those that the call writes to.

use crate::{
    component::Interface,
    contract::{ConfigError as GuestError, Manifest},
    env::{Ctx, Env, Phase},
    failure::CallError,
    host::{self, Mode},
    idle::Idle,
    instance::{Exports, Instance, begin, store},
    portrait::Portrait,
    reads::Access,
};
use paifang_pipeline::ConfigError;
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use wasmtime::{
    Engine, Store,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wizer::Wizer;

/// How long `configure` may compute.
const CONFIGURE: Duration = Duration::from_secs(1);

/// The largest memory that is pictured, in bytes.
const PICTURE: usize = 128 << 20;

/// A configured component, ready to be instantiated.
pub(crate) struct Prepared {
    pub(crate) engine: Engine,
    pub(crate) env: Arc<Env>,
    pub(crate) pre: InstancePre<Ctx>,
    pub(crate) exports: Exports,
    pub(crate) access: Access,
    pub(crate) mode: Mode,
    /// Where no picture could be made: the config, for each instance.
    pub(crate) configure: Option<Arc<str>>,
    /// Instances between two calls.
    pub(crate) idle: Option<Idle>,
}

/// What a component is prepared from.
pub(crate) struct Source<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) component: &'a Component,
    pub(crate) bytes: &'a [u8],
    pub(crate) interface: &'a Interface,
}

impl Prepared {
    /// Configures a component.
    ///
    /// # Errors
    /// What the handler says of its config, or how it failed at reading it.
    pub(crate) fn new(
        source: &Source<'_>,
        config: &str,
        env: Arc<Env>,
        picture: bool,
    ) -> Result<Self, ConfigError> {
        let waits = source.interface.imports.contains(&"http")
            || env.kv.as_ref().is_some_and(|kv| !kv.immediate());
        let mode = if waits { Mode::Async } else { Mode::Sync };
        let (access, component, configure) = if source.interface.has("configure") {
            let picture = picture && !source.interface.holds_handles();
            let pictured = if picture { pictured(source, config, &env, mode) } else { Ok(None) };
            match pictured? {
                Some((manifest, component)) => {
                    (Access::of(manifest, &env.spec.grants)?, component, None)
                }
                None => {
                    let manifest = configured(source, config, &env, mode)?;
                    let access = Access::of(manifest, &env.spec.grants)?;
                    (access, source.component.clone(), Some(config.into()))
                }
            }
        } else {
            (Access::everything(), source.component.clone(), None)
        };
        let pre = linked(source.engine, &env, mode)
            .and_then(|linker| linker.instantiate_pre(&component))
            .map_err(|error| invalid(&error))?;
        let mut prepared = Self {
            engine: source.engine.clone(),
            exports: Exports::of(&component),
            idle: (env.spec.reuse > 0).then(Idle::default),
            env,
            pre,
            access,
            mode,
            configure,
        };
        prepared.warm()?;
        prepared.exports = prepared.exports.only(prepared.access.called);
        Ok(prepared)
    }

    /// Makes one instance and looks at its functions: what differs from the contract is found now,
    /// and the pages are there when the first call comes.
    fn warm(&self) -> Result<(), ConfigError> {
        let store =
            store(&self.engine, self.env.clone(), Phase::Configure, self.env.spec.limits.cpu);
        let made = now(Instance::new_async(&self.pre, store));
        let mut instance = match made {
            Some(Ok(instance)) => instance,
            Some(Err((error, store))) => {
                return Err(ConfigError::at(
                    "",
                    format!(
                        "the handler cannot be instantiated: {}",
                        CallError::of(&error, store.data())
                    ),
                ));
            }
            None => return Err(ConfigError::at("", "the handler waits while it is instantiated")),
        };
        let Exports { request, request_with_body, response, response_with_body, log, .. } =
            self.exports;
        let checked = [
            request.map(|index| instance.request(index).err()),
            request_with_body.map(|index| instance.request_with_body(index).err()),
            response.map(|index| instance.response(index).err()),
            response_with_body.map(|index| instance.response_with_body(index).err()),
            log.map(|index| instance.log(index).err()),
        ];
        match checked.into_iter().flatten().flatten().next() {
            None => Ok(()),
            Some(error) => Err(ConfigError::at(
                "",
                format!("a stage of the handler differs from the contract: {error:#}"),
            )),
        }
    }
}

fn invalid(error: &wasmtime::Error) -> ConfigError {
    ConfigError::at("", format!("the handler cannot be linked: {error:#}"))
}

fn linked(engine: &Engine, env: &Env, mode: Mode) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    host::link(&mut linker, &env.spec.grants, mode)?;
    Ok(linker)
}

/// Runs `configure` in an instance that is then thrown away.
fn configured(
    source: &Source<'_>,
    config: &str,
    env: &Arc<Env>,
    mode: Mode,
) -> Result<Manifest, ConfigError> {
    run_configure(source, source.component, config, env, mode).map(|(manifest, _)| manifest)
}

/// Runs `configure` and takes the picture; `None` where the component's shape allows none.
fn pictured(
    source: &Source<'_>,
    config: &str,
    env: &Arc<Env>,
    mode: Mode,
) -> Result<Option<(Manifest, Component)>, ConfigError> {
    let wizer = Wizer::new();
    let Ok((context, instrumented)) = wizer.instrument_component(source.bytes) else {
        return Ok(None);
    };
    let Ok(component) = Component::new(source.engine, &instrumented) else { return Ok(None) };
    let (manifest, (mut store, instance)) = run_configure(source, &component, config, env, mode)?;
    begin(&mut store, CONFIGURE);
    // Its whole memory is handed over now.
    store.set_hostcall_fuel(PICTURE);
    let mut state = Portrait::new(&mut store, instance);
    let Some(Ok(picture)) = now(wizer.snapshot_component(&context, &mut state)) else {
        return Ok(None);
    };
    if state.failed {
        return Ok(None);
    }
    match Component::new(source.engine, &picture) {
        Ok(component) => Ok(Some((manifest, component))),
        Err(_) => Ok(None),
    }
}

type Live = (Store<Ctx>, wasmtime::component::Instance);

fn run_configure(
    source: &Source<'_>,
    component: &Component,
    config: &str,
    env: &Arc<Env>,
    mode: Mode,
) -> Result<(Manifest, Live), ConfigError> {
    let linker = linked(source.engine, env, mode).map_err(|error| invalid(&error))?;
    let mut store = store(source.engine, env.clone(), Phase::Configure, CONFIGURE);
    let failed = |error: &wasmtime::Error, ctx: &Ctx| {
        let why = CallError::of(error, ctx);
        ConfigError::at("", format!("the handler failed at reading its config: {why}"))
    };
    let instance = match now(linker.instantiate_async(&mut store, component)) {
        Some(Ok(instance)) => instance,
        Some(Err(error)) => return Err(failed(&error, store.data())),
        None => return Err(ConfigError::at("", "the handler waits while it is instantiated")),
    };
    let function = Exports::of(component)
        .configure
        .ok_or_else(|| wasmtime::Error::msg("no function `handle`"))
        .and_then(|index| {
            instance
                .get_typed_func::<(&str,), (Result<Manifest, Vec<GuestError>>,)>(&mut store, index)
        })
        .map_err(|error| {
            ConfigError::at("", format!("`configure` differs from the contract: {error:#}"))
        })?;
    match now(function.call_async(&mut store, (config,))) {
        Some(Ok((Ok(manifest),))) => Ok((manifest, (store, instance))),
        Some(Ok((Err(errors),))) => Err(refused(errors)),
        Some(Err(error)) => Err(failed(&error, store.data())),
        None => Err(ConfigError::at("", "the handler waits while it reads its config")),
    }
}

/// What the handler says of its config. The first error has the place; the others are told with it.
fn refused(errors: Vec<GuestError>) -> ConfigError {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else {
        return ConfigError::at("", "the handler refuses its config and does not say why");
    };
    let message = errors.fold(first.message, |message, more| {
        format!("{message}; at `{}`: {}", more.pointer, more.message)
    });
    let pointer = if first.pointer.is_empty() || first.pointer.starts_with('/') {
        first.pointer
    } else {
        format!("/{}", first.pointer)
    };
    let error = ConfigError::at(pointer, message);
    match first.help {
        Some(help) => error.help(help),
        None => error,
    }
}

/// The value of a future that needn't wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
