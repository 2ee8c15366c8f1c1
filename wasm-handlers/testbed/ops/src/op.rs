//! The operations. In JSON one without a value is a text (`"panic"`), any other an object of one key
//! (`{ "set": ["x-a", "1"] }`).

use serde::Deserialize;

/// A header field.
pub(crate) type Pair = (String, String);

/// One thing to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
#[allow(missing_docs, reason = "fields are named as in the contract")]
pub enum Op {
    // ---- what follows, and how often
    /// Does `then` where the request's header is there (and of this value).
    If {
        header: String,
        is: Option<String>,
        then: Vec<Op>,
    },
    /// Does all of it several times.
    Repeat {
        times: u32,
        of: Vec<Op>,
    },

    // ---- ends that no handler should come to
    /// Computes forever.
    Loop,
    /// Calls itself forever with frames that use no memory: the host's stack runs out.
    Recurse,
    /// The like with large frames: the guest's own stack runs out.
    RecurseWide,
    /// Allocates and keeps until nothing is left.
    Exhaust,
    /// Panics.
    Panic,
    /// Runs onto an `unreachable`.
    Trap,

    // ---- verdicts; the operations after them are left out
    /// This is the answer, or the response instead.
    Answer(Reply),
    /// Answers 200 with what the stage was given, as a JSON object.
    Echo,
    /// Answers 200 with the notes, as a JSON array.
    Tell,
    /// Refuses the call.
    Reject {
        refusal: Reason,
        detail: Option<String>,
        internal: Option<String>,
        headers: Option<Vec<Pair>>,
    },
    /// Wants the whole body, and keeps this meanwhile.
    NeedBody(String),
    /// Cannot decide.
    Fail(String),

    // ---- changes, whether they are allowed or not
    Set(Pair),
    Append(Pair),
    Remove(String),
    /// Sets a header to this value, given in hex.
    SetBytes(Pair),
    /// Sets a header to a value of so many bytes.
    SetLong(String, usize),
    /// Sets so many headers: `x-set-0` and on.
    SetMany(usize),
    /// Sets the second header to the request's first one, or to `none`.
    Copy(Pair),
    Path(String),
    Query(String),
    /// Another status; at responses.
    Status(u16),
    Body(String),
    /// A body of so many bytes.
    BodyBytes(usize),
    /// The body that was given, upside down.
    ReverseBody,
    Identity {
        subject: String,
        app: Option<String>,
        #[serde(default)]
        claims: Vec<Pair>,
    },
    Slot(Pair),
    Keep(String),
    /// Keeps so many bytes.
    KeepBytes(usize),
    /// Sets this header to the notes.
    TellHeader(String),
    /// Sets this value of the store to the notes: the only way out of `log` and `configure`.
    TellKv(String),
    /// Logs the notes.
    TellLog,

    // ---- computing and memory
    /// So many rounds of arithmetic.
    Work(u64),
    /// Computes until the clock has gone so many milliseconds further.
    Spin(u64),
    /// Allocates so many bytes and lets them go; notes whether it got them.
    Allocate(usize),
    /// The like, but keeps them in a static; notes how many it keeps by now, or false.
    Hold(usize),
    /// Puts a header's value into a static; notes what stood there before.
    Remember(String),
    /// The like with a text.
    RememberText(String),
    /// Leaves so many bytes full of a text behind, in freed memory and on the stack.
    Litter {
        text: String,
        bytes: usize,
    },
    /// Leaves a header's value behind in the same way.
    LitterHeader {
        header: String,
        bytes: usize,
    },
    /// Looks through the whole memory for a text, and notes how often it stands there. The text is
    /// given backwards, so that the config itself does not hold it.
    LookFor(String),
    /// Notes how many bytes of memory there are.
    MemorySize,
    /// Notes what the stage was given.
    Note,

    // ---- what is granted; each notes what it is given
    Log(Level, String),
    /// Logs so many lines.
    LogLines(u32),
    /// Logs a line of so many bytes.
    LogBytes(usize),
    Unix,
    Monotonic,
    /// So many bytes, in hex.
    Random(u32),
    RandomNumber,
    KvGet(String),
    KvSet {
        key: String,
        value: String,
        ttl: Option<u64>,
    },
    /// Sets a value of so many bytes.
    KvSetBytes {
        key: String,
        bytes: usize,
    },
    KvDelete(String),
    KvSwap {
        key: String,
        expected: Option<String>,
        value: String,
        ttl: Option<u64>,
    },
    KvAdd {
        key: String,
        delta: i64,
        ttl: Option<u64>,
    },
    KvTake {
        key: String,
        count: u64,
        period: u64,
        burst: u64,
    },
    /// Sets values of so many bytes under `fill-0` and on, at most so many; notes how many went in,
    /// then why no more did.
    KvFill {
        bytes: usize,
        most: u32,
    },
    /// Asks for a key of so many bytes.
    KvLongKey(usize),
    Hash(Hash, String),
    Hmac {
        algorithm: Hash,
        key: String,
        data: String,
    },
    /// Key and signature in hex.
    Verify {
        algorithm: Signature,
        key: String,
        data: String,
        signature: String,
    },
    Equal(String, String),
    Count(String, u64),
    /// Counts under so many names: `name_0` and on.
    CountNames(u32),
    Observe(String, u64),
    /// Calls an upstream; notes status and body, or the error.
    Send(Outgoing),
    /// The like, and answers with its status and body; fails where there is no answer.
    Relay(Outgoing),
}

/// A whole answer.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Pair>,
    pub(crate) body: String,
    /// A body of so many bytes instead.
    pub(crate) bytes: Option<usize>,
}

impl Default for Reply {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: String::new(), bytes: None }
    }
}

/// A call of an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    pub(crate) upstream: String,
    pub(crate) path: String,
    #[serde(default = "get")]
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) headers: Vec<Pair>,
    #[serde(default)]
    pub(crate) body: String,
    /// A body of so many bytes instead.
    pub(crate) bytes: Option<usize>,
    /// In milliseconds.
    pub(crate) timeout: Option<u32>,
}

fn get() -> String {
    "GET".to_owned()
}

/// The contract's enumerations, which cannot be read from JSON themselves.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $theirs:path { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        pub enum $name { $($variant),+ }

        impl From<$name> for $theirs {
            fn from(ours: $name) -> Self {
                match ours { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

mirror! {
    /// Why a call is refused.
    Reason of paifang_guest::Refusal {
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Unprocessable, TooManyRequests,
        Unavailable,
    }
}
mirror! {
    /// How loud a line is.
    Level of paifang_guest::host::Level { Trace, Debug, Info, Warn, Error }
}
mirror! {
    /// A hash.
    Hash of paifang_guest::host::crypto::HashAlgorithm { Sha256, Sha384, Sha512 }
}
mirror! {
    /// A signature.
    Signature of paifang_guest::host::crypto::SignatureAlgorithm {
        Ed25519, EcdsaP256Sha256, RsaPkcs1Sha256, RsaPssSha256,
    }
}
