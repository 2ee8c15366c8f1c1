//! Who calls: apps (tenants) with their keys, and the identity that a handler has established.

use crate::secret::Secret;
use std::{collections::BTreeMap, sync::Arc};

/// A tenant: an id with the keys that its clients sign or identify with.
#[derive(Debug)]
pub struct App {
    /// The app id.
    pub id: Arc<str>,
    /// Its keys, in the order of the config; at least one.
    pub keys: Vec<AppKey>,
}

/// One key of an app. Several are valid at once, so that keys can be rotated.
#[derive(Debug)]
pub struct AppKey {
    /// The key id that requests name; unique over all apps.
    pub id: Arc<str>,
    /// The shared secret.
    pub secret: Secret,
}

/// All apps of a snapshot.
#[derive(Debug, Default)]
pub struct Apps {
    by_id: BTreeMap<Arc<str>, Arc<App>>,
}

impl Apps {
    /// The apps, by id.
    #[must_use]
    pub fn new(apps: impl IntoIterator<Item = App>) -> Self {
        Self { by_id: apps.into_iter().map(|app| (app.id.clone(), Arc::new(app))).collect() }
    }

    /// One app.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<App>> {
        self.by_id.get(id)
    }

    /// All apps, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<App>> {
        self.by_id.values()
    }
}

/// Who the caller has proven to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The subject: a key id, a user, a certificate's name.
    pub subject: Arc<str>,
    /// The app it belongs to.
    pub app: Option<Arc<str>>,
    /// The step kind that established it: `key_auth`, `signature`.
    pub method: &'static str,
    /// Further claims, by name.
    pub claims: BTreeMap<String, String>,
}

impl Identity {
    /// An identity without claims.
    #[must_use]
    pub fn new(subject: Arc<str>, app: Option<Arc<str>>, method: &'static str) -> Self {
        Self { subject, app, method, claims: BTreeMap::new() }
    }
}
