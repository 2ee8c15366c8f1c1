//! Who switched which plan and why: the last entries in memory, and all that fit in a file beside the
//! kept releases.
//!
//! The file holds a JSON object a line and is only ever added to. Once it has grown beyond
//! [`LARGEST`] it gets the name of the one before, which goes, and a new one is begun.

use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Mutex,
};

use super::controller::lock;

/// The file.
const FILE: &str = "plans.log";
/// The one before.
const BEFORE: &str = "plans.log.1";
/// How large the file may grow, in bytes.
const LARGEST: u64 = 1 << 20;
/// Entries in memory, and told.
const LAST: usize = 100;

/// What was done with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    On,
    Off,
    Rehearsed,
}

/// Something that was done with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) unix_seconds: u64,
    pub(crate) plan: String,
    pub(crate) action: Action,
    pub(crate) reason: Option<String>,
    /// The release that it made, or that was live.
    pub(crate) release: u64,
    /// The address that asked, and what it calls itself.
    pub(crate) by: String,
}

/// All that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<VecDeque<Entry>>);

impl Audit {
    /// What the files in this directory remember. What cannot be read is passed over: it was for
    /// people.
    pub(crate) fn read(directory: Option<&Path>) -> Self {
        let mut last = VecDeque::new();
        for file in directory.iter().flat_map(|beside| [BEFORE, FILE].map(|name| beside.join(name)))
        {
            let text = match fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "what was done with plans before cannot be read");
                    continue;
                }
            };
            for entry in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
                remember(&mut last, entry);
            }
        }
        Self(Mutex::new(last))
    }

    /// Notes it in memory and, where there is one, in the file in this directory; flushed to disk.
    /// Blocks.
    ///
    /// # Errors
    /// Why it is in memory only.
    pub(crate) fn note(&self, entry: Entry, directory: Option<&Path>) -> io::Result<()> {
        // One at a time in the file, too.
        let mut last = lock(&self.0);
        let written = directory.map_or(Ok(()), |directory| append(directory, &entry));
        remember(&mut last, entry);
        written
    }

    /// The newest first.
    pub(crate) fn last(&self) -> Vec<Entry> {
        lock(&self.0).iter().rev().cloned().collect()
    }
}

fn remember(last: &mut VecDeque<Entry>, entry: Entry) {
    if last.len() == LAST {
        last.pop_front();
    }
    last.push_back(entry);
}

fn append(directory: &Path, entry: &Entry) -> io::Result<()> {
    let path = directory.join(FILE);
    if fs::metadata(&path).is_ok_and(|known| known.len() > LARGEST) {
        fs::rename(&path, directory.join(BEFORE))?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.create(true).read(true).append(true).mode(0o600).open(&path)?;
    let mut line = Vec::new();
    if is_torn(&mut file)? {
        line.push(b'\n');
    }
    serde_json::to_writer(&mut line, entry)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

/// Whether a crash has left a line without its end.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    //! What is remembered, and for how long.
    #![allow(clippy::unwrap_used)]
    use super::{Action, Audit, BEFORE, Entry, FILE, LARGEST, LAST};
    use std::fs;

    fn entry(release: u64) -> Entry {
        Entry {
            unix_seconds: 1,
            plan: "sale".to_owned(),
            action: Action::On,
            reason: Some("a \"reason\"\u{2028}of ours".to_owned()),
            release,
            by: "127.0.0.1:1".to_owned(),
        }
    }

    #[test]
    fn the_last_ones_are_found_again_and_what_is_broken_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::read(Some(folder.path()));
        for release in 0..LAST as u64 + 5 {
            audit.note(entry(release), Some(folder.path())).unwrap();
        }
        let file = folder.path().join(FILE);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), LAST + 5);
        // As a crash leaves the last line.
        fs::write(&file, text + "{\"unix_sec").unwrap();
        let again = Audit::read(Some(folder.path()));
        assert_eq!(again.last(), audit.last());
        assert_eq!((again.last().len(), again.last()[0].clone()), (LAST, entry(LAST as u64 + 4)));
        again.note(entry(7), Some(folder.path())).unwrap();
        assert_eq!(Audit::read(Some(folder.path())).last()[0], entry(7));
        assert!(Audit::read(None).last().is_empty());
    }

    #[test]
    fn the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (file, before) = (folder.path().join(FILE), folder.path().join(BEFORE));
        fs::write(&before, "older still").unwrap();
        fs::write(&file, vec![b'\n'; LARGEST as usize + 1]).unwrap();
        let audit = Audit::default();
        audit.note(entry(1), Some(folder.path())).unwrap();
        assert_eq!(fs::metadata(&before).unwrap().len(), LARGEST + 1);
        assert_eq!(Audit::read(Some(folder.path())).last(), [entry(1)]);
    }

    #[test]
    fn what_cannot_be_written_is_remembered_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::default();
        audit.note(entry(1), Some(&folder.path().join("none"))).unwrap_err();
        assert_eq!(audit.last(), [entry(1)]);
    }
}
