//! Messages that come compressed.

use paifang_mmtp::{code::CloseCode, greeting::Closing, session::Message};

use super::drive::Driver;
use crate::{Host, encoding::number};

impl<H: Host> Driver<'_, H> {
    /// The client has got these dictionaries too.
    pub(super) fn learn(&self, dictionaries: &[[u8; 16]]) {
        if let Some(codec) = &mut self.shared.lock().codec {
            codec.learn(dictionaries);
        }
    }

    /// The message as it was; `None` where it is none, which ends the connection.
    pub(super) fn decoded(&self, mut message: Box<Message>) -> Option<Box<Message>> {
        if !message.zstd {
            return Some(message);
        }
        let (codec, most) = {
            let state = self.shared.lock();
            (state.codec.clone(), state.most_message)
        };
        let closing = match number(message.tlvs()) {
            Err(malformed) => Closing::new(CloseCode::MALFORMED).detail(&malformed.to_string()),
            Ok(dictionary) => match codec?.decode(dictionary, &message.data, most) {
                Ok(data) => {
                    self.shared.stats.count_zstd_in(message.data.len(), data.len());
                    (message.zstd, message.data) = (false, data);
                    return Some(message);
                }
                Err(fault) => Closing::new(CloseCode::COMPRESSION).detail(&fault.to_string()),
            },
        };
        self.shared.lock().session.close(closing);
        None
    }
}
