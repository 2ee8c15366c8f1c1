//! Changes of the user: a barrier, on whichever connection they meet it.
//!
//! Each change has an epoch. A call belongs to the epoch in which it was made, a connection to the one that its HELLO and its LOGINs have said,
//! and no call begins on a connection of another one.

use paifang_mmtp::greeting::{Auth, UserResult};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    client::{Client, State},
    connection::{Connection, Phase, changed},
    error::Error,
    forms::Forms,
    said,
    shared::Shared,
};

/// Who a user is after a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who the server takes the user for; `None` for nobody.
    pub id: Option<String>,
}

impl Client {
    /// Changes the user. Calls made from here on belong to the new one; those that were sent to the old. What was made before and is not sent
    /// ends with [`Error::UserChanged`].
    ///
    /// # Errors
    /// When the credential is none, the server refuses it, or does not decide within the deadline of calls. One that the server did not take is
    /// kept all the same, and goes with the next connection.
    pub async fn login(&self, auth: Auth) -> Result<User, Error> {
        said::check_auth(&auth)?;
        self.change_user(Some(auth)).await
    }

    /// Goes on without a user.
    ///
    /// # Errors
    /// When the server does not say so within the deadline of calls.
    pub async fn logout(&self) -> Result<User, Error> {
        self.change_user(None).await
    }

    async fn change_user(&self, auth: Option<Auth>) -> Result<User, Error> {
        let shared = self.shared();
        let until = Instant::now() + shared.options.deadline;
        let (epoch, told) = shared.change_user(auth);
        if let Some(result) = told {
            match timeout_at(until, result).await {
                Ok(Ok(result)) => return user(result),
                // The connection has ended; the next one begins with the credential.
                Ok(Err(_)) => {}
                Err(_) => return Err(Error::Deadline { call_id: None }),
            }
        }
        shared.change(|changes| changes.others += 1);
        if shared.options.forms == Forms::Post {
            return Err(Error::NotConnected("the next calls have the credential".into()));
        }
        self.user_of(epoch, until).await
    }

    /// Who the user is on the first connection that has come to `epoch`.
    async fn user_of(&self, epoch: u32, until: Instant) -> Result<User, Error> {
        let shared = self.shared();
        let (mut states, mut current) = (shared.state.subscribe(), shared.current.subscribe());
        loop {
            let connection = current.borrow_and_update().clone();
            let mut standing = connection.as_ref().map(Connection::standing);
            let said = standing.as_mut().and_then(|own| own.borrow_and_update().user.clone());
            match &*states.borrow_and_update() {
                State::Ended { code, detail } => {
                    return Err(Error::Ended { code: *code, detail: detail.clone() });
                }
                State::Closed => return Err(Error::Closed),
                State::Connected(now) => {
                    let here = connection.filter(|own| own.serial() == now.serial);
                    if here.is_some_and(|own| own.began_with() >= epoch) {
                        return Ok(User { id: now.user.clone() });
                    }
                }
                _ => {}
            }
            if let Some(said) = said.filter(|said| said.epoch >= epoch) {
                return user((*said).clone());
            }
            let looked = async {
                tokio::select! {
                    _ = states.changed() => {}
                    _ = current.changed() => {}
                    () = changed(&mut standing) => {}
                }
            };
            if timeout_at(until, looked).await.is_err() {
                return Err(Error::Deadline { call_id: None });
            }
        }
    }
}

fn user(result: UserResult) -> Result<User, Error> {
    match result.status {
        0 => Ok(User { id: result.user.map(String::from) }),
        status => Err(Error::Login { status, detail: result.detail.into() }),
    }
}

impl Shared {
    /// Changes the user: what belongs to the old one is forgotten, and the connection that calls go to is told before any call of the new one
    /// can be. Its epoch, and where the connection's answer will be.
    fn change_user(&self, auth: Option<Auth>) -> (u32, Option<oneshot::Receiver<UserResult>>) {
        let mut memory = self.memory();
        memory.change_user(auth.clone());
        let current = self.current.borrow().clone();
        let takes = |own: &Connection| !matches!(own.phase(), Phase::Going | Phase::Closed);
        (memory.epoch, current.filter(takes).map(|own| own.login(auth)))
    }

    /// Calls go to `connection` from here on, or if there was `none` before. It is told first which users there were since its HELLO.
    pub(crate) fn offer(&self, connection: &Connection, none: bool) {
        let memory = self.memory();
        if none && self.current.borrow().is_some() {
            return;
        }
        while connection.epoch() < memory.epoch {
            // Who came and went in between has no calls here.
            let last = connection.epoch() + 1 == memory.epoch;
            // Who waits for the answer looks at where the connection stands.
            drop(connection.login(memory.auth.clone().filter(|_| last)));
        }
        self.current.send_replace(Some(connection.clone()));
    }
}
