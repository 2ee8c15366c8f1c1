//! A running `paifang`, its log, and other runs of the binary beside it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What takes longer than this hangs.
pub(crate) const HANG: Duration = Duration::from_secs(60);

/// The binary, without anything that the environment says to it.
pub(crate) fn paifang() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paifang"));
    for (name, _) in std::env::vars_os() {
        if name == "RUST_LOG" || name.to_string_lossy().starts_with("PAIFANG_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder with files, gone when dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(config: &str) -> Self {
        let this = Self(TempDir::new().unwrap());
        this.write("paifang.yaml", config);
        this
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file as a whole, as editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let (path, new) = (self.path(name), self.path(&format!("{name}.tmp")));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// A command that runs in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = paifang();
        command.args(arguments).current_dir(self.0.path());
        command
    }

    /// Runs a command in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        run(&mut self.command(arguments))
    }

    /// Starts a gateway and waits until it listens.
    pub(crate) fn start(&self) -> Gateway {
        Gateway::start(&mut self.command(&["run"]))
    }
}

/// Lines of a log, as they come.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<(String, bool)>, Condvar)>);

impl Log {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                log.0.0.lock().unwrap().0.push_str(&line);
                log.0.1.notify_all();
                line.clear();
            }
            log.0.0.lock().unwrap().1 = true;
            log.0.1.notify_all();
        });
    }

    /// Waits until the text is as wanted, from `from` on.
    fn wait(&self, what: &str, from: usize, mut holds: impl FnMut(&str) -> bool) -> String {
        let end = Instant::now() + HANG;
        let mut text = self.0.0.lock().unwrap();
        loop {
            if holds(&text.0[from..]) {
                return text.0[from..].to_owned();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!text.1 && !left.is_zero(), "no {what} in the log:\n{}", text.0);
            text = self.0.1.wait_timeout(text, left).unwrap().0;
        }
    }
}

/// A gateway in a process of its own; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    log: Log,
}

impl Gateway {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        let gateway = Self::begin(command);
        gateway.logged("listening on");
        gateway
    }

    /// Starts it.
    pub(crate) fn begin(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("no binary");
        let log = Log::default();
        log.follow(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.0.0.lock().unwrap().0.clone()
    }

    /// Waits until it has logged this; gives the log.
    pub(crate) fn logged(&self, text: &str) -> String {
        self.log.wait(text, 0, |log| log.contains(text))
    }

    /// The like, in what comes after the first `from` bytes.
    pub(crate) fn logged_after(&self, from: usize, text: &str) -> String {
        self.log.wait(text, from, |log| log.contains(text))
    }

    /// The address that comes next behind `text` in the log.
    fn address(&self, text: &str) -> SocketAddr {
        const BEGIN: &str = "127.0.0.1:";
        let port = |log: &str| {
            let behind = log.split_once(text)?.1.split_once(BEGIN)?.1;
            let end = behind.find(|c: char| !c.is_ascii_digit())?;
            Some(behind[..end].to_owned())
        };
        let log = self.log.wait(text, 0, |log| port(log).is_some());
        format!("{BEGIN}{}", port(&log).unwrap()).parse().unwrap()
    }

    /// Where its listener is.
    pub(crate) fn public(&self) -> SocketAddr {
        self.address("listening on")
    }

    /// Where its admin API is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.address("admin API")
    }

    /// Runs a command that is about this gateway.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Done {
        run(paifang().args(arguments).arg("--admin").arg(self.admin().to_string()))
    }

    /// Sends a signal, by its short name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Its process, as it was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and that of processes which it has started.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        // The log's end is the process's.
        let log = self.log.clone();
        let mut text = log.0.0.lock().unwrap();
        let end = Instant::now() + HANG;
        while !text.1 {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end:\n{}", text.0);
            text = log.0.1.wait_timeout(text, left).unwrap().0;
        }
        (self.child.wait().unwrap(), text.0.clone())
    }

    /// Stops it gracefully.
    pub(crate) fn stop(self) -> String {
        self.signal("TERM");
        let (status, log) = self.ended();
        assert!(status.success(), "{status}:\n{log}");
        log
    }

    /// GETs a path; status, head and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.public(), path, "")
    }
}

/// Sends a process a signal, by its short name.
pub(crate) fn signal(pid: u32, name: &str) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(pid.to_string());
    assert!(kill.status().unwrap().success());
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// GETs a path with more header lines; its status, and the answer whole.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    ask(&mut stream, path, &format!("connection: close\r\n{headers}"));
    let answer = rest(&mut stream);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: `{answer}`")), answer)
}

/// Sends a request, and does not wait.
pub(crate) fn ask(stream: &mut TcpStream, path: &str, headers: &str) {
    stream.set_read_timeout(Some(HANG)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a.example\r\n{headers}\r\n").unwrap();
}

/// All that comes before the connection ends, in whatever way.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A reset is an end too; a hang is not.
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8(all).unwrap()
}

/// A listener, an admin API, and an API that answers this text at `/`.
pub(crate) fn saying(text: &str) -> String {
    format!(
        "version: 1
listeners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]
admin: {{ address: \"127.0.0.1:0\" }}
apis:
  - {{ id: hello, match: {{ method: GET, path: / }}, handlers: [ respond: {{ status: 200, body: \"{text}\" }} ] }}
"
    )
}
