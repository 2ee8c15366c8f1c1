//! A case as a call: every stage, `log` too, each verdict checked as production checks it and compared
//! with nothing. What it costs is what a call costs.

use super::run::{Stage, with_call};
use crate::{
    apply::{self, Before},
    contract::{OutcomeRef, RequestVerdict, ResponseVerdict},
    run::Input,
};
use std::hint::black_box;

impl Stage<'_> {
    /// One call through all stages. A stage that fails ends it, as a step that fails closed does.
    pub(super) fn follow(&self) {
        let mut kept = Vec::new();
        if self.follow_request(&mut kept).is_some() && self.follow_response(&mut kept).is_some() {
            self.follow_log(&kept);
        }
    }

    fn follow_request(&self, kept: &mut Vec<u8>) -> Option<()> {
        let exports = &self.prepared.exports;
        if exports.request.is_none() && exports.request_with_body.is_none() {
            return Some(());
        }
        let limit = self.prepared.env.spec.limits.body_bytes;
        let (verdict, has_body) = self.ask_request(kept).ok()?;
        match verdict {
            RequestVerdict::Next(edits) => {
                let (path, query) = self.case.request.target();
                let before = Before { path, query, has_body };
                let access = &self.prepared.access;
                let changes = apply::request_changes(before, edits, access, limit).ok()?;
                *kept = black_box(changes).kept;
            }
            RequestVerdict::Respond(answer) => {
                black_box(apply::answer(answer, limit).ok()?);
            }
            RequestVerdict::Reject(said) => {
                black_box(apply::rejection(said).ok()?);
            }
            RequestVerdict::NeedBody(_) | RequestVerdict::Fail(_) => return None,
        }
        Some(())
    }

    fn follow_response(&self, kept: &mut Vec<u8>) -> Option<()> {
        let exports = &self.prepared.exports;
        let Some(message) = &self.case.response else { return Some(()) };
        if exports.response.is_none() && exports.response_with_body.is_none() {
            return Some(());
        }
        let limit = self.prepared.env.spec.limits.body_bytes;
        let has_body = exports.response_with_body.is_some();
        match self.ask_response(message, kept).ok()? {
            ResponseVerdict::Next(edits) => {
                let changes = apply::response_changes(edits, has_body, limit).ok()?;
                if let Some(keep) = black_box(changes).kept {
                    *kept = keep;
                }
            }
            ResponseVerdict::Replace(answer) => {
                black_box(apply::answer(answer, limit).ok()?);
            }
            ResponseVerdict::NeedBody(_) | ResponseVerdict::Fail(_) => return None,
        }
        Some(())
    }

    fn follow_log(&self, kept: &[u8]) {
        if self.prepared.exports.log.is_none() {
            return;
        }
        let outcome = OutcomeRef {
            status: self.case.response.as_ref().map_or(200, |message| message.status),
            termination: "completed",
            duration_nanos: 1_000_000,
            request_bytes: self.case.request.body.len() as u64,
            response_bytes: 0,
            error_code: None,
            headers: None,
        };
        let reads = &self.prepared.access.log;
        // What a call's end says is heard by nobody.
        let _ = with_call(&self.case.request, reads, kept, |call| {
            self.call(Input::Log(call, outcome)).map(drop)
        });
    }
}
