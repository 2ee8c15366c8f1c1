//! Steering a gateway: releases, and everything the admin API and the command line ask.
//!
//! A release is a transaction: load → compile → link → listen → start → live. Whatever fails on
//! the way leaves the release before serving, and says why.

mod keep;
mod link;
mod make;
mod release;
mod report;
mod watch;

pub use release::ReleaseError;
pub(crate) use release::{Cause, Controller, Parts};
pub(crate) use report::{explain_request, list_apis};
pub(crate) use watch::watch;

use crate::{
    Builder,
    upstream::{Deps, Resolve, Resolved},
};
use paifang_config::{diag::Diagnostics, snapshot::Snapshot};
use paifang_pipeline::ports::{BoxFuture, Spawn};
use std::sync::Arc;

/// The log of the process that hosts the gateway, for those that let it be steered.
pub trait LogControl: Send + Sync {
    /// The present level or directives.
    fn level(&self) -> String;

    /// Sets level or directives at an operator's word.
    ///
    /// # Errors
    /// A sentence saying what is wrong with `level`.
    fn set_level(&self, level: &str) -> Result<(), String>;

    /// Sets what a release's config says. An implementation may leave its level as it is where
    /// something stronger has set it.
    ///
    /// # Errors
    /// A sentence saying what is wrong with `level`.
    fn configure(&self, level: &str) -> Result<(), String>;
}

/// Checks that a snapshot could be served: files, certificates, upstreams. Serves nothing.
pub(crate) fn check_link(snapshot: Snapshot, builder: &Builder) -> Result<(), Diagnostics> {
    struct Nowhere;
    impl Spawn for Nowhere {
        fn spawn(&self, _: BoxFuture<()>) {}
    }
    struct Nobody;
    impl Resolve for Nobody {
        fn resolve(&self, _: &str) -> BoxFuture<Result<Resolved, String>> {
            Box::pin(std::future::ready(Err("nothing is looked up".to_owned())))
        }
    }
    let deps = Deps {
        spawn: Arc::new(Nowhere),
        clock: builder.state().1.clone(),
        resolver: Arc::new(Nobody),
        roots: Arc::default(),
    };
    link::link(Arc::new(snapshot), None, &*builder.sources().files, &deps).map(drop)
}
