//! Slots: named, typed places through which handlers hand results on.
//!
//! The well-known ones are fields; others are declared by handlers as [`Slot`] constants. Values
//! are shared (`Arc`), so that what is made at load is handed on without an allocation.

use super::{App, Identity};
use http::HeaderValue;
use smallvec::SmallVec;
use std::{any::Any, marker::PhantomData, sync::Arc};

/// A slot's name as chains check it: two writers of one name in a chain are a load error.
pub type SlotName = &'static str;

/// A handler's own slot: a name and the type behind it.
#[derive(Debug)]
pub struct Slot<T> {
    name: SlotName,
    kind: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Slot<T> {
    /// Declares a slot. Names are global; use `<plugin>.<what>`.
    #[must_use]
    pub const fn new(name: SlotName) -> Self {
        Self { name, kind: PhantomData }
    }

    /// The slot's name.
    #[must_use]
    pub const fn name(&self) -> SlotName {
        self.name
    }
}

/// The slots of one call.
#[derive(Default)]
pub struct Slots {
    identity: Option<Arc<Identity>>,
    app: Option<Arc<App>>,
    request_id: Option<HeaderValue>,
    others: SmallVec<[(SlotName, Arc<dyn Any + Send + Sync>); 2]>,
    /// Slots whose names are known at load only, as those of WASM handlers.
    texts: Vec<(Arc<str>, Arc<str>)>,
}

impl Slots {
    /// Name of the identity slot.
    pub const IDENTITY: SlotName = "identity";
    /// Name of the app slot.
    pub const APP: SlotName = "app";
    /// Name of the request id slot.
    pub const REQUEST_ID: SlotName = "request_id";
    /// What steps write that choose the call's upstream ([`Built::routes`](crate::Built::routes)).
    /// It has no value of its own: [`Exchange::route`](super::Exchange::route) is it.
    pub const UPSTREAM: SlotName = "upstream";

    /// Who the caller has proven to be.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// Hands on who the caller has proven to be.
    pub fn set_identity(&mut self, identity: Arc<Identity>) {
        self.identity = Some(identity);
    }

    /// The app that calls.
    #[must_use]
    pub fn app(&self) -> Option<&Arc<App>> {
        self.app.as_ref()
    }

    /// Hands on which app calls.
    pub fn set_app(&mut self, app: Arc<App>) {
        self.app = Some(app);
    }

    /// The call's id.
    #[must_use]
    pub fn request_id(&self) -> Option<&HeaderValue> {
        self.request_id.as_ref()
    }

    /// Hands on the call's id.
    pub fn set_request_id(&mut self, id: HeaderValue) {
        self.request_id = Some(id);
    }

    /// A value that a handler handed on through its own slot.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self, slot: &Slot<T>) -> Option<Arc<T>> {
        let (_, value) = self.others.iter().find(|(name, _)| *name == slot.name)?;
        value.clone().downcast().ok()
    }

    /// A text that a handler handed on under a name of its own.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Arc<str>> {
        self.texts.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// Hands a text on under a name of the handler's own.
    pub fn set_text(&mut self, name: &Arc<str>, value: Arc<str>) {
        match self.texts.iter_mut().find(|(known, _)| *known == *name) {
            Some(place) => place.1 = value,
            None => self.texts.push((name.clone(), value)),
        }
    }

    /// Hands a value on through a handler's own slot.
    pub fn set<T: Send + Sync + 'static>(&mut self, slot: &Slot<T>, value: Arc<T>) {
        match self.others.iter_mut().find(|(name, _)| *name == slot.name) {
            Some(place) => place.1 = value,
            None => self.others.push((slot.name, value)),
        }
    }
}
