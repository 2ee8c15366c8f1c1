//! What a shared limit does while the store cannot be asked.

use super::away;
use crate::{limiter::LocalLimiter, subject::SubjectHash};
use paifang_pipeline::ports::{LimitDecision, LimitSpec, StoreError, WhenAway};
use parking_lot::RwLock;
use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

/// The rule, and the limit of this gateway's share. The share lives as long as the limit does: a
/// store that comes and goes gives no fresh burst each time.
pub(super) struct Away {
    rule: WhenAway,
    spec: LimitSpec,
    hash: SubjectHash,
    share: RwLock<Option<(NonZeroU32, Arc<LocalLimiter>)>>,
}

impl Away {
    pub(super) fn new(rule: WhenAway, spec: LimitSpec, hash: SubjectHash) -> Self {
        Self { rule, spec, hash, share: RwLock::new(None) }
    }

    /// Decides without the store; `gateways` share the rate.
    pub(super) fn decide(
        &self,
        subject: &[u8],
        now: u64,
        gateways: Option<NonZeroU32>,
    ) -> Result<LimitDecision, StoreError> {
        match (self.rule, gateways) {
            (WhenAway::Open, _) => Ok(LimitDecision {
                allowed: true,
                remaining: 0,
                retry_after_nanos: 0,
                reset_nanos: 0,
            }),
            (WhenAway::Local, Some(gateways)) => Ok(self.share(gateways).decide(subject, now)),
            // How much is this gateway's cannot be known, so nothing is.
            (WhenAway::Local, None) => Err(StoreError(
                "the store has not answered yet, and `gateways` does not say who shares the limit"
                    .to_owned(),
            )),
            (WhenAway::Closed, _) => Err(away()),
        }
    }

    fn share(&self, gateways: NonZeroU32) -> Arc<LocalLimiter> {
        if let Some((made_for, share)) = &*self.share.read()
            && *made_for == gateways
        {
            return share.clone();
        }
        let mut place = self.share.write();
        match &*place {
            Some((made_for, share)) if *made_for == gateways => share.clone(),
            _ => {
                let share = Arc::new(LocalLimiter::new(
                    &shared_by(&self.spec, gateways),
                    self.hash.clone(),
                ));
                *place = Some((gateways, share.clone()));
                share
            }
        }
    }
}

/// One gateway's part of a limit: the rate exactly, the burst rounded down, at least one.
fn shared_by(spec: &LimitSpec, gateways: NonZeroU32) -> LimitSpec {
    let gateways = NonZeroU64::from(gateways);
    LimitSpec {
        period_nanos: spec.period_nanos.saturating_mul(gateways),
        burst: NonZeroU64::new(spec.burst.get() / gateways).unwrap_or(NonZeroU64::MIN),
        ..*spec
    }
}

#[cfg(test)]
mod tests {
    //! The three rules.
    #![allow(clippy::unwrap_used)]
    use super::Away;
    use crate::subject::SubjectHash;
    use paifang_pipeline::ports::{LimitSpec, WhenAway};
    use std::num::NonZeroU32;

    fn away(rule: WhenAway) -> Away {
        let spec = LimitSpec {
            count: 30.try_into().unwrap(),
            period_nanos: 1_000_000_000.try_into().unwrap(),
            burst: 10.try_into().unwrap(),
            subjects: 100.try_into().unwrap(),
        };
        Away::new(rule, spec, SubjectHash::random())
    }

    fn passed(away: &Away, tries: usize, now: u64, gateways: u32) -> usize {
        let gateways = NonZeroU32::new(gateways);
        (0..tries).filter(|_| away.decide(b"x", now, gateways).unwrap().allowed).count()
    }

    #[test]
    fn a_share_is_the_rate_and_the_burst_among_the_gateways() {
        let away = away(WhenAway::Local);
        assert_eq!(passed(&away, 20, 0, 3), 3, "a third of the burst");
        assert_eq!(passed(&away, 20, 100_000_000, 3), 1, "a third of the rate");
        assert_eq!(passed(&away, 20, 200_000_000, 3), 1, "and no fresh burst");
        assert_eq!(passed(&away, 20, 200_000_000, 100), 1, "at least one at once");
    }

    #[test]
    fn nothing_is_guessed_and_nothing_opens_by_itself() {
        assert!(away(WhenAway::Local).decide(b"x", 0, None).is_err());
        assert!(away(WhenAway::Closed).decide(b"x", 0, NonZeroU32::new(3)).is_err());
        assert!(away(WhenAway::Open).decide(b"x", 0, None).unwrap().allowed);
    }
}
