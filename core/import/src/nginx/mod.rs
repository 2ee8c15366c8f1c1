//! nginx: a config with all that it includes.
//!
//! 1. `read` makes a tree of directives, with places.
//! 2. `server` finds sockets and hosts, `location` the locations of a server.
//! 3. `decide` turns nginx's choice among them into routes.
//! 4. The others turn what holds in a location into steps, upstreams and limits.
//!
//! docs/from-nginx.md says what becomes of each directive.

mod access;
mod answer;
mod apis;
mod asked;
mod auth_request;
mod coding;
mod decide;
mod draft;
mod headers;
mod kept;
mod lex;
mod limits;
mod limits_taken;
mod listeners;
mod location;
mod mirror;
mod notes;
mod proxy;
mod read;
mod remarks;
mod rules;
mod scope;
mod server;
mod servers;
mod shares;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_beside;
#[cfg(test)]
mod tests_upstreams;
mod tree;
mod upstream;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use paifang_config::source::FileSource;

use crate::finish::Parts;
use crate::out::Node;
use crate::{Fault, Imported, Options};
use limits_taken::Zone;
use notes::Notes;
use scope::Scope;
use server::Servers;
use tree::Directive;
use upstream::Made;
pub(crate) use upstream::with_port;

/// Imports the config in `root`.
///
/// # Errors
/// Why it cannot be read: syntax, files, limits, or nothing in it to serve.
pub fn import(root: &Path, files: &dyn FileSource, options: Options) -> Result<Imported, Fault> {
    let tree = read::read(root, files)?;
    let mut notes = Notes::default();
    notes.open(&tree);
    let block = http(&tree, &mut notes);
    let scope = Scope::new(block);
    let mut servers = Servers::default();
    for directive in block.iter().filter(|directive| directive.name == "server") {
        servers.add(directive, &scope, &mut notes);
    }
    if servers.list.is_empty() {
        let place =
            crate::Place { order: 0, file: root.display().to_string().into(), line: 1, column: 1 };
        return Err(Fault::new(place, "there is no `server` in it")
            .help("name the file that has the `http` block, usually nginx.conf"));
    }
    let mut import = Import::new(root, files, options, notes);
    import.http(block);
    let listeners = import.listeners(&servers);
    let apis = import.apis(&servers)?;
    import.remarks(&tree);
    Ok(Parts {
        from: root,
        remark: "The lines that an entry came from stand above it; the report tells of every line.",
        head: vec![("listeners", Node::List(listeners))],
        upstreams: import.upstreams.into_iter().map(|made| (made.name, made.item)).collect(),
        chains: Vec::new(),
        apis,
        report: import.notes.finish(),
    }
    .imported())
}

/// What is inside `http`; a file without one is taken for such a block's content.
fn http<'t>(tree: &'t [Directive], notes: &mut Notes) -> &'t [Directive] {
    for other in tree.iter().filter(|d| matches!(d.name.as_str(), "stream" | "mail")) {
        notes.not_within(other, "only HTTP is taken");
    }
    match tree.iter().find(|directive| directive.name == "http") {
        Some(directive) => {
            notes.taken(directive, "");
            directive.inner()
        }
        None => tree,
    }
}

/// An import on its way.
struct Import<'t> {
    files: &'t dyn FileSource,
    /// Where relative paths of the config begin.
    folder: PathBuf,
    options: Options,
    notes: Notes,
    /// `upstream` blocks by name.
    blocks: HashMap<&'t str, &'t Directive>,
    /// `limit_req_zone` and `limit_conn_zone` by name.
    rates: HashMap<&'t str, Zone<'t>>,
    places: HashMap<&'t str, Zone<'t>>,
    /// `proxy_cache_path` by the zone's name.
    caches: HashMap<&'t str, &'t Directive>,
    /// `split_clients` by the variable's name.
    splits: HashMap<&'t str, &'t Directive>,
    /// Paths that nginx asks itself for, beside the client's own requests.
    beside: Vec<&'t str>,
    /// Variables of `map` blocks that only tell of upgrades.
    upgrade: Vec<String>,
    upstreams: Vec<Made>,
    /// Ids of APIs that are there.
    ids: BTreeSet<String>,
}

impl<'t> Import<'t> {
    fn new(root: &Path, files: &'t dyn FileSource, options: Options, notes: Notes) -> Self {
        Self {
            files,
            folder: root.parent().unwrap_or(Path::new("")).to_path_buf(),
            options,
            notes,
            blocks: HashMap::new(),
            rates: HashMap::new(),
            places: HashMap::new(),
            caches: HashMap::new(),
            splits: HashMap::new(),
            beside: Vec::new(),
            upgrade: Vec::new(),
            upstreams: Vec::new(),
            ids: BTreeSet::new(),
        }
    }

    /// A path of the config, as nginx reads it.
    fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// What stands beside the servers.
    fn http(&mut self, block: &'t [Directive]) {
        self.find_beside(block);
        for directive in block {
            match directive.name.as_str() {
                "upstream" => {
                    self.blocks.insert(directive.arg(0), directive);
                }
                "limit_req_zone" => self.rates.extend(Zone::read(directive)),
                "limit_conn_zone" => self.places.extend(Zone::read(directive)),
                "proxy_cache_path" => {
                    let zone = directive.words().find_map(|word| word.strip_prefix("keys_zone="));
                    let name = zone.and_then(|zone| zone.split(':').next()).unwrap_or_default();
                    self.caches.insert(name, directive);
                }
                "split_clients" => {
                    self.splits.insert(directive.arg(1).trim_start_matches('$'), directive);
                }
                "map" if directive.arg(0) == "$http_upgrade" => {
                    self.upgrade.push(directive.arg(1).trim_start_matches('$').to_owned());
                    self.notes.taken(directive, "the gateway upgrades connections by itself");
                    for inner in directive.inner() {
                        self.notes.taken(inner, "");
                    }
                }
                "map" | "geo" => {
                    let note = "variables are not computed here: steps have `when`, and `headers` has templates";
                    self.notes.not_within(directive, note);
                }
                _ => {}
            }
        }
    }

    /// Collects the paths that nginx asks itself for.
    fn find_beside(&mut self, block: &'t [Directive]) {
        for directive in block {
            if matches!(directive.name.as_str(), "auth_request" | "mirror") {
                self.beside.push(directive.arg(0));
            }
            self.find_beside(directive.inner());
        }
    }
}
