//! The rules, ready to be held against a body: each at its place in a tree of what pointers name.

use crate::scalar::{Number, Scalar};
use paifang_guest::prelude::*;
use std::cmp::Ordering;

const MAX_RULES: usize = 256;
const MAX_POINTS: i32 = 1_000_000;
/// How deep a pointer may reach. It bounds what reading a body takes of the stack.
const MAX_DEPTH: usize = 32;

/// A rule as it is written; schema.json says what each field means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleConfig {
    name: Option<String>,
    pointer: String,
    op: Op,
    value: Scalar,
    points: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Eq,
    Gt,
    Lt,
    Contains,
    Prefix,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) list: Vec<Rule>,
    pub(crate) root: Node,
}

#[derive(Debug)]
pub(crate) struct Rule {
    /// For the gateway's log.
    pub(crate) name: String,
    pub(crate) points: i32,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Is(Scalar),
    /// A number that compares so with this one.
    Compares(Number, Ordering),
    /// A text with this in it, or a list with this value.
    Contains(Scalar),
    Begins(String),
}

/// A place in a body.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// Rules of the value here, as places in the list.
    pub(crate) rules: Vec<usize>,
    children: Vec<(String, Node)>,
}

impl Rules {
    pub(crate) fn new(rules: Vec<RuleConfig>) -> Result<Self, Vec<ConfigError>> {
        if !(1..=MAX_RULES).contains(&rules.len()) {
            return Err(ConfigError::at("/rules", format!("1 to {MAX_RULES} rules")).into());
        }
        let mut errors = Vec::new();
        let mut list = Vec::with_capacity(rules.len());
        let mut root = Node::default();
        for (at, rule) in rules.into_iter().enumerate() {
            let wrong = |field: &str, message: &str| {
                ConfigError::at(format!("/rules/{at}/{field}"), message)
            };
            match tokens(&rule.pointer) {
                Ok(tokens) => root.at(tokens).rules.push(at),
                Err(message) => errors.push(wrong("pointer", message)),
            }
            if rule.points == 0 || !(-MAX_POINTS..=MAX_POINTS).contains(&rule.points) {
                errors.push(wrong("points", "-1000000 to 1000000, and not 0"));
            }
            let name = rule.name.unwrap_or(rule.pointer);
            match Test::new(rule.op, rule.value) {
                Ok(test) => list.push(Rule { name, points: rule.points, test }),
                Err(message) => errors.push(wrong("value", message)),
            }
        }
        if errors.is_empty() { Ok(Self { list, root }) } else { Err(errors) }
    }
}

impl Test {
    fn new(op: Op, value: Scalar) -> Result<Self, &'static str> {
        match (op, value) {
            (Op::Eq, value) => Ok(Self::Is(value)),
            (Op::Contains, value) => Ok(Self::Contains(value)),
            (Op::Gt, Scalar::Number(number)) => Ok(Self::Compares(number, Ordering::Greater)),
            (Op::Lt, Scalar::Number(number)) => Ok(Self::Compares(number, Ordering::Less)),
            (Op::Gt | Op::Lt, _) => Err("`gt` and `lt` compare with a number"),
            (Op::Prefix, Scalar::Text(text)) => Ok(Self::Begins(text)),
            (Op::Prefix, _) => Err("a prefix is a text"),
        }
    }
}

impl Rule {
    /// Whether it holds for the value at its place.
    pub(crate) fn holds(&self, value: Scalar<&str>) -> bool {
        match (&self.test, value) {
            (Test::Is(wanted), value) => wanted.is(value),
            (Test::Compares(number, order), Scalar::Number(value)) => {
                value.compare(*number) == Some(*order)
            }
            (Test::Contains(Scalar::Text(part)), Scalar::Text(text)) => text.contains(&**part),
            (Test::Begins(prefix), Scalar::Text(text)) => text.starts_with(&**prefix),
            _ => false,
        }
    }

    /// Whether it holds for a list at its place because this is one of its items.
    pub(crate) fn holds_of_item(&self, item: Scalar<&str>) -> bool {
        matches!(&self.test, Test::Contains(wanted) if wanted.is(item))
    }
}

impl Node {
    /// The item at this place of a list.
    pub(crate) fn item(&self, at: usize) -> Option<&Self> {
        // Long lists are seldom looked into.
        if self.children.is_empty() { None } else { self.child(&at.to_string()) }
    }

    /// The member of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(found, _)| found == name).map(|(_, child)| child)
    }

    fn at(&mut self, tokens: Vec<String>) -> &mut Self {
        tokens.into_iter().fold(self, |node, token| {
            let found = node.children.iter().position(|(name, _)| *name == token);
            let at = found.unwrap_or_else(|| {
                node.children.push((token, Self::default()));
                node.children.len() - 1
            });
            &mut node.children[at].1
        })
    }
}

/// The steps of a JSON pointer (RFC 6901).
fn tokens(pointer: &str) -> Result<Vec<String>, &'static str> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let path = pointer.strip_prefix('/').ok_or("a JSON pointer is empty or begins with `/`")?;
    let tokens: Vec<String> = path
        .split('/')
        .map(|token| {
            let escapes = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            escapes.then(|| token.replace("~1", "/").replace("~0", "~"))
        })
        .collect::<Option<_>>()
        .ok_or("behind `~` stands `0` or `1`")?;
    if tokens.len() > MAX_DEPTH {
        return Err("a pointer reaches 32 levels deep at most");
    }
    Ok(tokens)
}
