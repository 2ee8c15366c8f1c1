//! docs/specs/metrics.md lists every metric that a running gateway tells of, with its type, labels,
//! unit and help.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use paifang::Gateway;
use paifang_tests::{
    http::{get, send},
    table::{Table, hold},
};

const PAGE: &str = "docs/specs/metrics.md";
/// Sections of the page, by how the names of their metrics begin. The first that fits has it.
const SECTIONS: [(&str, &[&str]); 10] = [
    ("mmtp", &["paifang_mmtp_"]),
    ("steps", &["paifang_step_"]),
    ("stores", &["paifang_store_"]),
    ("wasm", &["paifang_wasm_"]),
    ("cache", &["paifang_cache_"]),
    ("traces", &["paifang_span"]),
    ("upstreams", &["paifang_upstream_", "paifang_endpoint_"]),
    ("listeners", &["paifang_connection", "paifang_accept_", "paifang_tls_"]),
    (
        "gateway",
        &[
            "paifang_build_",
            "paifang_plan_",
            "paifang_release",
            "paifang_reloads",
            "paifang_requests_refused",
            "paifang_snapshots_",
            "paifang_upgrades_",
            "paifang_predecessor_",
        ],
    ),
    (
        "calls",
        &[
            "paifang_call",
            "paifang_errors",
            "paifang_retries",
            "paifang_origin_",
            "paifang_request_body",
            "paifang_response_body",
        ],
    ),
];
/// A gateway in which every part has something to count; nothing listens at its upstream.
const CONFIG: &str = r#"
version: 1
listeners: [ { name: public, address: "127.0.0.1:0" } ]
admin: { address: "127.0.0.1:0" }
stores: { away: { redis: { addresses: [ "127.0.0.1:1" ] } } }
upstreams: { away: { endpoints: [ { address: "127.0.0.1:1" } ] } }
tracing: { endpoint: "http://127.0.0.1:1", sample: 0%, errors: false }
plans: { calm: { changes: [ { steps: access_log, remove: true } ] } }
apis:
  - id: fixed
    match: { path: /fixed }
    handlers: [ access_log: { sink: stderr }, respond: { status: 204 } ]
  - id: away
    match: { path: /away }
    handlers: [ split: { to: [ { upstream: away, share: 50% } ] }, circuit_breaker: {}, mirror: { upstream: away } ]
    cache: {}
    upstream: away
"#;

/// What a metric says of itself.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
    help: String,
    /// None where it has no line with a value.
    labels: Option<BTreeSet<String>>,
}

#[tokio::test]
async fn the_page_lists_what_a_gateway_tells() {
    let families = read(&scraped().await);
    let mut left: BTreeSet<&String> = families.keys().collect();
    hold(PAGE, |name, stands| {
        let told = stands.column("labels");
        let mut table = Table::new(&["metric", "type", "labels", "unit", "meaning"]);
        for (metric, family) in families.iter().filter(|(metric, _)| section(metric) == name) {
            left.remove(metric);
            let key = format!("`{metric}`");
            let labels = match &family.labels {
                Some(labels) => {
                    labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ")
                }
                // Nothing has been counted, so the page's word is taken.
                None => told.get(&key).cloned().unwrap_or_default(),
            };
            let Family { kind, unit, help, .. } = family;
            table.rows.push(vec![key, kind.clone(), labels, unit.clone(), help.clone()]);
        }
        table
    });
    assert!(left.is_empty(), "{PAGE} has no section for {left:?}");
}

/// The metrics of a gateway that has served, failed and refused.
async fn scraped() -> String {
    let gateway = match Gateway::builder().yaml(CONFIG).start().await {
        Ok(gateway) => gateway,
        Err(cause) => panic!("{cause}"),
    };
    let (Some(public), Some(admin)) = (gateway.address("public"), gateway.admin_address()) else {
        panic!("a listener is missing");
    };
    assert_eq!(get(public, "/fixed").await.status, 204);
    assert_eq!(get(public, "/away").await.status, 502);
    assert_eq!(get(public, "/nowhere").await.status, 404);
    assert_eq!(send(public, "GET /fixed HTTP/1.1\r\n\r\n").await.status, 400);
    let answer = get(admin, "/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    gateway.stop(Duration::from_secs(5)).await;
    answer.body
}

fn section(metric: &str) -> &'static str {
    let fits = |beginnings: &&[&str]| beginnings.iter().any(|begin| metric.starts_with(begin));
    SECTIONS.iter().find(|(_, begins)| fits(begins)).map_or("plugins", |(name, _)| name)
}

/// Metrics by the name that queries use: that of their lines, less what every histogram has.
fn read(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            let (name, labels) = sample(line);
            let family = families.iter_mut().find(|(family, _)| belongs(name, family));
            let Some((_, family)) = family else { panic!("a line without a head: {line}") };
            family.labels.get_or_insert_default().extend(labels);
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (what, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default().to_owned();
        let family = match what {
            "EOF" => continue,
            _ => families.entry(name.to_owned()).or_default(),
        };
        match what {
            "HELP" => family.help = rest,
            "TYPE" => family.kind = rest,
            "UNIT" => family.unit = rest,
            other => panic!("`{other}` is unknown: {line}"),
        }
    }
    families.into_iter().map(named).collect()
}

/// Counters are asked for with `_total`; a unit may stand in the name alone.
fn named((name, mut family): (String, Family)) -> (String, Family) {
    if family.unit.is_empty()
        && let Some(unit) = ["bytes", "seconds"].into_iter().find(|unit| name.ends_with(unit))
    {
        family.unit = unit.to_owned();
    }
    let counter = family.kind == "counter";
    (if counter { format!("{name}_total") } else { name }, family)
}

fn belongs(sample: &str, family: &str) -> bool {
    let rest = sample.strip_prefix(family);
    rest.is_some_and(|rest| matches!(rest, "" | "_total" | "_bucket" | "_sum" | "_count"))
}

/// The name of a line's metric, and those of its labels; `le` is a histogram's own.
fn sample(line: &str) -> (&str, Vec<String>) {
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let Some((labels, _)) = inside else { return (name, Vec::new()) };
    let labels = labels.split("\",").filter_map(|label| label.split_once('='));
    (name, labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le").collect())
}

#[test]
fn heads_and_lines_are_read() {
    let text = "# HELP a_b Help.\n# TYPE a_b counter\na_b_total{x=\"1\",y=\"a,b\"} 3\n\
                # HELP t_seconds T.\n# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n\
                t_seconds_sum{z=\"q\"} 1.0\nt_seconds_bucket{le=\"+Inf\",z=\"q\"} 1\n\
                # HELP n None.\n# TYPE n gauge\n# EOF\n";
    let families = read(text);
    assert_eq!(families.keys().collect::<Vec<_>>(), ["a_b_total", "n", "t_seconds"]);
    let labels = |name: &str| families[name].labels.clone().unwrap_or_default();
    assert_eq!(labels("a_b_total").into_iter().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(labels("t_seconds").into_iter().collect::<Vec<_>>(), ["z"]);
    assert_eq!(families["n"].labels, None);
    let told = &families["t_seconds"];
    assert_eq!((&*told.kind, &*told.unit, &*told.help), ("histogram", "seconds", "T."));
}
