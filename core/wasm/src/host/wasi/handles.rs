//! Handles of WASI's resources: how many an instance holds, and what the few that know something know.

use crate::{env::Ctx, host::misuse};
use wasmtime::component::Resource;

/// The most that an instance may hold at once.
const MOST: u32 = 256;

/// What an instance holds.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    alive: u32,
    /// Pollables that wait for a time on the monotonic clock, in nanoseconds: by their number less one.
    due: Vec<Option<u64>>,
}

/// The number of what is ready at once.
const READY: u32 = 0;

impl Ctx {
    /// A handle that the instance owns from now on.
    pub(super) fn own<T: 'static>(&mut self, number: u32) -> wasmtime::Result<Resource<T>> {
        if self.handles.alive >= MOST {
            return misuse(format!("more than {MOST} handles at once"));
        }
        self.handles.alive += 1;
        Ok(Resource::new_own(number))
    }

    /// It was given back.
    pub(super) fn returned(&mut self) {
        self.handles.alive = self.handles.alive.saturating_sub(1);
    }

    /// A pollable that is ready at once.
    pub(super) fn ready(&mut self) -> wasmtime::Result<Resource<Pollable>> {
        self.own(READY)
    }

    /// A pollable that is ready from this time on.
    pub(super) fn due_at(&mut self, nanos: u64) -> wasmtime::Result<Resource<Pollable>> {
        let due = &mut self.handles.due;
        let place = due.iter().position(Option::is_none).unwrap_or(due.len());
        let number = u32::try_from(place + 1)?;
        let owned = self.own(number)?;
        let due = &mut self.handles.due;
        if place == due.len() {
            due.push(Some(nanos));
        } else {
            due[place] = Some(nanos);
        }
        Ok(owned)
    }

    /// Whether a pollable is ready now.
    pub(super) fn is_ready(&self, pollable: &Resource<Pollable>) -> bool {
        let due = self.due_of(pollable.rep());
        due.is_none_or(|due| due <= self.env.clock.now().0)
    }

    fn due_of(&self, number: u32) -> Option<u64> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.handles.due.get(place).copied().flatten()
    }

    /// A pollable was given back.
    pub(super) fn poll_returned(&mut self, number: u32) {
        self.returned();
        let place = number.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        if let Some(due) = place.and_then(|place| self.handles.due.get_mut(place)) {
            *due = None;
        }
    }
}

/// `wasi:io/poll.pollable`.
pub(super) struct Pollable;
/// `wasi:io/error.error`; there are none.
pub(super) struct Error;
/// `wasi:io/streams.input-stream`; it is at its end.
pub(super) struct InputStream;
/// `wasi:io/streams.output-stream`; its number is that of the stream.
pub(super) struct OutputStream;
/// `wasi:cli/terminal-input.terminal-input`; there are none.
pub(super) struct TerminalInput;
/// `wasi:cli/terminal-output.terminal-output`; there are none.
pub(super) struct TerminalOutput;
/// `wasi:filesystem/types.descriptor`; there are none.
pub(super) struct Descriptor;
/// `wasi:filesystem/types.directory-entry-stream`; there are none.
pub(super) struct DirectoryEntryStream;
