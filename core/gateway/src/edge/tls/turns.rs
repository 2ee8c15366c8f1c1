//! Whose turn it is to shake hands. The first half of a handshake, with its signature, computes for about half a millisecond. Where a crowd
//! comes, all of theirs in a row would hold up whatever else the thread has to do: refusals, heartbeats, calls. So at any time no more of
//! them have a turn than there are threads, and whoever had one lets all others of its thread go first before the next begins.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::Poll;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// The turns of a listener, given in the order in which they are asked for. See the module.
#[derive(Debug, Default)]
pub(in crate::edge) struct Turns(OnceLock<Semaphore>);

impl Turns {
    /// Polls `work` once, when it is its turn. Nothing is waited for in a turn, so nobody can hold one up.
    pub(super) async fn poll<F: Future>(&self, work: Pin<&mut F>) -> Poll<F::Output> {
        let turns =
            self.0.get_or_init(|| Semaphore::new(Handle::current().metrics().num_workers()));
        // It is never closed.
        let turn = turns.acquire().await;
        let polled = futures::poll!(work);
        yield_now().await;
        drop(turn);
        polled
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::future::pending;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    /// A crowd of those who compute, each by `turns` or at once, beside somebody else of the thread: the most that computed in a row.
    async fn most_in_a_row(turns: Option<Turns>) -> u32 {
        const CROWD: u32 = 50;
        let (turns, computed) = (Arc::new(turns), Arc::new(AtomicU32::new(0)));
        for _ in 0..CROWD {
            let (turns, computed) = (turns.clone(), computed.clone());
            tokio::spawn(async move {
                let work = pin!(async { computed.fetch_add(1, SeqCst) });
                match &*turns {
                    Some(turns) => assert!(turns.poll(work).await.is_ready()),
                    None => drop(work.await),
                }
            });
        }
        let (mut seen, mut most) = (0, 0);
        while seen < CROWD {
            yield_now().await;
            let now = computed.load(SeqCst);
            (most, seen) = (most.max(now - seen), now);
        }
        most
    }

    #[tokio::test]
    async fn a_crowd_leaves_turns_to_others() {
        assert_eq!(most_in_a_row(None).await, 50);
        assert_eq!(most_in_a_row(Some(Turns::default())).await, 1);
    }

    #[tokio::test]
    async fn who_goes_before_its_turn_takes_none() {
        let turns = Turns::default();
        let one = pin!(pending::<()>());
        let other = pin!(pending::<()>());
        let mut first = pin!(turns.poll(one));
        assert!(futures::poll!(first.as_mut()).is_pending());
        {
            let gone = pin!(turns.poll(other));
            assert!(futures::poll!(gone).is_pending());
        }
        assert!(first.await.is_pending());
        let last = pin!(async {});
        assert!(turns.poll(last).await.is_ready());
    }
}
