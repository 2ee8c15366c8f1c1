//! The dashboard and the alert rules: they can be read, and name no metric that there is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use paifang_tests::{table::tables, tidy::root};
use serde_json::Value;

const PAGE: &str = "docs/specs/metrics.md";
const DASHBOARD: &str = "conf/grafana/paifang.json";
const RULES: &str = "conf/prometheus/alerts.yaml";

fn text(path: &str) -> String {
    match fs::read_to_string(root().join(path)) {
        Ok(text) => text,
        Err(cause) => panic!("{path}: {cause}"),
    }
}

/// Names of series, as queries use them, with the labels that they have. The page is held to what a
/// gateway tells by `metrics_page`.
fn series() -> BTreeMap<String, BTreeSet<String>> {
    let page = text(PAGE);
    let mut all = BTreeMap::new();
    for row in tables(&page).into_iter().flat_map(|(_, table)| table.rows) {
        let [metric, kind, labels, ..] = &row[..] else { panic!("{PAGE}: {row:?}") };
        let Some(name) = metric.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        let mut labels: BTreeSet<String> = labels
            .split(", ")
            .map(|label| label.trim_matches('`').to_owned())
            .filter(|label| !label.is_empty())
            .collect();
        // Prometheus adds it when it scrapes.
        labels.insert("instance".to_owned());
        match &**kind {
            "histogram" => {
                for part in ["_sum", "_count"] {
                    all.insert(format!("{name}{part}"), labels.clone());
                }
                labels.insert("le".to_owned());
                all.insert(format!("{name}_bucket"), labels);
            }
            _ => drop(all.insert(name.to_owned(), labels)),
        }
    }
    assert!(all.len() > 40, "{PAGE} has another shape: {all:?}");
    all
}

/// The series that a query names, each with the labels that it selects by.
fn named(query: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = rest.find("paifang_") {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let tail = &rest[at..];
        let end = tail.find(|c| !fits(c)).unwrap_or(tail.len());
        let (name, after) = tail.split_at(end);
        let selector = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let labels = selector.map_or_else(Vec::new, |(inside, _)| {
            let label =
                |one: &str| one.split(['=', '!', '~']).next().unwrap_or_default().to_owned();
            inside.split("\",").map(label).collect()
        });
        found.push((name.to_owned(), labels));
        rest = after;
    }
    found
}

/// The labels of `by (…)`.
fn grouped(query: &str) -> Vec<String> {
    let lists = query.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| list.split(',').map(|label| label.trim().to_owned())).collect()
}

/// What is wrong with a query.
fn faults(place: &str, query: &str, series: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    let names = named(query);
    if names.is_empty() {
        faults.push(format!("{place}: it names no metric: {query}"));
    }
    for (name, labels) in names {
        let Some(has) = series.get(&name) else {
            faults.push(format!("{place}: there is no `{name}`"));
            continue;
        };
        known.extend(has.clone());
        let strange = labels.into_iter().filter(|label| !has.contains(label));
        faults.extend(strange.map(|label| format!("{place}: `{name}` has no label `{label}`")));
    }
    let strange = grouped(query).into_iter().filter(|label| !known.contains(label));
    faults.extend(strange.map(|label| format!("{place}: nothing here has a label `{label}`")));
    if query.matches('(').count() != query.matches(')').count() {
        faults.push(format!("{place}: brackets do not match: {query}"));
    }
    faults
}

/// Every text under these keys, with where it stands.
fn strings<'a>(value: &'a Value, keys: &[&str], at: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let at = format!("{at}/{key}");
                match inner {
                    Value::String(text) if keys.contains(&key.as_str()) => found.push((at, text)),
                    _ => strings(inner, keys, &at, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                strings(inner, keys, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard: Value = match serde_json::from_str(&text(DASHBOARD)) {
        Ok(dashboard) => dashboard,
        Err(cause) => panic!("{DASHBOARD}: {cause}"),
    };
    let mut queries = Vec::new();
    strings(&dashboard, &["expr", "definition"], DASHBOARD, &mut queries);
    assert!(queries.len() > 30, "{queries:?}");
    let series = series();
    let all: Vec<String> =
        queries.iter().flat_map(|(place, query)| faults(place, query, &series)).collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));

    let panels = dashboard["panels"].as_array().map_or(&[][..], Vec::as_slice);
    let ids: BTreeSet<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
}

#[test]
fn the_rules_watch_metrics_that_there_are() {
    let rules = match serde_saphyr::from_str::<Value>(&text(RULES)) {
        Ok(rules) => rules,
        Err(cause) => panic!("{RULES}: {cause}"),
    };
    let series = series();
    let (mut all, mut names, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for rule in rules["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|group| group["rules"].as_array().map_or(&[][..], Vec::as_slice))
    {
        count += 1;
        let name = rule["alert"].as_str().unwrap_or("?").to_owned();
        let query = rule["expr"].as_str().unwrap_or_default();
        all.extend(faults(&name, query, &series));
        if rule["labels"]["severity"].as_str().is_none()
            || rule["annotations"]["summary"].as_str().is_none()
        {
            all.push(format!("{name}: a rule has a severity and a summary"));
        }
        names.insert(name);
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
    assert!(count >= 10 && names.len() == count, "{names:?}");
}

#[test]
fn what_is_wrong_with_a_query_is_found() {
    let labels = |all: &[&str]| all.iter().map(|label| (*label).to_owned()).collect();
    let series = BTreeMap::from([("paifang_a_total".to_owned(), labels(&["api", "x"]))]);
    let of = |query: &str| faults("here", query, &series).len();
    assert_eq!(of("sum by (api) (rate(paifang_a_total{x=~\"1|2\",api!=\"-\"}[5m]))"), 0);
    assert_eq!(of("rate(paifang_b_total[5m])"), 1);
    assert_eq!(of("paifang_a_total{y=\"1\"}"), 1);
    assert_eq!(of("sum by (z) (paifang_a_total)"), 1);
    assert_eq!(of("sum(paifang_a_total"), 1);
    assert_eq!(of("up == 0"), 1);
}
