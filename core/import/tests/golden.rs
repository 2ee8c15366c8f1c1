//! Imports whose output and report people have read: tests/golden/import. `UPDATE_GOLDEN=1` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};

use paifang_config::source::MemoryFiles;
use paifang_import::{Imported, Options};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// The files of a folder, as if they lay in `/etc/nginx`, with values in place of `@NAMES@`.
fn folder(name: &str, at: &str, values: &[(&str, &str)]) -> MemoryFiles {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }
    let from = root().join("data").join(name);
    let mut files = Vec::new();
    walk(&from, &mut files);
    MemoryFiles::new(files.into_iter().map(|path| {
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (name, value) in values {
            text = text.replace(name, value);
        }
        (Path::new(at).join(path.strip_prefix(&from).unwrap()), text)
    }))
}

#[track_caller]
fn hold(name: &str, imported: &Imported) {
    for (ending, text) in [("yaml", imported.yaml.clone()), ("report.txt", imported.report.text())]
    {
        let path = root().join(format!("golden/import/{name}.{ending}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(golden == text, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
    }
}

#[test]
fn the_shop_of_nginx() {
    let values = [
        ("@DIR@", "/var/lib/nginx"),
        ("@HTTP@", "80"),
        ("@HTTPS@", "443"),
        ("@INSIDE@", "127.0.0.1:8081"),
        ("@ONE@", "10.2.0.1:8080"),
        ("@TWO@", "10.2.0.2:8080"),
        ("@GONE@", "10.2.0.3:8080"),
        ("@AUTHZ@", "10.2.0.4:8080"),
        ("@COPIES@", "10.2.0.5:8080"),
    ];
    let files = folder("nginx", "/etc/nginx", &values);
    files.write("/etc/nginx/htpasswd", "alice:$2y$04$abcdefghijklmnopqrstuv\n");
    let imported = paifang_import::nginx::import(
        Path::new("/etc/nginx/nginx.conf"),
        &files,
        Options::default(),
    );
    hold("nginx-shop", &imported.unwrap_or_else(|fault| panic!("{fault}")));
}

#[test]
fn the_example_of_the_page() {
    let files = folder("nginx-page", "/etc/nginx", &[]);
    let imported = paifang_import::nginx::import(
        Path::new("/etc/nginx/nginx.conf"),
        &files,
        Options::default(),
    );
    hold("nginx-page", &imported.unwrap_or_else(|fault| panic!("{fault}")));
}

#[test]
fn the_shop_of_apisix() {
    let values = [
        ("@ONE@", "10.2.0.1:8080"),
        ("@TWO@", "10.2.0.2:8080"),
        ("@AUTHZ@", "10.2.0.4:8080"),
        ("@COPIES@", "10.2.0.5:8080"),
        ("@ONE-HOST@", "10.2.0.1"),
        ("@ONE-PORT@", "8080"),
        ("@TWO-HOST@", "10.2.0.2"),
        ("@TWO-PORT@", "8080"),
    ];
    let files = folder("apisix", "/etc/apisix", &values);
    let imported = paifang_import::apisix::import(
        Path::new("/etc/apisix/apisix.yaml"),
        &files,
        Options::default(),
    );
    hold("apisix-shop", &imported.unwrap_or_else(|fault| panic!("{fault}")));
}

#[test]
fn the_shop_of_openapi() {
    let values = [("@UPSTREAM@", "10.2.0.1:8080"), ("@OTHER@", "10.2.0.2:8080")];
    let files = folder("openapi", "/etc/shop", &values);
    let imported = paifang_import::openapi::import(
        Path::new("/etc/shop/shop.yaml"),
        &files,
        Options::default(),
    );
    hold("openapi-shop", &imported.unwrap_or_else(|fault| panic!("{fault}")));
}
