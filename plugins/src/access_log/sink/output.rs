//! A file or a standard stream that whole lines are appended to.

use super::super::config::Destination;
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Where batches of lines are written.
pub(super) struct Output {
    target: Target,
    /// Whether the last write failed; told once, not with every batch.
    failing: bool,
    /// Whether a failed write may have left a piece of a line.
    torn: bool,
}

enum Target {
    Stdout,
    Stderr,
    File { path: PathBuf, file: File, check: Duration, checked: Instant },
}

impl Output {
    /// Opens a destination; `check` is how often it is looked whether a file was moved away.
    pub(super) fn open(destination: &Destination, check: Duration) -> io::Result<Self> {
        let target = match destination {
            Destination::Stdout => Target::Stdout,
            Destination::Stderr => Target::Stderr,
            Destination::File(path) => Target::File {
                path: path.clone(),
                file: append_to(path)?,
                check,
                checked: Instant::now(),
            },
        };
        Ok(Self { target, failing: false, torn: false })
    }

    /// Appends whole lines. Says whether that went well; what failed is told in the gateway's log.
    pub(super) fn write(&mut self, lines: &[u8]) -> bool {
        if self.target.follow() {
            self.torn = false;
        }
        match self.append(lines) {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(sink = %self.target.name(), "the access log is written again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(sink = %self.target.name(), %error, "lines of the access log are lost");
                }
                false
            }
        }
    }

    /// Appends lines, behind a line break where the last ones were torn.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.target.append(b"\n").map_err(|(_, error)| error)?;
            self.torn = false;
        }
        self.target.append(lines).map_err(|(written, error)| {
            self.torn = written > 0;
            error
        })
    }
}

impl Target {
    fn name(&self) -> String {
        match self {
            Self::Stdout => "stdout".to_owned(),
            Self::Stderr => "stderr".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Appends bytes; on error says how many of them were written.
    fn append(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        match self {
            Self::Stdout => append(&mut io::stdout().lock(), bytes),
            Self::Stderr => append(&mut io::stderr().lock(), bytes),
            Self::File { file, .. } => append(file, bytes),
        }
    }

    /// Opens the file again where another, or none, stands at its path by now; says whether it did.
    fn follow(&mut self) -> bool {
        let Self::File { path, file, check, checked } = self else { return false };
        if checked.elapsed() < *check {
            return false;
        }
        *checked = Instant::now();
        let here = fs::metadata(&*path);
        let same = match (&here, file.metadata()) {
            (Ok(here), Ok(open)) => is_same(here, &open),
            // Nothing can be told of it, so it is kept.
            (_, Err(_)) => true,
            (Err(_), _) => false,
        };
        if same {
            return false;
        }
        match append_to(path) {
            Ok(new) => {
                *file = new;
                true
            }
            Err(error) => {
                tracing::warn!(sink = %path.display(), %error, "the access log goes on in the moved file");
                false
            }
        }
    }
}

/// `write_all`, but its error tells how far it came.
fn append(out: &mut impl Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(some) => written += some,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    out.flush().map_err(|error| (written, error))
}

/// Opens a file for appending; makes it, readable by the owner and the group, where there is none.
fn append_to(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|there| is_pipe(&there)) {
        // Opening it would wait for a reader.
        return Err(io::Error::new(io::ErrorKind::Unsupported, "it is a named pipe"));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

#[cfg(unix)]
fn is_pipe(file: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&file.file_type())
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

/// Elsewhere an open file cannot be moved away.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
