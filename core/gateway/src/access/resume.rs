//! Resume tokens as the live release has them.

use arc_swap::ArcSwapOption;
use paifang_access::Tokens;
use paifang_config::snapshot::Snapshot;
use paifang_pipeline::ports::{Clock, Store};
use std::{num::NonZeroU32, sync::Arc};

/// Makes what gives tokens, once a release.
pub(super) struct Resumption {
    /// Where devices are remembered that no shared store remembers.
    local: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    made: ArcSwapOption<Made>,
}

/// What was made for a release. It holds the records that lie in this process: the next one finds them.
struct Made {
    release: u64,
    tokens: Option<Arc<Tokens>>,
}

impl Resumption {
    pub(super) fn new(local: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { local, clock, made: ArcSwapOption::empty() }
    }

    /// What gives tokens in this release; nothing where its config wants none.
    pub(super) fn tokens(&self, snapshot: &Snapshot) -> Option<Arc<Tokens>> {
        if let Some(made) = &*self.made.load()
            && made.release == snapshot.number()
        {
            return made.tokens.clone();
        }
        let tokens = self.make(snapshot);
        let made = Made { release: snapshot.number(), tokens: tokens.clone() };
        self.made.store(Some(Arc::new(made)));
        tokens
    }

    fn make(&self, snapshot: &Snapshot) -> Option<Arc<Tokens>> {
        let config = &snapshot.config().mmtp.resume;
        let devices = NonZeroU32::new(*config.devices.value())?;
        let store: &dyn Store = match &config.store {
            // The check of the config has found it.
            Some(name) => &**snapshot.store(name.value())?,
            None => &*self.local,
        };
        let opened = Tokens::open(store, devices, self.clock.clone(), config.lifetime.get());
        match opened {
            Ok(tokens) => Some(Arc::new(tokens)),
            Err(why) => {
                tracing::warn!(%why, "no resume tokens are given");
                None
            }
        }
    }
}
