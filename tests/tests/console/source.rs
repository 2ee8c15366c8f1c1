//! The console's files: nothing that makes markup or code of a text, nothing from elsewhere.

use paifang_tests::tidy::{root, sources};
use std::fs;

const FOLDER: &str = "core/gateway/src/console/";

/// What makes markup or code of a text, or keeps a token for longer than a tab lives.
const FORBIDDEN: &[&str] = &[
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "createContextualFragment",
    "DOMParser",
    "document.write",
    "srcdoc",
    "eval(",
    "Function(",
    "import(",
    "javascript:",
    "localStorage",
    "document.cookie",
    "XMLHttpRequest",
    ".style.",
    "style=",
    "<style",
    "postMessage",
    "window.open",
    "http://",
    "https://",
    "//cdn",
];

/// The name of a namespace is no address.
const NAMESPACE: &str = "http://www.w3.org/2000/svg";

#[test]
fn texts_stay_texts_and_nothing_comes_from_elsewhere() {
    let files = sources(&[".js", ".html", ".css", ".svg"]);
    let files: Vec<_> = files.iter().filter(|file| file.path.starts_with(FOLDER)).collect();
    assert!(files.len() > 10, "{FOLDER} is elsewhere");
    let mut faults = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let line = line.replace(NAMESPACE, "");
            for found in FORBIDDEN.iter().filter(|text| line.contains(*text)) {
                faults.push(format!("{}:{}: `{found}`", file.path, at + 1));
            }
            // A script of the page is a file; a listener is no attribute.
            let page = file.path.ends_with(".html");
            if page && (line.contains(" onclick=") || line.contains(" onload=")) {
                faults.push(format!("{}:{}: a listener in markup", file.path, at + 1));
            }
            if page && line.contains("<script") && !line.contains("src=") {
                faults.push(format!("{}:{}: a script in the page", file.path, at + 1));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_file_is_served() {
    let served = fs::read_to_string(root().join("core/gateway/src/admin/console.rs")).unwrap();
    for entry in fs::read_dir(root().join(FOLDER)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(served.contains(&format!("\"{name}\": \"")), "{name} is not served");
    }
}
