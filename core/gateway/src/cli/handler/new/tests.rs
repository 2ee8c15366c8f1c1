//! The files of new packages, for each choice of stages.
#![allow(clippy::unwrap_used)]

use super::*;
use clap::ValueEnum;
use paifang_wasm::cases;

/// Every set of stages but the empty one.
fn sets() -> Vec<Vec<Stage>> {
    let all = Stage::value_variants();
    let set = |bits: usize| {
        let chosen = all.iter().enumerate().filter(move |(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, stage)| *stage).collect()
    };
    (1..1 << all.len()).map(set).collect()
}

fn text(files: &[(String, String)], path: &str) -> String {
    files.iter().find(|(file, _)| file == path).unwrap().1.clone()
}

#[test]
fn every_choice_of_stages_is_filled_whole() {
    let sets = sets();
    assert_eq!(sets.len(), 31);
    for stages in sets {
        let files = files("greet", &stages);
        for (path, text) in files.iter().filter(|(path, _)| !path.starts_with("kit/")) {
            for left in ["@NAME@", "@VERSION@", "@SERDE@", "@PROFILE@", "@GRANTS@", "@MANIFEST@"] {
                assert!(!text.contains(left), "{stages:?}: {left} is left in {path}");
            }
            assert!(!text.contains("//: ") && !text.contains("#: "), "{stages:?}: {path}");
            assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{stages:?}: {path}");
        }
        let source = text(&files, "src/lib.rs");
        for stage in Stage::value_variants() {
            let function = stage.word().replace('-', "_");
            let (named, there) = (format!("    {function}: {function},"), stages.contains(stage));
            assert_eq!(source.contains(&named), there, "{stages:?}");
            assert_eq!(source.contains(&format!("\nfn {function}(")), there, "{stages:?}");
        }
    }
}

#[test]
fn probes_and_cases_are_cases_whatever_the_stages() {
    for stages in sets() {
        let files = files("greet", &stages);
        assert_eq!(cases::parse(&text(&files, "probes.yaml")).unwrap().len(), 1);
        assert_eq!(cases::parse(&text(&files, "tests/cases.yaml")).unwrap().len(), 2);
    }
}

#[test]
fn stages_are_called_on_the_command_line_as_in_templates() {
    for stage in Stage::value_variants() {
        assert_eq!(stage.to_possible_value().unwrap().get_name(), stage.word());
    }
}

#[test]
fn a_folder_must_be_free() {
    let dir = tempfile::tempdir().unwrap();
    assert!(must_be_free(&dir.path().join("new")).is_ok());
    assert!(must_be_free(dir.path()).is_ok());
    fs::write(dir.path().join("file"), "").unwrap();
    let why = |path: &Path| match must_be_free(path) {
        Err(Failed::Said(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(dir.path()).contains("not empty; name another one with --path"));
    assert!(why(&dir.path().join("file")).contains("file: "));
}
