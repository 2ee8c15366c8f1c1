//! Waiting for a change of a package's source, or of the gateway's config.
//!
//! The system says that something happened in a folder; what it was, the files themselves say. So
//! what a build writes, and what an editor leaves beside the source, starts nothing.

use crate::cli::Failed;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant, SystemTime},
};

/// Nothing must have happened for so long: editors write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// Where it is never quiet, the files are looked at nonetheless.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most folders that are watched.
const MOST_FOLDERS: usize = 1000;
/// Files directly in the package's folder that may belong to the source, by their ending.
const SOURCES: [&str; 7] = ["json", "lock", "rs", "toml", "wit", "yaml", "yml"];

/// How a file was when it was last looked at.
type Stamp = (Option<SystemTime>, u64);

/// A package under watch.
pub(super) struct Watch {
    folder: PathBuf,
    configs: Vec<PathBuf>,
    watcher: RecommendedWatcher,
    events: Receiver<()>,
    seen: BTreeMap<PathBuf, Stamp>,
}

impl Watch {
    /// Begins to watch a package's folder, and files besides.
    ///
    /// # Errors
    /// The system does not let us.
    pub(super) fn begin(folder: &Path, configs: Vec<PathBuf>) -> Result<Self, Failed> {
        let (happened, events): (SyncSender<()>, _) = sync_channel(1);
        let notice = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel has news in it already.
                let _ = happened.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(notice).map_err(|why| unable(&why))?;
        let mut watch = Self {
            folder: folder.to_owned(),
            configs: configs.into_iter().filter_map(|file| file.canonicalize().ok()).collect(),
            watcher,
            events,
            seen: BTreeMap::new(),
        };
        watch.follow()?;
        watch.seen = watch.look();
        Ok(watch)
    }

    /// This file was written by us: how it is is how it should be.
    pub(super) fn ours(&mut self, file: &Path) {
        if let Some(stamp) = stamp(file) {
            self.seen.insert(file.to_owned(), stamp);
        }
    }

    /// Waits for a change, and says which files are others now, new, or gone. What changed since the
    /// last look counts, also while nobody waited.
    ///
    /// # Errors
    /// The system does not tell us any more.
    pub(super) fn next(&mut self) -> Result<Vec<PathBuf>, Failed> {
        loop {
            let now = self.look();
            let changed = differing(&self.seen, &now);
            self.seen = now;
            if !changed.is_empty() {
                return Ok(changed);
            }
            self.events.recv().map_err(|why| unable(&why))?;
            let end = Instant::now() + PATIENCE;
            while Instant::now() < end {
                match self.events.recv_timeout(QUIET) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(why @ RecvTimeoutError::Disconnected) => return Err(unable(&why)),
                }
            }
            // There may be new folders.
            self.follow()?;
        }
    }

    /// Watches what there is now; what is watched already stays so.
    fn follow(&mut self) -> Result<(), Failed> {
        let parents = self.configs.iter().filter_map(|file| file.parent().map(Path::to_path_buf));
        for folder in folders(&self.folder).into_iter().chain(parents) {
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Err(why) if folder.is_dir() => return Err(unable(&why)),
                // It has gone again.
                Err(_) | Ok(()) => {}
            }
        }
        Ok(())
    }

    fn look(&self) -> BTreeMap<PathBuf, Stamp> {
        let mut found = BTreeMap::new();
        for folder in folders(&self.folder) {
            let files = fs::read_dir(&folder).into_iter().flatten().flatten();
            for file in files.map(|entry| entry.path()) {
                let source = if folder == self.folder { is_source(&file) } else { !is_left(&file) };
                if source && let Some(stamp) = stamp(&file) {
                    found.insert(file, stamp);
                }
            }
        }
        let configs = self.configs.iter().filter_map(|file| Some((file.clone(), stamp(file)?)));
        found.extend(configs);
        found
    }
}

fn unable(why: &dyn std::fmt::Display) -> Failed {
    Failed::Said(format!("the source cannot be watched: {why}; --once builds without watching"))
}

/// A file's stamp; `None` for what is no file.
fn stamp(file: &Path) -> Option<Stamp> {
    let data = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    Some((data.modified().ok(), data.len()))
}

fn is_source(file: &Path) -> bool {
    file.extension().is_some_and(|end| SOURCES.iter().any(|source| end == *source))
}

/// Modules, which builds leave, and what editors leave while they write.
fn is_left(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with('.')
        || name.ends_with(['~', '#'])
        || [".wasm", ".part"].iter().any(|end| name.ends_with(end))
}

/// A folder and those below it, but for hidden ones and cargo's own.
fn folders(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![root.to_owned()];
    let mut next = 0;
    while next < all.len() && all.len() < MOST_FOLDERS {
        let entries = fs::read_dir(&all[next]).into_iter().flatten().flatten();
        let inner = entries.filter(|entry| {
            let name = entry.file_name();
            let ours = name != "target" && !name.to_string_lossy().starts_with('.');
            ours && entry.file_type().is_ok_and(|kind| kind.is_dir())
        });
        let inner: Vec<PathBuf> = inner.map(|entry| entry.path()).collect();
        all.extend(inner);
        next += 1;
    }
    all
}

fn differing(before: &BTreeMap<PathBuf, Stamp>, now: &BTreeMap<PathBuf, Stamp>) -> Vec<PathBuf> {
    let other = now.iter().filter(|(file, stamp)| before.get(*file) != Some(stamp));
    let gone = before.keys().filter(|file| !now.contains_key(*file));
    let all: BTreeSet<&PathBuf> = other.map(|(file, _)| file).chain(gone).collect();
    all.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests;
