//! `paifang lock`: writes the SHA-256 of modules into the config files, or says where they differ.

use super::{Failed, args::LockArguments, terminal::say};
use crate::Builder;
use paifang_config::{
    diag::Diagnostics,
    lock::{self, Edit, Lock},
};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

pub(super) fn lock(builder: &Builder, wanted: LockArguments) -> Result<(), Failed> {
    let wrong = |diagnostics: Diagnostics| Failed::Said(diagnostics.render());
    let config = wanted.config.get();
    let sources = builder.sources();
    let (files, environment) = (&*sources.files, &*sources.environment);
    let env = &|name: &str| environment(name);
    let locks = lock::find(&config.origin(), env, files).map_err(wrong)?;
    if locks.entries.is_empty() {
        say(&format!("{}: no `wasm` entries", config.root().display()));
        return Ok(());
    }
    if wanted.check {
        return check(&locks.entries);
    }
    for edit in locks.edits(env, files).map_err(wrong)? {
        replace(&edit)
            .map_err(|why| Failed::Said(format!("cannot write {}: {why}", edit.path.display())))?;
    }
    for lock in &locks.entries {
        tell(lock, if lock.holds() { "as it was" } else { "written" });
    }
    Ok(())
}

/// Says of every entry whether it holds.
fn check(entries: &[Lock]) -> Result<(), Failed> {
    for lock in entries {
        match lock.written {
            None => tell(lock, "not written"),
            Some(_) if lock.holds() => tell(lock, "as written"),
            Some(written) => tell(lock, &format!("DIFFERS, {written} is written")),
        }
    }
    let (wrong, all) = (entries.iter().filter(|lock| !lock.holds()).count(), entries.len());
    if wrong == 0 {
        return Ok(());
    }
    let help = "`paifang lock` writes the SHA-256 of the files";
    Err(Failed::Said(format!("{wrong} of {all} `wasm` entries do not hold; {help}")))
}

/// One line of one entry.
fn tell(lock: &Lock, what: &str) {
    let place = lock.place.as_deref().unwrap_or_default();
    say(&format!("{} ({place}): {} {}: {what}", lock.name, lock.file.display(), lock.sha256));
}

/// Replaces a file by its new content as a whole, so that nobody ever reads half of it. Links stay
/// links; the file keeps its permissions.
fn replace(edit: &Edit) -> io::Result<()> {
    let path = fs::canonicalize(&edit.path)?;
    if fs::read(&path)? != edit.before {
        return Err(io::Error::other("it was changed meanwhile"));
    }
    let permissions = fs::metadata(&path)?.permissions();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    let written = file
        .write_all(&edit.after)
        .and_then(|()| file.set_permissions(permissions))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // Best effort: the error that is told is the first one.
        let _ = fs::remove_file(&new);
    }
    written?;
    // The name, too, is on disk before anything is said.
    path.parent().map_or(Ok(()), |folder: &Path| fs::File::open(folder)?.sync_all())
}
