//! One attempt on an origin with a cache before it.

use super::{
    Cache,
    fill::{Fill, Taken},
    hit::{Hit, tell},
    purge::Changing,
    stats::Found,
    stored::Stored,
};
use paifang_pipeline::{
    Backlog, BodySize, Exchange, Frame, OriginCall, OriginError, OriginEvent, RequestHead,
};
use std::{borrow::Cow, net::SocketAddr, sync::Arc};

/// Fetches a newer answer behind a stale one, with the head that the upstream would be asked with.
pub(super) type Refresh = Box<dyn FnOnce(RequestHead) + Send>;

/// One attempt.
pub(crate) enum CachedCall<C> {
    /// A kept answer, and the attempt that it came up in.
    Kept(Hit, Option<(C, bool)>),
    /// The like; a newer one is fetched behind it.
    Stale(Hit, Option<Refresh>),
    /// An answer that may be kept. Boxed: the engine moves a call several times.
    Fill(Box<Fill<C>>),
    /// An answer that is none of the cache's business.
    Pass(C),
    /// The like, and `Cache-Status` says so.
    Bypass(C),
    /// The like, to a call that may change what kept answers tell.
    Change(C, Arc<Cache>, Changing),
    /// Between two of them.
    Gone,
}

impl<C: OriginCall + 'static> CachedCall<C> {
    fn inner(&mut self) -> Option<&mut C> {
        match self {
            Self::Fill(fill) => Some(&mut fill.inner),
            Self::Pass(call) | Self::Bypass(call) | Self::Change(call, ..) => Some(call),
            Self::Kept(..) | Self::Stale(..) | Self::Gone => None,
        }
    }

    /// A fetch has come to a kept answer.
    fn keep(&mut self, stored: Arc<Stored>, found: Found) -> Result<OriginEvent, OriginError> {
        // Only fetches come to kept answers.
        let Self::Fill(fill) = std::mem::replace(self, Self::Gone) else { return Err(gone()) };
        let now = fill.wanted.cache.clock.unix();
        let mut hit = Hit::new(stored, found, &fill.wanted.request, now);
        let event = hit.next();
        let (inner, spent) = (fill.inner, fill.spent);
        *self = Self::Kept(hit, Some((inner, spent)));
        Ok(event)
    }
}

impl<C: OriginCall + 'static> OriginCall for CachedCall<C> {
    fn endpoint(&self) -> Option<SocketAddr> {
        match self {
            Self::Kept(_, spent) => spent.as_ref()?.0.endpoint(),
            Self::Fill(fill) => fill.inner.endpoint(),
            Self::Pass(call) | Self::Bypass(call) | Self::Change(call, ..) => call.endpoint(),
            Self::Stale(..) | Self::Gone => None,
        }
    }

    fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(..))
    }

    fn found(&self) -> Option<&'static str> {
        match self {
            Self::Kept(hit, _) | Self::Stale(hit, _) => Some(hit.found.as_str()),
            Self::Fill(fill) => Some(fill.found.as_str()),
            Self::Bypass(_) => Some(Found::Bypass.as_str()),
            Self::Pass(_) | Self::Change(..) | Self::Gone => None,
        }
    }

    async fn send_head(
        &mut self,
        call: &Exchange,
        head: Cow<'_, RequestHead>,
        body: BodySize,
    ) -> Result<(), OriginError> {
        match self {
            Self::Kept(..) | Self::Gone => Ok(()),
            Self::Stale(_, refresh) => {
                if let Some(refresh) = refresh.take() {
                    refresh(head.into_owned());
                }
                Ok(())
            }
            Self::Pass(inner) | Self::Bypass(inner) | Self::Change(inner, ..) => {
                inner.send_head(call, head, body).await
            }
            Self::Fill(fill) => {
                if !matches!(body, BodySize::Empty | BodySize::Exact(0)) {
                    fill.forbid();
                }
                let mut head = head.into_owned();
                fill.wanted.prepare(&mut head);
                let sent = fill.inner.send_head(call, Cow::Owned(head), body).await;
                sent.map_err(|failed| fill.failed(failed))
            }
        }
    }

    fn backlog(&self) -> Backlog {
        match self {
            Self::Fill(fill) => fill.inner.backlog(),
            Self::Pass(call) | Self::Bypass(call) | Self::Change(call, ..) => call.backlog(),
            Self::Kept(..) | Self::Stale(..) | Self::Gone => Backlog::default(),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        match self.inner() {
            Some(inner) => inner.send(frame).await,
            // What is kept is the answer whatever the body says.
            None => Ok(()),
        }
    }

    async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        match self {
            Self::Kept(hit, _) | Self::Stale(hit, _) => Ok(hit.next()),
            Self::Pass(inner) => inner.recv().await,
            Self::Bypass(inner) => {
                let mut event = inner.recv().await?;
                if let OriginEvent::Head(head, _) = &mut event {
                    tell(head, Found::Bypass, false);
                }
                Ok(event)
            }
            Self::Change(inner, cache, changing) => {
                let event = inner.recv().await?;
                if let OriginEvent::Head(head, _) = &event
                    && (head.status.is_success() || head.status.is_redirection())
                {
                    cache.changed(changing, &head.headers);
                }
                Ok(event)
            }
            Self::Fill(fill) => match fill.next().await? {
                Taken::Event(event) => Ok(event),
                Taken::Kept(stored, found) => self.keep(stored, found),
            },
            Self::Gone => Err(gone()),
        }
    }

    async fn finish(self, complete: bool) {
        match self {
            Self::Kept(_, spent) => {
                if let Some((inner, spent)) = spent {
                    inner.finish(spent).await;
                }
            }
            Self::Fill(fill) if fill.surplus && complete => {
                let (spawn, time) = (fill.wanted.cache.spawn.clone(), fill.wanted.rules.timeout);
                spawn.spawn(Box::pin(async move {
                    // Out of time it is dropped, and nothing is kept.
                    let _ = tokio::time::timeout(time, fill.drain()).await;
                }));
            }
            Self::Fill(fill) => {
                let surplus = fill.surplus;
                fill.inner.finish(complete && !surplus).await;
            }
            Self::Pass(inner) | Self::Bypass(inner) | Self::Change(inner, ..) => {
                inner.finish(complete).await;
            }
            Self::Stale(..) | Self::Gone => {}
        }
    }
}

fn gone() -> OriginError {
    use paifang_pipeline::{Replay, error};
    OriginError::new(error::UPSTREAM_MALFORMED, Replay::Never, "nothing is left of the attempt")
}
