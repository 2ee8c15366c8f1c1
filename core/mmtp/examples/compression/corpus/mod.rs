//! Small messages as APIs of an app exchange them: orders, feeds, profiles, errors, pushes; JSON, and protobuf as it is on the wire.
//!
//! What repeats in them is what repeats in practice: names of fields, enumerations, common words, hosts. What does not is drawn
//! anew: ids, times, amounts, hashes, names of people. Corpora of different seeds share no name and no uncommon word, so messages
//! of one tell nothing of those of the other but what they have in common with all.

mod json;
mod proto;
mod random;

use random::Random;

/// A message, and which kind it is of.
pub(crate) struct Message {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// An endless supply of messages, the same for the same seed.
pub(crate) struct Corpus {
    random: Random,
    words: Vec<String>,
    people: Vec<String>,
}

type Make = fn(&mut Corpus) -> Vec<u8>;

/// The kinds, and how often each comes in a hundred.
const KINDS: [(&str, u64, Make); 12] = [
    ("order request, JSON", 12, |corpus| json::order_request(corpus).into_bytes()),
    ("order, JSON", 14, |corpus| json::order(corpus).into_bytes()),
    ("orders, JSON", 5, |corpus| json::orders(corpus).into_bytes()),
    ("feed, JSON", 12, |corpus| json::feed(corpus).into_bytes()),
    ("profile, JSON", 10, |corpus| json::profile(corpus).into_bytes()),
    ("error, JSON", 7, |corpus| json::error(corpus).into_bytes()),
    ("push, JSON", 8, |corpus| json::push(corpus).into_bytes()),
    ("settings, JSON", 4, |corpus| json::settings(corpus).into_bytes()),
    ("order, protobuf", 10, proto::order),
    ("feed, protobuf", 8, proto::feed),
    ("profile, protobuf", 6, proto::profile),
    ("event, protobuf", 4, proto::event),
];

const COMMON: [&str; 64] = [
    "the", "a", "to", "and", "of", "in", "is", "for", "on", "with", "you", "your", "it", "new",
    "at", "this", "we", "from", "are", "be", "have", "order", "today", "free", "now", "delivery",
    "coffee", "tea", "day", "good", "time", "out", "all", "more", "best", "great", "love", "just",
    "get", "our", "will", "can", "up", "was", "home", "small", "large", "pack", "organic", "fresh",
    "blue", "red", "black", "green", "set", "classic", "light", "mini", "pro", "travel", "city",
    "market", "weekend", "morning",
];

impl Corpus {
    /// Messages with words, names and values of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut words: Vec<_> = COMMON.iter().map(|word| (*word).to_owned()).collect();
        words.extend((0..400).map(|_| random.word()));
        let people = (0..300).map(|_| random.word()).collect();
        Self { random, words, people }
    }

    /// Words such as people write.
    fn text(&mut self, from: u64, to: u64) -> String {
        let length = self.random.within(from, to);
        let mut text = String::new();
        for index in 0..length {
            if index > 0 {
                text.push(' ');
            }
            let word = self.random.skewed(self.words.len() as u64) as usize;
            text.push_str(&self.words[word]);
        }
        text
    }

    fn person(&mut self) -> String {
        let mut name = || {
            let name = &self.people[self.random.below(self.people.len() as u64) as usize];
            let (first, rest) = name.split_at(1);
            format!("{}{rest}", first.to_uppercase())
        };
        format!("{} {}", name(), name())
    }

    /// Milliseconds since 1970, within a year.
    fn millis(&mut self) -> u64 {
        self.random.within(1_767_225_600_000, 1_798_761_600_000)
    }

    fn date(&mut self) -> String {
        let random = &mut self.random;
        let (month, day) = (random.within(1, 13), random.within(1, 29));
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    fn picture(&mut self, what: &str) -> String {
        let hash = self.random.hex(24);
        format!("https://img.shop.example.com/{what}/{}/{hash}.webp", &hash[..2])
    }
}

impl Iterator for Corpus {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let mut draw = self.random.below(KINDS.iter().map(|(_, share, _)| share).sum());
        let found = KINDS.iter().find(|(_, share, _)| match draw.checked_sub(*share) {
            Some(rest) => {
                draw = rest;
                false
            }
            None => true,
        });
        found.map(|(kind, _, make)| Message { kind, bytes: make(self) })
    }
}
