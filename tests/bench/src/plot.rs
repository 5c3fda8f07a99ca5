//! The main comparison as SVG: small answers, by number of connections.

use crate::load::Measured;
use crate::peers::{ALL, HAPROXY, MIN_PROXY, NGINX, Protocol, REWRITING};
use crate::rounds::Table;
use crate::statistics::Estimate;
use crate::upstream::Body;

pub(crate) fn svg(tables: &[Table]) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let mut x = LEFT;
    for (name, colour) in PEERS {
        put(
            &mut text,
            &format!(
                "<rect x=\"{x}\" y=\"14\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"24\">{name}</text>",
                x + 17.0
            ),
        );
        x += 150.0;
    }
    let panels: [(&str, Protocol, Figure); 4] = [
        ("CPU per request, HTTP/1.1 upstream", Protocol::Http1, |m| {
            m.cpu
        }),
        ("CPU per request, HTTP/2 upstream", Protocol::Http2, |m| {
            m.cpu
        }),
        (
            "Requests per second, HTTP/1.1 upstream",
            Protocol::Http1,
            Measured::per_second,
        ),
        (
            "Requests per second, HTTP/2 upstream",
            Protocol::Http2,
            Measured::per_second,
        ),
    ];
    let places = [
        (LEFT, 60.0),
        (LEFT + 420.0, 60.0),
        (LEFT, 320.0),
        (LEFT + 420.0, 320.0),
    ];
    for ((title, protocol, figure), (x, y)) in panels.into_iter().zip(places) {
        panel(&mut text, (x, y), title, tables, protocol, figure);
    }
    put(
        &mut text,
        &format!(
            "<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">1 KB of JSON, relative to {MIN_PROXY} (1.0) in the same \
         round; lines show the spread</text>",
            HEIGHT - 12.0
        ),
    );
    text.push_str("</svg>\n");
    text
}

type Figure = fn(&Measured) -> f64;

fn panel(
    text: &mut String,
    (left, top): (f64, f64),
    title: &str,
    tables: &[Table],
    protocol: Protocol,
    figure: Figure,
) {
    let height = |value: f64| value.clamp(0.0, MOST) / MOST * BARS;
    let bottom = top + BARS + 20.0;
    put(
        text,
        &format!("<text x=\"{left}\" y=\"{top}\" font-weight=\"bold\">{title}</text>"),
    );
    for step in [0.5, 1.0, 1.5, 2.0] {
        let y = bottom - height(step);
        let colour = if step == 1.0 { "#333" } else { "#ddd" };
        put(
            text,
            &format!(
                "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{step}</text>",
                left + 370.0,
                left - 5.0,
                y + 4.0
            ),
        );
    }
    let shown = tables.iter().filter(|table| {
        let scenario = &table.scenario;
        scenario.protocol == protocol && scenario.body == Body::Small && !scenario.closes
    });
    let mut x = left + 8.0;
    for table in shown {
        put(
            text,
            &format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x + 38.0,
                bottom + 16.0,
                table.scenario.connections
            ),
        );
        for (turn, (name, colour)) in PEERS.iter().enumerate() {
            let samples = table.ratios(name, MIN_PROXY, figure);
            let values: Vec<_> = samples.iter().map(|sample| sample.value).collect();
            let Some(estimate) = Estimate::of(&values) else {
                continue;
            };
            let x = x + 19.0 * f64::from(u8::try_from(turn).unwrap_or(0));
            let (tall, low, high) = (
                height(estimate.median),
                bottom - height(estimate.low),
                bottom - height(estimate.high),
            );
            put(
                text,
                &format!(
                    "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"16\" height=\"{tall:.1}\" fill=\"{colour}\"/>\
                 <line x1=\"{1:.1}\" y1=\"{low:.1}\" x2=\"{1:.1}\" y2=\"{high:.1}\" stroke=\"black\"/>",
                    bottom - tall,
                    x + 8.0
                ),
            );
        }
        x += 92.0;
    }
    put(
        text,
        &format!(
            "<text x=\"{left}\" y=\"{:.1}\" fill=\"#555\">connections</text>",
            bottom + 32.0
        ),
    );
}

fn put(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

const PEERS: [(&str, &str); 4] = [
    (NGINX, "#9bbf85"),
    (HAPROXY, "#e0b15e"),
    (REWRITING, "#3b6fb6"),
    (ALL, "#8fb0dc"),
];
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 600.0;
const LEFT: f64 = 40.0;
/// Of the tallest bar.
const BARS: f64 = 170.0;
/// The ratio that the tallest bar stands for.
const MOST: f64 = 2.2;
