//! Linking: from a compiled snapshot to what can serve it. Nothing here listens, connects or
//! starts; everything that can be wrong is found, and told at its place in the config.

mod compression;
mod listeners;
mod traces;
mod upstreams;

pub(crate) use compression::Messages;

use super::level;
use crate::{
    cache::{ApiCache, Cache, Rules},
    edge::ListenerSpec,
    live::{MmtpPath, OperationForm, Serving, ServingApi},
    outbound::Outbound,
    upstream::{Deps, Upstreams},
};
use paifang_config::{
    diag::{Diagnostics, Problem, Problems},
    snapshot::Snapshot,
    source::FileSource,
    yaml::{Digest, Located, Span},
};
use paifang_pipeline::{Api, Recall, Waiting};
use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
};

/// A snapshot that is ready to serve.
pub(super) struct Linked {
    pub(super) serving: Serving,
    pub(super) listeners: Vec<ListenerSpec>,
}

/// The largest certificate or key file, in bytes.
const LARGEST_PEM: u64 = 1 << 20;

/// Links `snapshot`, reading certificates and keys through `files`, the place its config came
/// from, and taking over the upstreams of `previous` that did not change. `outbound` is what the
/// snapshot's handlers were built with.
pub(super) fn link(
    snapshot: Arc<Snapshot>,
    previous: Option<&Serving>,
    outbound: Arc<Outbound>,
    files: &dyn FileSource,
    (deps, cache): (&Deps, &Arc<Cache>),
) -> Result<Linked, Diagnostics> {
    link_noting(snapshot, previous, outbound, files, (deps, cache), None)
}

/// The like, to be thrown away: whether it could be served. Certificates and keys that are not
/// there go to `absent` where there is one.
pub(super) fn check(
    snapshot: Arc<Snapshot>,
    files: &dyn FileSource,
    deps: &Deps,
    absent: Option<&mut BTreeSet<String>>,
) -> Result<(), Diagnostics> {
    let outbound = Arc::new(Outbound::new(Arc::default()));
    let cache = Cache::new(0, deps.clock.clone(), deps.spawn.clone());
    link_noting(snapshot, None, outbound, files, (deps, &cache), absent).map(drop)
}

fn link_noting(
    snapshot: Arc<Snapshot>,
    previous: Option<&Serving>,
    outbound: Arc<Outbound>,
    files: &dyn FileSource,
    (deps, cache): (&Deps, &Arc<Cache>),
    absent: Option<&mut BTreeSet<String>>,
) -> Result<Linked, Diagnostics> {
    let problems = Problems::default();
    let mut linker = Linker { snapshot: &snapshot, files, problems, pems: Vec::new(), absent };
    let none = Upstreams::default();
    let old = previous.map_or(&none, |previous| &previous.upstreams);
    let upstreams = upstreams::build(&mut linker, old, deps);
    let (listeners, limits) = listeners::build(&mut linker, deps);
    let before = previous.and_then(|previous| previous.tracer.as_ref());
    let tracer = traces::build(&mut linker, before, deps);
    let before = previous.and_then(|previous| previous.messages.as_ref());
    let messages = compression::build(&mut linker, before);
    let level = &snapshot.config().log.level;
    if let Err(why) = level::check(level.value()) {
        linker.wrong(level.span(), why);
    }
    let pems = Digest::all(&linker.pems);
    linker.problems.finish((), snapshot.sources())?;
    let waiting = Waiting::default();
    let before = previous.into_iter().flat_map(Serving::served);
    let before: Before<'_> = before.map(|api| (Arc::as_ptr(&api.api), api)).collect();
    let configs = &snapshot.config().apis;
    let any = configs.iter().any(|api| api.cache.is_some());
    let apis = snapshot
        .apis()
        .iter()
        .zip(configs)
        .map(|(served, config)| {
            let kept = any.then(|| ApiCache {
                cache: cache.clone(),
                rules: config.cache.as_ref().map(|config| Rules::new(config, &served.api, cache)),
            });
            let template = config.matches.as_ref().and_then(|matches| traces::template(matches));
            let of = Traits {
                offline: served.offline,
                early_data: served.early_data,
                secret: !config.compress,
                template,
            };
            let known = (&before, &waiting);
            served_by(known, &served.api, (&upstreams, kept), of)
        })
        .collect();
    outbound.link(upstreams.clone());
    let serving = Serving {
        apis,
        operations: configs.iter().map(|api| OperationForm::of(api)).collect(),
        fallback: served_by(
            (&before, &waiting),
            &snapshot.fallback().api,
            (&upstreams, None),
            Traits::default(),
        ),
        upstreams,
        tracer,
        mmtp: MmtpPath::of(snapshot.config()),
        messages,
        outbound,
        paths: snapshot.path_policy(),
        limits,
        default_limits: listeners::default_limits(&snapshot),
        pems,
        snapshot,
    };
    Ok(Linked { serving, listeners })
}

/// What the release before serves, by the API.
type Before<'a> = HashMap<*const Api, &'a Arc<ServingApi>>;

/// What an API is beside its steps and upstreams.
#[derive(Default)]
struct Traits {
    offline: bool,
    early_data: bool,
    secret: bool,
    template: Option<Arc<str>>,
}

/// An API with its upstreams; the one that was there before, where all are as they were. Calls of a
/// new one wait in `waiting` for word that they are to end.
fn served_by(
    (before, waiting): (&Before<'_>, &Waiting),
    api: &Arc<Api>,
    (upstreams, cache): (&Upstreams, Option<ApiCache>),
    of: Traits,
) -> Arc<ServingApi> {
    let upstream = api.upstream.as_deref().and_then(|name| upstreams.get(name));
    // The snapshot was compiled against the same names, so that none is missing.
    let routes = || api.chain.routes().iter().filter_map(|name| upstreams.get(name));
    let known = before.get(&Arc::as_ptr(api)).filter(|known| {
        (known.offline, known.early_data, known.secret) == (of.offline, of.early_data, of.secret)
            // Its rules are of the API's own config, which is as it was.
            && known.cache.is_some() == cache.is_some()
            && known.upstream.as_ref().map(Arc::as_ptr) == upstream.map(Arc::as_ptr)
            && known.routes.iter().map(Arc::as_ptr).eq(routes().map(Arc::as_ptr))
    });
    match known {
        Some(known) => Arc::clone(known),
        None => Arc::new(ServingApi {
            api: api.clone(),
            upstream: upstream.cloned(),
            routes: routes().cloned().collect(),
            cache,
            template: of.template,
            offline: of.offline,
            early_data: of.early_data,
            secret: of.secret,
            recall: Recall::new(waiting),
        }),
    }
}

/// What linking works with.
struct Linker<'a> {
    snapshot: &'a Snapshot,
    files: &'a dyn FileSource,
    problems: Problems,
    /// Of every certificate, key and dictionary that was read, in order.
    pems: Vec<Digest>,
    /// Takes those that are not there, where that is no error.
    absent: Option<&'a mut BTreeSet<String>>,
}

impl Linker<'_> {
    /// The bytes of a PEM file that the config names; a problem where it cannot be read.
    fn pem(&mut self, path: &Located<PathBuf>) -> Option<Vec<u8>> {
        self.file(path, LARGEST_PEM, "is it a PEM file?")
    }

    /// The like of any file of at most `most` bytes; `doubt` is what a larger one lets ask.
    fn file(&mut self, path: &Located<PathBuf>, most: u64, doubt: &str) -> Option<Vec<u8>> {
        let resolved = self.snapshot.resolve(path);
        let read = self.files.read(&resolved, most);
        let problem = match read {
            Ok(bytes) if bytes.len() as u64 > most => {
                format!("{} has more than {} KiB; {doubt}", resolved.display(), most >> 10)
            }
            Ok(bytes) => {
                self.pems.push(Digest::of_bytes(&bytes));
                return Some(bytes);
            }
            Err(error) if is_absence(&error) && self.absent.is_some() => {
                let noted = format!("file {}", resolved.display());
                self.absent.iter_mut().for_each(|absent| absent.extend([noted.clone()]));
                return None;
            }
            Err(error) => format!("cannot read {}: {error}", resolved.display()),
        };
        self.wrong(path.span(), problem);
        None
    }

    fn wrong(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Problem::new(span, message));
    }
}

/// Whether a file is not there for us, as on a machine that is not the gateway's.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory
    )
}
