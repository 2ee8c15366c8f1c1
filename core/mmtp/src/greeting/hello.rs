//! HELLO: who the client is.

use bytes::{BufMut, BytesMut};

use super::{Field, MAX_CREDENTIAL, MAX_CURSOR, MAX_TOKEN, Settings, field, named, push, sized};
use crate::{
    frame::Frame,
    reader::{Malformed, Reader, text},
    tlv::{TlvWriter, Tlvs, byte, integer, kind, numbered, pair},
    varint,
};

/// A client's introduction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The versions that it speaks.
    pub versions: (u8, u8),
    /// Bits: 1 zstd, 2 WebSocket, 4 server push.
    pub features: u32,
    /// The app's id.
    pub app: Box<str>,
    /// The app's version; may be empty.
    pub app_version: Box<str>,
    /// What names the device.
    pub device: Box<[u8]>,
    /// Operating system and model; may be empty.
    pub platform: Box<str>,
    /// Random, new for every connection.
    pub nonce: [u8; 16],
    /// The network it is in.
    pub network: Option<Network>,
    /// The user's credential.
    pub auth: Option<Auth>,
    /// A resume token.
    pub resume: Option<Box<[u8]>>,
    /// The device's public key.
    pub device_key: Option<DeviceKey>,
    /// The device's signature over [`proof_text`].
    pub proof: Option<Box<[u8]>>,
    /// The host that calls are for; TLS's server name without it.
    pub authority: Option<Box<str>>,
    /// Identities of the dictionaries that it has.
    pub dictionaries: Vec<[u8; 16]>,
    /// Where each channel's component stands.
    pub cursors: Vec<(u8, Box<[u8]>)>,
    /// Whether the app is in the foreground, where it says so.
    pub foreground: Option<bool>,
    /// Fields of every request.
    pub fields: Vec<Field>,
    /// What it is ready to receive.
    pub settings: Settings,
    /// The user epoch of `auth`.
    pub epoch: u32,
}

/// A credential, as in `Authorization`.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// Such as `Bearer`.
    pub scheme: Box<str>,
    /// What follows it.
    pub credential: Box<[u8]>,
}

impl std::fmt::Debug for Auth {
    /// Without the credential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its kind.
    pub kind: NetworkKind,
    /// Whose it is; may be empty.
    pub carrier: Box<str>,
}

/// A kind of network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum NetworkKind {
    #[default]
    Unknown,
    Wifi,
    Mobile2g,
    Mobile3g,
    Mobile4g,
    Mobile5g,
    Cable,
}

impl NetworkKind {
    const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Wifi,
        Self::Mobile2g,
        Self::Mobile3g,
        Self::Mobile4g,
        Self::Mobile5g,
        Self::Cable,
    ];

    /// What metrics and people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        ["unknown", "wifi", "2g", "3g", "4g", "5g", "cable"][self as usize]
    }
}

impl Network {
    pub(super) fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (first, carrier) = value.split_first().ok_or(Malformed::Short("NETWORK"))?;
        // A kind that this version does not know is an unknown one.
        let kind = NetworkKind::ALL.get(usize::from(*first)).copied().unwrap_or_default();
        Ok(Self { kind, carrier: text(carrier, 32, "carrier")?.into() })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = vec![self.kind as u8];
        value.extend_from_slice(self.carrier.as_bytes());
        value
    }
}

/// A device's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKey {
    /// Of which kind.
    pub kind: DeviceKeyKind,
    /// P-256: the uncompressed point, 65 bytes; Ed25519: 32 bytes.
    pub key: Box<[u8]>,
}

/// Kinds of device keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKeyKind {
    /// ECDSA with SHA-256; what the secure hardware of phones does.
    P256,
    /// RFC 8032.
    Ed25519,
}

impl DeviceKey {
    /// As it stands in HELLO.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let kind = if self.kind == DeviceKeyKind::P256 { 1 } else { 2 };
        [&[kind], &*self.key].concat()
    }

    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (kind, length) = match value.first() {
            Some(1) => (DeviceKeyKind::P256, 65),
            Some(2) => (DeviceKeyKind::Ed25519, 32),
            _ => return Err(Malformed::Value("DEVICE_KEY")),
        };
        Ok(Self { kind, key: sized(&value[1..], length, length, "DEVICE_KEY")? })
    }
}

/// What a device signs to show that its key is its own, and the resume token with it; `resume` is empty without one.
#[must_use]
pub fn proof_text(authority: &str, device: &[u8], nonce: &[u8; 16], resume: &[u8]) -> Vec<u8> {
    let mut signed = b"mmtp/1 resume\0".to_vec();
    for part in [authority.as_bytes(), device, nonce, resume] {
        varint::write(&mut signed, part.len() as u64);
        signed.extend_from_slice(part);
    }
    signed
}

impl Auth {
    pub(super) fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (scheme, credential) = pair(value, "AUTH")?;
        let legal = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        if !credential.iter().all(legal) {
            return Err(Malformed::Value("credential"));
        }
        let scheme = named(scheme, 32, "AUTH's scheme")?;
        if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte)) {
            return Err(Malformed::Value("AUTH's scheme"));
        }
        Ok(Self { scheme, credential: sized(credential, 0, MAX_CREDENTIAL, "credential")? })
    }

    pub(super) fn encode(&self, out: &mut impl BufMut) {
        TlvWriter(out).pair(kind::AUTH, self.scheme.as_bytes(), &self.credential);
    }
}

/// Reads a FIELD into its own memory.
fn owned_field(value: &[u8]) -> Result<Field, Malformed> {
    field(value).map(|(name, value)| (name.into(), value.into()))
}

/// Reads a CURSOR.
pub(super) fn cursor(value: &[u8]) -> Result<(u8, Box<[u8]>), Malformed> {
    let (channel, cursor) = numbered(value, "CURSOR")?;
    let channel = u8::try_from(channel).map_err(|_| Malformed::Value("CURSOR's channel"))?;
    Ok((channel, sized(cursor, 0, MAX_CURSOR, "CURSOR")?))
}

impl Hello {
    /// What HELLO's TLVs say.
    ///
    /// # Errors
    /// When one is not what it should be, a critical one is unknown, or one that must be there is not.
    pub fn decode(versions: (u8, u8), tlvs: Tlvs<'_>) -> Result<Self, Malformed> {
        let mut hello = Self { versions, ..Self::default() };
        let mut nonce = None;
        for (kind, value) in tlvs.iter() {
            match kind {
                kind::FEATURES => hello.features = integer(value, "FEATURES")?,
                kind::APP => hello.app = named(value, 64, "APP")?,
                kind::APP_VERSION => hello.app_version = text(value, 64, "APP_VERSION")?.into(),
                kind::DEVICE => hello.device = sized(value, 1, 64, "DEVICE")?,
                kind::PLATFORM => hello.platform = text(value, 128, "PLATFORM")?.into(),
                kind::NONCE => {
                    nonce = Some(value.try_into().map_err(|_| Malformed::Value("NONCE"))?);
                }
                kind::NETWORK => hello.network = Some(Network::decode(value)?),
                kind::AUTH => hello.auth = Some(Auth::decode(value)?),
                kind::RESUME => hello.resume = Some(sized(value, 1, MAX_TOKEN, "RESUME")?),
                kind::DEVICE_KEY => hello.device_key = Some(DeviceKey::decode(value)?),
                kind::PROOF => hello.proof = Some(sized(value, 64, 64, "PROOF")?),
                kind::AUTHORITY => hello.authority = Some(named(value, 255, "AUTHORITY")?),
                kind::DICTIONARIES => hello.dictionaries = identities(value)?,
                kind::CURSOR => push(&mut hello.cursors, cursor(value)?)?,
                kind::STATE => hello.foreground = Some(byte(value, "STATE")? == 1),
                kind::FIELD => push(&mut hello.fields, owned_field(value)?)?,
                kind::SETTINGS => hello.settings = Settings::decode(value)?,
                kind::EPOCH => hello.epoch = integer(value, "EPOCH")?,
                unknown if unknown & 1 == 1 => return Err(Malformed::Critical(unknown)),
                _ => {}
            }
        }
        hello.nonce = nonce.ok_or(Malformed::Missing("NONCE"))?;
        if hello.app.is_empty() {
            return Err(Malformed::Missing("APP"));
        }
        if hello.device.is_empty() {
            return Err(Malformed::Missing("DEVICE"));
        }
        Ok(hello)
    }

    /// Writes the frame.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut tlvs = Vec::new();
        let mut put = TlvWriter(&mut tlvs);
        if self.features != 0 {
            put.integer(kind::FEATURES, u64::from(self.features));
        }
        put.bytes(kind::APP, self.app.as_bytes());
        put_text(&mut put, kind::APP_VERSION, &self.app_version);
        put.bytes(kind::DEVICE, &self.device);
        put_text(&mut put, kind::PLATFORM, &self.platform);
        put.bytes(kind::NONCE, &self.nonce);
        if let Some(network) = &self.network {
            put.bytes(kind::NETWORK, &network.encode());
        }
        if let Some(auth) = &self.auth {
            auth.encode(put.0);
        }
        let key = self.device_key.as_ref().map(DeviceKey::to_bytes);
        let optional = [
            (kind::RESUME, self.resume.as_deref()),
            (kind::DEVICE_KEY, key.as_deref()),
            (kind::PROOF, self.proof.as_deref()),
            (kind::AUTHORITY, self.authority.as_deref().map(str::as_bytes)),
        ];
        for (kind, value) in optional {
            if let Some(value) = value {
                put.bytes(kind, value);
            }
        }
        if !self.dictionaries.is_empty() {
            put.bytes(kind::DICTIONARIES, self.dictionaries.as_flattened());
        }
        for (channel, cursor) in &self.cursors {
            put.numbered(kind::CURSOR, u64::from(*channel), cursor);
        }
        if let Some(foreground) = self.foreground {
            put.bytes(kind::STATE, &[u8::from(foreground)]);
        }
        for (name, value) in &self.fields {
            put.pair(kind::FIELD, name.as_bytes(), value);
        }
        let settings = self.settings.encode();
        if !settings.is_empty() {
            put.bytes(kind::SETTINGS, &settings);
        }
        if self.epoch != 0 {
            put.integer(kind::EPOCH, u64::from(self.epoch));
        }
        let (lowest, highest) = self.versions;
        Frame::Hello { lowest, highest, tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }
}

/// Writes a text that may be left out.
pub(super) fn put_text<B: BufMut>(put: &mut TlvWriter<'_, B>, kind: u32, text: &str) {
    if !text.is_empty() {
        put.bytes(kind, text.as_bytes());
    }
}

pub(super) fn identities(value: &[u8]) -> Result<Vec<[u8; 16]>, Malformed> {
    let mut reader = Reader::new(value);
    let mut found = Vec::new();
    while !reader.is_empty() {
        let identity = reader.take(16, "DICTIONARIES")?;
        push(&mut found, identity.try_into().map_err(|_| Malformed::Short("DICTIONARIES"))?)?;
    }
    Ok(found)
}
