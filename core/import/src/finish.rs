//! From what an import has made to the config that is written.

use std::path::Path;

use crate::out::{Item, Node, chains, write};
use crate::{Imported, Report};

/// What an import has made.
pub(crate) struct Parts<'p> {
    /// The source, as it was named.
    pub(crate) from: &'p Path,
    /// A line that stands above the config.
    pub(crate) remark: &'p str,
    /// What stands before the upstreams: the listeners and so on. Maps without anything are left out.
    pub(crate) head: Vec<(&'static str, Node)>,
    pub(crate) upstreams: Vec<(String, Item)>,
    /// Those that the APIs name already.
    pub(crate) chains: Vec<(String, Item)>,
    pub(crate) apis: Vec<Item>,
    pub(crate) report: Report,
}

impl Parts<'_> {
    /// The config, with lists of steps that several APIs have written once.
    pub(crate) fn imported(self) -> Imported {
        let mut config = Node::map().with("version", Node::plain(1));
        let count = self.apis.len();
        let (shared, apis) = chains::shared(self.apis);
        let mut chains = self.chains;
        if let Node::Map(shared) = shared {
            chains.extend(shared);
        }
        let rest = [("upstreams", Node::Map(self.upstreams)), ("chains", Node::Map(chains))];
        for (key, node) in self.head.into_iter().chain(rest) {
            if !node.is_empty() {
                config.put(key, node);
            }
        }
        config.put("apis", Node::List(apis));
        let (from, summary) = (self.from.display(), self.report.summary());
        let head = format!("# From {from}: {summary}.\n# {}\n", self.remark);
        Imported { yaml: head + &write(&config), apis: count, report: self.report }
    }
}
