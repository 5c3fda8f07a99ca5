//! `tests/bench/run`: what loopdesk costs, beside other proxies and beside none, and whether it meets its
//! targets.
//!
//! ```text
//! load generator ──► proxy ──► upstream (nginx, TLS)      rounds: proxies in turn, one after another
//! curl ──► loopdesk ──► relay (40 ms, 20 Mbit/s) ──► upstream      wan
//! ```
//!
//! `rounds`, `rotations`, `wan` and `memory` measure; `targets` judges; `report` and `plot` show.

mod certificates;
mod children;
mod load;
mod loopdesk;
mod machine;
mod memory;
mod peers;
mod plot;
mod process;
mod report;
mod rotations;
mod rounds;
mod scenarios;
mod statistics;
mod targets;
mod upstream;
mod wan;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use self::certificates::Certificates;
use self::load::Load;
use self::machine::Cores;
use self::upstream::Upstream;

/// Compares loopdesk with other proxies. Started by `tests/bench/run`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The benchmark
    Compare(Compare),
    /// The load generator
    Load { load: String },
}

#[derive(Debug, clap::Args)]
struct Compare {
    /// Fewer and shorter measurements: under two minutes
    #[arg(long)]
    short: bool,
    /// Write the figures into tests/bench/README.md
    #[arg(long)]
    record: bool,
    /// Only the loads whose title contains this
    #[arg(long, value_name = "TEXT", conflicts_with = "record")]
    only: Option<String>,
    /// An empty folder for everything that the benchmark creates
    #[arg(long)]
    work: PathBuf,
    /// The folder of the programs in their release build
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the simulated Zendesk
    #[arg(long)]
    tools: PathBuf,
    /// The day of the figures
    #[arg(long)]
    date: String,
}

fn main() -> Outcome<()> {
    match Arguments::parse().part {
        Part::Load { load } => {
            let load: Load = serde_json::from_str(&load)?;
            say(&serde_json::to_string(&load.generate()?)?);
            Ok(())
        }
        Part::Compare(compare) => run(compare),
    }
}

fn run(compare: Compare) -> Outcome<()> {
    if machine::version("nginx").is_none() {
        return Err("nginx isn't installed: it is the upstream".into());
    }
    let lab = Lab {
        certificates: Certificates::create(&compare.work)?,
        cores: Cores::of_this_machine(),
        size: if compare.short {
            Size::SHORT
        } else {
            Size::FULL
        },
        work: compare.work,
        programs: compare.programs,
        tools: compare.tools,
    };
    let upstream = Upstream::start(&lab)?;
    let only = compare.only.as_deref();
    let tables = rounds::measure(&lab, &upstream, only.unwrap_or_default())?;
    let mut figures = report::Figures {
        date: compare.date,
        rounds: lab.size.rounds,
        tables,
        rotations: Vec::new(),
        wan: Vec::new(),
        memory: memory::Memory::default(),
    };
    if only.is_none() {
        figures.rotations = rotations::measure(&lab, &upstream)?;
        figures.wan = wan::measure(&lab, &upstream)?;
        figures.memory = memory::measure(&lab, &upstream)?;
    }
    let text = report::markdown(&figures);
    say(&text);
    if compare.record {
        report::record(&text, &plot::svg(&figures.tables))?;
    }
    Ok(())
}

/// What all parts of the benchmark need.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) certificates: Certificates,
    pub(crate) cores: Cores,
    pub(crate) size: Size,
    pub(crate) work: PathBuf,
    pub(crate) programs: PathBuf,
    pub(crate) tools: PathBuf,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) is_short: bool,
    /// How often everything is measured, in turn.
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// Through rotations of tokens that live three seconds.
    pub(crate) rotating: Duration,
    /// Of `curl` processes, one after another.
    pub(crate) curls: u32,
    pub(crate) pages: u32,
    /// After a burst of requests.
    pub(crate) settling: Duration,
    /// Bytes of a long stream.
    pub(crate) stream: u64,
}

impl Size {
    const FULL: Self = Self {
        is_short: false,
        rounds: 7,
        warm_up: Duration::from_millis(400),
        time: Duration::from_millis(1200),
        rotating: Duration::from_secs(12),
        curls: 100,
        pages: 50,
        settling: Duration::from_secs(60),
        stream: 10 << 30,
    };
    const SHORT: Self = Self {
        is_short: true,
        rounds: 1,
        warm_up: Duration::from_millis(200),
        time: Duration::from_millis(600),
        rotating: Duration::from_secs(6),
        curls: 10,
        pages: 5,
        settling: Duration::from_secs(5),
        stream: 256 << 20,
    };
}

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Prints a line. If its reader has gone, the figures are lost, and nothing else.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Tells how far the benchmark is.
pub(crate) fn progress(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
