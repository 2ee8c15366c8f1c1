//! `paifang handler inspect`: what a module is and wants.

use super::{args::HandlerFile, open};
use crate::cli::{Failed, terminal::say};
use paifang_wasm::{Module, cases};
use std::path::Path;

pub(super) fn inspect(wanted: &HandlerFile) -> Result<(), Failed> {
    say(&told(&wanted.file, &open(&wanted.file)?));
    Ok(())
}

/// What is known of a module in a file, a line each.
pub(super) fn told(file: &Path, module: &Module) -> String {
    let list = |items: &[&str]| {
        if items.is_empty() { "none".to_owned() } else { items.join(", ") }
    };
    let schema = match module.config_schema() {
        None => "none: any config is taken as it is".to_owned(),
        Some(schema) => {
            let properties = schema.get("properties").and_then(|keys| keys.as_object());
            let keys: Vec<&str> =
                properties.iter().flat_map(|keys| keys.keys()).map(String::as_str).collect();
            list(&keys)
        }
    };
    let probes = match module.probes().map(cases::parse) {
        None => "none".to_owned(),
        Some(Ok(cases)) => cases.len().to_string(),
        Some(Err(why)) => format!("WRONG: {why}"),
    };
    format!(
        "{}\n  size        {} bytes\n  sha256      {}\n  stages      {}\n  imports     {}\n  grants      {}\n  config      {schema}\n  probes      {probes}",
        file.display(),
        module.size(),
        module.sha256(),
        list(module.stages()),
        list(&module.imports()),
        list(&module.needs()),
    )
}
