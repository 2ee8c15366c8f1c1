//! Connections: to one server that takes writes, or to a cluster.

use super::super::{script::Script, settings::RedisSettings};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisFuture, RedisResult, ServerErrorKind,
    TlsCertificates, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
};

/// A connection that many commands share.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Connects: to the cluster, or to the server at `index`, counted round.
    pub(super) async fn open(settings: &RedisSettings, index: usize) -> RedisResult<Self> {
        if settings.cluster {
            let nodes = settings.addresses.iter().map(|address| info(settings, address));
            let mut builder = ClusterClientBuilder::new(nodes.collect::<RedisResult<Vec<_>>>()?)
                .connection_timeout(settings.connect_timeout)
                .response_timeout(settings.command_timeout)
                .retries(3)
                .min_retry_wait(5)
                .max_retry_wait(50);
            if let Some(tls) = certificates(settings) {
                builder = builder.certs(tls);
            }
            return Ok(Self::Cluster(builder.build()?.get_async_connection().await?));
        }
        let count = settings.addresses.len().max(1);
        let address = settings.addresses.get(index % count).ok_or_else(|| {
            RedisError::from((ErrorKind::InvalidClientConfig, "no address is given"))
        })?;
        let info = info(settings, address)?;
        let client = match certificates(settings) {
            Some(tls) => Client::build_with_tls(info, tls)?,
            None => Client::open(info)?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(Some(settings.command_timeout));
        Ok(Self::Single(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// Runs a script. One that the server does not know is sent whole, to the same keys, so that it
    /// reaches the server that needs it; from then on it is known there.
    pub(super) async fn run(
        &mut self,
        script: &Script,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> RedisResult<Value> {
        let command = |name: &str, body: &str| {
            let mut command = redis::cmd(name);
            command.arg(body).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        // An error of the server is a value to some connections, and an error to others.
        let done = self.req_packed_command(&command("EVALSHA", &script.sha1)).await;
        match done.and_then(Value::extract_error) {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = self.req_packed_command(&command("EVAL", script.source)).await;
                whole.and_then(Value::extract_error)
            }
            done => done,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

fn info(settings: &RedisSettings, (host, port): &(String, u16)) -> RedisResult<ConnectionInfo> {
    let address = match &settings.tls {
        None => ConnectionAddr::Tcp(host.clone(), *port),
        Some(_) => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: false,
            tls_params: None,
        },
    };
    let mut login = RedisConnectionInfo::default().set_db(i64::from(settings.database));
    if let Some(user) = &settings.username {
        login = login.set_username(user);
    }
    if let Some(password) = &settings.password {
        let text = std::str::from_utf8(password.expose()).map_err(|_| {
            RedisError::from((ErrorKind::InvalidClientConfig, "the password is no text"))
        })?;
        login = login.set_password(text);
    }
    Ok(address.into_connection_info()?.set_redis_settings(login))
}

fn certificates(settings: &RedisSettings) -> Option<TlsCertificates> {
    let tls = settings.tls.as_ref()?;
    let identity = tls.identity.clone();
    Some(TlsCertificates {
        client_tls: identity
            .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
        root_cert: tls.ca.clone(),
    })
}
