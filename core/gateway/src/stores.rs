//! Stores that gateways share: the host behind the config's section `stores`.

use paifang_config::{
    compile::{Opening, StoreHost},
    model::HostPort,
};
use paifang_pipeline::ports::{Clock, Store};
use paifang_state::redis::{RedisSettings, RedisStore, RedisTls, StoreReading};
use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Opens stores, and knows those that live. A release that is not made leaves none behind.
pub(crate) struct SharedStores {
    clock: Arc<dyn Clock>,
    /// Where calls in flight are counted.
    local: Arc<dyn Store>,
    opened: Mutex<Vec<Weak<RedisStore>>>,
}

impl SharedStores {
    pub(crate) fn new(clock: Arc<dyn Clock>, local: Arc<dyn Store>) -> Self {
        Self { clock, local, opened: Mutex::default() }
    }

    /// How each is, by name; of several of one name, while an old release ends, the newest.
    pub(crate) fn read(&self) -> Vec<StoreReading> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|store| store.strong_count() > 0);
        let all = opened.iter().filter_map(Weak::upgrade).filter(|store| store.is_started());
        let by_name: BTreeMap<_, _> =
            all.map(|store| store.read()).map(|reading| (reading.name.clone(), reading)).collect();
        by_name.into_values().collect()
    }
}

impl StoreHost for SharedStores {
    fn open(&self, opening: Opening<'_>) -> Arc<dyn Store> {
        let Opening { name, entry, password, ca, identity } = opening;
        let address = |at: &HostPort| match at {
            HostPort::Ip(at) => (at.ip().to_string(), at.port()),
            HostPort::Name(name, port) => (name.clone(), *port),
        };
        let settings = RedisSettings {
            name: name.to_owned(),
            addresses: entry.addresses.iter().map(|at| address(at.value())).collect(),
            cluster: entry.cluster,
            username: entry.username.clone(),
            password,
            database: *entry.database.value(),
            tls: entry.tls.as_ref().map(|_| RedisTls { ca, identity }),
            prefix: entry.prefix.value().clone(),
            connect_timeout: entry.connect_timeout.get(),
            command_timeout: entry.command_timeout.get(),
            queue: usize::try_from(*entry.queue.value()).unwrap_or(usize::MAX),
            gateways: entry.gateways.as_ref().and_then(|count| NonZeroU32::new(*count.value())),
        };
        let store = Arc::new(RedisStore::new(settings, self.clock.clone(), self.local.clone()));
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|store| store.strong_count() > 0);
        opened.push(Arc::downgrade(&store));
        store
    }
}
