//! A double of the network, never of a server: what a mobile path does to a TCP connection.
//!
//! A [`Link`] joins two byte streams with latency, jitter, bandwidth, loss as TCP shows it, outages, stalls, a NAT that
//! forgets; a [`SimNet`] is a small network of them that a client dials. A [`Profile`] has the figures; presets
//! have names (`"3g".parse()`). The model of loss stands in `retransmit.rs`.
//!
//! All of it runs on tokio's clock and on one seed: under a paused clock a test has the same arrivals each time,
//! and takes no time. Buffers are bounded by [`Profile::window`]; an idle connection holds none.

mod end;
mod flow;
mod link;
mod net;
mod path;
mod presets;
mod profile;
mod relay;
mod retransmit;
#[cfg(test)]
mod tests;

pub use end::End;
pub use link::{Link, Traffic, Way};
pub use net::{Answer, SimNet};
pub use presets::{UnknownProfile, presets};
pub use profile::{Forgotten, Lane, Nat, Outages, Profile};
pub use relay::relay;
