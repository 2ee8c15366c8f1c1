//! Only the stages that see heads; asking for a body is wrong here.

use testbed_ops::{Config, Offline};

paifang_guest::handler! {
    state: Config,
    configure: testbed_ops::configure::<Offline>,
    request: testbed_ops::request::<Offline>,
    response: testbed_ops::response::<Offline>,
}
