//! `wasi:filesystem`: nothing is opened beforehand, so that no descriptor can ever be had, and nothing
//! that takes one can be called.

use super::{
    handles::{Descriptor, DirectoryEntryStream, Error, InputStream, OutputStream},
    io::resource,
};
use crate::{env::Ctx, host::misuse};
use wasmtime::component::{Linker, Resource, Val};

/// Methods of a descriptor, of all of 0.2.
const METHODS: [&str; 27] = [
    "read-via-stream",
    "write-via-stream",
    "append-via-stream",
    "advise",
    "sync-data",
    "get-flags",
    "get-type",
    "set-size",
    "set-times",
    "read",
    "write",
    "read-directory",
    "sync",
    "create-directory-at",
    "stat",
    "stat-at",
    "set-times-at",
    "link-at",
    "open-at",
    "readlink-at",
    "remove-directory-at",
    "rename-at",
    "symlink-at",
    "unlink-file-at",
    "is-same-object",
    "metadata-hash",
    "metadata-hash-at",
];

pub(super) fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.0")?;
    resource::<Descriptor>(&mut types, "descriptor")?;
    resource::<DirectoryEntryStream>(&mut types, "directory-entry-stream")?;
    resource::<Error>(&mut types, "error")?;
    resource::<InputStream>(&mut types, "input-stream")?;
    resource::<OutputStream>(&mut types, "output-stream")?;
    // Their records need not be known here: whoever calls one would have to hold a descriptor.
    let methods = METHODS.iter().map(|name| format!("[method]descriptor.{name}"));
    let next = "[method]directory-entry-stream.read-directory-entry".to_owned();
    for name in methods.chain([next]) {
        types.func_new(&name, |_, _, _, _| misuse("there are no files"))?;
    }
    types.func_new("filesystem-error-code", |_, _, _, results| {
        if let [result] = results {
            *result = Val::Option(None);
        }
        Ok(())
    })?;
    linker.instance("wasi:filesystem/preopens@0.2.0")?.func_wrap("get-directories", |_, (): ()| {
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}
