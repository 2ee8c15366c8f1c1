//! The route table: which API a request belongs to.

use http::{HeaderName, Method};

use crate::diag::{Problem, Problems};
use crate::model::{Config, HeaderMatch, Match};
use crate::route::{
    BuildError, HeaderCondition, HeaderTest, HostPattern, MethodSet, Narrow, PathPattern,
    PathRegex, Route, RouteTable, TableBuilder,
};
use crate::yaml::{Located, Span};

/// How many expressions a route may look for in a path.
const MAX_MATCHING: usize = 16;
/// How many it may exclude.
const MAX_EXCLUDING: usize = 64;

/// The table; its values are positions in `config.apis`, its origins where a route is written.
pub(super) fn build(config: &Config, problems: &mut Problems) -> Option<RouteTable<usize, Span>> {
    let before = problems.len();
    let mut builder = TableBuilder::new();
    for (index, api) in config.apis.iter().enumerate() {
        if let Some(operation) = &api.operation {
            builder.operation(operation, index, operation.span());
        }
        let Some(matches) = &api.matches else { continue };
        if let Some(route) = route(config, matches, index, api.id.span(), problems) {
            builder.route(route);
        }
    }
    // A route that could not be read may be one side of a conflict.
    if problems.len() > before {
        return None;
    }
    match builder.build() {
        Ok(table) => Some(table),
        Err(errors) => {
            let id = |span: Span| {
                config
                    .apis
                    .iter()
                    .find(|api| api.id.span() == span)
                    .map_or("?", |api| &**api.id.value())
            };
            problems.extend(errors.into_iter().map(|error| conflict(error, &id)));
            None
        }
    }
}

fn route(
    config: &Config,
    matches: &Match,
    value: usize,
    origin: Span,
    problems: &mut Problems,
) -> Option<Route<usize, Span>> {
    let before = problems.len();
    let narrow = narrow(config, matches, problems);
    let mut wrong = |span: Span, message: String| problems.push(Problem::new(span, message));
    let hosts = matches
        .host
        .iter()
        .filter_map(|host| {
            HostPattern::parse(host)
                .map_err(|error| wrong(host.span(), format!("`{}`: {error}", host.value())))
                .ok()
        })
        .collect();
    let methods: Vec<Method> = matches
        .method
        .iter()
        .filter_map(|method| match Method::from_bytes(method.as_bytes()) {
            Ok(Method::CONNECT) => {
                wrong(method.span(), "CONNECT is not relayed".into());
                None
            }
            // Methods are case-sensitive (RFC 9110 section 9.1); lower case is a slip.
            Ok(known) if known.as_str().chars().any(|c| c.is_ascii_lowercase()) => {
                let upper = known.as_str().to_ascii_uppercase();
                wrong(method.span(), format!("methods are upper case: write {upper}"));
                None
            }
            Ok(known) => Some(known),
            Err(_) => {
                wrong(method.span(), format!("`{}` is not a method", method.value()));
                None
            }
        })
        .collect();
    let path = match (&matches.path, &matches.path_prefix) {
        (Some(path), _) => {
            let pattern = PathPattern::parse(path);
            pattern.map_err(|error| wrong(path.span(), format!("`{}`: {error}", path.value()))).ok()
        }
        (None, Some(prefix)) => PathPattern::prefix(prefix)
            .map_err(|error| wrong(prefix.span(), format!("`{}`: {error}", prefix.value())))
            .ok(),
        (None, None) => Some(PathPattern::any()),
    };
    let headers = matches
        .header
        .iter()
        .filter_map(|(name, test)| {
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
                wrong(test.span(), format!("`{name}` is not a header name"));
                return None;
            };
            let wanted = match test.value() {
                HeaderMatch::Present => HeaderTest::Present,
                HeaderMatch::Exact(value) => HeaderTest::Exact(value.as_bytes().into()),
                HeaderMatch::Prefix(prefix) => HeaderTest::Prefix(prefix.as_bytes().into()),
            };
            HeaderCondition::new(name, wanted)
                .map_err(|error| wrong(test.span(), error.to_string()))
                .ok()
        })
        .collect();
    let methods = MethodSet::of(methods).unwrap_or_else(MethodSet::any);
    (problems.len() == before).then_some(Route {
        hosts,
        methods,
        path: path?,
        narrow,
        headers,
        value,
        origin,
    })
}

/// What a route asks of listener and path beside its patterns.
fn narrow(config: &Config, matches: &Match, problems: &mut Problems) -> Narrow {
    let mut listeners = Vec::new();
    for name in &*matches.listener {
        if !config
            .listeners
            .iter()
            .any(|listener| *listener.name.as_arc().as_ref() == **name.value())
        {
            let known: Vec<_> = config
                .listeners
                .iter()
                .map(|listener| listener.name.as_arc().to_string())
                .collect();
            problems.push(
                Problem::new(name.span(), format!("there is no listener `{}`", name.value()))
                    .help(format!("listeners are {}", known.join(", "))),
            );
        }
        listeners.push(name.value().as_str().into());
    }
    let matching = expressions(&matches.path_regex, MAX_MATCHING, problems);
    let excluding = expressions(&matches.path_not_regex, MAX_EXCLUDING, problems);
    Narrow { listeners, matching, excluding }
}

fn expressions(texts: &[Located<String>], most: usize, problems: &mut Problems) -> Vec<PathRegex> {
    if let Some(beyond) = texts.get(most) {
        problems.push(Problem::new(beyond.span(), format!("at most {most} expressions")));
    }
    let parse = |text: &Located<String>| match PathRegex::parse(text.value()) {
        Ok(regex) => Some(regex),
        Err(error) => {
            problems.push(Problem::new(text.span(), format!("`{}`: {error}", text.value())).help(
                "expressions are those of the crate `regex`: no look-around, no back-references",
            ));
            None
        }
    };
    texts.iter().take(most).filter_map(parse).collect()
}

fn conflict<'a>(error: BuildError<Span>, id: &impl Fn(Span) -> &'a str) -> Problem {
    match &error {
        BuildError::Conflict { first, second, host, path } => Problem::new(
            *second,
            format!(
                "the APIs `{}` and `{}` match the same requests and neither is more specific: \
                 host {host}, path {path}",
                id(*first),
                id(*second)
            ),
        )
        .related(*first, "the other one")
        .help("let them differ in host, path, method, listener or header"),
        BuildError::RepeatedHeader { origin, .. } => Problem::new(*origin, error.to_string()),
        BuildError::RepeatedOperation { first, second, .. } => {
            Problem::new(*second, error.to_string()).related(*first, "first here")
        }
    }
}
