//! `loopdesk env`: the base URL as shell code that can be given to `eval` unread.

mod account;
mod client;
mod library;
mod network;
mod tool;

use loopdesk_protocol::status;
use serde::Serialize;

use crate::cli::{Env, EnvClient};
use crate::context::Context;
use crate::error::CliError;
use crate::output::Output;
use crate::shell;
use crate::text::Text;
use account::{Account, choose, of_config, of_status};
use client::{Recipe, recipe};
use network::{authority, diverted, host, is_unresolved};

pub(crate) async fn run(
    args: &Env,
    context: &Context,
    output: &mut Output,
) -> Result<(), CliError> {
    let accounts = match context.link.running().await? {
        Some(client) => of_status(client.get(status::PATH).await?),
        None => of_config(super::config::usable(&context.link.judge(None).await?)?),
    };
    let account = choose(accounts, args.account.as_deref())?;
    let Some(base) = best(&account.base_urls) else {
        let problem = loopdesk_protocol::Problem::new(
            loopdesk_protocol::Kind::Config,
            format!("account `{}` is served at no address", account.name),
        );
        return Err(problem
            .hint(format!(
                "run `loopdesk account set {} port 8490`",
                account.name
            ))
            .into());
    };
    let answer = Answer::new(&account, base, args.client);
    output.result(&answer, || answer.script())?;
    if is_unresolved(base) {
        output.warn(format!(
            "many programs can't resolve `{}`. Run `loopdesk account set {} port 8490` to give \
             the account a port of its own.",
            authority(base),
            account.name
        ));
    }
    if let Some((name, no_proxy)) = diverted(base, &context.env) {
        let missing = host(base);
        let list = match no_proxy.as_str() {
            "" => format!("localhost,{missing}"),
            list => format!("{list},localhost,{missing}"),
        };
        output.warn(format!(
            "{name} is set, and programs that obey it would send these requests to the proxy. Run \
             `export no_proxy={list} NO_PROXY={list}` first.",
            list = shell::quote(&list)
        ));
    }
    Ok(())
}

/// The base URL that most programs can use: numbers need no resolver, and a client that tries
/// `::1` first for `localhost` is no slower.
pub(crate) fn best(base_urls: &[String]) -> Option<&str> {
    let with = |host: &str| {
        base_urls
            .iter()
            .find(|url| authority(url).starts_with(host))
    };
    with("127.")
        .or_else(|| with("localhost"))
        .or_else(|| with("[::1]"))
        .or_else(|| base_urls.first())
        .map(String::as_str)
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Answer {
    account: String,
    base_url: String,
    base_urls: Vec<String>,
    #[serde(flatten)]
    recipe: Recipe,
}

impl Answer {
    fn new(account: &Account, base: &str, client: Option<EnvClient>) -> Self {
        Self {
            account: account.name.clone(),
            base_url: base.to_owned(),
            base_urls: account.base_urls.clone(),
            recipe: recipe(client, base, &account.name),
        }
    }

    /// Exports, and what a person has to know as comments: `eval` takes all of it.
    fn script(&self) -> Text {
        let mut text = Text::new();
        for (name, value) in &self.recipe.variables {
            text = text
                .plain(format!("export {name}={}", shell::quote(value)))
                .end();
        }
        for note in &self.recipe.notes {
            text = text.plain(format!("# {note}")).end();
        }
        for line in &self.recipe.example {
            text = text.plain(format!("#   {line}").trim_end()).end();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::testing::{Home, plain, report};

    fn account(base_urls: &[&str]) -> Account {
        Account {
            name: "acme".to_owned(),
            default: true,
            base_urls: base_urls.iter().map(|&url| url.to_owned()).collect(),
        }
    }

    #[test]
    fn the_address_that_most_programs_can_use_wins() {
        let best_of = |urls: &[&str]| {
            let account = account(urls);
            best(&account.base_urls).map(ToOwned::to_owned)
        };
        let named = "http://acme.localhost:8484";
        assert_eq!(
            best_of(&["http://localhost:8484", named, "http://127.0.0.1:8484"]).as_deref(),
            Some("http://127.0.0.1:8484")
        );
        assert_eq!(best_of(&[named]).as_deref(), Some(named));
        assert_eq!(best_of(&[]), None);
        assert!(is_unresolved(named) && !is_unresolved("http://localhost:8484"));
    }

    #[test]
    fn a_shell_can_eval_all_of_it() {
        let account = account(&["http://127.0.0.1:8484"]);
        for client in EnvClient::value_variants() {
            let answer = Answer::new(&account, "http://127.0.0.1:8484", Some(*client));
            let script = plain(&answer.script());
            let output = std::process::Command::new("sh")
                .args(["-euc", &format!("{script}\nenv")])
                .env_clear()
                .output()
                .unwrap();
            assert!(output.status.success(), "{script}");
            let vars = String::from_utf8(output.stdout).unwrap();
            for (name, value) in &answer.recipe.variables {
                assert!(vars.contains(&format!("{name}={value}\n")), "{vars}");
            }
        }
    }

    #[test]
    fn code_is_printed_as_comments_below_the_exports() {
        let account = account(&["http://127.0.0.1:8484"]);
        let answer = Answer::new(&account, "http://127.0.0.1:8484", Some(EnvClient::Zdesk));
        insta::assert_snapshot!(plain(&answer.script()), @r#"
        export ZENDESK_BASE_URL=http://127.0.0.1:8484
        # The library wants a credential; nobody looks at it, so the script may keep its own:
        #   import os
        #   from zdesk import Zendesk
        #   zendesk = Zendesk(os.environ["ZENDESK_BASE_URL"], zdesk_email="any", zdesk_api="any")
        "#);
    }

    #[tokio::test]
    async fn the_warning_names_what_to_export() {
        let home = Home::new().with_report(&report());
        let home = home.with_var("http_proxy", "http://proxy:3128");
        let ran = home.with_var("no_proxy", "corp").run("env acme").await;
        assert_eq!(ran.out, "export ZENDESK_BASE_URL=http://127.0.0.1:8484\n");
        insta::assert_snapshot!(ran.err, @"Warning: http_proxy is set, and programs that obey it would send these requests to the proxy. Run `export no_proxy='corp,localhost,127.0.0.1' NO_PROXY='corp,localhost,127.0.0.1'` first.");
    }
}
