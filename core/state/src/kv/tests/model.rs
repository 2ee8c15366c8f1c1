//! Against a plain map that forgets what has expired at every step: whatever is done, the answers
//! are the same, and so is what is counted.
use super::{Values, rate, spec};
use paifang_pipeline::ports::KvError;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Op {
    Get,
    Set(String, Option<u64>),
    Swap(Option<String>, String, Option<u64>),
    Add(i64, Option<u64>),
    Take,
    Delete,
}

fn op() -> impl Strategy<Value = Op> {
    let value = || prop_oneof!["[0-9]{0,2}", "[a-z]{0,30}"];
    let ttl = || prop::option::of(0_u64..40);
    prop_oneof![
        Just(Op::Get),
        (value(), ttl()).prop_map(|(value, ttl)| Op::Set(value, ttl)),
        (prop::option::of(value()), value(), ttl()).prop_map(|(a, b, ttl)| Op::Swap(a, b, ttl)),
        (-9_i64..9, ttl()).prop_map(|(delta, ttl)| Op::Add(delta, ttl)),
        Just(Op::Take),
        Just(Op::Delete),
    ]
}

const ENTRIES: u32 = 4;
const BYTES: u64 = 60;
/// A token an interval of this, three at once.
const INTERVAL: u64 = 20;

/// By kind and key: text, what it counts for, when it expires.
#[derive(Default)]
struct Model(BTreeMap<(bool, String), (String, u64, u64)>);

impl Model {
    fn put(&mut self, key: (bool, String), new: (String, u64, u64)) -> Result<(), KvError> {
        let had = self.0.get(&key).map_or(0, |old| old.1);
        let entries = self.0.len() + usize::from(!self.0.contains_key(&key));
        let bytes = self.0.values().map(|one| one.1).sum::<u64>() - had + new.1;
        if entries > ENTRIES as usize || bytes > BYTES && new.1 > had {
            return Err(KvError::Full);
        }
        self.0.insert(key, new);
        Ok(())
    }

    fn read(&self, key: &str) -> Option<String> {
        self.0.get(&(false, key.to_owned())).map(|one| one.0.clone())
    }
}

fn until(ttl: Option<u64>, now: u64) -> u64 {
    ttl.map_or(u64::MAX, |ttl| now + ttl)
}

proptest! {
    #[test]
    fn is_a_map_that_forgets(
        steps in prop::collection::vec((op(), 0..6_usize, 0_u64..15), 1..120),
    ) {
        let values = Values::new(spec(ENTRIES, BYTES));
        let (mut model, mut now) = (Model::default(), 0);
        for (op, key, step) in steps {
            now += step;
            model.0.retain(|_, one| one.2 > now);
            let key = ["a", "b", "c", "d", "ee", "fff"][key];
            let len = key.len() as u64;
            let value = (false, key.to_owned());
            match op {
                Op::Get => prop_assert_eq!(values.get(key, now), model.read(key)),
                Op::Set(text, ttl) => {
                    let bytes = len + text.len() as u64;
                    let expected = model.put(value, (text.clone(), bytes, until(ttl, now)));
                    prop_assert_eq!(values.set(key, &text, ttl, now), expected);
                }
                Op::Swap(expected, text, ttl) => {
                    let same = model.read(key) == expected;
                    let bytes = len + text.len() as u64;
                    let outcome = if same {
                        model.put(value, (text.clone(), bytes, until(ttl, now))).map(|()| true)
                    } else {
                        Ok(false)
                    };
                    let swap = (expected.as_deref(), &*text);
                    prop_assert_eq!(values.cas(key, swap, ttl, now), outcome);
                }
                Op::Add(delta, ttl) => {
                    let before = model.0.get(&value).cloned();
                    let (text, expires) = before
                        .map_or(("0".to_owned(), until(ttl, now)), |one| (one.0, one.2));
                    let number: Option<i64> =
                        text.parse().ok().filter(|n: &i64| n.to_string() == text);
                    let outcome = number.ok_or(KvError::NotANumber).and_then(|number| {
                        let sum = number + delta;
                        model.put(value, (sum.to_string(), len + 8, expires)).map(|()| sum)
                    });
                    prop_assert_eq!(values.add(key, delta, ttl, now), outcome);
                }
                Op::Take => {
                    let bucket = (true, key.to_owned());
                    let full_at = model.0.get(&bucket).map_or(now, |one| one.2);
                    let outcome = if full_at - now > 2 * INTERVAL {
                        Ok(false)
                    } else {
                        let next = (String::new(), len + 8, full_at + INTERVAL);
                        model.put(bucket, next).map(|()| true)
                    };
                    let taken = values.take(key, rate(1, INTERVAL, 3), now);
                    prop_assert_eq!(taken.map(|taken| taken.allowed), outcome);
                }
                Op::Delete => {
                    model.0.remove(&value);
                    model.0.remove(&(true, key.to_owned()));
                    prop_assert_eq!(values.delete(key), Ok(()));
                }
            }
            let (entries, bytes) = values.held();
            prop_assert!(entries <= u64::from(ENTRIES) && bytes <= BYTES);
            // What has expired may still be there, never what has not.
            prop_assert!(entries as usize >= model.0.iter().filter(|one| one.1.2 > now).count());
        }
    }
}
