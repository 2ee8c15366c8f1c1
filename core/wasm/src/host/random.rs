//! `random`: from the system's generator.

use super::{Mode, misuse};
use crate::env::Ctx;
use ring::rand::{SecureRandom, SystemRandom};
use wasmtime::component::LinkerInstance;

/// The most bytes at once.
const MOST: u32 = 4 * 1024;

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, _: Mode) -> wasmtime::Result<()> {
    to.func_wrap("bytes", |_, (count,): (u32,)| {
        if count > MOST {
            return misuse(format!("random bytes: {count} at once, at most {MOST}"));
        }
        let mut bytes = vec![0; count as usize];
        fill(&mut bytes)?;
        Ok((bytes,))
    })?;
    to.func_wrap("number", |_, (): ()| Ok((number()?,)))
}

/// Any number.
pub(super) fn number() -> wasmtime::Result<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Fills it.
pub(super) fn fill(bytes: &mut [u8]) -> wasmtime::Result<()> {
    SystemRandom::new().fill(bytes).or_else(|_| misuse("the system gives no randomness"))
}
