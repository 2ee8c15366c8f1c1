//! All stages and all imports; as it imports `http`, the host lets it wait.

use testbed_ops::{Config, Online};

paifang_guest::handler! {
    state: Config,
    configure: testbed_ops::configure::<Online>,
    request: testbed_ops::request::<Online>,
    request_with_body: testbed_ops::request_with_body::<Online>,
    response: testbed_ops::response::<Online>,
    response_with_body: testbed_ops::response_with_body::<Online>,
    log: testbed_ops::log::<Online>,
}
