//! Replays the corpora of the fuzz targets that concern this crate (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use replay::replay;

#[path = "../../../fuzz/bodies/import_nginx.rs"]
mod import_nginx;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn import_nginx_corpus() {
    replay("import_nginx", import_nginx::run);
}
