//! Examples of calls on the lines of histograms: the trace of one call of each bucket.
//!
//! The encoder takes none from a collector, for they can only be made by its own histograms. So they
//! are put behind their lines when the text is there (OpenMetrics 1.0, section "Exemplars").

use crate::live::Live;
use paifang_pipeline::stats::{BUCKETS, Exemplar};
use std::{
    collections::HashMap,
    fmt::{Error, Write},
};

/// What lines with an example begin with.
const LINE: &str = "paifang_call_duration_seconds_bucket{";

/// The text with the examples that there are.
pub(super) fn add(text: &str, live: &Live) -> Result<String, Error> {
    let serving = live.load_full();
    let apis = serving.served().map(|serving| (&*serving.api.id, serving.api.stats.exemplars()));
    let examples: HashMap<&str, [Option<Exemplar>; BUCKETS]> =
        apis.filter(|(_, all)| all.iter().any(Option::is_some)).collect();
    put(text, &examples)
}

fn put(text: &str, examples: &HashMap<&str, [Option<Exemplar>; BUCKETS]>) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len() + examples.len() * 256);
    // The buckets of an API come one after the other, in their order.
    let (mut last, mut bucket) = ("", 0);
    for line in text.lines() {
        out.push_str(line);
        if let Some(api) = line.strip_prefix(LINE).and_then(api) {
            bucket = if api == last { bucket + 1 } else { 0 };
            last = api;
            let found = examples.get(api).and_then(|all| all.get(bucket)?.as_ref());
            if let Some(Exemplar { trace, nanos, unix }) = found {
                let (seconds, millis) = (unix.as_secs(), unix.subsec_millis());
                let took = *nanos as f64 / 1e9;
                write!(out, " # {{trace_id=\"{trace}\"}} {took} {seconds}.{millis:03}")?;
            }
        }
        out.push('\n');
    }
    Ok(out)
}

/// The id in a line's labels. Ids have nothing in them that would be escaped.
fn api(labels: &str) -> Option<&str> {
    let (_, rest) = labels.split_once("api=\"")?;
    rest.split_once('"').map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    //! Where examples stand.
    #![allow(clippy::unwrap_used)]
    use super::{BUCKETS, Exemplar, put};
    use paifang_pipeline::spans::TraceId;
    use std::{collections::HashMap, time::Duration};

    #[test]
    fn an_example_stands_behind_the_line_of_its_bucket() {
        let mut all = [None; BUCKETS];
        let unix = Duration::from_millis(1_700_000_000_007);
        all[1] = Some(Exemplar { trace: TraceId::new(1, 2), nanos: 512, unix });
        let text = "# TYPE paifang_call_duration_seconds histogram
paifang_call_duration_seconds_count{api=\"a\"} 1
paifang_call_duration_seconds_bucket{le=\"2.56e-7\",api=\"a\"} 0
paifang_call_duration_seconds_bucket{le=\"1.024e-6\",api=\"a\"} 1
paifang_call_duration_seconds_bucket{le=\"2.56e-7\",api=\"b\"} 0
paifang_call_duration_seconds_bucket{le=\"1.024e-6\",api=\"b\"} 1
# EOF
";
        let expected = text.replace(
            "api=\"a\"} 1\npaifang_call_duration_seconds_bucket{le=\"2.56e-7\",api=\"b\"",
            "api=\"a\"} 1 # {trace_id=\"00000000000000010000000000000002\"} 5.12e-7 1700000000.007\n\
             paifang_call_duration_seconds_bucket{le=\"2.56e-7\",api=\"b\"",
        );
        let expected = expected.replace("5.12e-7", "0.000000512");
        assert_eq!(put(text, &HashMap::from([("a", all)])).unwrap(), expected);
        assert_eq!(put(text, &HashMap::new()).unwrap(), text);
    }
}
