//! Replays the corpora of the fuzz targets that concern this crate (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use replay::replay;

#[path = "../../../fuzz/bodies/import_apisix.rs"]
mod import_apisix;
#[path = "../../../fuzz/bodies/import_nginx.rs"]
mod import_nginx;
#[path = "../../../fuzz/bodies/import_openapi.rs"]
mod import_openapi;
#[path = "../../../fuzz/bodies/imported.rs"]
mod imported;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn import_nginx_corpus() {
    replay("import_nginx", import_nginx::run);
}

#[test]
fn import_apisix_corpus() {
    replay("import_apisix", import_apisix::run);
}

#[test]
fn import_openapi_corpus() {
    replay("import_openapi", import_openapi::run);
}
