//! What every import holds: it ends, and what it makes is YAML that is read as a config, or a fault with a place.

use paifang_import::{Fault, Imported};

/// Holds it of one outcome.
pub fn hold(outcome: Result<Imported, Fault>) {
    match outcome {
        Ok(imported) => {
            let budget = paifang_config::yaml::Budget::default();
            let file = paifang_config::yaml::FileId(0);
            let read = paifang_config::yaml::parse(file, imported.yaml.as_bytes(), &budget);
            assert!(read.is_ok(), "{read:?}\n{}", imported.yaml);
            // Every line that was read is told of, and none twice.
            let mut places: Vec<_> =
                imported.report.entries.iter().map(|entry| &entry.place).collect();
            let count = places.len();
            places.dedup();
            assert_eq!(count, places.len());
        }
        Err(fault) => {
            assert!(fault.place.line >= 1 && fault.place.column >= 1);
            assert!(!fault.message.is_empty());
        }
    }
}
