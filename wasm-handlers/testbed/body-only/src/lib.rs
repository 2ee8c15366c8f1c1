//! Only the stages that are given whole bodies.

use testbed_ops::{Config, Offline};

paifang_guest::handler! {
    state: Config,
    configure: testbed_ops::configure::<Offline>,
    request_with_body: testbed_ops::request_with_body::<Offline>,
    response_with_body: testbed_ops::response_with_body::<Offline>,
}
