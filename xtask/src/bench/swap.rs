//! A gateway whose handler is another module at each reload.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    conf::{self, OneApi},
    http::Client,
    peer::Peer,
    report::Report,
};
use crate::{
    failure::{Failure, Result},
    tree,
};

/// The gateway, and the file that it takes its handler from.
pub(crate) struct Swapped {
    pub(crate) gateway: Peer,
    /// What is behind it; gone when dropped.
    _upstream: Peer,
    module: Vec<u8>,
    file: PathBuf,
    admin: u16,
    number: u32,
}

impl Swapped {
    /// A gateway with one API, whose only step is `bench-guest`.
    ///
    /// # Errors
    /// When the module is not there or the gateway does not come up.
    pub(crate) fn start(name: &str, report: &Report) -> Result<Self> {
        let built = tree::target().join("handlers/bench-guest.wasm");
        let module = fs::read(&built).map_err(|e| Failure::file(&built, &e))?;
        let upstream = Peer::upstream(report.dir())?;
        let dir = report.subdir(name)?;
        let file = dir.join("swapped.wasm");
        write(&file, &module)?;
        let ports = conf::Ports::free()?;
        let wasm = format!("wasm:\n  swapped: {{ file: \"{}\", reuse: 1000 }}\n", file.display());
        let step = "swapped: { reads: [ x-h0 ], sets: 1 }";
        let config = OneApi { sections: &wasm, handlers: step, ..OneApi::default() }.write(
            &dir,
            ports,
            upstream.port,
        )?;
        let gateway = Peer::gateway(name, &config, ports)?;
        Ok(Self { gateway, _upstream: upstream, module, file, admin: ports.admin, number: 0 })
    }

    /// Puts a module there that has never been, and has it released. Says how long that took.
    ///
    /// # Errors
    /// When the file cannot be written or the gateway refuses it.
    pub(crate) fn swap(&mut self) -> Result<Duration> {
        self.number += 1;
        write(&self.file, &another(&self.module, self.number))?;
        let began = Instant::now();
        // A connection of its own: the admin API closes those that are idle for long.
        let answer = Client::connect(self.admin)?.ask("POST", "/v1/reload", "")?;
        match answer.status {
            200 => Ok(began.elapsed()),
            status => {
                Err(Failure::Failed(format!("a reload is refused, {status}: {}", answer.body)))
            }
        }
    }
}

/// Writes it as a whole: the gateway never reads half of it.
fn write(file: &std::path::Path, bytes: &[u8]) -> Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, file))
        .map_err(|e| Failure::file(file, &e))
}

/// The same module in other bytes: with one more custom section, which means nothing.
fn another(module: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = module.to_vec();
    // Id 0, six bytes: a name of one byte, and the number.
    bytes.extend([0, 6, 1, b'n']);
    bytes.extend(number.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::another;

    #[test]
    fn modules_differ_by_a_section_that_is_whole() {
        let module = b"\0asm\x01\0\0\0";
        let (first, second) = (another(module, 1), another(module, 2));
        assert_ne!(first, second);
        assert_eq!(&first[..8], module);
        // A custom section says its size, in a byte where it is small.
        assert_eq!((first[8], usize::from(first[9])), (0, first.len() - 10));
    }
}
