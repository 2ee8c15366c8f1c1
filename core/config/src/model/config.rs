//! The whole config.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Admin, Api, App, CacheStore, Defaults, Id, Listener, Log, Mmtp, Paths, Plan, Releases, Reload,
    SharedStore, Shutdown, Steps, Tracing, Upstream, Wasm,
};
use crate::diag::{Problem, Problems, did_you_mean};
use crate::yaml::{Digest, Entry, Kind, Node, Span, read};

/// A config file. Every key but `version` and `listeners` may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Paifang config", deny_unknown_fields)]
pub struct Config {
    /// The version of this format: 1.
    pub version: u32,
    /// Where clients connect; at least one.
    pub listeners: Vec<Named<Listener>>,
    /// The admin API; none where absent.
    #[schemars(default)]
    pub admin: Option<Named<Admin>>,
    /// How changes are taken over.
    #[schemars(default)]
    pub reload: Reload,
    /// More files, relative to this one: names, or patterns with `*`, `?`, `[…]`, `**`.
    #[schemars(default)]
    pub include: Vec<String>,
    /// What holds for every API unless it says otherwise.
    #[schemars(default)]
    pub defaults: Defaults,
    /// How request paths are read.
    #[schemars(default)]
    pub paths: Paths,
    /// What holds for clients that speak MMTP.
    #[serde(default)]
    pub mmtp: Mmtp,
    /// The memory that answers are kept in, for APIs that say `cache`.
    #[schemars(default)]
    pub cache: CacheStore,
    /// Tenants by id.
    #[schemars(default)]
    pub apps: IndexMap<Id, Named<App>>,
    /// Where this gateway is. Endpoints with the same `zone` are preferred; empty is none.
    #[schemars(default)]
    pub zone: String,
    /// What answers calls, by name.
    #[schemars(default)]
    pub upstreams: IndexMap<Id, Named<Upstream>>,
    /// Stores that gateways share, by name.
    #[schemars(default)]
    pub stores: IndexMap<Id, Named<SharedStore>>,
    /// Handlers in WebAssembly by name, which is a kind of step then.
    #[schemars(default)]
    pub wasm: IndexMap<Id, Named<Wasm>>,
    /// Named lists of steps, for use in several APIs.
    #[schemars(default)]
    pub chains: IndexMap<Id, Named<Steps>>,
    /// The operations that clients can call.
    #[schemars(default)]
    pub apis: Vec<Named<Api>>,
    /// Contingency plans by name: edits of chains that are switched on and off while the gateway runs.
    #[schemars(default)]
    pub plans: IndexMap<Id, Named<Plan>>,
    /// Where releases are kept.
    #[schemars(default)]
    pub releases: Releases,
    /// The gateway's own log.
    #[schemars(default)]
    pub log: Log,
    /// Traces of calls for OpenTelemetry; none where absent.
    #[schemars(default)]
    pub tracing: Option<Named<Tracing>>,
    /// How the gateway ends.
    #[schemars(default)]
    pub shutdown: Shutdown,
    /// Names that stand in the files, also of things that could not be read.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) names: Names,
    /// Where the whole stands.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) root: Span,
}

/// Something that was read, with its place and the node it came from.
#[derive(Debug, Clone)]
pub struct Named<T> {
    /// What was read.
    pub value: T,
    /// Where its name, or itself, stands.
    pub span: Span,
    /// The node it was read from.
    pub node: Node,
    /// Nothing in it was left out because it could not be read.
    pub(crate) whole: bool,
}

/// Names by section.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Names {
    pub(crate) upstreams: HashMap<Arc<str>, Span>,
    pub(crate) stores: HashMap<Arc<str>, Span>,
    pub(crate) chains: HashMap<Arc<str>, Span>,
    /// There was something under `listeners`.
    pub(crate) listeners: bool,
}

/// The keys of a config file.
pub const KEYS: [&str; 21] = [
    "version",
    "listeners",
    "admin",
    "reload",
    "include",
    "defaults",
    "paths",
    "mmtp",
    "cache",
    "apps",
    "zone",
    "upstreams",
    "stores",
    "wasm",
    "chains",
    "apis",
    "plans",
    "releases",
    "log",
    "tracing",
    "shutdown",
];

impl Config {
    /// Reads the whole tree. Every item is read by itself, so that one mistake hides no other.
    /// What could not be read is left out, and told.
    #[must_use]
    pub fn read(root: &Node, problems: &mut Problems) -> Self {
        let mut config = Self {
            version: 0,
            listeners: Vec::new(),
            admin: None,
            reload: Reload::default(),
            include: Vec::new(),
            defaults: Defaults::default(),
            paths: Paths::default(),
            mmtp: Mmtp::default(),
            cache: CacheStore::default(),
            apps: IndexMap::new(),
            zone: String::new(),
            upstreams: IndexMap::new(),
            stores: IndexMap::new(),
            wasm: IndexMap::new(),
            chains: IndexMap::new(),
            apis: Vec::new(),
            plans: IndexMap::new(),
            releases: Releases::default(),
            log: Log::default(),
            tracing: None,
            shutdown: Shutdown::default(),
            names: Names::default(),
            root: root.span,
        };
        for entry in root.as_map().into_iter().flat_map(|map| map.entries()) {
            config.section(entry, problems);
        }
        version(root, problems);
        config.version = 1;
        config
    }

    fn section(&mut self, entry: &Entry, problems: &mut Problems) {
        let value = &entry.value;
        match &*entry.key.text {
            "version" => {}
            // Composed away already; an overlay's is refused before.
            "include" => {}
            "listeners" => {
                self.listeners = list(value, problems);
                self.names.listeners =
                    !value.is_null() && value.as_seq().is_none_or(|items| !items.is_empty());
                for listener in &mut self.listeners {
                    listener.value.accept.parse(problems);
                }
            }
            "apis" => {
                self.apis = list(value, problems);
                for api in &mut self.apis {
                    api.value.handlers.parse(problems);
                }
            }
            "apps" => self.apps = map(value, &mut HashMap::new(), problems),
            "zone" => one(value, &mut self.zone, problems),
            "upstreams" => self.upstreams = map(value, &mut self.names.upstreams, problems),
            "stores" => self.stores = map(value, &mut self.names.stores, problems),
            "wasm" => self.wasm = map(value, &mut HashMap::new(), problems),
            "chains" => {
                self.chains = map(value, &mut self.names.chains, problems);
                for chain in self.chains.values_mut() {
                    chain.value.parse(problems);
                }
            }
            "plans" => {
                self.plans = map(value, &mut HashMap::new(), problems);
                for plan in self.plans.values_mut() {
                    plan.value.parse(problems);
                }
            }
            "admin" => {
                if !value.is_null() {
                    self.admin = named(value, entry.key.span, problems);
                }
            }
            "reload" => one(value, &mut self.reload, problems),
            "defaults" => {
                one(value, &mut self.defaults, problems);
                self.defaults.handlers.parse(problems);
            }
            "paths" => one(value, &mut self.paths, problems),
            "mmtp" => one(value, &mut self.mmtp, problems),
            "cache" => one(value, &mut self.cache, problems),
            "releases" => one(value, &mut self.releases, problems),
            "log" => one(value, &mut self.log, problems),
            "tracing" => {
                if !value.is_null() {
                    self.tracing = named(value, entry.key.span, problems);
                }
            }
            "shutdown" => one(value, &mut self.shutdown, problems),
            unknown => {
                // Looking for near names is dear, and soon nobody reads them.
                let near = problems.len() < Problems::MOST;
                let help = near.then(|| did_you_mean(unknown, KEYS)).flatten();
                problems.push(
                    Problem::new(entry.key.span, format!("unknown key `{unknown}`"))
                        .maybe_help(help),
                );
            }
        }
    }
}

/// The version comes first: a file of another one would be misread.
fn version(root: &Node, problems: &mut Problems) {
    let Some(node) = root.get("version") else {
        problems.push(
            Problem::new(root.span, "the key `version` is missing").help("write `version: 1`"),
        );
        return;
    };
    if read::<u32>(node, problems).is_some_and(|version| version != 1) {
        problems.push(
            Problem::new(
                node.span,
                format!("this gateway reads version 1, not {}", node.describe()),
            )
            .help("write `version: 1`"),
        );
    }
}

fn one<T: for<'a> Deserialize<'a>>(node: &Node, into: &mut T, problems: &mut Problems) {
    if node.is_null() {
        return;
    }
    if let Some(value) = read(node, problems) {
        *into = value;
    }
}

fn named<T: for<'a> Deserialize<'a>>(
    node: &Node,
    span: Span,
    problems: &mut Problems,
) -> Option<Named<T>> {
    let before = problems.len();
    let value = read(node, problems)?;
    Some(Named { value, span, node: node.clone(), whole: problems.len() == before })
}

fn list<T: for<'a> Deserialize<'a>>(node: &Node, problems: &mut Problems) -> Vec<Named<T>> {
    match &node.kind {
        Kind::Null => Vec::new(),
        Kind::Seq(items) => {
            items.iter().filter_map(|item| named(item, item.span, problems)).collect()
        }
        _ => {
            problems.push(Problem::new(
                node.span,
                format!("expected a list, found {}", node.describe()),
            ));
            Vec::new()
        }
    }
}

fn map<T: for<'a> Deserialize<'a>>(
    node: &Node,
    names: &mut HashMap<Arc<str>, Span>,
    problems: &mut Problems,
) -> IndexMap<Id, Named<T>> {
    let entries = match &node.kind {
        Kind::Null => return IndexMap::new(),
        Kind::Map(map) => map.entries(),
        _ => {
            problems.push(Problem::new(
                node.span,
                format!("expected a map by name, found {}", node.describe()),
            ));
            return IndexMap::new();
        }
    };
    let mut all = IndexMap::with_capacity(entries.len());
    for entry in entries {
        names.insert(entry.key.text.clone(), entry.key.span);
        let id = Id::new(&entry.key.text)
            .map_err(|message| problems.push(Problem::new(entry.key.span, message)));
        if let (Some(value), Ok(id)) = (named(&entry.value, entry.key.span, problems), id) {
            all.insert(id, value);
        }
    }
    all
}

impl<T> Named<T> {
    /// The digest of what was written.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.node)
    }
}

impl<T> std::ops::Deref for Named<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Named<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
