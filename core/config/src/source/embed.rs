//! `{ $include: FILE }` anywhere in the tree: the content of that file as the value, for what others
//! write, such as an OpenAPI description.
//!
//! The file's content is taken as it stands: `${…}` means nothing in it, its keys may be numbers
//! (`responses: { 200: … }`), and a `$include` in it is refused, so that nothing includes itself and
//! a description from elsewhere reads no files of ours. Its nodes keep their places, so that what is
//! wrong in it is told with its own lines.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Loading;
use crate::diag::Problem;
use crate::yaml::{Entry, Key, Keys, Kind, Node};

/// The key.
const INCLUDE: &str = "$include";

/// The tree with its files in it. Parts without any are shared with the old tree.
pub(super) fn embed(root: Node, loading: &mut Loading<'_>) -> Node {
    let left = loading.budget.nodes;
    let changed = Embedding { loading, known: HashMap::new(), left }.changed(&root);
    changed.unwrap_or(root)
}

struct Embedding<'l, 'a> {
    loading: &'l mut Loading<'a>,
    /// What has been embedded already, and its nodes; `None` where it could not be.
    known: HashMap<PathBuf, Option<(Node, u64)>>,
    /// How many nodes may still come out of files, counted as often as they are embedded.
    left: u64,
}

impl Embedding<'_, '_> {
    /// The node with files in it; `None` where it has none.
    fn changed(&mut self, node: &Node) -> Option<Node> {
        let mut changed = match &node.kind {
            Kind::Null | Kind::Scalar(_) => return None,
            Kind::Seq(items) => {
                let mut new: Option<Vec<Node>> = None;
                for (index, item) in items.iter().enumerate() {
                    if let Some(changed) = self.changed(item) {
                        new.get_or_insert_with(|| items.to_vec())[index] = changed;
                    }
                }
                Node::seq(node.span, new?)
            }
            Kind::Map(map) => {
                let entries = map.entries();
                if let Some(entry) = map.entry(INCLUDE) {
                    return self.include(entry, entries.len() > 1);
                }
                let mut new: Option<Vec<Entry>> = None;
                for (index, entry) in entries.iter().enumerate() {
                    if let Some(changed) = self.changed(&entry.value) {
                        new.get_or_insert_with(|| entries.to_vec())[index].value = changed;
                    }
                }
                Node::map(node.span, new?)
            }
        };
        changed.overrode.clone_from(&node.overrode);
        Some(changed)
    }

    /// The content of the file that `entry` names; `None`, and what is wrong is told, where there is
    /// none.
    fn include(&mut self, entry: &Entry, beside_others: bool) -> Option<Node> {
        let Entry { key, value } = entry;
        if beside_others {
            self.wrong(
                Problem::new(key.span, "`$include` beside other keys")
                    .help("the content of the file takes the place of the whole map"),
            );
            return None;
        }
        let Some(name) = value.as_text() else {
            let what = value.describe();
            self.wrong(Problem::new(value.span, format!("expected a file, found {what}")));
            return None;
        };
        let path = self.loading.sources.directory(value.span).join(name);
        if !self.known.contains_key(&path) {
            let content = self.content(entry, &path);
            self.known.insert(path.clone(), content);
        }
        let (content, nodes) = self.known.get(&path)?.clone()?;
        let Some(left) = self.left.checked_sub(nodes) else {
            let most = self.loading.budget.nodes;
            self.wrong(
                Problem::new(value.span, format!("more than {most} values come out of files"))
                    .help("include a smaller file, or the same one in fewer places"),
            );
            return None;
        };
        self.left = left;
        Some(content)
    }

    /// Reads a file, once per load.
    fn content(&mut self, entry: &Entry, path: &Path) -> Option<(Node, u64)> {
        let asked = entry.value.span;
        let content = self.loading.open(path, asked, Keys::Scalars)?.node;
        if content.is_null() {
            self.wrong(
                Problem::new(asked, format!("{} is empty", path.display()))
                    .help("nothing cannot take the place of a value"),
            );
            return None;
        }
        let mut nodes = 0;
        if let Some(inner) = count(&content, &mut nodes) {
            let problem = Problem::new(inner.span, "`$include` in an included file")
                .related(asked, "included here")
                .help("only config files and overlays include others");
            self.wrong(problem);
            return None;
        }
        Some((content, nodes))
    }

    fn wrong(&mut self, problem: Problem) {
        self.loading.problems.push(problem);
    }
}

/// Counts the nodes; gives the first `$include` among them, if there is one.
fn count<'n>(node: &'n Node, nodes: &mut u64) -> Option<&'n Key> {
    *nodes += 1;
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => None,
        Kind::Seq(items) => items.iter().find_map(|item| count(item, nodes)),
        Kind::Map(map) => map.entries().iter().find_map(|entry| {
            if &*entry.key.text == INCLUDE { Some(&entry.key) } else { count(&entry.value, nodes) }
        }),
    }
}

#[cfg(test)]
mod tests {
    //! Files as values.
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::path::PathBuf;

    use serde_json::{Value, json};

    use crate::diag::Diagnostics;
    use crate::source::{MemoryFiles, Origin, ParseCache, Tree, load_tree};
    use crate::yaml::{Budget, to_value};

    fn loaded(files: &[(&str, &str)], overlays: &[&str], nodes: u64) -> Result<Tree, Diagnostics> {
        let source = MemoryFiles::new(files.iter().copied());
        let overlays = overlays.iter().map(PathBuf::from).collect();
        let origin = Origin { root: PathBuf::from(files[0].0), overlays };
        let env = |name: &str| (name == "SPEC").then(|| "specs/b.json".to_owned());
        let budget = Budget { nodes, ..Budget::default() };
        load_tree(&origin, &env, &source, &mut ParseCache::new(), &budget)
    }

    fn value(files: &[(&str, &str)], overlays: &[&str]) -> Value {
        to_value(&loaded(files, overlays, 1000).unwrap().root)
    }

    #[test]
    fn a_file_stands_where_it_is_named_as_it_is_written() {
        let files = [
            (
                "conf/gateway.yaml",
                "include: [ apis/*.yaml ]\nlog: { x: { $include: \"${SPEC}\" } }",
            ),
            ("conf/apis/a.yaml", "apis: [ { id: 1, spec: { $include: ../specs/a.yaml } } ]"),
            ("conf/specs/a.yaml", "responses:\n  200: { text: '${NOT_FILLED}' }\n  true: 1\n"),
            ("conf/specs/b.json", "{\n\t\"a\": [1, \"\\u00e4\\/\"]\n}\n"),
        ];
        let a = json!({ "responses": { "200": { "text": "${NOT_FILLED}" }, "true": 1 } });
        assert_eq!(
            value(&files, &[]),
            json!({ "apis": [ { "id": 1, "spec": a } ], "log": { "x": { "a": [1, "ä/"] } } })
        );
        let tree = loaded(&files, &[], 1000).unwrap();
        let read: Vec<_> = tree.sources.files().iter().map(|file| &*file.name).collect();
        assert!(read.contains(&"conf/specs/b.json"), "{read:?}");
        let x = tree.root.get("log").and_then(|log| log.get("x")).unwrap();
        let place = tree.sources.brief(x.get("a").unwrap().span).unwrap();
        assert_eq!(place, "conf/specs/b.json:2");
    }

    #[test]
    fn an_overlay_names_another_file() {
        let files = [
            ("g.yaml", "log: { x: { $include: a.yaml } }"),
            ("over/o.yaml", "log: { x: { $include: b.yaml } }"),
            ("over/b.yaml", "b"),
        ];
        assert_eq!(value(&files, &["over/o.yaml"]), json!({ "log": { "x": "b" } }));
    }

    #[test]
    fn what_is_no_content_is_told_where_it_stands() {
        let told = |files: &[(&str, &str)]| {
            let diagnostics = loaded(files, &[], 10).unwrap_err();
            let first = &diagnostics.as_slice()[0];
            let place = first.place.as_ref().unwrap();
            format!("{}:{}: {}", place.file, place.line, first.message)
        };
        let asking = ("g.yaml", "log:\n  x: { $include: a.yaml }\n  y: { $include: a.yaml }");
        for (files, wanted) in [
            (
                &[("g.yaml", "log: { $include: 1, a: 2 }")][..],
                "g.yaml:1: `$include` beside other keys",
            ),
            (&[("g.yaml", "log: { $include: [] }")], "g.yaml:1: expected a file, found a list"),
            (&[asking], "g.yaml:2: no such file: a.yaml"),
            (&[asking, ("a.yaml", "")], "g.yaml:2: a.yaml is empty"),
            (
                &[asking, ("a.yaml", "\n- { $include: g.yaml }")],
                "a.yaml:2: `$include` in an included file",
            ),
            (&[asking, ("a.yaml", "a: 1\na: 2")], "a.yaml:2: the key `a` stands twice in this map"),
            (
                &[asking, ("a.yaml", "[1, 2, 3, 4, 5]")],
                "g.yaml:3: more than 10 values come out of files",
            ),
        ] {
            assert_eq!(told(files), wanted);
        }
    }
}
