//! A deadline that moves with every event, at the cost of nearly nothing.
//!
//! The timer stays with its connection and is never taken back when something happened in time:
//! only when it goes off is it looked at whether the deadline has moved, and then it is set anew. So
//! a busy connection touches the runtime's timers once a timeout, not once a call.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug, Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready once `deadline` has passed.
    pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Deadlines that move either way.
    use super::Timer;
    use std::{future::poll_fn, time::Duration};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn the_latest_deadline_counts_whichever_way_it_moved() {
        let start = Instant::now();
        let mut timer = Timer::default();
        for millis in [50, 200, 300] {
            let deadline = start + Duration::from_millis(millis);
            poll_fn(|cx| timer.poll_until(cx, deadline)).await;
            assert_eq!(Instant::now(), deadline);
        }
        let (late, early) = (Duration::from_secs(9), Duration::from_secs(1));
        let armed = Instant::now();
        poll_fn(|cx| {
            assert!(timer.poll_until(cx, armed + late).is_pending());
            timer.poll_until(cx, armed + early)
        })
        .await;
        assert_eq!(Instant::now(), armed + early);
    }
}
