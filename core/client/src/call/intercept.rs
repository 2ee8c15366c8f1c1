//! What looks at every call of a client: adds a field to each, signs it, counts it.

use std::{fmt, sync::Arc, time::Duration};

use super::{Called, Prepared, ResponseHead};
use crate::error::Error;

/// Looks at each call, on the task of who makes it. It is called once for a call, however many attempts there are.
pub trait Intercept: Send + Sync + 'static {
    /// The call is about to be made; its head may still be changed. What is not legal then fails the call.
    fn before(&self, call: &mut CallHead<'_>) {
        let _ = call;
    }

    /// An answer has begun, or there is none. A call that its caller has dropped is not told.
    fn after(&self, call: &CallHead<'_>, outcome: Result<&ResponseHead, &Error>, took: Duration) {
        let _ = (call, outcome, took);
    }
}

/// All of a call but its body.
#[derive(Debug)]
pub struct CallHead<'a>(pub(super) &'a mut Prepared);

impl CallHead<'_> {
    /// The operation's name; of a call by method and path there is none.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        match &self.0.called {
            Called::Operation(name) => Some(name),
            Called::Target(..) => None,
        }
    }

    /// Method, and path with query; of a call of an operation there are none.
    #[must_use]
    pub fn target(&self) -> Option<(&str, &str)> {
        match &self.0.called {
            Called::Operation(_) => None,
            Called::Target(method, path) => Some((method, path)),
        }
    }

    /// The call's own fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.fields.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Sets a field, in place of those of the call that have its name.
    pub fn set_field(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let name = name.to_ascii_lowercase();
        self.0.fields.retain(|(own, _)| **own != *name);
        self.0.fields.push((name.into(), value.as_ref().into()));
    }
}

/// Those of a client, in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct Interceptors(pub(crate) Vec<Arc<dyn Intercept>>);

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}
