//! What an answer that switches protocols says of the connection.

/// The connection carries MMTP from here on: in the extensions of a 101's head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CarriesMmtp;
