//! A memory of nonces that gateways share: each is a key of its own that the server forgets in
//! time. What this gateway has seen itself it refuses without asking.

use super::{failure::Failure, link::Link, script};
use crate::{nonces::LocalNonces, subject::SubjectHash};
use paifang_pipeline::ports::{
    Answer, Nanos, NonceSpec, NonceVerdict, Nonces, StateKey, StoreError, WhenAway,
};
use redis::Value;
use ring::digest::{Context, SHA256};
use std::{
    fmt::Write,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::sync::oneshot;

/// See the module.
pub(super) struct SharedNonces {
    link: Arc<Link>,
    state: StateKey,
    ttl_millis: Vec<u8>,
    rule: WhenAway,
    /// Those that came to this gateway.
    seen: Arc<LocalNonces>,
}

impl SharedNonces {
    pub(super) fn new(
        link: Arc<Link>,
        key: &StateKey,
        spec: NonceSpec,
        rule: WhenAway,
        hash: SubjectHash,
    ) -> Self {
        let millis = spec.ttl.as_nanos().div_ceil(1_000_000).max(1);
        Self {
            link,
            state: key.clone(),
            ttl_millis: millis.to_string().into_bytes(),
            rule,
            seen: Arc::new(LocalNonces::new(&spec, hash)),
        }
    }

    /// The nonce's name in the store: a digest, so that what clients send is no key.
    fn key(&self, nonce: &[u8]) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        context.update(self.state.as_str().as_bytes());
        // No state key holds one, so nothing is named like something else.
        context.update(&[0]);
        context.update(nonce);
        let mut key = format!("{}:nonce:{{", self.link.shared().settings.prefix);
        for byte in context.finish().as_ref() {
            // Writing into a string cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        key.push('}');
        key.into_bytes()
    }
}

impl Nonces for SharedNonces {
    fn insert(&self, nonce: &[u8], now: Nanos) -> Answer<NonceVerdict> {
        match self.seen.remember(nonce, now.0) {
            NonceVerdict::Fresh => {}
            known => return Answer::Now(known),
        }
        let (tell, hear) = oneshot::channel();
        self.link.shared().counts.waited.fetch_add(1, Relaxed);
        let word = format!("{:016x}", fastrand::u64(..)).into_bytes();
        let arguments = vec![word, self.ttl_millis.clone()];
        self.link.send(&script::NONCE, vec![self.key(nonce)], arguments, move |done| {
            // Who has gone away wants no answer.
            let _ = tell.send(done);
        });
        let (rule, link) = (self.rule, self.link.clone());
        let (seen, nonce) = (self.seen.clone(), Box::<[u8]>::from(nonce));
        Answer::Later(Box::pin(async move {
            let failure = match hear.await.unwrap_or(Err(Failure::Down)) {
                Ok(Value::Int(1)) => return Ok(NonceVerdict::Fresh),
                Ok(Value::Int(0)) => return Ok(NonceVerdict::Replayed),
                Ok(_) => Failure::Key("an answer of another shape".to_owned()),
                Err(failure) => failure,
            };
            link.shared().counts.without.fetch_add(1, Relaxed);
            match rule {
                WhenAway::Open | WhenAway::Local => Ok(NonceVerdict::Fresh),
                WhenAway::Closed => {
                    // The request was refused, so the same one may come again.
                    seen.forget(&nonce);
                    Err(StoreError::from(failure))
                }
            }
        }))
    }
}
