//! Shell scripts over a link with a round trip of 40 ms and 20 Mbit/s: with loopdesk, and without.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::children::{Running, on_core};
use crate::loopdesk::Loopdesk;
use crate::upstream::{Body, Upstream};
use crate::{Lab, Outcome, progress};

/// What a script did, and how long that took in each round.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) kind: Kind,
    pub(crate) title: String,
    /// In seconds.
    pub(crate) direct: Vec<f64>,
    pub(crate) loopdesk: Vec<f64>,
}

/// What a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One `curl` after another, each for one small answer.
    Sequence,
    /// Pages one after another.
    Export { is_kept: bool, gzip: bool },
    /// Twenty `curl`s at once.
    Parallel,
}

impl Errand {
    /// The time with loopdesk relative to the time without, in each round.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let pairs = self.loopdesk.iter().zip(&self.direct);
        pairs.map(|(with, without)| with / without).collect()
    }
}

pub(crate) fn measure(lab: &Lab, upstream: &Upstream) -> Outcome<Vec<Errand>> {
    let mut relay = on_core(lab.cores.load, lab.programs.join("relay"));
    for number in [upstream.wide, upstream.behind_relay, ROUND_TRIP, MEGABITS] {
        relay.arg(number.to_string());
    }
    let _relay = Running::start_listening(&mut relay, upstream.wide)?;
    let loopdesk = Loopdesk::start(lab, "wide", upstream.wide)?;
    let direct = Way {
        base: format!("https://127.0.0.1:{}", upstream.wide),
        lab,
    };
    let local = Way {
        base: format!("http://127.0.0.1:{}", loopdesk.port),
        lab,
    };
    // Scripts find a daemon that has been at work.
    Kind::Parallel.run(&local)?;

    let mut errands: Vec<_> = KINDS
        .into_iter()
        .map(|kind| Errand {
            kind,
            title: kind.title(lab),
            direct: Vec::new(),
            loopdesk: Vec::new(),
        })
        .collect();
    for round in 0..lab.size.rounds {
        for errand in &mut errands {
            progress(&format!(
                "wide-area link, round {} of {}: {}",
                round + 1,
                lab.size.rounds,
                errand.title
            ));
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    errand.direct.push(errand.kind.run(&direct)?);
                } else {
                    errand.loopdesk.push(errand.kind.run(&local)?);
                }
            }
        }
    }
    Ok(errands)
}

impl Kind {
    fn title(self, lab: &Lab) -> String {
        let pages = lab.size.pages;
        match self {
            Self::Sequence => format!("{} `curl` processes, one after another", lab.size.curls),
            Self::Parallel => format!("{PARALLEL} `curl` processes at once"),
            Self::Export { is_kept, gzip } => {
                let connection = if is_kept {
                    "one connection"
                } else {
                    "a process per page"
                };
                let gzip = if gzip { ", gzip asked for" } else { "" };
                format!("export of {pages} pages, {connection}{gzip}")
            }
        }
    }

    /// The time that it takes, in seconds.
    fn run(self, way: &Way<'_>) -> Outcome<f64> {
        let began = Instant::now();
        match self {
            Self::Sequence => {
                for _ in 0..way.lab.size.curls {
                    end(way.curl(Body::Small.path(), false).spawn()?)?;
                }
            }
            Self::Export {
                is_kept: true,
                gzip,
            } => {
                let pages = format!("{}?n=[1-{}]", Body::Page.path(), way.lab.size.pages);
                end(way.curl(&pages, gzip).spawn()?)?;
            }
            Self::Export {
                is_kept: false,
                gzip,
            } => {
                for _ in 0..way.lab.size.pages {
                    end(way.curl(Body::Page.path(), gzip).spawn()?)?;
                }
            }
            Self::Parallel => {
                let mut curl = way.curl(Body::Small.path(), false);
                let curls: Vec<_> = (0..PARALLEL).map(|_| curl.spawn()).collect();
                for curl in curls {
                    end(curl?)?;
                }
            }
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

/// With loopdesk or without.
struct Way<'a> {
    base: String,
    lab: &'a Lab,
}

impl Way<'_> {
    fn curl(&self, path: &str, gzip: bool) -> Command {
        let mut command = on_core(self.lab.cores.load, "curl");
        command
            .args([
                "--silent",
                "--show-error",
                "--fail",
                "--output",
                "/dev/null",
            ])
            .args(["--header", "Authorization: Bearer bench"])
            .arg("--cacert")
            .arg(&self.lab.certificates.ca)
            .stdout(Stdio::null());
        if gzip {
            command.args(["--header", "Accept-Encoding: gzip"]);
        }
        command.arg(format!("{}{path}", self.base));
        command
    }
}

fn end(mut curl: Child) -> Outcome<()> {
    let status = curl.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("curl failed: {status}").into())
}

const KINDS: [Kind; 6] = [
    Kind::Sequence,
    Kind::Export {
        is_kept: true,
        gzip: false,
    },
    Kind::Export {
        is_kept: true,
        gzip: true,
    },
    Kind::Export {
        is_kept: false,
        gzip: false,
    },
    Kind::Export {
        is_kept: false,
        gzip: true,
    },
    Kind::Parallel,
];
const PARALLEL: u32 = 20;
/// In milliseconds.
const ROUND_TRIP: u16 = 40;
const MEGABITS: u16 = 20;
