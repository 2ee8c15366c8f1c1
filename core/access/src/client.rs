//! Who is at the other end of a connection.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use paifang_mmtp::greeting::{Auth, Hello, Network};
use parking_lot::RwLock;

use crate::Permit;
use crate::resume::{self, Owner};

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
    /// What the key that the device shows is known by.
    pub(crate) device_key: Option<[u8; 16]>,
    /// Whether it has proven to have that key (spec section 10).
    pub(crate) proven: bool,
    /// Its place among the connections, where they are counted.
    pub(crate) permit: Option<Permit>,
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

/// Who vouches for a client, the least first. A key costs nothing to make; a user is somebody whom the host has recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Nobody,
    Key,
    User,
}

/// Somebody whom the host has recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What names the user within the app.
    pub id: Arc<str>,
    /// The zone that the user is at home in, where that is not this host's own.
    pub zone: Option<Arc<str>>,
}

impl<T> Client<T> {
    /// Takes what HELLO said. `server_name` is what TLS was told.
    pub(crate) fn new(
        transport: T,
        connection: u64,
        hello: &Hello,
        server_name: Option<&str>,
        permit: Option<Permit>,
    ) -> Self {
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
            device_key: hello.device_key.as_ref().map(resume::key_digest),
            proven: resume::is_proven(hello, server_name),
            permit,
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

    /// Whose resume tokens the connection is given; `None` without a key. `user` is who it is in the epoch.
    pub(crate) fn owner(&self, epoch: u32, user: Option<&User>) -> Option<Owner> {
        let key = self.device_key.as_ref()?;
        Some(Owner::new(&self.app, &self.device, key, epoch, user.map(|user| &*user.id)))
    }

    /// Who speaks when a network is spoken of: a user, else a proven key; nobody else is asked. Digests are spread evenly, so half of one is
    /// as good as a hash.
    pub(crate) fn voter(&self) -> Option<u64> {
        let user = self.user();
        let who = match (user, self.device_key.filter(|_| self.proven)) {
            (Some(user), _) => resume::user_digest(&self.app, &user.id),
            (None, Some(key)) => key,
            (None, None) => return None,
        };
        who.first_chunk().map(|half| u64::from_ne_bytes(*half))
    }

    /// Who vouches for it.
    pub(crate) fn standing(&self) -> Standing {
        match (self.state.read().user.is_some(), self.proven) {
            (true, _) => Standing::User,
            (false, true) => Standing::Key,
            (false, false) => Standing::Nobody,
        }
    }

    /// Whether it has shown to be the device of `other`: it is the same user's, or has proven the key that the other one shows.
    pub(crate) fn is_same_device(&self, other: &Self) -> bool {
        let same_key = self.proven && self.device_key == other.device_key;
        // One lock after the other: each may be waited for by who holds neither.
        let user = self.user();
        same_key
            || user.is_some()
                && user.map(|user| user.id.clone()) == other.user().map(|user| user.id.clone())
    }

    /// The fields that calls have besides their own.
    pub(crate) fn call_fields(&self) -> HeaderMap {
        self.call_fields_of(self.authorization())
    }

    /// The same, with what was the credential at some time.
    pub(crate) fn call_fields_of(&self, authorization: Option<HeaderValue>) -> HeaderMap {
        let mut fields = self.fields.clone();
        if let Some(value) = authorization {
            fields.insert(AUTHORIZATION, value);
        }
        fields
    }

    /// The credential as a field of calls.
    pub(crate) fn authorization(&self) -> Option<HeaderValue> {
        self.state.read().authorization.clone()
    }
}

/// A credential as the field `authorization`.
fn authorization(auth: &Auth) -> Option<HeaderValue> {
    let value = [auth.scheme.as_bytes(), b" ", &*auth.credential].concat();
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}
