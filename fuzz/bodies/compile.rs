//! From a config to a snapshot with the built-in plugins: it ends, without a panic, in a snapshot
//! that can be explained and made again, or in diagnostics that can be shown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, Method};
use paifang_config::compile::{Context, Stamp, compile};
use paifang_config::diag::Diagnostics;
use paifang_config::diff::diff;
use paifang_config::explain::{self, Asked};
use paifang_config::snapshot::{Cause, PlanOn, Snapshot};
use paifang_config::source::{MemoryFiles, Origin, ParseCache, SecretSources};
use paifang_pipeline::Registry;
use paifang_pipeline::ports::{Clock, HttpOut, NoHttpOut, SystemClock};
use paifang_state::LocalStore;

/// `data` is the root file; after a line `=====` it is a file that is included as `more.yaml`.
pub fn run(data: &[u8]) {
    let mark = b"\n=====\n";
    let at = data.windows(mark.len()).position(|window| window == mark);
    let (root, more) = at.map_or((data, &b""[..]), |at| (&data[..=at], &data[at + mark.len()..]));
    let gateway = Gateway::new(root, more);
    let mut cache = ParseCache::new();
    let first = match gateway.snapshot(&mut cache, &[], None) {
        Ok(snapshot) => snapshot,
        Err(diagnostics) => {
            assert!(!diagnostics.as_slice().is_empty());
            let shown = diagnostics.render();
            assert!(shown.ends_with("error\n") || shown.ends_with("errors\n"));
            let again = gateway.snapshot(&mut cache, &[], None);
            assert_eq!(again.err(), Some(diagnostics), "refused once, then otherwise");
            return;
        }
    };
    explained(&first);
    // The same files again: nothing is built, nothing differs.
    let second = gateway.snapshot(&mut cache, &[], Some(&first));
    let second = second.unwrap_or_else(|error| panic!("taken, then refused: {error}"));
    assert_eq!((second.built(), second.hash()), (0, first.hash()));
    let same = diff(&first, &second);
    assert!(same.changes.is_empty() && same.states.is_empty(), "{same}");
    // A plan that was taken can be switched on, and off again.
    for name in first.config().plans.keys() {
        let on = [PlanOn { name: name.to_string(), since_ms: 0 }];
        let with = gateway.snapshot(&mut cache, &on, Some(&second));
        let with = with.unwrap_or_else(|error| panic!("{name} was taken, then refused: {error}"));
        explained(&with);
        let off = gateway.snapshot(&mut cache, &[], Some(&with)).unwrap();
        assert_eq!(off.hash(), first.hash());
    }
}

/// Every API is explained, and asked for by a request.
fn explained(snapshot: &Snapshot) {
    for served in snapshot.apis() {
        let explained = explain::api(snapshot, &served.api.id).unwrap();
        assert!(!explained.to_string().is_empty());
    }
    for target in ["/", "/v1/orders/1?a=b", "http://api.example.com/x/y"] {
        let asked =
            Asked { method: &Method::GET, target, listener: None, headers: &HeaderMap::new() };
        let _ = explain::request(snapshot, &asked).to_string();
    }
}

struct Gateway {
    files: MemoryFiles,
    registry: Registry,
    store: LocalStore,
    clock: Arc<dyn Clock>,
    http: Arc<dyn HttpOut>,
}

impl Gateway {
    fn new(root: &[u8], more: &[u8]) -> Self {
        let mut registry = Registry::default();
        paifang_plugins::register(&mut registry).unwrap();
        let files = [("root.yaml", root.to_vec()), ("more.yaml", more.to_vec())];
        Self {
            files: MemoryFiles::new(files),
            registry,
            store: LocalStore::new(),
            clock: Arc::new(SystemClock::new()),
            http: Arc::new(NoHttpOut),
        }
    }

    fn snapshot(
        &self,
        cache: &mut ParseCache,
        plans: &[PlanOn],
        previous: Option<&Snapshot>,
    ) -> Result<Snapshot, Diagnostics> {
        let origin = Origin { root: PathBuf::from("root.yaml"), overlays: Vec::new() };
        // Long enough for a secret; a number where one is wanted.
        let env = |name: &str| (name != "UNSET").then(|| "7".repeat(32));
        let loaded = paifang_config::load(&origin, &env, &self.files, cache)?;
        let stamp = Stamp { number: 1, time: SystemTime::UNIX_EPOCH, cause: Cause::Start };
        let context = Context {
            registry: &self.registry,
            modules: None,
            stores: None,
            store: &self.store,
            clock: &self.clock,
            http: &self.http,
            secrets: SecretSources { env: &env, files: &self.files },
            plans,
            previous,
        };
        compile(loaded, stamp, &context)
    }
}
