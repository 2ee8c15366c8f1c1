//! A client of MMTP that is nothing but the session machine on a stream: it does what a test says, and nothing by itself.

use bytes::{Bytes, BytesMut};
use paifang_mmtp::{
    greeting::Hello,
    session::{Config, Event, Key, Millis, NewRequest, Operation, Session},
    tlv::kind,
};
use std::{collections::VecDeque, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client. See the module.
#[derive(Debug)]
pub struct MmtpClient<S = TcpStream> {
    /// The machine.
    pub session: Session,
    /// The connection.
    pub stream: S,
    began: Instant,
    events: VecDeque<Event>,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct MmtpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Its fields.
    pub fields: Vec<(String, String)>,
    /// The row of the error table, 0 for none.
    pub error: u32,
    /// The body.
    pub body: Vec<u8>,
}

impl MmtpAnswer {
    /// A field's value.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }
}

/// The HELLO of a device with this number.
#[must_use]
pub fn hello(device: u8) -> Hello {
    Hello {
        app: "wallet".into(),
        app_version: "1.0".into(),
        device: [device].into(),
        nonce: [device; 16],
        ..Hello::default()
    }
}

impl MmtpClient<TcpStream> {
    /// Connects in plain text.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(address: std::net::SocketAddr, hello: &Hello) -> Self {
        let Ok(mut stream) = TcpStream::connect(address).await else { panic!("nobody listens") };
        if stream.write_all(b"MMTP/\x01").await.is_err() {
            panic!("the connection was refused");
        }
        Self::over(stream, hello)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MmtpClient<S> {
    /// Speaks over a stream that is there.
    pub fn over(stream: S, hello: &Hello) -> Self {
        let session = Session::client(Config::default(), hello, Millis(0));
        Self { session, stream, began: Instant::now(), events: VecDeque::new() }
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Writes what the machine has.
    pub async fn flush(&mut self) {
        self.session.advance(self.now());
        let mut out = BytesMut::new();
        while self.session.poll_transmit(&mut out, 16_384) {}
        // A server that is gone is noticed by reading.
        let _ = self.stream.write_all(&out).await;
        let _ = self.stream.flush().await;
    }

    /// The next event.
    ///
    /// # Panics
    /// When none comes.
    pub async fn event(&mut self) -> Event {
        loop {
            self.flush().await;
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let mut bytes = [0; 16_384];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await;
            let now = self.now();
            match read {
                Ok(Ok(read)) if read > 0 => self.session.receive(&bytes[..read], now),
                Ok(_) => self.session.lost(),
                Err(_) => panic!("nothing came"),
            }
            while let Some(event) = self.session.poll_event() {
                self.events.push_back(event);
            }
        }
    }

    /// Waits for the WELCOME.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn welcome(&mut self) -> paifang_mmtp::greeting::Welcome {
        match self.event().await {
            Event::Welcome(welcome) => *welcome,
            other => panic!("{other:?}"),
        }
    }

    /// Begins a call of an operation.
    ///
    /// # Panics
    /// When the connection takes no calls.
    pub fn begin(&mut self, operation: &str, body: impl Into<Bytes>) -> Key {
        self.request(NewRequest::new(Operation::Name(operation), body.into()))
    }

    /// Begins a call.
    ///
    /// # Panics
    /// When the connection takes no calls.
    pub fn request(&mut self, request: NewRequest<'_>) -> Key {
        match self.session.request(request) {
            Ok(key) => key,
            Err(refusal) => panic!("{refusal}"),
        }
    }

    /// Makes a call of an operation and waits for its answer.
    pub async fn call(&mut self, operation: &str, body: impl Into<Bytes>) -> MmtpAnswer {
        let key = self.begin(operation, body);
        self.answer(key).await
    }

    /// The answer to a call; events of others are left for later.
    ///
    /// # Panics
    /// When the call ends without one.
    pub async fn answer(&mut self, key: Key) -> MmtpAnswer {
        let mut answer = MmtpAnswer { status: 0, fields: Vec::new(), error: 0, body: Vec::new() };
        let mut others = VecDeque::new();
        let mut end = false;
        while !end {
            match self.event().await {
                Event::Response(response) if response.key == key => {
                    answer.status = response.status;
                    for field in paifang_mmtp::session::fields(response.tlvs()) {
                        let Ok((name, value)) = field else { panic!("a bad field") };
                        let value = String::from_utf8_lossy(value).into_owned();
                        answer.fields.push((name.to_owned(), value));
                    }
                    if let Some(error) = response.tlvs().get(kind::ERROR) {
                        let digits = error.iter().rev();
                        answer.error =
                            digits.fold(0, |sum, byte| sum << 7 | u32::from(byte & 0x7f));
                    }
                    answer.body.extend_from_slice(&response.data);
                    self.session.consumed(key.channel, response.cost);
                    end = response.end;
                }
                Event::Data { key: own, data, end: last, cost, .. } if own == key => {
                    answer.body.extend_from_slice(&data);
                    self.session.consumed(key.channel, cost);
                    end = last;
                }
                Event::Cancelled { key: own, code } if own == key => panic!("cancelled: {code:?}"),
                Event::Closed(closed) => panic!("{closed:?}"),
                other => others.push_back(other),
            }
        }
        others.append(&mut self.events);
        self.events = others;
        answer
    }
}
