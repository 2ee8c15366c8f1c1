//! Digests of content: what a node says, wherever it stands.

use std::fmt;

use ring::digest::{Context, SHA256};

use super::{Kind, Node, Style};

/// A SHA-256 digest. It covers values, keys and their order, and neither places nor files.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a node's content.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let mut buffer = Vec::with_capacity(1024);
        write(node, &mut buffer);
        Self::of_bytes(&buffer)
    }

    /// The digest of bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(ring::digest::digest(&SHA256, bytes).as_ref());
        Self(out)
    }

    /// The digest of several digests in order.
    #[must_use]
    pub fn all<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&part.0);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        Self(out)
    }

    /// The first 12 hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }

    /// Reads 64 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut out = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(out))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An unambiguous form: every value begins with its kind and its length.
fn write(node: &Node, out: &mut Vec<u8>) {
    match &node.kind {
        Kind::Null => out.push(b'n'),
        Kind::Scalar(scalar) => {
            // A filled scalar may be read as another type than a quoted one with the same text.
            out.push(match (scalar.style, scalar.filled) {
                (Style::Plain, _) => b'p',
                (Style::Quoted, false) => b'q',
                (Style::Quoted, true) => b'f',
            });
            text(&scalar.text, out);
        }
        Kind::Seq(items) => {
            out.push(b's');
            out.extend_from_slice(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| write(item, out));
        }
        Kind::Map(map) => {
            out.push(b'm');
            out.extend_from_slice(&(map.entries().len() as u64).to_le_bytes());
            for entry in map.entries() {
                text(&entry.key.text, out);
                write(&entry.value, out);
            }
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
