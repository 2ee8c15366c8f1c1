//! Instances: made from a prepared component, called stage by stage.

use crate::{
    budget::Budget,
    component,
    contract::{
        CallRef, ConfigError, Manifest, OutcomeRef, RequestVerdict, ResponseRef, ResponseVerdict,
    },
    env::{Ctx, Env, Phase},
    reads::Called,
};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use wasmtime::{
    Engine, Store, UpdateDeadline,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, Instance as Raw, InstancePre, Lift,
        Lower, TypedFunc,
    },
};

/// `configure`.
pub(crate) type Configure = TypedFunc<(&'static str,), (Result<Manifest, Vec<ConfigError>>,)>;
/// `request`.
pub(crate) type Request = TypedFunc<(CallRef<'static>,), (RequestVerdict,)>;
/// `request-with-body`.
pub(crate) type RequestWithBody = TypedFunc<(CallRef<'static>, &'static [u8]), (RequestVerdict,)>;
/// `response`.
pub(crate) type Response = TypedFunc<(CallRef<'static>, ResponseRef<'static>), (ResponseVerdict,)>;
/// `response-with-body`.
pub(crate) type ResponseWithBody =
    TypedFunc<(CallRef<'static>, ResponseRef<'static>, &'static [u8]), (ResponseVerdict,)>;
/// `log`.
pub(crate) type Log = TypedFunc<(CallRef<'static>, OutcomeRef<'static>), ()>;

/// Where in a component its stages are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Exports {
    pub(crate) configure: Option<ComponentExportIndex>,
    pub(crate) request: Option<ComponentExportIndex>,
    pub(crate) request_with_body: Option<ComponentExportIndex>,
    pub(crate) response: Option<ComponentExportIndex>,
    pub(crate) response_with_body: Option<ComponentExportIndex>,
    pub(crate) log: Option<ComponentExportIndex>,
}

impl Exports {
    /// Those that are called under a config.
    pub(crate) fn only(self, called: Called) -> Self {
        let if_called =
            |called: bool, index: Option<ComponentExportIndex>| index.filter(|_| called);
        Self {
            request: if_called(called.request, self.request),
            request_with_body: if_called(called.request, self.request_with_body),
            response: if_called(called.response, self.response),
            response_with_body: if_called(called.response, self.response_with_body),
            log: if_called(called.log, self.log),
            ..self
        }
    }

    pub(crate) fn of(component: &Component) -> Self {
        let names: Vec<String> = component
            .component_type()
            .exports(component.engine())
            .map(|(name, _)| name.to_owned())
            .collect();
        let find = |stage: &'static str| {
            // Another package may have an interface of that name, which is not ours to call.
            let named = |name: &&String| component::stage(name) == Some(stage);
            let interface = component.get_export_index(None, names.iter().find(named)?)?;
            component.get_export_index(Some(&interface), "handle")
        };
        Self {
            configure: find("configure"),
            request: find("request"),
            request_with_body: find("request-with-body"),
            response: find("response"),
            response_with_body: find("response-with-body"),
            log: find("log"),
        }
    }
}

/// An instance with its memory.
pub(crate) struct Instance {
    pub(crate) store: Store<Ctx>,
    raw: Raw,
    /// How many calls it has served.
    pub(crate) served: u32,
    found: Found,
}

/// Functions that have been looked up: worth it where an instance is called more than once.
#[derive(Default)]
struct Found {
    request: Option<Request>,
    request_with_body: Option<RequestWithBody>,
    response: Option<Response>,
    response_with_body: Option<ResponseWithBody>,
    log: Option<Log>,
}

/// A store whose limits hold.
pub(crate) fn store(engine: &Engine, env: Arc<Env>, phase: Phase, cpu: Duration) -> Store<Ctx> {
    let handed = env.spec.limits.handed_bytes();
    let mut store = Store::new(engine, Ctx::new(env, phase));
    store.limiter(|ctx| &mut ctx.memory);
    store.set_hostcall_fuel(handed);
    store.epoch_deadline_callback(|mut store| {
        let ctx = store.data_mut();
        if ctx.budget.is_over() {
            return Ok(UpdateDeadline::Interrupt);
        }
        ctx.env.ticker.hurry();
        Ok(UpdateDeadline::Continue(1))
    });
    begin(&mut store, cpu);
    store
}

/// Lets what runs next in this store compute for so long.
pub(crate) fn begin(store: &mut Store<Ctx>, cpu: Duration) {
    begin_at(store, cpu, Instant::now());
}

/// The like for who has just looked at the time.
pub(crate) fn begin_at(store: &mut Store<Ctx>, cpu: Duration, now: Instant) {
    let ctx = store.data_mut();
    ctx.budget = Budget::new(cpu, now);
    ctx.env.ticker.begin();
    store.set_epoch_deadline(1);
}

impl Instance {
    /// Makes one. Its start functions, if it has any, run here.
    pub(crate) fn new(pre: &InstancePre<Ctx>, mut store: Store<Ctx>) -> Made {
        match pre.instantiate(&mut store) {
            Ok(raw) => Ok(Self::made(raw, store)),
            Err(error) => Err((error, store)),
        }
    }

    /// The like, where something that it imports may wait.
    pub(crate) async fn new_async(pre: &InstancePre<Ctx>, mut store: Store<Ctx>) -> Made {
        match pre.instantiate_async(&mut store).await {
            Ok(raw) => Ok(Self::made(raw, store)),
            Err(error) => Err((error, store)),
        }
    }

    fn made(raw: Raw, store: Store<Ctx>) -> Box<Self> {
        store.data().env.stats.instances_made.fetch_add(1, Relaxed);
        Box::new(Self { store, raw, served: 0, found: Found::default() })
    }

    /// The function at an index, compared with the contract.
    pub(crate) fn function<P, R>(
        &mut self,
        index: ComponentExportIndex,
    ) -> wasmtime::Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.raw.get_typed_func(&mut self.store, index)
    }
}

/// An instance, or why there is none and the account of trying.
pub(crate) type Made = Result<Box<Instance>, (wasmtime::Error, Store<Ctx>)>;

/// One lookup for each stage.
macro_rules! stages {
    ($($name:ident: $type:ty;)*) => {
        impl Instance {
            $(
                #[doc = concat!("The function `", stringify!($name), "`.")]
                pub(crate) fn $name(&mut self, index: ComponentExportIndex) -> wasmtime::Result<$type> {
                    if let Some(found) = self.found.$name {
                        return Ok(found);
                    }
                    let function = self.function(index)?;
                    self.found.$name = Some(function);
                    Ok(function)
                }
            )*
        }
    };
}

stages! {
    request: Request;
    request_with_body: RequestWithBody;
    response: Response;
    response_with_body: ResponseWithBody;
    log: Log;
}
