//! Only `log`.

use testbed_ops::{Config, Offline};

paifang_guest::handler! {
    state: Config,
    configure: testbed_ops::configure::<Offline>,
    log: testbed_ops::log::<Offline>,
}
