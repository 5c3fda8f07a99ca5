//! `loopdesk version`: the versions of this command and of the running daemon.

use loopdesk_protocol::version::Version;
use loopdesk_protocol::{PROTOCOL, Problem, VERSION};
use serde::Serialize;

use crate::context::Context;
use crate::daemon_client::version_skew;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(crate) async fn run(context: &Context, output: &mut Output) -> Result<(), CliError> {
    let daemon = context.link.version().await?.map(|(_, version)| version);
    let versions = VersionOutput {
        version: VERSION,
        protocol: PROTOCOL,
        problem: daemon.as_ref().and_then(version_skew::problem),
        daemon,
    };
    output.result(&versions, || text(&versions))?;
    if let Some(problem) = &versions.problem {
        output.warning(problem);
    }
    Ok(())
}

#[derive(Serialize)]
struct VersionOutput {
    version: &'static str,
    protocol: u32,
    daemon: Option<Version>,
    /// Set if they are of different releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

fn text(versions: &VersionOutput) -> Text {
    let text = Text::from(format!("loopdesk  {}\n", versions.version));
    match &versions.daemon {
        Some(daemon) => text.plain(format!(
            "loopdeskd {} (running, process {})\n",
            daemon.version, daemon.pid
        )),
        None => text.plain("loopdeskd isn't running\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Daemon, Home};
    use loopdesk_protocol::version;

    #[tokio::test]
    async fn both_programs_are_named_and_a_difference_pointed_out() {
        let home = Home::new();
        let ran = home.run("version").await;
        assert!(ran.out.contains("loopdeskd isn't running"), "{}", ran.out);
        assert!(home.run("version --json").await.json()["daemon"].is_null());
        // Even if other commands would refuse to talk to it.
        let other = Version {
            version: "9.9.9".to_owned(),
            protocol: PROTOCOL + 1,
            pid: 4711,
            supervised: false,
        };
        let _daemon = Daemon::new(&home).json(version::CALL, &other).serve();
        let ran = home.run("version").await;
        assert!(
            ran.out.contains("loopdeskd 9.9.9 (running, process 4711)"),
            "{}",
            ran.out
        );
        assert!(ran.err.contains("Warning: the running daemon"), "{ran:?}");
        assert!(ran.err.contains("install loopdesk 9.9.9"), "{ran:?}");
        let json = home.run("version --json").await.json();
        assert!(json["problem"]["hints"][0].is_string(), "{json}");
    }
}
