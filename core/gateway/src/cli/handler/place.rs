//! Putting a module where a gateway finds it.

use super::wrong;
use crate::cli::Failed;
use std::{fs, path::Path, process};

/// Replaces a file as a whole: a gateway that watches it never sees a part. The same content is left
/// alone, so that nothing is reloaded for it. Whether the file is another one now.
///
/// # Errors
/// It cannot be written.
pub(super) fn put(bytes: &[u8], to: &Path) -> Result<bool, Failed> {
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|why| wrong(folder, why))?;
    }
    let part = to.with_extension(format!("wasm.{}.part", process::id()));
    let put = fs::write(&part, bytes).and_then(|()| fs::rename(&part, to));
    put.map_err(|why| {
        // What is left of it is of no use; there may be nothing.
        let _ = fs::remove_file(&part);
        wrong(to, why)
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn the_same_content_is_left_alone_and_other_content_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("handlers/a.wasm");
        assert!(put(b"one", &to).unwrap());
        // Only a new file would be younger.
        let old = SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(&to).unwrap().set_modified(old).unwrap();
        assert!(!put(b"one", &to).unwrap());
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), old);
        assert!(put(b"two", &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"two");
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1, "no part is left");
    }

    #[test]
    fn what_cannot_be_replaced_leaves_no_part() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("a.wasm");
        fs::create_dir(&to).unwrap();
        fs::write(to.join("full"), "").unwrap();
        assert!(matches!(put(b"one", &to), Err(Failed::Said(why)) if why.contains("a.wasm")));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
