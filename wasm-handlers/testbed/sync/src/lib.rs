//! All stages, and all imports but `http`: the host calls it without waiting.

use testbed_ops::{Config, Offline};

paifang_guest::handler! {
    state: Config,
    configure: testbed_ops::configure::<Offline>,
    request: testbed_ops::request::<Offline>,
    request_with_body: testbed_ops::request_with_body::<Offline>,
    response: testbed_ops::response::<Offline>,
    response_with_body: testbed_ops::response_with_body::<Offline>,
    log: testbed_ops::log::<Offline>,
}
