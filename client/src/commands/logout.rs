//! `loopdesk logout`: ends a session, here and at Zendesk.

use loopdesk_protocol::session::{LOGOUT, LoggedOut, LogoutRequest};

use crate::args::session::LogoutArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::output::Output;
use crate::ui::text::Text;

pub(crate) async fn run(
    args: &LogoutArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let request = LogoutRequest {
        account: args.account.clone(),
        forget: args.forget,
    };
    let answer: LoggedOut = client.post(LOGOUT, &request).await?;
    output.result(&answer, || text(&answer))?;
    if answer.person.is_some() && !answer.revoked {
        output.warn(
            "Zendesk didn't confirm that the tokens are revoked. An admin can revoke them in Admin \
             Center, under Apps and integrations, APIs, OAuth clients.",
        );
    }
    Ok(())
}

fn text(answer: &LoggedOut) -> Text {
    let Some(person) = &answer.person else {
        return Text::new()
            .plain("You weren't logged in to ")
            .strong(&answer.account)
            .plain(".");
    };
    let end = if answer.revoked {
        ". Zendesk has revoked the session."
    } else {
        ". The session is deleted from this machine."
    };
    Text::new()
        .plain(format!("Logged {} out of ", person.name))
        .strong(&answer.account)
        .plain(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};

    #[tokio::test]
    async fn what_zendesk_has_not_confirmed_is_said() {
        for (known, revoked, out, warned) in [
            (
                true,
                true,
                "Logged Ada Lovelace out of acme. Zendesk has revoked the session.\n",
                false,
            ),
            (
                true,
                false,
                "Logged Ada Lovelace out of acme. The session is deleted from this machine.\n",
                true,
            ),
            (false, false, "You weren't logged in to acme.\n", false),
        ] {
            let home = Home::new();
            let answer = LoggedOut {
                account: "acme".to_owned(),
                person: known.then(testing::ada),
                revoked,
            };
            let daemon = Daemon::new(&home).json(LOGOUT, &answer).serve();
            let ran = home.run("logout acme --forget").await;
            assert_eq!((ran.code, ran.out.as_str()), (0, out));
            assert_eq!(ran.err.contains("Admin Center"), warned, "{}", ran.err);
            let (_, body) = daemon.asked(LOGOUT).remove(0);
            assert_eq!(body, r#"{"account":"acme","forget":true}"#);
        }
    }
}
