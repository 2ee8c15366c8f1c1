//! Encoders that wait for the next response, and what all of a gateway's encoders have done.

use super::{
    codec::{CODECS, Codec},
    encode::{EncodeError, Encoder},
};
use crossbeam_queue::ArrayQueue;
use paifang_pipeline::PluginCounter;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So many encoders of a codec are kept; the page says what memory that is.
const KEPT: usize = 32;

/// What one codec has.
struct Place {
    idle: ArrayQueue<Box<Encoder>>,
    responses: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
}

/// A gateway's encoders.
pub(super) struct Pool {
    places: [Place; CODECS.len()],
    /// Request bodies decoded, and their bytes before and after.
    decoded: [AtomicU64; 3],
}

impl Default for Pool {
    fn default() -> Self {
        let place = |_| Place {
            idle: ArrayQueue::new(KEPT),
            responses: AtomicU64::new(0),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
        };
        Self { places: CODECS.map(place), decoded: Default::default() }
    }
}

impl Pool {
    /// An encoder, used before where one is there.
    pub(super) fn take(&self, codec: Codec) -> Result<Box<Encoder>, EncodeError> {
        match self.places[codec as usize].idle.pop() {
            Some(encoder) => Ok(encoder),
            None => Encoder::new(codec).map(Box::new),
        }
    }

    /// Takes an encoder back, whatever it was in the middle of.
    pub(super) fn put(&self, encoder: Box<Encoder>) {
        // Beyond the limit it is dropped.
        drop(self.places[encoder.codec() as usize].idle.push(encoder));
    }

    /// Counts a response that has been compressed, whole or not.
    pub(super) fn count(&self, codec: Codec, read: u64, written: u64) {
        let place = &self.places[codec as usize];
        place.responses.fetch_add(1, Relaxed);
        place.read.fetch_add(read, Relaxed);
        place.written.fetch_add(written, Relaxed);
    }

    /// Counts a request body that has been decoded, whole or not.
    pub(super) fn count_decoded(&self, read: u64, written: u64) {
        for (counter, add) in self.decoded.iter().zip([1, read, written]) {
            counter.fetch_add(add, Relaxed);
        }
    }

    pub(super) fn counters(&self) -> Vec<PluginCounter> {
        let counter = |name, help, codec: Option<Codec>, value: &AtomicU64| PluginCounter {
            name,
            help,
            label: codec.map(|codec| ("codec", codec.name().to_owned())),
            value: value.load(Relaxed),
        };
        let mut all = Vec::new();
        for codec in CODECS {
            let Place { responses, read, written, .. } = &self.places[codec as usize];
            let mut put = |name, help, value| all.push(counter(name, help, Some(codec), value));
            put("paifang_compress_responses_total", "Responses that were compressed.", responses);
            put(
                "paifang_compress_input_bytes_total",
                "Bytes of compressed responses, before compression.",
                read,
            );
            put(
                "paifang_compress_output_bytes_total",
                "Bytes of compressed responses, after compression.",
                written,
            );
        }
        let [bodies, read, written] = &self.decoded;
        let mut put = |name, help, value| all.push(counter(name, help, None, value));
        put("paifang_compress_requests_total", "Request bodies that were decoded.", bodies);
        put(
            "paifang_compress_request_input_bytes_total",
            "Bytes of decoded request bodies, as they came.",
            read,
        );
        put(
            "paifang_compress_request_output_bytes_total",
            "Bytes of decoded request bodies, decoded.",
            written,
        );
        all
    }
}
