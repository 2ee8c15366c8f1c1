//! `wasi:io`: streams to the log, streams that are at their end, and waiting that is over at once.

// The derived traits say how the records are laid out.
#![allow(unsafe_code)]

use super::{
    handles::{Error, InputStream, OutputStream, Pollable},
    stdio,
};
use crate::{env::Ctx, host::misuse};
use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList},
};

/// How many bytes a stream takes at once; it always does.
const ROOM: u64 = 64 << 10;

/// Why a stream says no more.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code)]
    LastOperationFailed(Resource<Error>),
    #[component(name = "closed")]
    Closed,
}

type Said<T> = Result<T, StreamError>;
type Store<'a> = StoreContextMut<'a, Ctx>;

pub(super) fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut error = linker.instance("wasi:io/error@0.2.0")?;
    resource::<Error>(&mut error, "error")?;
    error.func_wrap("[method]error.to-debug-string", |_, (_,): (Resource<Error>,)| {
        Ok((String::new(),))
    })?;
    poll(&mut linker.instance("wasi:io/poll@0.2.0")?)?;
    let mut streams = linker.instance("wasi:io/streams@0.2.0")?;
    resource::<Error>(&mut streams, "error")?;
    input(&mut streams)?;
    output(&mut streams)
}

/// A resource whose handles are counted.
pub(super) fn resource<T: 'static>(
    to: &mut LinkerInstance<'_, Ctx>,
    name: &str,
) -> wasmtime::Result<()> {
    to.resource(name, ResourceType::host::<T>(), |mut store, _| {
        store.data_mut().returned();
        Ok(())
    })
}

fn poll(to: &mut LinkerInstance<'_, Ctx>) -> wasmtime::Result<()> {
    to.resource("pollable", ResourceType::host::<Pollable>(), |mut store, number| {
        store.data_mut().poll_returned(number);
        Ok(())
    })?;
    to.func_wrap("[method]pollable.ready", |store: Store<'_>, (this,): (Resource<Pollable>,)| {
        Ok((store.data().is_ready(&this),))
    })?;
    to.func_wrap("[method]pollable.block", |store: Store<'_>, (this,): (Resource<Pollable>,)| {
        if store.data().is_ready(&this) { Ok(()) } else { waits() }
    })?;
    to.func_wrap("poll", |store: Store<'_>, (of,): (Vec<Resource<Pollable>>,)| {
        let ready: Vec<u32> =
            (0..).zip(&of).filter(|(_, one)| store.data().is_ready(one)).map(|(n, _)| n).collect();
        if ready.is_empty() { waits() } else { Ok((ready,)) }
    })
}

/// A worker is not put to sleep.
fn waits<T>() -> wasmtime::Result<T> {
    misuse("waiting for a time: handlers do not sleep")
}

fn input(to: &mut LinkerInstance<'_, Ctx>) -> wasmtime::Result<()> {
    type Asked = (Resource<InputStream>, u64);
    resource::<InputStream>(to, "input-stream")?;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        to.func_wrap(name, |_, (..): Asked| Ok((Said::<Vec<u8>>::Err(StreamError::Closed),)))?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        to.func_wrap(name, |_, (..): Asked| Ok((Said::<u64>::Err(StreamError::Closed),)))?;
    }
    to.func_wrap(
        "[method]input-stream.subscribe",
        |mut store: Store<'_>, (_,): (Resource<InputStream>,)| Ok((store.data_mut().ready()?,)),
    )
}

fn output(to: &mut LinkerInstance<'_, Ctx>) -> wasmtime::Result<()> {
    type This = (Resource<OutputStream>,);
    resource::<OutputStream>(to, "output-stream")?;
    to.func_wrap("[method]output-stream.check-write", |_, (_,): This| Ok((Said::Ok(ROOM),)))?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        to.func_wrap(
            name,
            |mut store: Store<'_>, (this, bytes): (Resource<OutputStream>, WasmList<u8>)| {
                if bytes.len() as u64 > ROOM {
                    return misuse("more bytes at once than a stream said it takes");
                }
                stdio::write_list(&mut store, this.rep(), &bytes);
                Ok((Said::Ok(()),))
            },
        )?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        to.func_wrap(name, |_, (_,): This| Ok((Said::Ok(()),)))?;
    }
    for name in [
        "[method]output-stream.write-zeroes",
        "[method]output-stream.blocking-write-zeroes-and-flush",
    ] {
        // Zeroes are no text, and nobody's lines have them.
        to.func_wrap(name, |_, (_, _): (Resource<OutputStream>, u64)| Ok((Said::Ok(()),)))?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        to.func_wrap(name, |_, (..): (Resource<OutputStream>, Resource<InputStream>, u64)| {
            Ok((Said::<u64>::Err(StreamError::Closed),))
        })?;
    }
    to.func_wrap("[method]output-stream.subscribe", |mut store: Store<'_>, (_,): This| {
        Ok((store.data_mut().ready()?,))
    })
}
