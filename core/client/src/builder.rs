//! How a client is made.

use std::{fmt, sync::Arc, time::Duration};

use paifang_mmtp::{
    greeting::{Auth, Field, Network, Settings},
    session, web,
};

#[cfg(feature = "zstd")]
use crate::coding::{CONTEXTS, Compression, DictionaryStore};
use crate::{
    call::{Intercept, Interceptors, check_field},
    client::{Client, State},
    coding::Coder,
    connect::{Connect, split_address},
    device::DeviceIdentity,
    error::Error,
    forms::Forms,
    heartbeat::Table,
    keeper::{self, Backoff},
    said,
    shared::{Memory, Options, Shared},
};

/// The most addresses that a client tries.
const MAX_ADDRESSES: usize = 16;

/// Makes a [`Client`].
pub struct ClientBuilder {
    options: Options,
    device_key: Option<DeviceIdentity>,
    auth: Option<Auth>,
    network: Option<Network>,
    foreground: Option<bool>,
    heartbeats: Table,
    #[cfg(feature = "zstd")]
    compression: bool,
    #[cfg(feature = "zstd")]
    store: Option<Arc<dyn DictionaryStore>>,
    #[cfg(feature = "zstd")]
    common: Option<Compression>,
}

impl ClientBuilder {
    /// A client of `app`, on the device that these bytes name (1 to 64 of them, the same at every start).
    #[must_use]
    pub fn new(app: &str, device: impl Into<Box<[u8]>>) -> Self {
        // A client's windows: a component that does not take its messages holds up its own channel, not the connection.
        let settings = Settings {
            connection_window: 4 << 20,
            channel_window: 256 << 10,
            ..Settings::default()
        };
        let options = Options {
            app: app.into(),
            app_version: "".into(),
            device: device.into(),
            platform: "".into(),
            authority: None,
            addresses: Vec::new(),
            fields: Vec::new(),
            session: session::Config { settings, ..session::Config::default() },
            deadline: Duration::from_secs(30),
            attempts: 3,
            calls: 1024,
            backoff: Backoff::default(),
            interceptors: Interceptors::default(),
            dial: Duration::from_secs(10),
            forms: Forms::Auto,
            path: web::PATH.into(),
        };
        Self {
            options,
            device_key: None,
            auth: None,
            network: None,
            foreground: None,
            heartbeats: Table::default(),
            #[cfg(feature = "zstd")]
            compression: true,
            #[cfg(feature = "zstd")]
            store: None,
            #[cfg(feature = "zstd")]
            common: None,
        }
    }

    /// Whether compressed messages are taken and sent; true where nothing is said.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = compression;
        self
    }

    /// Where dictionaries are kept. What the server names and is not there is fetched; without a store none is, and messages are compressed
    /// without dictionaries.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn dictionaries(mut self, store: impl DictionaryStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Compresses with what other clients of the process compress with too, in place of contexts and dictionaries of its own;
    /// [`Self::dictionaries`] says nothing then.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn share_compression(mut self, common: &Compression) -> Self {
        self.common = Some(common.clone());
        self
    }

    /// One more address to try, `host:port`; the best first.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        self.options.addresses.push(address.into());
        self
    }

    /// The app's version.
    #[must_use]
    pub fn app_version(mut self, version: &str) -> Self {
        self.options.app_version = version.into();
        self
    }

    /// Operating system and model.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        self.options.platform = platform.into();
        self
    }

    /// The host that calls are for, where it is another than the name that TLS tells the server.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.options.authority = Some(authority.into());
        self
    }

    /// A field that every call has, such as `user-agent`.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.options.fields.push((name.to_ascii_lowercase().into(), value.as_ref().into()));
        self
    }

    /// The device's key. With one the server may give resume tokens.
    #[must_use]
    pub fn device_key(mut self, key: DeviceIdentity) -> Self {
        self.device_key = Some(key);
        self
    }

    /// The user's credential to begin with.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// The network that the device is in.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some(said::network(network));
        self
    }

    /// Whether the app is in the foreground.
    #[must_use]
    pub fn foreground(mut self, foreground: bool) -> Self {
        self.foreground = Some(foreground);
        self
    }

    /// Has every call looked at. Of several the first that is given sees a call first and its answer last.
    #[must_use]
    pub fn intercept(mut self, one: impl Intercept) -> Self {
        self.options.interceptors.0.push(Arc::new(one));
        self
    }

    /// What [`Client::heartbeats`] gave before, so that it need not be learnt again. Lines that are none are left out.
    #[must_use]
    pub fn heartbeats(mut self, kept: &str) -> Self {
        self.heartbeats = Table::restore(kept);
        self
    }

    /// What the client is ready to receive. The connection's window should be several of a channel's, so that a component that does not
    /// take its messages holds up its own channel only.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.options.session.settings = settings;
        self
    }

    /// How long calls wait that say nothing else; 30 s where nothing is said.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }

    /// The most attempts of one call; 3 where nothing is said, at least 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts.max(1);
        self
    }

    /// The most calls that wait or are in flight; 1,024 where nothing is said, at least 1. One more is [`Error::Busy`].
    #[must_use]
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.options.calls = calls.clamp(1, 1 << 20);
        self
    }

    /// The own wait between tries: a random part of `first`, doubled after each failure up to `most`. 500 ms and 60 s where nothing
    /// is said.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        self.options.backoff = Backoff::new(first, most);
        self
    }

    /// How long one address may take until bytes can be written to it; 10 s where nothing is said.
    #[must_use]
    pub fn dial_timeout(mut self, timeout: Duration) -> Self {
        self.options.dial = timeout;
        self
    }

    /// Which forms it uses; all of them where nothing is said.
    #[must_use]
    pub fn forms(mut self, forms: Forms) -> Self {
        self.options.forms = forms;
        self
    }

    /// The path of MMTP within HTTP, where it is another than `/.well-known/mmtp`.
    #[must_use]
    pub fn http_path(mut self, path: &str) -> Self {
        self.options.path = path.into();
        self
    }

    /// Makes the client, which begins to connect at once.
    ///
    /// Must be called within a tokio runtime, on which its tasks run.
    ///
    /// # Errors
    /// When something that it was given is none: an address, a field, an app or device that is empty or too long.
    pub fn build(self, connect: impl Connect) -> Result<Client, Error> {
        let coder = self.coder();
        let Self { options, device_key, auth, network, foreground, heartbeats, .. } = self;
        check(&options)?;
        auth.as_ref().map_or(Ok(()), said::check_auth)?;
        // The epoch of nobody is 0.
        let epoch = u32::from(auth.is_some());
        let memory = Memory::new(auth, epoch, network, foreground);
        let shared = Arc::new(Shared::new(
            options,
            Arc::new(connect),
            device_key,
            memory,
            heartbeats,
            coder,
        ));
        match shared.options.forms {
            Forms::Post => drop(shared.state.send_replace(State::Unconnected)),
            _ => keeper::start(shared.clone()),
        }
        Ok(Client::new(shared))
    }
}

#[cfg(feature = "zstd")]
impl ClientBuilder {
    fn coder(&self) -> Arc<Coder> {
        match &self.common {
            _ if !self.compression => Arc::new(Coder::off()),
            Some(common) => common.0.clone(),
            None => Arc::new(Coder::new(CONTEXTS, self.store.clone())),
        }
    }
}

#[cfg(not(feature = "zstd"))]
impl ClientBuilder {
    fn coder(&self) -> Arc<Coder> {
        Arc::new(Coder)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

fn check(options: &Options) -> Result<(), Error> {
    let invalid = |what: String| Err(Error::Invalid(what));
    let lengths = [
        ("the app's id", options.app.len(), 1, 64),
        ("the app's version", options.app_version.len(), 0, 64),
        ("the device's name", options.device.len(), 1, 64),
        ("the platform", options.platform.len(), 0, 128),
        ("the number of addresses", options.addresses.len(), 1, MAX_ADDRESSES),
    ];
    for (what, length, least, most) in lengths {
        if !(least..=most).contains(&length) {
            return invalid(format!("{what} is {length} long, not {least} to {most}"));
        }
    }
    if let Some(wrong) = options.addresses.iter().find(|own| split_address(own).is_none()) {
        return invalid(format!("`{wrong}` is no address: it is `host:port`"));
    }
    let path = &*options.path;
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.starts_with('/') || !path.bytes().all(plain) {
        return invalid(format!("`{}` is no path", path.escape_debug()));
    }
    options.fields.iter().try_for_each(|(name, value): &Field| check_field(name, value))?;
    said::check_hello(&options.hello())
}
