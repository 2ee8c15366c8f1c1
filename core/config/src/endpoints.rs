//! Lists of endpoints in files of their own, which another program writes while the gateway runs.

use std::path::Path;

use crate::check::listed_endpoints;
use crate::diag::{Diagnostics, Problem, Problems};
use crate::model::Endpoint;
use crate::source::SourceMap;
use crate::yaml::{Budget, FileId, parse, read as read_node};

/// Reads a file with a list of endpoints, or with a map that has such a list as `endpoints`; YAML, or
/// JSON, which is YAML. `name` is for messages. An empty list is one.
///
/// # Errors
/// Everything that is wrong, with its place.
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<Endpoint>, Diagnostics> {
    let sources = SourceMap::alone(Path::new(name), bytes);
    let mut problems = Problems::default();
    let mut list = Vec::new();
    match parse(FileId(0), bytes, &Budget::default()) {
        Err(problem) => problems.push(problem),
        Ok(root) => {
            let node = match root.as_map() {
                Some(map) if map.entries().len() == 1 => map.get("endpoints"),
                Some(_) => None,
                None => Some(&root),
            };
            match node {
                Some(node) if node.as_seq().is_some() => {
                    list = read_node(node, &mut problems).unwrap_or_default();
                }
                _ => problems.push(Problem::new(root.span, "expected a list of endpoints").help(
                    "write `- { address: 10.0.0.1:80 }` for each, or that under `endpoints:`",
                )),
            }
        }
    }
    listed_endpoints(&list, &mut problems);
    problems.finish(list, &sources)
}
