//! Modules, and configs around them.

use std::{env, fs, path::PathBuf};

/// A module that `cargo xtask handlers` has built.
pub(crate) fn module(name: &str) -> Vec<u8> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let file = target.join("handlers").join(format!("{name}.wasm"));
    fs::read(&file)
        .unwrap_or_else(|why| panic!("{}: {why}; run `cargo xtask handlers`", file.display()))
}

/// The same module in another file: with a custom section more, which means nothing.
pub(crate) fn another(mut module: Vec<u8>, number: u8) -> Vec<u8> {
    module.extend([0, 3, 1, b'n', number]);
    module
}

/// A config of `wasm` entries and APIs.
pub(crate) fn config(wasm: &str, rest: &str) -> String {
    format!(
        "version: 1\nlisteners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]\n\
         admin: {{ address: \"127.0.0.1:0\" }}\nwasm:\n{wasm}\n{rest}"
    )
}
