//! What loopdesk should reach, and whether it does.

use crate::memory::Memory;
use crate::peers::{ALL, DIRECT, DOOR, MIN_PROXY, Protocol, REWRITING};
use crate::report::Figures;
use crate::rotations::Rotated;
use crate::rounds::{Sample, Table};
use crate::scenarios::CONNECTIONS;
use crate::statistics::Estimate;
use crate::upstream::Body;
use crate::wan::{Errand, Kind};

/// A limit for one figure.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) figure: String,
    pub(crate) limit: Limit,
    samples: Vec<Sample>,
}

/// On which side of the limit the figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
}

/// The judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    NotMet,
    Undecided,
}

impl Target {
    fn new(figure: impl Into<String>, limit: Limit, samples: Vec<Sample>) -> Self {
        Self {
            figure: figure.into(),
            limit,
            samples,
        }
    }

    /// Of the valid rounds.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        let valid = self.samples.iter().filter(|sample| sample.is_valid);
        Estimate::of(&valid.map(|sample| sample.value).collect::<Vec<_>>())
    }

    /// Of all rounds: an indication when none is valid.
    pub(crate) fn indication(&self) -> Option<Estimate> {
        Estimate::of(
            &self
                .samples
                .iter()
                .map(|sample| sample.value)
                .collect::<Vec<_>>(),
        )
    }

    /// How many rounds are valid, and how many there are.
    pub(crate) fn rounds(&self) -> (usize, usize) {
        let valid = self.samples.iter().filter(|sample| sample.is_valid).count();
        (valid, self.samples.len())
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let Some(Estimate { low, high, .. }) = self.estimate() else {
            return Verdict::Undecided;
        };
        match (self.limit.holds(low), self.limit.holds(high)) {
            (true, true) => Verdict::Met,
            (false, false) => Verdict::NotMet,
            _ => Verdict::Undecided,
        }
    }
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Below(limit) => value < limit,
        }
    }
}

/// All targets, with what was measured for them.
pub(crate) fn all(figures: &Figures) -> Vec<Target> {
    let tables = &figures.tables;
    let mut targets = small(tables);
    targets.extend(large(tables));
    targets.extend(pages(tables));
    targets.extend(wide(&figures.wan));
    targets.extend(memory(&figures.memory));
    targets.extend(delays(tables, &figures.rotations));
    // A short run doesn't measure everything.
    targets.retain(|target| !target.samples.is_empty());
    targets
}

fn small(tables: &[Table]) -> Vec<Target> {
    let mut targets = Vec::new();
    for (protocol, name) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2")] {
        for connections in CONNECTIONS {
            let Some(table) = find(tables, protocol, Body::Small, connections) else {
                continue;
            };
            let what = format!("1 KB, {name}, {}", counted(connections));
            targets.extend([
                Target::new(
                    format!("{what}: CPU per request / {MIN_PROXY}"),
                    Limit::AtMost(1.20),
                    table.ratios(REWRITING, MIN_PROXY, |m| m.cpu),
                ),
                Target::new(
                    format!("{what}: with a key, CPU per request / {MIN_PROXY}"),
                    Limit::AtMost(1.25),
                    table.ratios(ALL, MIN_PROXY, |m| m.cpu),
                ),
                Target::new(
                    format!("{what}: requests/s / {MIN_PROXY}"),
                    Limit::AtLeast(0.93),
                    table.ratios(REWRITING, MIN_PROXY, |m| m.per_second()),
                ),
                Target::new(
                    format!("{what}: p99 / {MIN_PROXY}"),
                    Limit::AtMost(1.3),
                    table.ratios(REWRITING, MIN_PROXY, |m| m.p99),
                ),
            ]);
        }
    }
    targets
}

fn large(tables: &[Table]) -> Vec<Target> {
    let of = |(body, name)| {
        let table = find(tables, Protocol::Http1, body, 1)?;
        let ratios = table.ratios(REWRITING, MIN_PROXY, |m| m.per_second());
        let figure = format!("10 MiB {name}: requests/s / {MIN_PROXY}");
        Some(Target::new(figure, Limit::AtLeast(0.95), ratios))
    };
    let both = [(Body::Large, "down"), (Body::Upload, "up")];
    both.into_iter().filter_map(of).collect()
}

fn pages(tables: &[Table]) -> Vec<Target> {
    let mut targets = Vec::new();
    for connections in [1, 16] {
        let Some(table) = find(tables, Protocol::Http1, Body::Page, connections) else {
            continue;
        };
        let what = format!("page of 100 KB, {}: requests/s", counted(connections));
        targets.extend([
            Target::new(
                format!("{what} rewritten / as it is"),
                Limit::AtLeast(0.85),
                table.ratios(REWRITING, DOOR, |m| m.per_second()),
            ),
            Target::new(
                format!("{what} as it is / {MIN_PROXY}"),
                Limit::AtLeast(0.95),
                table.ratios(DOOR, MIN_PROXY, |m| m.per_second()),
            ),
        ]);
    }
    targets
}

fn wide(errands: &[Errand]) -> Vec<Target> {
    let of = |errand: &Errand| {
        let limit = match errand.kind {
            Kind::Sequence => Limit::AtMost(0.38),
            Kind::Export {
                is_kept: true,
                gzip: true,
            } => Limit::AtMost(1.0),
            // loopdesk may ask for gzip by itself.
            Kind::Export {
                is_kept: true,
                gzip: false,
            } => Limit::Below(1.0),
            Kind::Export { is_kept: false, .. } | Kind::Parallel => return None,
        };
        let figure = format!("40 ms, 20 Mbit/s, {}: time / direct", errand.title);
        Some(Target::new(figure, limit, valid(&errand.ratios())))
    };
    errands.iter().filter_map(of).collect()
}

fn memory(memory: &Memory) -> Vec<Target> {
    let settling = memory.settling.as_secs();
    vec![
        Target::new(
            "private memory when idle, MiB",
            Limit::AtMost(8.0),
            valid(&memory.idle),
        ),
        Target::new(
            "private memory for each of 500 idle connections, KiB",
            Limit::AtMost(16.0),
            valid(&memory.connection),
        ),
        Target::new(
            format!("private memory above idle {settling} s after a burst, MiB"),
            Limit::AtMost(4.0),
            valid(&memory.left_over),
        ),
        Target::new(
            "growth in the second half of a long stream, MiB",
            Limit::AtMost(1.0),
            valid(&memory.growth),
        ),
        Target::new(
            "exec to READY=1, ms",
            Limit::AtMost(15.0),
            valid(&memory.start),
        ),
    ]
}

fn delays(tables: &[Table], rotations: &[Rotated]) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(table) = find(tables, Protocol::Http1, Body::Small, 1) {
        let added = table.paired(REWRITING, DIRECT, |m| m.p50, |with, without| with - without);
        targets.push(Target::new(
            "p50 added to direct, ms",
            Limit::AtMost(0.1),
            added,
        ));
    }
    targets.push(Target::new(
        "through rotations: slowest request minus slowest refresh, ms",
        Limit::AtMost(50.0),
        rotations.iter().map(Rotated::excess).collect(),
    ));
    targets
}

fn find(tables: &[Table], protocol: Protocol, body: Body, connections: usize) -> Option<&Table> {
    tables.iter().find(|table| {
        let scenario = &table.scenario;
        let is_plain = !scenario.closes && !scenario.gzip;
        is_plain
            && scenario.protocol == protocol
            && scenario.body == body
            && scenario.connections == connections
    })
}

fn counted(connections: usize) -> String {
    match connections {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    }
}

fn valid(values: &[f64]) -> Vec<Sample> {
    let sample = |&value| Sample {
        value,
        is_valid: true,
    };
    values.iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_that_crosses_its_limit_decides_nothing() {
        let verdict = |values: &[f64]| Target::new("", Limit::AtMost(1.0), valid(values)).verdict();
        assert_eq!(verdict(&[0.8, 0.9, 1.0]), Verdict::Met);
        assert_eq!(verdict(&[1.1, 1.2, 1.3]), Verdict::NotMet);
        assert_eq!(verdict(&[0.8, 0.9, 1.1]), Verdict::Undecided);
    }

    #[test]
    fn invalid_rounds_decide_nothing() {
        let mut samples = valid(&[0.5]);
        samples[0].is_valid = false;
        let target = Target::new("", Limit::AtMost(1.0), samples);
        assert_eq!(target.verdict(), Verdict::Undecided);
        assert_eq!(target.indication().unwrap().median, 0.5);
    }
}
