//! Includes: several files as one.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Loading, Opened};
use crate::diag::Problem;
use crate::yaml::{Entry, Key, Keys, Kind, Node, Span};

/// Keys whose values are lists, appended.
const LISTS: [&str; 2] = ["listeners", "apis"];
/// Keys whose values are maps by name, united.
const MAPS: [&str; 5] = ["apps", "upstreams", "wasm", "chains", "plans"];
/// Files that include each other in a row.
const DEEPEST: usize = 16;

/// The root file with everything it includes.
pub(super) fn root(loading: &mut Loading<'_>, path: &Path) -> Option<Node> {
    let opened = loading.open(path, Span::NONE, Keys::Texts)?;
    let mut whole = Whole::default();
    whole.add(loading, opened, Span::NONE);
    Some(whole.finish())
}

/// What has been put together so far.
#[derive(Default)]
struct Whole {
    span: Option<Span>,
    keys: Vec<Key>,
    parts: HashMap<Arc<str>, Part>,
    /// Files that are being included right now, with the span of the include.
    open: Vec<(PathBuf, Span)>,
    /// Files that are part of the whole already.
    done: HashSet<PathBuf>,
}

/// The value of a top-level key.
enum Part {
    List(Span, Vec<Node>),
    Map(Span, Vec<Entry>, HashMap<Arc<str>, Span>),
    One(Span, Node),
}

impl Whole {
    /// Adds a file, then what it includes. `asked` is the `include` that named it.
    fn add(&mut self, loading: &mut Loading<'_>, opened: Opened, asked: Span) {
        let Opened { file, node } = opened;
        let canonical = file.canonical.clone();
        if !self.done.insert(canonical.clone()) {
            return;
        }
        self.span.get_or_insert(node.span);
        let map = match &node.kind {
            Kind::Map(map) => map.clone(),
            Kind::Null if asked == Span::NONE => {
                loading.problems.push(Problem::new(node.span, "the file is empty"));
                return;
            }
            Kind::Null => return,
            _ => {
                loading.problems.push(Problem::new(
                    node.span,
                    format!("expected a map of keys such as `apis`, found {}", node.describe()),
                ));
                return;
            }
        };
        self.open.push((canonical, asked));
        let mut includes = None;
        for entry in map.entries() {
            match &*entry.key.text {
                "include" => includes = Some(&entry.value),
                _ => self.entry(loading, entry),
            }
        }
        if let Some(includes) = includes {
            self.includes(loading, file.directory(), includes);
        }
        self.open.pop();
    }

    fn includes(&mut self, loading: &mut Loading<'_>, directory: &Path, includes: &Node) {
        let items = match &includes.kind {
            Kind::Null => return,
            Kind::Seq(items) => items.clone(),
            _ => {
                loading.problems.push(
                    Problem::new(
                        includes.span,
                        format!("expected a list of files, found {}", includes.describe()),
                    )
                    .help("write include: [ apis/*.yaml ]"),
                );
                return;
            }
        };
        if self.open.len() > DEEPEST {
            loading.problems.push(Problem::new(
                includes.span,
                format!("more than {DEEPEST} files include each other in a row"),
            ));
            return;
        }
        for item in items.iter() {
            let Some(pattern) = item.as_text() else {
                loading.problems.push(Problem::new(
                    item.span,
                    format!("expected a file or a pattern, found {}", item.describe()),
                ));
                continue;
            };
            for path in find(loading, directory, pattern, item.span) {
                self.include(loading, &path, item.span);
            }
        }
    }

    fn include(&mut self, loading: &mut Loading<'_>, path: &Path, asked: Span) {
        if let Ok(canonical) = loading.files.canonical(path)
            && let Some(position) = self.open.iter().position(|(open, _)| *open == canonical)
        {
            let mut problem = Problem::new(
                asked,
                format!("include cycle: {} is being included already", path.display()),
            );
            // The includes that lead from that file to this one.
            for (_, through) in self.open[position..].iter().skip(1) {
                problem = problem.related(*through, "reached through this include");
            }
            if position + 1 == self.open.len() {
                problem = problem.help("the file includes itself; narrow the pattern");
            }
            loading.problems.push(problem);
            return;
        }
        if let Some(opened) = loading.open(path, asked, Keys::Texts) {
            self.add(loading, opened, asked);
        }
    }

    /// Adds one top-level key of a file.
    fn entry(&mut self, loading: &mut Loading<'_>, entry: &Entry) {
        let (key, value) = (&entry.key, &entry.value);
        let Some(part) = self.parts.get_mut(&key.text) else {
            self.keys.push(key.clone());
            self.parts.insert(key.text.clone(), Part::of(key, value));
            return;
        };
        match (part, &value.kind) {
            (_, Kind::Null) => {}
            (Part::List(_, all), Kind::Seq(more)) => all.extend(more.iter().cloned()),
            (Part::Map(_, all, seen), Kind::Map(more)) => {
                for entry in more.entries() {
                    if let Some(first) = seen.get(&entry.key.text) {
                        loading.problems.push(
                            Problem::new(
                                entry.key.span,
                                format!("`{}.{}` is defined twice", key.text, entry.key.text),
                            )
                            .related(*first, "first here")
                            .help("rename one; to override it, use an overlay"),
                        );
                    } else {
                        seen.insert(entry.key.text.clone(), entry.key.span);
                        all.push(entry.clone());
                    }
                }
            }
            (Part::One(_, first), _) if &*key.text == "version" => {
                if first.as_text() != value.as_text() {
                    loading.problems.push(
                        Problem::new(value.span, "another version than the root file's")
                            .related(first.span, "here"),
                    );
                }
            }
            (Part::List(first, _) | Part::Map(first, ..) | Part::One(first, _), _) => {
                loading.problems.push(
                    Problem::new(key.span, format!("`{}` is set in two files", key.text))
                        .related(*first, "first here")
                        .help("keep one; to override it, use an overlay"),
                );
            }
        }
    }

    fn finish(mut self) -> Node {
        let entries = self
            .keys
            .into_iter()
            .filter_map(|key| {
                let value = match self.parts.remove(&key.text)? {
                    Part::List(span, items) => Node::seq(span, items),
                    Part::Map(span, entries, _) => Node::map(span, entries),
                    Part::One(_, node) => node,
                };
                Some(Entry { key, value })
            })
            .collect();
        Node::map(self.span.unwrap_or(Span::NONE), entries)
    }
}

impl Part {
    fn of(key: &Key, value: &Node) -> Self {
        match &value.kind {
            Kind::Seq(items) if LISTS.contains(&&*key.text) => {
                Self::List(value.span, items.to_vec())
            }
            Kind::Map(map) if MAPS.contains(&&*key.text) => {
                let entries = map.entries().to_vec();
                let seen =
                    entries.iter().map(|entry| (entry.key.text.clone(), entry.key.span)).collect();
                Self::Map(value.span, entries, seen)
            }
            _ => Self::One(key.span, value.clone()),
        }
    }
}

/// The files that an include names, sorted. A name without wildcards must exist.
fn find(loading: &mut Loading<'_>, directory: &Path, pattern: &str, asked: Span) -> Vec<PathBuf> {
    let path = directory.join(pattern);
    if !pattern.contains(['*', '?', '[']) {
        return vec![path];
    }
    // The directory's own name may hold characters that patterns give a meaning.
    let escaped = PathBuf::from(glob::Pattern::escape(&directory.to_string_lossy()));
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    loading.directories.insert(directory.join(fixed));
    match loading.files.glob(&escaped.join(pattern)) {
        Ok(paths) => paths,
        Err(error) => {
            loading
                .problems
                .push(Problem::new(asked, format!("cannot include `{pattern}`: {error}")));
            Vec::new()
        }
    }
}
