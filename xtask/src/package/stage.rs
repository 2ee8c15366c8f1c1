//! A tree of files on its way into a package.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{licences, program::Program};
use crate::{
    failure::{Failure, Result},
    tree,
};

/// Documents at the root of the tree that go into packages.
const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "SECURITY.md", "ARCHITECTURE.md"];

/// A folder that becomes a package. Only what was put there is in it.
pub(super) struct Stage(PathBuf);

impl Stage {
    /// An empty one, beside what is made of it. It goes when it is dropped.
    pub(super) fn new(out: &Path, name: &str) -> Result<Self> {
        let folder = out.join(format!(".{name}.{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, &e))?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of it is; its folder is made.
    pub(super) fn place(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        let folder = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder).map_err(|e| Failure::file(folder, &e))?;
        // Whatever the umask of who builds is.
        let mut inside = folder;
        while inside != self.0 {
            mode(inside, 0o755)?;
            inside = inside.parent().unwrap_or(&self.0);
        }
        Ok(path)
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let path = self.place(name)?;
        fs::write(&path, bytes).map_err(|e| Failure::file(&path, &e))?;
        mode(&path, 0o644)
    }

    /// Writes a file that is run.
    pub(super) fn write_script(&self, name: &str, text: &str) -> Result<()> {
        self.write(name, text)?;
        mode(&self.0.join(name), 0o755)
    }

    /// Copies a file of the source tree.
    pub(super) fn copy(&self, from: &str, name: &str) -> Result<()> {
        let from = tree::root().join(from);
        self.write(name, fs::read(&from).map_err(|e| Failure::file(&from, &e))?)
    }

    /// The program.
    pub(super) fn program(&self, program: &Program, name: &str) -> Result<()> {
        let path = self.place(name)?;
        program.copy_to(&path)?;
        mode(&path, 0o755)
    }

    /// Documents, the licences of all that is linked in, and configs to begin with.
    pub(super) fn documents(&self, docs: &str, examples: &str) -> Result<()> {
        for name in DOCUMENTS {
            self.copy(name, &format!("{docs}{name}"))?;
        }
        for file in files("docs", &["md"])? {
            self.copy(&file, &format!("{docs}{file}"))?;
        }
        self.write(&format!("{docs}THIRD-PARTY-LICENCES.txt"), licences::text()?)?;
        for file in files("conf", &["yaml", "json", "service", "socket"])? {
            let name = file.strip_prefix("conf/").unwrap_or(&file);
            self.copy(&file, &format!("{examples}{name}"))?;
        }
        Ok(())
    }

    /// Every file and folder in it, relative to it, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        walk(&self.0, &self.0, &mut names)?;
        names.sort();
        Ok(names)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays is in nobody's way.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sets the mode of a file.
pub(super) fn mode(path: &Path, mode: u32) -> Result<()> {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).map_err(|e| Failure::file(path, &e))
}

/// The files of the source tree under a folder with one of these endings, sorted.
fn files(folder: &str, endings: &[&str]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    walk(&tree::root(), &tree::root().join(folder), &mut names)?;
    let wanted = |name: &String| endings.iter().any(|end| name.ends_with(&format!(".{end}")));
    names.retain(wanted);
    names.sort();
    Ok(names)
}

fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| Failure::file(folder, &e))? {
        let path = entry.map_err(|e| Failure::file(folder, &e))?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        names.push(name);
        if path.is_dir() {
            walk(root, &path, names)?;
        }
    }
    Ok(())
}
