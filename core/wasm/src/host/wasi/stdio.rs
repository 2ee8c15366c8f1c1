//! Standard output and standard error: their lines are lines of the log, as far as `log` is granted.

use crate::{
    env::{Ctx, Env},
    host::logging,
};
use std::sync::Arc;
use wasmtime::{StoreContextMut, component::WasmList};

/// The standard error; everything else is the standard output.
pub(super) const STDERR: u32 = 2;

/// What an instance has written since the last end of a line. What is left when it ends is a line too.
pub(crate) struct Stdio {
    env: Arc<Env>,
    /// Of the standard output and of the standard error.
    begun: [Vec<u8>; 2],
}

/// Writes to one of the two what lies in the instance's memory.
pub(super) fn write_list(store: &mut StoreContextMut<'_, Ctx>, to: u32, bytes: &WasmList<u8>) {
    // Bytes that nobody will see are not copied.
    if store.data().env.spec.grants.log {
        let bytes = bytes.as_le_slice(&*store).to_vec();
        write(store.data_mut(), to, &bytes);
    }
}

fn write(ctx: &mut Ctx, to: u32, mut bytes: &[u8]) {
    let env = ctx.env.clone();
    let stdio = ctx.stdio.get_or_insert_with(|| Box::new(Stdio { env, begun: Default::default() }));
    let stream = usize::from(to == STDERR);
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        let begun = &mut stdio.begun[stream];
        // What is beyond the longest line would be cut anyway.
        let room = logging::LONGEST.saturating_sub(begun.len());
        begun.extend_from_slice(&line[..line.len().min(room)]);
        if end.is_some() {
            stdio.line(stream);
        }
        bytes = rest.get(1..).unwrap_or_default();
    }
}

impl Stdio {
    /// Ends a line.
    fn line(&mut self, stream: usize) {
        let line = std::mem::take(&mut self.begun[stream]);
        let level = if stream == 0 { logging::Level::Info } else { logging::Level::Warn };
        logging::write(&self.env, level, &String::from_utf8_lossy(&line));
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        for stream in 0..self.begun.len() {
            if !self.begun[stream].is_empty() {
                self.line(stream);
            }
        }
    }
}
