//! What is drawn for a picture, and what keys do to it.
#![allow(clippy::unwrap_used)]

use super::{
    feed::{Picture, Wish},
    keys::{Act, Screen},
    once, view,
};
use crate::insight::Sort;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Color,
};
use serde_json::json;

fn picture() -> Picture {
    let window = |rate: f64, share: f64| {
        json!({ "rate": rate, "errors": rate * share, "error_share": share, "refused_share": 0.125,
                "p50_ms": 1.5, "p90_ms": 20.25, "p99_ms": 300.0 })
    };
    let idle = json!({ "rate": 0.0, "errors": 0.0, "error_share": 0.0, "refused_share": 0.0,
                       "p50_ms": null, "p90_ms": null, "p99_ms": null });
    Picture {
        stats: json!({ "release": 7, "apis": 3, "apis_called": 1, "in_flight": 2,
                       "last_10s": window(120.0, 0.25), "last_1m": window(60.0, 0.1) }),
        apis: json!({ "found": 3, "items": [
            { "id": "orders.create", "in_flight": 2, "last_10s": window(120.0, 0.25), "last_1m": window(60.0, 0.1) },
            { "id": "evil\u{1b}[2J", "in_flight": 0, "last_10s": idle, "last_1m": idle },
        ] }),
        upstreams: json!({ "items": [ { "name": "orders", "endpoints": [
            { "address": "10.0.0.1:80", "healthy": false, "passed_over": false, "in_flight": 3,
              "idle_connections": 4, "counts": { "calls": 900, "closed": 2, "timeouts": 5 } },
        ] } ] }),
    }
}

fn screen() -> Screen {
    Screen::new(Wish { sort: Sort::Rate, filter: String::new(), limit: 50 }, picture())
}

/// The lines of a drawn screen, and the colour of the first letter of each.
fn drawn(screen: &Screen) -> Vec<(String, Color)> {
    let mut terminal = Terminal::new(TestBackend::new(130, 14)).unwrap();
    terminal.draw(|frame| view::draw(frame, screen)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..130).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..14).map(|y| (line(y).trim_end().to_owned(), buffer[(0, y)].fg)).collect()
}

fn press(screen: &mut Screen, code: KeyCode) -> Act {
    screen.key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn the_screen_shows_apis_endpoints_and_keys() {
    let lines = drawn(&screen());
    assert!(lines[0].0.starts_with("release 7   120.0 calls/s (60.0 over 1 m)   25.00 % errors"));
    assert!(lines[1].0.contains(" APIs by rate (3) "), "{lines:?}");
    let orders = &lines[3];
    for part in ["orders.create", "120.0", "30.0", "25.00", "12.50", "1.50", "20.25", "300.00"] {
        assert!(orders.0.contains(part), "{part}: {orders:?}");
    }
    assert_eq!(orders.1, Color::Red, "a quarter of its calls fails");
    assert!(lines[4].0.starts_with("evil\u{FFFD}[2J"), "{:?}", lines[4]);
    let endpoint = lines.iter().find(|(line, _)| line.starts_with("orders 10.0.0.1:80")).unwrap();
    assert!(endpoint.0.contains("UNHEALTHY") && endpoint.0.ends_with('7'), "{endpoint:?}");
    assert_eq!(endpoint.1, Color::Red);
    assert!(lines[13].0.starts_with("sort: r rate"), "{lines:?}");
}

#[test]
fn keys_sort_filter_pause_and_leave() {
    let mut screen = screen();
    for (letter, sort) in [('e', Sort::Errors), ('9', Sort::P99), ('i', Sort::Id)] {
        assert_eq!(press(&mut screen, KeyCode::Char(letter)), Act::Ask);
        assert_eq!(screen.wish.sort, sort);
    }
    assert_eq!(press(&mut screen, KeyCode::Char('/')), Act::Nothing);
    for letter in "quo".chars() {
        assert_eq!(press(&mut screen, KeyCode::Char(letter)), Act::Nothing, "typed, not done");
    }
    press(&mut screen, KeyCode::Backspace);
    assert!(drawn(&screen)[13].0.starts_with("filter: qu▏"), "{:?}", drawn(&screen)[13]);
    assert_eq!(press(&mut screen, KeyCode::Enter), Act::Ask);
    assert_eq!(screen.wish.filter, "qu");
    press(&mut screen, KeyCode::Char('/'));
    press(&mut screen, KeyCode::Char('x'));
    press(&mut screen, KeyCode::Esc);
    assert_eq!((&*screen.wish.filter, &screen.typing), ("qu", &None));
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Act::Leave);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.key(control_c), Act::Leave);
}

#[test]
fn a_paused_screen_keeps_its_picture_and_trouble_is_told() {
    let mut screen = screen();
    press(&mut screen, KeyCode::Char('p'));
    let mut next = picture();
    next.stats["release"] = 8.into();
    screen.show(next.clone());
    assert!(drawn(&screen)[0].0.starts_with("PAUSED   release 7"));
    assert_eq!(press(&mut screen, KeyCode::Char('p')), Act::Ask);
    screen.show(next.clone());
    assert!(drawn(&screen)[0].0.starts_with("release 8"));
    screen.trouble = Some("no gateway answers at x\nIs it running?".to_owned());
    assert_eq!(drawn(&screen)[0].0, "OLD NUMBERS: no gateway answers at x");
    screen.show(next);
    assert!(drawn(&screen)[0].0.starts_with("release 8"), "it is back");
}

#[test]
fn scrolling_stays_within_what_there_is() {
    let mut screen = screen();
    press(&mut screen, KeyCode::PageDown);
    assert_eq!(screen.offset, 1);
    assert!(drawn(&screen)[3].0.starts_with("evil"));
    press(&mut screen, KeyCode::Up);
    press(&mut screen, KeyCode::Up);
    assert_eq!(screen.offset, 0);
    press(&mut screen, KeyCode::Down);
    let mut fewer = picture();
    fewer.apis["items"] = json!([]);
    screen.show(fewer);
    assert_eq!(screen.offset, 0);
}

#[test]
fn the_table_for_scripts_has_a_line_an_api_and_an_endpoint() {
    let text = once::text(&picture(), &screen().wish);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].starts_with("api by rate") && lines[2].ends_with("in flight"), "{text}");
    let cells: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(
        cells,
        [
            "orders.create",
            "120.0",
            "60.0",
            "30.0",
            "25.00",
            "12.50",
            "1.50",
            "20.25",
            "300.00",
            "2"
        ]
    );
    assert_eq!(lines[5], "… 1 more; `--limit` shows them");
    let cells: Vec<&str> = lines[8].split_whitespace().collect();
    assert_eq!(cells, ["orders", "10.0.0.1:80", "UNHEALTHY", "3", "4", "900", "7"]);
}
