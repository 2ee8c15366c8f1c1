//! Why connections and calls end (spec sections 4 and 8).

use std::fmt;

/// Why a connection ends. Codes that are not named here are known by their range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(pub u32);

/// What a client does after a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Reconnect.
    Reconnect,
    /// Reconnect, waiting longer each time.
    BackOff,
    /// Reconnect when credentials, the app's version or the address have changed.
    Change,
    /// Leave it.
    Stop,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $label:literal;)*) => {
        impl CloseCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*
            /// All that have a name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What metrics and logs call it; `other` for one without a name.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self.0 { $($code => $label,)* _ => "other" }
            }
        }
    };
}

codes! {
    /// Nothing is wrong.
    DONE = 1000, "done";
    /// The server goes down or drains.
    DRAINING = 1001, "draining";
    /// No heartbeat came.
    IDLE = 1002, "idle";
    /// Nothing came back in time.
    HALF_DEAD = 1003, "half_dead";
    /// Numbers have run out, or the connection is too old.
    WORN_OUT = 1004, "worn_out";
    /// The client does not take what is sent.
    SLOW_READER = 1005, "slow_reader";
    /// The server is overloaded.
    OVERLOADED = 2000, "overloaded";
    /// Of the app, the address or in all.
    TOO_MANY_CONNECTIONS = 2001, "too_many_connections";
    /// Packets or connections come faster than allowed.
    TOO_FAST = 2002, "too_fast";
    /// What is needed to accept the connection is away.
    UNAVAILABLE = 2003, "unavailable";
    /// The credential is refused.
    AUTH_FAILED = 3000, "auth_failed";
    /// The app is not known.
    APP_UNKNOWN = 3001, "app_unknown";
    /// The user's home is elsewhere.
    MOVED = 3002, "moved";
    /// No version in common.
    VERSION = 3003, "version";
    /// The device has a newer connection.
    REPLACED = 4000, "replaced";
    /// The device or app may not connect.
    BANNED = 4001, "banned";
    /// A frame is malformed, or not allowed where it came.
    MALFORMED = 4002, "malformed";
    /// A frame or message beyond its limit.
    TOO_LARGE = 4003, "too_large";
    /// A number used again or left out.
    SEQUENCE = 4004, "sequence";
    /// Credit was exceeded.
    FLOW_CONTROL = 4005, "flow_control";
    /// Data cannot be decompressed.
    COMPRESSION = 4006, "compression";
    /// A frame before HELLO or WELCOME.
    EARLY_FRAME = 4007, "early_frame";
}

impl CloseCode {
    /// What a client does about it.
    #[must_use]
    pub const fn advice(self) -> Advice {
        match self.0 {
            1000..2000 => Advice::Reconnect,
            3000..4000 => Advice::Change,
            4000..5000 => Advice::Stop,
            _ => Advice::BackOff,
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.label())
    }
}

/// Why one call or message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelCode(pub u32);

impl CancelCode {
    /// It is not wanted any more.
    pub const UNWANTED: Self = Self(1);
    /// Its deadline has passed.
    pub const DEADLINE: Self = Self(2);
    /// Who sends it broke off.
    pub const BROKEN: Self = Self(3);
    /// The user changed.
    pub const USER: Self = Self(4);
    /// It is too large.
    pub const TOO_LARGE: Self = Self(5);
    /// It came after GOAWAY's last, or nothing of it was written when the connection ended, so the server has not looked at it; it may be made again
    /// elsewhere. Never sent, and not believed where it comes.
    pub const NOT_LOOKED_AT: Self = Self(6);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_range_of_its_advice() {
        for code in CloseCode::ALL {
            let expected = match code.0 / 1000 {
                1 => Advice::Reconnect,
                2 => Advice::BackOff,
                3 => Advice::Change,
                4 => Advice::Stop,
                range => panic!("{range}"),
            };
            assert_eq!(code.advice(), expected, "{code}");
        }
        assert_eq!(CloseCode(7).advice(), Advice::BackOff);
        assert_eq!(CloseCode(7).to_string(), "7 (other)");
    }
}
