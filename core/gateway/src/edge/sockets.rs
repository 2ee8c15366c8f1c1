//! Sockets that listen already when a release asks for their addresses: those of the process before, and those
//! that systemd opened. A listener takes one instead of binding, so that no connection in its queue is lost.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// What a listening socket is for. Sockets are told apart by their addresses; the role matters where the config
/// asks for port 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The listener of this name.
    Listener(Arc<str>),
    /// The admin API.
    Admin,
    /// Whatever listens at its address: systemd does not say.
    Any,
}

/// A socket that listens already.
#[derive(Debug)]
pub struct Listening {
    /// What it was for.
    pub role: Role,
    /// The address that the config had; the port may be 0.
    pub wished: SocketAddr,
    /// The socket.
    pub socket: std::net::TcpListener,
    /// Whether it listens on whatever we do, for systemd holds it too: kept for releases to come. Others are closed
    /// when the first release goes live without them.
    pub lasting: bool,
}

/// A copy of a listening socket, for another process.
#[derive(Debug)]
pub struct Handed {
    /// What it is for.
    pub role: Role,
    /// The address that the config has; the port may be 0.
    pub wished: SocketAddr,
    /// As [`Listening::lasting`].
    pub lasting: bool,
    /// The socket.
    pub socket: OwnedFd,
}

impl Handed {
    /// A copy of a socket that is ours alone.
    ///
    /// # Errors
    /// Where the system gives no more descriptors.
    pub fn of(role: Role, wished: SocketAddr, socket: impl AsFd) -> io::Result<Self> {
        let socket = socket.as_fd().try_clone_to_owned()?;
        Ok(Self { role, wished, lasting: false, socket })
    }
}

/// The sockets that listen already.
#[derive(Debug, Default)]
pub struct Sockets(Mutex<Vec<Listening>>);

impl Sockets {
    /// These.
    pub fn new(listening: Vec<Listening>) -> Self {
        Self(Mutex::new(listening))
    }

    /// A copy of the socket at this address, where there is one, registered with the present runtime. It stays here
    /// too, in case that nothing comes of the release that asks.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn take(&self, role: &Role, wished: SocketAddr) -> io::Result<Option<TcpListener>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |listening: &&Listening| {
            listening.wished == wished && (wished.port() != 0 || listening.role == *role)
        };
        let Some(found) = all.iter().find(fits) else { return Ok(None) };
        let socket = found.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket).map(Some)
    }

    /// A release has gone live: closes those that it has left and that nobody else holds.
    pub fn settle(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|listening| listening.lasting);
    }

    /// Where sockets listen, for the log.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|listening| listening.wished).collect()
    }

    /// Adds the lasting ones to what is handed to another process, in place of those that they are copies of.
    ///
    /// # Errors
    /// Where the system gives no more descriptors.
    pub fn hand_over(&self, handed: &mut Vec<Handed>) -> io::Result<()> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for lasting in all.iter().filter(|listening| listening.lasting) {
            handed.retain(|other| other.wished != lasting.wished);
            let role = lasting.role.clone();
            let copy = Handed::of(role, lasting.wished, &lasting.socket)?;
            handed.push(Handed { lasting: true, ..copy });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn listening(role: Role, port_0: bool, lasting: bool) -> Listening {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wished = match port_0 {
            true => "127.0.0.1:0".parse().unwrap(),
            false => socket.local_addr().unwrap(),
        };
        Listening { role, wished, socket, lasting }
    }

    #[tokio::test]
    async fn found_by_address_and_where_the_port_is_0_by_role() {
        let (a, b) = (Role::Listener("a".into()), Role::Listener("b".into()));
        let (any, fixed) = (listening(a.clone(), true, false), listening(Role::Any, false, true));
        let (real, wished) = (any.socket.local_addr().unwrap(), fixed.wished);
        let sockets = Sockets::new(vec![any, fixed]);
        let port_0 = "127.0.0.1:0".parse().unwrap();
        let found = sockets.take(&a, port_0).unwrap().unwrap();
        assert_eq!(found.local_addr().unwrap(), real);
        assert!(sockets.take(&b, port_0).unwrap().is_none());
        assert_eq!(sockets.take(&b, wished).unwrap().unwrap().local_addr().unwrap(), wished);
        // Clients get through to a copy.
        let (client, accepted) = tokio::join!(tokio::net::TcpStream::connect(real), found.accept());
        assert!(client.is_ok() && accepted.is_ok());
        sockets.settle();
        assert_eq!(sockets.addresses(), [wished]);
        assert!(sockets.take(&a, port_0).unwrap().is_none());
    }

    #[tokio::test]
    async fn what_lasts_is_handed_over_once() {
        let lasting = listening(Role::Any, false, true);
        let wished = lasting.wished;
        let copy = Handed::of(Role::Admin, wished, &lasting.socket).unwrap();
        let other = listening(Role::Admin, true, false);
        let mut handed = vec![copy, Handed::of(Role::Admin, other.wished, &other.socket).unwrap()];
        Sockets::new(vec![lasting]).hand_over(&mut handed).unwrap();
        let told: Vec<_> = handed.iter().map(|one| (&one.role, one.lasting)).collect();
        assert_eq!(told, [(&Role::Admin, false), (&Role::Any, true)]);
    }
}
