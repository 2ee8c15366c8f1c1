//! Waiting for what must happen, and giving up on what does not.

use std::{future::Future, time::Duration};

/// What takes longer than this hangs. Far beyond what any step of a test takes on a busy machine.
const HANG: Duration = Duration::from_secs(60);

/// The future's output.
///
/// # Panics
/// When it hangs.
#[track_caller]
pub fn soon<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(HANG, future).await {
            Ok(output) => output,
            Err(_) => panic!("it hangs at {place}"),
        }
    }
}

/// Returns once what other tasks change has come to hold.
///
/// # Panics
/// When it never does.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}
