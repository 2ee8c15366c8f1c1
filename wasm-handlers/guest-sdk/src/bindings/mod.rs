//! The contract as Rust, made from `wit/handler.wit`: all imports and records once, and one module
//! for each stage, so that a handler links the stages it takes part in and no others.

#![allow(missing_docs, unsafe_code, clippy::all, clippy::pedantic)]

/// The records and what a handler may call.
pub mod imports {
    wit_bindgen::generate!({
        path: "../wit",
        world: "imports",
        generate_all,
        additional_derives: [PartialEq],
    });
}

/// A module of bindings for one stage, sharing the records with all others.
macro_rules! stage {
    ($name:ident, $world:literal, $export:literal) => {
        pub mod $name {
            wit_bindgen::generate!({
                path: "../wit",
                world: $world,
                pub_export_macro: true,
                export_macro_name: $export,
                with: {
                    "paifang:handler/types@0.1.0": crate::bindings::imports::paifang::handler::types,
                    "paifang:handler/logging@0.1.0": crate::bindings::imports::paifang::handler::logging,
                    "paifang:handler/clock@0.1.0": crate::bindings::imports::paifang::handler::clock,
                    "paifang:handler/random@0.1.0": crate::bindings::imports::paifang::handler::random,
                    "paifang:handler/kv@0.1.0": crate::bindings::imports::paifang::handler::kv,
                    "paifang:handler/crypto@0.1.0": crate::bindings::imports::paifang::handler::crypto,
                    "paifang:handler/metrics@0.1.0": crate::bindings::imports::paifang::handler::metrics,
                    "paifang:handler/http@0.1.0": crate::bindings::imports::paifang::handler::http,
                },
            });
        }
    };
}

stage!(configure, "configure-stage", "export_configure");
stage!(request, "request-stage", "export_request");
stage!(request_with_body, "request-with-body-stage", "export_request_with_body");
stage!(response, "response-stage", "export_response");
stage!(response_with_body, "response-with-body-stage", "export_response_with_body");
stage!(log, "log-stage", "export_log");
