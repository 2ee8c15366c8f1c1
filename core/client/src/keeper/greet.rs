//! HELLO for a connection that has been dialled.

use std::sync::Arc;

use paifang_mmtp::greeting::Hello;
use ring::rand::{SecureRandom, SystemRandom};

use crate::shared::Shared;

/// FEATURES: this client takes what the server sends of its own.
const TAKES_PUSH: u32 = 4;

/// HELLO of a short conversation: nothing that only a connection of the device needs, and windows as large as they will ever be.
pub(super) fn short_hello(shared: &Arc<Shared>) -> Option<Hello> {
    let hello = hello_of(shared)?;
    Some(Hello { features: 0, cursors: Vec::new(), ..hello })
}

/// What the client says of itself. `server_name` is what TLS has told the server. `None` when the system has no randomness.
pub(super) fn hello(shared: &Arc<Shared>, server_name: Option<&str>) -> Option<Hello> {
    let mut hello = hello_of(shared)?;
    if let Some(key) = &shared.device_key {
        let options = &shared.options;
        hello.device_key = Some(key.public_key());
        // The server's name is told in lower case.
        let told = server_name.map(str::to_ascii_lowercase);
        let authority = options.authority.as_deref().or(told.as_deref()).unwrap_or_default();
        let token = shared.memory().show_token();
        // A key that cannot sign at the moment costs the resumption, not the connection.
        let shown = token.as_deref().unwrap_or_default();
        if let Some(proof) = key.proof(authority, &options.device, &hello.nonce, shown) {
            hello.resume = token;
            hello.proof = Some(proof.into());
        }
    }
    Some(hello)
}

/// What it says in every form.
fn hello_of(shared: &Arc<Shared>) -> Option<Hello> {
    let mut nonce = [0; 16];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let options = &shared.options;
    let memory = shared.memory();
    Some(Hello {
        features: TAKES_PUSH | shared.coder.features(),
        nonce,
        network: memory.network.clone(),
        auth: memory.auth.clone(),
        dictionaries: shared.coder.identities(),
        cursors: memory.cursors.iter().map(|(channel, own)| (*channel, own.clone())).collect(),
        foreground: memory.foreground,
        epoch: memory.epoch,
        ..options.hello()
    })
}
