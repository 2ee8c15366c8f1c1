//! Endpoints of one priority: those in the gateway's own zone, and the others.
//!
//! While enough of the own zone's weight is usable, all calls stay there. When less is, so much less
//! of the calls stay, and the rest spills over to the other zones by weight: with a threshold of
//! 70%, a zone that is half there keeps 50/70 of the calls.

use super::{
    Entry,
    group::{Group, Search},
};
use crate::upstream::{endpoint::Endpoint, members::Listed};
use std::sync::Arc;

/// All calls.
const WHOLE: u64 = 1 << 16;

#[derive(Default)]
pub(super) struct Level {
    /// All of them where zones play no part.
    pub(super) near: Group,
    far: Group,
    /// Which share of the calls stays near, of [`WHOLE`].
    near_share: u64,
}

impl Level {
    /// Of these endpoints, all of one priority and with a weight.
    pub(super) fn of(all: &[&Listed], zones: Option<(&str, u32)>) -> Self {
        let usable = |listed: &&&Listed| listed.endpoint.is_usable();
        let group = |near: &dyn Fn(&Listed) -> bool| {
            let entries = all.iter().filter(usable).filter(|listed| near(listed));
            Group::new(entries.map(|listed| Entry::of(listed)).collect())
        };
        let Some((own, least)) = zones else {
            return Self { near: group(&|_| true), far: Group::default(), near_share: WHOLE };
        };
        let is_near = |listed: &Listed| listed.zone.as_deref() == Some(own);
        let near = group(&is_near);
        let far = group(&|listed| !is_near(listed));
        let whole: u64 = all
            .iter()
            .filter(|listed| is_near(listed))
            .map(|listed| u64::from(listed.weight))
            .sum();
        let near_share = if near.is_empty() {
            0
        } else if far.is_empty() || least == 0 {
            WHOLE
        } else {
            // Usable of the whole, by the threshold.
            (near.weight() * WHOLE * 1000 / (whole * u64::from(least))).min(WHOLE)
        };
        Self { near, far, near_share }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.near.is_empty() && self.far.is_empty()
    }

    pub(super) fn find(&self, turn: usize, search: Search<'_>) -> Option<&Arc<Endpoint>> {
        if self.far.is_empty() {
            return self.near.find(turn, search);
        }
        // Calls that stay near count turns of their own there, and the others elsewhere, so that
        // both go round evenly.
        let turn = turn as u64 & 0xffff_ffff;
        let kept = turn * self.near_share / WHOLE;
        let stays = (turn + 1) * self.near_share / WHOLE != kept;
        let near = || self.near.find(kept as usize, search);
        let far = || self.far.find((turn - kept) as usize, search);
        if stays { near().or_else(far) } else { far().or_else(near) }
    }
}
