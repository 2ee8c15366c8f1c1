//! The program to run in this one's place: the file at the path by which this one was started, as it is then, with
//! the same arguments, environment and directory. Nobody who asks for an upgrade has a say in it.

use super::new::TAKE_OVER;
use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// How this process was started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Of this process.
    ///
    /// # Errors
    /// Where the system does not say what runs.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        let search = env::var_os("PATH").unwrap_or_default();
        let path = match locate(&name, &env::current_dir()?, &search) {
            Some(path) => path,
            None => env::current_exe()?,
        };
        Ok(Self { path, arguments: arguments.collect() })
    }

    /// The file that an upgrade runs.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Another program, for tests.
    #[cfg(test)]
    pub(super) fn other(path: &str, arguments: &[&str]) -> Self {
        Self { path: path.into(), arguments: arguments.iter().map(Into::into).collect() }
    }

    /// Starts it with one end of a socket as its standard input; gives the other.
    pub(super) fn start(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.path)
            .args(&self.arguments)
            .env(TAKE_OVER, "stdin")
            // Those were for this process.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("LISTEN_FDNAMES")
            .stdin(OwnedFd::from(theirs))
            .spawn()?;
        Ok((child, ours))
    }
}

/// The absolute path of what a shell calls `name`. Links stay links: where one names the version, an upgrade follows
/// it to the next. `None` where it is not found, so that only the system knows.
fn locate(name: &OsStr, here: &Path, search: &OsStr) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return Some(here.join(path));
    }
    let places = env::split_paths(search).map(|place| here.join(place).join(path));
    let mut found = places.filter(|path| !name.is_empty() && path.is_file());
    found.next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::locate;
    use std::{ffi::OsStr, path::Path};

    #[test]
    fn found_as_a_shell_finds_it_and_links_stay_links() {
        let folder = tempfile::TempDir::new().unwrap();
        let link = folder.path().join("gate");
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        let search = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        let here = Path::new("/here");
        let located = |name: &str| locate(OsStr::new(name), here, &search);
        assert_eq!(located("gate"), Some(link));
        assert_eq!(located("bin/gate").unwrap(), Path::new("/here/bin/gate"));
        assert_eq!(located("./gate").unwrap(), Path::new("/here/./gate"));
        assert_eq!(located("/opt/gate").unwrap(), Path::new("/opt/gate"));
        assert_eq!(located("nothing-of-that-name"), None);
        assert_eq!(located(""), None);
    }
}
