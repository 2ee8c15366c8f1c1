//! The route table against [`route_reference`]: small tables over small alphabets, so that routes
//! meet, tie and shadow each other often.

mod route_reference;

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use paifang_config::route::{
    HeaderCondition, HeaderTest, HostPattern, MethodSet, Narrow, Outcome, PathPattern, Request,
    Route, RouteTable, TableBuilder, Verdict,
};
use route_reference::{Answer, Call, Spec, Test, answer, tie};

const HOSTS: [&str; 7] = ["a.t", "b.a.t", "c.b.a.t", "*.a.t", "*.t", "*.b.a.t", "*"];
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "PURGE"];
const SEGMENTS: [&str; 7] = ["x", "y", "xy", "%2F", "{p}", "{q}", "{r}"];
const NAMES: [&str; 2] = ["k", "l"];
const VALUES: [&str; 12] = ["1", "12", "2", "3", "4", "5", "6", "7", "8", "9", "123", "21"];

/// The bytes choose routes, then calls.
pub fn run(data: &[u8]) {
    // Bytes that run out end the table or the calls; that is no fault.
    let _ = tables(&mut Unstructured::new(data));
}

fn tables(u: &mut Unstructured<'_>) -> Result<()> {
    // One place with many routes, so that values of headers get indexed; or many places.
    let narrow = u.ratio(1, 3)?;
    let mut all = Vec::new();
    for _ in 0..u.int_in_range(1..=24)? {
        all.push(spec(u, narrow)?);
    }
    // The builder must refuse exactly the routes that the reference says tie with an earlier one.
    let ties = all.iter().enumerate().filter(|(n, b)| all[..*n].iter().any(|a| tie(a, b)));
    assert_eq!(build(&all).err().unwrap_or(0), ties.count(), "{all:#?}");
    let mut specs: Vec<Spec> = Vec::new();
    for spec in all {
        if !specs.iter().any(|other| tie(other, &spec)) {
            specs.push(spec);
        }
    }
    let Ok(table) = build(&specs) else { panic!("no ties, but refused: {specs:#?}") };
    for _ in 0..u.int_in_range(1..=12)? {
        compare(&specs, &table, &call(u, narrow)?);
    }
    Ok(())
}

fn spec(u: &mut Unstructured<'_>, narrow: bool) -> Result<Spec> {
    let mut hosts = vec![HOSTS[0].to_owned()];
    if !narrow {
        hosts[0] = (*u.choose(&HOSTS)?).to_owned();
        if u.ratio(1, 4)? {
            hosts.push((*u.choose(&HOSTS)?).to_owned());
        }
    }
    let mut methods = Vec::new();
    for _ in 0..u.int_in_range(0..=2)? {
        methods.push((*u.choose(&METHODS)?).to_owned());
    }
    let (path, prefix) = if narrow { ("/x".to_owned(), u.ratio(1, 8)?) } else { pattern(u)? };
    let mut headers = Vec::new();
    // Often one exact condition, so that tables reach the index by value.
    for name in NAMES {
        let value = (*u.choose(&VALUES)?).to_owned();
        match u.int_in_range(0..=7)? {
            0 => headers.push((name.to_owned(), Test::Present)),
            1 | 2 => headers.push((name.to_owned(), Test::Exact(value))),
            3 => headers.push((name.to_owned(), Test::Prefix(value))),
            _ => {}
        }
    }
    Ok(Spec { hosts, methods, path, prefix, headers })
}

/// A pattern, and whether it is a prefix.
fn pattern(u: &mut Unstructured<'_>) -> Result<(String, bool)> {
    let mut path = String::new();
    let mut used = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let segment = *u.choose(&SEGMENTS)?;
        // A name may stand once in a path.
        if !segment.starts_with('{') || !used.contains(&segment) {
            path += "/";
            path += segment;
            used.push(segment);
        }
    }
    let end = u.int_in_range(0..=4)?;
    match end {
        0 => path += "/{*rest}",
        1 => {}
        2 => path += "/",
        _ if path.is_empty() => path += "/",
        _ => {}
    }
    Ok((path, end == 1))
}

fn call(u: &mut Unstructured<'_>, narrow: bool) -> Result<Call> {
    let mut host = Some(HOSTS[0].to_owned());
    let mut path = "/x".to_owned();
    if !narrow {
        host = Some(u.choose(&HOSTS)?.replace('*', "z")).filter(|host| host != "z");
        path.clear();
        for _ in 0..u.int_in_range(0..=4)? {
            path += "/";
            path += *u.choose(&["x", "y", "xy", "%2F", "z"])?;
        }
        if path.is_empty() || u.ratio(1, 4)? {
            path += "/";
        }
    }
    let mut headers = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        headers.push(((*u.choose(&NAMES)?).to_owned(), (*u.choose(&VALUES)?).to_owned()));
    }
    Ok(Call { host, method: (*u.choose(&METHODS)?).to_owned(), path, headers })
}

fn build(specs: &[Spec]) -> std::result::Result<RouteTable<usize, usize>, usize> {
    let mut builder = TableBuilder::new();
    for (n, spec) in specs.iter().enumerate() {
        let hosts = spec.hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
        let methods = spec.methods.iter().map(|method| method.parse().unwrap());
        let path = match spec.prefix {
            true => PathPattern::prefix(&format!("{}/", spec.path)).unwrap(),
            false => PathPattern::parse(&spec.path).unwrap(),
        };
        let headers = spec.headers.iter().map(|(name, test)| {
            let test = match test {
                Test::Present => HeaderTest::Present,
                Test::Exact(value) => HeaderTest::Exact(value.as_bytes().into()),
                Test::Prefix(value) => HeaderTest::Prefix(value.as_bytes().into()),
            };
            HeaderCondition::new(name.parse().unwrap(), test).unwrap()
        });
        let methods = MethodSet::of(methods).unwrap_or_default();
        let headers = headers.collect();
        builder.route(Route {
            hosts,
            methods,
            path,
            narrow: Narrow::default(),
            headers,
            value: n,
            origin: n,
        });
    }
    builder.build().map_err(|errors| errors.len())
}

fn compare(specs: &[Spec], table: &RouteTable<usize, usize>, call: &Call) {
    let method: Method = call.method.parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let host = call.host.as_deref();
    let request =
        Request { host, method: &method, path: &call.path, listener: None, headers: &headers };
    let outcome = table.lookup(&request);
    let found = match &outcome {
        Outcome::Match(found) => {
            let params = table.params(found, &call.path);
            let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Answer::Match(found.route().index(), params)
        }
        Outcome::MethodNotAllowed(allow) => {
            Answer::MethodNotAllowed(allow.iter().map(|method| method.to_string()).collect())
        }
        Outcome::NotFound => Answer::NotFound,
    };
    assert_eq!(found, answer(specs, call), "{call:#?} {specs:#?}");

    // What is told to people must be what happens.
    let explained = table.explain(&request);
    let winners = explained.iter().filter(|candidate| candidate.verdict == Verdict::Wins);
    let winners: Vec<usize> = winners.map(|candidate| candidate.route.index()).collect();
    match found {
        Answer::Match(n, _) => assert_eq!(winners, [n], "{call:#?} {specs:#?}"),
        Answer::MethodNotAllowed(_) => {
            assert!(winners.is_empty());
            assert!(explained.iter().any(|c| matches!(c.verdict, Verdict::Method(_))));
        }
        Answer::NotFound => assert!(winners.is_empty()),
    }
}
