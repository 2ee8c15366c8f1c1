//! Replays the corpora of the fuzz targets that concern this crate, so that what fuzzing once found
//! stays found without nightly. A target is one `mod` and one test here (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use replay::replay;

#[path = "../../../fuzz/bodies/config.rs"]
mod config;
#[path = "../../../fuzz/bodies/host.rs"]
mod host;
#[path = "../../../fuzz/bodies/path_normalize.rs"]
mod path_normalize;
#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/bodies/route_table.rs"]
mod route_table;

#[test]
fn config_corpus() {
    replay("config", config::run);
}

#[test]
fn host_corpus() {
    replay("host", host::run);
}

#[test]
fn path_normalize_corpus() {
    replay("path_normalize", path_normalize::run);
}

#[test]
fn route_table_corpus() {
    replay("route_table", route_table::run);
}
