//! The environment that a command runs in.

use std::ffi::OsString;
use std::fmt;

use loopdesk_protocol::{Client, Kind, Paths, Problem};

use crate::config_report::valid_config;
use crate::daemon_client::{DaemonProgram, Link, version_skew};
use crate::error::CliError;
use crate::problems::no_account;
use crate::ui::keyboard::Keyboard;
use crate::ui::output::Output;
use crate::ui::text::Text;
use crate::ui::time::Clock;

/// Everything outside of the process that commands use.
pub(crate) struct Context {
    pub(crate) paths: Paths,
    pub(crate) link: Link,
    pub(crate) clock: Clock,
    pub(crate) keyboard: Keyboard,
    pub(crate) env: Environment,
    pub(crate) browser: Browser,
}

/// Reads environment variables.
pub(crate) type Environment = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// Opens a URL in the user's browser. May block.
pub(crate) type Browser = fn(&str) -> std::io::Result<()>;

impl Context {
    /// The environment of this process.
    pub(crate) fn from_env() -> Result<Self, Problem> {
        let paths = Paths::from_env().map_err(|e| Problem::new(Kind::Config, e.to_string()))?;
        let env = |name: &str| -> Option<OsString> { std::env::var_os(name) };
        let beside = std::env::current_exe().ok();
        let program = DaemonProgram::find(env, beside.as_deref());
        Ok(Self {
            link: Link::new(paths.clone(), program),
            paths,
            clock: Clock::system(),
            keyboard: Keyboard::of_process(),
            env: Box::new(env),
            browser: |url| webbrowser::open(url),
        })
    }

    /// The daemon. Starts it if none is running and an account is configured.
    pub(crate) async fn daemon(&self, output: &mut Output) -> Result<Client, CliError> {
        if let Some((client, version)) = self.link.running_with_version().await? {
            // A supervised daemon restarts itself when its program was replaced.
            let stays = version_skew::problem(&version).filter(|_| !version.supervised);
            if let Some(problem) = stays {
                output.warning(&problem);
            }
            return Ok(client);
        }
        let report = self.link.check_config(None).await?;
        if valid_config(&report)?.accounts.is_empty() {
            return Err(no_account().into());
        }
        let (client, started) = self.link.start().await?;
        if let Some(pid) = started {
            output.note(&Text::new().plain(format!(
                "Started loopdesk in the background (process {pid}). It runs until you log out or shut \
                 down; `loopdesk service install` keeps it running."
            )));
        }
        Ok(client)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}
