//! Ending calls of an API that is not served any more.
//!
//! A call keeps the API it began with, and a stream may go on for hours. Whoever serves APIs can
//! call such calls back: those that relay an answer end, and say in their account why.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};
use tokio::{sync::Notify, time::timeout};

/// Calls that wait are in one of so many lists, so that threads seldom meet at one.
const LISTS: usize = 32;

/// Where calls wait for the word. One serves many APIs, since lists for each would cost more than the
/// rest of an API.
#[derive(Clone)]
pub struct Waiting(Arc<Lists>);

struct Lists {
    /// How often a word has been given.
    words: AtomicU64,
    lists: [Notify; LISTS],
}

impl Default for Waiting {
    fn default() -> Self {
        let lists = std::array::from_fn(|_| Notify::new());
        Self(Arc::new(Lists { words: AtomicU64::new(0), lists }))
    }
}

/// The word to the calls of one API that they are to end. Given once, never taken back.
///
/// It costs a call nothing until its answer keeps it waiting: then it enters a list, once.
pub struct Recall {
    /// How long calls have that begin to be answered later.
    given: OnceLock<Duration>,
    waiting: Waiting,
}

impl Recall {
    /// For an API whose calls wait there.
    #[must_use]
    pub fn new(waiting: &Waiting) -> Self {
        Self { given: OnceLock::new(), waiting: waiting.clone() }
    }

    /// Gives the word: calls that relay an answer end when they next wait for anything, those that
    /// wait already at once. Those whose origin answers later have `grace` from then on.
    pub fn give(&self, grace: Duration) {
        // The first word stands.
        let _ = self.given.set(grace);
        let Lists { words, lists } = &*self.waiting.0;
        words.fetch_add(1, SeqCst);
        lists.iter().for_each(Notify::notify_waiters);
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
        let Lists { words, lists } = &*self.waiting.0;
        let list = &lists[spread as usize % LISTS];
        let mut told = pin!(list.notified());
        // What was known when the list was entered: how many words, and who is to be woken.
        let mut entered = None;
        poll_fn(|context| {
            if let Poll::Ready(output) = work.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            // Entering takes the list's lock: once is enough until another API's word has emptied
            // the list, or the call has moved to another task.
            let heard = words.load(SeqCst);
            let stays = entered
                .as_ref()
                .is_some_and(|(known, waker)| *known == heard && context.waker().will_wake(waker));
            if !stays {
                entered = Some((heard, context.waker().clone()));
                told.set(list.notified());
                if told.as_mut().poll(context).is_ready() {
                    // A word came just now, whoever is meant: entered anew at the next poll.
                    entered = None;
                    context.waker().wake_by_ref();
                }
            }
            // Looked at after entering, so that no word falls between.
            match self.is_given() {
                true => Poll::Ready(None),
                false => Poll::Pending,
            }
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
    use super::{Recall, Waiting};
    use std::{
        future::{pending, ready},
        pin::pin,
        sync::Arc,
        time::Duration,
    };
    use tokio::{sync::oneshot, task::JoinSet, time::Instant};

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_are_told_and_whoever_comes_later() {
        let recall = Arc::new(Recall::new(&Waiting::default()));
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
        let recall = Recall::new(&Waiting::default());
        recall.give(Duration::ZERO);
        assert_eq!(recall.unless_given(0, pin!(ready(7))).await, Some(7));
    }

    #[tokio::test]
    async fn a_call_that_moves_to_another_task_is_told_there() {
        let recall = Arc::new(Recall::new(&Waiting::default()));
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

    #[tokio::test]
    async fn a_word_to_others_ends_nobody_and_the_own_one_is_still_heard() {
        let waiting = Waiting::default();
        let (own, other) = (Arc::new(Recall::new(&waiting)), Recall::new(&waiting));
        let recall = own.clone();
        let call =
            tokio::spawn(
                async move { recall.unless_given(0, pin!(pending::<()>())).await.is_none() },
            );
        tokio::task::yield_now().await;
        for _ in 0..3 {
            other.give(Duration::ZERO);
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            assert!(!call.is_finished());
        }
        own.give(Duration::ZERO);
        assert!(matches!(call.await, Ok(true)));
    }
}
