//! How much is let in: `limit-count`, `limit-req`, `limit-conn`.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::Node;
use crate::source::{number, text};
use crate::values;
use crate::vars::{Piece, pieces};

impl Import {
    pub(super) fn limit_count(&mut self, ask: &mut Ask<'_>) -> Done {
        if ask.config.get("rules").is_some() {
            return Err("`rules`: a `throttle` for each".into());
        }
        let (Some(count), Some(window)) =
            (number(ask.config, "count"), number(ask.config, "time_window"))
        else {
            return Err("`count` or `time_window` is no number".into());
        };
        let rate = rate(count, window)
            .ok_or_else(|| format!("{count} in {window}s is no rate that a throttle has"))?;
        let mut step = Node::map()
            .with("rate", Node::plain(rate))
            .with("burst", Node::plain(count as u64))
            .with("by", subjects(ask.config)?);
        if let Some(group) = text(ask.config, "group") {
            step.put("share", Node::text(values::name(group)));
        }
        ask.step(("throttle", "limit-count"), step);
        let shared = text(ask.config, "policy").is_some_and(|policy| policy != "local");
        let here = if shared { "; counted by each gateway alone" } else { "" };
        let code = rejected(ask.config);
        Ok((
            Fate::Approximated,
            format!("throttle; the rate grows back evenly, not by windows{code}{here}"),
        ))
    }

    pub(super) fn limit_req(&mut self, ask: &mut Ask<'_>) -> Done {
        let (Some(rate_), Some(burst)) = (number(ask.config, "rate"), number(ask.config, "burst"))
        else {
            return Err("`rate` or `burst` is no number".into());
        };
        let rate = rate(rate_, 1.0)
            .ok_or_else(|| format!("{rate_} in a second is no rate that a throttle has"))?;
        let step = Node::map()
            .with("rate", Node::plain(rate))
            // One goes through, and `burst` more.
            .with("burst", Node::plain((burst as u64).saturating_add(1)))
            .with("by", subjects(ask.config)?);
        ask.step(("throttle", "limit-req"), step);
        let delayed = crate::source::flag(ask.config, "nodelay") != Some(true) && burst > 0.0;
        let code = rejected(ask.config);
        Ok(match (delayed, code.is_empty()) {
            (false, true) => (Fate::Taken, "throttle".into()),
            (true, _) => (
                Fate::Approximated,
                format!("throttle; the burst is let through at once, not delayed{code}"),
            ),
            (false, false) => (Fate::Approximated, format!("throttle{code}")),
        })
    }

    pub(super) fn limit_conn(&mut self, ask: &mut Ask<'_>) -> Done {
        let (Some(conn), Some(burst)) = (number(ask.config, "conn"), number(ask.config, "burst"))
        else {
            return Err("`conn` or `burst` is no number".into());
        };
        let step = Node::map()
            .with("concurrency", Node::plain((conn + burst) as u64))
            .with("by", subjects(ask.config)?);
        ask.step(("throttle", "limit-conn"), step);
        let code = rejected(ask.config);
        Ok((Fate::Approximated, format!("throttle.concurrency; the burst is not delayed{code}")))
    }
}

fn rejected(config: &Yaml) -> &'static str {
    match number(config, "rejected_code") {
        Some(429.0) => "",
        _ => "; it answers 429",
    }
}

/// So many in so many seconds, as a rate of ours: whole numbers by second, minute, hour or day.
fn rate(count: f64, window: f64) -> Option<String> {
    if !(count > 0.0 && window > 0.0 && count <= 1e9) {
        return None;
    }
    for (unit, seconds) in [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)] {
        let each = count * seconds / window;
        if each >= 1.0 && (each - each.round()).abs() < 1e-9 && each <= 1e9 {
            return Some(format!("{}/{unit}", each.round() as u64));
        }
    }
    None
}

/// What a `key` counts by.
fn subjects(config: &Yaml) -> Result<Node, String> {
    let key = text(config, "key").unwrap_or("remote_addr");
    match text(config, "key_type").unwrap_or("var") {
        "var" => subject(key),
        "constant" => Ok(Node::text("api")),
        "var_combination" => {
            let mut all = Vec::new();
            for piece in pieces(key) {
                match piece {
                    Piece::Variable(name) => all.push(subject(name)?.into()),
                    Piece::Text(text) if text.trim_matches([' ', ':', '-', '_']).is_empty() => {}
                    Piece::Text(text) => return Err(format!("throttle cannot count by `{text}`")),
                }
            }
            match all.len() {
                1..=4 => Ok(Node::List(all)),
                _ => Err("throttle counts by one to four things".into()),
            }
        }
        other => Err(format!("`key_type: {other}`")),
    }
}

fn subject(name: &str) -> Result<Node, String> {
    Ok(match name {
        "remote_addr" | "http_x_real_ip" => Node::text("client_ip"),
        "consumer_name" => Node::text("app"),
        "server_addr" | "route_id" | "uri" | "host" => Node::text("api"),
        _ => match name.strip_prefix("http_") {
            Some(header) => Node::map().with("header", Node::text(header.replace('_', "-"))),
            None => return Err(format!("throttle cannot count by `{name}`")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn windows_become_rates() {
        let text = |count, window| rate(count, window).unwrap_or_default();
        assert_eq!(text(10.0, 1.0), "10/s");
        assert_eq!(text(2.0, 60.0), "2/m");
        assert_eq!(text(100.0, 30.0), "200/m");
        assert_eq!(text(1.0, 7200.0), "12/d");
        assert_eq!(text(1.0, 100_000.0), "");
        assert_eq!(text(0.5, 1.0), "30/m");
    }
}
