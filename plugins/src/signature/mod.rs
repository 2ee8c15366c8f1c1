//! `signature`: requests that are signed with an app's key, each let in once.
//!
//! Normative: docs/plugins/signature.md. What stands below this step sees only requests whose
//! method, host, path, query, body and chosen headers are the signer's.

pub mod canonical;
pub mod config;
pub mod credentials;
pub mod errors;
mod keys;
mod refusal;
#[cfg(test)]
mod tests;

use crate::apps::{Allowed, PerApps};
use canonical::{Canonical, Signed};
use config::{Config, OnStoreFailure};
use credentials::{Credentials, CredentialsError, MAX_SIGNED_HEADERS};
use http::HeaderName;
use keys::Keys;
use paifang_pipeline::{
    App, BuildContext, Built, ConfigError, ErrorCode, Exchange, Failure, Handler, Identity, Plugin,
    RequestCall, Slots, Stages, Verdict,
    ports::{Answer, NonceSpec, NonceVerdict, Nonces, WhenAway},
};
use refusal::Refusal;
use ring::digest::{SHA256, digest};
use smallvec::SmallVec;
use std::{borrow::Cow, num::NonZeroU32, sync::Arc, time::Duration};

const SKEW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// The plugin.
#[derive(Default)]
pub struct Signature {
    keys: PerApps<Keys>,
}

impl Plugin for Signature {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "signature"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let max_skew = config.max_skew.get();
        if !SKEW.contains(&max_skew) {
            return Err(ConfigError::at(
                "/max_skew",
                format!("expected 1s to 1h, found `{}`", config.max_skew),
            ));
        }
        let header = name(&config.header, "/header")?;
        if config.signed_headers.len() > MAX_SIGNED_HEADERS {
            let message = format!("a signature names at most {MAX_SIGNED_HEADERS} headers");
            return Err(ConfigError::at("/signed_headers", message));
        }
        let must_sign = config
            .signed_headers
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let pointer = format!("/signed_headers/{index}");
                match name(text, &pointer)? {
                    name if name == header => {
                        Err(ConfigError::at(pointer, "the signature cannot sign its own header"))
                    }
                    name => Ok(name),
                }
            })
            .collect::<Result<_, _>>()?;

        // A request is acceptable for twice the skew; a second more, for clocks count in steps.
        let ttl = max_skew * 2 + Duration::from_secs(1);
        let capacity = NonZeroU32::new(config.capacity)
            .ok_or_else(|| ConfigError::at("/capacity", "expected 1 to 4294967295, found `0`"))?;
        let spec = NonceSpec { ttl, capacity };
        let key = context.state_key(config.share.as_deref()).part("nonces");
        let away = match config.on_store_failure {
            Some(_) if config.store.is_none() => {
                return Err(ConfigError::at("/on_store_failure", "there is no `store` to fail")
                    .help("name one of the config's `stores` in `store`, or remove this key"));
            }
            None | Some(OnStoreFailure::Closed) => WhenAway::Closed,
            Some(OnStoreFailure::Local) => WhenAway::Local,
        };
        let nonces = context
            .store(config.store.as_deref(), "/store")?
            .nonces_when_away(&key, spec, away)
            .map_err(|error| ConfigError::at("", error.to_string()))?;

        let step = Step {
            keys: self.keys.get_or(context.apps, Keys::new)?,
            allowed: Allowed::new(config.apps.as_deref(), context)?,
            nonces,
            header,
            must_sign,
            max_skew,
            hide: config.hide,
        };
        let of_store = config.store.as_ref().map(|name| format!(", in the store {name}"));
        let of_store = of_store.unwrap_or_default();
        let fingerprint = format!("{capacity} nonces for {}s{of_store}", ttl.as_secs_f64());
        let built = Built::new(step).writes(Slots::IDENTITY).writes(Slots::APP);
        let mut built = built.keeps(key, fingerprint);
        built.overrides = config.overrides;
        Ok(built)
    }
}

fn name(text: &str, pointer: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| ConfigError::at(pointer, format!("`{text}` is no header's name")))
}

/// The handler.
struct Step {
    keys: Arc<Keys>,
    allowed: Allowed,
    nonces: Arc<dyn Nonces>,
    header: HeaderName,
    must_sign: Box<[HeaderName]>,
    max_skew: Duration,
    hide: bool,
}

/// A request whose signature is right, and which may still be a replay.
struct Verified {
    app: Arc<App>,
    identity: Arc<Identity>,
    nonce: Nonce,
}

/// A nonce with the key it is of: at most 128 and 64 bytes, and one between them.
type Nonce = SmallVec<[u8; 256]>;

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    /// Runs twice: without the body, to refuse cheaply, and with it. A nonce is remembered only
    /// when everything else is right, else anyone could use up other clients' nonces.
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let Verified { app, identity, nonce } = match self.verify(call, call.body()) {
            Ok(verified) => verified,
            Err(refusal) => return refusal.into(),
        };
        match self.nonces.insert(&nonce, call.now()) {
            Answer::Now(verdict) => {
                let hide = self.hide.then_some(&self.header);
                admit(call, verdict, app, identity, hide)
            }
            Answer::Later(verdict) => {
                let hide = self.hide.then(|| self.header.clone());
                Verdict::wait(async move {
                    let verdict = verdict.await;
                    move |call: &mut RequestCall<'_>| match verdict {
                        Ok(verdict) => admit(call, verdict, app, identity, hide.as_ref()),
                        Err(error) => Verdict::Fail(Failure::unavailable(error.to_string())),
                    }
                })
            }
        }
    }
}

/// The last word: only a nonce never seen lets the request in.
fn admit(
    call: &mut RequestCall<'_>,
    verdict: NonceVerdict,
    app: Arc<App>,
    identity: Arc<Identity>,
    hide: Option<&HeaderName>,
) -> Verdict {
    match verdict {
        NonceVerdict::Replayed => return Refusal::Replayed.into(),
        NonceVerdict::Full => return Refusal::MemoryFull.into(),
        NonceVerdict::Fresh => {}
    }
    if let Some(header) = hide {
        call.head_mut().headers.remove(header);
    }
    let slots = call.slots_mut();
    slots.set_app(app);
    slots.set_identity(identity);
    Verdict::Continue
}

impl Step {
    fn verify(&self, call: &Exchange, body: Option<&bytes::Bytes>) -> Result<Verified, Refusal> {
        let credentials = self.credentials(call)?;
        self.in_time(call, &credentials)?;
        let signed = Signed {
            method: call.method().as_str(),
            host: call.facts().host(),
            path: call.path(),
            query: call.query().unwrap_or_default(),
            headers: call.headers(),
        };
        let canonical =
            Canonical::new(signed, &credentials).map_err(|error| malformed(error.to_string()))?;
        // The engine has an empty body at once; only a real one is waited for.
        let body = body.ok_or(Refusal::NeedBody)?;

        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, body).as_ref());
        let mut text: SmallVec<[u8; 1024]> = SmallVec::new();
        canonical.write(&sha256, &mut text);
        let signer = self
            .keys
            .verify(credentials.key_id, &text, &credentials.signature)
            .ok_or(Refusal::Invalid)?;
        if !self.allowed.has(&signer.app) {
            return Err(Refusal::App(signer.app.clone()));
        }
        let mut nonce = Nonce::from_slice(credentials.key_id.as_bytes());
        nonce.push(0);
        nonce.extend_from_slice(credentials.nonce.as_bytes());
        Ok(Verified { app: signer.app.clone(), identity: signer.identity.clone(), nonce })
    }

    /// What the signature's header says, and whether it signs what it must.
    fn credentials<'a>(&self, call: &'a Exchange) -> Result<Credentials<'a>, Refusal> {
        let mut fields = call.headers().get_all(&self.header).iter();
        let Some(field) = fields.next() else {
            return Err(Refusal::Missing);
        };
        if fields.next().is_some() {
            return Err(malformed("the signature's header stands there twice"));
        }
        let credentials = Credentials::parse(field.as_bytes()).map_err(|error| match error {
            CredentialsError::OtherScheme => Refusal::Missing,
            error => malformed(error.to_string()),
        })?;
        if credentials.signed_headers.contains(&self.header.as_str()) {
            return Err(malformed("the signature cannot sign its own header"));
        }
        for name in &self.must_sign {
            let signed = credentials.signed_headers.contains(&name.as_str());
            if !signed && call.headers().contains_key(name) {
                return Err(malformed(format!("`{name}` must be signed")));
            }
        }
        Ok(credentials)
    }

    /// Whether the timestamp is near the present. The present is the wall clock's time of arrival
    /// plus what has passed since by the steady clock, so that a body that is sent slowly cannot
    /// outlast the memory of its nonce.
    fn in_time(&self, call: &Exchange, credentials: &Credentials<'_>) -> Result<(), Refusal> {
        let facts = call.facts();
        let passed = Duration::from_nanos(call.now().since(facts.received));
        let present = facts.received_unix.saturating_add(passed);
        let signed = Duration::from_secs(credentials.unix_seconds());
        if present.abs_diff(signed) <= self.max_skew {
            return Ok(());
        }
        Err(Refusal::Expired { present: present.as_secs() })
    }
}

fn malformed(detail: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::Malformed(detail.into())
}
