//! `loopdesk explain`: whether a request would be allowed, and which rule decides.

use loopdesk_protocol::key::{EXPLAIN, Explain, Explained};
use loopdesk_protocol::{Kind, Problem};

use crate::args::key::ExplainArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::lookup::key_named;
use crate::ui::output::Output;
use crate::ui::shell;
use crate::ui::text::{BAD, GOOD, Text};

pub(crate) async fn run(
    args: &ExplainArgs,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    if !args.path.starts_with('/') {
        return Err(no_path(args).into());
    }
    let client = context.daemon(output).await?;
    let key = match &args.key {
        Some(key) => Some(key_named(key, &client, output).await?.name),
        None => None,
    };
    let request = Explain {
        // All methods of Zendesk's API are upper-case.
        method: args.method.to_ascii_uppercase(),
        path: args.path.clone(),
        account: args.account.clone(),
        key,
    };
    let explained: Explained = client.post(EXPLAIN, &request).await?;
    output.result(&explained, || text(&explained, &request))?;
    match explained.allowed {
        true => Ok(()),
        false => Err(CliError::Reported(Kind::Trouble)),
    }
}

/// For a whole URL, suggests the command with just its path.
fn no_path(args: &ExplainArgs) -> Problem {
    let message = format!("`{}` doesn't begin with `/`", args.path);
    let rest = args.path.split_once("://").map(|(_, rest)| rest);
    let path = match rest.map(|rest| rest.find('/').map(|at| &rest[at..])) {
        Some(path) => path.unwrap_or("/").to_owned(),
        None => format!("/{}", args.path),
    };
    Problem::new(Kind::Usage, message).hint(format!(
        "run `loopdesk explain {} {}`, with the path alone",
        args.method,
        shell::quote(&path)
    ))
}

fn text(explained: &Explained, request: &Explain) -> Text {
    let (style, verdict) = match explained.allowed {
        true => (GOOD, "allowed"),
        false => (BAD, "refused"),
    };
    let with = match &request.key {
        Some(key) => format!(" with key {key}"),
        None => " without a key".to_owned(),
    };
    let mut text = Text::new()
        .styled(style, verdict)
        .plain(format!(": {} {}{with}", request.method, request.path))
        .end();
    if let Some(account) = &explained.account {
        text = text.row("account", account);
    }
    if !explained.needs.is_empty() {
        text = text.row("needs", explained.needs.join(" or "));
    }
    text.row("decided by", &explained.line)
        .row("why", &explained.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Daemon, Home};
    use loopdesk_protocol::key::LIST;

    fn explained(allowed: bool) -> Explained {
        Explained {
            allowed,
            account: Some("acme".to_owned()),
            needs: vec!["tickets:write".to_owned(), "write".to_owned()],
            line: "scope `tickets:read` of key `nightly-report`".to_owned(),
            why: "It writes, and the key may only read.".to_owned(),
        }
    }

    #[tokio::test]
    async fn d2_the_verdict_its_line_and_the_exit_code() {
        let home = Home::new();
        let daemon = Daemon::new(&home).json(EXPLAIN, &explained(false));
        let daemon = daemon.json(LIST, &testing::keys()).serve();
        let ran = home
            .run("explain post /api/v2/tickets.json?x=1 --key nightly-report")
            .await;
        assert_eq!((ran.code, ran.err.as_str()), (1, ""));
        insta::assert_snapshot!(ran.out, @"
        refused: POST /api/v2/tickets.json?x=1 with key nightly-report
          account         acme
          needs           tickets:write or write
          decided by      scope `tickets:read` of key `nightly-report`
          why             It writes, and the key may only read.
        ");
        let ran = home.run("explain GET / --account acme --json").await;
        assert_eq!((ran.code, ran.err.as_str()), (1, ""));
        assert_eq!(ran.json()["allowed"], false);
        let bodies: Vec<_> = daemon.asked(EXPLAIN).into_iter().map(|(_, b)| b).collect();
        insta::assert_snapshot!(bodies.join("\n"), @r#"
        {"method":"POST","path":"/api/v2/tickets.json?x=1","key":"nightly-report"}
        {"method":"GET","path":"/","account":"acme"}
        "#);
        assert_eq!(home.run("explain GET / --key x").await.code, 2);
        drop(daemon);
        let home = Home::new();
        let _daemon = Daemon::new(&home).json(EXPLAIN, &explained(true)).serve();
        let ran = home.run("explain GET /api/v2/tickets.json").await;
        assert_eq!(ran.code, 0);
        let first = ran.out.lines().next();
        assert_eq!(
            first,
            Some("allowed: GET /api/v2/tickets.json without a key")
        );
    }

    #[tokio::test]
    async fn a_whole_url_is_answered_with_the_command_to_run() {
        let home = Home::new();
        for (path, fix) in [
            (
                "https://acme.zendesk.com/api/v2/tickets.json?a=1&b=2 --key a",
                "`loopdesk explain GET '/api/v2/tickets.json?a=1&b=2'`",
            ),
            ("http://localhost:8484", "`loopdesk explain GET /`"),
            ("api/v2/users", "`loopdesk explain GET /api/v2/users`"),
        ] {
            let ran = home.run(&format!("explain GET {path}")).await;
            assert_eq!(ran.code, 2);
            assert!(ran.err.contains(fix), "{}", ran.err);
        }
    }
}
