//! Contexts that are lent for one message: a few for the process, not one for each connection.

use crossbeam_queue::ArrayQueue;

/// Keeps at most so many contexts as it was made for. When more are wanted at once they are made, and dropped afterwards.
pub(super) struct ContextPool<C> {
    idle: ArrayQueue<C>,
    make: Box<dyn Fn() -> Option<C> + Send + Sync>,
}

impl<C> ContextPool<C> {
    /// A pool that keeps `keep` idle contexts, at least one, and makes them with `make`.
    pub(super) fn new(keep: usize, make: impl Fn() -> Option<C> + Send + Sync + 'static) -> Self {
        Self { idle: ArrayQueue::new(keep.max(1)), make: Box::new(make) }
    }

    /// Lends a context to `work`; `None` when there is no memory for one.
    ///
    /// A context whose work panicked is not lent again.
    pub(super) fn lend<R>(&self, work: impl FnOnce(&mut C) -> R) -> Option<R> {
        let mut context = self.idle.pop().or_else(|| (self.make)())?;
        let done = work(&mut context);
        // Full: others came back first, and this one was beyond what is kept.
        let _ = self.idle.push(context);
        Some(done)
    }

    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }
}
