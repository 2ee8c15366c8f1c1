//! Compressed messages of servers that do not keep to the rules.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use paifang_mmtp::{
    code::CloseCode,
    compress::DictionaryId,
    greeting::{Dictionary, FEATURE_ZSTD, Welcome},
    session::{Key, NewMessage, NewResponse},
};

use super::{builder, connected, here, ms, network, until};
use crate::{DictionaryStore, Error, State};

/// A store in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(DictionaryId, Bytes)>>>);

impl DictionaryStore for Kept {
    fn all(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().iter().map(|(_, bytes)| bytes.clone()).collect()
    }

    fn keep(&self, id: DictionaryId, bytes: &Bytes) {
        self.0.lock().unwrap().push((id, bytes.clone()));
    }

    fn forget(&self, id: DictionaryId) {
        self.0.lock().unwrap().retain(|(own, _)| *own != id);
    }
}

fn dictionary(number: u32, identity: [u8; 16]) -> Dictionary {
    Dictionary { number, identity, channel: 1, operation: "".into() }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_dictionary_of_its_name_is_not_kept() {
    let (net, server) = network();
    let dictionaries = vec![dictionary(1, [7; 16]), dictionary(2, [8; 16])];
    server.welcome(Welcome { features: FEATURE_ZSTD, dictionaries, ..Welcome::default() });
    let kept = Kept::default();
    let client = builder().dictionaries(kept.clone()).build(net.clone()).unwrap();
    here(&client).await;
    // The server answers with the identity.
    let asked = || server.calls().iter().filter(|seen| seen.name == "mmtp.dictionary").count();
    until(|| asked() == 2).await;
    tokio::time::sleep(ms(500)).await;
    assert!(kept.0.lock().unwrap().is_empty());
    assert!(server.hellos()[0].dictionaries.is_empty());
    assert_eq!(server.hellos()[0].features & FEATURE_ZSTD, FEATURE_ZSTD);
    // It goes on without.
    let answer = client.call("echo").body("hello").send().await.unwrap();
    assert_eq!(&answer.body()[..], b"hello");
    // A client without a store asks for none, and one that is told to takes no compressed messages.
    let other = builder().compression(false).dictionaries(kept).build(net.clone()).unwrap();
    here(&other).await;
    let third = connected(&net).await;
    third.call("echo").send().await.unwrap();
    assert_eq!(asked(), 2);
    assert_eq!(server.hellos()[1].features & FEATURE_ZSTD, 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decompressed_ends_the_connection_and_the_client_comes_again() {
    let (net, server) = network();
    let client = connected(&net).await;
    for (connection, last) in [(0, true), (1, false)] {
        let call = client.call("never").body("x");
        let waiting = tokio::spawn(call.send());
        until(|| server.calls().len() == connection + 1).await;
        server.order(connection, move |session| {
            let data = Bytes::from_static(b"\xa0\xff\xff\xff\xff nothing of the kind");
            let key = Key { channel: 1, sequence: 1 };
            let (status, tlvs) = (200, Bytes::new());
            session.respond(key, NewResponse { status, tlvs, zstd: true, data, end: last });
            if !last {
                session.send(key, Bytes::from_static(b"more"), true, Bytes::new());
            }
        });
        assert_eq!(waiting.await.unwrap().unwrap_err(), Error::Encoded);
        until(|| server.hellos().len() == connection + 2).await;
        here(&client).await;
    }
    // A message that is none.
    let mut push = client.messages(2).unwrap();
    server.order(2, |session| {
        let data = Bytes::from_static(b"none");
        session.message(2, NewMessage { zstd: true, data, ..NewMessage::default() });
    });
    until(|| server.hellos().len() == 4).await;
    here(&client).await;
    server.order(3, |session| {
        session.message(2, NewMessage { data: "good".into(), ..NewMessage::default() });
    });
    assert_eq!(push.next().await.unwrap().data, "good");
    assert!(matches!(client.state(), State::Connected(_)), "{:?}", CloseCode::COMPRESSION);
}
