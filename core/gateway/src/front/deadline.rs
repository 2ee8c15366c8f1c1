//! Deadlines around reads and writes, at the cost of one timer a connection.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is armed only when something has to be waited for, and then stays where it is in
/// the runtime's wheel: moving it to a later deadline takes no lock.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    /// What `future` comes to, or `None` when `at` has passed first. A future that is ready wins
    /// over a deadline that has passed.
    pub(super) async fn at<F: Future>(&mut self, at: Instant, future: F) -> Option<F::Output> {
        self.when(|| at, future).await
    }

    /// The like, so much later than now.
    pub(super) async fn within<F: Future>(
        &mut self,
        time: Duration,
        future: F,
    ) -> Option<F::Output> {
        self.when(|| after(time), future).await
    }

    /// The like. What is ready at once, as most writes are, costs no look at the clock: `at` is asked
    /// when there is something to wait for.
    async fn when<F: Future>(&mut self, at: impl Fn() -> Instant, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut armed = false;
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            if !armed {
                armed = true;
                let at = at();
                // Also where it stands there already: an elapsed timer must be armed anew.
                let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
                sleep.as_mut().reset(at);
            }
            let Some(sleep) = &mut self.0 else { return Poll::Pending };
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// So much later than now; a time that no clock can hold is in thirty years.
pub(super) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

#[cfg(test)]
mod tests {
    use super::{Deadline, after};
    use std::{
        future::{pending, ready},
        time::Duration,
    };
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn one_timer_serves_many_deadlines() {
        let mut deadline = Deadline::default();
        let began = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(deadline.within(second, ready(7)).await, Some(7));
        assert_eq!(deadline.within(second, pending::<()>()).await, None);
        assert_eq!(began.elapsed().as_secs(), 1);
        let slow = tokio::time::sleep(Duration::from_secs(5));
        assert_eq!(deadline.within(Duration::from_secs(9), slow).await, Some(()));
        assert_eq!(deadline.within(second, pending::<()>()).await, None);
        assert_eq!(began.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_wins_over_a_deadline_that_has_passed() {
        let past = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(Deadline::default().at(past, ready(1)).await, Some(1));
        assert_eq!(Deadline::default().at(past, pending::<()>()).await, None);
    }

    #[test]
    fn an_endless_time_is_no_overflow() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(86_400)));
    }
}
