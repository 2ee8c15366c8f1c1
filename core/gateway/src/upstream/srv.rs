//! Members by DNS SRV records (RFC 2782).
//!
//! Each record is a member: target and port, the weight, the priority. A target stands for all its
//! addresses, which are looked up as those of any other name.

use super::{
    Resolve,
    discover::Found,
    spec::{DnsSpec, EndpointSpec},
};
use std::time::Duration;

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrvRecord {
    /// Records of a smaller number come first.
    pub priority: u16,
    /// Its share among those of its priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server's name, without the dot at the end; empty where there is decidedly no service.
    pub target: String,
}

/// What a service's name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrvAnswer {
    /// The records, at least one.
    pub records: Vec<SrvRecord>,
    /// How long they are valid.
    pub ttl: Duration,
}

/// Asks for the records of `name`.
pub(super) async fn look(
    name: &str,
    resolver: &dyn Resolve,
    dns: &DnsSpec,
) -> Result<Found, String> {
    let answer = resolver.resolve_srv(name).await?;
    Ok(Found { endpoints: endpoints(&answer.records), ttl: dns.clamp(answer.ttl) })
}

fn endpoints(records: &[SrvRecord]) -> Vec<EndpointSpec> {
    let mut endpoints: Vec<EndpointSpec> = records
        .iter()
        .filter(|record| !record.target.is_empty())
        .map(|record| EndpointSpec {
            weight: weight(record, records),
            priority: record.priority.into(),
            ..EndpointSpec::new(&record.target, record.port)
        })
        .collect();
    // The order of records says nothing and changes from answer to answer.
    endpoints.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
    endpoints.dedup_by(|a, b| (&a.host, a.port) == (&b.host, b.port));
    endpoints
}

/// Weight 0 is a very small chance beside others of a weight, and an equal one beside its like.
fn weight(record: &SrvRecord, records: &[SrvRecord]) -> u32 {
    let mut like = records.iter().filter(|other| other.priority == record.priority);
    if like.clone().all(|other| other.weight == 0) {
        return 1;
    }
    let mixed = like.any(|other| other.weight == 0);
    match (record.weight, mixed) {
        (0, _) => 1,
        (weight, true) => u32::from(weight) * 100,
        (weight, false) => weight.into(),
    }
}

#[cfg(test)]
mod tests {
    //! Records to members.
    use super::{SrvRecord, endpoints};

    fn record(priority: u16, weight: u16, target: &str) -> SrvRecord {
        SrvRecord { priority, weight, port: 80, target: target.to_owned() }
    }

    #[test]
    fn priorities_weights_and_no_service() {
        let found = |records: &[SrvRecord]| {
            let all = endpoints(records).into_iter();
            all.map(|one| (one.host, one.priority, one.weight)).collect::<Vec<_>>()
        };
        let name = |name: &str, priority, weight| (name.to_owned(), priority, weight);
        let records =
            [record(0, 60, "b"), record(0, 40, "a"), record(10, 0, "d"), record(10, 0, "c")];
        let expected = [name("a", 0, 40), name("b", 0, 60), name("c", 10, 1), name("d", 10, 1)];
        assert_eq!(found(&records), expected);
        assert_eq!(
            found(&[record(0, 0, "a"), record(0, 3, "b")]),
            [name("a", 0, 1), name("b", 0, 300)]
        );
        assert_eq!(found(&[record(0, 1, "a"), record(0, 1, "a")]), [name("a", 0, 1)]);
        assert_eq!(found(&[record(0, 0, "")]), []);
    }
}
