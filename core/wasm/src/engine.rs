//! The engine that all handlers of a gateway share, and how it is set up.

use crate::ticker::Ticker;
use std::{
    io,
    path::{Path, PathBuf},
};
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig,
};

/// Instances that may exist at once, over all handlers. Each reserves address space, not memory.
const INSTANCES: u32 = 1_000;
/// Core instances in one component: its own, and those through which its imports are linked.
const CORES_EACH: u32 = 5;
/// The most of them in one, so that no component takes those of many others.
const CORES_MOST: u32 = 32;
/// The largest linear memory that any entry may ask for, in bytes.
pub const LARGEST_MEMORY: usize = 1 << 30;
/// The largest table that any entry may ask for, in elements.
pub const LARGEST_TABLE: usize = 1_000_000;
/// How much of an instance's memory is put back by copying when it ends, in bytes; the rest is given
/// back to the system. Copying costs no page faults and no word to other cores.
const KEEP_RESIDENT: usize = 512 << 10;
/// The stack that compiled code may use of the thread that it runs on, in bytes.
const STACK: usize = 256 << 10;

/// Why the host cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The directory for compiled code cannot be used.
    #[error("{}: {why}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
}

pub(crate) fn engine(cache: Option<&Path>) -> Result<(Engine, Ticker), HostError> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    // What handlers don't need, attackers don't get.
    config.wasm_memory64(false).wasm_tail_call(false).wasm_custom_page_sizes(false);
    config.wasm_relaxed_simd(false).wasm_wide_arithmetic(false);
    config.cranelift_opt_level(OptLevel::Speed);
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK).async_stack_size(2 * STACK);
    // Symbols stay for error messages; addresses are nobody's business.
    config.wasm_backtrace_max_frames(None);
    if let Some(directory) = cache {
        config.cache(Some(cache_in(directory)?));
    }
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORES_EACH)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * CORES_EACH)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(CORES_MOST)
        .max_memories_per_component(1)
        .max_memory_size(LARGEST_MEMORY)
        .table_elements(LARGEST_TABLE)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        // Asking the kernel what is dirty costs more than copying the little that there is.
        .pagemap_scan(Enabled::No);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let failed = |error: String| HostError::Engine(error);
    let engine = Engine::new(&config).map_err(|error| failed(format!("{error:#}")))?;
    let ticker = Ticker::start(&engine).map_err(|error| failed(error.to_string()))?;
    Ok((engine, ticker))
}

/// Compiled code is run as it is, so it must come from us: the directory is made with mode 0700, and
/// one that others could have written to is refused.
fn cache_in(path: &Path) -> Result<Cache, HostError> {
    let failed = |why: String| HostError::Cache { path: path.to_owned(), why };
    private(path).map_err(|error| failed(error.to_string()))?;
    // The cache takes no relative path, and a later change of the working directory moves none.
    let whole = path.canonicalize().map_err(|error| failed(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(whole);
    Cache::new(config).map_err(|error| failed(format!("{error:#}")))
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let directory = std::fs::symlink_metadata(path)?;
    let probe = path.join(format!(".owner-{}", std::process::id()));
    let ours = std::fs::File::create(&probe).and_then(|file| file.metadata());
    // Left behind it would do no harm.
    let _ = std::fs::remove_file(&probe);
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    if !directory.is_dir() {
        return refused("it is no directory");
    }
    if directory.uid() != ours?.uid() {
        return refused("it belongs to somebody else; compiled code is only taken from our own");
    }
    if directory.permissions().mode() & 0o077 != 0 {
        return refused("others may read or write it; `chmod 700` it, or name another directory");
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{env, fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_directory_is_taken_by_a_relative_path_too() {
        let folder = tempfile::tempdir().unwrap();
        let up: PathBuf = env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
        let path = up.join(folder.path().strip_prefix("/").unwrap()).join("code");
        assert!(path.is_relative());
        assert!(cache_in(&path).is_ok());
        let mode = fs::metadata(folder.path().join("code")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let refused = cache_in(folder.path()).map(drop).unwrap_err().to_string();
        assert!(refused.contains("chmod 700"), "{refused}");
    }
}
