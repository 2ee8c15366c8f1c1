//! Long connections through a whole gateway.

mod calls;
mod early;
mod python;
mod users;

use paifang_tests::harness::Recorder;

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
