//! A DNS server that says of one service what a test wants. Tests of the whole gateway take it from here.

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, SRV},
    },
    serialize::binary::{BinDecodable, BinEncodable},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// The name of the service.
pub const SERVICE: &str = "_http._tcp.orders.test";

/// Priority, weight, port, target: `one.test` is 127.0.0.1, `two.test` 127.0.0.2, `three.test` 127.0.0.3.
pub type Srv = (u16, u16, u16, &'static str);

/// What is said of the service; a failure (SERVFAIL) where there is nothing.
type Zone = Arc<Mutex<Option<Vec<Srv>>>>;

/// Answers until it is dropped, with a time to live of 0.
pub struct DnsServer {
    /// Where it listens, over UDP.
    pub address: SocketAddr,
    zone: Zone,
    task: JoinHandle<()>,
}

impl DnsServer {
    /// A server with these records of [`SERVICE`].
    pub async fn start(records: Vec<Srv>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone: Zone = Arc::new(Mutex::new(Some(records)));
        let said = Arc::clone(&zone);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let query = Message::from_bytes(&buffer[..length]).unwrap();
                let answer = answer(&query, said.lock().unwrap().as_deref());
                socket.send_to(&answer.to_bytes().unwrap(), from).await.unwrap();
            }
        });
        Self { address, zone, task }
    }

    /// Says these records from here on; with `None` every question about the service fails.
    pub fn say(&self, records: Option<Vec<Srv>>) {
        *self.zone.lock().unwrap() = records;
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(query: &Message, records: Option<&[Srv]>) -> Message {
    let question = query.queries[0].clone();
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.add_query(question.clone());
    let name = question.name().to_string();
    let mut add = |data: RData| {
        response.add_answer(Record::from_rdata(question.name().clone(), 0, data));
    };
    match (name.trim_end_matches('.'), question.query_type()) {
        (SERVICE, RecordType::SRV) => match records {
            None => response.metadata.response_code = ResponseCode::ServFail,
            Some(records) => {
                for &(priority, weight, port, target) in records {
                    let target = Name::from_ascii(target).unwrap();
                    add(RData::SRV(SRV::new(priority, weight, port, target)));
                }
            }
        },
        ("one.test", RecordType::A) => add(RData::A(A(Ipv4Addr::new(127, 0, 0, 1)))),
        ("two.test", RecordType::A) => add(RData::A(A(Ipv4Addr::new(127, 0, 0, 2)))),
        ("three.test", RecordType::A) => add(RData::A(A(Ipv4Addr::new(127, 0, 0, 3)))),
        (_, RecordType::AAAA) => {}
        _ => response.metadata.response_code = ResponseCode::NXDomain,
    }
    response
}
