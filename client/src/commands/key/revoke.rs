//! `loopdesk key revoke`: revokes keys.

use loopdesk_protocol::Client;
use loopdesk_protocol::key::{KeyStatus, Named, REVOKE};
use serde::Serialize;

use crate::args::key::KeyRevokeArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels;
use crate::lookup;
use crate::ui::output::Output;
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(super) async fn run(
    args: &KeyRevokeArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let mut revoked = Vec::new();
    let mut failed = Vec::new();
    // One that fails must not keep the others from being revoked.
    for name in &args.names {
        match revoke(name, &client).await {
            Ok(key) => revoked.push(key),
            Err(error) => failed.push(error),
        }
    }
    let done = KeyRevokeOutput { revoked };
    if !done.revoked.is_empty() {
        output.result(&done, || text(&done, &context.clock))?;
    }
    let mut failed = failed.into_iter();
    let Some(mut last) = failed.next() else {
        return Ok(());
    };
    for error in failed {
        let _told = output.failure(&std::mem::replace(&mut last, error));
    }
    Err(last)
}

async fn revoke(name: &str, client: &Client) -> Result<KeyStatus, CliError> {
    let name = lookup::name_of_ending(name, client).await?;
    Ok(client.post(REVOKE, &Named { name }).await?)
}

#[derive(Serialize)]
struct KeyRevokeOutput {
    revoked: Vec<KeyStatus>,
}

fn text(done: &KeyRevokeOutput, clock: &Clock) -> Text {
    done.revoked.iter().fold(Text::new(), |text, key| {
        let last = match &key.last_used {
            Some(last) => format!("last used {}", labels::key::last_use(last, clock)),
            None => "never used".to_owned(),
        };
        text.plain("Revoked ")
            .strong(&key.name)
            .plain(format!(" of `{}`, {last}.", key.account))
            .end()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::key::LIST;
    use loopdesk_protocol::{Kind, Problem};

    #[tokio::test]
    async fn d2_several_keys_go_at_once_and_a_key_found_in_a_script_too() {
        let home = Home::new();
        let keys = testing::keys();
        let daemon = Daemon::new(&home).json(REVOKE, &keys.keys[0]);
        let daemon = daemon.json(LIST, &keys).serve();
        let ran = home
            .run("key revoke nightly-report ldk_7k3m9q2xWHOLE")
            .await;
        assert_eq!(ran.code, 0, "{}", ran.err);
        insta::assert_snapshot!(ran.out, @"
        Revoked nightly-report of `acme`, last used 3 min ago by python3 (4711).
        Revoked nightly-report of `acme`, last used 3 min ago by python3 (4711).
        ");
        assert_eq!(ran.err, "", "it isn't worth a warning any more");
        for (_, body) in daemon.asked(REVOKE) {
            assert_eq!(body, r#"{"name":"nightly-report"}"#);
        }
        assert_eq!(daemon.asked(REVOKE).len(), 2);
        let ran = home.run("key revoke nightly-report --json").await;
        assert_eq!(ran.json()["revoked"][0]["name"], "nightly-report");
    }

    #[tokio::test]
    async fn d2_one_that_does_not_exist_saves_no_other() {
        let home = Home::new();
        let problem = Problem::new(Kind::Usage, "there is no key `b`").hint("name another");
        let keys = testing::keys();
        let daemon = Daemon::new(&home).problem(REVOKE, &problem);
        let daemon = daemon.json(LIST, &keys).serve();
        let ran = home.run("key revoke a b ldk_unknown").await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert_eq!(ran.err.matches("error:").count(), 3, "{}", ran.err);
        assert_eq!(daemon.asked(REVOKE).len(), 2);
    }
}
