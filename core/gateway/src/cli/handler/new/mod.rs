//! `paifang handler new`: a package that builds, and works, as it is.

mod kit;
mod manifest;
pub(super) mod name;
mod render;
mod stage;

pub(super) use stage::Stage;

use super::{args::HandlerNew, build::short, wrong};
use crate::{
    Builder,
    cli::{Failed, terminal::say},
};
use render::Values;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The package's own files; those of the kit come beside them.
const TEMPLATE: &[(&str, &str)] = &[
    (".cargo/config.toml", kit::STACK),
    (".gitignore", include_str!("template/gitignore")),
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template/README.md.in")),
    ("paifang.yaml", include_str!("template/paifang.yaml")),
    ("probes.yaml", include_str!("template/probes.yaml")),
    ("schema.json", include_str!("template/schema.json")),
    ("src/lib.rs", include_str!("template/lib.rs")),
    ("tests/cases.yaml", include_str!("template/cases.yaml")),
];

pub(super) fn new(builder: &Builder, wanted: &HandlerNew) -> Result<(), Failed> {
    let name = &wanted.name;
    let registry = builder.registry().map_err(|error| Failed::Said(error.to_string()))?;
    if registry.get(name).is_some() {
        return Err(Failed::Said(format!(
            "`{name}` is a step that the gateway has already; choose another name"
        )));
    }
    let folder = wanted.path.clone().unwrap_or_else(|| PathBuf::from(name));
    must_be_free(&folder)?;
    for (file, text) in files(name, &wanted.stage) {
        write(&folder.join(file), &text)?;
    }
    say(&told(name, &folder));
    Ok(())
}

/// All files of a package, by their paths in it.
fn files(name: &str, stages: &[Stage]) -> Vec<(String, String)> {
    let values = Values::new(name, stages);
    let own = TEMPLATE.iter().map(|(path, text)| ((*path).to_owned(), values.fill(text)));
    let kit = kit::FILES.iter().map(|(path, text)| (format!("kit/{path}"), (*text).to_owned()));
    own.chain(kit)
        .chain([
            ("kit/Cargo.toml".to_owned(), manifest::of_kit()),
            ("kit/LICENSE".to_owned(), kit::LICENSE.to_owned()),
            ("Cargo.lock".to_owned(), manifest::lock(name)),
        ])
        .collect()
}

fn must_be_free(folder: &Path) -> Result<(), Failed> {
    match fs::read_dir(folder) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(wrong(folder, why)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(wrong(folder, "the folder is not empty; name another one with --path")),
        },
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failed> {
    let folder = file.parent().unwrap_or(file);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, text));
    written.map_err(|why| wrong(file, why))
}

fn told(name: &str, folder: &Path) -> String {
    let folder = short(folder);
    let folder = folder.display();
    format!(
        "{folder}: a handler that works, yours to change
  src/lib.rs        what it does
  schema.json       what may stand in its config
  probes.yaml       what must hold before a release with it goes live
  tests/cases.yaml  more cases
  paifang.yaml      a gateway to try it in

Next:
  cd {folder}
  paifang handler build
  paifang handler test target/handlers/{name}.wasm tests/cases.yaml
  paifang run
  paifang handler dev    in another terminal: builds, tests and reloads at each change"
    )
}

#[cfg(test)]
mod tests;
