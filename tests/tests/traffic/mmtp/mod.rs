//! Long connections through a whole gateway.

mod admin;
mod calls;
mod command;
mod compression;
mod conversation;
mod early;
mod forms;
mod limits;
mod python;
mod resume;
mod sdk;
mod short;
mod typed;
mod users;
mod websocket;
mod zones;

use paifang_tests::harness::Recorder;

/// The secret of the one app.
const KEY: &str = "one-0123456789abcdef0123456789abcdef";
/// APIs that know a user by that key; further ones can follow.
const KNOWN: &str = "\
apps:
  one: { keys: [ { id: key-one, secret: { env: KEY_ONE } } ] }
chains:
  known: [ key_auth: { from: [ { scheme: Bearer } ] } ]
mmtp:
  authenticate: session.check
  components: { log: logs.take }
apis:
  - { id: check, operation: session.check, handlers: [ chain: known, respond: { status: 204 } ] }
  - { id: mine, operation: mine, handlers: [ chain: known ], upstream: main }
  - { id: logs, operation: logs.take, upstream: main }
";

/// A gateway in front of `upstream` with these APIs and whatever else.
fn config(upstream: &Recorder, rest: &str) -> String {
    format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: 127.0.0.1:0, mmtp: {{ plain: true }} }} ]\n\
         defaults: {{ handlers: [ request_id: {{}} ] }}\n\
         upstreams: {{ main: {{ endpoints: [ {{ address: '{}' }} ] }} }}\n{rest}",
        upstream.address()
    )
}
