//! `loopdesk wait`: waits until an account serves requests.

use std::time::Duration;

use loopdesk_protocol::wait::{self, WaitRequest};
use tokio::time::{Instant, timeout_at};

use crate::args::session::WaitArgs;
use crate::base_url::preferred;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(crate) async fn run(
    args: &WaitArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let since = Instant::now();
    let deadline = since + args.timeout;
    let client = context.daemon(output).await?;
    let request = WaitRequest {
        account: args.account.clone(),
        timeout: deadline.saturating_duration_since(Instant::now()),
        waited: since.elapsed(),
    };
    let account = timeout_at(deadline + GRACE, client.query(wait::CALL, &request))
        .await
        .map_err(|_| {
            wait::too_long(since.elapsed(), "the daemon doesn't answer")
                .hint("run `loopdesk status` to see what is wrong")
        })??;
    output.result(&account, || {
        Text::new()
            .strong(&account.name)
            .plain(" serves requests at ")
            .plain(preferred(&account.base_urls).unwrap_or("no address"))
    })
}

/// The daemon ends the wait in time; this covers one that hangs.
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use crate::testing::{Daemon, Home, status};
    use loopdesk_protocol::call::Query;
    use loopdesk_protocol::{Kind, Problem, wait};

    #[tokio::test]
    async fn the_daemon_is_asked_for_as_long_as_the_person_waits() {
        let home = Home::new();
        let daemon = Daemon::new(&home)
            .json(wait::CALL, &status().accounts[0])
            .serve();
        let ran = home.run("wait acme --timeout 2m").await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(ran.out, "acme serves requests at http://127.0.0.1:8484\n");
        let (target, _) = daemon.asked(wait::CALL).remove(0);
        let (_, query) = target.split_once('?').unwrap();
        let request = wait::WaitRequest::from_query(query).unwrap();
        assert_eq!(request.account.as_deref(), Some("acme"));
        assert!(request.timeout.as_secs() >= 110, "{request:?}");
        assert_eq!(home.run("wait --json").await.json()["name"], "acme");
    }

    #[tokio::test]
    async fn a_needed_login_and_the_end_of_the_time_have_their_own_exit_codes() {
        for (kind, code) in [(Kind::Login, 4), (Kind::Timeout, 8)] {
            let home = Home::new();
            let problem = Problem::new(kind, "not yet").hint("run `loopdesk login acme`");
            let _daemon = Daemon::new(&home).problem(wait::CALL, &problem).serve();
            let ran = home.run("wait").await;
            assert_eq!(ran.code, code);
            assert_eq!(ran.err, "error: not yet\nHint: run `loopdesk login acme`\n");
            let ran = home.run("wait --json").await;
            let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
            assert_eq!(error["error"]["exit_code"], code);
            assert_eq!(
                (error["error"]["message"].as_str(), ran.out.as_str()),
                (Some("not yet"), "")
            );
        }
    }
}
