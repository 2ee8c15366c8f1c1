//! What plugins make of the apps' keys, made once a snapshot instead of once a step.
//!
//! A gateway with 10,000 APIs has 10,000 steps that look keys up, in one set of apps.

use paifang_pipeline::{App, Apps, BuildContext, ConfigError};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};

/// The latest snapshot's apps, and what was made of them. Held weakly: the steps keep it.
pub(crate) struct PerApps<T>(Mutex<Option<(Weak<Apps>, Weak<T>)>>);

impl<T> Default for PerApps<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> PerApps<T> {
    /// What `make` has made of these very apps, or makes now.
    pub(crate) fn get_or<E>(
        &self,
        apps: &Arc<Apps>,
        make: impl FnOnce(&Apps) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut latest = self.0.lock();
        // A weak pointer keeps the address from being used again, so equal pointers are equal apps.
        let known = latest.as_ref().filter(|(of, _)| of.ptr_eq(&Arc::downgrade(apps)));
        if let Some(made) = known.and_then(|(_, made)| made.upgrade()) {
            return Ok(made);
        }
        let made = Arc::new(make(apps)?);
        *latest = Some((Arc::downgrade(apps), Arc::downgrade(&made)));
        Ok(made)
    }
}

/// Which apps a step lets in.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// All of them.
    All,
    /// Those with these ids.
    Only(BTreeSet<Arc<str>>),
}

impl Allowed {
    /// Reads the option `apps`; every name must be an app's.
    pub(crate) fn new(
        names: Option<&[String]>,
        context: &BuildContext<'_>,
    ) -> Result<Self, ConfigError> {
        let Some(names) = names else { return Ok(Self::All) };
        if names.is_empty() {
            return Err(ConfigError::at("/apps", "an empty list would let nobody in")
                .help("leave `apps` away to let every app in"));
        }
        let mut only = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let app = context.apps.get(name).ok_or_else(|| {
                ConfigError::at(format!("/apps/{index}"), format!("there is no app `{name}`"))
                    .help("apps stand under `apps:` at the top of the config")
            })?;
            only.insert(app.id.clone());
        }
        Ok(Self::Only(only))
    }

    /// Whether the app is let in.
    pub(crate) fn has(&self, app: &App) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(&app.id),
        }
    }
}

/// Apps for tests: `(app, [(key id, secret)])`.
#[cfg(test)]
pub(crate) fn apps(list: &[(&str, &[(&str, &str)])]) -> Arc<Apps> {
    use paifang_pipeline::{AppKey, Secret};
    let app = |(id, keys): &(&str, &[(&str, &str)])| App {
        id: (*id).into(),
        keys: keys
            .iter()
            .map(|(key, secret)| AppKey {
                id: (*key).into(),
                secret: Secret::new(secret.as_bytes()),
            })
            .collect(),
    };
    Arc::new(Apps::new(list.iter().map(app)))
}

#[cfg(test)]
mod tests {
    //! One making a snapshot.
    use super::PerApps;
    use paifang_pipeline::Apps;
    use std::{convert::Infallible, sync::Arc};

    #[test]
    fn the_same_apps_are_looked_at_once() {
        let per = PerApps::default();
        let make = |number: u32| move |_: &Apps| Ok::<_, Infallible>(number);
        let (one, two) = (Arc::new(Apps::default()), Arc::new(Apps::default()));
        let Ok(first) = per.get_or(&one, make(1));
        let Ok(again) = per.get_or(&one, make(2));
        assert!(Arc::ptr_eq(&first, &again));
        let Ok(other) = per.get_or(&two, make(3));
        assert_eq!(*other, 3);
        drop(other);
        let Ok(anew) = per.get_or(&two, make(4));
        assert_eq!(*anew, 4, "nothing is kept that nobody uses");
    }
}
