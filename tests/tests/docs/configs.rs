//! Configs in documents, and the shipped ones.

use std::collections::BTreeMap;

use paifang_config::source::RealFiles;
use paifang_tests::{
    plugins::{OneConfig, compiled, variables_of},
    tidy::{root, sources},
};

use crate::{no_faults, tagged};

/// Around the steps of a `yaml steps` block: a config with what steps commonly refer to.
const AROUND: &str = r#"version: 1
listeners: [ { name: public, address: "127.0.0.1:0" } ]
apps:
  wallet: { keys: [ { id: k1, secret: { env: WALLET_K1 } }, { id: k2, secret: { env: WALLET_K2 } } ] }
  shop: { keys: [ { id: s1, secret: { env: SHOP_S1 } } ] }
upstreams: { orders: { endpoints: [ { address: "127.0.0.1:7001" } ] } }
apis:
  - id: example
    match: { path: "/v1/{shop}/{id}" }
    upstream: orders
    handlers:
"#;

/// Loads and compiles a text as the file `page.yaml`; what is wrong with it.
fn wrong(text: &str) -> Option<String> {
    let files = OneConfig { path: "page.yaml".into(), text: text.to_owned() };
    compiled("page.yaml", &files, &variables_of(text)).err()
}

#[test]
fn whole_configs_in_documents_load() {
    let blocks = tagged("yaml load");
    assert!(blocks.len() >= 5, "the blocks are gone");
    let faults = blocks.iter().filter_map(|(page, block)| {
        wrong(&block.text).map(|wrong| format!("{page}:{}:\n{wrong}", block.line))
    });
    no_faults(&faults.collect::<Vec<_>>());
}

#[test]
fn steps_in_documents_load() {
    let blocks = tagged("yaml steps");
    assert!(!blocks.is_empty(), "the blocks are gone");
    let faults = blocks.iter().filter_map(|(page, block)| {
        let steps = block.text.lines().map(|line| format!("      {line}\n"));
        let text = AROUND.to_owned() + &steps.collect::<String>();
        wrong(&text).map(|wrong| format!("{page}:{}:\n{wrong}", block.line))
    });
    no_faults(&faults.collect::<Vec<_>>());
}

#[test]
fn shipped_configs_load() {
    let shipped = sources(&[".yaml", ".yml"]);
    // Rules for Prometheus are none of ours; `insight_files` reads them.
    let ours = |path: &str| path.starts_with("conf/") && !path.starts_with("conf/prometheus/");
    let shipped: Vec<_> = shipped.iter().filter(|file| ours(&file.path)).collect();
    assert!(!shipped.is_empty(), "conf is empty");
    // What one config includes or lays over another is no config by itself.
    let whole = shipped.iter().filter(|file| file.text.contains("\nversion:"));
    let faults = whole.filter_map(|file| {
        let environment: BTreeMap<String, String> =
            shipped.iter().flat_map(|file| variables_of(&file.text)).collect();
        let path = root().join(&file.path);
        compiled(&path.to_string_lossy(), &RealFiles, &environment).err()
    });
    no_faults(&faults.collect::<Vec<_>>());
}

#[test]
fn a_wrong_config_is_found() {
    let text = AROUND.to_owned() + "      - throtle: { rate: 1/s }\n";
    let wrong = wrong(&text).unwrap_or_default();
    assert!(wrong.contains("page.yaml:12:") && wrong.contains("throttle"), "{wrong}");
}
