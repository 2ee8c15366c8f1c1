//! What `paifang call` is asked.

use clap::Args;
use paifang_client::Forms;
use paifang_pipeline::units::HumanDuration;
use std::path::PathBuf;

/// What stands below the command's help.
pub(in crate::cli) const EXAMPLES: &str = "Examples:
  paifang call orders.create --mmtp localhost:9443 -d '{\"item\":1}' --param shop=7 --ca ca.pem
  paifang call --target 'GET /v1/orders/7' --mmtp localhost:8080 --plain
  paifang call orders.list --mmtp api.example.com:443 --auth env:TOKEN --query 'page=2' -v
  paifang call files.put --mmtp api.example.com:443 -d @picture.png --header 'content-type: image/png'

Exit codes: 0 a status below 400, 1 another one, or no answer, 2 wrong use, 3 no connection.";

/// See `--form`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    #[default]
    Long,
    Websocket,
    Post,
    Auto,
}

impl Form {
    /// As the client has it.
    pub(super) const fn forms(self) -> Forms {
        match self {
            Self::Long => Forms::Long,
            Self::Websocket => Forms::WebSocket,
            Self::Post => Forms::Post,
            Self::Auto => Forms::Auto,
        }
    }
}

/// A call to be made.
#[derive(Debug, Args)]
pub(in crate::cli) struct CallArguments {
    /// The operation's name.
    #[arg(required_unless_present = "target", conflicts_with = "target")]
    pub(super) operation: Option<String>,
    /// A method and a path with its query, in place of an operation.
    #[arg(long, value_name = "METHOD PATH", conflicts_with_all = ["param", "query"])]
    pub(super) target: Option<String>,
    /// Where the gateway listens.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) mmtp: String,
    /// The body: text, @FILE, or @- for standard input.
    #[arg(short, long, value_name = "DATA")]
    pub(super) data: Option<String>,
    /// A field of the request; may be repeated.
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    pub(super) header: Vec<String>,
    /// A parameter of the operation's path; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// The query, encoded as in a URI, without `?`.
    #[arg(long)]
    pub(super) query: Option<String>,
    /// How long to wait for the whole answer; the gateway is told.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(super) deadline: HumanDuration,
    /// The app's id.
    #[arg(long, default_value = "paifang")]
    pub(super) app: String,
    /// What names the device. The gateway may end an older connection of the same one.
    #[arg(long, default_value = "paifang-call")]
    pub(super) device: String,
    /// The user's credential: its scheme and what follows, such as bearer:TOKEN, or env:NAME for a variable that holds what an
    /// `Authorization` field would, or a bearer token alone.
    #[arg(long, value_name = "SCHEME:CREDENTIAL|env:NAME")]
    pub(super) auth: Option<String>,
    /// The host that the call is for, where it is another than the address's.
    #[arg(long, value_name = "HOST")]
    pub(super) authority: Option<String>,
    /// Trust the certificates in this file (PEM), and not those of the system.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(super) ca: Option<PathBuf>,
    /// Believe any certificate. Anybody on the way can read and change everything.
    #[arg(long)]
    pub(super) insecure: bool,
    /// Want a certificate whose public key has this SHA-256, in hex; may be repeated, one is enough.
    #[arg(long, value_name = "SHA256")]
    pub(super) pin: Vec<String>,
    /// TCP without TLS.
    #[arg(long, conflicts_with_all = ["ca", "insecure", "pin"])]
    pub(super) plain: bool,
    /// The form of MMTP: a connection of its own, WebSocket, one POST, or whichever comes through.
    #[arg(long, value_enum, default_value_t)]
    pub(super) form: Form,
    /// The path of MMTP within HTTP, for --form websocket and post.
    #[arg(long, value_name = "PATH", default_value = "/.well-known/mmtp")]
    pub(super) http_path: String,
    /// A folder of dictionaries, of which the gateway is told; what it has besides is fetched into it.
    #[arg(long, value_name = "FOLDER", conflicts_with = "no_zstd")]
    pub(super) dict: Option<PathBuf>,
    /// Neither send nor take compressed messages.
    #[arg(long)]
    pub(super) no_zstd: bool,
    /// The operation may be done twice: it is called again where its outcome is unknown.
    #[arg(long)]
    pub(super) idempotent: bool,
    /// Tell on standard error how long what took, the answer's fields, and every frame.
    #[arg(long, short)]
    pub(super) verbose: bool,
}
