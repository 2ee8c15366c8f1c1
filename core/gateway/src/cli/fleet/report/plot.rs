//! Plots as SVG.

use std::fmt::Write;

/// One line of a plot.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) colour: &'a str,
    /// Across and up, in any unit.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
/// Around the plot, for its figures.
const LEFT: f64 = 64.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 26.0;

/// A plot of curves over one scale. Names must hold no markup.
pub(super) fn lines(title: &str, across: &str, curves: &[Curve<'_>]) -> String {
    let all = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let (first, last) = (
        all().map(|(x, _)| x).fold(f64::INFINITY, f64::min),
        all().map(|(x, _)| x).fold(f64::NEG_INFINITY, f64::max),
    );
    let most = all().map(|(_, y)| y).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let (wide, high) = (WIDTH - LEFT - 8.0, HEIGHT - TOP - BOTTOM);
    let x = |value: f64| LEFT + (value - first) / (last - first).max(f64::MIN_POSITIVE) * wide;
    let y = |value: f64| TOP + high - value / most * high;
    let mut out = frame(title);
    for part in [0.0, 0.5, 1.0] {
        let at = y(most * part);
        let _ = write!(
            out,
            "<line x1='{LEFT}' x2='{:.1}' y1='{at:.1}' y2='{at:.1}' class='grid'/><text x='{:.1}' y='{:.1}' class='left'>{}</text>",
            LEFT + wide,
            LEFT - 6.0,
            at + 4.0,
            figure(most * part)
        );
    }
    if first.is_finite() {
        for (value, class) in [(first, "start"), (last, "left")] {
            let _ = write!(
                out,
                "<text x='{:.1}' y='{:.1}' class='{class}'>{} {across}</text>",
                x(value),
                HEIGHT - 8.0,
                figure(value)
            );
        }
    }
    for (number, curve) in curves.iter().enumerate() {
        let points: Vec<String> = curve
            .points
            .iter()
            .map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up)))
            .collect();
        let _ = write!(
            out,
            "<polyline points='{}' fill='none' stroke='{}' stroke-width='1.6'/><text x='{:.1}' y='14' fill='{}' class='left'>{}</text>",
            points.join(" "),
            curve.colour,
            WIDTH - 8.0 - 110.0 * number as f64,
            curve.colour,
            curve.name
        );
    }
    out.push_str("</svg>\n");
    out
}

/// A plot of bars with a name each.
pub(super) fn bars(title: &str, bars: &[(String, f64)]) -> String {
    let most = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let wide = (WIDTH - 16.0) / bars.len().max(1) as f64;
    let high = HEIGHT - TOP - BOTTOM - 12.0;
    let mut out = frame(title);
    for (number, (name, value)) in bars.iter().enumerate() {
        let tall = value / most * high;
        let left = 8.0 + wide * number as f64;
        let (top, middle) = (HEIGHT - BOTTOM - tall, left + wide / 2.0);
        let _ = write!(
            out,
            "<rect x='{:.1}' y='{top:.1}' width='{:.1}' height='{tall:.1}' fill='#2a6fb0'/><text x='{middle:.1}' y='{:.1}' \
             class='mid'>{}</text><text x='{middle:.1}' y='{:.1}' class='mid'>{name}</text>",
            left + 1.0,
            (wide - 2.0).max(0.5),
            top - 4.0,
            figure(*value),
            HEIGHT - 10.0
        );
    }
    out.push_str("</svg>\n");
    out
}

fn frame(title: &str) -> String {
    format!(
        "<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img'><title>{title}</title><text x='8' y='14' class='start'>{title}</text>"
    )
}

/// A number with as many digits as a reader needs.
pub(super) fn figure(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
