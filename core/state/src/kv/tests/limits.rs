//! What has no room is refused, and what has expired makes room first.
use super::{Values, rate, spec};
use bytes::Bytes;
use paifang_pipeline::ports::{Kv, KvError, Nanos};

const LONG: &str = "12345678901";

#[test]
fn what_is_too_large_is_said_to_be_and_changes_nothing() {
    let values = Values::new(spec(10, 10_000));
    let large = "x".repeat(101);
    assert_eq!(values.set(LONG, "", None, 0), Err(KvError::TooLarge));
    assert_eq!(values.cas(LONG, (None, ""), None, 0), Err(KvError::TooLarge));
    assert_eq!(values.add(LONG, 1, None, 0), Err(KvError::TooLarge));
    assert_eq!(values.take(LONG, rate(1, 1, 1), 0).map(drop), Err(KvError::TooLarge));
    assert_eq!(values.delete(LONG), Err(KvError::TooLarge));
    assert!(matches!(
        values.0.get(LONG.as_bytes(), Nanos(0)),
        paifang_pipeline::ports::Answer::Now(Err(KvError::TooLarge))
    ));
    assert_eq!(values.set("k", &large, None, 0), Err(KvError::TooLarge));
    assert_eq!(values.cas("k", (None, &large), None, 0), Err(KvError::TooLarge));
    assert_eq!(values.held(), (0, 0));
    assert_eq!(values.set(&LONG[..10], &large[..100], None, 0), Ok(()), "the limits are inclusive");
}

#[test]
fn entries_of_all_kinds_are_counted_and_bounded() {
    let values = Values::new(spec(3, 1_000));
    values.set("a", "x", None, 0).unwrap();
    values.add("b", 1, None, 0).unwrap();
    values.take("c", rate(1, 1_000, 1), 0).unwrap();
    assert_eq!(values.held(), (3, 2 + 9 + 9));
    assert_eq!(values.set("d", "x", None, 0), Err(KvError::Full));
    assert_eq!(values.add("d", 1, None, 0), Err(KvError::Full));
    assert_eq!(values.take("d", rate(1, 1, 1), 0).map(drop), Err(KvError::Full));
    values.set("a", "y", None, 0).unwrap();
    values.delete("a").unwrap();
    values.set("d", "x", None, 0).unwrap();
    assert_eq!(values.held(), (3, 20));
}

#[test]
fn bytes_are_bounded_and_what_shrinks_always_fits() {
    let values = Values::new(spec(10, 30));
    values.set("a", &"x".repeat(29), None, 0).unwrap();
    assert_eq!(values.set("a", &"x".repeat(30), None, 0), Err(KvError::Full));
    assert_eq!(values.get("a", 0), Some("x".repeat(29)), "what was there stays");
    assert_eq!(values.set("b", "", None, 0), Err(KvError::Full));
    values.set("a", "1", None, 0).unwrap();
    assert_eq!(values.held(), (1, 2));
    values.set("b", &"x".repeat(27), None, 0).unwrap();
    assert_eq!(values.add("a", 1, None, 0), Err(KvError::Full), "a counter takes 8 bytes");
    assert_eq!(values.get("a", 0).as_deref(), Some("1"));
}

#[test]
fn what_has_expired_makes_room_before_full_is_said() {
    let values = Values::new(spec(1_000, 1_000_000));
    for n in 0..1_000 {
        values.set(&n.to_string(), "x", Some(1_000 - n), 0).unwrap();
    }
    assert_eq!(values.add("new", 1, None, 0), Err(KvError::Full));
    // One expires with each nanosecond, so just one has room with each.
    for n in 1..=500 {
        assert_eq!(values.set(&format!("n{n}"), "x", None, n), Ok(()), "{n}");
        assert_eq!(values.set("more", "x", None, n), Err(KvError::Full), "{n}");
    }
    assert_eq!(values.held().0, 1_000);
}

#[test]
fn many_small_ones_make_room_for_a_large_one() {
    let values = Values::new(spec(1_000, 1_000));
    for n in 0..200 {
        values.set(&format!("{n:03}"), "12", Some(if n < 50 { 10 } else { 20 }), 0).unwrap();
    }
    assert_eq!(values.held(), (200, 1_000));
    // 110 bytes, in the place of 22 that have five each; two more may go with each try.
    assert_eq!(values.set("0123456789", &"x".repeat(100), None, 10), Ok(()));
    let (entries, bytes) = values.held();
    assert!((175..=179).contains(&entries) && bytes == 5 * entries + 105, "{entries}, {bytes}");
}

#[test]
fn times_that_move_are_held_to_where_they_moved() {
    let values = Values::new(spec(2, 1_000));
    values.set("a", "x", Some(10), 0).unwrap();
    values.set("a", "x", Some(100), 5).unwrap();
    values.set("b", "x", Some(100), 0).unwrap();
    values.set("b", "x", Some(10), 5).unwrap();
    assert_eq!(values.set("c", "x", None, 14), Err(KvError::Full));
    assert_eq!(values.set("c", "x", None, 15), Ok(()), "`b` has come forward");
    assert_eq!(values.get("a", 104).as_deref(), Some("x"), "`a` has moved away");
    assert_eq!(values.set("d", "x", None, 104), Err(KvError::Full));
    assert_eq!(values.set("d", "x", Some(1), 105), Ok(()));
    values.set("d", "x", None, 105).unwrap();
    assert_eq!(values.set("e", "x", None, u64::MAX - 1), Err(KvError::Full), "`d` stays for ever");
    assert_eq!(values.0.table.sizes().1, 0, "nothing is left in the order");
}

#[test]
fn a_table_that_is_never_full_gives_back_what_has_expired() {
    let values = Values::new(spec(100_000, 100_000_000));
    for at in 0..20_000_u64 {
        values.set(&at.to_string(), "x", Some(100), at).unwrap();
    }
    let (held, _, room) = values.0.table.sizes();
    // A hundred live at a time; each shard looks at two for each that comes.
    assert!((100..1_000).contains(&held) && room < 4_000, "{held} entries, room for {room}");
    assert_eq!(values.held().0, held as u64);
}

#[test]
fn other_limits_find_the_same_values_and_drop_none() {
    let values = Values::new(spec(3, 1_000));
    for key in ["a", "b", "c"] {
        values.set(key, "x", None, 0).unwrap();
    }
    let less = values.with(spec(1, 3));
    assert_eq!(less.get("c", 0).as_deref(), Some("x"));
    assert_eq!(less.set("d", "", None, 0), Err(KvError::Full));
    assert_eq!(less.set("a", "y", None, 0), Ok(()), "what does not grow is not new");
    assert_eq!(less.set("a", "yy", None, 0), Err(KvError::Full));
    let more = values.with(spec(4, 1_000));
    assert_eq!(more.set("d", "x", None, 0), Ok(()));
    assert_eq!(values.set("e", "x", None, 0), Err(KvError::Full), "each is held to its own");
    assert_eq!(values.get("d", 0).as_deref(), Some("x"));
}

#[test]
fn a_piece_of_a_large_buffer_does_not_keep_the_buffer() {
    let values = Values::new(spec(3, 1_000));
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let _ = values.0.set(b"k", large.slice(5..10), None, Nanos(0));
    assert!(large.is_unique());
}
