//! Opening an attempt: an endpoint with room, or a place in the queue until there is one.

use super::{
    Upstream, UpstreamCall,
    balance::{Ask, Nobody},
    call, error,
    limits::InFlight,
};
use paifang_pipeline::{OriginError, RequestHead};
use tokio::time::{Instant, timeout_at};

impl Upstream {
    /// Chooses an endpoint and opens an attempt there. Where the one that was chosen turns out to
    /// have no room for a connection, another is asked.
    pub(super) async fn open_attempt(
        &self,
        head: &RequestHead,
        ask: Ask,
    ) -> Result<UpstreamCall, OriginError> {
        let mut deadline = None;
        loop {
            let place = self.place(&ask, &mut deadline).await?;
            if let Some(opened) = call::open(place, head).await {
                return opened;
            }
        }
    }

    /// A place at an endpoint. The deadline is that of waiting in all.
    async fn place(
        &self,
        ask: &Ask,
        deadline: &mut Option<Instant>,
    ) -> Result<InFlight, OriginError> {
        self.readmit(ask.now);
        // Nobody overtakes those that wait.
        if self.common.queue.waiting() == 0 {
            match self.balance.choose(ask) {
                Ok(place) => return Ok(place),
                Err(Nobody::Usable) => return Err(self.none_usable()),
                Err(Nobody::Room) => {}
            }
        }
        self.wait(ask, deadline).await
    }

    async fn wait(
        &self,
        ask: &Ask,
        deadline: &mut Option<Instant>,
    ) -> Result<InFlight, OriginError> {
        let limits = &self.common.spec.limits;
        let Some(waiting) = self.common.queue.enter() else {
            self.stats.queue_full.count();
            let why = format!("no room, and {} calls wait for it already", limits.pending);
            return Err(error::busy(self.name(), &why));
        };
        self.stats.queued.count();
        let until = *deadline.get_or_insert_with(|| Instant::now() + limits.pending_timeout);
        let found = timeout_at(until, async {
            let _first = waiting.front().await;
            loop {
                match self.balance.choose(ask) {
                    Ok(place) => return Ok(place),
                    Err(Nobody::Usable) => return Err(self.none_usable()),
                    Err(Nobody::Room) => waiting.freed().await,
                }
            }
        });
        found.await.unwrap_or_else(|_| {
            self.stats.queue_timeouts.count();
            let why = format!("no room within {:?}", limits.pending_timeout);
            Err(error::busy(self.name(), &why))
        })
    }

    /// The error for an upstream whose endpoints are all unusable.
    fn none_usable(&self) -> OriginError {
        self.stats.no_endpoint.count();
        let known = self.members.lock().all().len();
        let why = if known == 0 { "no address is known yet" } else { "no endpoint is healthy" };
        error::no_endpoint(self.name(), why)
    }
}
