//! Steps and calls that the log tells of as slow.

use crate::support::HEAD;
use paifang_tests::harness::Running;

#[tokio::test]
async fn limits_outside_their_range_are_refused() {
    let yaml = format!(
        "{HEAD}log: {{ slow_step: 10ms, slow_call: 1s }}\napis: [ {{ id: a, match: {{ path: / }}, handlers: [ respond: {{ status: 204 }} ] }} ]\n"
    );
    let running = Running::start(yaml.clone()).await;
    for (wrong, told) in [("slow_step: 2h", "1us to 1h"), ("slow_step: fast", "duration")] {
        let refused = running.reload(yaml.replace("slow_step: 10ms", wrong)).await.unwrap_err();
        let details = refused.details().unwrap_or_default();
        assert!(details.contains(told), "{wrong}: {details}");
    }
    running.stop().await;
}
