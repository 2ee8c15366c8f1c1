//! WELCOME and UPDATE: what holds for the connection.

use bytes::BytesMut;

use super::{
    MAX_REPEATS, MAX_TOKEN, Network, Settings,
    hello::{cursor, identities},
    named, push, sized,
};
use crate::{
    frame::{Frame, MAX_FRAME},
    reader::{Malformed, Reader, text},
    tlv::{TlvWriter, Tlvs, byte, integer, integer64, kind, numbered},
    varint,
};

/// A server's answer to HELLO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// The version that is spoken.
    pub version: u8,
    /// Bits: 1 zstd.
    pub features: u32,
    /// Where each channel's component goes on.
    pub cursors: Vec<(u8, Box<[u8]>)>,
    /// What the server is ready to receive.
    pub settings: Settings,
    /// Milliseconds since 1970.
    pub server_time: u64,
    /// The connection's number in the server's logs.
    pub connection: u64,
    /// How to keep the connection alive.
    pub heartbeat: Option<Heartbeat>,
    /// For the next connection.
    pub token: Option<Token>,
    /// What came of the token in HELLO.
    pub resumed: Option<Resumed>,
    /// Who the server takes the user for.
    pub user: Option<Box<str>>,
    /// Addresses to try when this one fails; best first.
    pub alternates: Vec<Box<str>>,
    /// Dictionaries for data.
    pub dictionaries: Vec<Dictionary>,
}

/// How often a client shows that it is there, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// To begin with.
    pub initial: u32,
    /// No oftener than this.
    pub least: u32,
    /// No more seldom than this.
    pub most: u32,
}

/// A resume token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Seconds that it lives.
    pub lifetime: u32,
    /// What HELLO brings back.
    pub bytes: Box<[u8]>,
}

impl std::fmt::Debug for Token {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What came of a resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// Cursors were restored.
    Yes,
    /// The server does not know it.
    Unknown,
    /// It is too old.
    Expired,
    /// It is another device's, or the proof is not good.
    Foreign,
    /// It was used before.
    Used,
}

impl Resumed {
    const ALL: [Self; 5] = [Self::Yes, Self::Unknown, Self::Expired, Self::Foreign, Self::Used];

    /// A reason that this version does not know is the first one.
    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let said = usize::from(byte(value, "RESUMED")?).wrapping_sub(1);
        Ok(Self::ALL.get(said).copied().unwrap_or(Self::Unknown))
    }

    fn encode<B: bytes::BufMut>(self, put: &mut TlvWriter<'_, B>) {
        put.bytes(kind::RESUMED, &[self as u8 + 1]);
    }
}

/// A dictionary that the server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// What ENCODED_WITH says; from 1.
    pub number: u32,
    /// The beginning of the SHA-256 over it.
    pub identity: [u8; 16],
    /// For data of this channel.
    pub channel: u8,
    /// And of this operation; of all without.
    pub operation: Box<str>,
}

impl Heartbeat {
    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let mut next = || reader.varint("HEARTBEAT");
        let (initial, least, most) = (next()?, next()?, next()?);
        reader.end("HEARTBEAT")?;
        if least == 0 || least > initial || initial > most {
            return Err(Malformed::Value("HEARTBEAT"));
        }
        Ok(Self { initial, least, most })
    }

    fn encode(self) -> Vec<u8> {
        let mut value = Vec::new();
        for seconds in [self.initial, self.least, self.most] {
            varint::write(&mut value, u64::from(seconds));
        }
        value
    }
}

impl Token {
    pub(super) fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let (lifetime, bytes) = numbered(value, "TOKEN")?;
        Ok(Self { lifetime, bytes: sized(bytes, 1, MAX_TOKEN, "TOKEN")? })
    }

    pub(super) fn encode<B: bytes::BufMut>(&self, put: &mut TlvWriter<'_, B>) {
        put.numbered(kind::TOKEN, u64::from(self.lifetime), &self.bytes);
    }
}

impl Dictionary {
    fn decode(value: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let number = reader.varint("DICTIONARY")?;
        let identity = reader.take(16, "DICTIONARY")?;
        let identity = identity.try_into().map_err(|_| Malformed::Short("DICTIONARY"))?;
        let channel = u8::try_from(reader.varint("DICTIONARY")?);
        let channel = channel.map_err(|_| Malformed::Value("DICTIONARY's channel"))?;
        let operation = text(reader.rest(), 128, "DICTIONARY's operation")?.into();
        if number == 0 {
            return Err(Malformed::Value("DICTIONARY"));
        }
        Ok(Self { number, identity, channel, operation })
    }

    fn encode<B: bytes::BufMut>(&self, put: &mut TlvWriter<'_, B>) {
        let mut rest = self.identity.to_vec();
        varint::write(&mut rest, u64::from(self.channel));
        rest.extend_from_slice(self.operation.as_bytes());
        put.numbered(kind::DICTIONARY, u64::from(self.number), &rest);
    }
}

impl Welcome {
    /// What WELCOME's TLVs say.
    ///
    /// # Errors
    /// When one is not what it should be, or a critical one is unknown.
    pub fn decode(version: u8, tlvs: Tlvs<'_>) -> Result<Self, Malformed> {
        let mut welcome = Self { version, ..Self::default() };
        for (kind, value) in tlvs.iter() {
            match kind {
                kind::FEATURES => welcome.features = integer(value, "FEATURES")?,
                kind::CURSOR => push(&mut welcome.cursors, cursor(value)?)?,
                kind::SETTINGS => welcome.settings = Settings::decode(value)?,
                kind::SERVER_TIME => welcome.server_time = integer64(value, "SERVER_TIME")?,
                kind::CONNECTION => welcome.connection = integer64(value, "CONNECTION")?,
                kind::HEARTBEAT => welcome.heartbeat = Some(Heartbeat::decode(value)?),
                kind::TOKEN => welcome.token = Some(Token::decode(value)?),
                kind::RESUMED => welcome.resumed = Some(Resumed::decode(value)?),
                kind::USER_ID => welcome.user = Some(named(value, 128, "USER_ID")?),
                kind::ALTERNATE => push(&mut welcome.alternates, named(value, 255, "ALTERNATE")?)?,
                kind::DICTIONARY => push(&mut welcome.dictionaries, Dictionary::decode(value)?)?,
                unknown if unknown & 1 == 1 => return Err(Malformed::Critical(unknown)),
                _ => {}
            }
        }
        Ok(welcome)
    }

    /// Leaves out what does not fit in a frame, or what a client would not read: dictionaries first, then addresses, then cursors, each
    /// from its end. The rest is bounded by its own limits.
    pub fn shorten(&mut self) {
        self.dictionaries.truncate(MAX_REPEATS);
        self.alternates.truncate(MAX_REPEATS);
        self.cursors.truncate(MAX_REPEATS);
        loop {
            let mut out = BytesMut::new();
            self.encode(&mut out);
            let is_large = out.len() > MAX_FRAME;
            let left_out = is_large
                && (self.dictionaries.pop().is_some()
                    || self.alternates.pop().is_some()
                    || self.cursors.pop().is_some());
            if !left_out {
                return;
            }
        }
    }

    /// Writes the frame.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut tlvs = Vec::new();
        let mut put = TlvWriter(&mut tlvs);
        if self.features != 0 {
            put.integer(kind::FEATURES, u64::from(self.features));
        }
        for (channel, cursor) in &self.cursors {
            put.numbered(kind::CURSOR, u64::from(*channel), cursor);
        }
        let settings = self.settings.encode();
        if !settings.is_empty() {
            put.bytes(kind::SETTINGS, &settings);
        }
        put.integer(kind::SERVER_TIME, self.server_time);
        put.integer(kind::CONNECTION, self.connection);
        if let Some(heartbeat) = self.heartbeat {
            put.bytes(kind::HEARTBEAT, &heartbeat.encode());
        }
        if let Some(token) = &self.token {
            token.encode(&mut put);
        }
        if let Some(resumed) = self.resumed {
            resumed.encode(&mut put);
        }
        if let Some(user) = &self.user {
            put.bytes(kind::USER_ID, user.as_bytes());
        }
        for alternate in &self.alternates {
            put.bytes(kind::ALTERNATE, alternate.as_bytes());
        }
        for dictionary in &self.dictionaries {
            dictionary.encode(&mut put);
        }
        Frame::Welcome { version: self.version, tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }
}

/// UPDATE: what is another now. From a client its network, whether it is in the foreground, and what it has learnt; from a server the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The client's network.
    pub network: Option<Network>,
    /// Whether the app is in the foreground.
    pub foreground: Option<bool>,
    /// Dictionaries that the client has got by now: identities, at most 64.
    pub dictionaries: Vec<[u8; 16]>,
    /// The heartbeat's interval that the client has settled on in its network, in seconds.
    pub learnt: Option<u32>,
    /// Where each channel's component goes on, when the token of HELLO was looked at only after WELCOME.
    pub cursors: Vec<(u8, Box<[u8]>)>,
    /// How to keep the connection alive.
    pub heartbeat: Option<Heartbeat>,
    /// For the next connection.
    pub token: Option<Token>,
    /// What came of the token in HELLO, when it was looked at only after WELCOME.
    pub resumed: Option<Resumed>,
    /// Addresses to try when this one fails; none: as before.
    pub alternates: Vec<Box<str>>,
}

impl Update {
    /// What UPDATE's TLVs say.
    ///
    /// # Errors
    /// When one is not what it should be, or a critical one is unknown.
    pub fn decode(tlvs: Tlvs<'_>) -> Result<Self, Malformed> {
        let mut update = Self::default();
        for (kind, value) in tlvs.iter() {
            match kind {
                kind::NETWORK => update.network = Some(Network::decode(value)?),
                kind::DICTIONARIES => update.dictionaries = identities(value)?,
                kind::CURSOR => push(&mut update.cursors, cursor(value)?)?,
                kind::STATE => update.foreground = Some(byte(value, "STATE")? == 1),
                kind::LEARNT => update.learnt = Some(integer(value, "LEARNT")?),
                kind::HEARTBEAT => update.heartbeat = Some(Heartbeat::decode(value)?),
                kind::TOKEN => update.token = Some(Token::decode(value)?),
                kind::RESUMED => update.resumed = Some(Resumed::decode(value)?),
                kind::ALTERNATE => push(&mut update.alternates, named(value, 255, "ALTERNATE")?)?,
                unknown if unknown & 1 == 1 => return Err(Malformed::Critical(unknown)),
                _ => {}
            }
        }
        Ok(update)
    }

    /// Writes the frame.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut tlvs = Vec::new();
        let mut put = TlvWriter(&mut tlvs);
        if let Some(network) = &self.network {
            put.bytes(kind::NETWORK, &network.encode());
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
        if let Some(learnt) = self.learnt {
            put.integer(kind::LEARNT, u64::from(learnt));
        }
        if let Some(heartbeat) = self.heartbeat {
            put.bytes(kind::HEARTBEAT, &heartbeat.encode());
        }
        if let Some(token) = &self.token {
            token.encode(&mut put);
        }
        if let Some(resumed) = self.resumed {
            resumed.encode(&mut put);
        }
        for alternate in &self.alternates {
            put.bytes(kind::ALTERNATE, alternate.as_bytes());
        }
        Frame::Update { tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }
}
