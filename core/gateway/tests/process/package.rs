//! Packages of handlers, as authors make and build them.

use crate::process::{Done, paifang, run};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A handler's package. Each test has a name of its own: what cargo builds goes to one folder for
/// all, so that the kit and the standard library are built once.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    folder: PathBuf,
}

impl Package {
    /// Where packages are; the same from run to run, so that what was built serves again.
    fn home() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages")
    }

    /// Makes it by `handler new`, on ports that the system chooses.
    pub(crate) fn new(name: &'static str, more: &[&str]) -> Self {
        let package = Self { name, folder: Self::home().join(name) };
        // There is none at the first run.
        let _ = fs::remove_dir_all(&package.folder);
        fs::create_dir_all(Self::home()).unwrap();
        let mut command = paifang();
        command.args(["handler", "new", name]).args(more).current_dir(Self::home());
        let done = run(&mut command);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains("paifang handler build"), "it says what comes next: {done:?}");
        package.edit("paifang.yaml", "127.0.0.1:8080", "127.0.0.1:0");
        package.edit("paifang.yaml", "127.0.0.1:9900", "127.0.0.1:0");
        package
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Replaces a text in a file, which must hold it.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} does not hold `{from}`");
        fs::write(self.path(file), text.replace(from, to)).unwrap();
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        Self::home().join("target")
    }

    /// Where its module is put by itself.
    pub(crate) fn module(&self) -> PathBuf {
        self.path("target/handlers").join(format!("{}.wasm", self.name))
    }

    /// A command in its folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = paifang();
        command.args(arguments).current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", self.target());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        run(&mut self.command(arguments))
    }

    /// Builds it, which must succeed.
    pub(crate) fn build(&self) -> Done {
        let done = self.run(&["handler", "build"]);
        assert_eq!(done.code, 0, "{}", done.err);
        done
    }
}
