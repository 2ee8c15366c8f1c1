//! How slowly a request body may come.

use super::HttpLimits;
use tokio::time::Instant;

/// When a body began and when its latest piece came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace(Option<Times>);

#[derive(Debug, Clone, Copy)]
struct Times {
    began: Instant,
    latest: Instant,
}

impl Pace {
    /// The body is asked for; only the first time counts.
    pub(super) fn begin(&mut self) {
        if self.0.is_none() {
            let now = Instant::now();
            self.0 = Some(Times { began: now, latest: now });
        }
    }

    /// A piece has come.
    pub(super) fn advance(&mut self) {
        if let Some(times) = &mut self.0 {
            times.latest = Instant::now();
        }
    }

    /// When the body is too slow unless something comes before. `None` where no clock could hold it.
    pub(super) fn until(&mut self, limits: &HttpLimits) -> Option<Instant> {
        self.begin();
        let times = self.0?;
        let stalled = times.latest.checked_add(limits.stall_timeout);
        let expired = times.began.checked_add(limits.body_timeout);
        stalled.into_iter().chain(expired).min()
    }
}
