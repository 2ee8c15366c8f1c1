//! Security schemes as steps. Keys are never in a description, so each step names what it lacks, and lets
//! nobody in before it is there.

use paifang_config::yaml::Node as Yaml;

use crate::out::Node;
use crate::source::text;
use crate::values;

/// Where a description does not say where tokens' keys are published.
const PROVIDER: &str = "https://identity-provider.example";

/// The variable with the key of the one app that a config begins with.
pub(super) const CLIENT_KEY: &str = "OPENAPI_CLIENT_KEY";

/// What a scheme becomes.
pub(super) struct Made {
    /// Kind and config of the step.
    pub(super) kind: &'static str,
    pub(super) config: Node,
    /// Whether there must be an app with a key.
    pub(super) app: bool,
    /// What is to be done before the API may go online.
    pub(super) missing: String,
}

/// The step for a scheme.
///
/// # Errors
/// Why there is none.
pub(super) fn made(name: &str, scheme: &Yaml) -> Result<Made, String> {
    let kind = text(scheme, "type").ok_or_else(|| format!("`{name}` has no `type`"))?;
    match kind {
        "apiKey" => api_key(name, scheme),
        "http" => match text(scheme, "scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => Ok(basic(name)),
            "bearer" => match text(scheme, "bearerFormat") {
                Some(format) if !format.to_ascii_lowercase().contains("jwt") => Err(format!(
                    "tokens that are no JWT: a step `forward_auth` asks whose they are (`{format}`)"
                )),
                _ => Ok(tokens(name, None)),
            },
            other => Err(format!("nothing here does the scheme `{other}`")),
        },
        "oauth2" => Ok(tokens(name, None)),
        "openIdConnect" => Ok(tokens(name, text(scheme, "openIdConnectUrl"))),
        "mutualTLS" => {
            Err("client certificates: `listeners.tls.client_ca`, for a whole listener".into())
        }
        other => Err(format!("nothing here does `{other}`")),
    }
}

fn api_key(name: &str, scheme: &Yaml) -> Result<Made, String> {
    let key = text(scheme, "name").ok_or_else(|| format!("`{name}` has no `name`"))?;
    let place = match text(scheme, "in") {
        Some("header") if is_token(key) => {
            Node::map().with("header", Node::text(key.to_ascii_lowercase()))
        }
        Some("query") => Node::map().with("query", Node::text(key)),
        Some("cookie") => return Err("`key_auth` looks for no key in a cookie".into()),
        _ => return Err(format!("`{name}` stands nowhere that is known")),
    };
    let config = Node::map()
        .with("from", Node::List(vec![place.into()]))
        // The server behind asks for it today.
        .with("hide", Node::plain("false"));
    let missing = format!("apps: put a client's key into {CLIENT_KEY}, and add the other clients");
    Ok(Made { kind: "key_auth", config, app: true, missing })
}

fn basic(name: &str) -> Made {
    let name = values::name(name).replace(['-', '.'], "_").to_ascii_uppercase();
    let variable = format!("OPENAPI_{name}_PASSWORD");
    let user = Node::map()
        .with("name", Node::text("client"))
        .with("password", Node::map().with("env", Node::text(variable.clone())));
    let config = Node::map()
        .with("users", Node::List(vec![user.into()]))
        .with("forward", Node::plain("true"));
    let missing =
        format!("basic_auth: put the password of `client` into {variable}, and name the users");
    Made { kind: "basic_auth", config, app: false, missing }
}

fn tokens(name: &str, discovery: Option<&str>) -> Made {
    let issuer = discovery
        .and_then(|url| url.strip_suffix("/.well-known/openid-configuration"))
        .filter(|url| url.starts_with("https://") && !url.contains(['?', '#', '@']));
    let url = format!("{}/.well-known/jwks.json", issuer.unwrap_or(PROVIDER));
    let key = Node::map().with("jwks", Node::map().with("url", Node::text(url)));
    let said = match issuer {
        Some(_) => "the provider's `jwks_uri` says where they are",
        None => "the provider says where they are",
    };
    let mut config = Node::map().with("keys", Node::List(vec![key.into()]).commented(said));
    if let Some(issuer) = issuer {
        config.put("issuer", Node::text(issuer));
    }
    config.put("forward", Node::plain("true"));
    let missing = format!("jwt_auth: set `keys` and `audience` for `{name}`");
    Made { kind: "jwt_auth", config, app: false, missing }
}

/// A step that says what scopes a token must have.
pub(super) fn scopes(scopes: &[String]) -> Node {
    let rules = scopes.iter().map(|scope| {
        let claims = Node::map().with("scope", Node::texts([scope.clone()]));
        Node::map().with("claims", claims).into()
    });
    Node::map().with("require", Node::text("all")).with("allow", Node::List(rules.collect()))
}

/// A `respond` that lets nobody in, in the place of a step that somebody must write.
pub(super) fn guard() -> Node {
    Node::map().with("status", Node::plain(401))
}

fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}
