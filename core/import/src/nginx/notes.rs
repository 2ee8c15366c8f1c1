//! Saying what became of directives.

use super::tree::Directive;
use crate::report::Book;
use crate::{Fate, Report};

/// What is said of directives that nothing here has looked at.
const UNKNOWN: &str = "the importer does not know it";

/// Directives that keep somebody out, or something small.
const PROTECTING: &[&str] = &[
    "allow",
    "deny",
    "satisfy",
    "internal",
    "valid_referers",
    "limit_except",
    "limit_req",
    "limit_conn",
    "limit_rate",
    "ssl_verify_client",
    "ssl_client_certificate",
    "ssl_crl",
    "client_max_body_size",
];
/// Beginnings of names of such directives, other modules' included.
const PROTECTING_MODULES: &[&str] = &[
    "auth_",
    "access_by_lua",
    "rewrite_by_lua",
    "content_by_lua",
    "preread_by_lua",
    "modsecurity",
    "secure_link",
    "naxsi",
    "oidc",
    "geoip2_deny",
    "js_access",
    "perl",
];

/// The report in the making.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) book: Book,
}

impl Notes {
    /// Opens an entry for each directive.
    pub(super) fn open(&mut self, block: &[Directive]) {
        for directive in block {
            self.book.open(&directive.place, &directive.line(), UNKNOWN);
            if protects(&directive.name) {
                self.book.protects(&directive.place);
            }
            self.open(directive.inner());
        }
    }

    pub(super) fn taken(&mut self, directive: &Directive, note: impl Into<String>) {
        self.book.say(&directive.place, Fate::Taken, note, UNKNOWN);
    }

    pub(super) fn near(&mut self, directive: &Directive, note: impl Into<String>) {
        self.book.say(&directive.place, Fate::Approximated, note, UNKNOWN);
    }

    pub(super) fn not(&mut self, directive: &Directive, note: impl Into<String>) {
        self.book.say(&directive.place, Fate::NotTaken, note, UNKNOWN);
    }

    pub(super) fn none(&mut self, directive: &Directive, note: impl Into<String>) {
        self.book.say(&directive.place, Fate::NoEffect, note, UNKNOWN);
    }

    /// Says of everything in a block that it is not taken.
    pub(super) fn not_within(&mut self, directive: &Directive, note: &str) {
        self.not(directive, note);
        for inner in directive.inner() {
            self.not_within(inner, note);
        }
    }

    /// Whether nobody has said anything of it.
    pub(super) fn unsaid(&self, directive: &Directive) -> bool {
        self.book.unsaid(&directive.place, UNKNOWN)
    }

    pub(super) fn finish(self) -> Report {
        self.book.finish()
    }
}

/// Whether a directive of this name keeps somebody out, as far as its name tells.
pub(super) fn protects(name: &str) -> bool {
    PROTECTING.contains(&name) || PROTECTING_MODULES.iter().any(|start| name.starts_with(start))
}
