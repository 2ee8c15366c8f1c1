//! LOGIN and USER: the user of a connection changes (spec section 10).

use bytes::BytesMut;

use super::{Auth, Token, hello::put_text, named};
use crate::{
    frame::Frame,
    reader::{Malformed, text},
    tlv::{TlvWriter, Tlvs, integer, integer64, kind},
};

/// LOGIN: another user, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserChange {
    /// The epoch that begins.
    pub epoch: u32,
    /// The credential; none for a logout.
    pub auth: Option<Auth>,
}

impl UserChange {
    /// What LOGIN's TLVs say.
    ///
    /// # Errors
    /// When one is not what it should be, or a critical one is unknown.
    pub fn decode(epoch: u32, tlvs: Tlvs<'_>) -> Result<Self, Malformed> {
        tlvs.check_critical(&[kind::AUTH])?;
        let auth = tlvs.get(kind::AUTH).map(Auth::decode).transpose()?;
        Ok(Self { epoch, auth })
    }

    /// Writes the frame.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut tlvs = Vec::new();
        if let Some(auth) = &self.auth {
            auth.encode(&mut tlvs);
        }
        Frame::Login { epoch: self.epoch, tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }
}

/// USER: what came of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserResult {
    /// The epoch that has begun.
    pub epoch: u32,
    /// 0, or the HTTP status that says why there is no user.
    pub status: u16,
    /// The server's time, in milliseconds since 1970.
    pub server_time: u64,
    /// A resume token of the new epoch.
    pub token: Option<Token>,
    /// Who the server takes the user for.
    pub user: Option<Box<str>>,
    /// The row of the error table; 0 for none.
    pub error: u32,
    /// For people.
    pub detail: Box<str>,
}

impl UserResult {
    /// What USER's TLVs say.
    ///
    /// # Errors
    /// When one is not what it should be, or a critical one is unknown.
    pub fn decode(epoch: u32, status: u16, tlvs: Tlvs<'_>) -> Result<Self, Malformed> {
        let mut result = Self { epoch, status, ..Self::default() };
        for (kind, value) in tlvs.iter() {
            match kind {
                kind::SERVER_TIME => result.server_time = integer64(value, "SERVER_TIME")?,
                kind::TOKEN => result.token = Some(Token::decode(value)?),
                kind::USER_ID => result.user = Some(named(value, 128, "USER_ID")?),
                kind::ERROR => result.error = integer(value, "ERROR")?,
                kind::DETAIL => result.detail = text(value, 256, "DETAIL")?.into(),
                unknown if unknown & 1 == 1 => return Err(Malformed::Critical(unknown)),
                _ => {}
            }
        }
        Ok(result)
    }

    /// Writes the frame.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut tlvs = Vec::new();
        let mut put = TlvWriter(&mut tlvs);
        put.integer(kind::SERVER_TIME, self.server_time);
        if let Some(token) = &self.token {
            token.encode(&mut put);
        }
        if let Some(user) = &self.user {
            put.bytes(kind::USER_ID, user.as_bytes());
        }
        if self.error != 0 {
            put.integer(kind::ERROR, u64::from(self.error));
        }
        put_text(&mut put, kind::DETAIL, &self.detail);
        let (epoch, status) = (self.epoch, self.status);
        Frame::User { epoch, status, tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }
}
