//! `paifang handler inspect`: what a module is and wants.

use super::open;
use crate::cli::{Failed, args::HandlerFile, terminal::say};
use paifang_wasm::cases;

pub(super) fn inspect(wanted: &HandlerFile) -> Result<(), Failed> {
    let module = open(&wanted.file)?;
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
    say(&format!(
        "{}\n  size        {} bytes\n  sha256      {}\n  stages      {}\n  grants      {}\n  config      {schema}\n  probes      {probes}",
        wanted.file.display(),
        module.size(),
        module.sha256(),
        list(module.stages()),
        list(&module.needs()),
    ));
    Ok(())
}
