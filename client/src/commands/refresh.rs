//! `loopdesk refresh`: fetches new tokens now.

use loopdesk_protocol::session::{REFRESH, RefreshRequest, Refreshed};

use crate::args::session::AccountArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(crate) async fn run(
    args: &AccountArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let request = RefreshRequest {
        account: args.account.clone(),
    };
    let refreshed: Refreshed = client.post(REFRESH, &request).await?;
    output.result(&refreshed, || {
        let expires = context.clock.both(refreshed.access_expires_at);
        Text::new()
            .plain("Refreshed ")
            .strong(&refreshed.account)
            .plain(format!(
                ": token pair {} is in use. Its access token expires {expires}.",
                refreshed.generation
            ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Daemon, Home};
    use loopdesk_protocol::{Kind, Problem};

    #[tokio::test]
    async fn the_new_pair_is_named() {
        let home = Home::new();
        let refreshed = Refreshed {
            account: "acme".to_owned(),
            generation: 8,
            access_expires_at: "2026-11-25T17:00:00Z".parse().unwrap(),
        };
        let daemon = Daemon::new(&home).json(REFRESH, &refreshed).serve();
        let ran = home.run("refresh").await;
        assert_eq!(
            ran.out,
            "Refreshed acme: token pair 8 is in use. Its access token expires in 48 h (2026-11-25 18:00).\n"
        );
        assert_eq!(daemon.asked(REFRESH).remove(0).1, "{}");
        assert_eq!(home.run("refresh --json").await.json()["generation"], 8);
    }

    #[tokio::test]
    async fn zendesks_refusal_is_passed_on() {
        let home = Home::new();
        let problem = Problem::new(Kind::Zendesk, "acme.zendesk.com answered 503");
        let _daemon = Daemon::new(&home).problem(REFRESH, &problem).serve();
        assert_eq!(home.run("refresh").await.code, 5);
    }
}
