//! `split_clients` that chooses an upstream: a step `split`.

use super::Import;
use super::draft::{Draft, Phase};
use super::proxy::{Ask, Pass, read};
use super::tree::Directive;
use crate::out::Node;
use crate::vars::{Piece, Vars, pieces};

/// What a `split_clients` makes of an address.
pub(super) struct Shares<'t> {
    block: &'t Directive,
    /// What decides; with what the choice is keyed.
    by: Node,
    salt: String,
    /// Shares and where they go.
    to: Vec<(String, Pass)>,
}

impl<'t> Import<'t> {
    /// Where an address leads to that a `split_clients` chooses: the rest, and the shares. Nothing where
    /// none does.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub(super) fn shares(
        &mut self,
        directive: &Directive,
        vars: &Vars,
    ) -> Result<Option<(Pass, Shares<'t>)>, String> {
        let named = pieces(directive.arg(0)).into_iter().find_map(|piece| match piece {
            Piece::Variable(name) => self.splits.get(name).map(|block| (name.to_owned(), *block)),
            Piece::Text(_) => None,
        });
        let Some((name, block)) = named else { return Ok(None) };
        let (by, text) = subject(block.arg(0))?;
        let mut rest = None;
        let mut to = Vec::new();
        for entry in block.inner() {
            let mut vars = vars.clone();
            vars.fixed.insert(name.clone(), entry.arg(0).to_owned());
            let pass = read(directive, &vars)?;
            match entry.name.strip_suffix('%').map(str::parse::<f64>) {
                None if entry.name == "*" => rest = Some(pass),
                Some(Ok(share)) if (0.0..=100.0).contains(&share) => {
                    to.push((entry.name.clone(), pass));
                }
                _ => return Err(format!("`{}` is no share", entry.name)),
            }
        }
        let rest = rest.ok_or("a `split_clients` without `*`")?;
        if to.is_empty() || to.len() > 16 {
            return Err("a split has one to sixteen shares".into());
        }
        // Wherever the variable stands it has one value for one client.
        Ok(Some((rest, Shares { block, by, salt: format!("{name}{text}"), to })))
    }

    /// The step that sends shares elsewhere.
    ///
    /// # Errors
    /// Why one of the upstreams cannot be.
    pub(super) fn split(
        &mut self,
        draft: &mut Draft,
        ask: &Ask<'_>,
        shares: Shares<'_>,
    ) -> Result<(), String> {
        let mut to: Vec<crate::out::Item> = Vec::new();
        for (share, pass) in &shares.to {
            let upstream = self.passed(ask, pass)?.upstream;
            let variant = Node::map()
                .with("upstream", Node::text(upstream))
                .with("share", Node::plain(share));
            to.push(variant.into());
        }
        let config = Node::map()
            .with("by", shares.by)
            .with("salt", Node::text(shares.salt.chars().take(60).collect::<String>()))
            .with("to", Node::List(to));
        draft.step(Phase::Shares, ("split", ""), config, None, shares.block);
        let note =
            "split, where an address has it; shares are the same, clients are others than before";
        self.notes.near(shares.block, note);
        for entry in shares.block.inner() {
            self.notes.taken(entry, "");
        }
        Ok(())
    }
}

/// What the key of a `split_clients` decides by, and the texts in it.
fn subject(key: &str) -> Result<(Node, String), String> {
    let mut text = String::new();
    let mut by = None;
    for piece in pieces(key) {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Variable(name) if by.is_none() => by = Some(name),
            Piece::Variable(_) => return Err("a split decides by one thing".into()),
        }
    }
    let one = |key: &str, name: &str| Node::map().with(key, Node::text(name));
    let by = match by.ok_or("a `split_clients` of a constant")? {
        "remote_addr" | "binary_remote_addr" => Node::text("client_ip"),
        "remote_user" => Node::text("identity"),
        "request_id" | "connection" | "msec" | "time_local" | "time_iso8601" => {
            Node::text("random")
        }
        name => match (name.strip_prefix("http_"), name.strip_prefix("cookie_")) {
            (Some(header), _) => one("header", &header.replace('_', "-")),
            (_, Some(cookie)) => one("cookie", cookie),
            _ => return Err(format!("a split cannot decide by `${name}`")),
        },
    };
    Ok((by, text))
}
