//! Files that people name on the command line: read up to a limit, for a name may lead to a device or pipe that never ends.

use paifang_pipeline::units::ByteSize;
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// The most bytes of a body.
pub(super) const MAX_BODY: usize = 64 << 20;
/// The most bytes of a file with certificates: a system's whole store is a tenth of that.
const MAX_CERTIFICATES: usize = 4 << 20;

/// What is in this file, at most `most` bytes.
///
/// # Errors
/// With the file's name, when it cannot be read or has more.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, String> {
    let all = File::open(path).and_then(|file| read_all(file, most));
    all.map_err(|why| format!("{}: {why}", path.display()))
}

/// Certificates, PEM.
///
/// # Errors
/// As [`read`].
pub(super) fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    read(path, MAX_CERTIFICATES)
}

/// What comes, at most `most` bytes.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] when more comes, or as reading fails.
pub(super) fn read_all(from: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take((most as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let why = format!("it has more than {}", ByteSize::new(most as u64));
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_read_up_to_the_limit() {
        assert_eq!(read_all(&b"four"[..], 4).unwrap(), b"four");
        let why = read_all(io::repeat(0), 2 << 10).unwrap_err();
        assert_eq!(
            (why.kind(), why.to_string().as_str()),
            (ErrorKind::FileTooLarge, "it has more than 2KiB")
        );
        let why = read(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!(why, "/dev/zero: it has more than 1MiB");
        assert!(read(Path::new("/nowhere"), 1).unwrap_err().starts_with("/nowhere: "));
    }
}
