//! Writing so that a crash leaves the old state or the new, never something between.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::StoreError;

/// A directory only for us.
pub(super) fn directory(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::io("create", path))
}

/// A new file only for us, flushed to disk.
pub(super) fn file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(StoreError::io("create", path))?;
    file.write_all(bytes).map_err(StoreError::io("write", path))?;
    file.sync_all().map_err(StoreError::io("flush", path))
}

/// Gives a new file or directory its name, replacing a file of that name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("rename to", to))?;
    to.parent().map_or(Ok(()), flush)
}

/// Flushes a directory's names to disk.
pub(super) fn flush(directory: &Path) -> Result<(), StoreError> {
    let opened = File::open(directory).map_err(StoreError::io("open", directory))?;
    opened.sync_all().map_err(StoreError::io("flush", directory))
}

/// Replaces a small file as a whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = path.with_extension("new");
    file(&new, bytes)?;
    rename(&new, path)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path)(error))
        }
        _ => path.parent().map_or(Ok(()), flush),
    }
}
