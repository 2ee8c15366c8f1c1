//! One HTTP/1 connection that asks and waits: for times of single calls, and for the admin API.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::failure::{Failure, Result};

/// How long an answer may take; the reload of a large module takes its time.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// A keep-alive connection.
pub(crate) struct Client(BufReader<TcpStream>);

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    /// To a loopback port.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let open = || {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        open().map(|stream| Self(BufReader::new(stream))).map_err(failed)
    }

    /// Sends a request without a body, `method` and `path` with these fields, and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is none that has a length.
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &str) -> Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n{fields}\r\n"
        );
        self.0.get_mut().write_all(request.as_bytes()).map_err(failed)?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Failure::Failed("an answer without status".into()))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(usize::MAX);
            }
        }
        if length > LARGEST {
            return Err(Failure::Failed(format!("an answer of {length} bytes")));
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).map_err(failed)?;
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let most = LARGEST as u64;
        match (&mut self.0).take(most).read_line(&mut line).map_err(failed)? {
            0 => Err(Failure::Failed("the gateway closed a connection".to_owned())),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

fn failed(cause: std::io::Error) -> Failure {
    Failure::Failed(format!("asking the gateway: {cause}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{net::TcpListener, thread};

    #[test]
    fn answers_are_read_one_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            for answer in [
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            ] {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).unwrap();
                }
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut client = Client::connect(port).unwrap();
        let first = client.ask("GET", "/", "x-a: b\r\n").unwrap();
        assert_eq!((first.status, &*first.body), (200, "hello"));
        assert_eq!(client.ask("POST", "/", "").unwrap().status, 503);
        server.join().unwrap();
        assert!(client.ask("GET", "/", "").is_err());
    }
}
