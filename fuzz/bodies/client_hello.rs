//! The first bytes of a TLS connection: what is read of a ClientHello does not depend on how it comes, nor on how it is cut into
//! records, and a reader that waits for more never waits for ever.

// Whoever includes this file has the reader at hand: the crate, or its file alone.
use super::client_hello::{First, HELLO_MAX, Hello, read};

/// So many beginnings are looked at one by one.
const BEGINNINGS: usize = 700;
/// The most records of a ClientHello that the reader joins.
const RECORDS: usize = 512;

/// `data` is the beginning of a connection.
pub fn run(data: &[u8]) {
    let whole = read(data);
    let mut decided = None;
    for end in 0..=data.len().min(BEGINNINGS) {
        let seen = read(&data[..end]);
        match &decided {
            Some((_, decided)) => {
                assert_eq!(&seen, decided, "decided before {end}, then otherwise")
            }
            None if seen != First::Incomplete => decided = Some((end, seen)),
            None => {}
        }
    }
    match decided {
        Some((end, First::Hello(hello))) => {
            looked_at(&hello);
            cut_otherwise(&data[..end], &hello);
            assert_eq!(whole, First::Hello(hello));
        }
        Some((_, decided)) => assert_eq!(whole, decided),
        None if whole == First::Incomplete => {
            assert!(data.len() < HELLO_MAX, "{} bytes, and more are waited for", data.len());
            // Whatever comes, there is an end to it.
            let mut more = data.to_vec();
            more.resize(HELLO_MAX, 0);
            assert_ne!(read(&more), First::Incomplete);
        }
        None => {}
    }
}

/// A name is one that can be looked up: lower case, and no address.
fn looked_at(hello: &Hello) {
    let Some(name) = &hello.server_name else { return };
    assert!(!name.is_empty() && name.len() <= 254, "{name:?}");
    assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
    assert!(name.parse::<std::net::IpAddr>().is_err(), "{name:?}");
}

/// The same message in records of other sizes says the same.
fn cut_otherwise(records: &[u8], hello: &Hello) {
    let mut message = Vec::new();
    let mut rest = records;
    while let Some((header, behind)) = rest.split_at_checked(5) {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (fragment, behind) = behind.split_at(length.min(behind.len()));
        message.extend_from_slice(fragment);
        rest = behind;
    }
    for size in [1, 2, 5, 100] {
        if message.len().div_ceil(size) > RECORDS {
            continue;
        }
        let cut: Vec<u8> = message
            .chunks(size)
            .flat_map(|piece| {
                let length = (piece.len() as u16).to_be_bytes();
                [&[22, 3, 1][..], &length, piece].concat()
            })
            .collect();
        assert_eq!(read(&cut), First::Hello(hello.clone()), "in pieces of {size}");
    }
}
