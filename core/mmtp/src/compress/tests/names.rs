//! A dictionary is named by its bytes, and loads only whole.

use super::super::{Dictionary, DictionaryError, DictionaryId, LevelError, MAX_DICTIONARY};
use super::*;

#[test]
fn a_name_is_the_beginning_of_the_contents_sha_256() {
    // From NIST's example of SHA-256.
    let id = DictionaryId::of(b"abc");
    assert_eq!(id.to_string(), "ba7816bf8f01cfea414140de5dae2223");
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!("BA7816BF8F01CFEA414140DE5DAE2223".parse(), Ok(id));
    assert_eq!(format!("{id:?}"), "DictionaryId(ba7816bf8f01cfea414140de5dae2223)");
    for wrong in ["", "ba", "ba7816bf8f01cfea414140de5dae222g", "ba7816bf8f01cfea414140de5dae22233"]
    {
        assert_eq!(wrong.parse::<DictionaryId>(), Err(DictionaryError::Name), "{wrong}");
    }
    assert_eq!("é".repeat(16).parse::<DictionaryId>(), Err(DictionaryError::Name));
}

#[test]
fn a_loaded_dictionary_tells_what_it_is() {
    let bytes = train(1, 8 << 10);
    let dictionary = Dictionary::load(bytes.clone(), 5).unwrap();
    assert_eq!(dictionary.id(), DictionaryId::of(&bytes));
    assert_eq!(dictionary.bytes(), &bytes);
    assert_eq!(dictionary.level(), 5);
    let own = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    assert_eq!(dictionary.zstd_id(), own);
    assert!(own != 0 && dictionary.memory() > bytes.len());
    assert_eq!(dictionary.clone().id(), dictionary.id());
}

#[test]
fn what_is_no_dictionary_is_not_loaded() {
    let whole = train(1, 8 << 10);
    let load = |bytes: &[u8]| Dictionary::load(bytes.to_vec(), 3).map(|_| ()).unwrap_err();
    assert_eq!(load(b""), DictionaryError::NoDictionary);
    assert_eq!(load(b"{\"raw\":\"content\"}"), DictionaryError::NoDictionary);
    assert_eq!(load(&vec![0; MAX_DICTIONARY + 1]), DictionaryError::TooLong(MAX_DICTIONARY + 1));
    for end in [4, 6, 8, 9, 40] {
        assert_eq!(load(&whole[..end]), DictionaryError::Damaged, "{end}");
    }
    for level in [i32::MIN, 0, 20] {
        let error = Dictionary::load(whole.clone(), level).map(|_| ()).unwrap_err();
        assert_eq!(error, DictionaryError::Level(LevelError(level)));
        assert!(Compressor::new(Settings { level, ..Settings::default() }, 1).is_err());
    }
    // Damage that leaves tables readable gives another dictionary, of another name; none makes a panic.
    let message = Corpus::new(7).next().unwrap().bytes;
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        if let Ok(other) = Dictionary::load(damaged, 3) {
            assert_ne!(other.id(), DictionaryId::of(&whole));
            let mut wire = BytesMut::new();
            if eager().compress(&message, Some(&other), &mut wire).is_some() {
                assert_eq!(decompress(&wire, Some(&other), LIMIT).unwrap(), message);
            }
        }
    }
}
