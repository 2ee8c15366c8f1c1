//! Frames that say, or are, more than a peer can bear.

use super::super::{FREE_GROWTH, MAX_RATIO, MAX_WINDOW};
use super::*;

/// A frame of one segment with an eight-byte length, and these blocks: kind, size as it says, bytes.
fn frame(content: u64, blocks: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut frame = vec![0b1110_0000];
    frame.extend_from_slice(&content.to_le_bytes());
    append(frame, blocks)
}

fn append(mut frame: Vec<u8>, blocks: &[(u32, u32, &[u8])]) -> Vec<u8> {
    for (index, (kind, size, bytes)) in blocks.iter().enumerate() {
        let last = u32::from(index + 1 == blocks.len());
        frame.extend_from_slice(&(size << 3 | kind << 1 | last).to_le_bytes()[..3]);
        frame.extend_from_slice(bytes);
    }
    frame
}

const RAW: u32 = 0;
const RLE: u32 = 1;

#[test]
fn what_the_frames_here_are_made_of_is_understood() {
    assert_eq!(decompress(&frame(3, &[(RAW, 3, b"abc")]), None, 3).unwrap(), b"abc");
    let two = frame(9, &[(RAW, 3, b"abc"), (RLE, 6, b"d")]);
    assert_eq!(decompress(&two, None, LIMIT).unwrap(), b"abcdddddd");
    assert_eq!(decompress(&frame(0, &[(RAW, 0, b"")]), None, 0).unwrap(), b"");
}

#[test]
fn a_message_beyond_the_limit_is_refused_by_what_it_says() {
    let said = frame(100, &[(RLE, 100, b"a")]);
    assert!(decompress(&said, None, 100).is_ok());
    assert_eq!(
        decompress(&said, None, 99),
        Err(CompressError::TooLong { content: 100, limit: 99 })
    );
    let huge = frame(u64::MAX, &[(RLE, 100, b"a")]);
    let error = CompressError::TooLong { content: u64::MAX, limit: LIMIT };
    assert_eq!(decompress(&huge, None, LIMIT), Err(error));
}

#[test]
fn a_message_that_grows_too_much_is_refused_before_memory_is_taken() {
    // A window descriptor of 128 KiB, a length of four bytes, and blocks of 128 KiB of one letter.
    let long = |blocks: usize| {
        let content = (blocks as u32) << 17;
        let head = [&[0b1000_0000, 7 << 3][..], &content.to_le_bytes()].concat();
        append(head, &vec![(RLE, 1 << 17, &b"a"[..]); blocks])
    };
    let bomb = long(8);
    assert_eq!(bomb.len(), 38);
    let error = CompressError::GrowsTooMuch { content: 1 << 20, wire: 38 };
    assert_eq!(decompress(&bomb, None, LIMIT), Err(error));

    let within = frame(FREE_GROWTH, &[(RLE, FREE_GROWTH as u32, b"a")]);
    assert_eq!(decompress(&within, None, LIMIT).unwrap().len() as u64, FREE_GROWTH);
    let beyond = frame(FREE_GROWTH + 1, &[(RLE, FREE_GROWTH as u32 + 1, b"a")]);
    assert!(matches!(decompress(&beyond, None, LIMIT), Err(CompressError::GrowsTooMuch { .. })));

    let pad = vec![b'p'; 200];
    let wire = 9 + 3 + pad.len() + 4;
    let most = wire as u64 * MAX_RATIO;
    for (content, taken) in [(most, true), (most + 1, false)] {
        let rest = content as u32 - pad.len() as u32;
        let bytes = frame(content, &[(RAW, 200, &pad), (RLE, rest, b"a")]);
        assert_eq!(bytes.len(), wire);
        assert_eq!(decompress(&bytes, None, LIMIT).is_ok(), taken);
    }
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    // The window's byte: five bits of exponent above 1 KiB, three of eighths.
    let windows = [(7_u8 << 3, true), (7 << 3 | 1, false), (8 << 3, false), (0xFF, false)];
    for (window, taken) in windows {
        let bytes = append(vec![0b0100_0000, window, 44, 1], &[(RLE, 556, b"a")]);
        match decompress(&bytes, None, LIMIT) {
            Ok(message) => assert!(taken && message.len() == 556),
            Err(error) => assert!(!taken && matches!(error, CompressError::Window(_)), "{error}"),
        }
    }
    // A single segment's window is its content.
    let long: Vec<u8> = Corpus::new(5).flat_map(|message| message.bytes).take(200 << 10).collect();
    let blocks: Vec<_> = long.chunks(64 << 10).map(|part| (RAW, part.len() as u32, part)).collect();
    let bytes = frame(long.len() as u64, &blocks);
    assert_eq!(decompress(&bytes, None, LIMIT), Err(CompressError::Window(200 << 10)));
    let bytes = frame(MAX_WINDOW, &[(RAW, MAX_WINDOW as u32, &long[..MAX_WINDOW as usize])]);
    assert_eq!(decompress(&bytes, None, LIMIT).unwrap().len() as u64, MAX_WINDOW);
}

#[test]
fn content_is_as_long_as_it_says() {
    for said in [0, 2, 4, 1000] {
        assert!(decompress(&frame(said, &[(RAW, 3, b"abc")]), None, LIMIT).is_err(), "{said}");
        assert!(decompress(&frame(said, &[(RLE, 3, b"a")]), None, LIMIT).is_err(), "{said}");
    }
}

#[test]
fn a_million_empty_blocks_are_a_linear_walk() {
    let blocks = vec![(RAW, 0, &b""[..]); 100_000];
    assert_eq!(decompress(&frame(0, &blocks), None, LIMIT), Ok(Vec::new()));
}
