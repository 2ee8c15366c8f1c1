//! Text to tree, over the events of `saphyr-parser`. Iterative: the depth of the input costs no
//! stack.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Budget, Entry, FileId, Key, Kind, Node, Plain, Scalar, Span, Style};
use crate::diag::Problem;

/// What the keys of maps may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Texts: what looks like a number or a boolean must stand in quotes. So it is in a config.
    #[default]
    Texts,
    /// Numbers and booleans too, as the texts they are written as. So it is in what others write,
    /// such as the `responses: { 200: … }` of OpenAPI.
    Scalars,
}

/// Parses the one document of a config file. An empty file is `Null`.
///
/// # Errors
/// The first thing that is not allowed, with its place. A byte order mark at the start is
/// skipped; bytes that are not UTF-8, and control characters but tab and line ends, are refused.
pub fn parse(file: FileId, bytes: &[u8], budget: &Budget) -> Result<Node, Problem> {
    parse_with(file, bytes, budget, Keys::Texts)
}

/// Parses the one document of a file, as [`parse`] does.
pub(crate) fn parse_with(
    file: FileId,
    bytes: &[u8],
    budget: &Budget,
    keys: Keys,
) -> Result<Node, Problem> {
    let text = text_of(file, bytes, budget)?;
    let mut builder = Builder::new(file, budget, keys);
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, span) = match parser.next_event() {
            None => break,
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                let mark = error.marker();
                let at = Span::point(file, number(mark.line()), number(mark.col()) + 1);
                return Err(scan_problem(at, error.info(), text));
            }
        };
        let span = Span {
            file,
            line: number(span.start.line()),
            column: number(span.start.col()) + 1,
            end_line: number(span.end.line()),
            end_column: number(span.end.col()) + 1,
        };
        builder.event(event, span)?;
    }
    Ok(builder.root.unwrap_or_else(|| Node::new(Span::point(file, 1, 1), Kind::Null)))
}

/// The file as text, or why it is none.
pub(crate) fn text_of<'a>(
    file: FileId,
    bytes: &'a [u8],
    budget: &Budget,
) -> Result<&'a str, Problem> {
    let start = Span::point(file, 1, 1);
    if bytes.len() as u64 > budget.file_bytes {
        return Err(Problem::new(
            start,
            format!(
                "the file has {} bytes, more than the {} allowed",
                bytes.len(),
                budget.file_bytes
            ),
        )
        .help("split it and use `include`"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = place_of(file, &bytes[..error.valid_up_to()]);
        Problem::new(at, "the file is not UTF-8").help("save it as UTF-8").hidden()
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let control = text
        .bytes()
        .position(|byte| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f);
    if let Some(position) = control {
        let byte = text.as_bytes()[position];
        return Err(Problem::new(
            place_of(file, &text.as_bytes()[..position]),
            format!("control character U+{byte:04X}"),
        )
        .help("write it as an escape in a double-quoted text, or remove it"));
    }
    Ok(text)
}

/// The place right after `before`, which is valid UTF-8.
fn place_of(file: FileId, before: &[u8]) -> Span {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let tail = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(tail).trim_start_matches('\u{feff}').chars().count() + 1;
    Span::point(file, number(line), number(column))
}

/// Lines and columns fit: a file has at most 64 MiB, unless the budget was raised beyond 4 GiB.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX - 1)
}

/// What the scanner says, with a hint where its words are known to puzzle people.
fn scan_problem(at: Span, info: &str, text: &str) -> Problem {
    let problem = Problem::new(at, format!("not valid YAML: {info}"));
    let line = text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
    if line.trim_start_matches(' ').starts_with('\t') {
        return problem.help("indent with spaces: YAML forbids tabs there");
    }
    if line.contains("${") && line.contains(['{', '[']) {
        return problem.help("inside `{ … }` and `[ … ]` write \"${NAME}\" in quotes");
    }
    problem
}

/// A map or list that is still open.
struct Frame {
    span: Span,
    anchor: usize,
    /// Nodes inside, itself included; aliases count as what they stand for.
    nodes: u64,
    items: Items,
}

enum Items {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<Arc<str>, Span>, key: Option<Key> },
}

struct Builder<'b> {
    file: FileId,
    budget: &'b Budget,
    root: Option<Node>,
    stack: Vec<Frame>,
    /// Finished anchors, with the number of nodes they stand for.
    anchors: HashMap<usize, (Node, u64)>,
    keys: HashMap<Box<str>, Arc<str>>,
    allowed: Keys,
    nodes: u64,
    alias_nodes: u64,
    documents: u32,
}

impl<'b> Builder<'b> {
    fn new(file: FileId, budget: &'b Budget, allowed: Keys) -> Self {
        Self {
            file,
            budget,
            root: None,
            stack: Vec::new(),
            anchors: HashMap::new(),
            keys: HashMap::new(),
            allowed,
            nodes: 0,
            alias_nodes: 0,
            documents: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::new(span, "a second YAML document in one file")
                        .help("put it into a file of its own and `include` it"));
                }
            }
            Event::Alias(anchor) => self.alias(anchor, span)?,
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), span)?;
                if text.len() > self.budget.scalar_bytes {
                    return Err(Problem::new(
                        Span::point(self.file, span.line, span.column),
                        format!(
                            "a text of {} bytes, more than the {} allowed",
                            text.len(),
                            self.budget.scalar_bytes
                        ),
                    ));
                }
                if self.wants_key() && anchor == 0 {
                    return self.key(&text, style, span);
                }
                let plain = style == ScalarStyle::Plain;
                let kind = if plain && Plain::of(&text) == Plain::Null {
                    Kind::Null
                } else {
                    let style = if plain { Style::Plain } else { Style::Quoted };
                    Kind::Scalar(Scalar { text: text.into(), style, filled: false })
                };
                self.value(Node::new(span, kind), 1, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.is_some(), span)?;
                self.open(span, anchor, Items::Seq(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.is_some(), span)?;
                let items = Items::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.open(span, anchor, items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
        }
        Ok(())
    }

    /// Whether the next node is the key of a map.
    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { items: Items::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<(), Problem> {
        let is_text = style != ScalarStyle::Plain
            || !text.is_empty() && self.allowed == Keys::Scalars
            || Plain::of(text) == Plain::Text;
        if !is_text {
            let problem = if text.is_empty() {
                Problem::new(span, "a key is missing before the `:`")
            } else {
                Problem::new(span, format!("the key `{text}` is not a text"))
                    .help(format!("write it in quotes: \"{text}\""))
            };
            return Err(problem);
        }
        if text == "<<" {
            return Err(Problem::new(span, "merge keys (`<<`) are not supported")
                .help("use `chains`, `defaults` or an overlay to share config"));
        }
        let interned = match self.keys.get(text) {
            Some(known) => known.clone(),
            None => {
                let new: Arc<str> = text.into();
                self.keys.insert(text.into(), new.clone());
                new
            }
        };
        if let Some(Frame { items: Items::Map { seen, key, .. }, .. }) = self.stack.last_mut() {
            if let Some(first) = seen.insert(interned.clone(), span) {
                return Err(Problem::new(
                    span,
                    format!("the key `{text}` stands twice in this map"),
                )
                .related(first, "first here"));
            }
            *key = Some(Key { text: interned, span });
        }
        Ok(())
    }

    fn open(&mut self, span: Span, anchor: usize, items: Items) -> Result<(), Problem> {
        if self.wants_key() {
            return Err(Problem::new(span, "a key must be a text, not a map or a list"));
        }
        if self.stack.len() >= self.budget.depth {
            return Err(Problem::new(
                span,
                format!("more than {} maps and lists inside each other", self.budget.depth),
            ));
        }
        self.stack.push(Frame { span, anchor, nodes: 1, items });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Problem> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let Frame { span, anchor, nodes, items } = frame;
        let node = match items {
            Items::Seq(items) => {
                let span = extent(span, items.last(), end);
                Node::seq(span, items)
            }
            Items::Map { entries, .. } => {
                let mut span = extent(span, entries.last().map(|entry| &entry.value), end);
                if let Some(first) = entries.first()
                    && first.key.span.line == span.line
                    && first.key.span.column < span.column
                {
                    span.column = first.key.span.column;
                }
                Node::map(span, entries)
            }
        };
        self.value(node, nodes, anchor)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Problem> {
        if self.wants_key() {
            return Err(Problem::new(span, "a key must be a text, not an alias"));
        }
        let Some((node, nodes)) = self.anchors.get(&anchor).cloned() else {
            return Err(Problem::new(span, "this alias stands inside what it stands for"));
        };
        self.alias_nodes = self.alias_nodes.saturating_add(nodes);
        if self.alias_nodes > self.budget.alias_nodes {
            return Err(Problem::new(
                span,
                format!("aliases stand for more than {} nodes", self.budget.alias_nodes),
            )
            .help("write shared steps as `chains` instead"));
        }
        if self.stack.len() + depth(&node) > self.budget.depth {
            return Err(Problem::new(
                span,
                format!("more than {} maps and lists inside each other", self.budget.depth),
            ));
        }
        self.value(node, nodes, 0)
    }

    /// Puts a finished node where it belongs.
    fn value(&mut self, node: Node, nodes: u64, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), nodes));
        }
        self.nodes += 1;
        if self.nodes.saturating_add(self.alias_nodes) > self.budget.nodes {
            return Err(Problem::new(
                node.span,
                format!("more than {} values in one file", self.budget.nodes),
            )
            .help("split the file and use `include`"));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(frame) => {
                frame.nodes = frame.nodes.saturating_add(nodes);
                match &mut frame.items {
                    Items::Seq(items) => items.push(node),
                    Items::Map { entries, key, .. } => match key.take() {
                        Some(key) => entries.push(Entry { key, value: node }),
                        None => {
                            return Err(Problem::new(node.span, "a key must be a plain text")
                                .help("remove the anchor before the key"));
                        }
                    },
                }
            }
        }
        Ok(())
    }
}

fn refuse_tag(tagged: bool, span: Span) -> Result<(), Problem> {
    if !tagged {
        return Ok(());
    }
    Err(Problem::new(span, "tags (`!…`) are not supported").help("remove the tag"))
}

/// How many maps and lists stand inside each other in a node.
fn depth(node: &Node) -> usize {
    match &node.kind {
        Kind::Null | Kind::Scalar(_) => 0,
        Kind::Seq(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Kind::Map(map) => {
            1 + map.entries().iter().map(|entry| depth(&entry.value)).max().unwrap_or(0)
        }
    }
}

/// Flow collections end at their bracket; block ones have no end of their own and take their
/// last child's.
fn extent(start: Span, last: Option<&Node>, end: Span) -> Span {
    let closed = (end.end_line, end.end_column) != (end.line, end.column);
    match (closed, last) {
        (true, _) => start.to(end),
        (false, Some(last)) => start.to(last.span),
        (false, None) => start,
    }
}
