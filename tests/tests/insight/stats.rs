//! Live statistics at the admin API.

use crate::support::{HEAD, ask, comes_to, told};
use paifang_tests::{
    harness::{Recorder, Running, refused_address},
    http::get,
};
use std::net::SocketAddr;

fn config(up: SocketAddr, away: SocketAddr) -> String {
    format!(
        "{HEAD}upstreams:
  up: {{ endpoints: [ {{ address: \"{up}\" }} ] }}
  away: {{ endpoints: [ {{ address: \"{away}\" }} ] }}
apis:
  - {{ id: good, match: {{ path: /good }}, handlers: [ headers: {{ request: {{ set: {{ x-a: b }} }} }} ], upstream: up }}
  - {{ id: bad, match: {{ path: /bad }}, upstream: away }}
  - {{ id: never, match: {{ path: /never }}, upstream: away }}
"
    )
}

#[tokio::test]
async fn apis_are_told_with_rates_shares_of_errors_and_times() {
    let up = Recorder::start().await;
    let (away, _kept) = refused_address();
    let running = Running::start(config(up.address(), away)).await;
    let gateway = &running.gateway;
    for _ in 0..12 {
        assert_eq!(get(running.address(), "/good").await.status, 200);
    }
    for _ in 0..4 {
        assert_eq!(get(running.address(), "/bad").await.status, 502);
    }
    assert_eq!(get(running.address(), "/nowhere").await.status, 404);

    let all = comes_to(gateway, "/v1/stats", |all| all["last_1m"]["calls"] == 17).await;
    assert_eq!(
        (&all["apis"], &all["apis_called"], &all["in_flight"]),
        (&3.into(), &3.into(), &0.into())
    );
    assert_eq!(all["calls_total"], 17);
    let minute = &all["last_1m"];
    assert_eq!(minute["error_share"], 0.235, "{all}");
    assert_eq!(minute["refused_share"], 0.059, "{all}");
    let (seconds, rate) = (minute["seconds"].as_f64().unwrap(), minute["rate"].as_f64().unwrap());
    assert!(seconds > 0.0 && (rate * seconds - 17.0).abs() < 0.05, "{all}");

    let bad = told(gateway, "/v1/stats/apis/bad").await;
    let last = &bad["last_1m"];
    assert_eq!((&last["calls"], &last["error_share"]), (&4.into(), &1.0.into()), "{bad}");
    assert_eq!(bad["errors_total"]["connect_failed"], 4, "{bad}");
    let time = |name: &str| last[name].as_f64().unwrap();
    assert!(0.0 < time("p50_ms") && time("p50_ms") <= time("p90_ms"), "{bad}");
    assert!(time("p90_ms") <= time("p99_ms"), "{bad}");

    let good = told(gateway, "/v1/stats/apis/good").await;
    assert_eq!((&good["last_1m"]["calls"], &good["last_1m"]["errors"]), (&12.into(), &0.0.into()));
    let step = &good["steps"][0];
    assert_eq!(
        (step["kind"].as_str(), &step["verdicts"]["continue"]),
        (Some("headers"), &12.into())
    );
    assert!(step["mean_us"].as_f64().unwrap() > 0.0 && step["p99_below_us"].is_f64(), "{step}");
    assert!(good["text"].as_str().unwrap().contains("headers (headers)"), "{good}");

    let never = told(gateway, "/v1/stats/apis/never").await;
    assert_eq!((&never["last_1m"]["calls"], &never["last_1m"]["p99_ms"]), (&0.into(), &().into()));
    assert_eq!(ask(gateway, "/v1/stats/apis/nobody").await.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn lists_are_sorted_filtered_and_cut_and_survive_a_reload() {
    let up = Recorder::start().await;
    let (away, _kept) = refused_address();
    let yaml = config(up.address(), away);
    let running = Running::start(yaml.clone()).await;
    let gateway = &running.gateway;
    for _ in 0..5 {
        get(running.address(), "/good").await;
    }
    get(running.address(), "/bad").await;
    comes_to(gateway, "/v1/stats", |all| all["last_1m"]["calls"] == 6).await;
    running.reload(yaml.replace("x-a: b", "x-a: c")).await.unwrap();
    let list = |query: &'static str| async move {
        let value = told(gateway, &format!("/v1/stats/apis{query}")).await;
        let ids = value["items"].as_array().unwrap().iter();
        let ids: Vec<String> = ids.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), value["found"].as_u64().unwrap(), value["release"].as_u64().unwrap())
    };
    assert_eq!(list("").await, ("good bad - never".to_owned(), 4, 2));
    assert_eq!(list("?sort=errors&limit=1").await, ("bad".to_owned(), 4, 2));
    assert_eq!(list("?sort=id&filter=e").await, ("never".to_owned(), 1, 2));
    assert_eq!(list("?sort=error_share&filter=a").await, ("bad".to_owned(), 1, 2));
    for (wrong, what) in [
        ("?sort=size", "size"),
        ("?limit=0", "1 to 10000"),
        ("?limt=3", "limt"),
        ("?limit=x", "limit"),
    ] {
        let refused = ask(gateway, &format!("/v1/stats/apis{wrong}")).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
        assert!(refused.body.contains(what), "{wrong}: {}", refused.body);
    }
    running.stop().await;
}
