//! Compiling with an end to the waiting.
//!
//! The compiler cannot be stopped, so it works on a thread of its own, and after a while nobody waits
//! for it any more. As long as such a thread is at work no other file is compiled, so that hostile
//! files cannot heap up.

use crate::component::{ModuleError, Opened, open};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc, Weak,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};
use wasmtime::{Engine, component::Component};

/// How long a file may take to compile.
const LONGEST: Duration = Duration::from_secs(120);

/// The stack of that thread, in bytes.
const STACK: usize = 8 << 20;

/// Compiles the files of one host.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    /// Alive while one is at work for which nobody waits.
    left: Mutex<Weak<()>>,
}

/// What becomes of a file.
pub(crate) struct Compiled {
    pub(crate) component: Component,
    pub(crate) opened: Opened,
}

impl Compiler {
    /// Reads, checks and compiles a file.
    pub(crate) fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Compiled, ModuleError> {
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        self.within(LONGEST, move || {
            let opened = open(bytes)?;
            let component = Component::new(&engine, &opened.component)
                .map_err(|error| ModuleError::Invalid(format!("{error:#}")))?;
            Ok(Compiled { component, opened })
        })?
    }

    fn within<T: Send + 'static>(
        &self,
        longest: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ModuleError> {
        if self.left.lock().strong_count() > 0 {
            return Err(ModuleError::Busy);
        }
        let at_work = Arc::new(());
        let watched = Arc::downgrade(&at_work);
        // A place for the result, so that the thread ends also where nobody takes it.
        let (give, take) = sync_channel(1);
        let spawned = thread::Builder::new()
            .name("paifang-compile".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let _at_work = at_work;
                // Where nobody waits any more it is dropped.
                let _ = give.send(work());
            });
        if let Err(error) = spawned {
            return Err(ModuleError::Invalid(format!("no thread for the compiler: {error}")));
        }
        match take.recv_timeout(longest) {
            Ok(done) => Ok(done),
            // Its thread has panicked, which must cost this file and no more.
            Err(RecvTimeoutError::Disconnected) => {
                Err(ModuleError::Invalid("the compiler broke off".to_owned()))
            }
            Err(RecvTimeoutError::Timeout) => {
                *self.left.lock() = watched;
                Err(ModuleError::Slow(longest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_and_nothing_heaps_up() {
        let compiler = Compiler::default();
        let (end, ended) = sync_channel::<()>(0);
        let endless = move || {
            let _ = ended.recv();
        };
        let brief = Duration::from_millis(1);
        assert_eq!(compiler.within(brief, endless), Err(ModuleError::Slow(brief)));
        assert_eq!(compiler.within(LONGEST, || 1), Err(ModuleError::Busy));
        end.send(()).unwrap();
        while compiler.left.lock().strong_count() > 0 {
            thread::yield_now();
        }
        assert_eq!(compiler.within(LONGEST, || 2), Ok(2));
    }

    #[test]
    fn a_panic_of_the_compiler_is_an_error_of_the_file() {
        let broken = Compiler::default().within(LONGEST, || panic!("in a test"));
        assert!(matches!(broken, Err::<(), _>(ModuleError::Invalid(_))));
    }
}
