//! What a Redis store is told: where its servers are, how long anything may take, who shares.

use paifang_pipeline::Secret;
use std::{num::NonZeroU32, time::Duration};

/// How to reach a store, and how long to wait for it. Every wait is bounded by one of these.
#[derive(Clone)]
pub struct RedisSettings {
    /// The name of the store in the config; for logs and metrics.
    pub name: String,
    /// `host` and port of each server: those of a cluster that are asked for the others, or
    /// servers that stand in for each other, asked in this order until one takes writes.
    pub addresses: Vec<(String, u16)>,
    /// The servers are a Redis Cluster.
    pub cluster: bool,
    /// The user of the server's access list; its default user where absent.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
    /// TLS, with what it trusts.
    pub tls: Option<RedisTls>,
    /// What every key begins with.
    pub prefix: String,
    /// How long a connection may take, greeting included.
    pub connect_timeout: Duration,
    /// How long a command may take, the wait for its turn included.
    pub command_timeout: Duration,
    /// Commands that wait for their turn or their answer at once; more are refused.
    pub queue: usize,
    /// How many gateways share, at least; what is learnt from the store counts where it is more.
    pub gateways: Option<NonZeroU32>,
}

/// TLS to the servers.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// Certificates to trust instead of the system's, in PEM.
    pub ca: Option<Vec<u8>>,
    /// Certificate and key to show, in PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}
