//! Dictionaries that a client holds, and the codec of each of its connections.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use paifang_mmtp::{
    compress::{
        Compressor, Decompressor, Dictionary, DictionaryId, Known, Numbered, Pattern, Plain, Rules,
        Settings,
    },
    greeting::{FEATURE_ZSTD, Welcome},
    tlv::{self, Tlvs, kind},
};

use super::{DictionaryStore, Encoded, counts::Counts, fetch};
use crate::shared::Shared;

/// The most dictionaries that a client holds.
const MOST_HELD: usize = 32;
/// Longer messages go as they are.
const MOST_BYTES: usize = 128 << 10;
/// Contexts that are kept each way: a client has one connection, at times two.
pub(crate) const CONTEXTS: usize = 1;

/// What a client keeps for compressed messages, over all its connections; or several clients that share it.
pub(crate) struct Coder {
    /// `None`: nothing is compressed.
    works: Option<Works>,
    store: Option<Arc<dyn DictionaryStore>>,
    held: Mutex<Vec<Held>>,
    fetching: Mutex<Fetching>,
    pub(super) sent: Counts,
    pub(super) received: Counts,
}

/// Whether missing dictionaries are being fetched.
#[derive(Default)]
struct Fetching {
    busy: bool,
    /// Clients that miss some too, and are told when it is done.
    waiting: Vec<Weak<Shared>>,
}

struct Works {
    compressor: Compressor,
    decompressor: Decompressor,
}

/// A dictionary. Its tables, which take much more than itself, are made when a server names it.
struct Held {
    id: DictionaryId,
    bytes: Bytes,
    ready: Option<Dictionary>,
    /// The newest WELCOME with dictionaries has named it.
    named: bool,
}

impl Coder {
    /// One that compresses nothing.
    pub(crate) fn off() -> Self {
        Self::with(None, None)
    }

    /// One that keeps `contexts` each way.
    pub(crate) fn new(contexts: usize, store: Option<Arc<dyn DictionaryStore>>) -> Self {
        let compressor = Compressor::new(Settings::default(), contexts).ok();
        let works = compressor
            .map(|compressor| Works { compressor, decompressor: Decompressor::new(contexts) });
        Self::with(works, store)
    }

    fn with(works: Option<Works>, store: Option<Arc<dyn DictionaryStore>>) -> Self {
        let all = match &store {
            Some(store) if works.is_some() => store.all(),
            _ => Vec::new(),
        };
        let mut held: Vec<Held> = Vec::new();
        for bytes in all {
            let id = DictionaryId::of(&bytes);
            if held.len() < MOST_HELD && held.iter().all(|own| own.id != id) {
                held.push(Held { id, bytes, ready: None, named: true });
            }
        }
        Self {
            works,
            store,
            held: Mutex::new(held),
            fetching: Mutex::default(),
            sent: Counts::default(),
            received: Counts::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What FEATURES says of it.
    pub(crate) fn features(&self) -> u32 {
        if self.works.is_some() { FEATURE_ZSTD } else { 0 }
    }

    /// What HELLO names.
    pub(crate) fn identities(&self) -> Vec<[u8; 16]> {
        self.held().iter().map(|own| own.id.0).collect()
    }

    /// Those of these that are not held, where they could be kept.
    fn missing(&self, welcome: &Welcome) -> Vec<DictionaryId> {
        if self.store.is_none() || self.works.is_none() {
            return Vec::new();
        }
        let mut held = self.held();
        let named = |id: DictionaryId| welcome.dictionaries.iter().any(|one| one.identity == id.0);
        if !welcome.dictionaries.is_empty() {
            held.iter_mut().for_each(|own| own.named = named(own.id));
        }
        let mut missing: Vec<DictionaryId> = Vec::new();
        for one in &welcome.dictionaries {
            let id = DictionaryId(one.identity);
            if held.iter().all(|own| own.id != id) && !missing.contains(&id) {
                missing.push(id);
            }
        }
        missing
    }

    /// Takes a dictionary that was fetched. False when it is not the one of this name, or none, or there is no room.
    pub(super) fn install(&self, id: DictionaryId, bytes: &Bytes) -> bool {
        if DictionaryId::of(bytes) != id {
            return false;
        }
        let level = Settings::default().level;
        let Ok(ready) = Dictionary::load(bytes.clone(), level) else { return false };
        let mut gone = None;
        {
            let mut held = self.held();
            if held.len() >= MOST_HELD {
                let Some(index) = held.iter().position(|own| !own.named) else { return false };
                gone = Some(held.remove(index).id);
            }
            held.push(Held { id, bytes: bytes.clone(), ready: Some(ready), named: true });
        }
        if let Some(store) = self.store.clone() {
            let bytes = bytes.clone();
            tokio::task::spawn_blocking(move || {
                gone.into_iter().for_each(|gone| store.forget(gone));
                store.keep(id, &bytes);
            });
        }
        true
    }

    /// The dictionary, ready; `None` where it is not held or is none.
    fn ready(&self, id: DictionaryId) -> Option<Dictionary> {
        let mut held = self.held();
        let own = held.iter_mut().find(|own| own.id == id)?;
        if own.ready.is_none() {
            own.ready = Dictionary::load(own.bytes.clone(), Settings::default().level).ok();
        }
        own.ready.clone()
    }

    pub(super) fn holds(&self, id: DictionaryId) -> bool {
        self.held().iter().any(|own| own.id == id)
    }

    fn fetching(&self) -> MutexGuard<'_, Fetching> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this client is to fetch. Otherwise another one does so, and this one is among those that [`Self::end_fetching`] gives.
    fn begin_fetching(&self, client: &Arc<Shared>) -> bool {
        let mut fetching = self.fetching();
        if fetching.busy {
            fetching.waiting.push(Arc::downgrade(client));
            return false;
        }
        fetching.busy = true;
        true
    }

    /// The clients that have waited.
    pub(super) fn end_fetching(&self) -> Vec<Weak<Shared>> {
        std::mem::take(&mut *self.fetching()).waiting
    }
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let works = self.works.is_some();
        f.debug_struct("Coder").field("works", &works).field("held", &self.identities()).finish()
    }
}

/// What one connection has agreed on: which dictionaries are for what, and their numbers.
#[derive(Default)]
pub(crate) struct Agreed {
    shared: Option<Arc<Shared>>,
    named: Vec<paifang_mmtp::greeting::Dictionary>,
    numbered: Numbered,
}

impl Agreed {
    /// Before the greeting.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// WELCOME has come. What it names and the client has not is fetched.
    pub(crate) fn begin(welcome: &Welcome, shared: &Arc<Shared>) -> Self {
        let named = welcome.dictionaries.clone();
        let mut agreed =
            Self { shared: Some(shared.clone()), named, numbered: Numbered::default() };
        agreed.renew();
        let missing = shared.coder.missing(welcome);
        if !missing.is_empty() && shared.coder.begin_fetching(shared) {
            tokio::spawn(fetch::fetch(shared.clone(), missing));
        }
        agreed
    }

    /// The client may hold others now: which of those that the server has named.
    pub(crate) fn renew(&mut self) -> Vec<[u8; 16]> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let (mut rules, mut have) = (Rules::default(), Vec::new());
        for one in &self.named {
            let pattern = match &*one.operation {
                "" => Ok(Pattern::All),
                named => Pattern::read(named),
            };
            let id = DictionaryId(one.identity);
            // What a server calls an operation and is none matches none.
            let (Some(dictionary), Ok(pattern)) = (shared.coder.ready(id), pattern) else {
                continue;
            };
            rules = rules.add(dictionary, Some(one.channel), [pattern]);
            if !have.contains(&id.0) {
                have.push(id.0);
            }
        }
        let number = |id: DictionaryId| {
            let one = self.named.iter().find(|one| one.identity == id.0);
            one.map_or(0, |one| one.number)
        };
        // There are no more than WELCOME can name.
        let set = rules.build().unwrap_or_default();
        self.numbered = Numbered::by(set, number);
        have
    }

    fn works(&self) -> Option<&Works> {
        self.shared.as_ref()?.coder.works.as_ref()
    }

    /// The wire form of a message; `None` when it goes as it is.
    pub(crate) fn encode(
        &self,
        channel: u8,
        operation: Option<&str>,
        data: &[u8],
    ) -> Option<Encoded> {
        let works = self.works().filter(|_| data.len() <= MOST_BYTES)?;
        let plain = Plain { channel, operation, data };
        let made = self.numbered.encode(&works.compressor, Known::ALL, plain)?;
        if let Some(shared) = &self.shared {
            shared.coder.sent.add(data.len(), made.data.len());
        }
        Some(Encoded { data: made.data, dictionary: made.dictionary })
    }

    /// The message that came as `data` with these TLVs, of at most `limit` bytes.
    pub(crate) fn decode(&self, tlvs: &[u8], data: &[u8], limit: usize) -> Result<Bytes, String> {
        let shared = self.shared.as_ref().ok_or("it is compressed")?;
        let works = shared.coder.works.as_ref().ok_or("it is compressed")?;
        let named = Tlvs::trusted(tlvs).get(kind::ENCODED_WITH);
        let number = named.map(|value| tlv::integer(value, "ENCODED_WITH")).transpose();
        let number = number.map_err(|malformed| malformed.to_string())?;
        let done = self.numbered.decode(&works.decompressor, number, data, limit);
        let done = done.map_err(|why| why.to_string())?;
        shared.coder.received.add(done.len(), data.len());
        Ok(done)
    }
}
