//! Requests while tokens that live three seconds are replaced.

use std::time::Duration;

use crate::load::Load;
use crate::loopdesk::Loopdesk;
use crate::peers::{Peer, REWRITING};
use crate::rounds::Sample;
use crate::upstream::{Body, Upstream};
use crate::{Lab, Outcome, progress};

/// What one round has shown.
#[derive(Clone, Debug)]
pub(crate) struct Rotated {
    pub(crate) rotations: usize,
    pub(crate) failures: u64,
    pub(crate) p50: f64,
    /// The slowest request and the slowest refresh, in milliseconds.
    pub(crate) slowest: f64,
    pub(crate) refresh: f64,
    pub(crate) is_valid: bool,
}

impl Rotated {
    /// How much longer the slowest request took than the slowest refresh.
    pub(crate) fn excess(&self) -> Sample {
        Sample {
            value: self.slowest - self.refresh,
            is_valid: self.is_valid,
        }
    }
}

pub(crate) fn measure(lab: &Lab, upstream: &Upstream) -> Outcome<Vec<Rotated>> {
    let loopdesk = Loopdesk::start(lab, "rotating", upstream.rotating)?;
    let peer = Peer {
        name: REWRITING,
        port: loopdesk.port,
        is_direct: false,
        headers: Vec::new(),
        pids: loopdesk.pids(),
    };
    let mut rounds = Vec::new();
    for round in 0..lab.size.rounds {
        progress(&format!(
            "through rotations: round {} of {}",
            round + 1,
            lab.size.rounds
        ));
        let before = upstream.refreshes().len();
        let load = Load::of(lab, &peer, Body::Small, CONNECTIONS).lasting(lab.size.rotating);
        let measured = load.run(lab)?;
        if let Some(failure) = &measured.first_failure {
            progress(&format!("  {failure}"));
        }
        let refreshes = upstream.refreshes().split_off(before);
        let refresh = refreshes.iter().copied().fold(0.0, f64::max);
        rounds.push(Rotated {
            rotations: refreshes.len(),
            failures: measured.failures,
            p50: measured.p50,
            slowest: measured.slowest,
            refresh: Duration::from_secs_f64(refresh).as_secs_f64() * 1000.0,
            is_valid: measured.is_valid() && !refreshes.is_empty(),
        });
    }
    Ok(rounds)
}

/// Few, so that requests wait for the refresh and not for each other.
const CONNECTIONS: usize = 4;
