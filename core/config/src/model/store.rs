//! Stores that gateways share state in.

use std::path::PathBuf;

use paifang_pipeline::units::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostPort, SecretAt};
use crate::yaml::Located;

/// A store that gateways share: steps that name it count together over all of them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedStore {
    /// Redis, a Redis Cluster, or what speaks their protocol.
    pub redis: Redis,
}

/// Where the servers are, and how long to wait for them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// 1 to 64 servers: those of a cluster that are asked for the others, or servers that stand in
    /// for each other, asked in this order until one takes writes.
    pub addresses: Vec<Located<HostPort>>,
    /// The servers are a Redis Cluster. Default false.
    #[serde(default)]
    pub cluster: bool,
    /// The user of the server's access list. Default: its default user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Located<SecretAt>>,
    /// The number of the database: 0 to 65535, in a cluster always 0. Default 0.
    #[serde(default)]
    pub database: Located<u32>,
    /// TLS to the servers; plain text where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTls>,
    /// What every key begins with: 1 to 64 letters, digits, `.`, `_`, `-` and `:`. Gateways that
    /// are to share must have the same one. Default `paifang`.
    #[serde(default = "prefix")]
    pub prefix: Located<String>,
    /// How long connecting may take. 10ms to 10s. Default 1s.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Located<HumanDuration>,
    /// How long a call waits for the store at most. 1ms to 10s. Default 100ms.
    #[serde(default = "command_timeout")]
    pub command_timeout: Located<HumanDuration>,
    /// Commands that may wait for their turn or their answer at once; beyond it the store counts as
    /// away. 1 to 1000000. Default 4096.
    #[serde(default = "queue")]
    pub queue: Located<u32>,
    /// How many gateways share the store, at least: 1 to 10000. Each has an equal share of a limit
    /// while the store is away. Default: as many as the store has told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Located<u32>>,
}

/// TLS to the servers of a store.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisTls {
    /// Certificates to trust, a PEM file. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Located<PathBuf>>,
    /// Our certificate chain, a PEM file; together with `client_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<Located<PathBuf>>,
    /// Its private key, a PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<Located<PathBuf>>,
}

fn prefix() -> Located<String> {
    "paifang".to_owned().into()
}

fn connect_timeout() -> Located<HumanDuration> {
    HumanDuration::from_secs(1).into()
}

fn command_timeout() -> Located<HumanDuration> {
    HumanDuration::from_millis(100).into()
}

fn queue() -> Located<u32> {
    4096.into()
}
