//! A kit to run handlers in the real engine without a transport: for tests of plugins, of the
//! engine itself, and of gateways that embed it.
//!
//! ```
//! # use paifang_pipeline::{testkit::{TestCall, TestOrigin}, Handler, RequestCall, Stages, Verdict};
//! struct Stamp;
//! impl Handler for Stamp {
//!     fn stages(&self) -> Stages { Stages::REQUEST }
//!     fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
//!         call.head_mut().headers.insert("x-stamp", http::HeaderValue::from_static("1"));
//!         Verdict::Continue
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let origin = TestOrigin::answering(200, "hello");
//! let reply = TestCall::get("/").step("stamp", Stamp).run(&origin).await;
//! assert_eq!(reply.status(), 200);
//! assert_eq!(origin.request(0).head.headers["x-stamp"], "1");
//! # });
//! ```

mod call;
mod clock;
mod front;
mod http_out;
mod origin;

pub use call::{Reply, TestCall, build, build_among, route};
pub use clock::TestClock;
pub use front::{Sent, TestFront};
pub use http_out::{Answering, TestHttpOut};
pub use origin::{Attempt, OriginRequest, Script, TestOrigin};
