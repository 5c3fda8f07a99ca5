//! The comparison: in each round, every proxy gets every load once, right after the others.

use crate::load::{Load, Measured};
use crate::peers::{Peers, Protocol};
use crate::scenarios::{self, Scenario};
use crate::upstream::Upstream;
use crate::{Lab, Outcome, progress};

/// What one kind of load has shown.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) scenario: Scenario,
    pub(crate) rows: Vec<Row>,
}

/// The rounds of one proxy.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    pub(crate) rounds: Vec<Measured>,
}

/// A figure of one round, and whether it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) value: f64,
    pub(crate) is_valid: bool,
}

impl Table {
    pub(crate) fn row(&self, peer: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.peer == peer)
    }

    /// A figure of two peers in each round, put together by `join`.
    pub(crate) fn paired(
        &self,
        peer: &str,
        other: &str,
        figure: impl Fn(&Measured) -> f64,
        join: impl Fn(f64, f64) -> f64,
    ) -> Vec<Sample> {
        let (Some(row), Some(others)) = (self.row(peer), self.row(other)) else {
            return Vec::new();
        };
        let pairs = row.rounds.iter().zip(&others.rounds);
        pairs
            .map(|(one, other)| Sample {
                value: join(figure(one), figure(other)),
                is_valid: one.is_valid() && other.is_valid(),
            })
            .collect()
    }

    /// The ratio of a figure to that of another peer, in each round.
    pub(crate) fn ratios(
        &self,
        peer: &str,
        other: &str,
        figure: impl Fn(&Measured) -> f64,
    ) -> Vec<Sample> {
        self.paired(peer, other, figure, |one, other| one / other)
    }
}

/// Measures the loads whose title contains `only`.
pub(crate) fn measure(lab: &Lab, upstream: &Upstream, only: &str) -> Outcome<Vec<Table>> {
    let http1 = Peers::start(lab, upstream, Protocol::Http1)?;
    let http2 = Peers::start(lab, upstream, Protocol::Http2)?;
    let of = |protocol| match protocol {
        Protocol::Http1 => &http1.all,
        Protocol::Http2 => &http2.all,
    };
    let mut tables: Vec<_> = scenarios::all(&lab.size)
        .iter()
        .filter(|scenario| scenario.title().contains(only))
        .map(|&scenario| Table {
            scenario,
            rows: of(scenario.protocol)
                .iter()
                .map(|peer| Row {
                    peer: peer.name,
                    rounds: Vec::new(),
                })
                .collect(),
        })
        .collect();
    for round in 0..lab.size.rounds {
        for table in &mut tables {
            let scenario = table.scenario;
            progress(&format!(
                "round {} of {}: {}",
                round + 1,
                lab.size.rounds,
                scenario.title()
            ));
            let peers = of(scenario.protocol);
            // Whoever comes first or last may have it better, so that changes.
            for turn in 0..peers.len() {
                let place = (round + turn) % peers.len();
                let (Some(peer), Some(row)) = (peers.get(place), table.rows.get_mut(place)) else {
                    continue;
                };
                let load = Load::of(lab, peer, scenario.body, scenario.connections)
                    .closing(scenario.closes)
                    .accepting_gzip(scenario.gzip);
                let measured = load.run(lab)?;
                if let Some(failure) = &measured.first_failure {
                    progress(&format!("  {}: {failure}", peer.name));
                }
                row.rounds.push(measured);
            }
        }
    }
    Ok(tables)
}
