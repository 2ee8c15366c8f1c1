//! MMTP frame by frame: what is read is what was written, however little of it is there, and greetings keep what they say.

use bytes::BytesMut;
use paifang_mmtp::frame::{Frame, MAX_FRAME, Split, split};
use paifang_mmtp::greeting::{Closing, Hello, Update, UserChange, UserResult, Welcome};

/// Reads frames off the front until there is none.
pub fn run(data: &[u8]) {
    let mut rest = data;
    while let Ok(Split::Frame(frame, length)) = looked_at(rest) {
        again(&frame, &rest[..length]);
        cut(&rest[..length]);
        greeting(&frame);
        rest = &rest[length..];
    }
}

fn looked_at(bytes: &[u8]) -> Result<Split<'_>, paifang_mmtp::Malformed> {
    let found = split(bytes, MAX_FRAME);
    match found {
        Ok(Split::Frame(_, length)) => assert!((2..=MAX_FRAME.min(bytes.len())).contains(&length)),
        Ok(Split::Partial(needed)) => {
            assert!(needed > bytes.len() && needed <= MAX_FRAME, "{needed} of {}", bytes.len());
        }
        Err(_) => {}
    }
    found
}

/// A frame has one form: written again it is the same bytes. Frames that mean nothing lose what they hold.
fn again(frame: &Frame<'_>, bytes: &[u8]) {
    let mut written = BytesMut::new();
    frame.encode(&mut written);
    match frame {
        Frame::Ignored(kind) => {
            assert!(
                matches!(split(&written, MAX_FRAME), Ok(Split::Frame(Frame::Ignored(other), 2)) if other == *kind)
            );
        }
        _ => assert!(written == bytes, "{frame:?} has two forms"),
    }
}

/// However little has come, it is the beginning of this frame, and says no more is needed than there is.
fn cut(bytes: &[u8]) {
    for end in 0..bytes.len().min(300) {
        let Ok(Split::Partial(needed)) = split(&bytes[..end], MAX_FRAME) else {
            panic!("the first {end} of {bytes:x?} are no beginning");
        };
        assert!(needed > end && needed <= bytes.len());
    }
}

/// What a greeting's TLVs say is said again by who writes them.
fn greeting(frame: &Frame<'_>) {
    let mut out = BytesMut::new();
    match *frame {
        Frame::Hello { lowest, highest, tlvs } => {
            let Ok(hello) = Hello::decode((lowest, highest), tlvs) else { return };
            hello.encode(&mut out);
            said(&out, |frame| {
                let Frame::Hello { lowest, highest, tlvs } = frame else { return false };
                Hello::decode((lowest, highest), tlvs) == Ok(hello)
            });
        }
        Frame::Welcome { version, tlvs } => {
            let Ok(welcome) = Welcome::decode(version, tlvs) else { return };
            welcome.encode(&mut out);
            said(&out, |frame| {
                let Frame::Welcome { version, tlvs } = frame else { return false };
                Welcome::decode(version, tlvs) == Ok(welcome)
            });
        }
        Frame::Login { epoch, tlvs } => {
            let Ok(change) = UserChange::decode(epoch, tlvs) else { return };
            change.encode(&mut out);
            said(&out, |frame| {
                let Frame::Login { epoch, tlvs } = frame else { return false };
                UserChange::decode(epoch, tlvs) == Ok(change)
            });
        }
        Frame::User { epoch, status, tlvs } => {
            let Ok(result) = UserResult::decode(epoch, status, tlvs) else { return };
            result.encode(&mut out);
            said(&out, |frame| {
                let Frame::User { epoch, status, tlvs } = frame else { return false };
                UserResult::decode(epoch, status, tlvs) == Ok(result)
            });
        }
        Frame::Update { tlvs } => {
            let Ok(update) = Update::decode(tlvs) else { return };
            update.encode(&mut out);
            said(&out, |frame| {
                let Frame::Update { tlvs } = frame else { return false };
                Update::decode(tlvs) == Ok(update)
            });
        }
        Frame::Goaway { code, tlvs } => {
            let Ok(mut closing) = Closing::decode(code, tlvs) else { return };
            // These belong to CLOSE.
            (closing.error, closing.detail) = (0, "".into());
            closing.encode_goaway(&mut out);
            said(&out, |frame| {
                let Frame::Goaway { code, tlvs } = frame else { return false };
                Closing::decode(code, tlvs) == Ok(closing)
            });
        }
        Frame::Close { code, tlvs } => {
            let Ok(mut closing) = Closing::decode(code, tlvs) else { return };
            // This belongs to GOAWAY.
            closing.last = Vec::new();
            closing.encode_close(&mut out);
            said(&out, |frame| {
                let Frame::Close { code, tlvs } = frame else { return false };
                Closing::decode(code, tlvs) == Ok(closing)
            });
        }
        _ => {}
    }
}

/// The bytes are one frame, and it says the same. One that has grown too large is the caller's to avoid.
fn said(bytes: &[u8], same: impl FnOnce(Frame<'_>) -> bool) {
    match split(bytes, MAX_FRAME) {
        Ok(Split::Frame(frame, length)) => assert!(length == bytes.len() && same(frame)),
        other => assert!(bytes.len() > MAX_FRAME, "{other:?}"),
    }
}
