//! The other side of `cargo xtask bench handshakes`: clients that shake hands, and a bare server to hold the gateway against.
//!
//! ```text
//! handshakes certificate DIR             writes cert.pem and key.pem, with a P-256 key
//! handshakes serve ADDRESS DIR           plain rustls in a blocking loop, a connection after the other
//! handshakes load ADDRESS DIR SECONDS full|resumed
//! handshakes hold ADDRESS DIR COUNT      so many idle connections, until standard input ends
//! ```
//!
//! `load` and `hold` print how many they made.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned,
    client::Resumption,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ServerSessionMemoryCache,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The host of the certificate.
const HOST: &str = "bench.example";
/// Clients at once, so that the server is never without one.
const CLIENTS: usize = 4;
/// Sessions that the bare server keeps.
const SESSIONS: usize = 10_000;
/// A client whose server says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["certificate", dir] => certificate(Path::new(dir)),
        ["serve", address, dir] => serve(address, Path::new(dir)),
        ["load", address, dir, seconds, kind] => load(address, Path::new(dir), seconds, kind),
        ["hold", address, dir, count] => hold(address, Path::new(dir), count),
        _ => Err("certificate DIR, serve ADDRESS DIR, load …, or hold …".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handshakes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn certificate(dir: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    fs::write(dir.join("cert.pem"), made.cert.pem())?;
    fs::write(dir.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}

/// Serves each connection to its end.
fn serve(address: &str, dir: &Path) -> Result<()> {
    let chain = vec![CertificateDer::from_pem_file(dir.join("cert.pem"))?];
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // In memory, as the gateway keeps them, so that a resumption is the same work.
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    let config = Arc::new(config);
    let listener = TcpListener::bind(address)?;
    for socket in listener.incoming() {
        // A client that breaks off is its own affair.
        let _ = serve_one(socket?, &config);
    }
    Ok(())
}

fn serve_one(socket: TcpStream, config: &Arc<ServerConfig>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, socket);
    stream.read_to_end(&mut Vec::new())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn client(dir: &Path, resumes: bool) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("cert.pem"))?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

fn load(address: &str, dir: &Path, seconds: &str, kind: &str) -> Result<()> {
    let address: SocketAddr = address.parse()?;
    let resumes = match kind {
        "full" => false,
        "resumed" => true,
        _ => return Err("full or resumed".into()),
    };
    let until = Instant::now() + Duration::from_secs(seconds.parse()?);
    let clients = (0..CLIENTS).map(|_| {
        let config = client(dir, resumes)?;
        Ok(thread::spawn(move || -> Result<u64> {
            if resumes {
                // The first one gets the tickets.
                shake(address, &config)?;
            }
            let mut made = 0;
            while Instant::now() < until {
                let kind = shake(address, &config)?;
                if (kind == Some(HandshakeKind::Resumed)) != resumes {
                    return Err(format!("a handshake was {kind:?}").into());
                }
                made += 1;
            }
            Ok(made)
        }))
    });
    let clients: Vec<_> = clients.collect::<Result<_>>()?;
    let mut made = 0;
    for client in clients {
        made += client.join().map_err(|_| "a client panicked")??;
    }
    println!("{made}");
    Ok(())
}

fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let session = ClientConnection::new(Arc::clone(config), ServerName::try_from(HOST)?)?;
    let mut stream = StreamOwned::new(session, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A handshake, the tickets behind it, and the end.
fn shake(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Option<HandshakeKind>> {
    let mut stream = connect(address, config)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    // A server may close without a word.
    let _ = stream.read_to_end(&mut Vec::new());
    // A reset: no socket is left waiting, of which there are but so many.
    socket2::SockRef::from(&stream.sock).set_linger(Some(Duration::ZERO))?;
    Ok(stream.conn.handshake_kind())
}

fn hold(address: &str, dir: &Path, count: &str) -> Result<()> {
    let (address, count): (SocketAddr, usize) = (address.parse()?, count.parse()?);
    let config = client(dir, false)?;
    let held = (0..count).map(|_| connect(address, &config)).collect::<Result<Vec<_>>>()?;
    println!("{}", held.len());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
