//! Listeners: where clients connect.

use std::path::PathBuf;

use paifang_pipeline::units::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cidr, Id, ListenAddress, Steps};
use crate::yaml::Located;

/// A port that takes connections.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Its name, unique.
    pub name: Located<Id>,
    /// Where it listens; port 0 takes a free one.
    pub address: Located<ListenAddress>,
    /// TLS; plain text (h1, and h2 by prior knowledge) where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Located<ListenerTls>>,
    /// MMTP beside HTTP on this port, by ALPN `mmtp/1`; not offered where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmtp: Option<Located<ListenerMmtp>>,
    /// Peers whose PROXY header and X-Forwarded-For or Forwarded fields are believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<Located<Cidr>>,
    /// Whether connections begin with a PROXY header; anything but `off` needs `trusted_proxies`.
    #[serde(default)]
    pub proxy_protocol: Located<ProxyProtocol>,
    /// The header in which trusted proxies name the client; all others are not believed.
    #[serde(default)]
    pub client_header: ClientHeader,
    /// Its limits.
    #[serde(default)]
    pub limits: Limits,
    /// Steps that a new connection passes before TLS.
    #[serde(default)]
    pub accept: Steps,
}

/// Whether connections begin with a PROXY header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// They don't. The default.
    #[default]
    Off,
    /// They do, version 1 or 2, and only trusted peers may connect.
    Required,
}

/// The header in which trusted proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientHeader {
    /// `X-Forwarded-For`. The default.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// None: the peer is the client, or whom its PROXY header names.
    None,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// Certificates, at least one. The client's SNI chooses; the first one serves all others.
    pub certificates: Vec<Certificate>,
    /// Protocols that are offered, the best first. Default `[ h2, http/1.1 ]`.
    #[serde(default = "both")]
    pub alpn: Vec<Alpn>,
    /// The oldest version. Default `1.2`.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Client certificates; none are asked for where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<ClientCa>,
    /// Sessions of TLS 1.3 that are kept here to be resumed, once each; with `early_data` or `mmtp` always, else in tickets where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<TlsSessions>,
    /// Data that clients who resume may send before the handshake has ended; none is taken where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_data: Option<TlsEarlyData>,
}

/// Sessions that are kept to be resumed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSessions {
    /// Sessions at once: 1000 to 100000000. Default 200000.
    pub count: Located<u32>,
    /// Memory for them all: 1MiB to 64GiB. Default 128MiB.
    pub memory: Located<ByteSize>,
    /// How long one may be resumed: 1m to 24h. Default 24h.
    pub lifetime: Located<HumanDuration>,
}

impl Default for TlsSessions {
    fn default() -> Self {
        Self {
            count: 200_000.into(),
            memory: ByteSize::new(128 << 20).into(),
            lifetime: HumanDuration::from_secs(24 * 3600).into(),
        }
    }
}

/// Early data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsEarlyData {
    /// Bytes of it on a connection: 512 to 64KiB. Default 16KiB.
    pub max: Located<ByteSize>,
}

impl Default for TlsEarlyData {
    fn default() -> Self {
        Self { max: ByteSize::new(16 << 10).into() }
    }
}

/// MMTP on a listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerMmtp {
    /// Whether it is taken in plain text. A listener without `tls` needs it, one with `tls` takes none. Default false.
    #[serde(default)]
    pub plain: bool,
}

fn both() -> Vec<Alpn> {
    vec![Alpn::H2, Alpn::Http11]
}

/// A certificate with its key. Both files are read again at every reload.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The chain, a PEM file, relative to the file in which this stands.
    pub cert: Located<PathBuf>,
    /// The private key, a PEM file.
    pub key: Located<PathBuf>,
}

/// Client certificates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCa {
    /// Who signs them, a PEM file.
    pub file: Located<PathBuf>,
    /// Whether clients without one are turned away. Default true.
    #[serde(default = "yes")]
    pub required: bool,
}

const fn yes() -> bool {
    true
}

/// A protocol above TLS (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Alpn {
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http11,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
}

/// Limits of a listener. Times are 1ms to 1h.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once: 1 to 10000000. Default 100000.
    pub connections: Located<u32>,
    /// Connections at once from one address (IPv4) or /64 network (IPv6): 1 to 10000000.
    /// Default: as many as `connections`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_ip: Option<Located<u32>>,
    /// For the TLS handshake; for the PROXY header before it, the same again. Default 10s.
    pub handshake: Located<HumanDuration>,
    /// For a whole request head. Default 15s.
    pub header: Located<HumanDuration>,
    /// For a connection without a call. Default 75s.
    pub idle: Located<HumanDuration>,
    /// Between two pieces of a request body, and for a piece of the response to be taken.
    /// Default 30s.
    pub body: Located<HumanDuration>,
    /// For a whole request body. Default 10m.
    pub body_total: Located<HumanDuration>,
    /// Fields of a request head: 1 to 1000. Default 100.
    pub header_count: Located<u32>,
    /// Bytes of a request head: 512 to 1MiB. Default 64KiB.
    pub header_bytes: Located<ByteSize>,
    /// HTTP/2 streams at once on one connection: 1 to 10000. Default 256.
    pub h2_streams: Located<u32>,
    /// HTTP/2 streams beyond `h2_streams` that a client may have given up at once, before its
    /// connection is closed: 1 to 100000. Default 200.
    pub h2_resets: Located<u32>,
    /// Requests after which a connection is closed: 1 to 4294967295. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_connection: Option<Located<u32>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000.into(),
            connections_per_ip: None,
            handshake: HumanDuration::from_secs(10).into(),
            header: HumanDuration::from_secs(15).into(),
            idle: HumanDuration::from_secs(75).into(),
            body: HumanDuration::from_secs(30).into(),
            body_total: HumanDuration::from_secs(600).into(),
            header_count: 100.into(),
            header_bytes: ByteSize::new(64 << 10).into(),
            h2_streams: 256.into(),
            h2_resets: 200.into(),
            requests_per_connection: None,
        }
    }
}
