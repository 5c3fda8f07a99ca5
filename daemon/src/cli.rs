//! The daemon's own command line: run, or check a configuration.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use loopdesk_protocol::exec::restore_environment;
use loopdesk_protocol::{Kind, Paths, Problem, start};

use crate::app::DaemonEnd;
use crate::config::files::ConfigPaths;
use crate::os::uid;
use crate::supervise::instance::{self, InstanceLock, LockRefused};
use crate::supervise::sockets::Inherited;
use crate::supervise::{descriptors, hardening, notify};
use crate::upstream::egress::Variables;
use crate::{app, config, exec_proxy, failpoint, telemetry};

/// Runs the program.
pub fn main() -> ExitCode {
    restore_environment();
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => run(),
        Some(DaemonCommand::CheckConfig { file }) => check_config(file),
        Some(DaemonCommand::ExecProxy { serve: false }) => return exec_proxy::launch(),
        Some(DaemonCommand::ExecProxy { serve: true }) => return exec_proxy::serve(),
    };
    match done {
        Ok(code) => {
            telemetry::flush();
            code
        }
        Err(problem) => {
            let mut text = format!("error: {problem}\n");
            for hint in &problem.hints {
                text.push_str(&format!("Hint: {hint}\n"));
            }
            telemetry::last_words(&text);
            ExitCode::from(problem.kind.exit_code())
        }
    }
}

/// Keeps Zendesk sessions alive and lends them to local scripts.
#[derive(Debug, Parser)]
#[command(name = "loopdeskd", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<DaemonCommand>,
}

#[derive(Debug, Subcommand)]
enum DaemonCommand {
    /// Print what the daemon makes of a configuration file, as JSON.
    CheckConfig {
        /// The file to check in place of the user's own, which is the default.
        file: Option<PathBuf>,
    },
    /// Help a command of `loopdesk exec`, which starts this.
    #[command(hide = true)]
    ExecProxy {
        #[arg(long)]
        serve: bool,
    },
}

fn run() -> Result<ExitCode, Problem> {
    uid::check()?;
    hardening::apply()?;
    let paths = paths()?;
    paths.check_root()?;
    telemetry::init().map_err(|why| Problem::new(Kind::Usage, why))?;
    descriptors::raise();
    let (files, config) = config::load::load(&ConfigPaths::of(&paths)).map_err(|error| {
        Problem::new(Kind::Config, error.to_string()).hint("run `loopdesk config check`")
    })?;
    instance::private_dir(paths.state_dir())?;
    let inherited = Inherited::take(config.accounts.keys())?;
    let lock = match instance_lock(&paths) {
        Ok(lock) => lock,
        Err(LockRefused::Unusable(problem)) => return Err(problem),
        Err(held @ LockRefused::Held { .. }) => {
            telemetry::last_words(&format!("error: {held}\nHint: run `loopdesk status`\n"));
            return Ok(ExitCode::from(start::ALREADY_RUNNING));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(|e| {
            Problem::new(
                Kind::Internal,
                format!("can't start the async runtime: {e}"),
            )
        })?;
    let clock = failpoint::clock();
    let proxies = Variables::read(|name| std::env::var_os(name), clock.clone());
    let serving = app::run(
        paths,
        lock.clone(),
        files,
        config,
        inherited,
        proxies,
        clock,
    );
    let ended = runtime.block_on(serving);
    // Everything that had to be stored is stored. A thread that still waits for a name server or a
    // keyring must not delay the exit.
    runtime.shutdown_background();
    drop(lock);
    Ok(match ended? {
        DaemonEnd::Asked => ExitCode::SUCCESS,
        DaemonEnd::Replaced => ExitCode::from(start::REPLACED),
    })
}

/// Takes the lock. Under a supervisor, the previous daemon may still be finishing its work.
fn instance_lock(paths: &Paths) -> Result<InstanceLock, LockRefused> {
    let lock = paths.lock_file();
    if !notify::is_supervised() {
        return InstanceLock::take(&lock);
    }
    InstanceLock::wait(&lock, PREDECESSOR, |pid| {
        tracing::info!(pid, "waiting for the previous daemon to end");
        notify::status(&format!("waiting for process {pid} to end"));
    })
}

fn check_config(file: Option<PathBuf>) -> Result<ExitCode, Problem> {
    let paths = ConfigPaths::of(&paths()?);
    let paths = match file {
        // Relative paths in a file start at its folder, so the file needs an absolute path.
        Some(file) => paths.with_user(std::path::absolute(&file).unwrap_or(file)),
        None => paths,
    };
    let report = config::load::report(&paths);
    let failed = |e: String| Problem::new(Kind::Internal, format!("can't write the report: {e}"));
    let mut text = serde_json::to_string(&report).map_err(|e| failed(e.to_string()))?;
    text.push('\n');
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|e| failed(e.to_string()))?;
    Ok(if report.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Kind::Config.exit_code())
    })
}

fn paths() -> Result<Paths, Problem> {
    Paths::from_env().map_err(|error| Problem::new(Kind::Usage, error.to_string()))
}

/// One core can serve a user's scripts many times over; the second one lets a long body be
/// rewritten while other requests are answered. On a single core, two threads would only wake each
/// other.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
}

/// Longer than a daemon takes to drain, shorter than a supervisor waits for a start.
const PREDECESSOR: Duration = Duration::from_secs(45);
