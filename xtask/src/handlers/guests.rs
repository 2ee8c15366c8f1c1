//! Which packages of wasm-handlers are handlers: those that make a `cdylib`.

use serde_json::Value;

use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Their names, in order.
///
/// # Errors
/// When cargo cannot say.
pub(crate) fn names() -> Result<Vec<String>> {
    let mut cargo = run::cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    cargo.current_dir(tree::handlers());
    let failed = |why: &str| Failure::Failed(format!("cargo metadata: {why}"));
    let output = cargo.output().map_err(|e| failed(&e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata = serde_json::from_slice(&output.stdout).map_err(|e| failed(&e.to_string()))?;
    Ok(of(&metadata))
}

fn of(metadata: &Value) -> Vec<String> {
    let list = |of: &Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let is_guest = |package: &Value| {
        let targets = list(package, "targets");
        targets.iter().any(|target| list(target, "crate_types").contains(&"cdylib".into()))
    };
    let packages = list(metadata, "packages").into_iter().filter(is_guest);
    let mut names: Vec<String> =
        packages.filter_map(|package| package["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_makes_a_cdylib_is_a_handler() {
        let package = |name: &str, types: &[&str]| json!({ "name": name, "targets": [{ "crate_types": ["bin"] }, { "crate_types": types }] });
        let metadata = json!({ "packages": [
            package("throttle", &["cdylib", "rlib"]), package("kit", &["lib"]), package("auth", &["cdylib"]),
        ] });
        assert_eq!(of(&metadata), ["auth", "throttle"]);
        assert!(of(&json!({})).is_empty());
    }
}
