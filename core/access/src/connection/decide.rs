//! HELLO and LOGIN are decided: may this client connect, and who is its user?

use std::{sync::Arc, time::Duration};

use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Closing, Hello, UserChange, UserResult, Welcome},
};

use crate::{Client, Denied, Host, User};

/// What came of a decision.
pub(super) enum Decided<T> {
    /// The client is in.
    Admitted { client: Arc<Client<T>>, hello: Box<Hello>, welcome: Box<Welcome> },
    /// It is not.
    Refused(Box<Closing>),
    /// The user has changed, or has not.
    User { result: UserResult, user: Option<Arc<User>>, auth: Option<Auth> },
}

/// Decides on HELLO.
pub(super) async fn hello<H: Host>(
    host: Arc<H>,
    transport: H::Transport,
    connection: u64,
    hello: Box<Hello>,
    deadline: Duration,
) -> Decided<H::Transport> {
    let decision = async {
        let admission = match host.admit(&transport, &hello).await {
            Ok(admission) => admission,
            Err(closing) => return Decided::Refused(closing),
        };
        let client = Arc::new(Client::new(transport, connection, &hello));
        let mut welcome = admission.welcome;
        if let Some(auth) = &hello.auth {
            match host.authenticate(&client, auth).await {
                Ok(user) => {
                    let user = user.map(Arc::new);
                    welcome.user = user.as_ref().map(|user| (&*user.id).into());
                    client.change_user(hello.epoch, user, Some(auth));
                }
                Err(denied) => return Decided::Refused(Box::new(refusal(&denied))),
            }
        }
        Decided::Admitted { client, hello, welcome: Box::new(welcome) }
    };
    match tokio::time::timeout(deadline, decision).await {
        Ok(decided) => decided,
        Err(_) => Decided::Refused(Box::new(
            Closing::new(CloseCode::UNAVAILABLE)
                .detail("who may connect could not be found out in time"),
        )),
    }
}

/// The CLOSE of a client whose credential is not good, or cannot be looked at.
fn refusal(denied: &Denied) -> Closing {
    let code = match denied.status {
        500..=599 => CloseCode::UNAVAILABLE,
        429 => CloseCode::TOO_FAST,
        _ => CloseCode::AUTH_FAILED,
    };
    Closing { error: denied.error, ..Closing::new(code).detail(&denied.detail) }
}

/// Decides on LOGIN.
pub(super) async fn login<H: Host>(
    host: Arc<H>,
    client: Arc<Client<H::Transport>>,
    change: UserChange,
    deadline: Duration,
) -> Decided<H::Transport> {
    let UserChange { epoch, auth } = change;
    let result = UserResult { epoch, ..UserResult::default() };
    let Some(auth) = auth else {
        return Decided::User { result, user: None, auth: None };
    };
    match tokio::time::timeout(deadline, host.authenticate(&client, &auth)).await {
        Ok(Ok(user)) => {
            let user = user.map(Arc::new);
            let id = user.as_ref().map(|user| (&*user.id).into());
            Decided::User { result: UserResult { user: id, ..result }, user, auth: Some(auth) }
        }
        Ok(Err(Denied { status, error, detail })) => {
            let result = UserResult { status, error, detail, ..result };
            Decided::User { result, user: None, auth: None }
        }
        Err(_) => {
            let result = UserResult { status: 503, ..result };
            Decided::User { result, user: None, auth: None }
        }
    }
}
