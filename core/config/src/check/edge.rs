//! Listeners, admin, apps, and what operates the gateway.

use std::time::Duration;

use super::Seen;
use super::range::{HOUR, MILLI, MINUTE, number, size, time};
use crate::diag::{Problem, Problems};
use crate::model::{Config, ErrorPage, Limits, Listener, ProxyProtocol, Tracing};

pub(super) fn check(config: &Config, problems: &mut Problems) {
    listeners(config, problems);
    apps(config, problems);
    if let Some(admin) = &config.admin {
        let address = admin.address.0;
        if !address.ip().is_loopback() && admin.token.is_none() {
            problems.push(
                Problem::new(
                    admin.address.span(),
                    format!("the admin API on {address} would be open to the network"),
                )
                .help("listen on 127.0.0.1, or set `token: { env: NAME }`"),
            );
        }
        // A proxy brings what comes from elsewhere to loopback.
        if let (Some(origin), None) = (&admin.origin, &admin.token) {
            problems.push(
                Problem::new(
                    origin.span(),
                    format!(
                        "the admin API at {} would be open to all whom the proxy lets through",
                        **origin
                    ),
                )
                .help("set `token: { env: NAME }`"),
            );
        }
    }
    let second = Duration::from_secs(1);
    time(&config.reload.debounce, Duration::from_millis(10), 60 * second, problems);
    number(&config.reload.keep_old, 0, 1000, problems);
    time(&config.reload.drain, second, 30 * 24 * HOUR, problems);
    for slow in [&config.log.slow_step, &config.log.slow_call].into_iter().flatten() {
        time(slow, Duration::from_micros(1), HOUR, problems);
    }
    config.tracing.iter().for_each(|tracing| self::tracing(tracing, problems));
    time(&config.shutdown.grace, Duration::ZERO, HOUR, problems);
    time(&config.shutdown.after_upgrade, Duration::ZERO, HOUR * 24, problems);
    time(&config.defaults.timeout, MILLI, HOUR, problems);
    number(&config.releases.keep, 1, 1000, problems);
    number(&config.paths.max_length, 64, 65_536, problems);
    config.defaults.error_page.iter().for_each(|page| error_page(page, problems));
}

fn tracing(tracing: &Tracing, problems: &mut Problems) {
    let (least, minute) = (Duration::from_millis(10), Duration::from_secs(60));
    time(&tracing.slow_step, Duration::ZERO, HOUR, problems);
    time(&tracing.delay, least, minute, problems);
    time(&tracing.timeout, least, minute, problems);
    number(&tracing.queue, 1, 65_536, problems);
    number(&tracing.batch, 1, 8192, problems);
    if let Some(ca) = &tracing.ca
        && !tracing.endpoint.tls
    {
        problems.push(
            Problem::new(ca.span(), "`ca` is of no use without TLS")
                .help("write the `endpoint` with https://, or leave `ca` out"),
        );
    }
    for (name, value) in &tracing.headers {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.push(Problem::new(value.span(), format!("`{name}` is no header's name")));
        }
    }
}

fn listeners(config: &Config, problems: &mut Problems) {
    if config.listeners.is_empty() && !config.names.listeners {
        problems.push(
            Problem::new(config.root, "a gateway needs a listener")
                .help("write listeners: [ { name: public, address: 0.0.0.0:8080 } ]"),
        );
    }
    let mut names = Seen::default();
    let mut addresses: Vec<&Listener> = Vec::new();
    for listener in &config.listeners {
        names.add("listeners", &listener.name, listener.name.span(), problems);
        listener_alone(listener, listener.whole, problems);
        let address = listener.address.0;
        if address.port() == 0 {
            continue;
        }
        match addresses.iter().find(|other| other.address.0 == address) {
            Some(other) => problems.push(
                Problem::new(listener.address.span(), format!("two listeners on {address}"))
                    .related(other.address.span(), "first here"),
            ),
            None => addresses.push(listener),
        }
    }
    if let Some(admin) = &config.admin
        && let Some(other) = addresses.iter().find(|other| *other.address == *admin.address)
    {
        problems.push(
            Problem::new(
                admin.address.span(),
                format!("the admin API and a listener on {}", admin.address),
            )
            .related(other.address.span(), "the listener"),
        );
    }
}

fn listener_alone(listener: &Listener, whole: bool, problems: &mut Problems) {
    if *listener.proxy_protocol != ProxyProtocol::Off
        && listener.trusted_proxies.is_empty()
        && whole
    {
        problems.push(
            Problem::new(
                listener.proxy_protocol.span(),
                "`proxy_protocol` without `trusted_proxies` would believe nobody",
            )
            .help("name the networks of your load balancers in `trusted_proxies`"),
        );
    }
    if let Some(tls) = &listener.tls {
        if tls.certificates.is_empty() && whole {
            problems.push(Problem::new(tls.span(), "TLS needs at least one certificate"));
        }
        if tls.alpn.is_empty() && whole {
            problems.push(
                Problem::new(tls.span(), "`alpn` offers no protocol")
                    .help("leave it out, or name h2 or http/1.1"),
            );
        }
        if let Some(sessions) = &tls.sessions {
            number(&sessions.count, 1000, 100_000_000, problems);
            size(&sessions.memory, 1 << 20, 64 << 30, problems);
            time(&sessions.lifetime, MINUTE, 24 * HOUR, problems);
        }
        if let Some(early) = &tls.early_data {
            size(&early.max, 512, 64 << 10, problems);
        }
    }
    if let Some(mmtp) = &listener.mmtp
        && mmtp.plain == listener.tls.is_some()
        && whole
    {
        problems.push(match mmtp.plain {
            true => Problem::new(mmtp.span(), "`plain` MMTP on a listener with `tls`")
                .help("leave `plain` out, or give plain text a listener of its own"),
            false => Problem::new(mmtp.span(), "MMTP needs `tls`")
                .help("give the listener `tls`; behind a TLS proxy or in tests, write mmtp: { plain: true }"),
        });
    }
    limits(&listener.limits, problems);
}

fn limits(limits: &Limits, problems: &mut Problems) {
    number(&limits.connections, 1, 10_000_000, problems);
    if let Some(most) = &limits.connections_per_ip {
        number(most, 1, 10_000_000, problems);
    }
    for span in [&limits.handshake, &limits.header, &limits.idle, &limits.body, &limits.body_total]
    {
        time(span, MILLI, HOUR, problems);
    }
    number(&limits.header_count, 1, 1000, problems);
    size(&limits.header_bytes, 512, 1 << 20, problems);
    number(&limits.h2_streams, 1, 10_000, problems);
    number(&limits.h2_resets, 1, 100_000, problems);
    if let Some(most) = &limits.requests_per_connection {
        number(most, 1, u32::MAX, problems);
    }
}

fn apps(config: &Config, problems: &mut Problems) {
    let mut keys = Seen::default();
    for (id, app) in &config.apps {
        if app.keys.is_empty() && app.whole {
            problems.push(
                Problem::new(app.span, format!("the app `{id}` has no key"))
                    .help("write keys: [ { id: k1, secret: { env: NAME } } ]"),
            );
        }
        for key in &app.keys {
            // Requests name a key, not its app.
            keys.add("keys", &key.id, key.id.span(), problems);
        }
        app.error_page.iter().for_each(|page| error_page(page, problems));
    }
}

fn error_page(page: &ErrorPage, problems: &mut Problems) {
    if http::HeaderValue::from_str(&page.content_type).is_err() {
        problems.push(Problem::new(
            page.content_type.span(),
            "the media type holds characters that no header may hold",
        ));
    }
}
