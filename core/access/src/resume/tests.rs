//! Tokens against a store in this process, and against one that is away.
#![allow(clippy::unwrap_used)]

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use paifang_mmtp::greeting::{DeviceKey, DeviceKeyKind, Hello, Resumed, proof_text};
use paifang_pipeline::{
    ports::{Answer, Kv, KvError, KvRate, LimitDecision, Nanos, StoreError},
    testkit::TestClock,
};
use paifang_state::LocalStore;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};

use super::{Owner, Tokens, is_proven, record::Record};

const HOUR: Duration = Duration::from_secs(3600);

fn tokens(devices: u32) -> (Tokens, Arc<TestClock>) {
    let clock = Arc::new(TestClock::new());
    let devices = NonZeroU32::new(devices).unwrap();
    let tokens = Tokens::open(&LocalStore::new(), devices, clock.clone(), HOUR);
    (tokens.unwrap(), clock)
}

fn owner(device: u8, epoch: u32, user: Option<&str>) -> Owner {
    Owner::new("wallet", &[device], &[device; 16], epoch, user)
}

/// What came of a token, and the next one.
async fn shown(
    tokens: &Tokens,
    token: Option<&[u8]>,
    owner: &Owner,
) -> (Option<Resumed>, Box<[u8]>) {
    let resumption = tokens.resume(token, true, owner).await;
    (resumption.said, resumption.grant.unwrap().token.bytes)
}

#[tokio::test]
async fn a_token_is_good_once_and_the_one_before_the_newest_once_more() {
    let (tokens, _) = tokens(10_000);
    let own = owner(1, 0, None);
    let (said, first) = shown(&tokens, None, &own).await;
    assert_eq!(said, None);
    let (said, second) = shown(&tokens, Some(&first), &own).await;
    assert_eq!(said, Some(Resumed::Yes));
    // The client has never seen the second one.
    let (said, third) = shown(&tokens, Some(&first), &own).await;
    assert_eq!(said, Some(Resumed::Yes));
    assert_eq!(shown(&tokens, Some(&first), &own).await.0, Some(Resumed::Used));
    // Of two connections that have shown the same one, each was given one that is good.
    let (said, fourth) = shown(&tokens, Some(&second), &own).await;
    assert_eq!(said, Some(Resumed::Yes));
    assert_eq!(shown(&tokens, Some(&second), &own).await.0, Some(Resumed::Used));
    assert_eq!(shown(&tokens, Some(&third), &own).await.0, Some(Resumed::Yes));
    assert_eq!(shown(&tokens, Some(&fourth), &own).await.0, Some(Resumed::Yes));
}

#[tokio::test]
async fn a_token_is_one_device_s_and_one_user_s() {
    let (tokens, _) = tokens(10_000);
    let own = owner(1, 2, Some("ann"));
    let (_, token) = shown(&tokens, None, &own).await;
    let others = [
        owner(2, 2, Some("ann")),
        owner(1, 3, Some("ann")),
        owner(1, 2, Some("ben")),
        owner(1, 2, None),
    ];
    for other in &others {
        assert_eq!(shown(&tokens, Some(&token), other).await.0, Some(Resumed::Foreign));
    }
    let unproven = tokens.resume(Some(&token), false, &own).await;
    assert_eq!(unproven.said, Some(Resumed::Foreign));
    // None of them has used it up.
    assert_eq!(shown(&tokens, Some(&token), &own).await.0, Some(Resumed::Yes));
}

#[tokio::test]
async fn what_is_no_token_is_unknown_and_an_old_one_is_expired() {
    let (tokens, clock) = tokens(10_000);
    let own = owner(1, 0, None);
    let (_, token) = shown(&tokens, None, &own).await;
    let mut other = token.to_vec();
    other[0] ^= 1;
    for bad in [&b"x"[..], &[0; 40], &[0xff; 40], &other, &token[..39], &[&*token, &[0]].concat()] {
        let said = shown(&tokens, Some(bad), &own).await.0;
        assert!(matches!(said, Some(Resumed::Unknown | Resumed::Expired)), "{said:?}");
    }
    // A guess at the rest of a token whose record is known.
    let mut guess = token.to_vec();
    guess[39] ^= 1;
    assert_eq!(shown(&tokens, Some(&guess), &own).await.0, Some(Resumed::Used));
    clock.advance(HOUR);
    assert_eq!(shown(&tokens, Some(&token), &own).await.0, Some(Resumed::Expired));
    // Its own time cannot be changed.
    let mut later = token.to_vec();
    later[16..24].copy_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(shown(&tokens, Some(&later), &own).await.0, Some(Resumed::Unknown));
}

#[tokio::test]
async fn cursors_come_back_to_the_device_and_user_that_they_were_set_for() {
    let (tokens, _) = tokens(10_000);
    let own = owner(1, 0, None);
    let first = tokens.resume(None, true, &own).await.grant.unwrap();
    assert!(tokens.keep(first.held, &[(2, [1].into()), (3, [2].into())]).await);
    assert!(tokens.keep(first.held, &[(3, [7, 7].into())]).await);
    let second = tokens.resume(Some(&first.token.bytes), true, &own).await;
    let kept: [super::Cursor; 2] = [(2, [1].into()), (3, [7, 7].into())];
    assert_eq!(second.cursors, kept);
    let second = second.grant.unwrap();
    // The older connection may still have something to say, until two have followed it.
    assert!(tokens.keep(first.held, &[(2, [8].into())]).await);
    let third = tokens.resume(Some(&second.token.bytes), true, &own).await.grant.unwrap();
    assert!(!tokens.keep(first.held, &[(2, [9].into())]).await);

    // Another user: the cursors are gone, the token that was there before is the new user's.
    let ann = owner(1, 1, Some("ann"));
    let grant = tokens.change_user(Some(third.held), &ann).await.unwrap();
    assert!(!tokens.keep(third.held, &[(2, [9].into())]).await, "the old user's");
    assert!(tokens.keep(grant.held, &[(2, [5].into())]).await);
    assert_eq!(shown(&tokens, Some(&grant.token.bytes), &own).await.0, Some(Resumed::Foreign));
    let unseen = tokens.resume(Some(&third.token.bytes), true, &ann).await;
    assert_eq!((unseen.said, unseen.cursors), (Some(Resumed::Yes), vec![(2, [5].into())]));
    // In place of one that grows old.
    let renewed = tokens.renew(unseen.grant.unwrap().held).await.unwrap();
    assert_eq!(shown(&tokens, Some(&renewed.token.bytes), &ann).await.0, Some(Resumed::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_full_store_gives_no_tokens_and_an_away_one_goes_on_without() {
    let (tokens, clock) = tokens(1);
    let own = owner(1, 0, None);
    let first = tokens.resume(None, true, &own).await.grant.unwrap();
    let mut given = 1;
    while tokens.resume(None, true, &own).await.grant.is_some() {
        given += 1;
    }
    // One in each part, and which one a record lies in is chance.
    assert!(given <= 16, "{given}");
    assert_eq!(shown(&tokens, Some(&first.token.bytes), &own).await.0, Some(Resumed::Yes));
    clock.advance(HOUR);
    assert!(tokens.resume(None, true, &own).await.grant.is_some(), "what has expired makes room");

    for gone in [Gone::Down, Gone::Silent] {
        let kvs = std::array::from_fn(|_| Arc::new(gone) as Arc<dyn Kv>);
        let away = Tokens::new(kvs, clock.clone(), HOUR);
        let token = away.make([1; 16], [0; 16]).unwrap().token;
        let resumption = away.resume(Some(&token.bytes), true, &own).await;
        assert_eq!(resumption.said, Some(Resumed::Unknown), "{gone:?}");
        assert!(resumption.grant.is_none() && resumption.cursors.is_empty());
        assert!(away.change_user(Some(first.held), &own).await.is_none());
        assert!(!away.keep(first.held, &[(2, [1].into())]).await);
    }
}

#[test]
fn records_are_read_as_they_were_written_or_not_at_all() {
    let mut record = Record::new(&owner(1, 0, None), [3; 16]);
    record.renew([4; 16]);
    for channel in 0..20 {
        super::set(&mut record.cursors, channel, &[channel; 64]);
    }
    let bytes = record.encode();
    assert_eq!(bytes.len(), super::record::LARGEST);
    assert_eq!(Record::decode(&bytes), Some(record));
    for length in 0..bytes.len() {
        // Whole cursors fewer are a record too.
        let whole = length >= 65 && (length - 65) % 66 == 0;
        assert_eq!(Record::decode(&bytes[..length]).is_some(), whole, "{length}");
    }
    assert_eq!(Record::decode(&[&[2], &bytes[1..]].concat()), None);
}

/// A HELLO that proves a key of this kind.
fn proven(kind: DeviceKeyKind, resume: Option<&[u8]>) -> Hello {
    let random = SystemRandom::new();
    let text = proof_text("a.example", b"d", &[7; 16], resume.unwrap_or_default());
    let (key, proof): (Box<[u8]>, Vec<u8>) = match kind {
        DeviceKeyKind::Ed25519 => {
            let pair = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
            (pair.public_key().as_ref().into(), pair.sign(&text).as_ref().into())
        }
        DeviceKeyKind::P256 => {
            let form = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pair = EcdsaKeyPair::generate_pkcs8(form, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(form, pair.as_ref(), &random).unwrap();
            (pair.public_key().as_ref().into(), pair.sign(&random, &text).unwrap().as_ref().into())
        }
    };
    Hello {
        app: "wallet".into(),
        device: (*b"d").into(),
        nonce: [7; 16],
        resume: resume.map(Into::into),
        device_key: Some(DeviceKey { kind, key }),
        proof: Some(proof.into()),
        ..Hello::default()
    }
}

#[test]
fn a_proof_is_of_this_key_device_name_and_token() {
    for kind in [DeviceKeyKind::P256, DeviceKeyKind::Ed25519] {
        for resume in [None, Some(&b"token"[..])] {
            let hello = proven(kind, resume);
            let named = Some("a.example");
            assert!(is_proven(&hello, named));
            assert!(is_proven(&Hello { authority: named.map(Into::into), ..hello.clone() }, None));
            let bad = [
                Hello { device: [1].into(), ..hello.clone() },
                Hello { nonce: [8; 16], ..hello.clone() },
                Hello { resume: Some([1].into()), ..hello.clone() },
                Hello { authority: Some("b.example".into()), ..hello.clone() },
                Hello { device_key: proven(kind, resume).device_key, ..hello.clone() },
                Hello { proof: Some([0; 64].into()), ..hello.clone() },
                Hello { proof: None, ..hello.clone() },
                Hello { device_key: None, ..hello.clone() },
            ];
            for (index, bad) in bad.iter().enumerate() {
                assert!(!is_proven(bad, named), "{index}");
            }
            assert!(!is_proven(&hello, None));
        }
    }
}

/// A store that cannot be asked.
#[derive(Clone, Copy, Debug)]
enum Gone {
    /// It says so.
    Down,
    /// It says nothing.
    Silent,
}

impl Gone {
    fn answer<T: Send + 'static>(self) -> Answer<Result<T, KvError>> {
        Answer::Later(Box::pin(async move {
            match self {
                Self::Down => Err(StoreError("away".into())),
                Self::Silent => std::future::pending().await,
            }
        }))
    }
}

impl Kv for Gone {
    fn immediate(&self) -> bool {
        false
    }

    fn get(&self, _: &[u8], _: Nanos) -> Answer<Result<Option<Bytes>, KvError>> {
        self.answer()
    }

    fn set(
        &self,
        _: &[u8],
        _: Bytes,
        _: Option<Duration>,
        _: Nanos,
    ) -> Answer<Result<(), KvError>> {
        self.answer()
    }

    fn delete(&self, _: &[u8], _: Nanos) -> Answer<Result<(), KvError>> {
        self.answer()
    }

    fn compare_and_swap(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: Bytes,
        _: Option<Duration>,
        _: Nanos,
    ) -> Answer<Result<bool, KvError>> {
        self.answer()
    }

    fn add(&self, _: &[u8], _: i64, _: Option<Duration>, _: Nanos) -> Answer<Result<i64, KvError>> {
        self.answer()
    }

    fn take(&self, _: &[u8], _: KvRate, _: Nanos) -> Answer<Result<LimitDecision, KvError>> {
        self.answer()
    }
}
