//! What the two processes say to each other: JSON behind its length, and descriptors beside single bytes.

use crate::edge::{Handed, Listening, Role};
use paifang_config::snapshot::PlanOn;
use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

/// What both sides must agree on. A program that knows another one says so instead of guessing.
pub(super) const FORMAT: u32 = 1;

/// The longest message, in bytes: refused configs tell all their errors.
const LONGEST: u32 = 4 << 20;

/// Descriptors sent at once; Linux takes up to 253.
const AT_ONCE: usize = 64;

/// The most sockets that are taken, so that a broken peer cannot use up all descriptors.
const MOST_SOCKETS: usize = 4096;

/// What the new process begins with. The descriptors follow it: those of `sockets` in their order, then the lock.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(super) format: u32,
    /// The old process.
    pub(crate) pid: u32,
    /// The number of its live release: those of the new process are higher.
    pub(crate) release: u64,
    /// The plans that are on.
    #[serde(default)]
    pub(crate) plans: Vec<PlanOn>,
    pub(super) sockets: Vec<Socket>,
    /// The directory of kept releases whose lock is handed over.
    pub(super) lock: Option<PathBuf>,
}

/// A listening socket.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Socket {
    role: Role,
    wished: SocketAddr,
    lasting: bool,
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum FromNew {
    /// It knows the format and has all descriptors.
    Hello { version: String },
    /// Everything that can fail is done; on `go` it serves.
    Ready { release: u64 },
    /// It accepts connections.
    Serving,
    /// It ends, for this reason.
    Failed { why: String },
}

/// What the old process says after the manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum FromOld {
    /// Serve.
    Go,
    /// So many connections have not ended yet.
    Left { connections: u64 },
}

/// Everything that is handed over.
#[derive(Debug)]
pub(super) struct Inheritance {
    pub(super) manifest: Manifest,
    pub(super) listening: Vec<Listening>,
    pub(super) lock: Option<(PathBuf, File)>,
}

impl Manifest {
    /// Of this process.
    pub(crate) fn new(release: u64, plans: &[PlanOn]) -> Self {
        let (pid, plans) = (std::process::id(), plans.to_vec());
        Self { format: FORMAT, pid, release, plans, sockets: Vec::new(), lock: None }
    }
}

/// Sends a message.
pub(super) fn send(mut stream: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| invalid("a message is too long"))?;
    let mut whole = length.to_be_bytes().to_vec();
    whole.extend_from_slice(&text);
    stream.write_all(&whole)
}

/// Reads a message. Reads not a byte beyond it: descriptors may come next.
pub(super) fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(invalid("a message is too long"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    serde_json::from_slice(&text).map_err(|wrong| invalid(&format!("no message: {wrong}")))
}

/// Sends everything.
pub(super) fn bequeath(
    stream: &UnixStream,
    mut manifest: Manifest,
    handed: &[Handed],
    lock: Option<&(PathBuf, File)>,
) -> io::Result<()> {
    let describe = |handed: &Handed| Socket {
        role: handed.role.clone(),
        wished: handed.wished,
        lasting: handed.lasting,
    };
    manifest.sockets = handed.iter().map(describe).collect();
    manifest.lock = lock.map(|(directory, _)| directory.clone());
    send(stream, &manifest)?;
    let sockets = handed.iter().map(|handed| handed.socket.as_fd());
    let all: Vec<_> = sockets.chain(lock.map(|(_, file)| file.as_fd())).collect();
    for some in all.chunks(AT_ONCE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !beside.push(SendAncillaryMessage::ScmRights(some)) {
            return Err(invalid("too many descriptors at once"));
        }
        sendmsg(stream, &[IoSlice::new(b"d")], &mut beside, SendFlags::empty())?;
    }
    Ok(())
}

/// Receives everything.
pub(super) fn inherit(stream: &UnixStream) -> io::Result<Inheritance> {
    let manifest: Manifest = receive(stream)?;
    if manifest.format != FORMAT {
        return Err(invalid(&format!(
            "this program takes over by format {FORMAT}, the one that runs hands over by format {}; restart instead",
            manifest.format
        )));
    }
    if manifest.sockets.len() > MOST_SOCKETS {
        return Err(invalid("more sockets than anybody has listeners"));
    }
    let mut descriptors = Vec::new();
    let wanted = manifest.sockets.len() + usize::from(manifest.lock.is_some());
    while descriptors.len() < wanted {
        let expected = (wanted - descriptors.len()).min(AT_ONCE);
        let got = receive_some(stream)?;
        if got.len() != expected {
            return Err(invalid(&format!(
                "{} of {wanted} descriptors came; does the limit of open files leave room?",
                descriptors.len() + got.len()
            )));
        }
        descriptors.extend(got);
    }
    let mut descriptors = descriptors.into_iter();
    let listening = manifest.sockets.iter().zip(descriptors.by_ref());
    let listening = listening.map(|(socket, descriptor)| Listening {
        role: socket.role.clone(),
        wished: socket.wished,
        socket: descriptor.into(),
        lasting: socket.lasting,
    });
    let listening = listening.collect();
    let lock = manifest.lock.clone().zip(descriptors.next().map(File::from));
    Ok(Inheritance { manifest, listening, lock })
}

/// The descriptors beside one byte.
fn receive_some(stream: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    let into = &mut [IoSliceMut::new(&mut byte)];
    let got = recvmsg(stream, into, &mut beside, RecvFlags::empty())?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut all = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            all.extend(descriptors);
        }
    }
    // Not the affair of what this process may start one day. It has started nothing yet.
    all.iter().try_for_each(|descriptor| fcntl_setfd(descriptor, FdFlags::CLOEXEC))?;
    Ok(all)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}
