//! An upstream that answers when it is let.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, Sender, channel},
};

use crate::process::HANG;

/// Takes one call at a time.
pub(crate) struct Patient {
    pub(crate) address: SocketAddr,
    came: Receiver<()>,
    let_go: Sender<()>,
}

impl Patient {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((tell, came), (let_go, gate)) = (channel(), channel());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut lines = BufReader::new(&stream);
                let mut line = String::new();
                while lines.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
                    line.clear();
                }
                if tell.send(()).is_err() || gate.recv().is_err() {
                    return;
                }
                let answer =
                    b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\npatience";
                // Whoever asked may have gone.
                let _ = (&stream).write_all(answer);
            }
        });
        Self { address, came, let_go }
    }

    /// Returns when a call has come.
    pub(crate) fn called(&self) {
        self.came.recv_timeout(HANG).expect("no call came");
    }

    /// Answers it.
    pub(crate) fn answer(&self) {
        self.let_go.send(()).unwrap();
    }

    /// A config whose `/slow` comes here.
    pub(crate) fn config(&self) -> String {
        let slow = "  - { id: slow, match: { path: /slow }, upstream: up }\n";
        let upstreams = format!(
            "upstreams: {{ up: {{ endpoints: [ {{ address: \"{}\" }} ] }} }}\n",
            self.address
        );
        crate::process::saying("quick") + slow + &upstreams
    }
}
