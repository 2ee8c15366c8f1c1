//! What a storm has shown, as JSON.

use std::time::Duration;

/// Times in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Milliseconds that this share took at most; 0 of none.
    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
        sorted.get(place).copied().unwrap_or(0.0)
    }

    /// The greatest and three shares.
    pub(crate) fn json(&self) -> String {
        format!(
            "{{\"count\":{},\"p50\":{:.3},\"p99\":{:.3},\"p999\":{:.3},\"max\":{:.3}}}",
            self.len(),
            self.at(0.5),
            self.at(0.99),
            self.at(0.999),
            self.at(1.0)
        )
    }
}
