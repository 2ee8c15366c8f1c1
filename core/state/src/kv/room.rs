//! How much a table holds, counted exactly: entries and bytes together, so that neither is ever
//! above its limit, whatever many threads do at once.

use parking_lot::Mutex;

/// The most that one holder of a table may fill it to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// What an entry needs beyond what it has; what it has too much goes back with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// One for a new entry, none for one that is replaced.
    pub(super) entries: u64,
    pub(super) more: u64,
    pub(super) less: u64,
}

impl Need {
    /// To go from an entry of `before` bytes, where there is one, to one of `after`.
    pub(super) fn of(before: Option<u64>, after: u64) -> Self {
        let had = before.unwrap_or(0);
        Self {
            entries: u64::from(before.is_none()),
            more: after.saturating_sub(had),
            less: had.saturating_sub(after),
        }
    }
}

#[derive(Default)]
struct Held {
    entries: u64,
    bytes: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Room(Mutex<Held>);

impl Room {
    /// Takes what is needed; false, and nothing is taken, where that is above the limits. An entry
    /// that does not grow never is.
    pub(super) fn take(&self, need: Need, limits: Limits) -> bool {
        if need.entries == 0 && need.more == 0 {
            if need.less > 0 {
                self.0.lock().bytes -= need.less;
            }
            return true;
        }
        let mut held = self.0.lock();
        let fits = held.fits(need, limits);
        if fits {
            held.entries += need.entries;
            held.bytes += need.more;
        }
        fits
    }

    /// Whether there is room now.
    pub(super) fn has(&self, need: Need, limits: Limits) -> bool {
        self.0.lock().fits(need, limits)
    }

    /// Gives the room of an entry back.
    pub(super) fn give(&self, bytes: u64) {
        let mut held = self.0.lock();
        held.entries -= 1;
        held.bytes -= bytes;
    }

    /// Entries and bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> (u64, u64) {
        let held = self.0.lock();
        (held.entries, held.bytes)
    }
}

impl Held {
    const fn fits(&self, need: Need, limits: Limits) -> bool {
        let entries = self.entries.saturating_add(need.entries) <= limits.entries;
        let bytes = self.bytes.saturating_add(need.more) <= limits.bytes;
        // Limits may have shrunk below what is held: only what grows is held to them.
        (entries || need.entries == 0) && (bytes || need.more == 0)
    }
}
