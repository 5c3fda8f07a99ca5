//! `loopdesk key rotate`: replaces a key with one of the same rights.

use loopdesk_protocol::key::{Created, KeyStatus, ROTATE, Rotate};

use super::print_secret;
use crate::args::key::KeyRotateArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::lookup;
use crate::ui::output::Output;
use crate::ui::secret;
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(super) async fn run(
    args: &KeyRotateArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let request = Rotate {
        name: lookup::name_of_ending(&args.name, &client).await?,
        grace: args.grace.unwrap_or(0),
    };
    secret::protect_memory("new key")?;
    let created: Created = client.post(ROTATE, &request).await?;
    let intro = intro(&created.key, &context.clock);
    print_secret::print(&created, &intro, args.quiet, output)
}

fn intro(key: &KeyStatus, clock: &Clock) -> Text {
    let old = match key.old_secret_until {
        Some(then) => format!(
            "The old one works until {} ({})",
            clock.moment(then),
            clock.relative(then)
        ),
        None => "The old one no longer works".to_owned(),
    };
    Text::new()
        .plain("Replaced key ")
        .strong(&key.name)
        .plain(format!(" of `{}`. {old}. The new one:", key.account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::key::LIST;

    #[tokio::test]
    async fn d2_the_new_key_is_shown_and_what_becomes_of_the_old_one_said() {
        let home = Home::new();
        let mut created = testing::created("ldk_7k3m9q2xNEW");
        let daemon = Daemon::new(&home).json(ROTATE, &created).serve();
        let ran = home.run("key rotate nightly-report").await;
        assert_eq!((ran.code, ran.out.as_str()), (0, "ldk_7k3m9q2xNEW\n"));
        let first = ran.err.lines().next().unwrap();
        insta::assert_snapshot!(first, @"Replaced key nightly-report of `acme`. The old one no longer works. The new one:");
        let (_, body) = daemon.asked(ROTATE).remove(0);
        assert_eq!(body, r#"{"name":"nightly-report","grace":0}"#);
        drop(daemon);
        let home = Home::new();
        created.key.old_secret_until = Some("2026-11-23T18:00:00Z".parse().unwrap());
        let daemon = Daemon::new(&home).json(ROTATE, &created);
        let daemon = daemon.json(LIST, &testing::keys()).serve();
        let ran = home.run("key rotate ldk_7k3m9q2x --grace 1h").await;
        let first = ran.err.lines().next().unwrap();
        insta::assert_snapshot!(first, @"Replaced key nightly-report of `acme`. The old one works until 2026-11-23 19:00 (in 1 h). The new one:");
        let (_, body) = daemon.asked(ROTATE).remove(0);
        assert_eq!(body, r#"{"name":"nightly-report","grace":3600}"#);
        let ran = home.run("key rotate nightly-report --quiet").await;
        assert_eq!(ran.err, "");
        let ran = home.run("key rotate nightly-report --json").await;
        assert_eq!(ran.json()["key"]["name"], "nightly-report");
    }
}
