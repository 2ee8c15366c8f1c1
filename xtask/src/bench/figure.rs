//! Figures in the JSON that the measured programs print.

use serde_json::Value;

use crate::failure::{Failure, Result};

/// The number at this place, which is a JSON pointer.
///
/// # Errors
/// When there is none: a measure without it would find whatever is wanted.
pub(crate) fn figure(report: &Value, pointer: &str) -> Result<f64> {
    let found = report.pointer(pointer).and_then(Value::as_f64);
    found.ok_or_else(|| Failure::Failed(format!("there is no number at {pointer} in {report}")))
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn what_is_missing_is_no_figure() {
        let report = serde_json::json!({ "a": { "b": 1.5, "c": null } });
        assert_eq!(figure(&report, "/a/b").unwrap(), 1.5);
        assert!(figure(&report, "/a/c").is_err() && figure(&report, "/b").is_err());
    }
}
