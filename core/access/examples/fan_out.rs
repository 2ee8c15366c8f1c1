//! What a message to many connections costs the server's thread, beside bare writes of the same bytes.
//!
//! ```text
//! fan_out bare COUNT       plain sockets, a write of the encoded frame to each
//! fan_out one COUNT        greeted connections, one message of 100 bytes to each
//! fan_out sixteen COUNT    the like, sixteen messages before any of them is written
//! ```
//!
//! Prints nanoseconds of CPU time a message, the median of 21 times. The clients are a process of their own, which this one starts.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    error::Error,
    fs,
    net::SocketAddr,
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use paifang_access::{
    Admission, Call, Client, Delivery, Denied, Drain, Host, Limits, Server, User,
};
use paifang_mmtp::{
    greeting::{Auth, Closing, Hello},
    session::{Config, Millis, NewMessage, Session},
};
use paifang_pipeline::Front;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::yield_now,
};

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of a message.
const MESSAGE: usize = 100;
/// The channel of push.
const PUSH: u8 = 2;
/// Times that messages are sent; the median is told. The clients give no credit back, so all of them must fit in their window.
const TIMES: usize = 21;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The name by which all connections are found.
const EVERYBODY: &str = "everybody";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match (runtime, &args[..]) {
        (Ok(runtime), ["clients", address, count, greet]) => {
            runtime.block_on(clients(address, count, *greet == "greet"))
        }
        (Ok(runtime), ["bare", count]) => runtime.block_on(bare(count)),
        (Ok(runtime), ["one", count]) => runtime.block_on(push(count, 1)),
        (Ok(runtime), ["sixteen", count]) => runtime.block_on(push(count, 16)),
        (Err(error), _) => Err(error.into()),
        _ => Err("bare COUNT, one COUNT, or sixteen COUNT".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fan_out: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the same bytes to plain sockets.
async fn bare(count: &str) -> Result<()> {
    let (listener, _clients, count) = start(count, "raw").await?;
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(accept(&listener).await?);
    }
    let frame = encoded();
    let mut nanos = Vec::new();
    for _ in 0..TIMES {
        let before = cpu_nanos()?;
        for stream in &streams {
            if stream.try_write(&frame)? != frame.len() {
                return Err("a client does not read".into());
            }
        }
        nanos.push((cpu_nanos()? - before) as f64 / count as f64);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tell(nanos);
    Ok(())
}

/// Pushes so many messages to each connection before any is written.
async fn push(count: &str, each: usize) -> Result<()> {
    let (listener, _clients, count) = start(count, "greet").await?;
    let server = Arc::new(Server::new(Arc::new(Everybody(Arc::default()))));
    let (_drain, state) = watch::channel(Drain::Running);
    for _ in 0..count {
        let (stream, server, state) = (accept(&listener).await?, server.clone(), state.clone());
        tokio::spawn(async move { server.serve(stream, (), Drain::spreads(state)).await });
    }
    let greeted = async {
        while server.stats().totals().greeted < count as u64 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, greeted).await?;
    let all = server.registry().of_user("bench", EVERYBODY);
    if all.len() != count {
        return Err(format!("{} of {count} connections are there", all.len()).into());
    }
    let message = NewMessage { data: vec![b'm'; MESSAGE].into(), ..NewMessage::default() };
    let mut nanos = Vec::new();
    for time in 0..TIMES {
        let bytes: usize = (time * each + 1..=(time + 1) * each).map(frame_length).sum();
        let goal = server.stats().totals().bytes_out + (count * bytes) as u64;
        let before = cpu_nanos()?;
        for _ in 0..each {
            if server.push(&all, PUSH, &message).sent != count {
                return Err("not every connection took the message".into());
            }
        }
        let written = async {
            while server.stats().totals().bytes_out < goal {
                yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, written).await?;
        nanos.push((cpu_nanos()? - before) as f64 / (count * each) as f64);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tell(nanos);
    Ok(())
}

/// A listener, and the process whose clients connect to it.
async fn start(count: &str, what: &str) -> Result<(TcpListener, Clients, usize)> {
    let connections: usize = count.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.args(["clients", &address, count, what]).stdin(Stdio::null()).spawn()?;
    Ok((listener, Clients(child), connections))
}

/// Ends with this process.
struct Clients(Child);

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Clients that connect, say HELLO, and read whatever comes.
async fn clients(address: &str, count: &str, greet: bool) -> Result<()> {
    let address: SocketAddr = address.parse()?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..count.parse::<u32>()? {
        let mut stream = TcpStream::connect(address).await?;
        if greet {
            let hello = Hello {
                app: "bench".into(),
                device: number.to_be_bytes().into(),
                auth: Some(Auth { scheme: "Bearer".into(), credential: b"x".as_slice().into() }),
                ..Hello::default()
            };
            let mut session = Session::client(Config::default(), &hello, Millis(0));
            let mut out = BytesMut::new();
            session.poll_transmit(&mut out, 16_384);
            stream.write_all(&out).await?;
        }
        tasks.spawn(async move {
            let mut scratch = [0; 4096];
            while matches!(stream.read(&mut scratch).await, Ok(1..)) {}
        });
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Bytes of the frame of a connection's message with this number: its head has the number as a varint.
fn frame_length(sequence: usize) -> usize {
    let number = if sequence < 1 << 7 { 1 } else { 2 };
    3 + number + MESSAGE
}

/// The frame of a connection's first message, as it writes it.
fn encoded() -> Bytes {
    // MESSAGE, its length, channel, sequence; then the data.
    let head = [8 << 3, (MESSAGE + 2) as u8, PUSH, 1];
    [&head[..], &[b'm'; MESSAGE]].concat().into()
}

fn tell(mut nanos: Vec<f64>) {
    nanos.sort_by(f64::total_cmp);
    println!("{:.0}", nanos[nanos.len() / 2]);
}

/// CPU time of this thread, user and system.
fn cpu_nanos() -> Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("schedstat is empty")?.parse()?)
}

/// A host for which every client is the same user.
struct Everybody(Arc<Limits>);

impl Host for Everybody {
    type Transport = ();

    fn limits(&self, (): &()) -> Arc<Limits> {
        self.0.clone()
    }

    async fn admit(&self, (): &(), _: &Hello) -> std::result::Result<Admission, Box<Closing>> {
        Ok(Admission::default())
    }

    async fn authenticate(
        &self,
        _: &Arc<Client<()>>,
        _: &Auth,
    ) -> std::result::Result<Option<User>, Denied> {
        Ok(Some(User { id: EVERYBODY.into(), zone: None }))
    }

    async fn serve<F: Front>(&self, _: Call<()>, _: &mut F) {}

    async fn deliver(&self, _: &Arc<Client<()>>, _: Delivery) -> bool {
        true
    }
}
