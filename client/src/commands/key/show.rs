//! `loopdesk key show`: all details of a key.

use loopdesk_protocol::key::KeyStatus;

use crate::args::key::KeyShowArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::labels;
use crate::lookup;
use crate::ui::output::Output;
use crate::ui::text::Text;
use crate::ui::time::Clock;

pub(super) async fn run(
    args: &KeyShowArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let client = context.daemon(output).await?;
    let key = lookup::key_named(&args.name, &client, output).await?;
    output.result(&key, || text(&key, &context.clock))
}

fn text(key: &KeyStatus, clock: &Clock) -> Text {
    let (style, state) = labels::key::state(key.state);
    let mut text = Text::new()
        .strong(&key.name)
        .plain(": ")
        .styled(style, state)
        .end()
        .row("begins with", &key.id)
        .row("account", &key.account)
        .row("user", labels::person::label(&key.person));
    let rights = &key.rights;
    for (name, lines) in [
        ("scopes", vec![rights.scopes.join(" ")]),
        ("allows", rights.allow.clone()),
        ("denies", rights.deny.clone()),
    ] {
        if lines.iter().any(|line| !line.is_empty()) {
            text = text.row(name, lines.join("\n"));
        }
    }
    text = text.row("created", clock.both(key.created_at)).row(
        "expires",
        key.expires_at
            .map_or_else(|| "never".to_owned(), |then| clock.both(then)),
    );
    if let Some(then) = key.old_secret_until {
        text = text.row("old key", format!("works until {}", clock.moment(then)));
    }
    let last = key.last_used.as_ref();
    let last = last.map_or_else(
        || "never".to_owned(),
        |use_| labels::key::last_use(use_, clock),
    );
    text = text
        .row("last used", last)
        .row("requests", key.requests.to_string());
    if let Some(note) = &key.note {
        text = text.row("note", note);
    }
    match labels::key::advice(key) {
        Some(advice) => text.end().plain(advice),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::key::LIST;

    #[tokio::test]
    async fn d2_everything_but_the_key_is_shown() {
        let home = Home::new();
        let keys = testing::keys();
        let _daemon = Daemon::new(&home).json(LIST, &keys).serve();
        let ran = home.run("key show nightly-report").await;
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(ran.out, @"
        nightly-report: active
          begins with     ldk_7k3m9q2x
          account         acme
          user            Ada Lovelace <ada@example.com>, admin
          scopes          tickets:read
          created         3 days ago (2026-11-20 18:00)
          expires         in 87 days (2027-02-18 18:00)
          last used       3 min ago by python3 (4711)
          requests        1204
        ");
        let by_id = home.run(&format!("key show {}", keys.keys[0].id)).await;
        assert_eq!((by_id.out, by_id.err), (ran.out, ran.err));
        let ran = home.run("key show sync").await;
        insta::assert_snapshot!(ran.out, @"
        sync: suspended
          begins with     ldk_h5n8w4rd
          account         sandbox
          user            Ada Lovelace <ada@example.com>, admin
          scopes          read
          allows          PUT /api/v2/tickets/*
                          POST /api/v2/tickets
          denies          GET /api/v2/users/**
          created         53 days ago (2026-10-01 18:00)
          expires         never
          last used       never
          requests        0
          note            Ada's cron

        The key was created for Ada Lovelace, but another user is logged in to `sandbox` now. Run `loopdesk key confirm sandbox --key sync` to let it act as that user, or `loopdesk key revoke sync`.
        ");
        let ran = home.run("key show nightly-report --json").await;
        assert_eq!(ran.json()["id"], "ldk_7k3m9q2x");
        let ran = home.run("key show x").await;
        assert_eq!(ran.code, 2);
        insta::assert_snapshot!(ran.err, @"
        error: there is no key `x`
        Hint: the keys are nightly-report, sync
        ");
    }
}
