//! What has been decided about callers, so that one who comes again costs a hash.
//!
//! A table of sets with eight places each: the digest of what a caller presents says in which set it
//! may stand, and a new one takes the place of one that nobody has asked for of late. Reading takes
//! no lock. Put only what is valid here, so that nobody can fill the table who may not pass.

use arc_swap::ArcSwapOption;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
};

const PLACES: usize = 8;

/// SHA-256 of all that a caller presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest(&SHA256, text).as_ref());
        Self(bytes)
    }

    /// Of what has been put into `context`, which is one of SHA-256.
    pub(crate) fn from(context: Context) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    fn number(&self, at: usize) -> u64 {
        self.0[at..at + 8].iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    /// Tells most entries of a set apart; never zero, which is an empty place.
    fn tag(&self) -> u64 {
        self.number(0) | 1
    }
}

/// A bounded table; `T` is what is known of a caller.
pub(crate) struct Cache<T> {
    sets: OnceLock<Box<[Set<T>]>>,
    /// A power of two.
    count: usize,
}

struct Set<T> {
    tags: [AtomicU64; PLACES],
    places: [ArcSwapOption<Entry<T>>; PLACES],
    /// Where the search for a place to take goes on.
    hand: AtomicU8,
}

struct Entry<T> {
    digest: Digest,
    generation: u64,
    /// Until when it counts, not included, by whichever clock is asked with.
    until: u64,
    asked: AtomicBool,
    known: T,
}

impl<T: Clone> Cache<T> {
    /// For at least so many callers, and less than twice as many; memory is taken when the first
    /// comes.
    pub(crate) fn new(callers: u32) -> Self {
        let count = (callers as usize).div_ceil(PLACES).next_power_of_two();
        Self { sets: OnceLock::new(), count }
    }

    /// What is known at this time, if it was put by this generation of whatever decides.
    pub(crate) fn get(&self, digest: &Digest, generation: u64, now: u64) -> Option<T> {
        let set = self.set(self.sets.get()?, digest);
        let tag = digest.tag();
        for (known, place) in set.tags.iter().zip(&set.places) {
            if known.load(Relaxed) != tag {
                continue;
            }
            let entry = place.load();
            let Some(entry) = entry.as_deref().filter(|entry| entry.digest == *digest) else {
                continue;
            };
            if entry.generation != generation || now >= entry.until {
                return None;
            }
            // Written once in a while, so that readers on other cores keep their copy.
            if !entry.asked.load(Relaxed) {
                entry.asked.store(true, Relaxed);
            }
            return Some(entry.known.clone());
        }
        None
    }

    /// Remembers a caller until a time.
    pub(crate) fn put(&self, digest: Digest, generation: u64, until: u64, known: T) {
        let sets = self.sets.get_or_init(|| (0..self.count).map(|_| Set::empty()).collect());
        let set = self.set(sets, &digest);
        let at = set.place(&digest);
        let entry = Entry { digest, generation, until, asked: AtomicBool::new(false), known };
        set.places[at].store(Some(Arc::new(entry)));
        // Whoever sees one without the other finds another digest there, or none.
        set.tags[at].store(digest.tag(), Relaxed);
    }

    fn set<'a>(&self, sets: &'a [Set<T>], digest: &Digest) -> &'a Set<T> {
        &sets[digest.number(8) as usize & (self.count - 1)]
    }
}

impl<T> Set<T> {
    fn empty() -> Self {
        Self {
            tags: std::array::from_fn(|_| AtomicU64::new(0)),
            places: std::array::from_fn(|_| ArcSwapOption::empty()),
            hand: AtomicU8::new(0),
        }
    }

    /// The caller's own place, an empty one, or that of one whom nobody has asked for since a place
    /// was last looked for.
    fn place(&self, digest: &Digest) -> usize {
        let is = |tag: u64| self.tags.iter().position(|known| known.load(Relaxed) == tag);
        if let Some(at) = is(digest.tag()).or_else(|| is(0)) {
            return at;
        }
        for _ in 0..PLACES {
            let at = usize::from(self.hand.fetch_add(1, Relaxed)) % PLACES;
            let place = self.places[at].load();
            if !place.as_ref().is_some_and(|entry| entry.asked.swap(false, Relaxed)) {
                return at;
            }
        }
        usize::from(self.hand.fetch_add(1, Relaxed)) % PLACES
    }
}

#[cfg(test)]
mod tests {
    //! What is remembered, for how long, and what makes room.
    use super::{Cache, Digest, PLACES};

    fn token(number: u32) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn a_token_is_known_until_its_time_and_by_its_keys() {
        let cache = Cache::new(100);
        assert_eq!(cache.get(&token(1), 7, 10), None);
        cache.put(token(1), 7, 20, 'a');
        assert_eq!(cache.get(&token(1), 7, 19), Some('a'));
        assert_eq!(cache.get(&token(1), 7, 20), None, "its time is over");
        assert_eq!(cache.get(&token(1), 8, 10), None, "the keys are others");
        assert_eq!(cache.get(&token(2), 7, 10), None);
        cache.put(token(1), 8, 30, 'b');
        assert_eq!(cache.get(&token(1), 8, 20), Some('b'));
    }

    #[test]
    fn there_are_never_more_than_places_and_the_latest_is_there() {
        let cache = Cache::new(20);
        for number in 0..10_000 {
            cache.put(token(number), 0, 9, number);
            assert_eq!(cache.get(&token(number), 0, 0), Some(number));
        }
        let known = (0..10_000).filter(|number| cache.get(&token(*number), 0, 0).is_some());
        assert_eq!(known.count(), 4 * PLACES);
    }

    #[test]
    fn who_is_asked_for_stays() {
        let cache = Cache::new(1);
        cache.put(token(0), 0, 9, 0);
        for number in 1..1_000 {
            assert_eq!(cache.get(&token(0), 0, 0), Some(0), "{number}");
            cache.put(token(number), 0, 9, number);
        }
    }
}
