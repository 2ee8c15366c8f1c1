//! Steps: one key that names the kind with its config, beside reserved keys.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use paifang_pipeline::OnFailure;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::Id;
use crate::diag::{Problem, Problems, closest};
use crate::yaml::{Entry, Kind, Map, Node, Span, read};

/// Keys of a step that are not its kind.
pub const RESERVED: [&str; 5] = ["id", "when", "enabled", "on_failure", "with"];

/// A list of steps. What a list of YAML holds is kept as nodes; [`Steps::parse`] makes steps of
/// them, each mistake at its place.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    nodes: Vec<Node>,
    steps: Vec<Step>,
}

/// A single step, where no list of them may stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OneStep(Steps);

/// One step as written.
#[derive(Debug, Clone)]
pub struct Step {
    /// The whole step.
    pub span: Span,
    /// Its id, if one was given; else the kind, or the chain's name, is its id.
    pub id: Option<(Id, Span)>,
    /// What it is.
    pub body: StepBody,
    /// The matcher, not yet read.
    pub when: Option<Node>,
    /// False leaves the step out.
    pub enabled: bool,
    /// What clients see when it fails.
    pub on_failure: Option<OnFailure>,
}

/// A plugin with its config, or the use of a chain.
#[derive(Debug, Clone)]
pub enum StepBody {
    /// One handler.
    Plugin {
        /// The plugin's name.
        kind: Arc<str>,
        /// Where the name stands.
        span: Span,
        /// Its config; null when there is none.
        config: Node,
    },
    /// All steps of a named chain.
    Chain {
        /// The chain's name.
        name: Id,
        /// Where the name stands.
        span: Span,
        /// Changes by step id, merged over the chain's config.
        with: Vec<Entry>,
    },
}

impl Step {
    /// Its id: the one given, else the kind's or chain's name.
    #[must_use]
    pub fn id(&self) -> &str {
        match (&self.id, &self.body) {
            (Some((id, _)), _) => id,
            (None, StepBody::Plugin { kind, .. }) => kind,
            (None, StepBody::Chain { name, .. }) => name,
        }
    }

    /// Where its id, or what stands for it, is written.
    #[must_use]
    pub fn id_span(&self) -> Span {
        match (&self.id, &self.body) {
            (Some((_, span)), _) => *span,
            (None, StepBody::Plugin { span, .. } | StepBody::Chain { span, .. }) => *span,
        }
    }

    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let map = match &node.kind {
            Kind::Map(map) => map,
            Kind::Scalar(scalar) => {
                problems.push(
                    Problem::new(node.span, format!("expected a step, found {}", node.describe()))
                        .help(format!("write `{}: {{}}`", scalar.text)),
                );
                return None;
            }
            _ => {
                problems.push(Problem::new(
                    node.span,
                    format!(
                        "expected a step such as `request_id: {{}}`, found {}",
                        node.describe()
                    ),
                ));
                return None;
            }
        };
        let before = problems.len();
        let id = map
            .entry("id")
            .and_then(|entry| read::<Id>(&entry.value, problems).map(|id| (id, entry.value.span)));
        let enabled = map.get("enabled").and_then(|node| read(node, problems)).unwrap_or(true);
        let on_failure =
            map.get("on_failure").and_then(|node| read::<Option<OnFailure>>(node, problems));
        let body = body(node, map, problems)?;
        (problems.len() == before).then(|| Self {
            span: node.span,
            id,
            body,
            when: map.get("when").filter(|node| !node.is_null()).cloned(),
            enabled,
            on_failure: on_failure.flatten(),
        })
    }
}

/// The one key that is not reserved.
fn body(node: &Node, map: &Map, problems: &mut Problems) -> Option<StepBody> {
    let kinds: Vec<&Entry> =
        map.entries().iter().filter(|entry| !RESERVED.contains(&&*entry.key.text)).collect();
    let entry = match kinds.as_slice() {
        [entry] => *entry,
        [] => {
            problems.push(
                Problem::new(node.span, "a step without a kind")
                    .help("one key names the handler, such as `throttle`, or is `chain`"),
            );
            return None;
        }
        [first, .., last] => {
            // The odd one out is most probably a misspelt reserved key.
            let misspelt =
                kinds.iter().find_map(|entry| Some((entry, closest(&entry.key.text, RESERVED)?)));
            problems.push(match misspelt {
                Some((entry, meant)) => {
                    Problem::new(entry.key.span, format!("unknown key `{}`", entry.key.text))
                        .help(format!("did you mean `{meant}`?"))
                }
                None => Problem::new(last.key.span, "a step with two kinds")
                    .related(first.key.span, "the other one")
                    .help("begin a new step with `-`; what belongs to a kind is indented below it"),
            });
            return None;
        }
    };
    if &*entry.key.text != "chain" {
        if let Some(with) = map.entry("with") {
            problems.push(
                Problem::new(with.key.span, "`with` belongs to `chain`")
                    .help(format!("write the config below `{}`", entry.key.text)),
            );
            return None;
        }
        return Some(StepBody::Plugin {
            kind: entry.key.text.clone(),
            span: entry.key.span,
            config: entry.value.clone(),
        });
    }
    let name = read::<Id>(&entry.value, problems)?;
    for key in ["when", "on_failure"] {
        if let Some(entry) = map.entry(key) {
            problems.push(
                Problem::new(entry.key.span, format!("`{key}` belongs to a step, not to a chain"))
                    .help("set it at the chain's steps"),
            );
        }
    }
    let with = match map.entry("with").map(|entry| &entry.value) {
        None => Vec::new(),
        Some(Node { kind: Kind::Null, .. }) => Vec::new(),
        Some(with) => match with.as_map() {
            Some(with) => with.entries().to_vec(),
            None => {
                problems.push(Problem::new(
                    with.span,
                    format!("expected a map of step ids, found {}", with.describe()),
                ));
                return None;
            }
        },
    };
    Some(StepBody::Chain { name, span: entry.value.span, with })
}

impl Steps {
    /// A list of steps from nodes, read at once.
    #[must_use]
    pub fn from_nodes(nodes: Vec<Node>, problems: &mut Problems) -> Self {
        let mut steps = Self { nodes, steps: Vec::new() };
        steps.parse(problems);
        steps
    }

    /// Reads the steps. What is wrong goes to `problems`, and the step is left out.
    pub fn parse(&mut self, problems: &mut Problems) {
        self.steps = self.nodes.iter().filter_map(|node| Step::read(node, problems)).collect();
    }

    /// The steps as they were written.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

impl Deref for Steps {
    type Target = [Step];

    fn deref(&self) -> &[Step] {
        &self.steps
    }
}

/// Equality looks at what was written, not where.
impl PartialEq for Steps {
    fn eq(&self, other: &Self) -> bool {
        let digests =
            |steps: &Self| -> Vec<_> { steps.nodes.iter().map(crate::yaml::Digest::of).collect() };
        digests(self) == digests(other)
    }
}

impl<'de> Deserialize<'de> for Steps {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Steps;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of steps")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Steps, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = items.next_element()? {
                    nodes.push(node);
                }
                Ok(Steps { nodes, steps: Vec::new() })
            }
        }
        from.deserialize_seq(Reader)
    }
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(&self.nodes)
    }
}

impl JsonSchema for Steps {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Steps".into()
    }
    /// The step itself is defined where the plugins are known.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "$ref": "#/$defs/Step" } })
    }
}

impl OneStep {
    /// Reads the step. What is wrong goes to `problems`, and there is none then.
    pub fn parse(&mut self, problems: &mut Problems) {
        self.0.parse(problems);
    }

    /// The step, where it could be read.
    #[must_use]
    pub fn get(&self) -> Option<&Step> {
        self.0.first()
    }
}

impl<'de> Deserialize<'de> for OneStep {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let nodes = vec![Node::deserialize(from)?];
        Ok(Self(Steps { nodes, steps: Vec::new() }))
    }
}

impl Serialize for OneStep {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.nodes.first().serialize(to)
    }
}

impl JsonSchema for OneStep {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "OneStep".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "$ref": "#/$defs/Step" })
    }
}
