//! Ending calls of an API that is not served any more.
//!
//! A call keeps the API it began with, and a stream may go on for hours. Whoever serves APIs can
//! call such calls back: those that relay an answer end, and say in their account why.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::OnceLock,
    task::Poll,
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};

/// Those who wait are told apart into so many lists, so that threads seldom meet at one.
const LISTS: usize = 8;

/// The word to the calls of one API that they are to end. Given once, never taken back.
///
/// It costs a call nothing until its answer keeps it waiting: then it enters a list, once.
#[derive(Default)]
pub struct Recall {
    /// How long calls have that begin to be answered later.
    given: OnceLock<Duration>,
    waiting: [Notify; LISTS],
}

impl Recall {
    /// Gives the word: calls that relay an answer end when they next wait for anything, those that
    /// wait already at once. Those whose origin answers later have `grace` from then on.
    pub fn give(&self, grace: Duration) {
        // The first word stands.
        let _ = self.given.set(grace);
        self.waiting.iter().for_each(Notify::notify_waiters);
    }

    /// Whether the word has been given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.given.get().is_some()
    }

    /// The output of `work`, which relays an answer, or `None` once the word is given while it waits.
    /// What can go on without waiting does. `spread` is any number that differs from call to call.
    pub(crate) async fn unless_given<T>(
        &self,
        spread: u64,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        if let Some(grace) = self.given.get() {
            return timeout(*grace, work).await.ok();
        }
        // It hears of a word that is given after this line, also before it is polled.
        let mut told = pin!(self.waiting[spread as usize % LISTS].notified());
        let mut waker = None;
        poll_fn(|context| {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            if self.is_given() {
                return Poll::Ready(None);
            }
            // Polling takes the list's lock: once is enough for as long as the task is the same.
            if waker.as_ref().is_some_and(|known| context.waker().will_wake(known)) {
                return Poll::Pending;
            }
            waker = Some(context.waker().clone());
            told.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall").field("given", &self.is_given()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Recall;
    use std::{
        future::{pending, ready},
        pin::pin,
        sync::Arc,
        time::Duration,
    };
    use tokio::{sync::oneshot, task::JoinSet, time::Instant};

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_are_told_and_whoever_comes_later() {
        let recall = Arc::new(Recall::default());
        let mut waiting = JoinSet::new();
        let (tell, mut begun) = tokio::sync::mpsc::unbounded_channel();
        for spread in 0..40 {
            let (recall, tell) = (recall.clone(), tell.clone());
            waiting.spawn(async move {
                let work = pin!(async {
                    let _ = tell.send(());
                    pending::<()>().await;
                });
                recall.unless_given(spread, work).await
            });
        }
        for _ in 0..40 {
            begun.recv().await;
        }
        assert!(!recall.is_given());
        recall.give(Duration::from_secs(9));
        while let Some(ended) = waiting.join_next().await {
            assert!(matches!(ended, Ok(None)), "{ended:?}");
        }
        let late = Instant::now();
        assert_eq!(recall.unless_given(3, pin!(pending::<()>())).await, None);
        assert_eq!(late.elapsed(), Duration::from_secs(9));
    }

    #[tokio::test]
    async fn what_need_not_wait_goes_on() {
        let recall = Recall::default();
        recall.give(Duration::ZERO);
        assert_eq!(recall.unless_given(0, pin!(ready(7))).await, Some(7));
    }

    #[tokio::test]
    async fn a_call_that_moves_to_another_task_is_told_there() {
        let recall = Arc::new(Recall::default());
        let (_never, wait) = oneshot::channel::<()>();
        let other = recall.clone();
        let mut call = Box::pin(async move {
            let work = pin!(wait);
            other.unless_given(0, work).await.is_none()
        });
        // Polled here once, and from then on by a task of its own.
        assert!(futures::poll!(&mut call).is_pending());
        let moved = tokio::spawn(call);
        tokio::task::yield_now().await;
        recall.give(Duration::ZERO);
        assert!(matches!(moved.await, Ok(true)));
    }
}
