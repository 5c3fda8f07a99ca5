//! The figures as Markdown.

use std::fs;
use std::path::Path;

use crate::load::{BUSIEST, Measured};
use crate::memory::Memory;
use crate::peers::MIN_PROXY;
use crate::rotations::Rotated;
use crate::rounds::{Row, Sample, Table};
use crate::statistics::Estimate;
use crate::targets::{self, Limit, Target, Verdict};
use crate::wan::Errand;
use crate::{Outcome, machine};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) date: String,
    pub(crate) rounds: usize,
    pub(crate) tables: Vec<Table>,
    pub(crate) rotations: Vec<Rotated>,
    pub(crate) wan: Vec<Errand>,
    pub(crate) memory: Memory,
}

pub(crate) fn markdown(figures: &Figures) -> String {
    let mut text = String::new();
    let nginx = machine::version("nginx").unwrap_or_default();
    let haproxy = machine::version("haproxy").unwrap_or_default();
    add(
        &mut text,
        &format!(
            "{} on {}. nginx {nginx}, HAProxy {haproxy}. Rounds: {}.\n",
            figures.date,
            machine::description(),
            figures.rounds
        ),
    );
    if figures.rounds < FULL_ROUNDS {
        add(&mut text, "A short run: its figures are indications.\n");
    }
    add(&mut text, "### Targets\n");
    add(
        &mut text,
        "| | target | figure | interval | valid rounds | |",
    );
    add(&mut text, "| --- | --- | --- | --- | --- | --- |");
    for target in targets::all(figures) {
        add(&mut text, &target_line(&target));
    }
    add(&mut text, "\n### Proxies\n");
    for table in &figures.tables {
        comparison(&mut text, table);
    }
    rotations(&mut text, &figures.rotations);
    wan(&mut text, &figures.wan);
    text
}

/// Puts the figures into the README, and the plot beside it.
pub(crate) fn record(text: &str, plot: &str) -> Outcome<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = folder.join("README.md");
    let old = fs::read_to_string(&readme)?;
    let (before, _) = old
        .split_once(BEGIN)
        .ok_or("the README has no place for figures")?;
    let new =
        format!("{before}{BEGIN}\n\n![Cost per request and throughput](figures.svg)\n\n{text}");
    fs::write(readme, new.trim_end().to_owned() + "\n")?;
    Ok(fs::write(folder.join("figures.svg"), plot)?)
}

fn target_line(target: &Target) -> String {
    let limit = match target.limit {
        Limit::AtMost(limit) => format!("≤ {limit}"),
        Limit::AtLeast(limit) => format!("≥ {limit}"),
        Limit::Below(limit) => format!("< {limit}"),
    };
    let verdict = match target.verdict() {
        Verdict::Met => "met",
        Verdict::NotMet => "**not met**",
        Verdict::Undecided => "undecided",
    };
    let (figure, interval) = match (target.estimate(), target.indication()) {
        (Some(of), _) => (format!("{:.2}", of.median), spread(&of)),
        (None, Some(of)) => (format!("({:.2})", of.median), format!("({})", spread(&of))),
        (None, None) => (String::new(), String::new()),
    };
    let (valid, rounds) = target.rounds();
    let name = &target.figure;
    format!("| {name} | {limit} | {figure} | {interval} | {valid} of {rounds} | {verdict} |")
}

fn comparison(text: &mut String, table: &Table) {
    add(
        text,
        &format!("#### {}\n", capitalised(&table.scenario.title())),
    );
    add(
        text,
        "| | requests/s | ratio | p50 ms | p99 ms | p99.9 ms | CPU µs/request | ratio | peak MB | not valid |",
    );
    add(
        text,
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    );
    for row in &table.rows {
        let figure = |of: fn(&Measured) -> f64, digits: usize| {
            let values: Vec<_> = row.rounds.iter().map(of).collect();
            let estimate = Estimate::of(&values).filter(|e| e.median > 0.0);
            estimate.map_or_else(String::new, |e| format!("{:.digits$}", e.median))
        };
        let cpu_ratio = match row.rounds.first() {
            Some(round) if round.cpu > 0.0 => ratio(&table.ratios(row.peer, MIN_PROXY, |m| m.cpu)),
            _ => String::new(),
        };
        add(
            text,
            &format!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.peer,
                figure(Measured::per_second, 0),
                ratio(&table.ratios(row.peer, MIN_PROXY, Measured::per_second)),
                figure(|m| m.p50, 3),
                figure(|m| m.p99, 3),
                figure(|m| m.p999, 3),
                figure(|m| m.cpu, 1),
                cpu_ratio,
                figure(|m| m.peak, 1),
                invalid(row),
            ),
        );
    }
    add(text, "");
}

/// Why rounds of a row don't count.
fn invalid(row: &Row) -> String {
    let busy = row.rounds.iter().filter(|m| m.busiest > BUSIEST).count();
    let failed = row.rounds.iter().filter(|m| m.failures > 0).count();
    match (busy, failed) {
        (0, 0) => String::new(),
        (busy, 0) => format!("{busy}: busy"),
        (0, failed) => format!("{failed}: failures"),
        (busy, failed) => format!("{busy}: busy, {failed}: failures"),
    }
}

fn rotations(text: &mut String, rounds: &[Rotated]) {
    add(
        text,
        "### Through rotations, tokens of 3 s, 4 connections\n",
    );
    add(
        text,
        "| rotations | failures | p50 ms | slowest request ms | slowest refresh ms |",
    );
    add(text, "| --- | --- | --- | --- | --- |");
    for round in rounds {
        add(
            text,
            &format!(
                "| {} | {} | {:.3} | {:.1} | {:.1} |",
                round.rotations, round.failures, round.p50, round.slowest, round.refresh
            ),
        );
    }
    add(text, "");
}

fn wan(text: &mut String, errands: &[Errand]) {
    add(text, "### Over 40 ms and 20 Mbit/s\n");
    add(text, "| | direct s | loopdesk s | ratio |");
    add(text, "| --- | --- | --- | --- |");
    for errand in errands {
        let median = |values: &[f64]| Estimate::of(values).map_or(0.0, |e| e.median);
        let ratios = errand.ratios();
        let ratio = Estimate::of(&ratios);
        let ratio = ratio.map_or_else(String::new, |e| format!("{:.2} ({})", e.median, spread(&e)));
        add(
            text,
            &format!(
                "| {} | {:.2} | {:.2} | {ratio} |",
                errand.title,
                median(&errand.direct),
                median(&errand.loopdesk),
            ),
        );
    }
}

/// A ratio with its spread.
fn ratio(samples: &[Sample]) -> String {
    let values: Vec<_> = samples.iter().map(|sample| sample.value).collect();
    let estimate = Estimate::of(&values);
    estimate.map_or_else(String::new, |e| match values.len() {
        1 => format!("{:.2}", e.median),
        _ => format!("{:.2} ({})", e.median, spread(&e)),
    })
}

fn spread(estimate: &Estimate) -> String {
    format!("{:.2} to {:.2}", estimate.low, estimate.high)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

const BEGIN: &str = "<!-- figures of `tests/bench/run --record` -->";
const FULL_ROUNDS: usize = 7;
