//! What has gone over each channel since it was last asked for: plain sums, for accounts.

/// Sums of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The channel's number.
    pub channel: u8,
    /// Calls and messages that began, from the other side.
    pub received: u64,
    /// Their bytes, blocks of TLVs included.
    pub bytes_received: u64,
    /// Calls, answers and messages that began, to the other side.
    pub sent: u64,
    /// Their bytes, blocks of TLVs included.
    pub bytes_sent: u64,
}

/// The channels that something has gone over.
#[derive(Debug, Default)]
pub(super) struct Account(Vec<Traffic>);

impl Account {
    /// The sums of a channel.
    pub(super) fn of(&mut self, channel: u8) -> &mut Traffic {
        let place = match self.0.iter().position(|own| own.channel == channel) {
            Some(place) => place,
            None => {
                // Most connections use one or two.
                self.0.reserve_exact(1);
                self.0.push(Traffic { channel, ..Traffic::default() });
                self.0.len() - 1
            }
        };
        &mut self.0[place]
    }

    fn take(&mut self) -> impl Iterator<Item = Traffic> {
        let moved =
            |own: &&mut Traffic| **own != Traffic { channel: own.channel, ..Traffic::default() };
        self.0.iter_mut().filter(moved).map(|own| {
            let empty = Traffic { channel: own.channel, ..Traffic::default() };
            std::mem::replace(own, empty)
        })
    }
}

impl super::Session {
    /// What has gone over the channels since this was last asked; those that nothing has gone over are left out.
    pub fn take_traffic(&mut self) -> impl Iterator<Item = Traffic> {
        self.traffic.take()
    }
}
