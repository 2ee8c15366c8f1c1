//! What was learnt, as numbers in a line of text, for the app to keep.

use paifang_mmtp::greeting::Heartbeat;

use super::Learner;

impl Learner {
    /// The bounds, and what was learnt.
    pub(super) fn to_numbers(self) -> String {
        let Heartbeat { initial, least, most } = self.bounds;
        let Self { good, trying, beats, patience, .. } = self;
        let bad = self.bad.unwrap_or_default();
        format!("{initial} {least} {most} {good} {bad} {trying} {beats} {patience}")
    }

    /// What was kept is brought into its bounds, so that no text makes an interval that no server allows.
    pub(super) fn from_numbers(text: &str) -> Option<Self> {
        let numbers: Result<Vec<u32>, _> = text.split(' ').map(str::parse).collect();
        let [initial, least, most, good, bad, trying, beats, patience] =
            <[u32; 8]>::try_from(numbers.ok()?).ok()?;
        if least == 0 || least > initial || initial > most {
            return None;
        }
        let mut learner = Self::new(Heartbeat { initial, least, most });
        learner.good = good.clamp(least, most);
        learner.bad = Some(bad).filter(|bad| *bad > learner.good);
        learner.trying = trying.clamp(learner.good, most);
        learner.beats = beats;
        learner.patience = patience.max(learner.patience);
        Some(learner)
    }
}
