//! Samples of messages: files, or lines of files.

use super::{Failed, wrong};
use crate::cli::{given, terminal::complain};
use paifang_pipeline::units::ByteSize;
use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The most that is read, in bytes: training with more takes minutes, and gains nothing.
const MAX_TOTAL: usize = 512 << 20;
/// The most messages, and the most files: so many have more in common than a dictionary can hold.
const MAX_COUNT: usize = 4 << 20;
/// How often a long reading says how far it is.
const SAYS: Duration = Duration::from_secs(2);

/// Messages, and where each was found.
#[derive(Debug, Default)]
pub(super) struct Samples {
    bytes: Vec<u8>,
    messages: Vec<Found>,
    files: Vec<PathBuf>,
}

#[derive(Debug)]
struct Found {
    from: usize,
    length: usize,
    file: usize,
    /// From 1; 0 where the file is the message.
    line: usize,
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) file: &'a Path,
    /// From 1; 0 where the file is the message.
    pub(super) line: usize,
}

impl Samples {
    /// Reads these files, and all files in these folders, in the order of their names. Empty messages are passed over.
    pub(super) fn read(from: &[PathBuf], lines: bool) -> Result<Self, Failed> {
        Self::read_up_to(MAX_TOTAL, from, lines)
    }

    /// The same with `most` bytes in all.
    pub(super) fn read_up_to(most: usize, from: &[PathBuf], lines: bool) -> Result<Self, Failed> {
        let mut files = Vec::new();
        for path in from {
            collect(path, &mut files)?;
        }
        let mut samples = Self::default();
        let (mut left, mut said) = (most, Instant::now());
        let count = files.len();
        for (index, file) in files.into_iter().enumerate() {
            let read = File::open(&file).and_then(|from| given::read_all(from, left));
            let bytes = read.map_err(|why| match why.kind() {
                ErrorKind::FileTooLarge => {
                    let most = ByteSize::new(most as u64);
                    wrong(&file, format!("the samples up to this one are more than {most}"))
                }
                _ => wrong(&file, why),
            })?;
            left -= bytes.len();
            samples.add(file, &bytes, lines)?;
            if said.elapsed() > SAYS {
                said = Instant::now();
                complain(&format!("reading: {} of {count} files", index + 1));
            }
        }
        match samples.messages.is_empty() {
            true => Err(Failed::Said("there is no message in these files".to_owned())),
            false => Ok(samples),
        }
    }

    fn add(&mut self, file: PathBuf, bytes: &[u8], lines: bool) -> Result<(), Failed> {
        let number = self.files.len();
        self.files.push(file);
        if !lines {
            return self.push(bytes, number, 0);
        }
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            self.push(line.strip_suffix(b"\r").unwrap_or(line), number, index + 1)?;
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8], file: usize, line: usize) -> Result<(), Failed> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.messages.len() == MAX_COUNT {
            return Err(wrong(&self.files[file], too_many("messages")));
        }
        self.messages.push(Found { from: self.bytes.len(), length: bytes.len(), file, line });
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Every message.
    pub(super) fn iter(&self) -> impl Iterator<Item = Sample<'_>> {
        self.messages.iter().map(|found| Sample {
            bytes: &self.bytes[found.from..found.from + found.length],
            file: &self.files[found.file],
            line: found.line,
        })
    }
}

/// The files at `path` and below, hidden ones apart. Links to folders are not followed.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failed> {
    if !fs::metadata(path).map_err(|why| wrong(path, why))?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|why| wrong(path, why))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(|why| wrong(&entry.path(), why))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !hidden {
            collect(&entry.path(), files)?;
        } else if kind.is_file() && !hidden {
            if files.len() >= MAX_COUNT {
                return Err(wrong(path, too_many("files")));
            }
            files.push(entry.path());
        }
    }
    Ok(())
}

fn too_many(what: &str) -> String {
    format!("the samples up to here are more than {MAX_COUNT} {what}: take a part of them")
}
