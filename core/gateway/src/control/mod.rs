//! Steering a gateway: releases, and everything the admin API and the command line ask.
//!
//! A release is a transaction: load → compile → link → listen → start → live. Whatever fails on
//! the way leaves the release before serving, and says why.

mod audit;
mod compare;
mod controller;
mod keep;
mod level;
mod link;
mod make;
mod mmtp;
mod plans;
mod recall;
mod rehearsal;
mod release;
mod report;
mod upgrade;
mod upstreams;
mod watch;

pub(crate) use compare::Against;
pub(crate) use controller::{Controller, Parts, Process};
pub(crate) use link::{Messages, is_absence};
pub(crate) use mmtp::AskedConnections;
pub(crate) use plans::{Caller, Order, Switch};
pub(crate) use recall::recall;
pub(crate) use release::Cause;
pub use release::ReleaseError;
pub(crate) use report::{explain_request, list_apis};
pub(crate) use watch::watch;

use crate::{
    Builder,
    upstream::{Deps, Resolve, Resolved},
};
use paifang_config::{diag::Diagnostics, model, snapshot::Snapshot};
use paifang_pipeline::ports::{BoxFuture, Spawn};
use std::{collections::BTreeSet, sync::Arc};

/// The log of the process that hosts the gateway, for those that let it be steered.
pub trait LogControl: Send + Sync {
    /// The present level or directives.
    fn level(&self) -> String;

    /// Sets level or directives at an operator's word.
    ///
    /// # Errors
    /// A sentence saying what is wrong with `level`.
    fn set_level(&self, level: &str) -> Result<(), String>;

    /// Sets what a release's config says. An implementation may leave things as they are where
    /// something stronger has set them.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    fn configure(&self, log: &model::Log) -> Result<(), String>;
}

/// Checks that a snapshot could be served: files, certificates, upstreams. Serves nothing.
///
/// With `absent`, certificates and keys that are not on this machine are noted there, and what
/// needs them is not looked at; without, they are errors.
pub(crate) fn check_link(
    snapshot: Snapshot,
    builder: &Builder,
    absent: Option<&mut BTreeSet<String>>,
) -> Result<(), Diagnostics> {
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
    link::check(Arc::new(snapshot), &*builder.sources().files, &deps, absent)
}
