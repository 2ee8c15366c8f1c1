//! Who is at the other end of a connection.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use paifang_mmtp::greeting::{Auth, Hello, Network};
use parking_lot::RwLock;

/// The other end of a connection: what HELLO said, and what the host knows of the transport.
#[derive(Debug)]
pub struct Client<T> {
    /// What the host knows of the transport.
    pub transport: T,
    /// The connection's number: unique in this process.
    pub connection: u64,
    /// The app's id.
    pub app: Arc<str>,
    /// The app's version; may be empty.
    pub app_version: Box<str>,
    /// What names the device.
    pub device: Box<[u8]>,
    /// Operating system and model; may be empty.
    pub platform: Box<str>,
    /// The host that calls are for, where HELLO named one.
    pub authority: Option<Box<str>>,
    /// HELLO's random bytes: with a call's number they name it.
    pub nonce: [u8; 16],
    /// Fields of every call.
    pub(crate) fields: HeaderMap,
    /// What may change.
    pub(crate) state: RwLock<ClientState>,
}

/// What may change while a connection lives.
#[derive(Debug, Default)]
pub(crate) struct ClientState {
    pub(crate) user: Option<Arc<User>>,
    pub(crate) epoch: u32,
    /// The credential as a field of calls.
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) network: Option<Network>,
    pub(crate) foreground: Option<bool>,
}

/// Somebody whom the host has recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What names the user within the app.
    pub id: Arc<str>,
}

impl<T> Client<T> {
    /// Takes what HELLO said.
    pub(crate) fn new(transport: T, connection: u64, hello: &Hello) -> Self {
        let mut fields = HeaderMap::new();
        for (name, value) in &hello.fields {
            // Both were looked at when HELLO was read; what `http` takes no more than that is left out.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
                && !crate::call::is_forbidden(&name)
            {
                fields.append(name, value);
            }
        }
        Self {
            transport,
            connection,
            app: (&*hello.app).into(),
            app_version: hello.app_version.clone(),
            device: hello.device.clone(),
            platform: hello.platform.clone(),
            authority: hello.authority.clone(),
            nonce: hello.nonce,
            fields,
            state: RwLock::new(ClientState {
                user: None,
                epoch: hello.epoch,
                authorization: None,
                network: hello.network.clone(),
                foreground: hello.foreground,
            }),
        }
    }

    /// The user, where somebody is recognised.
    #[must_use]
    pub fn user(&self) -> Option<Arc<User>> {
        self.state.read().user.clone()
    }

    /// The user epoch.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.state.read().epoch
    }

    /// The network that the client says it is in.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.state.read().network.clone()
    }

    /// Whether the app is in the foreground, where the client says so.
    #[must_use]
    pub fn foreground(&self) -> Option<bool> {
        self.state.read().foreground
    }

    /// Another user, or none, from here on.
    pub(crate) fn change_user(&self, epoch: u32, user: Option<Arc<User>>, auth: Option<&Auth>) {
        let mut state = self.state.write();
        state.epoch = epoch;
        state.user = user;
        state.authorization = auth.and_then(authorization);
    }

    /// The fields that calls have besides their own.
    pub(crate) fn call_fields(&self) -> HeaderMap {
        let mut fields = self.fields.clone();
        if let Some(value) = &self.state.read().authorization {
            fields.insert(AUTHORIZATION, value.clone());
        }
        fields
    }
}

/// A credential as the field `authorization`.
fn authorization(auth: &Auth) -> Option<HeaderValue> {
    let value = [auth.scheme.as_bytes(), b" ", &*auth.credential].concat();
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}
