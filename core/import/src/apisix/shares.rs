//! `traffic-split`: a step `split` for each rule.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use super::routes::{Demands, vars};
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::{Item, Node};
use crate::source::{items, number, text};

impl Import {
    pub(super) fn traffic_split(&mut self, ask: &mut Ask<'_>) -> Done {
        let rules = items(ask.config.get("rules"));
        if rules.is_empty() {
            return Err("no `rules`".into());
        }
        let mut steps = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let (to, whole) = self.variants(rule)?;
            // What a rule leaves to the route's own upstream, a rule behind it would send elsewhere.
            if !whole && at + 1 < rules.len() {
                return Err("a rule that leaves a share to the route, before another".into());
            }
            steps.push((to, when(rule)?));
        }
        // Of two steps the lower one counts here, of two rules the first.
        for (at, (to, when)) in steps.into_iter().rev().enumerate() {
            let mut step = Node::map().with("to", Node::List(to));
            if at > 0 {
                step.put("override", Node::plain("true"));
            }
            ask.step_when(("split", ""), step, when);
        }
        Ok((Fate::Approximated, "split by chance; APISIX takes turns".into()))
    }

    /// Where a rule sends shares, and whether they are all.
    fn variants(&mut self, rule: &Yaml) -> Result<(Vec<Item>, bool), String> {
        let variants = items(rule.get("weighted_upstreams"));
        let weight = |variant: &Yaml| number(variant, "weight").unwrap_or(1.0).max(0.0);
        let total: f64 = variants.iter().map(weight).sum();
        if total <= 0.0 {
            return Err("no weight".into());
        }
        let root = self.source.root.clone();
        let mut to = Vec::new();
        let mut whole = true;
        for variant in variants {
            let upstream = match (text(variant, "upstream_id"), variant.get("upstream")) {
                (Some(id), _) => super::by_id(root.get("upstreams"), id)
                    .ok_or(format!("there is no upstream `{id}`"))?,
                (None, Some(upstream)) => upstream,
                // One without an upstream goes where the route goes.
                (None, None) => {
                    whole &= weight(variant) == 0.0;
                    continue;
                }
            };
            let name = self.upstream(upstream, None)?;
            let share = (weight(variant) / total * 100_000.0).floor() / 1000.0;
            to.push(
                Node::map()
                    .with("upstream", Node::text(name))
                    .with("share", Node::plain(format!("{share}%")))
                    .into(),
            );
        }
        match to.len() {
            0 => Err("no other upstream".into()),
            1..=16 => Ok((to, whole)),
            _ => Err("more than 16 upstreams".into()),
        }
    }
}

/// When a rule counts.
fn when(rule: &Yaml) -> Result<Option<Node>, String> {
    let conditions = match items(rule.get("match")) {
        [] => return Ok(None),
        [one] => one.get("vars"),
        _ => return Err("several `match`, of which one is enough: a rule for each".into()),
    };
    let mut demands = Demands::default();
    vars(conditions.ok_or("a `match` without `vars`")?, &mut demands)?;
    if !demands.regex.is_empty() {
        return Err("a condition of a step knows no expressions".into());
    }
    let mut when = Node::map();
    for (key, list) in [
        ("header", demands.headers),
        ("query", demands.query.into_iter().map(|(name, text)| (name, Node::Text(text))).collect()),
    ] {
        if !list.is_empty() {
            let list = list.into_iter().map(|(name, node)| (name, node.into())).collect();
            when.put(key, Node::Map(list));
        }
    }
    match when.is_empty() {
        true => Err("a `match` without conditions".into()),
        false => Ok(Some(when)),
    }
}
