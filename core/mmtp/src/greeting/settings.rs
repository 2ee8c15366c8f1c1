//! SETTINGS: what a side is ready to receive.

use crate::{
    frame::MAX_FRAME,
    reader::{Malformed, Reader},
    varint,
};

/// What its sender is ready to receive. [`Settings::default`] is what holds until it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Credit of the connection, in bytes.
    pub connection_window: u32,
    /// Credit of each channel, in bytes.
    pub channel_window: u32,
    /// The largest frame, in bytes.
    pub max_frame: u32,
    /// The largest message that is handed on whole, in bytes after decompression.
    pub max_message: u32,
    /// Numbers for operations: 1 to this.
    pub max_operations: u32,
    /// Calls in flight.
    pub max_calls: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connection_window: 65_536,
            channel_window: 65_536,
            max_frame: MAX_FRAME as u32,
            max_message: 1 << 20,
            max_operations: 256,
            max_calls: 64,
        }
    }
}

impl Settings {
    /// The largest credit.
    pub const MAX_WINDOW: u32 = i32::MAX as u32;

    fn slots(&mut self) -> [&mut u32; 6] {
        [
            &mut self.connection_window,
            &mut self.channel_window,
            &mut self.max_frame,
            &mut self.max_message,
            &mut self.max_operations,
            &mut self.max_calls,
        ]
    }

    /// Brings each value into the range that it may have at the other side: nothing below the default, but for `max_frame`,
    /// which is 1,024 at least and a record at most.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let least = Self::default();
        self.connection_window =
            self.connection_window.clamp(least.connection_window, Self::MAX_WINDOW);
        self.channel_window = self.channel_window.clamp(least.channel_window, Self::MAX_WINDOW);
        self.max_frame = self.max_frame.clamp(1024, least.max_frame);
        self.max_message = self.max_message.max(least.max_message);
        self.max_operations = self.max_operations.max(least.max_operations);
        self.max_calls = self.max_calls.max(least.max_calls);
        self
    }

    /// The value of the TLV; only what differs from the default.
    #[must_use]
    pub(super) fn encode(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut default = Self::default();
        let pairs = self.slots().into_iter().zip(default.slots());
        for (key, (value, default)) in (1u64..).zip(pairs) {
            if value != default {
                varint::write(&mut bytes, key);
                varint::write(&mut bytes, u64::from(*value));
            }
        }
        bytes
    }

    /// Reads the TLV. What is smaller than may be counts as the least.
    pub(super) fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut settings = Self::default();
        let mut reader = Reader::new(value);
        while !reader.is_empty() {
            let (key, value) = (reader.varint("setting")?, reader.varint("setting's value")?);
            let slot = (key as usize).checked_sub(1);
            if let Some(slot) = slot.and_then(|slot| settings.slots().into_iter().nth(slot)) {
                *slot = value;
            }
        }
        Ok(settings.bounded())
    }
}
