//! Lets requests in that are signed by a partner's own scheme: the config says what is signed, in
//! which order, and how the signature is written.

mod config;
mod encoding;
mod form;
mod head;
mod keys;
#[cfg(test)]
mod tests;

use config::{Config, Settings};
use head::{Fault, Head};
use paifang_guest::prelude::*;

fn configure(config: Config) -> Result<(Settings, Manifest), Vec<ConfigError>> {
    let settings = config.settings()?;
    let manifest = Manifest::new().on_request(settings.reads());
    let tells = settings.keys.tell_subjects();
    Ok((settings, if tells { manifest.writes_identity() } else { manifest }))
}

/// Refuses what can be refused before the body is there.
fn request(settings: &Settings, call: &Call) -> RequestVerdict {
    if !settings.form.needs_body() {
        return decide(settings, call, &[]);
    }
    match Head::read(settings, call, host::unix_millis()) {
        Ok(_) => need_body([]),
        Err(fault) => refuse(fault),
    }
}

/// Judges anew: the body may have been long in coming.
fn request_with_body(settings: &Settings, call: &Call, body: Vec<u8>) -> RequestVerdict {
    decide(settings, call, &body)
}

fn decide(settings: &Settings, call: &Call, body: &[u8]) -> RequestVerdict {
    let head = match Head::read(settings, call, host::unix_millis()) {
        Ok(head) => head,
        Err(fault) => return refuse(fault),
    };
    let Ok(text) = settings.form.write(call, body, host::crypto::hash) else {
        return refuse(Fault::Ambiguous);
    };
    if !head.key.signed(&text, &head.signature) {
        return refuse(Fault::Invalid);
    }
    // Only now: who cannot sign must not use up anyone's nonces.
    if let Some((nonce, ttl)) = head.nonce {
        let key = format!("nonce:{}:{nonce}", head.key.id);
        match host::kv::compare_and_swap(&key, None, b"1", Some(ttl)) {
            Ok(true) => {}
            Ok(false) => return refuse(Fault::Replayed),
            Err(error) => return fail(format!("the nonce cannot be remembered: {error}")),
        }
    }
    let mut verdict = next();
    if let Some(subject) = &head.key.subject {
        verdict = verdict.identity(Identity::new(subject).with_claim("key", &head.key.id));
    }
    if settings.hide {
        verdict = verdict.remove_header(&*settings.signature.header);
    }
    verdict.into()
}

fn refuse(fault: Fault) -> RequestVerdict {
    let (refusal, detail) = match fault {
        Fault::Missing => (Refusal::Unauthenticated, "The request must be signed."),
        Fault::Malformed => (Refusal::BadRequest, "The signature is malformed."),
        Fault::Expired => (Refusal::Unauthenticated, "Signed too long ago, or by a wrong clock."),
        Fault::Invalid => (Refusal::Unauthenticated, "The signature is not valid."),
        Fault::Replayed => (Refusal::Unauthenticated, "This request was seen before."),
        Fault::Ambiguous => {
            (Refusal::BadRequest, "What is signed of the request could be read in two ways.")
        }
    };
    let verdict = reject(refusal).detail(detail);
    match refusal {
        Refusal::Unauthenticated => verdict.header("www-authenticate", "Signature").into(),
        _ => verdict.into(),
    }
}

paifang_guest::handler! {
    state: Settings,
    configure: configure,
    request: request,
    request_with_body: request_with_body,
    schema: "../schema.json",
    probes: "../probes.yaml",
}
