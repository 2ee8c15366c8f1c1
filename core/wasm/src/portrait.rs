//! What the pre-initialiser reads of an instance: memories and globals, through functions that it has
//! added to the component for the purpose.

use crate::env::Ctx;
use wasmtime::{
    Store,
    component::{ComponentNamedList, Instance, Lift, TypedFunc, WasmList},
};
use wasmtime_wizer::ComponentInstanceState;

/// An instance that sits for its picture.
pub(crate) struct Portrait<'a> {
    store: &'a mut Store<Ctx>,
    instance: Instance,
    /// Something could not be read, so the picture is worth nothing.
    pub(crate) failed: bool,
}

impl<'a> Portrait<'a> {
    pub(crate) fn new(store: &'a mut Store<Ctx>, instance: Instance) -> Self {
        Self { store, instance, failed: false }
    }

    /// Asks one of the added functions, which never wait.
    async fn ask<R>(&mut self, interface: &str, function: &str) -> Option<R>
    where
        (R,): ComponentNamedList + Lift + 'static,
    {
        let answer = self.asked(interface, function).await;
        self.failed |= answer.is_none();
        answer
    }

    async fn asked<R>(&mut self, interface: &str, function: &str) -> Option<R>
    where
        (R,): ComponentNamedList + Lift + 'static,
    {
        let interface = self.instance.get_export_index(&mut *self.store, None, interface)?;
        let function =
            self.instance.get_export_index(&mut *self.store, Some(&interface), function)?;
        let function: TypedFunc<(), (R,)> =
            self.instance.get_typed_func(&mut *self.store, function).ok()?;
        let (answer,) = function.call_async(&mut *self.store, ()).await.ok()?;
        Some(answer)
    }
}

impl ComponentInstanceState for Portrait<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        interface: &str,
        function: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        match self.ask::<WasmList<u8>>(interface, function).await {
            Some(list) => contents(list.as_le_slice(&*self.store)),
            None => contents(&[]),
        }
    }

    async fn call_func_ret_s32(&mut self, interface: &str, function: &str) -> i32 {
        self.ask(interface, function).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, interface: &str, function: &str) -> i64 {
        self.ask(interface, function).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, interface: &str, function: &str) -> u32 {
        self.ask::<f32>(interface, function).await.map_or(0, f32::to_bits)
    }

    async fn call_func_ret_f64(&mut self, interface: &str, function: &str) -> u64 {
        self.ask::<f64>(interface, function).await.map_or(0, f64::to_bits)
    }
}
