//! The screen: a line on the gateway, its APIs, its endpoints, and the keys.

use super::{
    feed::Picture,
    keys::{HELP, Screen},
    once::{COLUMNS, ENDPOINT_COLUMNS, api_cells, endpoints, printable, summary},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style},
    text::{Line, Text},
    widgets::{Block, Borders, Cell, Paragraph, Row, Table},
};
use serde_json::Value;

/// The most lines that endpoints take.
const ENDPOINT_LINES: u16 = 12;

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let rows = endpoints(&screen.picture);
    let below = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(2);
    let below = if rows.is_empty() { 0 } else { below.min(ENDPOINT_LINES) };
    let [top, apis, upstreams, last] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(4),
        Constraint::Length(below),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(status(screen)), top);
    frame.render_widget(api_table(screen), apis);
    if below > 0 {
        let head = head("endpoint", &ENDPOINT_COLUMNS);
        let lines = rows.into_iter().map(|row| {
            let style = if row.healthy { Style::new() } else { Style::new().fg(Color::Red) };
            line(&row.name, &row.cells).style(style)
        });
        let table = Table::new(lines, widths(&ENDPOINT_COLUMNS))
            .header(head)
            .block(Block::new().borders(Borders::TOP));
        frame.render_widget(table, upstreams);
    }
    frame.render_widget(Paragraph::new(footer(screen)), last);
}

fn status(screen: &Screen) -> Line<'static> {
    let (mut text, mut style) = (summary(&screen.picture), Style::new());
    if let Some(trouble) = &screen.trouble {
        let first = printable(trouble.lines().next().unwrap_or_default());
        text = format!("OLD NUMBERS: {first}");
        style = style.fg(Color::Red).add_modifier(Modifier::BOLD);
    } else if screen.paused {
        text = format!("PAUSED   {text}");
        style = style.fg(Color::Yellow);
    }
    Line::styled(text, style)
}

fn api_table(screen: &Screen) -> Table<'static> {
    let items = Picture::items(&screen.picture.apis);
    let rows = items.iter().skip(screen.offset).map(|item| {
        let id = printable(item["id"].as_str().unwrap_or_default());
        line(&id, &api_cells(item)).style(weight(item))
    });
    let found = screen.picture.apis["found"].as_u64().unwrap_or(0);
    let mut title = format!(" APIs by {} ({found}) ", screen.wish.sort.as_str());
    if !screen.wish.filter.is_empty() {
        title.push_str(&format!("with `{}` ", printable(&screen.wish.filter)));
    }
    Table::new(rows, widths(&COLUMNS))
        .header(head("api", &COLUMNS))
        .block(Block::new().borders(Borders::TOP).title(title))
}

/// Failing APIs stand out, idle ones stand back.
fn weight(item: &Value) -> Style {
    let number = |name: &str| item["last_10s"][name].as_f64().unwrap_or(0.0);
    match (number("error_share"), number("rate")) {
        (share, _) if share >= 0.05 => Style::new().fg(Color::Red),
        (share, _) if share > 0.0 => Style::new().fg(Color::Yellow),
        (_, rate) if rate <= 0.0 => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new(),
    }
}

fn widths<const N: usize>(columns: &[(&str, u16); N]) -> Vec<Constraint> {
    let first = [Constraint::Min(12)];
    first.into_iter().chain(columns.iter().map(|(_, width)| Constraint::Length(*width))).collect()
}

fn head<const N: usize>(name: &str, columns: &[(&str, u16); N]) -> Row<'static> {
    let cells = columns.iter().map(|(head, _)| (*head).to_owned());
    row(name, cells).style(Style::new().add_modifier(Modifier::BOLD))
}

fn line(name: &str, cells: &[String]) -> Row<'static> {
    row(name, cells.iter().cloned())
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> Row<'static> {
    let numbers = cells.map(|cell| Cell::from(Text::from(cell).right_aligned()));
    Row::new(std::iter::once(Cell::from(name.to_owned())).chain(numbers))
}

fn footer(screen: &Screen) -> Line<'static> {
    match &screen.typing {
        Some(text) => Line::from(format!("filter: {text}▏  Enter takes it, Esc leaves it")),
        None => Line::styled(HELP, Style::new().add_modifier(Modifier::DIM)),
    }
}
