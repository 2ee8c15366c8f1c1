//! What a service manager is told, and what it hands over (sd_notify(3), sd_listen_fds(3)).

use crate::edge::{Listening, Role};
use std::{env, ffi::OsStr, io, os::unix::net::UnixDatagram};

/// Tells the service manager, where one wants to know. `state` is `NAME=value` lines.
pub(super) fn tell(state: &str) {
    let Some(place) = env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else {
        return;
    };
    if let Err(error) = send(&place, state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

fn send(place: &OsStr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = place.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
        let address = SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(state.as_bytes(), &address).map(drop);
    }
    socket.send_to(state.as_bytes(), place).map(drop)
}

/// A reload begins.
pub(super) fn tell_reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\n"));
}

/// The listening sockets that the service manager has opened for this process. They stay its own, too, so
/// they are kept for releases to come.
///
/// # Errors
/// Where they are no listening TCP sockets.
pub(super) fn sockets() -> io::Result<Vec<Listening>> {
    let mut from = listenfd::ListenFd::from_env();
    let mut all = Vec::new();
    for index in 0..from.len() {
        let Some(socket) = from.take_tcp_listener(index)? else { continue };
        let wished = socket.local_addr()?;
        all.push(Listening { role: Role::Any, wished, socket, lasting: true });
    }
    Ok(all)
}
